//! A page or a part of one that has nothing to show: because there is nothing yet, because it is
//! still loading, or because it failed.

use maud::{Markup, Render, html};

use crate::Icon;

/// Nothing here yet: says what would be here and how to get the first one.
#[derive(Clone, Debug)]
pub struct EmptyState {
    icon: Icon,
    title: String,
    text: String,
    action: Option<Markup>,
}

impl EmptyState {
    pub fn new(icon: Icon, title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            icon,
            title: title.into(),
            text: text.into(),
            action: None,
        }
    }

    #[must_use]
    pub fn action(mut self, action: Markup) -> Self {
        self.action = Some(action);
        self
    }
}

impl Render for EmptyState {
    fn render(&self) -> Markup {
        html! {
            div.state {
                div.state-icon { (self.icon) }
                p.state-title { (self.title) }
                p.muted { (self.text) }
                @if let Some(action) = &self.action { div.actions { (action) } }
            }
        }
    }
}

/// A part of the page that could not be had, while the rest could.
#[derive(Clone, Debug)]
pub struct ErrorState {
    title: String,
    text: String,
    correlation_id: Option<String>,
    retry: Option<String>,
}

impl ErrorState {
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            correlation_id: None,
            retry: None,
        }
    }

    /// What support needs to find the cause.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = Some(id.into());
        self
    }

    /// Where to try again.
    #[must_use]
    pub fn retry(mut self, href: impl Into<String>) -> Self {
        self.retry = Some(href.into());
        self
    }
}

impl Render for ErrorState {
    fn render(&self) -> Markup {
        html! {
            div.state.danger role="alert" {
                div.state-icon { (Icon::Alert) }
                p.state-title { (self.title) }
                p.muted { (self.text) }
                @if let Some(id) = &self.correlation_id {
                    p.muted { "Reference " (crate::Copyable::new("reference", id)) }
                }
                @if let Some(href) = &self.retry {
                    div.actions { (crate::Button::secondary("Try again").to(href)) }
                }
            }
        }
    }
}

/// The shape of what is loading. Moves only for those who don't mind motion.
#[derive(Clone, Copy, Debug)]
pub enum Skeleton {
    /// So many lines of text.
    Lines(usize),
    /// So many rows of a table.
    Rows(usize),
    /// A chart.
    Chart,
}

impl Render for Skeleton {
    fn render(&self) -> Markup {
        html! {
            div.skeleton role="status" {
                span.visually-hidden { "Loading" }
                @match self {
                    Self::Lines(count) => @for _ in 0..*count { span.bone.line aria-hidden="true" {} },
                    Self::Rows(count) => @for _ in 0..*count {
                        span.bone-row aria-hidden="true" {
                            span.bone.line {} span.bone.line {} span.bone.line {}
                        }
                    },
                    Self::Chart => span.bone.block aria-hidden="true" {},
                }
            }
        }
    }
}
