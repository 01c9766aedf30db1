//! The signatures that providers put on their webhooks.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine};
use kernel::secret::Secret;

/// Meta's `X-Hub-Signature-256`: `sha256=` and the lower-case hex of HMAC-SHA256 over the raw
/// body, keyed with the app secret.
pub(super) fn meta(app_secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.expose().as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// Twilio's `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed with the auth token, over the URL
/// followed by every form field's name and value in the order of the names. A value that a name
/// repeats counts once (twilio/twilio-python@306691e `twilio/request_validator.py`).
pub(super) fn twilio(auth_token: &Secret, url: &str, fields: &[(String, String)]) -> String {
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in fields {
        sorted.entry(name).or_default().insert(value);
    }
    let mut signed = url.to_owned();
    for (name, values) in sorted {
        for value in values {
            signed.push_str(name);
            signed.push_str(value);
        }
    }
    let key = hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        auth_token.expose().as_bytes(),
    );
    BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WhatsApp/WhatsApp-Nodejs-SDK@58ca3d5 `src/__tests__/utils.test.ts`.
    #[test]
    fn meta_signature_matches_the_official_vector() {
        assert_eq!(
            meta(&Secret::new("TEST_APP_SECRET"), b"test"),
            "sha256=0c61947b610d4f45e65f3d680e26027121ec2413e77598bcb6cfc6e0d9888221"
        );
    }

    /// GitHub signs as Meta does: github/docs
    /// `content/webhooks/using-webhooks/validating-webhook-deliveries.md`.
    #[test]
    fn meta_signature_matches_the_documented_vector_of_the_same_scheme() {
        assert_eq!(
            meta(&Secret::new("It's a Secret to Everybody"), b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    /// twilio/twilio-python@306691e `tests/unit/test_request_validator.py`.
    #[test]
    fn twilio_signature_matches_the_official_vectors() {
        let token = Secret::new("12345");
        let fields = [
            ("To", "+18005551212"),
            ("Digits", "1234"),
            ("CallSid", "CA1234567890ABCDE"),
            ("From", "+14158675309"),
            ("Caller", "+14158675309"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(twilio(&token, url, &fields), "RSOYDt4T1cUTdK1PDd93/VVr8B8=");

        let url = "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=\
                   0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        assert_eq!(twilio(&token, url, &[]), "a9nBmqA0ju/hNViExpshrM61xv4=");
    }

    #[test]
    fn a_repeated_value_is_signed_once_and_distinct_values_in_order() {
        let token = Secret::new("12345");
        let fields = |values: &[&str]| -> Vec<(String, String)> {
            let named = values.iter().map(|value| ("Tag", *value));
            named.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
        };
        let sign = |values: &[&str]| twilio(&token, "https://example.com/", &fields(values));
        assert_eq!(sign(&["b", "a", "b"]), sign(&["a", "b"]));
        assert_ne!(sign(&["a"]), sign(&["a", "b"]));
    }
}
