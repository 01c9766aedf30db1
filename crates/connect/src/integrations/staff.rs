//! Integrations over all tenants, for staff: how many tenants connected each provider and how they
//! do, and whose accounts are in trouble, since when, and by which reason. No secrets, no fields, no
//! ids at providers, and none of the words in which a provider answered.
//!
//! Each cell is asked once for the figures and once for the troubles, the control database once for
//! the tenants' names.

mod api;
mod pages;

use std::collections::BTreeMap;

use kernel::{
    Error, Operator, Result,
    id::{CredentialId, TenantId},
    page::{Cursor, Page, PageQuery},
    permission::TenantsRead,
};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Health;
use crate::{
    catalogue::{Catalogue, Reason},
    verify::Outcome,
};

pub use api::routes;
pub use pages::pages;

const VIEWED: &str = "integrations.viewed";

/// A provider over all tenants. Each tenant counts once, by the credential of it that does worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ProviderFigures)]
pub struct Figures {
    /// The provider's id in the catalogue.
    pub provider: String,
    /// What people call it; the id where the catalogue has it no longer.
    pub name: String,
    /// Tenants that have connected it.
    pub tenants: i64,
    pub healthy: i64,
    /// The provider refuses a credential of theirs.
    pub refused: i64,
    /// The latest test learned nothing: no answer, a rate limit, an answer that is not known.
    pub unreachable: i64,
    /// Never tested as it is now, or without the values that a test needs.
    pub untested: i64,
}

