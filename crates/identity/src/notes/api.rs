//! `/admin/v1/tenants/{tenant}/notes`.

use axum::{extract::FromRef, http::StatusCode};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    error::Problem,
    extract::{Json, Path},
    id::TenantNoteId,
    permission::{NotesWrite, TenantsRead},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{NoteBody, NoteView};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(edit, delete))
}

/// List the newest notes about a tenant. Tenants never see them.
#[utoipa::path(
    get, path = "/admin/v1/tenants/{tenant}/notes", tag = "tenants", operation_id = "notes_list",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    responses(
        (status = 200, description = "The notes, newest first", body = Vec<NoteView>),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `tenants:read` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn list(
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Json<Vec<NoteView>>> {
    Ok(Json(super::list(&operator, &tenant).await?))
}

/// Write a note about a tenant.
#[utoipa::path(
    post, path = "/admin/v1/tenants/{tenant}/notes", tag = "tenants", operation_id = "notes_add",
    params(("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug")),
    request_body = NoteBody,
    responses(
        (status = 201, description = "The note", body = NoteView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The permission `notes:write` is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn add(
    operator: Operator<NotesWrite>,
    Path(tenant): Path<String>,
    Json(new): Json<NoteBody>,
) -> Result<(StatusCode, Json<NoteView>)> {
    let note = super::add(&operator, &tenant, &new).await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Change a note of one's own.
#[utoipa::path(
    patch, path = "/admin/v1/tenants/{tenant}/notes/{note}", tag = "tenants", operation_id = "notes_edit",
    params(
        ("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug"),
        ("note" = String, Path, description = "The note's id, `note_…`"),
    ),
    request_body = NoteBody,
    responses(
        (status = 200, description = "The note", body = NoteView),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`notes:write` is missing, or somebody else wrote it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant or note", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The input is invalid", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn edit(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
    Json(new): Json<NoteBody>,
) -> Result<Json<NoteView>> {
    Ok(Json(super::edit(&operator, &tenant, note, &new).await?))
}

/// Delete a note of one's own; with `tenants:write`, anybody's.
#[utoipa::path(
    delete, path = "/admin/v1/tenants/{tenant}/notes/{note}", tag = "tenants", operation_id = "notes_delete",
    params(
        ("tenant" = String, Path, description = "The tenant's id (`ten_…`) or slug"),
        ("note" = String, Path, description = "The note's id, `note_…`"),
    ),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 401, description = "No valid operator token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`notes:write` is missing, or somebody else wrote it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such tenant or note", body = Problem, content_type = "application/problem+json"),
    ),
    security(("operator_token" = [])),
)]
async fn delete(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
) -> Result<StatusCode> {
    super::delete(&operator, &tenant, note).await?;
    Ok(StatusCode::NO_CONTENT)
}
