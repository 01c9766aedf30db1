//! Tiles with one figure each.

use maud::{Markup, Render, html};

use crate::{Sparkline, Tone, link};

/// A figure, how it changed, and its course.
#[derive(Clone, Debug)]
pub struct Stat {
    label: String,
    value: String,
    change: Option<(Tone, String)>,
    course: Option<Sparkline>,
    href: Option<String>,
}

impl Stat {
    /// The value as it is read: with its unit, shortened where it is long.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
            change: None,
            course: None,
            href: None,
        }
    }

    /// In words ("+12 % on last week"); the tone says whether that is good.
    #[must_use]
    pub fn change(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.change = Some((tone, text.into()));
        self
    }

    #[must_use]
    pub fn course(mut self, course: Sparkline) -> Self {
        self.course = Some(course);
        self
    }

    /// Where the figure is explained.
    #[must_use]
    pub fn to(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }
}

impl Render for Stat {
    fn render(&self) -> Markup {
        html! {
            div.stat {
                p.stat-label {
                    @match &self.href {
                        Some(href) => a.row-link href=(link::safe(href)) { (self.label) },
                        None => (self.label),
                    }
                }
                p.stat-value { (self.value) }
                @if let Some((tone, text)) = &self.change {
                    p class={ "stat-change " (tone.class()) } { (text) }
                }
                @if let Some(course) = &self.course { (course) }
            }
        }
    }
}
