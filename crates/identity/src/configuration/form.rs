//! Settings as fields of a form, and the way back. Both are made from what the registry of settings
//! says, so that a new setting has its field by being declared.

use std::collections::BTreeMap;

use kernel::{
    Error, Result,
    configuration::{Change, Configuration, Kind, SECTIONS, Section, Setting},
    error::FieldError,
    extract::Fields,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use serde_json::{Value, json};
use ui::{Checkbox, Field};

/// The section that has a page of its own.
pub const BRANDING: &str = "branding";

/// The sections of the settings page.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter().filter(|section| section.name != BRANDING)
}

fn settings() -> impl Iterator<Item = &'static Setting> {
    sections().flat_map(Section::settings)
}

/// What the fields hold, by key, as they hold it.
#[derive(Debug)]
pub struct Values(BTreeMap<&'static str, String>);

impl Values {
    pub fn of(configuration: &Configuration) -> Result<Self> {
        let document = configuration.document()?;
        let values = settings().map(|setting| (setting.key, text(setting.value(&document))));
        Ok(Self(values.collect()))
    }

    pub fn entered(fields: &Fields) -> Self {
        let values = settings().map(|setting| (setting.key, fields.get(setting.key).to_owned()));
        Self(values.collect())
    }

    fn get(&self, setting: &Setting) -> &str {
        self.0.get(setting.key).map_or("", String::as_str)
    }

    /// The document that these values make of another, which keeps what the form does not show.
    ///
    /// # Errors
    /// `invalid_request` that names every field that does not fit.
    pub fn over(&self, configuration: &Configuration) -> Result<Configuration> {
        let mut document = configuration.document()?;
        let mut errors = Vec::new();
        for setting in settings() {
            let value = match value(&setting.kind, self.get(setting)) {
                Ok(value) => value,
                Err(message) => {
                    errors.push(FieldError {
                        field: setting.key.to_owned(),
                        message,
                    });
                    continue;
                }
            };
            // Sections are objects of the document, whose members are its settings.
            if let Some((section, name)) = setting.key.split_once('.') {
                document[section][name] = value;
            }
        }
        let made: Configuration = serde_json::from_value(document).map_err(Error::internal)?;
        match (made.check(), errors.is_empty()) {
            (checked, true) => checked.map(|()| made),
            (Err(Error::Invalid { fields, .. }), false) => Err(invalid(errors, fields)),
            (_, false) => Err(invalid(errors, Vec::new())),
        }
    }
}

fn invalid(mut fields: Vec<FieldError>, others: Vec<FieldError>) -> Error {
    fields.extend(others);
    Error::Invalid {
        detail: "some settings do not fit".to_owned(),
        fields,
    }
}

/// As a field holds it.
fn text(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let lines: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            lines.join("\n")
        }
        other => other.to_string(),
    }
}

fn value(kind: &Kind, entered: &str) -> std::result::Result<Value, String> {
    let entered = entered.trim();
    match kind {
        Kind::Number { least, most, .. } => match entered.parse::<u32>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => Err(format!("must be a whole number from {least} to {most}")),
        },
        Kind::Switch => Ok(json!(entered == "true")),
        Kind::Word(_) if entered.is_empty() => Ok(Value::Null),
        Kind::Word(_) => Ok(json!(entered)),
        Kind::Words(..) => {
            let lines = entered.lines().map(str::trim);
            Ok(lines.filter(|line| !line.is_empty()).collect())
        }
    }
}

