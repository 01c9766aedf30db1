//! The navigation and the tenant switcher.

use maud::{Markup, html};

use crate::{Brand, Icon, link};

#[derive(Clone, Debug)]
pub struct NavSection {
    /// Missing for the first one, which needs no name.
    pub title: Option<String>,
    pub items: Vec<NavItem>,
}

#[derive(Clone, Debug)]
pub struct NavItem {
    pub label: String,
    pub href: String,
    pub icon: Icon,
    /// How many things wait there.
    pub count: Option<u64>,
    /// The letter that goes there after `g`.
    pub key: Option<char>,
}

impl NavItem {
    pub fn new(icon: Icon, label: impl Into<String>, href: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            href: href.into(),
            icon,
            count: None,
            key: None,
        }
    }

    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    #[must_use]
    pub fn key(mut self, key: char) -> Self {
        self.key = Some(key);
        self
    }
}

/// The tenants that somebody may enter.
#[derive(Clone, Debug)]
pub struct Switcher {
    /// The tenant shown.
    pub current: String,
    pub entries: Vec<SwitcherEntry>,
}

#[derive(Clone, Debug)]
pub struct SwitcherEntry {
    pub name: String,
    /// Such as the person's role there.
    pub detail: String,
    pub href: String,
    pub is_current: bool,
}

/// The address of the item that the path belongs to: the longest that begins it at a `/`.
pub(super) fn current<'a>(sections: &'a [NavSection], path: &str) -> Option<&'a str> {
    let items = sections.iter().flat_map(|section| &section.items);
    items
        .map(|item| item.href.as_str())
        .filter(|href| {
            path.strip_prefix(href)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || href.ends_with('/'))
        })
        .max_by_key(|href| href.len())
}

pub(super) fn main(sections: &[NavSection], current: Option<&str>) -> Markup {
    html! {
        nav.main-nav aria-label="Main" {
            @for section in sections {
                div.nav-section {
                    @if let Some(title) = &section.title { h2 { (title) } }
                    ul {
                        @for item in &section.items {
                            li {
                                a href=(link::safe(&item.href)) data-command data-group="Go to"
                                    data-go=[item.key]
                                    aria-current=[(current == Some(item.href.as_str())).then_some("page")] {
                                    (item.icon) span { (item.label) }
                                    @if let Some(count) = item.count { span.count { (count) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn switcher(switcher: &Switcher, brand: &Brand, product: &str) -> Markup {
    let company = brand.company.as_ref().unwrap_or(&switcher.current);
    let shown = Brand {
        company: Some(company.clone()),
        ..brand.clone()
    };
    html! {
        details.menu.switcher name="menu" {
            summary {
                span.visually-hidden { "Switch tenant, now " }
                (shown.mark(product)) (Icon::Updown)
            }
            div.menu-panel {
                @for entry in &switcher.entries {
                    a.menu-item href=(link::safe(&entry.href)) data-command=(entry.name) data-group="Switch to"
                        aria-current=[entry.is_current.then_some("true")] {
                        span.grow { span.strong { (entry.name) } span.muted { (entry.detail) } }
                        @if entry.is_current { (Icon::Check) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_item_is_current() {
        let item = |href: &str| NavItem::new(Icon::Home, "x", href);
        let sections = [NavSection {
            title: None,
            items: vec![item("/app/a"), item("/app/a/team"), item("/app/a/te")],
        }];
        for (path, found) in [
            ("/app/a", Some("/app/a")),
            ("/app/a/team", Some("/app/a/team")),
            ("/app/a/team/usr_1", Some("/app/a/team")),
            ("/app/a/teams", Some("/app/a")),
            ("/app/b", None),
        ] {
            assert_eq!(current(&sections, path), found, "{path}");
        }
    }
}
