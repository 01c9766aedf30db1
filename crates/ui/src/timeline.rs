//! What happened, in order.

use maud::{Markup, Render, html};

use crate::{Icon, Moment, Tone};

#[derive(Clone, Debug, Default)]
pub struct Timeline {
    events: Vec<Event>,
}

#[derive(Clone, Debug)]
struct Event {
    tone: Tone,
    icon: Icon,
    title: Markup,
    at: Moment,
    detail: Option<Markup>,
}

impl Timeline {
    pub fn new() -> Self {
        Self::default()
    }

    /// The title is a sentence with its actor; the detail, what changed.
    #[must_use]
    pub fn event(
        mut self,
        tone: Tone,
        icon: Icon,
        at: Moment,
        title: Markup,
        detail: Option<Markup>,
    ) -> Self {
        self.events.push(Event {
            tone,
            icon,
            title,
            at,
            detail,
        });
        self
    }
}

impl Render for Timeline {
    fn render(&self) -> Markup {
        html! {
            ol.timeline {
                @for event in &self.events {
                    li {
                        span class={ "timeline-icon " (event.tone.class()) } { (event.icon) }
                        div {
                            p { (event.title) " " span.muted { (event.at) } }
                            @if let Some(detail) = &event.detail { div.timeline-detail { (detail) } }
                        }
                    }
                }
            }
        }
    }
}
