//! The `[setup]` part of a provider file: what a person does at the provider to connect an account,
//! in order, and what to copy from where into which field. Types and their check; the steps are
//! filled in by [`crate::integrations`].

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    FieldTemplate, Provider,
    validate::{Problem, problem},
};

/// What a provider is for.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProviderCategory)]
pub enum Category {
    Messaging,
    Voice,
    Email,
    Calendar,
    Issues,
    Models,
    Payments,
    Automation,
    #[default]
    Other,
}

impl Category {
    /// In the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Messaging,
        Self::Voice,
        Self::Email,
        Self::Calendar,
        Self::Issues,
        Self::Models,
        Self::Payments,
        Self::Automation,
        Self::Other,
    ];

    /// As it is written in files, addresses and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messaging => "messaging",
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Calendar => "calendar",
            Self::Issues => "issues",
            Self::Models => "models",
            Self::Payments => "payments",
            Self::Automation => "automation",
            Self::Other => "other",
        }
    }

    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Messaging => "Messaging",
            Self::Voice => "Voice",
            Self::Email => "E-mail",
            Self::Calendar => "Calendar",
            Self::Issues => "Issues",
            Self::Models => "Language models",
            Self::Payments => "Payments",
            Self::Automation => "Automation",
            Self::Other => "Other",
        }
    }
}

/// What is done at the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The page of the provider's console where the work begins. Absent where each tenant has a
    /// server of its own.
    pub console: Option<String>,
    /// The secret that the tenant makes up and enters on both sides, where there is one.
    pub made_up: Option<MadeUp>,
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// A field for which a strong value is proposed: `form` with `{random}` replaced.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeUp {
    pub field: String,
    pub form: FieldTemplate,
}

/// One thing to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The place at the provider, as its console calls it. Absent where it is not at the provider.
    pub at: Option<String>,
    /// Short imperative sentences; may hold the [`Placeholder`]s in braces.
    pub text: FieldTemplate,
    /// A command or values to paste; may hold the same.
    pub paste: Option<FieldTemplate>,
    /// The credential's fields whose values are found here.
    #[serde(default)]
    pub fields: Vec<String>,
}

impl Step {
    fn templates(&self) -> impl Iterator<Item = &FieldTemplate> {
        std::iter::once(&self.text).chain(&self.paste)
    }
}

/// What differs from tenant to tenant in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// Where the provider is to send the tenant's webhooks.
    WebhookUrl,
    /// The secret that the tenant makes up.
    VerifyToken,
    /// Where the provider's consent page sends browsers back to.
    RedirectUrl,
}

impl Placeholder {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "webhook_url" => Some(Self::WebhookUrl),
            "verify_token" => Some(Self::VerifyToken),
            "redirect_url" => Some(Self::RedirectUrl),
            _ => None,
        }
    }
}

const RANDOM: &str = "random";

impl MadeUp {
    /// A value of the field, made of something random.
    pub fn value(&self, random: &str) -> String {
        let filled = self
            .form
            .fill(|_| Ok::<_, std::convert::Infallible>(random.to_owned()));
        filled.unwrap_or_else(|never| match never {})
    }
}

pub(super) fn setup(provider: &Provider, setup: &Setup) -> Result<(), Problem> {
    if let Some(console) = &setup.console
        && !console.starts_with("https://")
    {
        return problem("setup.console", "must be an https address");
    }
    if let Some(made_up) = &setup.made_up {
        proposed(provider, made_up)?;
    }
    if setup.steps.is_empty() {
        return problem("setup.steps", "needs at least one step");
    }
    let mut tells_url = false;
    for (index, step) in setup.steps.iter().enumerate() {
        let key = format!("setup.steps[{index}]");
        for name in &step.fields {
            if provider.credential.field(name).is_none() {
                return problem(
                    format!("{key}.fields"),
                    format!("`{name}` is no credential field"),
                );
            }
        }
        for name in step.templates().flat_map(FieldTemplate::fields) {
            let is_there = match Placeholder::parse(name) {
                Some(Placeholder::WebhookUrl) => {
                    tells_url = true;
                    provider.webhook.is_some()
                }
                Some(Placeholder::VerifyToken) => setup.made_up.is_some(),
                Some(Placeholder::RedirectUrl) => {
                    // An app of the tenant's own is told the address, and nothing else is done with it.
                    let is_app = provider.api.is_none() && provider.webhook.is_none();
                    provider.oauth.is_some() || is_app
                }
                None => {
                    return problem(
                        key,
                        format!(
                            "{{{name}}} is none of {{webhook_url}}, {{verify_token}} and \
                             {{redirect_url}}"
                        ),
                    );
                }
            };
            if !is_there {
                return problem(
                    key,
                    format!("the provider has nothing that {{{name}}} stands for"),
                );
            }
        }
    }
    if provider.webhook.is_some() && !tells_url {
        return problem("setup.steps", "none says where {webhook_url} is entered");
    }
    let unexplained = provider.credential.fields.iter().find(|field| {
        let is_told = setup
            .steps
            .iter()
            .any(|step| step.fields.contains(&field.name));
        field.required && !is_told && field.help.is_empty()
    });
    match unexplained {
        Some(field) => problem(
            "setup.steps",
            format!(
                "`{}` is required, and neither a step nor its help says where it is found",
                field.name
            ),
        ),
        None => Ok(()),
    }
}

/// What is proposed must be a value that the field takes.
fn proposed(provider: &Provider, made_up: &MadeUp) -> Result<(), Problem> {
    let Some(field) = provider.credential.field(&made_up.field) else {
        return problem("setup.made_up.field", "names no credential field");
    };
    if !field.secret {
        return problem("setup.made_up.field", "names a field that is no secret");
    }
    if !made_up.form.fields().eq([RANDOM]) {
        return problem("setup.made_up.form", "must contain {random} once");
    }
    if !field.accepts(&made_up.value(&"0f".repeat(16))) {
        return problem("setup.made_up.form", "makes values that the field refuses");
    }
    Ok(())
}
