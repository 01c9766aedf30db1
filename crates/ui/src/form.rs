//! Forms: plain, sent by POST and followed by a redirect, or drawn again with what is wrong.

mod choice;
mod field;

pub use choice::{Checkbox, Fieldset, Radios};
pub use field::Field;
use maud::{Markup, Render, html};

use crate::link;

/// The id of the element that takes input for a name, to which errors link.
fn field_id(name: &str) -> String {
    format!("field-{name}")
}

/// What is tied to an input by `aria-describedby`: its hint and what is wrong with it.
#[derive(Clone, Debug, Default)]
struct Notes {
    hint: Option<String>,
    error: Option<String>,
}

impl Notes {
    fn ids(&self, id: &str) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{id}-hint"));
        let error = self.error.as_ref().map(|_| format!("{id}-error"));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn invalid(&self) -> Option<&'static str> {
        self.error.as_ref().map(|_| "true")
    }

    fn render(&self, id: &str) -> Markup {
        html! {
            @if let Some(hint) = &self.hint { p.hint id={ (id) "-hint" } { (hint) } }
            @if let Some(error) = &self.error {
                p.error id={ (id) "-error" } { (crate::Icon::Alert) (error) }
            }
        }
    }
}

/// A form that is sent by POST.
#[derive(Clone, Debug)]
pub struct Form {
    action: String,
    id: Option<String>,
    errors: Vec<(String, String)>,
    hidden: Vec<(String, String)>,
    body: Markup,
    buttons: Markup,
    is_multipart: bool,
}

impl Form {
    /// `buttons` end the form; the primary one comes first, as it is the one that Enter presses.
    pub fn post(action: impl Into<String>, body: Markup, buttons: Markup) -> Self {
        Self {
            action: action.into(),
            id: None,
            errors: Vec::new(),
            hidden: Vec::new(),
            body,
            buttons,
            is_multipart: false,
        }
    }

    /// An id for buttons elsewhere on the page (`Button::of_form`).
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    #[must_use]
    pub fn hidden(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.hidden.push((name.into(), value.into()));
        self
    }

    /// What is wrong, as pairs of field name and sentence, listed on top with links to the fields
    /// that the form has. The list takes focus when the page opens. An empty name is for what
    /// concerns no one field.
    #[must_use]
    pub fn errors<N: Into<String>, S: Into<String>>(
        mut self,
        errors: impl IntoIterator<Item = (N, S)>,
    ) -> Self {
        let errors = errors.into_iter();
        self.errors
            .extend(errors.map(|(name, sentence)| (name.into(), sentence.into())));
        self
    }

    /// Sends files as well.
    #[must_use]
    pub fn multipart(mut self) -> Self {
        self.is_multipart = true;
        self
    }
}

impl Form {
    fn error_summary(&self) -> Markup {
        let has = |name: &str| {
            // As the field itself writes it.
            let id = html! { (field_id(name)) }.into_string();
            let id = format!("id=\"{id}\"");
            !name.is_empty() && self.body.0.contains(&id)
        };
        html! {
            div.notice.danger role="alert" tabindex="-1" autofocus {
                (crate::Icon::Alert)
                div {
                    p.notice-title {
                        @if self.errors.len() == 1 { "One thing needs your attention" }
                        @else { (self.errors.len()) " things need your attention" }
                    }
                    ul.notice-body {
                        @for (name, sentence) in &self.errors {
                            li {
                                @if has(name) { a href={ "#" (field_id(name)) } { (sentence) } }
                                @else { (sentence) }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Render for Form {
    fn render(&self) -> Markup {
        html! {
            form.form method="post" action=(link::safe(&self.action)) id=[&self.id]
                enctype=[self.is_multipart.then_some("multipart/form-data")] {
                @for (name, value) in &self.hidden { input type="hidden" name=(name) value=(value); }
                @if !self.errors.is_empty() { (self.error_summary()) }
                (self.body)
                div.form-buttons { (self.buttons) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_leads_to_the_fields_that_are_there() {
        let field = Field::text("name", "Name").render();
        let form = Form::post("/x", field, html! {}).errors([
            ("name", "Is missing"),
            ("token", "Is spent"),
            ("", "Taken"),
        ]);
        let html = form.render().into_string();
        assert!(
            html.contains("<a href=\"#field-name\">Is missing</a>"),
            "{html}"
        );
        for plain in ["Is spent", "Taken"] {
            assert!(html.contains(&format!("<li>{plain}</li>")), "{html}");
        }
    }
}
