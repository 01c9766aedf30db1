//! The `[webhook]` part of a provider file: types only. They are a closed set of schemes with the
//! provider's facts as data, so that a new provider is a file and not code. Checks across keys are
//! in `validate`; the behaviour is in [`crate::webhook`].

use http::HeaderName;
use serde::Deserialize;

use crate::webhook::{Path, Selector, Template};

/// How a provider's webhooks are recognised, verified, split and answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The credential field that verifies: a shared secret, a static token or a public key.
    pub secret: String,
    /// The ways in which the provider authenticates a request. The first whose signature is
    /// present decides; a request with none of them is refused.
    pub verify: Vec<Verifier>,
    #[serde(default)]
    pub handshake: Vec<HandshakeRule>,
    /// A form field that holds the event as a JSON document (Slack's and GitHub's `payload`).
    pub json_field: Option<String>,
    pub split: Option<Split>,
    #[serde(default)]
    pub identifiers: Vec<IdentifierRule>,
    /// The kinds of identifier, most telling first, that find the tenant when the URL does not
    /// name one.
    #[serde(default)]
    pub route: Vec<String>,
    /// What makes an event the same event; the first rule that applies. When none does, the
    /// SHA-256 of the body.
    #[serde(default)]
    pub dedup: Vec<KeyRule>,
    /// What must be handled in order, usually a conversation; the first rule that applies.
    #[serde(default)]
    pub ordering: Vec<KeyRule>,
    /// What happened, dotted; the first rule that applies, else `unknown`.
    #[serde(default)]
    pub event_kind: Vec<KeyRule>,
    pub ack: FixedResponse,
    /// How long the provider waits for the answer, in milliseconds.
    pub deadline_ms: u64,
    /// The largest body to accept, in bytes.
    pub max_body: u64,
}

/// One way of authenticating a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verifier {
    Signature(SignatureScheme),
    StaticHeader(StaticHeader),
    Basic(Basic),
    Twilio(TwilioScheme),
}

/// A signature over bytes that a template describes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureScheme {
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// How the credential field's text becomes key bytes.
    pub key: KeyFormat,
    pub at: Selector,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// Set where one header holds several named items.
    pub list: Option<SignatureList>,
    pub timestamp: Option<TimestampRule>,
    /// The message id, where it is signed.
    pub id: Option<Selector>,
    pub signed: Template,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    HmacSha1,
    HmacSha256,
    HmacSha512,
    Ed25519,
    /// ECDSA on P-256 with SHA-256, the signature in DER.
    EcdsaP256Sha256,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case only: a second spelling of one signature is a sign of tampering.
    Hex,
    /// For providers whose own verifier reads either case.
    HexAnyCase,
    /// The standard alphabet, padded.
    Base64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFormat {
    /// The text itself, prefix and all (Stripe's `whsec_…` is such a key).
    Utf8,
    Hex,
    /// Padding may be missing.
    Base64,
    /// Base64 behind an optional `whsec_`, as Standard Webhooks writes keys.
    Base64Whsec,
}

/// `t=1,v1=ab,v1=cd`: items between `items`, name and value between `fields`, and only those
/// named `version` are signatures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureList {
    pub items: char,
    pub fields: char,
    pub version: String,
}

/// Where the time of sending stands and how far it may lie from the time of receipt. Exactly one
/// of `at` and `list_item` is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampRule {
    pub at: Option<Selector>,
    /// The name of the item in the signature list that holds it.
    pub list_item: Option<String>,
    pub unit: Unit,
    /// Seconds that a request may be old.
    pub past: u32,
    /// Seconds that a request may lie ahead.
    pub future: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Seconds,
    Milliseconds,
}

/// A header that holds the secret itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticHeader {
    #[serde(deserialize_with = "header_name")]
    pub header: HeaderName,
    #[serde(default)]
    pub prefix: String,
}

/// HTTP Basic; the credential field holds `user:password`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {}

/// Twilio's own rule over URL and sorted form parameters, in `webhook::twilio`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwilioScheme {
    #[serde(deserialize_with = "header_name")]
    pub header: HeaderName,
}

/// A request that wants an answer of its own instead of being stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeRule {
    /// Whether the request must have been verified first.
    pub signed: bool,
    pub method: Option<String>,
    /// All of these must hold.
    pub when: Vec<Match>,
    pub token: Option<HandshakeToken>,
    pub respond: FixedResponse,
    /// Answers with the value found here instead of a constant body.
    pub echo: Option<Selector>,
}

/// A token in the request that must equal a credential field.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeToken {
    pub at: Selector,
    /// The credential field to compare with.
    pub field: String,
}

/// A condition on a request: present, absent, or equal to a value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    pub at: Selector,
    pub equals: Option<String>,
    #[serde(default)]
    pub absent: bool,
}

/// Where a batch's elements stand. Every array of `each` is parted into envelopes with one
/// element; inside those, every element of the arrays in `items` becomes a child of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub each: Path,
    /// Arrays relative to an element of `each`.
    #[serde(default)]
    pub items: Vec<Path>,
    /// Arrays beside the items of which a child keeps only what belongs to its item.
    #[serde(default)]
    pub keep: Vec<KeepRule>,
}

/// Of the array at `list`, the elements whose `key` equals one of the item's `item_keys` stay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepRule {
    pub list: Path,
    pub key: String,
    pub item_keys: Vec<String>,
}

/// An id in a payload that tells whose it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentifierRule {
    pub kind: String,
    pub at: Selector,
    #[serde(default)]
    pub when: Vec<Match>,
}

/// A composite key: applies when every condition holds and every part has a value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRule {
    /// Stands before the parts, so that the keys of different rules never meet.
    pub label: Option<String>,
    #[serde(default)]
    pub when: Vec<Match>,
    #[serde(default)]
    pub parts: Vec<Selector>,
}

/// An answer that depends on the provider alone, never on the request: some providers act on
/// what they are answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedResponse {
    pub status: u16,
    pub content_type: Option<String>,
    #[serde(default)]
    pub body: String,
}

pub(super) fn header_name<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<HeaderName, D::Error> {
    let text = String::deserialize(deserializer)?;
    HeaderName::try_from(&text)
        .map_err(|_| serde::de::Error::custom(format!("`{text}` is not a header name")))
}
