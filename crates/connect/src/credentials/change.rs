//! Changing a credential: its values, its name, where it belongs, who answers for it.

use kernel::{
    Access, Error, Result, Tx,
    error::OnConstraint,
    id::{CredentialId, UserId},
    permission::CredentialsWrite,
};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{
    defaults, expiry,
    identifiers::release,
    model::{Change, CredentialView, DEFAULT_GRACE, Environment, Rotation, VersionReason, sort},
    read,
    store::{check_end, check_member, check_name},
    values::{self, Next, Prepared},
};
use crate::{Connect, oauth};

/// What of a change is no value.
#[derive(Debug, Default)]
struct Details {
    name: Option<String>,
    environment: Option<Environment>,
    owner: Option<Option<UserId>>,
    expires_at: Option<Option<OffsetDateTime>>,
    make_default: bool,
}

impl Connect {
    /// Replaces values. Replaced secrets go on verifying webhooks until the grace ends.
    pub async fn rotate_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        rotation: Rotation,
    ) -> Result<CredentialView> {
        self.rotate_as(access, id, rotation, VersionReason::Rotated)
            .await
    }

    pub(super) async fn rotate_as(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        rotation: Rotation,
        reason: VersionReason,
    ) -> Result<CredentialView> {
        if rotation.values.is_empty() {
            return Err(Error::field("values", "name at least one field to replace"));
        }
        let change = Change {
            values: rotation.values,
            grace_seconds: Some(rotation.grace_seconds),
            ..Change::default()
        };
        self.change_as(access, id, change, reason).await
    }

    /// Changes what the change names, all of it or nothing.
    pub async fn change_credential(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        change: Change,
    ) -> Result<CredentialView> {
        self.change_as(access, id, change, VersionReason::Rotated)
            .await
    }

    async fn change_as(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
        change: Change,
        reason: VersionReason,
    ) -> Result<CredentialView> {
        let before = read::get(access, id).await?;
        let provider = self.known_provider(&before.provider)?;
        let replaces = !change.values.is_empty();
        let given = sort(change.values, provider, false)?;
        if replaces && given.fields.is_empty() && given.secrets.is_empty() {
            return Err(Error::field("values", "name at least one field to replace"));
        }
        // Consent proved whose account it is; who could write its ids anew would be given another's.
        let names = given.fields.keys().chain(given.secrets.keys());
        if let Some(consent) = &provider.oauth
            && let Some(name) = names.into_iter().find(|name| consent.fills(name))
            && oauth::is_connected(access, id).await?
        {
            return Err(Error::field(
                format!("values.{name}"),
                "was granted by consent and is not entered; connect the account again",
            ));
        }
        let details = Details {
            name: change.name.filter(|name| *name != before.name),
            environment: change
                .environment
                .filter(|environment| *environment != before.environment),
            owner: change.owner.filter(|owner| *owner != before.owner),
            expires_at: change.expires_at,
            make_default: match change.default {
                Some(false) => {
                    return Err(Error::field(
                        "default",
                        "can't be taken away; make another credential the default one",
                    ));
                }
                Some(true) => true,
                None => false,
            },
        };
        if let Some(name) = &details.name {
            check_name(name)?;
        }
        check_end(details.expires_at.flatten())?;
        if let Some(Some(owner)) = details.owner {
            check_member(access, owner).await?;
        }
        let version = match replaces {
            true => {
                let mut fields = before.fields.clone();
                fields.extend(given.fields);
                let next = Next {
                    before: &before,
                    provider,
                    fields,
                    secrets: given.secrets,
                    removed: Vec::new(),
                    grace_seconds: change.grace_seconds.unwrap_or(DEFAULT_GRACE),
                    reason,
                    restored_from: None,
                };
                let prepared = self.prepare(access, &next).await?;
                Some((next, prepared))
            }
            false => None,
        };
        self.write_change(access, &before, version, details).await?;
        read::get(access, id).await
    }

    async fn write_change(
        &self,
        access: &Access<CredentialsWrite>,
        before: &CredentialView,
        version: Option<(Next<'_>, Prepared)>,
        details: Details,
    ) -> Result<()> {
        let mut tx = access.begin().await?;
        let standing = defaults::lock(&mut tx, &before.provider, before.id).await?;
        let mut unowned = Vec::new();
        if let Some((next, prepared)) = &version {
            unowned = values::write(&mut tx, next, prepared).await?;
            self.test_soon(&mut tx, next.provider, before.id).await?;
        }
        let told = write_details(&mut tx, before, standing.environment, details).await?;
        let provider = &before.provider;
        match &version {
            Some((next, _)) => {
                let mut detail = json!({ "provider": provider, "fields": next.changed(),
                    "grace_seconds": next.grace_seconds, "reason": next.reason });
                if !told.is_empty() {
                    detail["details"] = Value::Object(told);
                }
                self.finish(tx, "credential.rotated", before.id, detail)
                    .await?;
                release(access, next.provider, &unowned).await
            }
            // Nothing was asked for that isn't so already.
            None if told.is_empty() => tx.commit().await,
            None => {
                let detail = json!({ "provider": provider, "details": told });
                self.finish(tx, "credential.changed", before.id, detail)
                    .await
            }
        }
    }
}

