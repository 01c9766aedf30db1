//! Buttons, badges, notices, dialogs, icons.

use maud::{Markup, Render, html};

use crate::{Badge, Banner, Button, Card, Confirm, Dialog, Field, Flash, Form, Icon, Notice, Tone};

pub(super) fn controls() -> Markup {
    html! {
        div.columns {
            (Card::new(buttons()).title("Buttons"))
            (Card::new(badges()).title("Badges"))
        }
        div.columns {
            (Card::new(html! {
                div.stack {
                    @for tone in Tone::ALL {
                        (Notice::new(tone, "The signing secret was rotated")
                            .body(html! { "The previous one works for 24 more hours. " a href="#controls" { "Details" } }))
                    }
                }
            }).title("Notices"))
            (Card::new(html! {
                div.stack {
                    @for tone in [Tone::Warning, Tone::Danger, Tone::Info] {
                        (Banner::new(tone, "You see Northwind as Ada Lovelace. 27 minutes remain.")
                            .action(html! { (Button::secondary("Leave").small().to("#controls")) }))
                    }
                    (Flash::new(Tone::Success, "The key was created."))
                    (Flash::new(Tone::Danger, "The webhook could not be reached."))
                }
            }).title("Banners and toasts"))
        }
        (Card::new(html! { div.actions { @for icon in Icon::ALL { (icon) } } }).title("Icons"))
        (Dialog::new("gallery-dialog", "New tenant", Form::post(
            "#controls",
            Field::text("tenant_name", "Name").autofocus().render(),
            html! { (Button::primary("Create")) },
        ).render()))
        (confirm().dialog("gallery-confirm"))
    }
}

pub(super) fn confirm() -> Confirm {
    let lost = html! {
        p { "All conversations, keys and settings of " b { "northwind" } " are deleted after 30 days. Its people lose access now." }
    };
    Confirm::new("Delete this tenant", lost, "#controls", "Delete the tenant")
        .typed("northwind")
        .hidden("epoch", "3")
}

fn buttons() -> Markup {
    html! {
        div.stack {
            div.actions {
                (Button::primary("Primary")) (Button::secondary("Secondary"))
                (Button::danger("Danger").opening("gallery-confirm")) (Button::quiet("Quiet"))
            }
            div.actions {
                (Button::primary("Create").icon(Icon::Plus)) (Button::secondary("Export").icon(Icon::Download).to("/export").download())
                (Button::danger("Delete").icon(Icon::Trash).to("#delete").opening("gallery-confirm"))
                (Button::secondary("Settings").icon_only(Icon::Settings))
            }
            div.actions {
                (Button::primary("Small").small()) (Button::secondary("Small").small())
                (Button::danger("Small").small()) (Button::quiet("Small").small())
                (Button::quiet("More").icon_only(Icon::More).small())
            }
            div.actions {
                (Button::primary("Disabled").disabled(true)) (Button::secondary("Disabled").disabled(true))
                (Button::danger("Disabled").disabled(true)) (Button::quiet("Disabled").to("#x").disabled(true))
            }
        }
    }
}

fn badges() -> Markup {
    html! {
        div.stack {
            div.actions { @for (tone, word) in named() { (Badge::new(tone, word)) } }
            div.actions { @for (tone, word) in named() { (Badge::status(tone, word)) } }
        }
    }
}

fn named() -> [(Tone, &'static str); 5] {
    [
        (Tone::Neutral, "Draft"),
        (Tone::Info, "Trial"),
        (Tone::Success, "Active"),
        (Tone::Warning, "Past due"),
        (Tone::Danger, "Suspended"),
    ]
}
