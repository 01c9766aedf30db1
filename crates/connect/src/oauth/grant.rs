//! What was granted, as it is kept: the credential's fields and sealed secrets, and beside them whose
//! account it is, what it may do, and until when.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Result, Tx,
    audit::Act,
    error::{ConflictCode, OnConstraint},
    id::{CredentialId, EndpointId},
    permission::{CredentialsRead, CredentialsWrite, Permission},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{
    OAuthApp, Way, account::AccountThere, app::Chosen, conflict, exchange::Tokens, flow::invalid,
    schedule,
};
use crate::{
    Connect,
    catalogue::{OAuth, Provider},
    credentials::{
        Environment, VersionReason,
        defaults::{self, NewRow},
        identifiers::{bequeath, claim, identifiers, put_identifiers, release},
        values::record_version,
    },
    seal::{hold, seal},
    verify,
};

/// What of a grant every use of its credential needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct GrantState {
    pub installation: bool,
    pub own_app: bool,
    pub reconnect: bool,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the tokens were had.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    pub version: i64,
}

/// What is to be kept of a grant.
#[derive(Debug)]
pub(super) struct Kept {
    pub account_id: String,
    pub account_name: String,
    pub way: Way,
    pub own_app: bool,
    pub client_id: String,
    pub scopes: Vec<String>,
    pub expires_at: Option<OffsetDateTime>,
    pub fields: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Secret>,
}

impl Kept {
    pub fn of_tokens(
        provider: &Provider,
        oauth: &OAuth,
        chosen: &Chosen,
        asked: &[String],
        tokens: Tokens,
        account: AccountThere,
    ) -> Self {
        let headers = http::HeaderMap::new();
        let mut fields: BTreeMap<String, String> = oauth
            .fields
            .iter()
            .filter_map(|granted| {
                let value = granted.at.in_answer(&headers, &tokens.answer)?;
                Some((granted.field.clone(), value))
            })
            .collect();
        if let Some(field) = &oauth.account.field {
            fields.insert(field.clone(), account.id.clone());
        }
        let mut secrets: BTreeMap<String, Secret> =
            webhook_secret(provider, &chosen.app).into_iter().collect();
        let token = oauth.token.access_token.field.clone();
        secrets.insert(token, tokens.access_token);
        if let (Some(place), Some(token)) = (&oauth.token.refresh_token, tokens.refresh_token) {
            secrets.insert(place.field.clone(), token);
        }
        Self {
            account_id: account.id,
            account_name: account.name,
            way: Way::Code,
            own_app: chosen.own,
            client_id: chosen.app.client_id.clone(),
            // Left out where all that was asked for was given (RFC 6749, section 5.1).
            scopes: tokens.scopes.unwrap_or_else(|| asked.to_vec()),
            expires_at: tokens.expires_at,
            fields,
            secrets,
        }
    }
}

/// The field that webhooks are verified by, with the app's secret.
pub(super) fn webhook_secret(provider: &Provider, app: &OAuthApp) -> Option<(String, Secret)> {
    let field = &provider.webhook.as_ref()?.secret;
    Some((field.clone(), app.webhook_secret.clone()?))
}

/// A connected account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Connection {
    #[schema(value_type = String, example = "cred_01h455vb4pex5vsknk084sn02q")]
    pub credential: CredentialId,
    pub provider: String,
    /// Of the credential.
    pub name: String,
    /// The provider's own id of the workspace, organisation or person.
    pub account_id: String,
    pub account_name: String,
    pub way: Way,
    /// Whether by an app of the tenant's own.
    pub own_app: bool,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Who connected it, as in `user:usr_…` and `connect_session:cns_…`.
    pub connected_by: String,
    #[serde(with = "time::serde::rfc3339")]
    pub connected_at: OffsetDateTime,
    /// `active`, or `reconnect_required` where the provider takes the tokens no longer.
    pub status: String,
    /// Of the current access token, which is renewed before; absent where it does not end.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub refreshed_at: Option<OffsetDateTime>,
    /// What went wrong with the latest renewal.
    pub last_error: Option<String>,
}

