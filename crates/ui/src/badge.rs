//! Badges: a word or two about the state of a thing.

use maud::{Markup, Render, html};

use crate::Tone;

#[derive(Clone, Debug)]
pub struct Badge {
    tone: Tone,
    text: String,
    has_dot: bool,
}

impl Badge {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
            has_dot: false,
        }
    }

    /// A state that changes by itself (active, failing), told by a dot before the word.
    pub fn status(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            has_dot: true,
            ..Self::new(tone, text)
        }
    }
}

impl Render for Badge {
    fn render(&self) -> Markup {
        html! {
            span class={ "badge " (self.tone.class()) } {
                @if self.has_dot { span.dot aria-hidden="true" {} }
                (self.text)
            }
        }
    }
}
