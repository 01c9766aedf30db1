//! The command palette and the list of shortcuts: dialogs at the end of every page of a console.

use maud::{Markup, Render, html};

use super::NavSection;
use crate::{Dialog, Icon, link, page::Command};

/// The palette is filled from the links marked `data-command` by `palette.js`, which is loaded when
/// it is first opened.
pub(super) fn palette(commands: &[Command]) -> Markup {
    html! {
        dialog.palette #palette aria-label="Search or jump to" closedby="any" {
            label.palette-search {
                (Icon::Search)
                input type="text" role="combobox" aria-label="Search or jump to" aria-autocomplete="list"
                    aria-expanded="true" aria-controls="palette-list" placeholder="Search or jump to…"
                    autocomplete="off" spellcheck="false" autofocus;
                kbd { "Esc" }
            }
            ul #palette-list role="listbox" aria-label="Commands" {}
            p.palette-none.muted role="status" {}
        }
        @if !commands.is_empty() {
            div hidden {
                @for command in commands {
                    a href=(link::safe(&command.href)) data-command data-group="This page" { (command.label) }
                }
            }
        }
    }
}

pub(super) fn shortcuts(sections: &[NavSection]) -> Markup {
    let items = sections.iter().flat_map(|section| &section.items);
    let general: [(&[&str], &str); 4] = [
        (&["Ctrl", "K"], "Search or jump to"),
        (&["/"], "Filter the list"),
        (&["?"], "Show these shortcuts"),
        (&["Esc"], "Close"),
    ];
    let body = html! {
        dl.shortcuts {
            @for (keys, meaning) in general {
                div { dt { (meaning) } dd { @for key in keys { kbd { (key) } } } }
            }
            @for item in items {
                @if let Some(key) = item.key {
                    div { dt { "Go to " (item.label) } dd { kbd { "G" } kbd { (key.to_uppercase()) } } }
                }
            }
        }
    };
    Dialog::new("shortcuts", "Keyboard shortcuts", body).render()
}