/// Connected accounts after a position, oldest first; of one credential alone where it is named.
pub async fn connections(
    access: &Access<CredentialsRead>,
    credential: Option<CredentialId>,
    after: Option<CredentialId>,
    limit: i64,
) -> Result<Vec<Connection>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        "SELECT g.credential_id, g.provider, c.name, g.account_id, g.account_name, g.way, g.own_app,
             g.scopes, g.connected_by, g.connected_at, g.status, g.expires_at, g.refreshed_at,
             g.last_error
         FROM cell.oauth_grant g JOIN cell.credential c ON c.id = g.credential_id
         WHERE ($1::uuid IS NULL OR g.credential_id = $1)
             AND ($2::uuid IS NULL OR g.credential_id > $2)
         ORDER BY g.credential_id LIMIT $3",
        credential.map(CredentialId::uuid),
        after.map(CredentialId::uuid),
        limit
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|row| {
            Ok(Connection {
                credential: row.credential_id.into(),
                provider: row.provider,
                name: row.name,
                account_id: row.account_id,
                account_name: row.account_name,
                way: Way::parse(&row.way)?,
                own_app: row.own_app,
                scopes: row.scopes,
                connected_by: row.connected_by,
                connected_at: row.connected_at,
                status: row.status,
                expires_at: row.expires_at,
                refreshed_at: row.refreshed_at,
                last_error: row.last_error,
            })
        })
        .collect()
}

/// Whether the credential was connected by consent.
pub(crate) async fn is_connected<P: Permission>(
    access: &Access<P>,
    credential: CredentialId,
) -> Result<bool> {
    let mut tx = access.read().await?;
    let is = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM cell.oauth_grant WHERE credential_id = $1) AS "is!""#,
        credential.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(is)
}

