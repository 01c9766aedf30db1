//! Choices by boxes and buttons, and groups of fields.

use maud::{Markup, Render, html};

use super::{Notes, field_id};

/// A choice of yes or no. Sends `value` (by default `true`) when ticked, and nothing otherwise.
#[derive(Clone, Debug)]
pub struct Checkbox {
    name: String,
    value: String,
    label: String,
    is_checked: bool,
    is_disabled: bool,
    is_one_of_many: bool,
    notes: Notes,
}

impl Checkbox {
    pub fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: "true".to_owned(),
            label: label.into(),
            is_checked: false,
            is_disabled: false,
            is_one_of_many: false,
            notes: Notes::default(),
        }
    }

    /// One of several boxes with the same name.
    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self.is_one_of_many = true;
        self
    }

    #[must_use]
    pub fn checked(mut self, is_checked: bool) -> Self {
        self.is_checked = is_checked;
        self
    }

    #[must_use]
    pub fn disabled(mut self, is_disabled: bool) -> Self {
        self.is_disabled = is_disabled;
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.notes.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn error(mut self, error: Option<impl Into<String>>) -> Self {
        self.notes.error = error.map(Into::into);
        self
    }
}

impl Render for Checkbox {
    fn render(&self) -> Markup {
        let id = if self.is_one_of_many {
            format!("{}-{}", field_id(&self.name), self.value)
        } else {
            field_id(&self.name)
        };
        html! {
            div.check {
                input type="checkbox" id=(id) name=(self.name) value=(self.value)
                    checked[self.is_checked] disabled[self.is_disabled]
                    aria-describedby=[self.notes.ids(&id)] aria-invalid=[self.notes.invalid()];
                div {
                    label for=(id) { (self.label) }
                    (self.notes.render(&id))
                }
            }
        }
    }
}

/// One of a few, all of them seen.
#[derive(Clone, Debug)]
pub struct Radios {
    name: String,
    legend: String,
    value: String,
    options: Vec<RadioOption>,
    notes: Notes,
}

#[derive(Clone, Debug)]
struct RadioOption {
    value: String,
    label: String,
    hint: Option<String>,
}

impl Radios {
    pub fn new(name: impl Into<String>, legend: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            legend: legend.into(),
            value: String::new(),
            options: Vec::new(),
            notes: Notes::default(),
        }
    }

    #[must_use]
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    #[must_use]
    pub fn option(mut self, value: impl Into<String>, label: impl Into<String>) -> Self {
        self.options.push(RadioOption {
            value: value.into(),
            label: label.into(),
            hint: None,
        });
        self
    }

    /// An option with a sentence about it.
    #[must_use]
    pub fn explained(
        mut self,
        value: impl Into<String>,
        label: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        self.options.push(RadioOption {
            value: value.into(),
            label: label.into(),
            hint: Some(hint.into()),
        });
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.notes.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn error(mut self, error: Option<impl Into<String>>) -> Self {
        self.notes.error = error.map(Into::into);
        self
    }
}

impl Render for Radios {
    fn render(&self) -> Markup {
        let group = field_id(&self.name);
        html! {
            fieldset.radios id=(group) tabindex="-1" aria-describedby=[self.notes.ids(&group)] {
                legend { (self.legend) }
                @for option in &self.options {
                    @let id = format!("{group}-{}", option.value);
                    @let notes = Notes { hint: option.hint.clone(), error: None };
                    div.check {
                        input type="radio" id=(id) name=(self.name) value=(option.value) required
                            checked[option.value == self.value] aria-describedby=[notes.ids(&id)]
                            aria-invalid=[self.notes.invalid()];
                        div {
                            label for=(id) { (option.label) }
                            (notes.render(&id))
                        }
                    }
                }
                (self.notes.render(&group))
            }
        }
    }
}

/// Fields that belong together, under one legend.
#[derive(Clone, Debug)]
pub struct Fieldset {
    legend: String,
    name: Option<String>,
    body: Markup,
    notes: Notes,
}

impl Fieldset {
    pub fn new(legend: impl Into<String>, body: Markup) -> Self {
        Self {
            legend: legend.into(),
            name: None,
            body,
            notes: Notes::default(),
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.notes.hint = Some(hint.into());
        self
    }

    /// For boxes that share a name: what is wrong with the choice as a whole, to which the form's list
    /// of errors links.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>, error: Option<impl Into<String>>) -> Self {
        self.name = Some(name.into());
        self.notes.error = error.map(Into::into);
        self
    }
}

impl Render for Fieldset {
    fn render(&self) -> Markup {
        let named = self.name.as_deref().map(field_id);
        let hint = Notes {
            hint: self.notes.hint.clone(),
            error: None,
        };
        let error = Notes {
            hint: None,
            error: self.notes.error.clone(),
        };
        html! {
            @match &named {
                Some(id) => fieldset.group id=(id) tabindex="-1" aria-describedby=[self.notes.ids(id)] {
                    legend { (self.legend) }
                    (hint.render(id))
                    (self.body)
                    (error.render(id))
                },
                None => fieldset.group {
                    legend { (self.legend) }
                    @if let Some(hint) = &self.notes.hint { p.hint { (hint) } }
                    (self.body)
                },
            }
        }
    }
}
