//! Steps that lead somewhere, with what is done of them.

use maud::{Markup, Render, html};

use crate::{Icon, link};

#[derive(Clone, Debug, Default)]
pub struct Checklist {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    is_done: bool,
    title: String,
    text: String,
    href: String,
}

impl Checklist {
    pub fn new() -> Self {
        Self::default()
    }

    /// The address is where the step is done.
    #[must_use]
    pub fn step(
        mut self,
        is_done: bool,
        title: impl Into<String>,
        text: impl Into<String>,
        href: impl Into<String>,
    ) -> Self {
        self.steps.push(Step {
            is_done,
            title: title.into(),
            text: text.into(),
            href: href.into(),
        });
        self
    }

    /// How many steps are done, and how many there are.
    pub fn progress(&self) -> (usize, usize) {
        let done = self.steps.iter().filter(|step| step.is_done);
        (done.count(), self.steps.len())
    }
}

impl Render for Checklist {
    fn render(&self) -> Markup {
        html! {
            ol.checklist {
                @for step in &self.steps {
                    li.done[step.is_done] {
                        span class={ "timeline-icon " (if step.is_done { "success" } else { "neutral" }) } {
                            (if step.is_done { Icon::Check } else { Icon::ChevronRight })
                        }
                        div {
                            p {
                                a.row-link href=(link::safe(&step.href)) { (step.title) }
                                @if step.is_done { span.visually-hidden { " – done" } }
                            }
                            p.muted { (step.text) }
                        }
                    }
                }
            }
        }
    }
}
