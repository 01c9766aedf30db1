//! TypeIDs: a type prefix and a UUIDv7 in Crockford base32, as in `msg_01h455vb4pex5vsknk084sn02q`.
//!
//! The text form is the public one (API, logs, URLs); the database stores the bare UUID. The
//! encoding is that of the TypeID specification 0.3 (github.com/jetify-com/typeid, `spec/README.md`).

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What an id identifies: gives the text its prefix and keeps ids of different things apart.
pub trait Kind: 'static {
    const PREFIX: &'static str;
}

/// An identifier of one kind of thing.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K: Kind> Id<K> {
    /// A new id. UUIDv7 values of one process increase in the order they are made.
    pub fn new() -> Self {
        Self(Uuid::now_v7(), PhantomData)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K: Kind> Default for Id<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> From<Uuid> for Id<K> {
    fn from(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        let mut value = self.0.as_u128();
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(value & 31) as usize];
            value >>= 5;
        }
        write!(f, "{}_{}", K::PREFIX, String::from_utf8_lossy(&text))
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid `{0}_…` id")]
pub struct InvalidId(&'static str);

impl<K: Kind> FromStr for Id<K> {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId(K::PREFIX);
        let suffix = text
            .strip_prefix(K::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or(InvalidId(K::PREFIX))?;
        // 26 characters hold 130 bits: the first may only carry three of them.
        if suffix.len() != 26 || suffix.as_bytes()[0] > b'7' {
            return Err(invalid);
        }
        let mut value: u128 = 0;
        for byte in suffix.bytes() {
            let digit = ALPHABET.iter().position(|&c| c == byte);
            value = (value << 5) | digit.ok_or(InvalidId(K::PREFIX))? as u128;
        }
        Ok(Self(Uuid::from_u128(value), PhantomData))
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Declares kinds of ids: `kinds! { Message => "msg" }` gives `MessageId`.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident / $alias:ident => $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $kind {}
        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
        }
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    Tenant / TenantId => "ten";
    User / UserId => "usr";
    Session / SessionId => "ses";
    Passkey / PasskeyId => "pk";
    /// A sign-in that waits for its second factor.
    PendingSignIn / PendingSignInId => "psi";
    Invitation / InvitationId => "inv";
    IdentityProvider / IdentityProviderId => "idp";
    Mail / MailId => "mail";
    Cell / CellId => "cell";
    ApiKey / ApiKeyId => "key";
    Credential / CredentialId => "cred";
    ConnectSession / ConnectSessionId => "cns";
    Verification / VerificationId => "ver";
    TenantKey / TenantKeyId => "tkey";
    Endpoint / EndpointId => "ep";
    InboundEvent / InboundEventId => "in";
    Contact / ContactId => "ctc";
    Conversation / ConversationId => "cnv";
    Message / MessageId => "msg";
    Agent / AgentId => "agt";
    Job / JobId => "job";
    ProviderCall / ProviderCallId => "call";
    AuditEntry / AuditEntryId => "aud";
    Impersonation / ImpersonationId => "imp";
    TenantNote / TenantNoteId => "note";
    /// What ties together everything that one inbound message or request caused.
    Correlation / CorrelationId => "cor";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_specifications_examples() {
        // Pairs from the specification's `valid.yml`.
        for (uuid, suffix) in [
            (
                "00000000-0000-0000-0000-000000000000",
                "00000000000000000000000000",
            ),
            (
                "01890a5d-ac96-774b-bcce-b302099a8057",
                "01h455vb4pex5vsknk084sn02q",
            ),
            (
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "7zzzzzzzzzzzzzzzzzzzzzzzzz",
            ),
        ] {
            let id = MessageId::from(uuid.parse::<Uuid>().expect("uuid"));
            assert_eq!(id.to_string(), format!("msg_{suffix}"));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn refuses_other_kinds_and_malformed_text() {
        let conversation = ConversationId::new().to_string();
        assert!(conversation.parse::<MessageId>().is_err());
        for bad in [
            "",
            "msg",
            "msg_",
            "msg_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "msg_0",
            "msg_01h455vb4pex5vsknk084sn02u",
        ] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
    }
}
