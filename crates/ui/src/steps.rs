//! Steps that are done elsewhere, in their order, each with its place.

use maud::{Markup, Render, html};

#[derive(Clone, Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    at: Option<String>,
    body: Markup,
}

impl Steps {
    pub fn new() -> Self {
        Self::default()
    }

    /// `at` is where it is done, as it is called there.
    #[must_use]
    pub fn step(mut self, at: Option<&str>, body: Markup) -> Self {
        self.steps.push(Step {
            at: at.map(str::to_owned),
            body,
        });
        self
    }
}

impl Render for Steps {
    fn render(&self) -> Markup {
        html! {
            ol.steps {
                @for step in &self.steps {
                    li {
                        div {
                            @if let Some(at) = &step.at { p.step-at { (at) } }
                            div { (step.body) }
                        }
                    }
                }
            }
        }
    }
}
