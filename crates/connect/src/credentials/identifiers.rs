//! The ids among a credential's fields: which tenant they route webhooks to, and which payloads may
//! name them.

use std::collections::BTreeMap;

use kernel::{Access, Result, Tx, id::CredentialId, permission::CredentialsWrite};

use crate::catalogue::Provider;

/// (kind, value) of the ids among a credential's fields.
pub(crate) fn identifiers(
    provider: &Provider,
    fields: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    provider
        .credential
        .fields
        .iter()
        .filter_map(|field| Some((field.identifies.clone()?, fields.get(&field.name)?.clone())))
        .collect()
}

/// Routes are claimed before the credential is stored and released after it is gone: whatever fails
/// in between leaves a route to a tenant that does not know the id, whose payloads are quarantined.
pub(crate) async fn claim(
    access: &Access<CredentialsWrite>,
    provider: &Provider,
    ids: &[(String, String)],
) -> Result<()> {
    for (kind, value) in ids.iter().filter(|(kind, _)| routes_by(provider, kind)) {
        access.claim_route(&provider.id, kind, value).await?;
    }
    Ok(())
}

pub(crate) async fn release(
    access: &Access<CredentialsWrite>,
    provider: &Provider,
    ids: &[(String, String)],
) -> Result<()> {
    for (kind, value) in ids.iter().filter(|(kind, _)| routes_by(provider, kind)) {
        access.release_route(&provider.id, kind, value).await?;
    }
    Ok(())
}

fn routes_by(provider: &Provider, kind: &str) -> bool {
    provider
        .webhook
        .as_ref()
        .is_some_and(|webhook| webhook.route.iter().any(|route| route == kind))
}

/// Makes these the ids that the credential stands for.
pub(crate) async fn put_identifiers(
    tx: &mut Tx,
    provider: &Provider,
    id: CredentialId,
    identifiers: &[(String, String)],
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM cell.identifier WHERE credential_id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await?;
    for (kind, value) in identifiers {
        sqlx::query!(
            "INSERT INTO cell.identifier (provider, kind, external_id, credential_id)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, provider, kind, external_id) DO NOTHING",
            provider.id,
            kind,
            value,
            id.uuid()
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Gives ids that a credential stands for no longer to another one that has them as well, as two
/// numbers have one business account. The ids that nobody has any more.
pub(crate) async fn bequeath(
    tx: &mut Tx,
    provider: &Provider,
    lost: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<(String, String)>> {
    let mut unowned = Vec::new();
    for (kind, value) in lost {
        let mut fields = provider.credential.fields.iter();
        let field = fields.find(|field| field.identifies.as_deref() == Some(kind.as_str()));
        let heir = sqlx::query_scalar!(
            "SELECT id FROM cell.credential WHERE provider = $1 AND fields->>$2::text = $3
             ORDER BY id LIMIT 1 FOR KEY SHARE",
            provider.id,
            field.map(|field| field.name.as_str()),
            value
        )
        .fetch_optional(tx.conn())
        .await?;
        let Some(heir) = heir else {
            unowned.push((kind, value));
            continue;
        };
        sqlx::query!(
            "INSERT INTO cell.identifier (provider, kind, external_id, credential_id)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, provider, kind, external_id) DO NOTHING",
            provider.id,
            kind,
            value,
            heir
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(unowned)
}
