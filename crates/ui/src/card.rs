//! Cards: a framed part of a page with its own heading.

use maud::{Markup, Render, html};

#[derive(Clone, Debug)]
pub struct Card {
    title: Option<String>,
    about: Option<String>,
    actions: Option<Markup>,
    body: Markup,
    footer: Option<Markup>,
    is_flush: bool,
}

impl Card {
    pub fn new(body: Markup) -> Self {
        Self {
            title: None,
            about: None,
            actions: None,
            body,
            footer: None,
            is_flush: false,
        }
    }

    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// A sentence under the title.
    #[must_use]
    pub fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    /// Buttons at the end of the title's line.
    #[must_use]
    pub fn actions(mut self, actions: Markup) -> Self {
        self.actions = Some(actions);
        self
    }

    #[must_use]
    pub fn footer(mut self, footer: Markup) -> Self {
        self.footer = Some(footer);
        self
    }

    /// Without padding, for what has lines of its own up to the edge: tables and lists.
    #[must_use]
    pub fn flush(mut self) -> Self {
        self.is_flush = true;
        self
    }
}

impl Render for Card {
    fn render(&self) -> Markup {
        let has_head = self.title.is_some() || self.about.is_some() || self.actions.is_some();
        html! {
            section.card {
                @if has_head {
                    header.card-head {
                        div {
                            @if let Some(title) = &self.title { h2 { (title) } }
                            @if let Some(about) = &self.about { p.muted { (about) } }
                        }
                        @if let Some(actions) = &self.actions { div.actions { (actions) } }
                    }
                }
                div.card-body.flush[self.is_flush] { (self.body) }
                @if let Some(footer) = &self.footer { footer.card-foot { (footer) } }
            }
        }
    }
}
