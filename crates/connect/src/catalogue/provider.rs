//! A provider as its file describes it: name, sources, credential fields. The API is in `api`, the
//! test of a credential in `verification`, consent in `oauth`, what people do there in `setup`, the
//! webhooks are in `definition`.

use regex_lite::Regex;
use serde::Deserialize;

use super::{Api, Category, OAuth, Setup, Verification, Webhook};

/// One provider, read from one file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Stable and lower-case; the file is named after it and URLs contain it.
    pub id: String,
    /// The name that people know.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub category: Category,
    /// The provider's own documentation, for people.
    pub docs: String,
    /// Where the facts in the file were read: pages, or `repository@commit path`.
    #[serde(default)]
    pub sources: Vec<String>,
    pub credential: Credential,
    /// Absent where nobody has written down what is done there.
    pub setup: Option<Setup>,
    pub api: Option<Api>,
    /// Absent where nothing can be asked that proves a credential.
    pub verification: Option<Verification>,
    /// Absent where accounts are connected by pasting secrets alone.
    pub oauth: Option<OAuth>,
    /// Absent where the provider sends no webhooks.
    pub webhook: Option<Webhook>,
}

impl Provider {
    /// The API's address for a tenant that chooses nothing. `None` where there is no such address:
    /// the tenant names its own host, or has to choose.
    pub fn usual_base_url(&self) -> Option<String> {
        let api = self.api.as_ref().filter(|api| !api.tenant_host)?;
        let default = |name: &str| self.credential.field(name)?.default.clone();
        api.base_url.fill(|name| default(name).ok_or(())).ok()
    }
}

/// What a tenant enters to connect its own account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    pub fields: Vec<Field>,
}

impl Credential {
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    pub label: String,
    #[serde(default)]
    pub help: String,
    /// Whether the value is encrypted at rest and never shown again.
    #[serde(default)]
    pub secret: bool,
    #[serde(default)]
    pub required: bool,
    /// The form of a valid value.
    pub pattern: Option<Pattern>,
    /// The only valid values, where there are few.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// What a credential has that was saved without a value.
    pub default: Option<String>,
    /// The names that the value usually has in the environment of programs, by which it is found in
    /// a file of them.
    #[serde(default)]
    pub env: Vec<String>,
    /// The kind of identifier that the value is: webhooks carry it, so it routes them to the
    /// tenant and is asserted on every payload.
    pub identifies: Option<String>,
}

/// One of a field's valid values, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    pub value: String,
    pub label: String,
}

impl Field {
    /// Whether the value has the form that the provider's values have. An empty value is accepted
    /// only where the field is optional.
    pub fn accepts(&self, value: &str) -> bool {
        if value.is_empty() {
            return !self.required;
        }
        let chosen =
            self.choices.is_empty() || self.choices.iter().any(|choice| choice.value == value);
        let formed = self
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(value));
        chosen && formed
    }
}

/// A regular expression that covers the whole value.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl Pattern {
    pub fn matches(&self, value: &str) -> bool {
        self.whole.is_match(value)
    }

    /// The expression's text, as an HTML `pattern` attribute takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let inner = text
            .strip_prefix('^')
            .and_then(|text| text.strip_suffix('$'))
            .ok_or_else(|| format!("the pattern `{text}` must begin with ^ and end with $"))?;
        // Grouped, because in `^a|b$` each anchor would hold for one alternative only.
        let whole = Regex::new(&format!("^(?:{inner})$"))
            .map_err(|error| format!("the pattern `{text}` is not readable: {error}"))?;
        Ok(Self { text, whole })
    }
}
