//! Why a request was refused. The codes are stored and shown, so they are stable; strangers are
//! told none of this.

/// A closed list of reasons for refusing a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    MissingSignature,
    RepeatedHeader,
    MalformedSignature,
    SignatureMismatch,
    TokenMismatch,
    MissingTimestamp,
    MalformedTimestamp,
    TooOld,
    TooFarAhead,
    MissingId,
    MalformedId,
    BodyNotCovered,
    BodyHashMismatch,
    MalformedBody,
    EmptySecret,
    UnusableSecret,
}

impl Reason {
    pub const ALL: [Self; 16] = [
        Self::MissingSignature,
        Self::RepeatedHeader,
        Self::MalformedSignature,
        Self::SignatureMismatch,
        Self::TokenMismatch,
        Self::MissingTimestamp,
        Self::MalformedTimestamp,
        Self::TooOld,
        Self::TooFarAhead,
        Self::MissingId,
        Self::MalformedId,
        Self::BodyNotCovered,
        Self::BodyHashMismatch,
        Self::MalformedBody,
        Self::EmptySecret,
        Self::UnusableSecret,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::RepeatedHeader => "repeated_header",
            Self::MalformedSignature => "malformed_signature",
            Self::SignatureMismatch => "signature_mismatch",
            Self::TokenMismatch => "token_mismatch",
            Self::MissingTimestamp => "missing_timestamp",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::TooOld => "too_old",
            Self::TooFarAhead => "too_far_ahead",
            Self::MissingId => "missing_id",
            Self::MalformedId => "malformed_id",
            Self::BodyNotCovered => "body_not_covered",
            Self::BodyHashMismatch => "body_hash_mismatch",
            Self::MalformedBody => "malformed_body",
            Self::EmptySecret => "empty_secret",
            Self::UnusableSecret => "unusable_secret",
        }
    }

    /// A sentence for whoever finds out why a provider's requests are refused.
    pub fn explain(self) -> &'static str {
        match self {
            Self::MissingSignature => {
                "The request carries no signature where this provider puts it: either it is not \
                 from the provider, or signing is not turned on there."
            }
            Self::RepeatedHeader => {
                "A header that decides about the signature occurs more than once, so that two \
                 readers could choose different values."
            }
            Self::MalformedSignature => {
                "The signature is not written the way this provider writes it: prefix, encoding, \
                 letter case or list form differ."
            }
            Self::SignatureMismatch => {
                "The signature is well-formed but belongs to another secret, another body or \
                 another URL: compare the secret with the provider's console, make sure that no \
                 proxy re-encodes the body, and that the public URL is the one configured there."
            }
            Self::TokenMismatch => {
                "The request carries a static token that equals neither the current nor the \
                 previous secret."
            }
            Self::MissingTimestamp => "The signed time of sending is missing.",
            Self::MalformedTimestamp => "The time of sending is not a whole Unix time.",
            Self::TooOld => {
                "The signature is valid, but the request is older than this provider's window: a \
                 replay, a very late retry, or a clock that is ahead."
            }
            Self::TooFarAhead => {
                "The signature is valid, but its time lies in the future: one of the two clocks \
                 is wrong."
            }
            Self::MissingId => "The message id, which the signature covers, is missing.",
            Self::MalformedId => {
                "The message id contains characters that would make the signed text ambiguous."
            }
            Self::BodyNotCovered => {
                "Nothing signed covers this body: a Twilio request that is not a form needs the \
                 bodySHA256 parameter in its URL."
            }
            Self::BodyHashMismatch => "The body does not have the hash that the signed URL states.",
            Self::MalformedBody => "The body cannot be read as the form it claims to be.",
            Self::EmptySecret => {
                "The stored secret is empty. Nothing is accepted without a secret."
            }
            Self::UnusableSecret => {
                "The stored secret is not of the form that this provider's keys have: check that \
                 it was copied completely."
            }
        }
    }
}
