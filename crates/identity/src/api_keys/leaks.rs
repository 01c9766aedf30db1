//! Keys that were found in public: they end at once, and their owners are told.
//!
//! Reports have the form that GitHub's secret scanning sends to the issuers of tokens
//! (docs.github.com, "Secret scanning partner program"): a list of token, type, url and source. No
//! signature is asked for, because showing a valid key is proof enough that it should end. Every
//! report gets the same answer; that ending a key takes longer than finding none tells a reporter
//! no more than using the key would.

use kernel::{
    Access, Error, Result,
    access::{Visitor, api_key},
    audit::Act,
    id::ApiKeyId,
    jobs::{NewJob, Registry},
    permission::{ApiKeysReport, MembersRead},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    mail::{self, Letter},
    people::{Email, People},
};

/// Tokens in one report.
const MOST: usize = 100;
/// Characters that are kept of what a report says.
const SAID: usize = 1_000;

/// The kind of the jobs that tell a tenant's owners.
const NOTICE: &str = "identity.key_leak_notice";

/// One token that was found. Further fields are passed over: partners may send more.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct LeakedToken {
    #[schema(value_type = String)]
    pub token: Secret,
    /// The kind of token, as the scanner names it.
    #[serde(rename = "type")]
    #[schema(example = "freehold_api_key")]
    pub kind: Option<String>,
    /// Where it was found.
    #[schema(example = "https://github.com/acme/site/blob/main/.env")]
    pub url: Option<String>,
    /// In what it was found.
    #[schema(example = "content")]
    pub source: Option<String>,
}

/// Ends every reported key that is valid.
///
/// # Errors
/// `rate_limited` after too many reports from one network; `invalid_request` for too many tokens.
pub async fn report(people: &People, visitor: &Visitor, found: &[LeakedToken]) -> Result<()> {
    people.attempts().of_reports(visitor).await?;
    if found.len() > MOST {
        return Err(Error::invalid(format!(
            "a report may list {MOST} tokens; split it"
        )));
    }
    for leaked in found {
        if let Some((access, key)) = api_key::shown(people.db(), leaked.token.expose()).await? {
            end(&access, key, leaked).await?;
        }
    }
    Ok(())
}

async fn end(access: &Access<ApiKeysReport>, key: ApiKeyId, leaked: &LeakedToken) -> Result<()> {
    let mut tx = access.begin().await?;
    let ended = sqlx::query!(
        "UPDATE cell.api_key SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL
         RETURNING name, display",
        key.uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    // Another report was quicker.
    let Some(row) = ended else { return Ok(()) };
    let said = |text: &Option<String>| -> Option<String> {
        Some(text.as_ref()?.chars().take(SAID).collect())
    };
    tx.audit(Act {
        action: "api_key.revoked",
        target: key.to_string(),
        detail: json!({
            "display": row.display,
            "reason": "leaked",
            "type": said(&leaked.kind),
            "url": said(&leaked.url),
            "source": said(&leaked.source),
        }),
    })
    .await?;
    let notice = Notice {
        name: row.name,
        display: row.display,
    };
    let payload = serde_json::to_value(&notice).map_err(Error::internal)?;
    tx.enqueue_raw(NewJob::new(NOTICE, payload)).await?;
    tx.commit().await
}

#[derive(Debug, Deserialize, Serialize)]
struct Notice {
    name: String,
    display: String,
}

/// Registers the jobs of this slice.
pub fn register(registry: &mut Registry) {
    registry.job(NOTICE, |access: Access<MembersRead>, notice: Notice| async move {
        tell_owners(&access, &notice).await
    });
}

/// Writes to every owner. Tried again, it may write twice.
async fn tell_owners(access: &Access<MembersRead>, notice: &Notice) -> Result<()> {
    let mut tx = access.people().await?;
    let owners = sqlx::query_scalar!(
        "SELECT u.email_as_typed FROM control.membership m JOIN control.user u ON u.id = m.user_id
         WHERE m.tenant_id = $1 AND m.role = 'owner' AND u.status = 'active'",
        access.tenant().id.uuid()
    )
    .fetch_all(tx.conn())
    .await?;
    let letter = Letter::key_leaked(&access.tenant().slug, &notice.name, &notice.display);
    for owner in owners {
        mail::enqueue(&mut tx, &Email::parse(&owner)?, &letter).await?;
    }
    tx.commit().await
}