/// Figures of every provider that anybody has connected, by the providers' ids.
pub async fn figures(
    operator: &Operator<TenantsRead>,
    catalogue: &Catalogue,
) -> Result<Vec<Figures>> {
    let mut found: BTreeMap<String, Figures> = BTreeMap::new();
    for cell in operator.cells() {
        let mut tx = operator.begin_in_cell(cell, VIEWED, None).await?;
        let rows = sqlx::query!(
            r#"SELECT provider AS "provider!", count(*) AS "tenants!",
                   count(*) FILTER (WHERE worst = 0) AS "healthy!",
                   count(*) FILTER (WHERE worst = 1) AS "untested!",
                   count(*) FILTER (WHERE worst = 2) AS "unreachable!",
                   count(*) FILTER (WHERE worst = 3) AS "refused!"
               FROM (
                   SELECT c.tenant_id, c.provider, max(CASE
                       WHEN v.outcome = 'good' THEN 0
                       WHEN v.outcome IS NULL OR v.reason = 'incomplete' THEN 1
                       WHEN v.outcome = 'unknown' THEN 2
                       ELSE 3 END) AS worst
                   FROM cell.credential c
                   LEFT JOIN LATERAL (
                       SELECT outcome, reason FROM cell.credential_verification
                       WHERE tenant_id = c.tenant_id AND credential_id = c.id
                         AND version = c.version
                       ORDER BY checked_at DESC, id DESC LIMIT 1) v ON true
                   GROUP BY c.tenant_id, c.provider) of_tenant
               GROUP BY provider"#
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        for row in rows {
            let name = name(catalogue, &row.provider);
            let sum = found.entry(row.provider).or_insert_with_key(|id| Figures {
                provider: id.clone(),
                name,
                tenants: 0,
                healthy: 0,
                refused: 0,
                unreachable: 0,
                untested: 0,
            });
            sum.tenants += row.tenants;
            sum.healthy += row.healthy;
            sum.refused += row.refused;
            sum.unreachable += row.unreachable;
            sum.untested += row.untested;
        }
    }
    Ok(found.into_values().collect())
}

/// What people call a provider.
fn name(catalogue: &Catalogue, id: &str) -> String {
    let known = catalogue.get(id).map(|provider| provider.name.clone());
    known.unwrap_or_else(|| id.to_owned())
}

/// A credential whose latest test did not find it good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = IntegrationTrouble)]
pub struct Trouble {
    #[schema(value_type = String, example = "cred_01h455vb4pex5vsknk084sn02q")]
    pub credential: CredentialId,
    #[schema(value_type = String, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub tenant: TenantId,
    pub tenant_slug: String,
    pub tenant_name: String,
    /// The provider's id in the catalogue.
    pub provider: String,
    pub health: Health,
    pub reason: Option<Reason>,
    /// Since when tests have found this.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub since: OffsetDateTime,
    /// When it was tested last.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub checked_at: OffsetDateTime,
}

/// Accounts in trouble, those first that were connected last. Every cell is read with the same
/// position: ids of all cells stand in one order, so the newest of their pages are the page.
pub async fn troubles(
    operator: &Operator<TenantsRead>,
    provider: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Trouble>> {
    let (limit, after) = (page.limit()?, page.after::<CredentialId>()?);
    let (mut found, mut more) = (Vec::new(), false);
    for cell in operator.cells() {
        let mut tx = operator.begin_in_cell(cell, VIEWED, None).await?;
        let rows = sqlx::query!(
            r#"SELECT c.id AS "id!", c.tenant_id AS "tenant_id!", c.provider AS "provider!",
                   v.outcome AS "outcome!: Outcome", v.reason AS "reason?",
                   v.checked_at AS "checked_at!", s.since AS "since!"
               FROM cell.credential c
               CROSS JOIN LATERAL (
                   SELECT outcome, reason, checked_at FROM cell.credential_verification
                   WHERE tenant_id = c.tenant_id AND credential_id = c.id
                     AND version = c.version
                   ORDER BY checked_at DESC, id DESC LIMIT 1) v
               CROSS JOIN LATERAL (
                   SELECT max(checked_at) AS good_at FROM cell.credential_verification
                   WHERE tenant_id = c.tenant_id AND credential_id = c.id AND outcome = 'good') g
               CROSS JOIN LATERAL (
                   SELECT min(checked_at) AS since FROM cell.credential_verification
                   WHERE tenant_id = c.tenant_id AND credential_id = c.id
                     AND outcome = v.outcome
                     AND (g.good_at IS NULL OR checked_at > g.good_at)) s
               WHERE v.outcome <> 'good'
                 AND ($1::text IS NULL OR c.provider = $1)
                 AND ($2::uuid IS NULL OR c.id < $2)
               ORDER BY c.id DESC LIMIT $3"#,
            provider,
            after.map(CredentialId::uuid),
            limit + 1
        )
        .fetch_all(tx.conn())
        .await?;
        tx.commit().await?;
        more |= i64::try_from(rows.len()).map_err(Error::internal)? > limit;
        found.extend(rows.into_iter().map(|row| {
            let reason = row.reason.as_deref().and_then(Reason::parse);
            Trouble {
                credential: row.id.into(),
                tenant: row.tenant_id.into(),
                tenant_slug: String::new(),
                tenant_name: String::new(),
                provider: row.provider,
                health: Health::of(Some(row.outcome), reason, None, row.checked_at),
                reason,
                since: row.since,
                checked_at: row.checked_at,
            }
        }));
    }
    found.sort_by_key(|trouble| std::cmp::Reverse(trouble.credential));
    more |= found.len() > usize::try_from(limit).map_err(Error::internal)?;
    found.truncate(usize::try_from(limit).map_err(Error::internal)?);
    named(operator, &mut found).await?;
    let last = found.last().filter(|_| more);
    let next_cursor = last
        .map(|last| Cursor::encode(&last.credential))
        .transpose()?;
    Ok(Page {
        data: found,
        next_cursor,
    })
}

/// Puts the tenants' names in.
async fn named(operator: &Operator<TenantsRead>, found: &mut [Trouble]) -> Result<()> {
    let ids: Vec<Uuid> = found.iter().map(|trouble| trouble.tenant.uuid()).collect();
    let mut tx = operator.begin(VIEWED, None, json!({})).await?;
    let rows = sqlx::query!(
        "SELECT id, slug, name FROM control.tenant WHERE id = ANY ($1)",
        &ids
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let names: BTreeMap<Uuid, _> = rows
        .into_iter()
        .map(|row| (row.id, (row.slug, row.name)))
        .collect();
    for trouble in found {
        if let Some((slug, name)) = names.get(&trouble.tenant.uuid()) {
            trouble.tenant_slug.clone_from(slug);
            trouble.tenant_name.clone_from(name);
        }
    }
    Ok(())
}
