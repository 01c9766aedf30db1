//! Whether a credential works: asked of the provider by the call that the catalogue names, put into
//! a few outcomes and reasons, and kept. On save, once a day, and when somebody presses a button.
//!
//! Here: one test from beginning to end. What an answer means is in `judge`, mail servers are in
//! `smtp`, what is kept in `history`, when it is done by itself in `schedule`.

mod history;
mod judge;
mod schedule;
mod smtp;

use kernel::{
    Access, Error, Result,
    error::ConflictCode,
    id::CredentialId,
    permission::{CredentialsUse, CredentialsWrite, Permission},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    Connect, OpenCredential,
    authorize::path,
    catalogue::{Check, Method, Provider, Reason, RequestCheck, Verification as Described},
};

pub use schedule::register;
pub(crate) use schedule::{begin, daily, end};

/// For metrics and traces.
const OPERATION: &str = "credential.verify";

/// What a test of a credential found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    pub outcome: Outcome,
    /// Absent where the credential is good.
    pub reason: Option<Reason>,
    /// What is known now, or what the provider said. Never a secret.
    pub detail: String,
    /// What to do about it, at the provider or here.
    pub advice: Option<String>,
    /// What the credential may do, where the provider says so.
    pub scopes: Vec<String>,
    /// When it ends, where the provider says so.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub checked_at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[schema(as = VerificationOutcome)]
pub enum Outcome {
    Good,
    /// It does not work, and will not until somebody changes something.
    Refused,
    /// Nothing was learned: the provider did not answer, or not to the question.
    Unknown,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Reason {
    /// Whether it speaks against the credential.
    fn outcome(self) -> Outcome {
        match self {
            Self::InvalidCredential
            | Self::InsufficientScope
            | Self::NotFound
            | Self::WrongAccount
            | Self::AccountInactive => Outcome::Refused,
            Self::Incomplete
            | Self::RateLimited
            | Self::ProviderUnavailable
            | Self::UnexpectedAnswer => Outcome::Unknown,
        }
    }
}

/// A finding before it is put into words for the customer.
#[derive(Debug, PartialEq)]
struct Finding {
    /// Absent where the credential is good.
    reason: Option<Reason>,
    detail: String,
    scopes: Vec<String>,
    expires_at: Option<OffsetDateTime>,
    /// How long the provider asks to wait.
    wait: Option<time::Duration>,
}

impl Finding {
    fn against(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason: Some(reason),
            detail: detail.into(),
            scopes: Vec::new(),
            expires_at: None,
            wait: None,
        }
    }
}

impl Connect {
    /// Tests a credential now, for somebody who asks: so often in a minute and no oftener.
    ///
    /// # Errors
    /// [`Error::NotFound`], and [`Error::RateLimited`] where the tenant tests too much.
    pub async fn verify(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<Verification> {
        history::admit(access).await?;
        let (verification, _) = self.test(access, id).await?;
        Ok(verification)
    }

    /// Tests a credential in a job. Gives back how long to wait where nothing was learned.
    async fn verify_later(
        &self,
        access: &Access<CredentialsUse>,
        id: CredentialId,
    ) -> Result<(Verification, Option<time::Duration>)> {
        self.test(access, id).await
    }

    async fn test<P: Permission>(
        &self,
        access: &Access<P>,
        id: CredentialId,
    ) -> Result<(Verification, Option<time::Duration>)> {
        let tested = history::tested(access, id).await?;
        let checked_at = OffsetDateTime::now_utc();
        let provider = self.known_provider(&tested.provider)?;
        let finding = self.find(access, provider, id).await?;
        let wait = finding.wait;
        let verification = told(provider, finding, checked_at);
        history::keep(access, &tested, &verification).await?;
        Ok((verification, wait))
    }

    async fn find<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        id: CredentialId,
    ) -> Result<Finding> {
        let Some(described) = &provider.verification else {
            return Ok(Finding::against(
                Reason::Incomplete,
                format!("{} has nothing that could be asked", provider.name),
            ));
        };
        let credential = self.resolve_fresh(access, &provider.id, id).await?;
        self.uses()
            .record(access, &provider.id, id, OPERATION)
            .await?;
        match &described.check {
            Check::Request(check) => self.ask(access, provider, &credential, check).await,
            Check::Smtp(check) => self.log_in(access, &credential, check).await,
        }
    }