/// Deletes the tokens of an earlier grant that this one does not replace.
async fn drop_granted(
    tx: &mut Tx,
    provider: &Provider,
    id: CredentialId,
    kept: &Kept,
) -> Result<()> {
    let Some(oauth) = &provider.oauth else {
        return Ok(());
    };
    let stale: Vec<String> = oauth
        .granted()
        .map(|granted| granted.field.clone())
        .filter(|field| !kept.secrets.contains_key(field))
        .collect();
    sqlx::query!(
        "DELETE FROM cell.credential_secret
         WHERE credential_id = $1 AND slot IN ('current', 'previous') AND field = ANY($2)",
        id.uuid(),
        &stale
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The credential that a grant is kept in, as it is before.
struct Before {
    id: CredentialId,
    fields: BTreeMap<String, String>,
    version: i64,
}

impl Connect {
    /// Keeps what was granted: in the connection that is to be renewed, else in that of the same
    /// account, else in a new one.
    pub(super) async fn keep(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &Provider,
        kept: Kept,
        renewed: Option<CredentialId>,
        name: Option<&str>,
    ) -> Result<CredentialId> {
        let before = before(access, provider, &kept, renewed).await?;
        let mut fields = before
            .as_ref()
            .map_or_else(BTreeMap::new, |before| before.fields.clone());
        // Whatever else stands in the fields that consent fills, nobody has proved.
        if let Some(oauth) = &provider.oauth {
            fields.retain(|name, _| !oauth.fills(name));
        }
        fields.extend(kept.fields.clone());
        let key = self.sealing_key(access).await?;
        let claimed = identifiers(provider, &fields);
        claim(access, provider, &claimed).await?;
        let id = before
            .as_ref()
            .map_or_else(CredentialId::new, |before| before.id);
        let mut tx = access.begin().await?;
        hold(&mut tx, &key).await?;
        match &before {
            None => {
                let name = shortened(name.unwrap_or(&kept.account_name));
                let name = free_name(&mut tx, provider, name, id).await?;
                let row = NewRow {
                    id,
                    provider: &provider.id,
                    name: &name,
                    environment: Environment::Live,
                    owner: None,
                    expires_at: None,
                    fields: json!(fields),
                };
                defaults::insert(&mut tx, &row).await?;
            }
            Some(before) => {
                let updated = sqlx::query!(
                    "UPDATE cell.credential SET fields = $2, version = version + 1, updated_at = now(),
                         -- It was the end of the secret that is replaced.
                         expires_at = NULL
                     WHERE id = $1 AND version = $3",
                    id.uuid(),
                    json!(fields),
                    before.version
                )
                .execute(tx.conn())
                .await?;
                if updated.rows_affected() == 0 {
                    return Err(conflict(
                        ConflictCode::ChangedMeanwhile,
                        "the credential was changed by somebody else meanwhile; begin again",
                    ));
                }
            }
        }
        drop_granted(&mut tx, provider, id, &kept).await?;
        for (field, value) in &kept.secrets {
            put_secret(tx.conn(), id, field, &seal(&key, id, field, value), value).await?;
        }
        put_identifiers(&mut tx, provider, id, &claimed).await?;
        let changed: Vec<String> = kept
            .fields
            .keys()
            .chain(kept.secrets.keys())
            .cloned()
            .collect();
        let (reason, lost) = match &before {
            None => (VersionReason::Created, Vec::new()),
            Some(before) => {
                let mut lost = identifiers(provider, &before.fields);
                lost.retain(|old| !claimed.contains(old));
                (
                    VersionReason::Rotated,
                    bequeath(&mut tx, provider, lost).await?,
                )
            }
        };
        record_version(&mut tx, id, &changed, reason, None).await?;
        sqlx::query!(
            "INSERT INTO cell.oauth_grant (credential_id, provider, account_id, account_name, way,
                 own_app, client_id, scopes, connected_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (tenant_id, credential_id) DO UPDATE SET
                 account_id = EXCLUDED.account_id, account_name = EXCLUDED.account_name,
                 way = EXCLUDED.way, own_app = EXCLUDED.own_app, client_id = EXCLUDED.client_id,
                 scopes = EXCLUDED.scopes, connected_by = EXCLUDED.connected_by,
                 connected_at = now(), expires_at = EXCLUDED.expires_at, status = 'active',
                 refreshed_at = NULL, version = oauth_grant.version + 1, owner = NULL,
                 owner_until = NULL, attempts = 0, next_attempt_at = NULL, last_error = NULL",
            id.uuid(),
            provider.id,
            kept.account_id,
            kept.account_name,
            kept.way.as_str(),
            kept.own_app,
            kept.client_id,
            &kept.scopes,
            access.actor().to_string(),
            kept.expires_at
        )
        .execute(tx.conn())
        .await
        .on_constraint("oauth_grant_account_key", || {
            conflict(
                ConflictCode::ChangedMeanwhile,
                "the account was connected by somebody else at the same moment",
            )
        })?;
        if provider.webhook.is_some() {
            sqlx::query!(
                "INSERT INTO cell.webhook_endpoint (id, provider) VALUES ($1, $2)
                 ON CONFLICT (tenant_id, provider) DO NOTHING",
                EndpointId::new().uuid(),
                provider.id
            )
            .execute(tx.conn())
            .await?;
        }
        match kept.expires_at {
            Some(until) if refreshable(provider, &kept) => {
                schedule::begin(&mut tx, id, until).await?
            }
            _ => schedule::end(&mut tx, id).await?,
        }
        if self.settings().verify_credentials && provider.verification.is_some() {
            verify::begin(&mut tx, id).await?;
        }
        let action = match before {
            None => "connection.created",
            Some(_) => "connection.renewed",
        };
        tx.audit(Act {
            action,
            target: id.to_string(),
            detail: json!({ "provider": provider.id, "account_id": kept.account_id,
                "account_name": kept.account_name, "way": kept.way, "scopes": kept.scopes }),
        })
        .await?;
        tx.announce_credentials().await?;
        tx.commit().await?;
        self.forget(access.tenant().id);
        release(access, provider, &lost).await?;
        Ok(id)
    }
}

/// The name, or one made of it where another credential is called so.
async fn free_name(
    tx: &mut Tx,
    provider: &Provider,
    name: String,
    id: CredentialId,
) -> Result<String> {
    let is_taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM cell.credential WHERE provider = $1 AND environment = $2 AND name = $3
           ) AS "is!""#,
        provider.id,
        Environment::Live.as_str(),
        name
    )
    .fetch_one(tx.conn())
    .await?;
    if !is_taken {
        return Ok(name);
    }
    let (name, id): (String, _) = (
        name.chars().take(80).collect(),
        id.uuid().simple().to_string(),
    );
    Ok(format!("{name} ({})", &id[20..]))
}

