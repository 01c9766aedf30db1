//! What keeps a tenant's own key from being used, and what the tenant can do about it there.

use std::sync::Arc;

use egress::Refusal;
use kernel::Error;
use serde::Serialize;
use utoipa::ToSchema;
use vault::ProviderError;

use super::Holder;

/// Why the tenant's own key can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EncryptionKeyFailure)]
pub enum KeyFailure {
    /// The provider does not answer, or says that it is out of service.
    Unreachable,
    /// It takes no more requests for now.
    Throttled,
    /// The login is refused, or may not use the key.
    Denied,
    /// The key, or the version of it that is needed, is disabled, closed or gone.
    Disabled,
    /// What answers there is not of the kind that is needed.
    Unsuitable,
    /// There is a key of that name, and it is not the one that wrapped the tenant's data keys.
    Mismatch,
}

impl KeyFailure {
    pub(super) const ALL: [Self; 6] = [
        Self::Unreachable,
        Self::Throttled,
        Self::Denied,
        Self::Disabled,
        Self::Unsuitable,
        Self::Mismatch,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Disabled => "disabled",
            Self::Unsuitable => "unsuitable",
            Self::Mismatch => "mismatch",
        }
    }

    /// `None` for what is no provider's doing: a fault of this program or its rows.
    pub(crate) fn of(error: &ProviderError) -> Option<Self> {
        match error {
            ProviderError::Unreachable { .. } => Some(Self::Unreachable),
            ProviderError::Throttled { .. } => Some(Self::Throttled),
            ProviderError::Denied { .. } => Some(Self::Denied),
            ProviderError::Disabled { .. } | ProviderError::UnknownKek { .. } => {
                Some(Self::Disabled)
            }
            ProviderError::Unsuitable { .. } => Some(Self::Unsuitable),
            ProviderError::NotItsWrap { .. }
            | ProviderError::Refused { .. }
            | ProviderError::NotAKey { .. } => Some(Self::Mismatch),
            ProviderError::ForeignKek { .. } | ProviderError::Keyring(_) => None,
        }
    }

    /// Whether it passes without anybody's doing.
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Unreachable | Self::Throttled)
    }

    /// What the tenant can do about it, at its provider.
    pub(super) fn advice(self, holder: Holder) -> &'static str {
        match (self, holder) {
            (Self::Unreachable, Holder::Transit) => {
                "check that the server runs, is unsealed, and can be reached from outside"
            }
            (Self::Unreachable, Holder::Aws) => "check that AWS KMS works in the key's region",
            (Self::Throttled, Holder::Transit) => "raise the server's rate limit for this login",
            (Self::Throttled, Holder::Aws) => {
                "raise the account's request quota of KMS in the key's region"
            }
            (Self::Denied, Holder::Transit) => {
                "give the login its policy back, or set the key anew here with a valid token or secret id"
            }
            (Self::Denied, Holder::Aws) => {
                "give the access key its rights to use the key back, or set the key anew here with another access key"
            }
            (Self::Disabled, Holder::Transit) => {
                "restore the key, or lower its min_decryption_version to the version that is needed"
            }
            (Self::Disabled, Holder::Aws) => {
                "enable the key, or cancel its deletion while that is pending"
            }
            (Self::Unsuitable, Holder::Transit) => {
                "have the address lead to the Transit engine again, with the derived key in it"
            }
            (Self::Unsuitable, Holder::Aws) => "use a symmetric key that encrypts and decrypts",
            (Self::Mismatch, _) => {
                "put the key back that was there: another one has taken its name, or its material was replaced"
            }
        }
    }
}

/// What a failure of a tenant's own provider is to whoever needed the key.
pub(super) fn told(holder: Holder, error: Arc<ProviderError>) -> Error {
    match KeyFailure::of(&error) {
        None => Error::internal(error),
        Some(failure) if failure.passes() => Error::TenantKeyUnavailable(error.into()),
        Some(failure) => Error::TenantKeyWithdrawn {
            advice: failure.advice(holder).to_owned(),
            cause: error.into(),
        },
    }
}

/// What it is to whoever is setting the key just now: something to correct.
pub(super) fn refused(holder: Holder, error: ProviderError) -> Error {
    if let ProviderError::Unreachable {
        cause: Some(cause), ..
    } = &error
        && let Some(request) = cause.downcast_ref::<reqwest::Error>()
        && let Some(refusal) = Refusal::behind(request)
    {
        return refusal.clone().into();
    }
    let Some(failure) = KeyFailure::of(&error) else {
        return Error::internal(error);
    };
    let (place, secret) = match holder {
        Holder::Transit => ("address", "secret"),
        Holder::Aws => ("key", "secret_access_key"),
    };
    let (field, message) = match (failure, holder) {
        (KeyFailure::Unreachable, _) => (place, "the provider does not answer"),
        (KeyFailure::Throttled, _) => (place, "the provider takes no more requests for now"),
        (KeyFailure::Denied, _) => (
            secret,
            "the provider refuses the login, or does not let it use the key",
        ),
        (KeyFailure::Disabled, _) => ("key", "there is no such key, or it is disabled"),
        (KeyFailure::Unsuitable, Holder::Transit) => (
            "key",
            "there is no Transit engine with such a key, or the key was not made with derived=true",
        ),
        (KeyFailure::Unsuitable, Holder::Aws) => {
            ("key", "it has to be a symmetric key that encrypts")
        }
        (KeyFailure::Mismatch, _) => ("key", "what it wraps does not unwrap"),
    };
    Error::field(field, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_apart_and_passes_or_needs_somebody() {
        let provider = || "provider".to_owned();
        let kek = || "transit:transit/key:v1".to_owned();
        for (error, code) in [
            (
                ProviderError::Unreachable {
                    provider: provider(),
                    cause: None,
                },
                "tenant_key_unavailable",
            ),
            (
                ProviderError::Throttled {
                    provider: provider(),
                },
                "tenant_key_unavailable",
            ),
            (
                ProviderError::Denied {
                    provider: provider(),
                },
                "tenant_key_withdrawn",
            ),
            (
                ProviderError::Disabled { kek: kek() },
                "tenant_key_withdrawn",
            ),
            (
                ProviderError::NotItsWrap { kek: kek() },
                "tenant_key_withdrawn",
            ),
            (ProviderError::ForeignKek { kek: kek() }, "internal_error"),
        ] {
            let told = told(Holder::Transit, Arc::new(error));
            assert_eq!(told.code(), code);
            assert!(told.is_transient(), "a job that needs it is tried again");
        }
    }
}
