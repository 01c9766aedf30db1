//! The head of a page: where it is, what it is, what can be done there; and tabs between its parts.

use maud::{Markup, Render, html};

use crate::{Icon, link};

#[derive(Clone, Debug)]
pub struct PageHeader {
    title: String,
    about: Option<Markup>,
    crumbs: Vec<(String, String)>,
    beside: Option<Markup>,
    actions: Option<Markup>,
}

impl PageHeader {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            about: None,
            crumbs: Vec::new(),
            beside: None,
            actions: None,
        }
    }

    /// One page above this one; the outermost first.
    #[must_use]
    pub fn crumb(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.crumbs.push((label.into(), href.into()));
        self
    }

    /// A line under the title: a sentence, an id to copy.
    #[must_use]
    pub fn about(mut self, about: Markup) -> Self {
        self.about = Some(about);
        self
    }

    /// Beside the title: badges.
    #[must_use]
    pub fn beside(mut self, beside: Markup) -> Self {
        self.beside = Some(beside);
        self
    }

    /// Buttons; the primary one last.
    #[must_use]
    pub fn actions(mut self, actions: Markup) -> Self {
        self.actions = Some(actions);
        self
    }
}

impl Render for PageHeader {
    fn render(&self) -> Markup {
        html! {
            header.page-head {
                @if !self.crumbs.is_empty() {
                    nav.crumbs aria-label="Breadcrumbs" {
                        ol {
                            @for (label, href) in &self.crumbs {
                                li { a href=(link::safe(href)) { (label) } (Icon::ChevronRight) }
                            }
                            li { span aria-current="page" { (self.title) } }
                        }
                    }
                }
                div.page-title {
                    div {
                        div.title-line {
                            h1 { (self.title) }
                            @if let Some(beside) = &self.beside { (beside) }
                        }
                        @if let Some(about) = &self.about { div.muted { (about) } }
                    }
                    @if let Some(actions) = &self.actions { div.actions { (actions) } }
                }
            }
        }
    }
}

/// Links between the parts of one thing. Each part is a page of its own.
#[derive(Clone, Debug)]
pub struct Tabs {
    label: String,
    current: String,
    tabs: Vec<Tab>,
}

#[derive(Clone, Debug)]
struct Tab {
    label: String,
    href: String,
    count: Option<u64>,
}

impl Tabs {
    /// `label` names the group for screen readers; `current` is the address of the part shown.
    pub fn new(label: impl Into<String>, current: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            current: current.into(),
            tabs: Vec::new(),
        }
    }

    #[must_use]
    pub fn tab(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.tabs.push(Tab {
            label: label.into(),
            href: href.into(),
            count: None,
        });
        self
    }

    /// A part with the number of things in it.
    #[must_use]
    pub fn counted(
        mut self,
        label: impl Into<String>,
        href: impl Into<String>,
        count: u64,
    ) -> Self {
        self.tabs.push(Tab {
            label: label.into(),
            href: href.into(),
            count: Some(count),
        });
        self
    }
}

impl Render for Tabs {
    fn render(&self) -> Markup {
        html! {
            nav.tabs aria-label=(self.label) {
                @for tab in &self.tabs {
                    a href=(link::safe(&tab.href)) aria-current=[(tab.href == self.current).then_some("page")] {
                        (tab.label)
                        @if let Some(count) = tab.count { " " span.count { (count) } }
                    }
                }
            }
        }
    }
}
