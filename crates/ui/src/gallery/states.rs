//! Nothing, not yet, and not at all.

use maud::{Markup, Render, html};

use crate::{Badge, Button, Card, EmptyState, ErrorPage, ErrorState, Icon, Live, Skeleton, Tone};

pub(super) fn states() -> Markup {
    html! {
        div.columns {
            (Card::new(EmptyState::new(Icon::Chat, "No conversations yet", "They appear here as soon as somebody writes to one of your channels.")
                .action(html! { (Button::primary("Connect a channel").to("#states")) }).render()).flush())
            (Card::new(ErrorState::new("The figures could not be loaded", "The rest of the page is up to date.")
                .correlation_id("01JQ7V0Q3NE5B8M0").retry("#states").render()).flush())
        }
        div.columns {
            (Card::new(Skeleton::Lines(4).render()).title("Loading text"))
            (Card::new(Skeleton::Rows(4).render()).title("Loading rows"))
        }
        (Card::new(Live::new("gallery-live", "there", html! {
                p { (Badge::status(Tone::Success, "Arrived")) " The first webhook came just now." }
            }).render()).title("What was waited for").about("Looked at again by itself until it is there."))
        (Card::new(Skeleton::Chart.render()).title("Loading a chart"))
        (Card::new(ErrorPage::new(404, "not_found", "There is nothing here",
            "The address may be mistyped, or what was here is gone, or you may not see it.", "01JQ7V0Q3NE5B8M0")
            .action("Back to the overview", "#states").body()))
    }
}
