//! The `[verification]` part of a provider file: the call that proves a credential, what its
//! answer must say, and what a refusal means. Types; the call is made in [`crate::verify`].

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FieldTemplate;
use crate::webhook::Selector;

/// How a credential is tested.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// What is known after a success, as a sentence for people.
    pub proves: String,
    pub check: Check,
    /// What to do at the provider, by the reason of the refusal.
    #[serde(default)]
    pub advice: BTreeMap<Reason, String>,
}

impl Verification {
    /// Every reason that a test by this description can give.
    pub fn reasons(&self) -> BTreeSet<Reason> {
        let mut reasons = BTreeSet::from([
            Reason::InvalidCredential,
            Reason::Incomplete,
            Reason::ProviderUnavailable,
            Reason::UnexpectedAnswer,
        ]);
        if let Check::Request(check) = &self.check {
            // What statuses mean everywhere.
            reasons.extend([
                Reason::InsufficientScope,
                Reason::NotFound,
                Reason::RateLimited,
            ]);
            reasons.extend(check.expect.iter().map(|rule| rule.otherwise));
            reasons.extend(check.refusals.iter().map(|rule| rule.reason));
        }
        reasons
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    Request(Box<RequestCheck>),
    Smtp(SmtpCheck),
}

/// A call of the provider's API that changes nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestCheck {
    #[serde(default)]
    pub method: Method,
    /// Below the base URL.
    pub path: FieldTemplate,
    /// A JSON document, where the method is POST.
    pub body: Option<String>,
    /// What a good answer must say.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// Refusals that prove the credential all the same, such as one of a key that may only send.
    #[serde(default)]
    pub good: Vec<AnswerRule>,
    /// What answers mean, before their status decides.
    #[serde(default)]
    pub refusals: Vec<Refusal>,
    pub scopes: Option<Scopes>,
    pub expires: Option<Expiry>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Get,
    Post,
}

/// The value at `at` equals the credential's field (where it has one) or a constant. Where `at`
/// finds several values, one of them must.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub at: Selector,
    pub field: Option<String>,
    pub equals: Option<String>,
    /// What it means if it does not.
    pub otherwise: Reason,
}

/// Holds where the status is this one and something (or `equals`) stands at `at`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRule {
    pub status: Option<u16>,
    pub at: Option<Selector>,
    pub equals: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    pub when: AnswerRule,
    pub reason: Reason,
}

/// Where the answer lists what the credential may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scopes {
    pub at: Selector,
    /// Set where they stand in one text.
    pub separator: Option<String>,
}

/// Where the answer says when the credential ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    pub at: Selector,
    pub form: ExpiryForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryForm {
    UnixSeconds,
    /// `2026-05-06 22:00:00 UTC` or with an offset, as GitHub's header has it.
    SpacedDateTime,
    Rfc3339,
}

/// Log-in at a mail server: connect, secure, EHLO, AUTH, and no mail. The names are those of
/// credential fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpCheck {
    pub host: String,
    pub port: String,
    /// `tls`, `starttls` or `none`.
    pub security: String,
    pub user: String,
    pub password: String,
}

/// Why a credential is not known to be good.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = VerificationReason)]
pub enum Reason {
    /// The provider does not know the secret: mistyped, replaced, revoked, run out.
    InvalidCredential,
    /// Known, but it may not do what is needed.
    InsufficientScope,
    /// What the credential names does not exist, or is not visible to it.
    NotFound,
    /// The secret belongs to another account than the credential says.
    WrongAccount,
    /// The account is suspended or closed.
    AccountInactive,
    /// A value that calls need is missing.
    Incomplete,
    RateLimited,
    ProviderUnavailable,
    UnexpectedAnswer,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::InvalidCredential,
        Self::InsufficientScope,
        Self::NotFound,
        Self::WrongAccount,
        Self::AccountInactive,
        Self::Incomplete,
        Self::RateLimited,
        Self::ProviderUnavailable,
        Self::UnexpectedAnswer,
    ];

    /// The reason that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// As it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidCredential => "invalid_credential",
            Self::InsufficientScope => "insufficient_scope",
            Self::NotFound => "not_found",
            Self::WrongAccount => "wrong_account",
            Self::AccountInactive => "account_inactive",
            Self::Incomplete => "incomplete",
            Self::RateLimited => "rate_limited",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::UnexpectedAnswer => "unexpected_answer",
        }
    }
}
