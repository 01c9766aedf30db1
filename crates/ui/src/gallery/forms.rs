//! Forms, whole and with everything that can be wrong.

use maud::{Markup, Render, html};

use crate::{
    Button, Card, Checkbox, Field, Fieldset, Form, Icon, PasskeyForm, QrCode, Query, Radios,
};

pub(super) fn forms(query: &Query) -> Markup {
    html! {
        div.columns {
            (Card::new(plain()).title("A form").about("Labels, hints, groups."))
            (Card::new(refused(query.get("refused").is_some())).title("A form that was refused")
                .actions(html! { (Button::quiet("Show its summary").small().to(query.with("refused", "true").href())) }))
        }
        div.columns {
            (Card::new(passkeys()).title("A passkey").about("The browser is asked; its answer is sent with the form."))
            (Card::new(html! {
                @if let Some(qr) = QrCode::new("QR code of the documentation's address", "https://freehold.example/docs") { (qr) }
            }).title("A QR code").about("Dark on light in either theme."))
        }
    }
}

fn passkeys() -> Markup {
    let name = Field::text("passkey_name", "Name of the passkey").optional();
    html! {
        (PasskeyForm::create("#forms", "/ui", "Add a passkey").body(name.render()))
        (PasskeyForm::get("#forms", "/ui", "Sign in with a passkey"))
    }
}

fn plain() -> Markup {
    let body = html! {
        (Field::text("name", "Company name").value("Northwind Traders").autocomplete("organization"))
        (Field::text("slug", "Address").prefix("freehold.example/").value("northwind")
            .pattern("[a-z0-9-]+").hint("Small letters, digits and dashes. It cannot be changed later."))
        (Field::email("contact", "E-mail").placeholder("ada@example.com"))
        (Field::password("password", "Password", "new-password").hint("At least 12 characters."))
        (Field::select("region", "Region", [("eu", "Europe (Frankfurt)"), ("us", "United States (Virginia)")]).value("eu"))
        (Field::long("note", "Note", 3).optional().placeholder("What your colleagues should know"))
        (Radios::new("plan", "Plan").value("scale")
            .explained("starter", "Starter", "One channel, 1,000 messages a month.")
            .explained("scale", "Scale", "All channels, 100,000 messages a month."))
        (Fieldset::new("Notifications", html! {
            (Checkbox::new("notify_failures", "When a webhook fails").checked(true).hint("At most one mail an hour."))
            (Checkbox::new("notify_weekly", "A weekly summary"))
            (Checkbox::new("notify_security", "When somebody signs in from a new place").checked(true).disabled(true))
        }).hint("Sent to the contact address."))
    };
    let buttons =
        html! { (Button::primary("Save changes")) (Button::secondary("Cancel").to("#forms")) };
    Form::post("#forms", body, buttons)
        .hidden("version", "7")
        .render()
}

fn refused(is_summed_up: bool) -> Markup {
    let errors = [
        (
            "colleague",
            "Enter an e-mail address, such as ada@example.com",
        ),
        ("role", "Choose a role"),
        ("scopes", "Choose at least one scope"),
        ("terms", "The terms have to be accepted"),
    ];
    let wrong = |name| {
        errors
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, sentence)| *sentence)
    };
    let body = html! {
        (Field::email("colleague", "Colleague's e-mail").value("ada@").error(wrong("colleague"))
            .hint("They get a link that works for three days."))
        (Radios::new("role", "Role").option("admin", "Admin").option("agent", "Agent").error(wrong("role")))
        (Field::code("code", "Code from your authenticator").max_length(6).error(Some("This code has expired")))
        (Field::colour("colour", "Brand colour").value("#2f5bd8"))
        (Field::number("limit", "Daily limit").value("500").readonly())
        (Field::date("until", "Until").optional())
        (Field::url("callback", "Callback").optional().placeholder("https://"))
        (Field::file("logo", "Logo").optional().hint("PNG or SVG, at most 100 kB."))
        (Checkbox::new("terms", "I accept the terms").error(wrong("terms")))
        (Fieldset::new("Scopes", html! {
            (Checkbox::new("scopes", "Read messages").value("messages.read"))
            (Checkbox::new("scopes", "Send messages").value("messages.send"))
        }).hint("What the key may do.").named("scopes", wrong("scopes")))
    };
    let buttons =
        html! { (Button::primary("Invite").icon(Icon::Mail)) (Button::quiet("Skip").to("#forms")) };
    Form::post("#forms", body, buttons)
        .errors(errors.into_iter().filter(|_| is_summed_up))
        .multipart()
        .render()
}
