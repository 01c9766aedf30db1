//! A part of a page that waits for something to happen elsewhere.

use maud::{Markup, Render, html};

use crate::link;

/// Looked at again every few seconds while somebody has the page open, until the part that comes
/// back waits no more. Without scripts the page is asked for again by whatever link the part shows.
#[derive(Clone, Debug)]
pub struct Live {
    id: String,
    state: String,
    body: Markup,
    from: Option<String>,
}

impl Live {
    /// `state` names what is shown: the part is replaced, and read out, only when it differs.
    pub fn new(id: impl Into<String>, state: impl Into<String>, body: Markup) -> Self {
        Self {
            id: id.into(),
            state: state.into(),
            body,
            from: None,
        }
    }

    /// Waits: the page at this address has a part of the same id with what there is by then.
    #[must_use]
    pub fn waiting(mut self, from: impl Into<String>) -> Self {
        self.from = Some(from.into());
        self
    }
}

impl Render for Live {
    fn render(&self) -> Markup {
        html! {
            div id=(self.id) role="status" data-state=(self.state)
                data-live=[self.from.as_deref().map(link::safe)] { (self.body) }
        }
    }
}
