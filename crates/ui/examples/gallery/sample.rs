//! A console around the gallery, as the server's layer would make it.

use maud::html;
use ui::{
    Banner, Bare, Brand, Button, ErrorPage, Field, Flash, Form, Icon, NavItem, NavSection, Page,
    Person, Shell, Switcher, SwitcherEntry, Theme, Tone,
};

pub fn shell(theme: Theme, brand: Brand) -> Shell {
    let entry = |name: &str, detail: &str, is_current| SwitcherEntry {
        name: name.to_owned(),
        detail: detail.to_owned(),
        href: format!("/app/{}", name.to_lowercase()),
        is_current,
    };
    Shell {
        product: "Freehold".to_owned(),
        brand,
        home: "/ui".to_owned(),
        sections: vec![
            NavSection {
                title: None,
                items: vec![
                    NavItem::new(Icon::Home, "Overview", "/app/northwind").key('o'),
                    NavItem::new(Icon::Chat, "Conversations", "/app/northwind/conversations")
                        .key('c')
                        .count(12),
                    NavItem::new(Icon::Layers, "Design system", "/ui").key('d'),
                ],
            },
            NavSection {
                title: Some("Build".to_owned()),
                items: vec![
                    NavItem::new(Icon::Key, "API keys", "/app/northwind/keys").key('k'),
                    NavItem::new(Icon::Plug, "Connections", "/app/northwind/connections"),
                    NavItem::new(Icon::Bolt, "Webhooks", "/app/northwind/webhooks").key('w'),
                ],
            },
            NavSection {
                title: Some("Workspace".to_owned()),
                items: vec![
                    NavItem::new(Icon::Users, "Team", "/app/northwind/team").key('t'),
                    NavItem::new(Icon::Shield, "Roles", "/app/northwind/roles"),
                    NavItem::new(Icon::List, "Audit log", "/app/northwind/audit").key('a'),
                    NavItem::new(Icon::Brush, "Branding", "/app/northwind/branding"),
                    NavItem::new(Icon::Settings, "Settings", "/app/northwind/settings").key('s'),
                ],
            },
        ],
        path: "/ui".to_owned(),
        switcher: Some(Switcher {
            current: "Northwind".to_owned(),
            entries: vec![
                entry("Northwind", "Owner", true),
                entry("Contoso", "Developer", false),
                entry("Fabrikam", "Billing", false),
            ],
        }),
        person: Person {
            name: "Ada Lovelace".to_owned(),
            email: "ada@northwind.example".to_owned(),
            links: vec![
                ("Account".to_owned(), "/account".to_owned()),
                ("Security".to_owned(), "/account/security".to_owned()),
            ],
            sign_out: "/sign-out".to_owned(),
        },
        banners: vec![
            Banner::new(
                Tone::Warning,
                "You see Northwind as Ada Lovelace, read-only. 27 minutes remain.",
            )
            .action(html! { (Button::secondary("Leave").small().to("/ui")) }),
        ],
        flashes: vec![Flash::new(
            Tone::Success,
            "The key “Production” was rotated.",
        )],
        theme,
    }
}

pub fn bare(theme: Theme) -> Bare {
    Bare {
        product: "Freehold".to_owned(),
        brand: Brand::default(),
        home: "/".to_owned(),
        theme,
        flashes: Vec::new(),
    }
}

pub fn sign_in() -> Page {
    let fields = html! {
        (Field::email("email", "E-mail").autocomplete("username").autofocus())
        (Field::password("password", "Password", "current-password"))
    };
    let buttons = html! {
        (Button::primary("Sign in")) (Button::secondary("Sign in with a passkey").icon(Icon::Key))
    };
    Page::new("Sign in", html! {
        h1 { "Sign in" }
        (Form::post("/sign-in", fields, buttons))
        p.bare-foot { "No account yet? " a href="/sign-up" { "Sign up" } " · " a href="/reset" { "Forgot the password?" } }
    })
    .bare()
}

pub fn error() -> Page {
    ErrorPage::new(
        403,
        "permission_missing",
        "You may not see this",
        "Your role lacks the permission to read API keys. Ask an owner of the workspace for it.",
        "01jq7v0q3ne5b8m0x9kz4w2r6t",
    )
    .action("Back to the overview", "/ui")
    .page()
}