/// The field of a setting.
pub fn field(setting: &Setting, values: &Values, refusal: &Refusal) -> Markup {
    let wrong = refusal.of(setting.key);
    let entered = values.get(setting);
    match &setting.kind {
        Kind::Number { least, most, unit } => {
            let (least, most) = (grouped(*least), grouped(*most));
            let hint = format!("{} From {least} to {most} {unit}.", setting.help);
            Field::number(setting.key, setting.label)
                .value(entered)
                .hint(hint)
                .error(wrong)
                .render()
        }
        Kind::Switch => Checkbox::new(setting.key, setting.label)
            .checked(entered == "true")
            .hint(setting.help)
            .error(wrong)
            .render(),
        Kind::Word(_) => Field::text(setting.key, setting.label)
            .optional()
            .value(entered)
            .hint(setting.help)
            .error(wrong)
            .render(),
        Kind::Words(..) => Field::long(setting.key, setting.label, 3)
            .optional()
            .value(entered)
            .hint(setting.help)
            .error(wrong)
            .render(),
    }
}

/// With commas between the thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A value in words.
pub fn shown(setting: &Setting, value: &Value) -> String {
    match (&setting.kind, value) {
        (_, Value::Null) => "none".to_owned(),
        (_, Value::Bool(on)) => if *on { "on" } else { "off" }.to_owned(),
        (Kind::Number { unit, .. }, number) => format!("{number} {unit}"),
        (_, Value::Array(items)) if items.is_empty() => "none".to_owned(),
        (_, Value::Array(_)) => text(value).replace('\n', ", "),
        (_, Value::String(text)) if setting.key == "branding.logo" => {
            format!("image {}", text.chars().take(8).collect::<String>())
        }
        (_, other) => text(other),
    }
}

/// What changed, a line for each setting.
pub fn changes(changes: &[Change]) -> Markup {
    html! {
        ul.plain {
            @for change in changes {
                li {
                    (change.setting.label) ": "
                    (shown(change.setting, &change.before)) " → " b { (shown(change.setting, &change.after)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(changed: &[(&str, &str)]) -> Values {
        let configuration = Configuration::default();
        let mut values = Values::of(&configuration).expect("values");
        for (key, text) in changed {
            let setting = settings().find(|setting| setting.key == *key);
            let key = setting.expect("a setting of the form").key;
            values.0.insert(key, (*text).to_owned());
        }
        values
    }

    #[test]
    fn a_form_that_nobody_touched_changes_nothing() {
        let mut configuration = Configuration::default();
        configuration.branding.company = Some("Acme".to_owned());
        configuration.integrations.github_organisations = vec!["a".to_owned(), "b".to_owned()];
        configuration.features.media = false;
        let values = Values::of(&configuration).expect("values");
        assert_eq!(values.over(&configuration).expect("fits"), configuration);
    }

    #[test]
    fn what_is_entered_becomes_the_document() {
        let values = filled(&[
            ("limits.messages_per_minute", " 70 "),
            ("features.templates", ""),
            ("integrations.linear_team", "ENG"),
            (
                "integrations.slack_channels",
                "C024BE91L\r\n\r\n C024BE91M ",
            ),
        ]);
        let made = values.over(&Configuration::default()).expect("fits");
        assert_eq!(made.limits.messages_per_minute, 70);
        assert!(!made.features.templates && made.features.media);
        assert_eq!(made.integrations.linear_team.as_deref(), Some("ENG"));
        assert_eq!(made.integrations.slack_channels, ["C024BE91L", "C024BE91M"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, shown) in [
            (1, "1"),
            (999, "999"),
            (3650, "3,650"),
            (10_000_000, "10,000,000"),
        ] {
            assert_eq!(grouped(number), shown);
        }
    }

    #[test]
    fn every_field_that_does_not_fit_is_named_at_once() {
        let values = filled(&[
            ("limits.messages_per_minute", "many"),
            ("limits.api_calls_per_hour", "0"),
            ("integrations.linear_team", "eng"),
        ]);
        let error = values.over(&Configuration::default()).expect_err("refused");
        let refusal = error.refusal().expect("a refusal");
        let named: Vec<String> = refusal.all().map(|(field, _)| field.to_owned()).collect();
        assert_eq!(
            named,
            [
                "limits.messages_per_minute",
                "limits.api_calls_per_hour",
                "integrations.linear_team"
            ]
        );
    }
}
