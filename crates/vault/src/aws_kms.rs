//! KEKs in AWS KMS, by the official SDK
//! (<https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html>).
//!
//! A wrap is bound to its owner and generation by the encryption context. KMS tells versions of a
//! key's material apart by itself, so that a KEK is named by its ARN alone; a rotation that shall
//! be seen here is another key.

use std::fmt;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::Credentials;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::KeyState;
use zeroize::Zeroizing;

use crate::circuit::Circuit;
use crate::data_key::DataKey;
use crate::key_bytes::KeyBytes;
use crate::owner::Owner;
use crate::provider::{ProviderError, WrappedKey};
use crate::remote::{ATTEMPT, attempt, unreachable};

const OWNER: &str = "freehold:owner";
const GENERATION: &str = "freehold:generation";

/// Which key, where, and whose rights.
#[derive(Clone)]
pub struct AwsKmsSettings {
    /// The key's ARN or id, or an alias (`alias/…`).
    pub key: String,
    /// Empty: as the environment or the machine says.
    pub region: Option<String>,
    /// Another address than the region's own: a VPC endpoint, a simulator.
    pub endpoint: Option<String>,
    /// Access key id and secret. Without, the SDK's own chain: environment, profile, web identity,
    /// the container's or the machine's role.
    pub credentials: Option<(String, Zeroizing<String>)>,
}

impl fmt::Debug for AwsKmsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKmsSettings")
            .field("key", &self.key)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A key of KMS.
pub struct AwsKms {
    client: Client,
    key: String,
    circuit: Circuit,
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl AwsKms {
    /// Reads credentials and region from wherever the settings leave them to. Calls nothing yet.
    pub async fn new(settings: AwsKmsSettings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT / 2)
            .operation_attempt_timeout(ATTEMPT)
            .build();
        // Attempts are counted by this crate, whose circuit has to know of each.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(region) = settings.region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some((id, secret)) = settings.credentials {
            let credentials = Credentials::new(id, secret.as_str(), None, None, "freehold");
            loader = loader.credentials_provider(credentials);
        }
        Self {
            client: Client::new(&loader.load().await),
            key: settings.key,
            circuit: Circuit::default(),
        }
    }

    pub fn describe(&self) -> String {
        format!("AWS KMS key {}", self.key)
    }

    /// The key's ARN, when the key can be used.
    pub async fn current_kek(&self) -> Result<String, ProviderError> {
        let kek = format!("aws:{}", self.key);
        let answer = self
            .attempt(&kek, || self.client.describe_key().key_id(&self.key).send())
            .await?;
        let metadata = answer
            .key_metadata
            .ok_or_else(|| self.unsuitable("it describes no key"))?;
        match (metadata.key_state(), metadata.arn()) {
            (Some(KeyState::Enabled), Some(arn)) => Ok(kek_name(arn)),
            _ => Err(ProviderError::Disabled { kek }),
        }
    }

    pub(crate) async fn wrap(&self, key: &DataKey) -> Result<WrappedKey, ProviderError> {
        let kek = format!("aws:{}", self.key);
        let answer = self
            .attempt(&kek, || {
                self.client
                    .encrypt()
                    .key_id(&self.key)
                    .encryption_context(OWNER, hex::encode(key.owner().0))
                    .encryption_context(GENERATION, key.generation().to_string())
                    .plaintext(Blob::new(key.key().expose().as_slice()))
                    .send()
            })
            .await?;
        match (answer.key_id, answer.ciphertext_blob) {
            (Some(arn), Some(blob)) => Ok(WrappedKey {
                kek: kek_name(&arn),
                bytes: blob.into_inner(),
            }),
            _ => Err(self.unsuitable("it answers without a ciphertext")),
        }
    }

    pub(crate) async fn unwrap(
        &self,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Result<DataKey, ProviderError> {
        let kek = &wrapped.kek;
        let arn = kek
            .strip_prefix("aws:")
            .filter(|arn| arn.starts_with("arn:"))
            .ok_or_else(|| ProviderError::ForeignKek { kek: kek.clone() })?;
        let answer = self
            .attempt(kek, || {
                self.client
                    .decrypt()
                    .key_id(arn)
                    .encryption_context(OWNER, hex::encode(owner.0))
                    .encryption_context(GENERATION, generation.to_string())
                    .ciphertext_blob(Blob::new(wrapped.bytes.as_slice()))
                    .send()
            })
            .await?;
        let plaintext = answer
            .plaintext
            .map(|blob| Zeroizing::new(blob.into_inner()));
        let key = plaintext
            .and_then(|plaintext| KeyBytes::copy_of(&plaintext))
            .ok_or_else(|| ProviderError::NotAKey { kek: kek.clone() })?;
        Ok(DataKey::from_key(owner, generation, key))
    }

    async fn attempt<T, E, F>(&self, kek: &str, call: impl Fn() -> F) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        attempt(&self.circuit, &self.describe(), || {
            let answer = call();
            async { answer.await.map_err(|error| self.judge(kek, error)) }
        })
        .await
    }

    /// What an error means
    /// (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>, and the errors of
    /// each operation there).
    fn judge<E>(&self, kek: &str, error: SdkError<E>) -> ProviderError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let provider = self.describe();
        let kek = kek.to_owned();
        match error.code() {
            Some("DisabledException" | "KMSInvalidStateException" | "NotFoundException") => {
                ProviderError::Disabled { kek }
            }
            Some(
                "AccessDeniedException"
                | "AccessDenied"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "MissingAuthenticationToken"
                | "OptInRequired"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException",
            ) => ProviderError::Denied { provider },
            Some(
                "LimitExceededException"
                | "RequestLimitExceeded"
                | "ThrottlingException"
                | "TooManyRequestsException",
            ) => ProviderError::Throttled { provider },
            Some("InvalidCiphertextException" | "IncorrectKeyException") => {
                ProviderError::NotItsWrap { kek }
            }
            Some("InvalidKeyUsageException" | "ValidationException") => ProviderError::Unsuitable {
                provider,
                reason: "the key can't encrypt and decrypt, or its name is none",
            },
            // Time-outs, connections, credentials that can't be had, KMS' own trouble.
            _ => unreachable(provider, error),
        }
    }

    fn unsuitable(&self, reason: &'static str) -> ProviderError {
        ProviderError::Unsuitable {
            provider: self.describe(),
            reason,
        }
    }
}

fn kek_name(arn: &str) -> String {
    format!("aws:{arn}")
}