/// Writes what is no value. What was changed, for the audit log.
async fn write_details(
    tx: &mut Tx,
    before: &CredentialView,
    mut environment: Environment,
    details: Details,
) -> Result<Map<String, Value>> {
    let mut told = Map::new();
    let id = before.id;
    if let Some(name) = &details.name {
        sqlx::query!(
            "UPDATE cell.credential SET name = $2, updated_at = now() WHERE id = $1",
            id.uuid(),
            name
        )
        .execute(tx.conn())
        .await
        .on_constraint("credential_name_key", || defaults::name_taken(name))?;
        told.insert("name".to_owned(), json!(name));
    }
    if let Some(owner) = details.owner {
        sqlx::query!(
            "UPDATE cell.credential SET owner_id = $2, updated_at = now() WHERE id = $1",
            id.uuid(),
            owner.map(UserId::uuid)
        )
        .execute(tx.conn())
        .await?;
        told.insert("owner".to_owned(), json!(owner));
    }
    if let Some(expires_at) = details.expires_at {
        // Compared with the row, from which replacing a secret may have taken the date just now.
        let changed = sqlx::query!(
            "UPDATE cell.credential SET expires_at = $2, updated_at = now()
             WHERE id = $1 AND expires_at IS DISTINCT FROM $2",
            id.uuid(),
            expires_at
        )
        .execute(tx.conn())
        .await?;
        if changed.rows_affected() == 1 {
            let text = expires_at.map(kernel::audit::timestamp);
            told.insert("expires_at".to_owned(), json!(text));
        }
        if expires_at.is_some() {
            expiry::watch(tx).await?;
        }
    }
    let provider = before.provider.as_str();
    if let Some(to) = details.environment.filter(|to| *to != environment) {
        let name = details.name.as_deref().unwrap_or(&before.name);
        sqlx::query!(
            "UPDATE cell.credential SET environment = $2, is_default = false, updated_at = now()
             WHERE id = $1",
            id.uuid(),
            to.as_str()
        )
        .execute(tx.conn())
        .await
        .on_constraint("credential_name_key", || defaults::name_taken(name))?;
        told.insert("environment".to_owned(), json!(to));
        if let Some(heir) = defaults::appoint(tx, provider, environment).await? {
            told.insert("default_there_is_now".to_owned(), json!(heir));
        }
        environment = to;
        // The first of its environment, wherever it comes from.
        defaults::appoint(tx, provider, environment).await?;
    }
    if details.make_default {
        let was_default = defaults::choose(tx, provider, environment, id).await?;
        if !was_default {
            told.insert("default".to_owned(), json!(true));
        }
    }
    Ok(told)
}
