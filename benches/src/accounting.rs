//! Looks in the database for what was acknowledged: each event once, each with its job.

use std::collections::HashMap;

use sqlx::PgPool;

use crate::{load::Sent, traffic::Traffic};

/// Empties what the traffic fills, so that every phase begins alike.
pub async fn clear(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "TRUNCATE cell.inbound_event, cell.job, cell.message, cell.conversation, cell.contact CASCADE;
         CHECKPOINT",
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// # Errors
/// When an acknowledged event is missing, is stored twice or has not exactly one job, when
/// something is stored that was never sent, or when a delivery was refused.
pub async fn check(pool: &PgPool, traffic: &Traffic, sent: &Sent) -> anyhow::Result<()> {
    anyhow::ensure!(
        sent.refused == 0,
        "{} deliveries were refused",
        sent.refused
    );
    // A webhook's own job is the one whose payload names the stored event.
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT t.slug, e.provider, e.dedup_key, count(j.id)
         FROM cell.inbound_event e
         JOIN control.tenant t ON t.id = e.tenant_id
         LEFT JOIN cell.job j ON j.tenant_id = e.tenant_id
             AND j.correlation_id = e.correlation_id AND j.payload ? 'event'
         GROUP BY t.slug, e.provider, e.dedup_key, e.id",
    )
    .fetch_all(pool)
    .await?;
    let stored_rows = rows.len();
    let stored: HashMap<(String, String, String), i64> = rows
        .into_iter()
        .map(|(slug, provider, key, jobs)| ((slug, provider, key), jobs))
        .collect();
    anyhow::ensure!(
        stored.len() == stored_rows,
        "{} events are stored more than once",
        stored_rows - stored.len()
    );
    anyhow::ensure!(
        stored_rows <= traffic.events.len(),
        "{stored_rows} events are stored, and {} were sent",
        traffic.events.len()
    );
    for (event, acknowledged) in traffic.events.iter().zip(&sent.acknowledged) {
        let key = (
            traffic.slugs[event.tenant].clone(),
            event.provider.to_owned(),
            event.dedup_key.clone(),
        );
        let jobs = stored.get(&key).copied();
        anyhow::ensure!(
            !acknowledged || jobs == Some(1),
            "{key:?} was acknowledged, and its jobs are {jobs:?}"
        );
    }
    Ok(())
}
