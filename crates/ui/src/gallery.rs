//! A page that shows every component in all its states: for looking at them, and for tests of what
//! holds for all of them.

mod controls;
mod data;
mod forms;
mod states;

use maud::{Markup, html};
use time::OffsetDateTime;

use crate::{Button, Icon, Page, PageHeader, Query, Tabs};

/// The gallery at the address of `query`, whose sorting and filters its sample table shows. Times are
/// told relative to `now`. With `refused=true` one of its forms lists what is wrong and takes focus,
/// as it does on real pages; here that would move everybody away from the top.
pub fn page(query: &Query, now: OffsetDateTime) -> Page {
    let body = html! {
        (PageHeader::new("Design system")
            .crumb("Freehold", "/")
            .about(html! { "Every component, in all its states." })
            .actions(html! {
                (Button::secondary("Documentation").icon(Icon::External).to("/docs"))
                (Button::primary("New tenant").icon(Icon::Plus).opening("gallery-dialog"))
            }))
        (Tabs::new("Parts of the gallery", "#figures")
            .tab("Figures", "#figures")
            .counted("Lists", "#lists", 6)
            .tab("Values", "#values")
            .tab("Forms", "#forms")
            .tab("Controls", "#controls")
            .tab("States", "#states"))
        div.stack {
            (part("figures", "Figures", data::figures()))
            (part("lists", "Lists", data::lists(query, now)))
            (part("values", "Values", data::values(now)))
            (part("forms", "Forms", forms::forms(query)))
            (part("controls", "Controls", controls::controls()))
            (part("states", "States", states::states()))
        }
    };
    Page::new("Design system", body)
        .command("Open the documentation", "/docs")
        .command("Filter the tenants", "#lists")
}

fn part(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section.stack id=(id) {
            h2 { (title) }
            (body)
        }
    }
}
