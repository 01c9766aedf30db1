//! The document: types and defaults. What is absent from a document that comes in has its default;
//! what is unknown in it is refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::settings::{Change, SETTINGS};
use crate::error::{Error, FieldError, Result};

/// A tenant's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    pub limits: Limits,
    pub retention: Retention,
    pub features: Features,
    pub integrations: Integrations,
    pub branding: Branding,
}

/// How fast the tenant may work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[schema(minimum = 1, maximum = 100_000)]
    pub messages_per_minute: u32,
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub api_calls_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_minute: 600,
            api_calls_per_hour: 36_000,
        }
    }
}

/// How many days things are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// At most `conversations_days`.
    #[schema(minimum = 1, maximum = 3650)]
    pub messages_days: u32,
    #[schema(minimum = 1, maximum = 3650)]
    pub conversations_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            messages_days: 365,
            conversations_days: 730,
        }
    }
}

/// What the tenant makes use of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Features {
    pub templates: bool,
    pub media: bool,
    pub analytics: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            templates: true,
            media: true,
            analytics: true,
        }
    }
}

/// Which parts of the connected services are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Integrations {
    /// Ids of channels.
    #[schema(example = json!(["C024BE91L"]), max_items = 50)]
    pub slack_channels: Vec<String>,
    /// The team's key, as it begins issue numbers.
    #[schema(example = "ENG")]
    pub linear_team: Option<String>,
    #[schema(example = json!(["acme"]), max_items = 50)]
    pub github_organisations: Vec<String>,
    /// When the stand-up is gathered: hour and minute, UTC.
    #[schema(example = "09:30")]
    pub standup_at: Option<String>,
}

/// How the tenant presents itself in its console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Branding {
    pub company: Option<String>,
    #[schema(pattern = "^#[0-9a-f]{6}$", example = "#2f5bd8")]
    pub colour: Option<String>,
    /// The SHA-256, in hexadecimal, of an image that was uploaded in the console.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub logo: Option<String>,
}

impl Configuration {
    /// Checks every value against its setting.
    ///
    /// # Errors
    /// `invalid_request` that names all settings whose values do not fit.
    pub fn check(&self) -> Result<()> {
        let document = self.document()?;
        let mut errors: Vec<FieldError> = SETTINGS
            .iter()
            .filter_map(|setting| {
                let message = setting.kind.refusal(setting.value(&document))?;
                Some(FieldError {
                    field: setting.key.to_owned(),
                    message,
                })
            })
            .collect();
        // A conversation takes its messages with it, so that more could not be kept.
        if self.retention.messages_days > self.retention.conversations_days {
            errors.push(FieldError {
                field: "retention.messages_days".to_owned(),
                message: "must not be longer than conversations are kept".to_owned(),
            });
        }
        if errors.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = errors
            .iter()
            .map(|error| format!("`{}` {}", error.field, error.message))
            .collect();
        Err(Error::Invalid {
            detail: lines.join("; "),
            fields: errors,
        })
    }

    /// As JSON, in which settings are found by their keys.
    pub fn document(&self) -> Result<Value> {
        serde_json::to_value(self).map_err(Error::internal)
    }

    /// Reads a stored document. Settings that no longer exist are left out, those that did not exist
    /// yet have their defaults.
    pub(super) fn stored(stored: &Value) -> Result<Self> {
        let mut document = Self::default().document()?;
        for setting in SETTINGS {
            let place = document.pointer_mut(&setting.pointer());
            if let (Some(place), Some(value)) = (place, stored.pointer(&setting.pointer())) {
                *place = value.clone();
            }
        }
        serde_json::from_value(document).map_err(Error::internal)
    }

    /// What another version has set differently, in the order of the settings.
    pub fn changes_to(&self, after: &Self) -> Result<Vec<Change>> {
        let (before, after) = (self.document()?, after.document()?);
        let changes = SETTINGS.iter().filter_map(|setting| {
            let (before, after) = (setting.value(&before), setting.value(&after));
            (before != after).then(|| Change {
                setting,
                before: before.clone(),
                after: after.clone(),
            })
        });
        Ok(changes.collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
        match value.as_object() {
            Some(object) => {
                for (key, value) in object {
                    let path = match path {
                        "" => key.clone(),
                        _ => format!("{path}.{key}"),
                    };
                    leaves(value, &path, found);
                }
            }
            None => found.push(path.to_owned()),
        }
    }

    #[test]
    fn document_and_settings_name_the_same_keys() {
        let mut found = Vec::new();
        let document = Configuration::default().document().expect("JSON");
        leaves(&document, "", &mut found);
        let mut known: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
        found.sort();
        known.sort_unstable();
        assert_eq!(found, known);
    }

    #[test]
    fn defaults_fit() {
        Configuration::default().check().expect("defaults fit");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let mut wrong = Configuration::default();
        wrong.limits.messages_per_minute = 0;
        wrong.retention.messages_days = 800;
        wrong.integrations.slack_channels = vec!["general".to_owned()];
        wrong.integrations.standup_at = Some("24:00".to_owned());
        wrong.branding.colour = Some("red".to_owned());
        let Err(Error::Invalid { fields, .. }) = wrong.check() else {
            panic!("fits: {wrong:?}");
        };
        let named: Vec<&str> = fields.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            named,
            [
                "limits.messages_per_minute",
                "integrations.slack_channels",
                "integrations.standup_at",
                "branding.colour",
                "retention.messages_days"
            ]
        );
    }

    #[test]
    fn unknown_settings_are_refused_on_the_way_in_and_left_out_of_what_is_stored() {
        let old = json!({ "limits": { "messages_per_minute": 7, "gone": 1 }, "forgotten": {} });
        assert!(serde_json::from_value::<Configuration>(old.clone()).is_err());
        let read = Configuration::stored(&old).expect("read");
        assert_eq!(read.limits.messages_per_minute, 7);
        assert_eq!(read.retention, Retention::default());
    }

    #[test]
    fn changes_are_told_by_setting() {
        let before = Configuration::default();
        let mut after = before.clone();
        after.features.media = false;
        after.branding.company = Some("Acme".to_owned());
        let changes = before.changes_to(&after).expect("differences");
        let told: Vec<(&str, &Value, &Value)> = changes
            .iter()
            .map(|change| (change.setting.key, &change.before, &change.after))
            .collect();
        assert_eq!(
            told,
            [
                ("features.media", &json!(true), &json!(false)),
                ("branding.company", &Value::Null, &json!("Acme")),
            ]
        );
        assert!(after.changes_to(&after).expect("none").is_empty());
    }
}