fn refreshable(provider: &Provider, kept: &Kept) -> bool {
    let place = provider
        .oauth
        .as_ref()
        .and_then(|oauth| oauth.token.refresh_token.as_ref());
    place.is_some_and(|place| kept.secrets.contains_key(&place.field))
}

fn shortened(name: &str) -> String {
    let name: String = name.trim().chars().take(100).collect();
    if name.is_empty() {
        "default".to_owned()
    } else {
        name
    }
}

async fn before(
    access: &Access<CredentialsWrite>,
    provider: &Provider,
    kept: &Kept,
    renewed: Option<CredentialId>,
) -> Result<Option<Before>> {
    let mut tx = access.read().await?;
    let rows = sqlx::query!(
        r#"SELECT c.id, c.fields, c.version, g.account_id AS "account_id?", g.account_name AS "account_name?",
                  g.way AS "way?"
           FROM cell.credential c LEFT JOIN cell.oauth_grant g ON g.credential_id = c.id
           WHERE c.provider = $1
               AND (c.id = $2 OR (g.account_id = $3 AND g.way = $4))"#,
        provider.id,
        renewed.map(CredentialId::uuid),
        kept.account_id,
        kept.way.as_str()
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let is_same = |account: &Option<String>, way: &Option<String>| {
        account.as_ref() == Some(&kept.account_id) && way.as_deref() == Some(kept.way.as_str())
    };
    if let Some(renewed) = renewed {
        let row = rows.iter().find(|row| row.id == renewed.uuid());
        let row = row.ok_or(Error::NotFound("connection"))?;
        let taken = rows.iter().any(|row| row.id != renewed.uuid());
        let other = row.account_id.is_some() && !is_same(&row.account_id, &row.way);
        if other || taken {
            let was = row.account_name.as_deref().unwrap_or("another one");
            return Err(invalid(format!(
                "you chose the account `{}`, and this connection is of `{was}`; choose that one, or \
                 connect the other as a new account",
                kept.account_name
            )));
        }
    }
    rows.into_iter()
        .next()
        .map(|row| {
            Ok(Before {
                id: row.id.into(),
                fields: serde_json::from_value(row.fields).map_err(Error::internal)?,
                version: row.version,
            })
        })
        .transpose()
}

/// Puts a sealed value in the place of the one before it, which is good for nothing any more.
pub(super) async fn put_secret(
    conn: &mut sqlx::PgConnection,
    id: CredentialId,
    field: &str,
    sealed: &[u8],
    value: &Secret,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO cell.credential_secret (credential_id, field, slot, sealed, last4)
         VALUES ($1, $2, 'current', $3, $4)
         ON CONFLICT (tenant_id, credential_id, field, slot) DO UPDATE
         SET sealed = EXCLUDED.sealed, last4 = EXCLUDED.last4, created_at = now()",
        id.uuid(),
        field,
        sealed,
        value.last4()
    )
    .execute(conn)
    .await?;
    Ok(())
}
