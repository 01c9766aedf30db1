//! Fields with a label: text of all kinds, long text, a choice from a list.

use maud::{Markup, Render, html};

use super::{Notes, field_id};
use crate::Icon;

#[derive(Clone, Debug)]
enum Input {
    /// One line, by the `type` of HTML.
    Line(&'static str),
    Password,
    Text(u8),
    Select(Vec<(String, String)>),
}

/// A labelled input with its hint and its error.
#[derive(Clone, Debug)]
pub struct Field {
    name: String,
    id: Option<String>,
    label: String,
    input: Input,
    value: String,
    notes: Notes,
    attributes: Attributes,
}

#[derive(Clone, Debug, Default)]
struct Attributes {
    is_optional: bool,
    is_readonly: bool,
    autofocus: bool,
    autocomplete: Option<&'static str>,
    placeholder: Option<String>,
    pattern: Option<String>,
    prefix: Option<String>,
    inputmode: Option<&'static str>,
    max_length: Option<u32>,
}

impl Field {
    fn new(input: Input, name: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            id: None,
            label: label.into(),
            input,
            value: String::new(),
            notes: Notes::default(),
            attributes: Attributes::default(),
        }
    }

    pub fn text(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("text"), name, label)
    }

    pub fn email(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("email"), name, label).autocomplete("email")
    }

    pub fn url(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("url"), name, label)
    }

    pub fn number(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("number"), name, label)
    }

    pub fn date(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("date"), name, label)
    }

    pub fn colour(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("color"), name, label)
    }

    pub fn file(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self::new(Input::Line("file"), name, label)
    }

    /// A code of digits, as sent by mail or shown by an authenticator.
    pub fn code(name: impl Into<String>, label: impl Into<String>) -> Self {
        let mut field = Self::new(Input::Line("text"), name, label).autocomplete("one-time-code");
        field.attributes.inputmode = Some("numeric");
        field
    }

    /// A password, which can be shown. What was typed is never sent back: there is no value.
    /// `autocomplete` is `current-password` or `new-password`.
    pub fn password(
        name: impl Into<String>,
        label: impl Into<String>,
        autocomplete: &'static str,
    ) -> Self {
        Self::new(Input::Password, name, label).autocomplete(autocomplete)
    }

    /// Long text, so many lines high.
    pub fn long(name: impl Into<String>, label: impl Into<String>, lines: u8) -> Self {
        Self::new(Input::Text(lines), name, label)
    }

    /// One of several: pairs of value and label.
    pub fn select<V: Into<String>, L: Into<String>>(
        name: impl Into<String>,
        label: impl Into<String>,
        options: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        let options = options
            .into_iter()
            .map(|(value, label)| (value.into(), label.into()))
            .collect();
        Self::new(Input::Select(options), name, label)
    }

    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Needed when two forms of a page use the same name. Error summaries link to `field-{name}`.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.notes.hint = Some(hint.into());
        self
    }

    /// What is wrong with it, if something is.
    #[must_use]
    pub fn error(mut self, error: Option<impl Into<String>>) -> Self {
        self.notes.error = error.map(Into::into);
        self
    }

    /// May be left empty, which the label then says; otherwise a field is required.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.attributes.is_optional = true;
        self
    }

    #[must_use]
    pub fn readonly(mut self) -> Self {
        self.attributes.is_readonly = true;
        self
    }

    #[must_use]
    pub fn autofocus(mut self) -> Self {
        self.attributes.autofocus = true;
        self
    }

    #[must_use]
    pub fn autocomplete(mut self, autocomplete: &'static str) -> Self {
        self.attributes.autocomplete = Some(autocomplete);
        self
    }

    #[must_use]
    pub fn placeholder(mut self, placeholder: impl Into<String>) -> Self {
        self.attributes.placeholder = Some(placeholder.into());
        self
    }

    /// A regular expression of HTML that the whole value has to match.
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.attributes.pattern = Some(pattern.into());
        self
    }

    #[must_use]
    pub fn max_length(mut self, max_length: u32) -> Self {
        self.attributes.max_length = Some(max_length);
        self
    }

    /// Fixed text before the value, such as `https://`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.attributes.prefix = Some(prefix.into());
        self
    }

    fn line(&self, id: &str, kind: &str) -> Markup {
        let attributes = &self.attributes;
        // Neither passwords nor files are ever written into a page.
        let is_sent_back = !matches!(self.input, Input::Password) && kind != "file";
        html! {
            input type=(kind) id=(id) name=(self.name) value=[is_sent_back.then_some(&self.value)]
                required[!attributes.is_optional] readonly[attributes.is_readonly]
                autofocus[attributes.autofocus] autocomplete=[attributes.autocomplete]
                placeholder=[&attributes.placeholder] pattern=[&attributes.pattern]
                inputmode=[attributes.inputmode] maxlength=[attributes.max_length]
                aria-describedby=[self.notes.ids(id)] aria-invalid=[self.notes.invalid()];
        }
    }
}

impl Render for Field {
    fn render(&self) -> Markup {
        let id = self.id.clone().unwrap_or_else(|| field_id(&self.name));
        let attributes = &self.attributes;
        html! {
            div.field {
                label for=(id) {
                    (self.label)
                    @if attributes.is_optional { " " span.muted { "optional" } }
                }
                @match &self.input {
                    Input::Line(kind) => {
                        @match &attributes.prefix {
                            Some(prefix) => div.joined { span.prefix { (prefix) } (self.line(&id, kind)) },
                            None => (self.line(&id, kind)),
                        }
                    }
                    Input::Password => div.joined {
                        (self.line(&id, "password"))
                        button.button.secondary.needs-script type="button" data-reveal=(id) aria-pressed="false"
                            aria-label="Show password" title="Show password" { (Icon::Eye) }
                    },
                    Input::Text(lines) => {
                        // A line break after the tag is dropped by browsers; it keeps one that the value begins with.
                        textarea id=(id) name=(self.name) rows=(lines) required[!attributes.is_optional]
                            readonly[attributes.is_readonly] autofocus[attributes.autofocus]
                            placeholder=[&attributes.placeholder] maxlength=[attributes.max_length]
                            aria-describedby=[self.notes.ids(&id)] aria-invalid=[self.notes.invalid()] {
                            "\n" (self.value)
                        }
                    }
                    Input::Select(options) => {
                        select id=(id) name=(self.name) required[!attributes.is_optional]
                            autofocus[attributes.autofocus] autocomplete=[attributes.autocomplete]
                            aria-describedby=[self.notes.ids(&id)] aria-invalid=[self.notes.invalid()] {
                            @for (value, label) in options {
                                option value=(value) selected[*value == self.value] { (label) }
                            }
                        }
                    }
                }
                (self.notes.render(&id))
            }
        }
    }
}
