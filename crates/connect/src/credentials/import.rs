//! Taking many credentials at once, from a file of environment variables, a table or JSON: what maps
//! where is planned first, and the plan is all that a dry run gives.
//!
//! A credential is taken as a whole or not at all, and what is there already is left as it is, so
//! that the same import can be run again. Nothing that is told of an import quotes a value: of secrets
//! the last four characters, of lines that are not understood not even those.
//!
//! Here: the shapes, and carrying a plan out. Reading is in `env`, `table` and `json`, the plan in
//! `plan`; `kept` carries an import of the console from its preview to its run.

mod env;
mod json;
mod kept;
mod plan;
mod table;

use kernel::{
    Access, Error, Result, id::CredentialId, permission::CredentialsWrite, secret::Secret,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::{
    DEFAULT_GRACE, Environment, NewCredential, Rotation, VersionReason, default_name,
};
use crate::Connect;
use plan::{Planned, Step};

/// The longest text that is read, in bytes.
pub const LONGEST: usize = 256 * 1024;
/// The most values of one import.
const MOST: usize = 2_000;

/// What is to be imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CredentialImport)]
pub struct Import {
    pub format: Format,
    /// The file's text.
    #[schema(value_type = String, max_length = 262_144)]
    pub text: Secret,
    /// The name of credentials that the text gives none.
    #[serde(default = "default_name")]
    pub name: String,
    /// The environment of credentials that the text gives none.
    #[serde(default)]
    pub environment: Environment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CredentialImportFormat)]
pub enum Format {
    /// `NAME=value` lines, whose names the catalogue knows.
    Env,
    /// A table with the columns `provider`, `name`, `environment` and those of fields.
    Csv,
    /// `[{"provider": …, "name": …, "environment": …, "values": {…}}]`.
    Json,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Env, Self::Csv, Self::Json];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// What a file is by its name.
    pub fn of_file(name: &str) -> Option<Self> {
        let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        match name.rsplit_once('.') {
            Some((_, "csv")) => Some(Self::Csv),
            Some((_, "json")) => Some(Self::Json),
            Some((_, "env")) => Some(Self::Env),
            // `.env.production` and the like.
            _ if name.starts_with(".env") => Some(Self::Env),
            _ => None,
        }
    }
}

/// What an import does, or what it would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CredentialImportReport)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    pub credentials: Vec<Taken>,
    /// Every value of the text, and every line that gave none.
    pub entries: Vec<Entry>,
}

/// What becomes of one credential.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedCredential)]
pub struct Taken {
    /// Absent where it is refused, or would be made.
    #[schema(value_type = Option<String>)]
    pub id: Option<CredentialId>,
    pub provider: String,
    pub name: String,
    pub environment: Environment,
    pub outcome: Outcome,
    /// Why it is refused.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportedCredentialOutcome)]
pub enum Outcome {
    Created,
    /// Values were replaced, as by a rotation with a day of grace.
    Replaced,
    /// It has these values already.
    Unchanged,
    Refused,
}

/// What becomes of one value.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ImportEntry)]
pub struct Entry {
    /// Where it stands, as in `line 4`, `row 2` or `credentials[0]`.
    pub place: String,
    /// The variable, column or key, where it is certainly no value.
    pub source: Option<String>,
    pub outcome: EntryOutcome,
    pub provider: Option<String>,
    pub field: Option<String>,
    /// The credential's name.
    pub name: Option<String>,
    pub environment: Option<Environment>,
    /// Why it is ignored or invalid.
    pub reason: Option<String>,
    /// The last characters of a secret; absent where they would give away too much.
    pub last4: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportEntryOutcome)]
pub enum EntryOutcome {
    /// The credential has no such value yet.
    New,
    /// Takes the place of another value.
    Replaces,
    Unchanged,
    Ignored,
    Invalid,
}

/// What the readers make of a text.
enum Item {
    Value(Found),
    /// Understood, but of no use here, or not understood.
    Other(Entry),
}

/// A value, and where it belongs.
struct Found {
    place: String,
    source: Option<String>,
    provider: String,
    name: String,
    environment: Environment,
    field: String,
    value: Secret,
}

impl Entry {
    fn other(
        place: impl Into<String>,
        source: Option<String>,
        outcome: EntryOutcome,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            source,
            outcome,
            provider: None,
            field: None,
            name: None,
            environment: None,
            reason: Some(reason.into()),
            last4: None,
        }
    }

    fn ignored(
        place: impl Into<String>,
        source: Option<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::other(place, source, EntryOutcome::Ignored, reason)
    }

    fn invalid(
        place: impl Into<String>,
        source: Option<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::other(place, source, EntryOutcome::Invalid, reason)
    }
}

impl Connect {
    /// Imports credentials, or says with `dry_run` what that would do.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the text as a whole can't be read. What is wrong with single values
    /// or credentials stands in the report.
    pub async fn import_credentials(
        &self,
        access: &Access<CredentialsWrite>,
        import: &Import,
        dry_run: bool,
    ) -> Result<Report> {
        super::store::check_name(&import.name)?;
        if import.text.expose().len() > LONGEST {
            return Err(Error::field(
                "text",
                format!("must have at most {LONGEST} bytes"),
            ));
        }
        let items = match import.format {
            Format::Env => env::read(self.catalogue(), import),
            Format::Csv => table::read(self.catalogue(), import)?,
            Format::Json => json::read(self.catalogue(), import)?,
        };
        if items.len() > MOST {
            return Err(Error::field(
                "text",
                format!("must have at most {MOST} values"),
            ));
        }
        let plan = self.plan_import(access, items).await?;
        let mut credentials = Vec::new();
        for planned in plan.credentials {
            credentials.push(match dry_run {
                true => planned.taken(),
                false => self.carry_out(access, planned).await?,
            });
        }
        Ok(Report {
            dry_run,
            credentials,
            entries: plan.entries,
        })
    }

    async fn carry_out(
        &self,
        access: &Access<CredentialsWrite>,
        planned: Planned,
    ) -> Result<Taken> {
        let mut taken = planned.taken();
        let outcome = match planned.step {
            Step::Nothing | Step::Refuse(_) => return Ok(taken),
            Step::Create(values) => {
                let new = NewCredential {
                    provider: planned.provider,
                    name: planned.name,
                    environment: planned.environment,
                    values,
                    ..NewCredential::default()
                };
                self.add_credential(access, new, VersionReason::Imported)
                    .await
            }
            Step::Replace(id, values) => {
                let rotation = Rotation {
                    values,
                    grace_seconds: DEFAULT_GRACE,
                };
                self.rotate_as(access, id, rotation, VersionReason::Imported)
                    .await
            }
        };
        match outcome {
            Ok(view) => taken.id = Some(view.id),
            // Somebody else was quicker, or has the provider's id: this one is refused, and the
            // others go on.
            Err(Error::Invalid { detail, .. } | Error::Conflict { detail, .. }) => {
                taken.outcome = Outcome::Refused;
                taken.reason = Some(detail);
            }
            Err(Error::NotFound(_)) => {
                (taken.id, taken.outcome) = (None, Outcome::Refused);
                taken.reason = Some("was removed meanwhile".to_owned());
            }
            Err(error) => return Err(error),
        }
        Ok(taken)
    }
}

/// A name as it may be shown: one that is written as such names are, so that it is no secret that
/// got into its place.
fn shown(name: &str, is_usual: impl Fn(char) -> bool) -> Option<String> {
    let is_name = !name.is_empty() && name.len() <= 64 && name.chars().all(is_usual);
    is_name.then(|| name.to_owned())
}
