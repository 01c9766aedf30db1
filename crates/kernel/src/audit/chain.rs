//! What an entry's hash is over, and entries in the form in which they are exported, streamed and
//! verified. Pure but for reading them. The bytes are specified in docs/audit.md, version 1;
//! another encoding would be another version, never a change of this one.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    db::Tx,
    error::Result,
    id::{AuditEntryId, CorrelationId},
};

/// Begins what is hashed of an entry's own content.
const CONTENT_DOMAIN: &[u8] = b"freehold-audit-entry-v1";
/// Begins what is hashed of an entry's place in its chain.
pub(super) const LINK_DOMAIN: &[u8] = b"freehold-audit-chain-v1";
/// The name of the operators' log; a tenant's log is named by the tenant's id.
pub const PLATFORM: &str = "platform";
/// Stands for the length of a field that is absent, so that it differs from an empty one.
const ABSENT: [u8; 4] = [0xff; 4];

/// A SHA-256 hash; hexadecimal in text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

/// What the first entry of a chain is linked to.
pub const GENESIS: Hash = Hash([0; 32]);

impl Hash {
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// `None` unless there are 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    fn of(context: Context) -> Self {
        let digest = context.finish();
        Self::from_slice(digest.as_ref()).expect("SHA-256 gives 32 bytes")
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        // One spelling alone, or a changed line could pass for the same.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err("a hash is written in lower-case hexadecimal");
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| "not 64 hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The hash of an entry's own fields: log, id, at, actor, action, target, detail, ip, user agent,
/// correlation id.
pub(super) fn content(fields: [Option<&str>; 10]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(CONTENT_DOMAIN);
    for field in fields {
        match field {
            Some(text) => {
                let length = u32::try_from(text.len()).expect("a field is shorter than 4 GiB");
                context.update(&length.to_be_bytes());
                context.update(text.as_bytes());
            }
            None => context.update(&ABSENT),
        }
    }
    Hash::of(context)
}

/// RFC 3339 in UTC with six digits of a second: the only form that is hashed.
pub fn timestamp(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z"
        ))
        .expect("every component of the format is there")
}

/// An entry in its chain, with its fields as they are hashed: a line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Whose log it is: a tenant's id, or `platform`.
    #[schema(example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub log: String,
    /// The place in the log: 1, 2, 3 …
    pub seq: i64,
    #[schema(example = "aud_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    #[schema(example = "2026-11-21T06:24:54.123456Z")]
    pub at: String,
    pub actor: String,
    pub action: String,
    pub target: Option<String>,
    /// JSON as text, because it is the text that is hashed.
    #[schema(example = "{\"name\":\"front desk\"}")]
    pub detail: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub correlation_id: String,
    #[schema(value_type = String)]
    pub hash: Hash,
}

impl Entry {
    /// The hash that this entry has to carry if the one before it carries `previous`.
    pub fn expected_hash(&self, previous: Hash) -> Hash {
        let content = content([
            Some(&self.log),
            Some(&self.id),
            Some(&self.at),
            Some(&self.actor),
            Some(&self.action),
            self.target.as_deref(),
            Some(&self.detail),
            self.ip.as_deref(),
            self.user_agent.as_deref(),
            Some(&self.correlation_id),
        ]);
        let mut context = Context::new(&SHA256);
        context.update(LINK_DOMAIN);
        context.update(previous.as_slice());
        context.update(&self.seq.to_be_bytes());
        context.update(content.as_slice());
        Hash::of(context)
    }
}

/// Up to `limit` entries of the transaction's tenant, in order, from after `after` to `until`.
pub async fn read_entries(tx: &mut Tx, after: i64, until: i64, limit: i64) -> Result<Vec<Entry>> {
    let log = tx.tenant().id.to_string();
    let rows = sqlx::query!(
        r#"SELECT seq AS "seq!", id, at, actor, action, target, detail::text AS "detail!", ip,
               user_agent, correlation_id, hash AS "hash!"
           FROM cell.audit_entry WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3"#,
        after,
        until,
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    let entries = rows.into_iter().map(|row| Entry {
        log: log.clone(),
        seq: row.seq,
        id: AuditEntryId::from(row.id).to_string(),
        at: timestamp(row.at),
        actor: row.actor,
        action: row.action,
        target: Some(row.target),
        detail: row.detail,
        ip: row.ip,
        user_agent: row.user_agent,
        correlation_id: CorrelationId::from(row.correlation_id).to_string(),
        hash: Hash::from_slice(&row.hash).expect("the table holds hashes of 32 bytes"),
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            log: "ten_01h455vb4pex5vsknk084sn02q".into(),
            seq: 7,
            id: "aud_01h455vb4pex5vsknk084sn02q".into(),
            at: "2026-11-21T06:24:54.123456Z".into(),
            actor: "api_key:key_01h455vb4pex5vsknk084sn02q".into(),
            action: "agent.created".into(),
            target: Some("agt_01h455vb4pex5vsknk084sn02q".into()),
            detail: r#"{"name":"Grüße"}"#.into(),
            ip: Some("2001:db8::1".into()),
            user_agent: None,
            correlation_id: "cor_01h455vb4pex5vsknk084sn02q".into(),
            hash: GENESIS,
        }
    }

    /// The value was computed by tests/judges/audit_verify.py, which was written from
    /// docs/audit.md alone.
    #[test]
    fn the_encoding_is_the_documented_one() {
        assert_eq!(
            entry().expected_hash(GENESIS).to_string(),
            "5f309509e750a305fa9a97d6068da5cc5e0c604141d6dc4509fe56f48674af2a"
        );
    }

    #[test]
    fn every_field_counts_and_absent_is_not_empty() {
        let original = entry().expected_hash(GENESIS);
        let changes: [fn(&mut Entry); 13] = [
            |e| e.log.push('x'),
            |e| e.seq += 1,
            |e| e.id.push('x'),
            |e| e.at.push('x'),
            |e| e.actor.push('x'),
            |e| e.action.push('x'),
            |e| e.target = None,
            |e| e.target = Some(String::new()),
            |e| e.detail.push(' '),
            |e| e.ip = None,
            |e| e.user_agent = Some(String::new()),
            |e| e.correlation_id.push('x'),
            // A character that wanders from one field to its neighbour.
            |e| {
                e.actor.push('a');
                e.action.remove(0);
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = entry();
            change(&mut changed);
            assert_ne!(changed.expected_hash(GENESIS), original, "change {number}");
        }
        assert_ne!(entry().expected_hash(original), original);
    }

    #[test]
    fn hashes_have_one_spelling() {
        let text = "0a".repeat(32);
        assert_eq!(
            text.parse::<Hash>().map(|hash| hash.to_string()),
            Ok(text.clone())
        );
        for bad in ["", "0a", &text.to_uppercase(), &format!("{text}00")] {
            assert!(bad.parse::<Hash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_six_digits_in_utc() {
        let at = time::macros::datetime!(2026-11-21 08:24:54.1234567 +02:00);
        assert_eq!(timestamp(at), "2026-11-21T06:24:54.123456Z");
    }
}
