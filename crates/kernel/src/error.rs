//! The one error of the program, and the problem document (RFC 9457) that the outside sees of it.
//!
//! The client learns a stable code and what to do; the cause goes to the log.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::id::CorrelationId;

/// What a caller without proof is asked for. RFC 6750, section 3: the scheme is followed by at least
/// one parameter, without which some clients (httplib2) can't read it.
const CHALLENGE: &str = "Bearer realm=\"freehold\"";

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no valid credentials were presented")]
    Unauthenticated,
    #[error("the permission `{0}` is missing")]
    Forbidden(&'static str),
    /// A page of somebody else's made a browser send this.
    #[error("the request comes from another site")]
    CrossOrigin,
    /// The act asks for more than the session has shown.
    #[error("a second factor is needed")]
    SecondFactorRequired,
    #[error(
        "the session was opened by a tenant's own identity provider, and is good in that tenant alone"
    )]
    SessionConfined,
    /// What an identity provider sent a browser back with opens nothing.
    #[error("{}", .0.detail())]
    SignIn(SignInRefusal),
    /// Also the answer to ids of other tenants.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{detail}")]
    Invalid {
        detail: String,
        fields: Vec<FieldError>,
    },
    #[error("{detail}")]
    Conflict { code: ConflictCode, detail: String },
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("this resource does not take that method")]
    MethodNotAllowed,
    #[error("send the body as `Content-Type: application/json`")]
    UnsupportedMediaType,
    #[error("too many requests; try again in {retry_after} s")]
    RateLimited { retry_after: u64 },
    #[error("the tenant is {status}")]
    TenantInactive { status: &'static str },
    #[error("no {provider} credential is set up; add one under credentials")]
    CredentialMissing { provider: String },
    /// A provider refused or could not be reached. `retryable` says whether trying again can help.
    #[error("{provider}: {detail}")]
    Provider {
        provider: String,
        status: Option<u16>,
        detail: String,
        retryable: bool,
    },
    /// An address that this server does not call. The text says what to do.
    #[error("{0}")]
    AddressRefused(String),
    /// Whoever holds the key-encryption key can't be asked for it now. It passes by itself.
    #[error("the key provider does not answer; try again")]
    KeyProviderUnavailable(#[source] anyhow::Error),
    /// The provider of the tenant's own key-encryption key can't be asked for it now. It passes by
    /// itself, and it is that tenant's trouble alone.
    #[error(
        "your own key provider does not answer; everything works again by itself as soon as it does"
    )]
    TenantKeyUnavailable(#[source] anyhow::Error),
    /// The tenant's own key provider answers, and refuses the use of the key. It works again by
    /// itself when they give it back; `advice` says how.
    #[error("your own key provider refuses the use of your key: {advice}")]
    TenantKeyWithdrawn {
        advice: String,
        #[source]
        cause: anyhow::Error,
    },
    /// The tenant has moved to another cell, or is not in this one; look it up again.
    #[error("the tenant is not served by this cell any more")]
    StaleEpoch,
    #[error("the database can't be reached")]
    Unavailable(#[source] sqlx::Error),
    #[error("internal error")]
    Internal(#[source] anyhow::Error),
}

/// What stands in the way of a request that is right in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictCode {
    NameTaken,
    SlugTaken,
    /// The provider's id is connected to another tenant.
    IdentifierTaken,
    IdempotencyKeyReused,
    /// The tenant's state does not allow the step.
    InvalidTransition,
    /// Somebody else changed the resource between reading and writing.
    ChangedMeanwhile,
    JobDuplicate,
    JobNotDead,
    /// A tenant has at least one owner, always.
    LastOwner,
    AlreadyMember,
    /// The session looks at a tenant from within already.
    AlreadyImpersonating,
    /// Members or invitations still have the role.
    RoleInUse,
    /// The data keys that it was sealed under were destroyed on purpose.
    KeysErased,
    /// Neither the operator nor the tenant has set up an app at the provider.
    OauthAppMissing,
    /// The provider takes the connection's tokens no longer: somebody has to consent again.
    ReconnectRequired,
    /// The person, or the provider, said no.
    ConnectionDenied,
    /// This browser did not begin it, or too long ago, or it was ended already.
    ConnectionStale,
    /// What the provider answered does not fit what was asked.
    ConnectionInvalid,
}

impl ConflictCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NameTaken => "name_taken",
            Self::SlugTaken => "slug_taken",
            Self::IdentifierTaken => "identifier_taken",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::InvalidTransition => "invalid_transition",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::JobDuplicate => "job_duplicate",
            Self::JobNotDead => "job_not_dead",
            Self::LastOwner => "last_owner",
            Self::AlreadyMember => "already_member",
            Self::AlreadyImpersonating => "already_impersonating",
            Self::RoleInUse => "role_in_use",
            Self::KeysErased => "keys_erased",
            Self::OauthAppMissing => "oauth_app_missing",
            Self::ReconnectRequired => "reconnect_required",
            Self::ConnectionDenied => "connection_denied",
            Self::ConnectionStale => "connection_stale",
            Self::ConnectionInvalid => "connection_invalid",
        }
    }
}