    async fn ask<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        credential: &OpenCredential,
        check: &RequestCheck,
    ) -> Result<Finding> {
        // The test is of what was saved, not of a token that was granted before.
        self.tokens().forget(access.tenant().id, credential.id);
        let authorization = match self.authorize(access, credential).await {
            Ok(authorization) => authorization,
            Err(error) => return judge::unproven(error),
        };
        let path = match path(&check.path, credential) {
            Ok(path) => path,
            Err(error) => return judge::unproven(error),
        };
        let method = match check.method {
            Method::Get => http::Method::GET,
            Method::Post => http::Method::POST,
        };
        let request = match self.request(&provider.id, &authorization, method, &path) {
            Ok(request) => request,
            Err(error) => return judge::unproven(error),
        };
        let request = match &check.body {
            Some(body) => request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(body.clone()),
            None => request,
        };
        let outcome = self
            .send(access, &provider.id, OPERATION, request, |raw| {
                let finding = judge::answer(provider, check, credential, raw, &authorization);
                let error = finding.reason.map(|_| finding.detail.clone());
                (finding, error)
            })
            .await;
        match outcome {
            Ok(Ok(finding)) => Ok(finding),
            Ok(Err(unreached)) => Ok(Finding::against(Reason::ProviderUnavailable, unreached.0)),
            Err(error) => judge::unproven(error),
        }
    }
}

/// Puts a finding into words for the customer.
fn told(provider: &Provider, finding: Finding, checked_at: OffsetDateTime) -> Verification {
    let described = provider.verification.as_ref();
    let (outcome, detail, advice) = match finding.reason {
        None => {
            let proves = described.map(|described| described.proves.clone());
            (Outcome::Good, proves.unwrap_or_default(), None)
        }
        Some(reason) => {
            let detail = format!("{}: {}", provider.name, finding.detail);
            (reason.outcome(), detail, Some(advice(described, reason)))
        }
    };
    Verification {
        outcome,
        reason: finding.reason,
        detail,
        advice,
        scopes: finding.scopes,
        expires_at: finding.expires_at,
        checked_at,
    }
}

/// The provider's own advice where its file has one.
fn advice(described: Option<&Described>, reason: Reason) -> String {
    let own = described.and_then(|described| described.advice.get(&reason));
    let usual = match reason {
        Reason::InvalidCredential => {
            "Make a new secret at the provider and replace the old one here."
        }
        Reason::InsufficientScope => "Give the credential the missing permission at the provider.",
        Reason::NotFound => {
            "Compare the ids of this credential with those that the provider shows."
        }
        Reason::WrongAccount => {
            "The secret is of another account than the ids say: correct one of them."
        }
        Reason::AccountInactive => "See the notices in the account at the provider.",
        Reason::Incomplete => "Add the missing values to use the provider's API.",
        Reason::RateLimited => {
            "Nothing to do: the provider asks for a pause, and the test is repeated."
        }
        Reason::ProviderUnavailable => {
            "Nothing to do for now: the test is repeated. If it lasts, see the provider's status page."
        }
        Reason::UnexpectedAnswer => {
            "The provider answered in a way that is not known here. If it lasts, tell support."
        }
    };
    own.cloned().unwrap_or_else(|| usual.to_owned())
}

/// Whether the error is one of the program's own and says nothing of the credential.
fn is_own(error: &Error) -> bool {
    !matches!(
        error,
        Error::Invalid { .. }
            | Error::Provider { .. }
            | Error::Conflict {
                code: ConflictCode::ReconnectRequired,
                ..
            }
    )
}
