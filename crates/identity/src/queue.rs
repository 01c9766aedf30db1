//! The queue across all tenants, as staff see it, and the replay of what died there.

pub mod pages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kernel::{
    Error, Operator, Result,
    id::{JobId, TenantId},
    jobs::{self, Job, JobState, LaneFigures, TenantJob},
    page::{Cursor, Page, PageQuery},
    permission::{JobsReplay, QueueRead, TenantsEnter},
};
use serde_json::json;

use crate::tenants::locate;

/// Lanes that are shown: those with most waiting.
const LANES: i64 = 100;

/// A tenant's name, by its id.
pub type Names = BTreeMap<TenantId, Named>;

#[derive(Clone, Debug)]
pub struct Named {
    pub slug: String,
    pub name: String,
}

/// What the page of jobs shows.
#[derive(Debug)]
pub struct QueueView {
    pub lanes: Vec<LaneFigures>,
    /// In one state, newest first.
    pub jobs: Page<TenantJob>,
    pub names: Names,
}

/// Reads every cell with the same position. The ids of all cells stand in one order, so the newest of
/// their pages together are the page.
pub async fn view(
    operator: &Operator<QueueRead>,
    state: JobState,
    tenant: Option<TenantId>,
    page: &PageQuery,
) -> Result<QueueView> {
    let limit = page.limit()?;
    let (mut lanes, mut found, mut more) = (Vec::new(), Vec::new(), false);
    for cell in operator.cells() {
        let mut tx = operator.begin_in_cell(cell, "queue.viewed", tenant).await?;
        lanes.extend(jobs::lanes(&mut tx, LANES).await?);
        let part = jobs::in_state(&mut tx, state, tenant, page).await?;
        tx.commit().await?;
        more |= part.next_cursor.is_some();
        found.extend(part.data);
    }
    lanes.sort_by_key(|lane| std::cmp::Reverse((lane.ready, lane.dead)));
    found.sort_by_key(|found| std::cmp::Reverse(found.job.id));
    let jobs = first(found, limit, more)?;
    let ids = lanes.iter().map(|lane| lane.tenant);
    let ids = ids.chain(jobs.data.iter().map(|found| found.tenant));
    let names = names(operator, ids.collect()).await?;
    Ok(QueueView { lanes, jobs, names })
}

/// The first rows of the cells' pages together. `more` says that a cell has rows after its page.
fn first(mut found: Vec<TenantJob>, limit: i64, more: bool) -> Result<Page<TenantJob>> {
    let limit = usize::try_from(limit).map_err(Error::internal)?;
    let more = more || found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| Cursor::encode(&last.job.id)).transpose()?;
    Ok(Page {
        data: found,
        next_cursor,
    })
}

async fn names(operator: &Operator<QueueRead>, ids: Vec<TenantId>) -> Result<Names> {
    let ids: Vec<_> = ids.into_iter().map(TenantId::uuid).collect();
    let mut tx = operator.begin("queue.viewed", None, json!({})).await?;
    let rows = sqlx::query!(
        "SELECT id, slug, name FROM control.tenant WHERE id = ANY ($1)",
        &ids
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let named = rows.into_iter().map(|row| {
        let named = Named {
            slug: row.slug,
            name: row.name,
        };
        (row.id.into(), named)
    });
    Ok(named.collect())
}

/// Replays a dead letter of a tenant's, inside that tenant and by its own rules.
///
/// # Errors
/// As of the tenant's own replay: `not_found`, `job_not_dead`, `job_duplicate`.
pub async fn replay(operator: &Operator<TenantsEnter>, tenant: &str, job: JobId) -> Result<Job> {
    let tenant = locate(operator.db(), tenant).await?;
    let access = operator
        .enter::<JobsReplay>(tenant, "replay of a dead letter")
        .await?;
    let mut tx = access.begin().await?;
    let replayed = jobs::replay(&mut tx, job).await?;
    tx.commit().await?;
    Ok(replayed)
}