/// Why a sign-in by an identity provider came to nothing. Which check it was stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInRefusal {
    /// The person, or the provider, said no.
    Denied,
    /// This browser did not begin it, or too long ago, or it was ended already.
    Stale,
    /// What the provider says of the person does not verify.
    Invalid,
    /// The provider does not say that the address is the person's.
    Unverified,
    /// There is an account with the address, and nothing shows yet that it is the person's.
    LinkFirst,
    /// Nobody let this person in, or somebody shut them out.
    NotAdmitted,
}

impl SignInRefusal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "sign_in_denied",
            Self::Stale => "sign_in_stale",
            Self::Invalid => "sign_in_invalid",
            Self::Unverified => "sign_in_unverified",
            Self::LinkFirst => "sign_in_link_first",
            Self::NotAdmitted => "sign_in_not_admitted",
        }
    }

    fn detail(self) -> &'static str {
        match self {
            Self::Denied => "the sign-in was cancelled at the identity provider",
            Self::Stale => {
                "the sign-in has expired, was ended already, or began in another browser"
            }
            Self::Invalid => "what the identity provider answered does not verify",
            Self::Unverified => {
                "the identity provider does not confirm that the e-mail address is yours"
            }
            Self::LinkFirst => {
                "there is an account with this address: sign in to it as before, then come this way once more"
            }
            Self::NotAdmitted => "nobody has let this account in here",
        }
    }
}

/// What is wrong with one field of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// The field's path, as in `secrets.access_token`.
    pub field: String,
    pub message: String,
}

impl Error {
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid {
            detail: detail.into(),
            fields: Vec::new(),
        }
    }

    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let error = FieldError {
            field: field.into(),
            message: message.into(),
        };
        Self::Invalid {
            detail: format!("`{}`: {}", error.field, error.message),
            fields: vec![error],
        }
    }

    pub fn internal(cause: impl Into<anyhow::Error>) -> Self {
        Self::Internal(cause.into())
    }

    /// The stable name of the error: part of the API, listed in docs/errors.md.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::CrossOrigin => "cross_origin",
            Self::SecondFactorRequired => "second_factor_required",
            Self::SessionConfined => "session_confined",
            Self::SignIn(refusal) => refusal.as_str(),
            Self::NotFound(_) => "not_found",
            Self::Invalid { .. } => "invalid_request",
            Self::Conflict { code, .. } => code.as_str(),
            Self::TooLarge { .. } => "body_too_large",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited { .. } => "rate_limited",
            Self::TenantInactive { .. } => "tenant_inactive",
            Self::CredentialMissing { .. } => "credential_missing",
            Self::Provider { .. } => "provider_error",
            Self::AddressRefused(_) => "address_refused",
            Self::KeyProviderUnavailable(_) => "key_provider_unavailable",
            Self::TenantKeyUnavailable(_) => "tenant_key_unavailable",
            Self::TenantKeyWithdrawn { .. } => "tenant_key_withdrawn",
            Self::StaleEpoch => "tenant_moved",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal_error",
        }
    }

    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_)
            | Self::CrossOrigin
            | Self::SecondFactorRequired
            | Self::SessionConfined
            | Self::SignIn(_)
            | Self::TenantInactive { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid { .. } | Self::AddressRefused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict { .. } | Self::CredentialMissing { .. } => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Provider { .. } => StatusCode::BAD_GATEWAY,
            Self::StaleEpoch
            | Self::Unavailable(_)
            | Self::KeyProviderUnavailable(_)
            | Self::TenantKeyUnavailable(_)
            | Self::TenantKeyWithdrawn { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether a key is not to be had that secrets are sealed under. That is nobody's fault who needs
    /// one, and passes: what is tried again waits for it.
    pub fn is_of_a_key(&self) -> bool {
        matches!(
            self,
            Self::KeyProviderUnavailable(_)
                | Self::TenantKeyUnavailable(_)
                | Self::TenantKeyWithdrawn { .. }
        )
    }

    /// Whether the same attempt may succeed later: what a job's retry decision asks.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Provider { retryable, .. } => *retryable,
            Self::RateLimited { .. }
            | Self::KeyProviderUnavailable(_)
            | Self::TenantKeyUnavailable(_)
            | Self::TenantKeyWithdrawn { .. }
            | Self::StaleEpoch
            | Self::Unavailable(_)
            | Self::Internal(_) => true,
            _ => false,
        }
    }
}

