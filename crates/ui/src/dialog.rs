//! Dialogs, and the question before a dangerous act, which is a dialog or a page of its own.

use maud::{Markup, Render, html};

use crate::{Button, Field, Form, Icon};

/// A window over the page, opened by `Button::opening` with its id.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: String,
    title: String,
    body: Markup,
}

impl Dialog {
    pub fn new(id: impl Into<String>, title: impl Into<String>, body: Markup) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            body,
        }
    }
}

impl Render for Dialog {
    fn render(&self) -> Markup {
        html! {
            dialog id=(self.id) aria-labelledby={ (self.id) "-title" } {
                header.dialog-head {
                    h2 id={ (self.id) "-title" } { (self.title) }
                    // Closes without any script: the form's method is the dialog's own.
                    form method="dialog" {
                        button.button.quiet.small.icon-only aria-label="Close" { (Icon::Cross) }
                    }
                }
                div.dialog-body { (self.body) }
            }
        }
    }
}

/// The question before an act that cannot be undone.
///
/// `dialog` renders it over the page that offers the act; `page` as the body of a page at the address
/// which the opening link leads to, for where scripts don't run.
#[derive(Clone, Debug)]
pub struct Confirm {
    title: String,
    consequence: Markup,
    action: String,
    button: String,
    hidden: Vec<(String, String)>,
    typed: Option<String>,
    error: Option<String>,
}

/// The name under which the typed confirmation is sent.
pub const CONFIRMATION: &str = "confirmation";

impl Confirm {
    /// `button` says what happens, in the words of the title: "Delete the key", not "OK".
    pub fn new(
        title: impl Into<String>,
        consequence: Markup,
        action: impl Into<String>,
        button: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            consequence,
            action: action.into(),
            button: button.into(),
            hidden: Vec::new(),
            typed: None,
            error: None,
        }
    }

    /// Asks for this to be typed, usually the name of what is to be lost. The browser insists on it;
    /// the server has to compare the field [`CONFIRMATION`] as well.
    #[must_use]
    pub fn typed(mut self, text: impl Into<String>) -> Self {
        self.typed = Some(text.into());
        self
    }

    /// That the server was sent something else.
    #[must_use]
    pub fn error(mut self, error: Option<impl Into<String>>) -> Self {
        self.error = error.map(Into::into);
        self
    }

    #[must_use]
    pub fn hidden(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.hidden.push((name.into(), value.into()));
        self
    }

    fn form(&self, id: &str, cancel: Markup) -> Form {
        let body = html! {
            div.prose { (self.consequence) }
            @if let Some(typed) = &self.typed {
                (Field::text(CONFIRMATION, format!("Type {typed} to confirm"))
                    .id(format!("{id}-{CONFIRMATION}")).pattern(literal_pattern(typed))
                    .autocomplete("off").autofocus().error(self.error.as_ref()))
            }
        };
        let buttons = html! { (Button::danger(&self.button)) (cancel) };
        self.hidden.iter().fold(
            Form::post(&self.action, body, buttons),
            |form, (name, value)| form.hidden(name, value),
        )
    }

    pub fn dialog(&self, id: &str) -> Dialog {
        let cancel = html! {
            button.button.secondary type="button" command="close" commandfor=(id) { span { "Cancel" } }
        };
        Dialog::new(id, &self.title, self.form(id, cancel).render())
    }

    /// `cancel` is where the person came from.
    pub fn page(&self, cancel: &str) -> Markup {
        let cancel = html! { (Button::secondary("Cancel").to(cancel)) };
        html! {
            div.narrow {
                (crate::PageHeader::new(&self.title))
                (crate::Card::new(self.form("confirm", cancel).render()))
            }
        }
    }
}

/// The regular expression of HTML's `pattern` that matches exactly this text.
fn literal_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if r"^$\.*+?()[]{}|/".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::literal_pattern;

    #[test]
    fn patterns_match_their_text_alone() {
        for text in [
            "acme",
            "a.c(m)e|x",
            "$1 [50%] {a}^",
            r"back\slash",
            "dash-ed/é",
        ] {
            let pattern =
                regex_lite::Regex::new(&format!("^(?:{})$", literal_pattern(text))).unwrap();
            assert!(pattern.is_match(text), "{text}");
            assert!(!pattern.is_match(&format!("{text}x")), "{text}");
        }
        assert!(
            !regex_lite::Regex::new(&literal_pattern("a.c"))
                .unwrap()
                .is_match("abc")
        );
    }
}
