//! What staff write down about tenants, for each other. No tenant's part of the program reads it.

pub mod api;
pub mod pages;
#[cfg(test)]
mod tests;

use kernel::{
    Error, Operator, Result,
    db::OperatorTx,
    id::{TenantId, TenantNoteId},
    permission::{NotesWrite, Permission, TenantsRead, TenantsWrite},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::tenants::locate;

/// The longest note, in characters; the column's own check says the same.
const LONGEST: usize = 4000;
/// Notes of one tenant that are read, the newest ones. There is no page after them: who has more has
/// a wiki.
const READ: i64 = 200;

/// A note about a tenant.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NoteView {
    #[schema(value_type = String, example = "note_01h455vb4pex5vsknk084sn02q")]
    pub id: TenantNoteId,
    /// Who wrote it, as in the audit log.
    pub author: String,
    pub author_name: String,
    pub body: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub edited_at: Option<OffsetDateTime>,
}

/// What a note says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    #[schema(min_length = 1, max_length = 4000)]
    pub body: String,
}

impl NoteBody {
    fn checked(&self) -> Result<String> {
        let body = self.body.replace("\r\n", "\n").trim().to_owned();
        if body.is_empty() || body.chars().count() > LONGEST || body.contains('\0') {
            let message = format!("must have from 1 to {LONGEST} characters");
            return Err(Error::field("body", message));
        }
        Ok(body)
    }
}

struct Row {
    id: uuid::Uuid,
    author: String,
    author_name: String,
    body: String,
    created_at: OffsetDateTime,
    edited_at: Option<OffsetDateTime>,
}

impl From<Row> for NoteView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id.into(),
            author: row.author,
            author_name: row.author_name,
            body: row.body,
            created_at: row.created_at,
            edited_at: row.edited_at,
        }
    }
}

/// The notes about a tenant, newest first.
pub async fn list(operator: &Operator<TenantsRead>, tenant: &str) -> Result<Vec<NoteView>> {
    let tenant = locate(operator.db(), tenant).await?;
    let mut tx = operator
        .begin("note.listed", Some(tenant.id), json!({}))
        .await?;
    let notes = about(&mut tx, tenant.id).await?;
    tx.commit().await?;
    Ok(notes)
}

pub(crate) async fn about(tx: &mut OperatorTx, tenant: TenantId) -> Result<Vec<NoteView>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, author, author_name, body, created_at, edited_at FROM control.tenant_note
         WHERE about_tenant_id = $1 ORDER BY id DESC LIMIT $2",
        tenant.uuid(),
        READ
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(NoteView::from).collect())
}

/// Writes a note as part of another act.
pub(crate) async fn write<P: Permission>(
    tx: &mut OperatorTx,
    operator: &Operator<P>,
    tenant: TenantId,
    body: &str,
) -> Result<NoteView> {
    let author = operator.actor().to_string();
    let name = operator.staff().map(|staff| staff.name.as_str());
    let row = sqlx::query_as!(
        Row,
        "INSERT INTO control.tenant_note (id, about_tenant_id, author, author_name, body)
         VALUES ($1, $2, $3, $4, $5)
         RETURNING id, author, author_name, body, created_at, edited_at",
        TenantNoteId::new().uuid(),
        tenant.uuid(),
        author,
        name.unwrap_or(&author),
        body
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(row.into())
}

pub async fn add(
    operator: &Operator<NotesWrite>,
    tenant: &str,
    new: &NoteBody,
) -> Result<NoteView> {
    let body = new.checked()?;
    let tenant = locate(operator.db(), tenant).await?;
    let mut tx = operator
        .begin("note.added", Some(tenant.id), json!({}))
        .await?;
    let note = write(&mut tx, operator, tenant.id, &body).await?;
    tx.commit().await?;
    Ok(note)
}

/// Reads one note, for the form that changes it.
pub async fn get(
    operator: &Operator<NotesWrite>,
    tenant: &str,
    note: TenantNoteId,
) -> Result<NoteView> {
    let tenant = locate(operator.db(), tenant).await?;
    let detail = json!({ "note": note });
    let mut tx = operator
        .begin("note.viewed", Some(tenant.id), detail)
        .await?;
    let row = lock(&mut tx, tenant.id, note).await?;
    tx.commit().await?;
    Ok(row)
}

/// Changes a note. Only its author does.
pub async fn edit(
    operator: &Operator<NotesWrite>,
    tenant: &str,
    note: TenantNoteId,
    new: &NoteBody,
) -> Result<NoteView> {
    let body = new.checked()?;
    let tenant = locate(operator.db(), tenant).await?;
    let detail = json!({ "note": note });
    let mut tx = operator
        .begin("note.edited", Some(tenant.id), detail)
        .await?;
    let before = lock(&mut tx, tenant.id, note).await?;
    if !is_author(operator, &before) {
        return Err(Error::Forbidden("authorship of the note"));
    }
    let row = sqlx::query_as!(
        Row,
        "UPDATE control.tenant_note SET body = $3, edited_at = now()
         WHERE id = $2 AND about_tenant_id = $1
         RETURNING id, author, author_name, body, created_at, edited_at",
        tenant.id.uuid(),
        note.uuid(),
        body
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(row.into())
}

/// Deletes a note: its author's, or anybody's for those who may change tenants.
pub async fn delete(
    operator: &Operator<NotesWrite>,
    tenant: &str,
    note: TenantNoteId,
) -> Result<()> {
    let tenant = locate(operator.db(), tenant).await?;
    let detail = json!({ "note": note });
    let mut tx = operator
        .begin("note.deleted", Some(tenant.id), detail)
        .await?;
    let before = lock(&mut tx, tenant.id, note).await?;
    if !may_delete(operator, &before) {
        return Err(Error::Forbidden("authorship of the note"));
    }
    sqlx::query!(
        "DELETE FROM control.tenant_note WHERE id = $2 AND about_tenant_id = $1",
        tenant.id.uuid(),
        note.uuid()
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await
}

pub(crate) fn is_author<P: Permission>(operator: &Operator<P>, note: &NoteView) -> bool {
    operator.actor().to_string() == note.author
}

pub(crate) fn may_delete<P: Permission>(operator: &Operator<P>, note: &NoteView) -> bool {
    is_author(operator, note) || operator.may(TenantsWrite::NAME)
}

/// The note, kept from changing until the transaction ends.
async fn lock(tx: &mut OperatorTx, tenant: TenantId, note: TenantNoteId) -> Result<NoteView> {
    sqlx::query_as!(
        Row,
        "SELECT id, author, author_name, body, created_at, edited_at FROM control.tenant_note
         WHERE about_tenant_id = $1 AND id = $2 FOR UPDATE",
        tenant.uuid(),
        note.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .map(NoteView::from)
    .ok_or(Error::NotFound("note"))
}
