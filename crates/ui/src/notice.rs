//! What the product says about what happened: notices in the page, banners above it, and the flash
//! that follows an act.

use maud::{Markup, Render, html};

use crate::{Icon, Tone};

/// A message in the page, beside what it is about.
#[derive(Clone, Debug)]
pub struct Notice {
    tone: Tone,
    title: String,
    body: Option<Markup>,
}

impl Notice {
    pub fn new(tone: Tone, title: impl Into<String>) -> Self {
        Self {
            tone,
            title: title.into(),
            body: None,
        }
    }

    #[must_use]
    pub fn body(mut self, body: Markup) -> Self {
        self.body = Some(body);
        self
    }
}

impl Render for Notice {
    fn render(&self) -> Markup {
        html! {
            div class={ "notice " (self.tone.class()) } role="note" {
                (self.tone.icon())
                div {
                    p.notice-title { (self.title) }
                    @if let Some(body) = &self.body { div.notice-body { (body) } }
                }
            }
        }
    }
}

/// A bar above every page while something holds: an impersonation, a suspension.
#[derive(Clone, Debug)]
pub struct Banner {
    tone: Tone,
    text: String,
    action: Option<Markup>,
}

impl Banner {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
            action: None,
        }
    }

    /// How to end it: a small button, or a form with one.
    #[must_use]
    pub fn action(mut self, action: Markup) -> Self {
        self.action = Some(action);
        self
    }
}

impl Render for Banner {
    fn render(&self) -> Markup {
        html! {
            div class={ "banner " (self.tone.class()) } {
                (self.tone.icon())
                p { (self.text) }
                @if let Some(action) = &self.action { (action) }
            }
        }
    }
}

/// One sentence about the act that led to this page, shown once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    pub tone: Tone,
    pub text: String,
}

impl Flash {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

impl Render for Flash {
    fn render(&self) -> Markup {
        html! {
            div class={ "toast " (self.tone.class()) } {
                (self.tone.icon())
                p { (self.text) }
                button.button.quiet.small.icon-only.needs-script type="button" data-dismiss aria-label="Dismiss" {
                    (Icon::Cross)
                }
            }
        }
    }
}

/// Where flashes are read out. It is on every page, because a region that appears together with its
/// text is not announced.
pub(crate) fn toasts(flashes: &[Flash]) -> Markup {
    html! {
        div.toasts role="status" data-toasts { @for flash in flashes { (flash) } }
    }
}
