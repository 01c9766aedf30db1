//! What issuers publish: where they take requests (OpenID Connect Discovery 1.0) and the keys that
//! they sign with (RFC 7517), each remembered for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use kernel::{Error, Result};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::wire::{Wire, unreachable_provider};

/// For how long a key that was taken back is still believed.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Issuers that are remembered at once. Tenants name them, so the number needs a bound.
const ISSUERS: usize = 1000;
const KEYS: usize = 100;

/// The metadata document, as far as it is used.
#[derive(Clone, Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// An issuer that can be used.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub issuer: String,
    pub authorization: Url,
    pub token: Url,
    keys: Url,
    /// Whether it wants the client's secret in the form rather than in a header.
    pub secret_in_form: bool,
    /// Whether each of its answers names it (RFC 9207).
    pub names_itself: bool,
}

#[derive(Debug, Default)]
pub(super) struct Issuers {
    documents: Remembered<Issuer>,
    keys: Remembered<Vec<Jwk>>,
}

impl Issuers {
    /// # Errors
    /// `provider_error` for one that does not answer, or publishes what can't be used.
    pub async fn find(&self, wire: &Wire, issuer: &str) -> Result<Arc<Issuer>> {
        if let Some(known) = self.documents.get(issuer) {
            return Ok(known);
        }
        let place = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let url = wire.address(&place).map_err(|_| unfit(issuer))?;
        let document: Document = wire.get(url).await?;
        let found = usable(wire, issuer, document).ok_or_else(|| unfit(issuer))?;
        Ok(self.documents.keep(issuer, found))
    }

    /// The key that a token names, fetched anew once if it is not known: issuers change keys without
    /// saying so.
    pub async fn key(
        &self,
        wire: &Wire,
        issuer: &Issuer,
        kid: Option<&str>,
    ) -> Result<Option<Jwk>> {
        let place = issuer.keys.as_str();
        if let Some(known) = self.keys.get(place)
            && let Some(key) = chosen(&known, kid)
        {
            return Ok(Some(key.clone()));
        }
        let set: KeySet = wire.get(issuer.keys.clone()).await?;
        let keys = set.keys.into_iter().take(KEYS);
        // A key of a kind that is not known here is no reason to refuse the others.
        let usable = keys
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
            .filter(may_sign)
            .collect();
        let fresh = self.keys.keep(place, usable);
        Ok(chosen(&fresh, kid).cloned())
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

fn unfit(issuer: &str) -> Error {
    tracing::warn!(issuer, "an issuer's metadata can't be used");
    unreachable_provider(None)
}

fn usable(wire: &Wire, issuer: &str, document: Document) -> Option<Issuer> {
    let methods = document.token_endpoint_auth_methods_supported;
    // Without the list it is the header (Discovery 1.0 §3).
    let takes = |method: &str| match &methods {
        None => method == "client_secret_basic",
        Some(methods) => methods.iter().any(|known| known == method),
    };
    let in_header = takes("client_secret_basic");
    // Otherwise one issuer could speak for another (Discovery 1.0 §4.3).
    let fits = document.issuer == issuer && (in_header || takes("client_secret_post"));
    fits.then_some(())?;
    Some(Issuer {
        authorization: wire.address(&document.authorization_endpoint).ok()?,
        token: wire.address(&document.token_endpoint).ok()?,
        keys: wire.address(&document.jwks_uri).ok()?,
        issuer: document.issuer,
        secret_in_form: !in_header,
        names_itself: document.authorization_response_iss_parameter_supported,
    })
}

/// Symmetric keys are no keys to verify with: whoever reads the set could sign.
fn may_sign(key: &Jwk) -> bool {
    !matches!(key.algorithm, AlgorithmParameters::OctetKey(_))
        && !matches!(
            key.common.public_key_use,
            Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_))
        )
}

/// A token that names no key is for the only one there is.
fn chosen<'a>(keys: &'a [Jwk], kid: Option<&str>) -> Option<&'a Jwk> {
    match (kid, keys) {
        (Some(kid), _) => keys
            .iter()
            .find(|key| key.common.key_id.as_deref() == Some(kid)),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// Values by name, each for [`REMEMBERED`].
#[derive(Debug)]
struct Remembered<T>(Mutex<HashMap<String, (Instant, Arc<T>)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Remembered<T> {
    fn get(&self, name: &str) -> Option<Arc<T>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = known.get(name)?;
        (since.elapsed() < REMEMBERED).then(|| Arc::clone(value))
    }

    fn keep(&self, name: &str, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ISSUERS {
            known.retain(|_, (since, _)| since.elapsed() < REMEMBERED);
        }
        if known.len() >= ISSUERS {
            known.clear();
        }
        known.insert(name.to_owned(), (Instant::now(), Arc::clone(&value)));
        value
    }
}

#[cfg(test)]
mod tests {
    use egress::{AllowList, Egress};
    use serde_json::json;

    use super::*;
    use crate::oidc::Development;

    fn key(value: Value) -> Jwk {
        serde_json::from_value(value).expect("a key")
    }

    #[test]
    fn a_key_is_the_named_one_or_the_only_one() {
        let (a, b) = (
            key(json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a" })),
            key(json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "b" })),
        );
        let two = [a.clone(), b.clone()];
        assert_eq!(chosen(&two, Some("b")), Some(&b));
        assert_eq!(chosen(&two, Some("c")), None);
        assert_eq!(chosen(&two, None), None);
        assert_eq!(chosen(&two[..1], None), Some(&a));
        assert_eq!(chosen(&two[..1], Some("b")), None);
    }

    #[test]
    fn keys_that_are_no_signers_are_left_out() {
        for (value, fits) in [
            (json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }), true),
            (
                json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "sig" }),
                true,
            ),
            (
                json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc" }),
                false,
            ),
            (json!({ "kty": "oct", "k": "c2VjcmV0" }), false),
        ] {
            assert_eq!(may_sign(&key(value.clone())), fits, "{value}");
        }
    }

    #[test]
    fn metadata_is_the_issuers_own_and_reached_by_tls() {
        let egress = Egress::new(AllowList::default()).expect("a client");
        let wire = Wire::new(Development::of("https://app.example.com"), egress);
        let document = |change: Value| {
            let mut document = json!({
                "issuer": "https://idp.example.com",
                "authorization_endpoint": "https://idp.example.com/authorize",
                "token_endpoint": "https://idp.example.com/token",
                "jwks_uri": "https://idp.example.com/keys",
            });
            for (name, value) in change.as_object().expect("an object") {
                document[name] = value.clone();
            }
            usable(
                &wire,
                "https://idp.example.com",
                serde_json::from_value(document).expect("a document"),
            )
        };
        let plain = document(json!({})).expect("usable");
        assert!(!plain.secret_in_form && !plain.names_itself);
        let methods = "token_endpoint_auth_methods_supported";
        assert!(
            document(json!({ methods: ["client_secret_post"] })).is_some_and(|i| i.secret_in_form)
        );
        for unfit in [
            json!({ "issuer": "https://other.example.com" }),
            json!({ "issuer": "https://idp.example.com/" }),
            json!({ "token_endpoint": "http://idp.example.com/token" }),
            json!({ "jwks_uri": "http://127.0.0.1/keys" }),
            json!({ "authorization_endpoint": "javascript:alert(1)" }),
            json!({ methods: ["private_key_jwt"] }),
        ] {
            assert!(document(unfit.clone()).is_none(), "{unfit}");
        }
    }
}
