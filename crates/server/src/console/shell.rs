//! What the two consoles offer: navigation by permission, the person's menu, standing notices.

use identity::surroundings::{Impersonation, Place, Surroundings};
use kernel::permission::Roles;
use maud::html;
use time::OffsetDateTime;
use ui::{
    Banner, Bare, Brand, Button, Flash, Icon, NavItem, NavSection, Person, Shell, Switcher,
    SwitcherEntry, Theme, Tone,
};

const PRODUCT: &str = "Freehold";

pub fn bare(flashes: Vec<Flash>) -> Bare {
    Bare {
        product: PRODUCT.to_owned(),
        brand: Brand::default(),
        home: "/app".to_owned(),
        theme: Theme::System,
        flashes,
    }
}

/// The slug in the address of a page of a tenant's console.
pub fn tenant_of(path: &str) -> Option<&str> {
    path.strip_prefix("/app/")
        .and_then(|rest| rest.split('/').next())
}

/// The shell for a path: the operator console below `/admin`, a tenant's below `/app/{tenant}`, and
/// the person's own pages elsewhere.
pub fn shell(around: &Surroundings, brand: Brand, path: &str, flashes: Vec<Flash>) -> Shell {
    let place = tenant_of(path).and_then(|slug| around.place(slug));
    let is_staff_page = path == "/admin" || path.starts_with("/admin/");
    let sections = match (place, &around.platform_role) {
        (Some(place), _) => tenant_sections(place),
        (None, Some(role)) if is_staff_page => staff_sections(role),
        _ => own_sections(around),
    };
    Shell {
        product: PRODUCT.to_owned(),
        brand,
        home: place.map_or_else(
            || if is_staff_page { "/admin" } else { "/app" }.to_owned(),
            |place| format!("/app/{}", place.slug),
        ),
        sections,
        path: belonging(path),
        switcher: place.map(|place| switcher(around, place)),
        person: person(around, place),
        banners: banners(around, place),
        flashes,
        theme: Theme::System,
    }
}

/// The path, or that of the item of the navigation which it belongs to by its matter and not by its
/// address: accounts are connected from the integrations.
fn belonging(path: &str) -> String {
    let below = path
        .strip_prefix("/app/")
        .and_then(|rest| rest.split_once('/'));
    match below {
        Some((slug, page)) if page.starts_with("connections/") => {
            format!("/app/{slug}/integrations")
        }
        _ => path.to_owned(),
    }
}