/// Constraint violations that mean something are mapped at the query, by `on_constraint`; what
/// arrives here is a fault of ours or of the connection.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => {
                Self::Unavailable(error)
            }
            // Class 57: the server is shutting down or was told to end the connection.
            sqlx::Error::Database(ref cause)
                if cause.code().is_some_and(|code| code.starts_with("57")) =>
            {
                Self::Unavailable(error)
            }
            // character_not_in_repertoire and untranslatable_character: Rust's strings are UTF-8, so
            // it is the one character that Postgres stores in neither text nor jsonb.
            sqlx::Error::Database(ref cause)
                if cause
                    .code()
                    .is_some_and(|code| matches!(&*code, "22021" | "22P05")) =>
            {
                Self::invalid("text can't contain the character U+0000")
            }
            other => Self::Internal(other.into()),
        }
    }
}

/// Turns the violation of one named constraint into an error that the caller can act on.
pub trait OnConstraint<T> {
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> Error) -> Result<T>;
}

impl<T> OnConstraint<T> for std::result::Result<T, sqlx::Error> {
    fn on_constraint(self, constraint: &str, error: impl FnOnce() -> Error) -> Result<T> {
        self.map_err(|cause| match &cause {
            sqlx::Error::Database(violation) if violation.constraint() == Some(constraint) => {
                error()
            }
            _ => cause.into(),
        })
    }
}

/// The body of every error answer: `application/problem+json`. It also stands among the response's
/// extensions, from which the consoles make a page of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Always `about:blank`; `code` is what to switch on.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub title: String,
    pub status: u16,
    /// Stable, snake_case.
    pub code: &'static str,
    pub detail: String,
    /// Quote this to whoever runs the server.
    #[schema(value_type = Option<String>, example = "cor_01h455vb4pex5vsknk084sn02q")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<CorrelationId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let correlation_id = crate::telemetry::current_correlation();
        if status.is_server_error() {
            tracing::error!(code = self.code(), cause = ?self, "request failed");
        }
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: self.code(),
            detail: self.to_string(),
            correlation_id,
            errors: match &self {
                Self::Invalid { fields, .. } => fields.clone(),
                _ => Vec::new(),
            },
        };
        let mut response = (status, Json(&problem)).into_response();
        response.extensions_mut().insert(problem);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Self::Unauthenticated => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(CHALLENGE),
                );
            }
            Self::RateLimited { retry_after } => {
                headers.insert(header::RETRY_AFTER, retry_after.into());
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_documented() {
        let documented = include_str!("../../../docs/errors.md");
        // The codes stand in this file alone, as the right-hand sides of two matches.
        let source = include_str!("error.rs");
        let codes: Vec<&str> = source
            .lines()
            .filter(|line| line.contains("=> \""))
            .filter_map(|line| line.split('"').nth(1))
            .filter(|code| {
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
            .collect();
        assert!(codes.len() >= 20, "{codes:?}");
        for code in codes {
            assert!(
                documented.contains(&format!("`{code}`")),
                "docs/errors.md lacks {code}"
            );
        }
    }

    #[test]
    fn causes_stay_out_of_the_answer() {
        let error = Error::internal(anyhow::anyhow!("password=hunter2"));
        assert_eq!(error.to_string(), "internal error");
        assert_eq!(error.code(), "internal_error");
        assert!(error.is_transient());
    }
}
