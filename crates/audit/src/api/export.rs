//! The export: every entry in order, a line of JSON each. Read a stretch at a time, so that
//! neither memory nor a transaction grows with the log.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use kernel::{
    Access, Error, Result, audit::read_entries, error::Problem, extract::Query,
    permission::AuditRead,
};
use serde::Deserialize;
use utoipa::IntoParams;

/// Entries that are in memory at a time.
const STRETCH: i64 = 500;

/// Where an export begins.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The number of the last entry that is already known; the log's beginning when absent.
    #[param(minimum = 0)]
    pub after: Option<i64>,
}

/// The log's lines after an entry up to what is its end now. Each stretch has a transaction of its
/// own; entries never change, so they fit together all the same.
pub async fn lines(
    access: Access<AuditRead>,
    after: i64,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static> {
    let mut tx = access.read().await?;
    let end = sqlx::query_scalar!("SELECT seq FROM cell.audit_head")
        .fetch_optional(tx.conn())
        .await?
        .unwrap_or(0);
    tx.commit().await?;
    Ok(stream::try_unfold(
        (access, after),
        move |(access, after)| async move {
            if after >= end {
                return Ok(None);
            }
            let mut tx = access.read().await?;
            let entries = read_entries(&mut tx, after, end, STRETCH).await?;
            tx.commit().await?;
            let mut text = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut text, entry).map_err(Error::internal)?;
                text.push(b'\n');
            }
            let last = entries.last().map(|entry| entry.seq);
            Ok(last.map(|last| (Bytes::from(text), (access, last))))
        },
    ))
}

/// The lines as a file.
pub async fn download(access: Access<AuditRead>, after: i64) -> Result<Response> {
    let body = Body::from_stream(lines(access, after).await?);
    let kind = HeaderValue::from_static("application/jsonl");
    let name = HeaderValue::from_static("attachment; filename=\"audit.jsonl\"");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}

/// Export the audit log
///
/// Every entry in order, a line of JSON each, for `freehold audit verify`. docs/audit.md says what
/// is hashed. An answer that breaks off is incomplete: ask for the rest with `after`.
#[utoipa::path(get, path = "/v1/audit/export", operation_id = "audit_export", tag = "audit",
    params(ExportQuery),
    responses(
        (status = 200, body = kernel::audit::Entry, content_type = "application/jsonl",
            description = "A line for each entry"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
    ),
    security(("api_key" = [])))]
pub(super) async fn audit_export(
    access: Access<AuditRead>,
    Query(query): Query<ExportQuery>,
) -> Result<Response> {
    let after = query.after.unwrap_or(0);
    if after < 0 {
        return Err(Error::field("after", "must not be negative"));
    }
    download(access, after).await
}