/// A page of the navigation: icon, label, address below the console's own, the letter after `g`, and
/// the permission without which it is not offered.
type Entry = (Icon, &'static str, &'static str, char, Option<&'static str>);

const TENANT: [(Option<&str>, &[Entry]); 3] = [
    (
        None,
        &[
            (Icon::Home, "Overview", "", 'o', None),
            (
                Icon::Chat,
                "Conversations",
                "/conversations",
                'c',
                Some("conversations:read"),
            ),
        ],
    ),
    (
        Some("Developers"),
        &[
            (
                Icon::Plug,
                "Integrations",
                "/integrations",
                'p',
                Some("credentials:read"),
            ),
            (
                Icon::Lock,
                "Credentials",
                "/credentials",
                'd',
                Some("credentials:read"),
            ),
            (
                Icon::Key,
                "API keys",
                "/api-keys",
                'k',
                Some("api_keys:read"),
            ),
        ],
    ),
    (
        Some("Account"),
        &[
            (Icon::Users, "Team", "/team", 't', Some("members:read")),
            (Icon::Shield, "Roles", "/roles", 'r', Some("roles:read")),
            (Icon::Lock, "Sign-in", "/sign-in", 'n', Some("sign_in:read")),
            (
                Icon::Lock,
                "Encryption key",
                "/encryption-key",
                'e',
                Some("encryption_key:read"),
            ),
            (Icon::List, "Audit log", "/audit", 'a', Some("audit:read")),
            (
                Icon::Settings,
                "Settings",
                "/settings",
                's',
                Some("settings:read"),
            ),
            (
                Icon::Brush,
                "Branding",
                "/branding",
                'b',
                Some("settings:read"),
            ),
            (
                Icon::Eye,
                "Staff access",
                "/impersonations",
                'i',
                Some("impersonations:read"),
            ),
        ],
    ),
];

const STAFF: [(Option<&str>, &[Entry]); 2] = [
    (
        None,
        &[
            (Icon::Home, "Overview", "", 'o', Some("tenants:read")),
            (
                Icon::Building,
                "Tenants",
                "/tenants",
                't',
                Some("tenants:read"),
            ),
            (Icon::Users, "Users", "/users", 'u', Some("users:read")),
        ],
    ),
    (
        Some("Operations"),
        &[
            (
                Icon::Plug,
                "Integrations",
                "/integrations",
                'p',
                Some("tenants:read"),
            ),
            (Icon::Layers, "Jobs", "/jobs", 'j', Some("queue:read")),
            (
                Icon::Shield,
                "Quarantine",
                "/quarantine",
                'q',
                Some("queue:read"),
            ),
            (
                Icon::List,
                "Audit log",
                "/audit",
                'a',
                Some("platform_audit:read"),
            ),
        ],
    ),
];

fn sections(
    base: &str,
    groups: &[(Option<&str>, &[Entry])],
    grants: impl Fn(&str) -> bool,
) -> Vec<NavSection> {
    let item = |&(icon, label, path, key, _): &Entry| {
        NavItem::new(icon, label, format!("{base}{path}")).key(key)
    };
    groups
        .iter()
        .map(|(title, entries)| NavSection {
            title: title.map(str::to_owned),
            items: entries
                .iter()
                .filter(|(.., permission)| permission.is_none_or(&grants))
                .map(item)
                .collect(),
        })
        .filter(|section| !section.items.is_empty())
        .collect()
}

fn tenant_sections(place: &Place) -> Vec<NavSection> {
    sections(&format!("/app/{}", place.slug), &TENANT, |permission| {
        place.grants(permission)
    })
}

fn staff_sections(role: &str) -> Vec<NavSection> {
    sections("/admin", &STAFF, |permission| {
        Roles::builtin().platform_grants(role, permission)
    })
}

/// Outside any tenant: where somebody may go, and their own account.
fn own_sections(around: &Surroundings) -> Vec<NavSection> {
    let place =
        |place: &Place| NavItem::new(Icon::Building, &place.name, format!("/app/{}", place.slug));
    let mut sections = Vec::new();
    if !around.is_confined {
        sections.push(NavSection {
            title: None,
            items: vec![
                NavItem::new(Icon::Home, "Your accounts", "/app").key('o'),
                NavItem::new(Icon::User, "Profile", "/account").key('p'),
                NavItem::new(Icon::Lock, "Security", "/account/security").key('s'),
            ],
        });
    }
    if !around.places.is_empty() {
        sections.push(NavSection {
            title: Some("Go to".to_owned()),
            items: around.places.iter().map(place).collect(),
        });
    }
    sections
}

fn switcher(around: &Surroundings, current: &Place) -> Switcher {
    let entry = |place: &Place| SwitcherEntry {
        name: place.name.clone(),
        detail: place.role.clone(),
        href: format!("/app/{}", place.slug),
        is_current: place.slug == current.slug,
    };
    Switcher {
        current: current.name.clone(),
        entries: around.places.iter().map(entry).collect(),
    }
}

fn person(around: &Surroundings, place: Option<&Place>) -> Person {
    let mut links = Vec::new();
    if !around.is_confined {
        links.push(("Profile".to_owned(), "/account".to_owned()));
        links.push(("Security".to_owned(), "/account/security".to_owned()));
    }
    if let Some(place) = place {
        let href = format!("/app/{}/membership", place.slug);
        links.push(("Your place in the team".to_owned(), href));
    }
    if around.platform_role.is_some() {
        links.push(("Operator console".to_owned(), "/admin".to_owned()));
    }
    if !around.places.is_empty() && !around.is_confined {
        links.push(("Your accounts".to_owned(), "/app".to_owned()));
    }
    Person {
        name: around.name.clone(),
        email: around.email.clone(),
        links,
        sign_out: "/sign-out".to_owned(),
    }
}

/// Stands on every page while it goes on, so that nobody forgets whose eyes they look through.
fn impersonating(live: &Impersonation) -> Banner {
    let left = live.expires_at - OffsetDateTime::now_utc();
    let minutes = (left.whole_seconds() + 59) / 60;
    let mode = if live.may_write {
        "and can change things"
    } else {
        "read-only"
    };
    let left = match minutes {
        1 => "1 minute remains".to_owned(),
        minutes => format!("{minutes} minutes remain"),
    };
    let text = format!(
        "You see {} from within as staff, {mode}. {left}.",
        live.place.name
    );
    Banner::new(Tone::Danger, text).action(html! {
        a href={ "/app/" (live.place.slug) } { "Go there" }
        form method="post" action="/admin/impersonation/end" { (Button::secondary("End").small()) }
    })
}

fn banners(around: &Surroundings, place: Option<&Place>) -> Vec<Banner> {
    let mut banners = Vec::new();
    if let Some(live) = &around.impersonation {
        banners.push(impersonating(live));
    }
    if let Some(place) = place
        && place.status != "active"
    {
        let text = format!(
            "{} is {}. Nothing can be changed here.",
            place.name, place.status
        );
        banners.push(Banner::new(Tone::Warning, text));
    }
    if !around.email_verified {
        let text = format!(
            "We sent a link to {}. Follow it to confirm the address.",
            around.email
        );
        banners.push(Banner::new(Tone::Info, text));
    }
    banners
}

#[cfg(test)]
mod tests {
    use kernel::permission::{PLATFORM, TENANT as TENANT_PERMISSIONS};

    use super::*;

    #[test]
    fn navigation_asks_for_permissions_that_exist() {
        for (groups, permissions) in [(&TENANT[..], TENANT_PERMISSIONS), (&STAFF[..], PLATFORM)] {
            let entries = groups.iter().flat_map(|(_, entries)| *entries);
            for permission in entries.filter_map(|entry| entry.4) {
                assert!(permissions.contains(&permission), "{permission}");
            }
        }
    }

    #[test]
    fn connecting_belongs_to_the_integrations() {
        for (path, found) in [
            ("/app/acme/connections/slack", "/app/acme/integrations"),
            (
                "/app/connections/credentials",
                "/app/connections/credentials",
            ),
            ("/app/acme", "/app/acme"),
            ("/admin/tenants", "/admin/tenants"),
        ] {
            assert_eq!(belonging(path), found);
        }
    }

    #[test]
    fn letters_are_not_given_twice() {
        for groups in [&TENANT[..], &STAFF[..]] {
            let mut keys: Vec<char> = groups
                .iter()
                .flat_map(|(_, e)| e.iter().map(|e| e.3))
                .collect();
            keys.sort_unstable();
            let count = keys.len();
            keys.dedup();
            assert_eq!(keys.len(), count);
        }
    }
}
