//! What staff see of quarantined webhooks: signed payloads that named accounts of somebody else.
//! Metadata alone. Their bodies belong to a tenant that could not be established, so no interface
//! shows them.

pub mod pages;

use axum::extract::FromRef;
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    error::Problem,
    extract::{Json, Query},
    id::{CorrelationId, Id, Kind, TenantId},
    page::{Page, PageQuery},
    permission::QueueRead,
};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Marks ids of quarantined webhooks.
#[derive(Debug)]
pub enum QuarantinedEvent {}

impl Kind for QuarantinedEvent {
    const PREFIX: &'static str = "qrn";
}

pub type QuarantinedEventId = Id<QuarantinedEvent>;

/// A webhook that was refused although its signature was right.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinedView {
    #[schema(value_type = String, example = "qrn_01h455vb4pex5vsknk084sn02q")]
    pub id: QuarantinedEventId,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub received_at: OffsetDateTime,
    pub provider: String,
    /// The tenant whose URL it arrived on and whose secret signed it; null where the URL named none.
    #[schema(value_type = Option<String>, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub url_tenant: Option<TenantId>,
    pub url_tenant_slug: Option<String>,
    /// The accounts that the payload named, as the inbound pipeline recorded them.
    #[schema(value_type = Object)]
    pub identifiers: Value,
    pub reason: String,
    /// Of the body, in hexadecimal: enough to recognise one that somebody holds.
    pub sha256: String,
    #[schema(value_type = String, example = "cor_01h455vb4pex5vsknk084sn02q")]
    pub correlation_id: CorrelationId,
}

/// Quarantined webhooks of all tenants, newest first.
pub async fn list(
    operator: &Operator<QueueRead>,
    query: &PageQuery,
) -> Result<Page<QuarantinedView>> {
    let (limit, after) = (query.limit()?, query.after::<QuarantinedEventId>()?);
    let mut tx = operator.begin("quarantine.listed", None, json!({})).await?;
    let rows = sqlx::query!(
        r#"SELECT q.id, q.received_at, q.provider, q.url_tenant_id, t.slug AS "slug?",
                  q.identifiers, q.reason, encode(q.body_sha256, 'hex') AS "sha256!", q.correlation_id
           FROM control.quarantined_event q LEFT JOIN control.tenant t ON t.id = q.url_tenant_id
           WHERE $1::uuid IS NULL OR q.id < $1
           ORDER BY q.id DESC LIMIT $2"#,
        after.map(Id::uuid),
        limit + 1
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    let views = rows
        .into_iter()
        .map(|row| QuarantinedView {
            id: row.id.into(),
            received_at: row.received_at,
            provider: row.provider,
            url_tenant: row.url_tenant_id.map(Into::into),
            url_tenant_slug: row.slug,
            identifiers: row.identifiers,
            reason: row.reason,
            sha256: row.sha256,
            correlation_id: row.correlation_id.into(),
        })
        .collect();
    Page::cut(views, limit, |view: &QuarantinedView| view.id)
}

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list_page))
}

/// List quarantined webhooks, newest first. Their bodies are not shown.
#[utoipa::path(
    get, path = "/admin/v1/quarantine", tag = "quarantine", operation_id = "quarantine_list",
    params(PageQuery),
    responses(
        (status = 200, description = "A page of quarantined webhooks", body = Page<QuarantinedView>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `queue:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list_page(
    operator: Operator<QueueRead>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<QuarantinedView>>> {
    Ok(Json(list(&operator, &query).await?))
}

#[cfg(test)]
mod tests {
    use kernel::{Access, routes::Quarantined, testing::database};

    use super::*;
    use crate::testing::App;

    #[tokio::test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the test stands where connect's pipeline does"
    )]
    async fn staff_see_what_was_quarantined_and_never_its_body() {
        let app = App::new(database().await);
        let tenant = app.tenant("acme").await;
        let entry = app.db.directory().by_slug("acme").await.expect("directory");
        let access = Access::for_endpoint(&app.db, entry.expect("known"), "whatsapp");
        let access = access.expect("an active tenant");
        for (count, named) in [("first", true), ("second", false)] {
            let event = Quarantined {
                provider: "whatsapp".to_owned(),
                url_named_tenant: named,
                identifiers: json!([{ "kind": "phone_number_id", "id": "15550001" }]),
                reason: "foreign identifier",
                received_at: OffsetDateTime::now_utc(),
                headers: json!({ "x-planted": "planted-header" }),
                body: format!("planted-body {count}").into_bytes(),
            };
            access.quarantine(event).await.expect("quarantined");
        }
        let (_, first) = app.staff("GET", "/admin/v1/quarantine?limit=1", None).await;
        let cursor = first["next_cursor"].as_str().expect("more");
        let path = format!("/admin/v1/quarantine?limit=1&cursor={cursor}");
        let (_, second) = app.staff("GET", &path, None).await;
        assert_eq!(second["next_cursor"], Value::Null);
        let (unnamed, named) = (&first["data"][0], &second["data"][0]);
        assert_eq!(unnamed["url_tenant"], Value::Null);
        assert_eq!(named["url_tenant"], json!(tenant.id));
        assert_eq!(named["url_tenant_slug"], "acme");
        assert_eq!(named["reason"], "foreign identifier");
        assert_eq!(named["identifiers"][0]["id"], "15550001");
        assert_eq!(named["sha256"].as_str().map(str::len), Some(64));
        for page in [&first, &second] {
            assert!(!page.to_string().contains("planted"), "{page}");
        }
    }
}
