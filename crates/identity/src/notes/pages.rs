//! Notes on a tenant's page, and the forms that change them.

use axum::{
    Router,
    extract::FromRef,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Error, Operator, Result,
    access::OperatorToken,
    extract::{Form, Path},
    id::TenantNoteId,
    permission::NotesWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Button, Card, Confirm, Field, Flash, Icon, Moment, Page, PageHeader, SeeOther, Timeline, Tone,
};

use super::{NoteBody, NoteView};
use crate::tenants::{TenantDetail, pages::page_of_tenant};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new()
        .route("/admin/tenants/{tenant}/notes", post(add))
        .route(
            "/admin/tenants/{tenant}/notes/{note}/edit",
            get(edit).post(change),
        )
        .route(
            "/admin/tenants/{tenant}/notes/{note}/delete",
            get(ask_delete).post(delete),
        )
}

/// The notes on the tenant's own page, with the form for another.
pub(crate) fn card(
    detail: &TenantDetail,
    may_write: bool,
    is_own: impl Fn(&NoteView) -> bool,
    is_removable: impl Fn(&NoteView) -> bool,
) -> Markup {
    let home = page_of_tenant(&detail.tenant.slug);
    let now = OffsetDateTime::now_utc();
    let timeline = detail.notes.iter().fold(Timeline::new(), |timeline, note| {
        let path = format!("{home}/notes/{}", note.id);
        timeline.event(
            Tone::Neutral,
            Icon::Chat,
            Moment::new(note.created_at, now),
            html! {
                strong { (note.author_name) }
                @if note.edited_at.is_some() { " " span.muted { "(edited)" } }
            },
            Some(html! {
                p { @for line in note.body.lines() { (line) br; } }
                @if may_write {
                    div.actions {
                        @if is_own(note) { (Button::quiet("Edit").small().to(format!("{path}/edit"))) }
                        @if is_removable(note) { (Button::quiet("Delete").small().to(format!("{path}/delete"))) }
                    }
                }
            }),
        )
    });
    let body = html! {
        @if detail.notes.is_empty() { p.muted { "No notes yet." } } @else { (timeline) }
        @if may_write {
            (ui::Form::post(
                format!("{home}/notes"),
                html! { (Field::long("body", "New note", 2).max_length(4000)) },
                html! { (Button::secondary("Add note")) },
            ))
        }
    };
    Card::new(html! { div.stack { (body) } })
        .title("Staff notes")
        .about("For staff alone. The tenant never sees them.")
        .render()
}

async fn add(
    operator: Operator<NotesWrite>,
    Path(tenant): Path<String>,
    Form(new): Form<NoteBody>,
) -> Result<SeeOther> {
    let home = SeeOther::new(page_of_tenant(&tenant));
    match super::add(&operator, &tenant, &new).await {
        Ok(_) => Ok(home.flash(Flash::new(Tone::Success, "The note was added."))),
        Err(Error::Invalid { .. }) => Ok(home.flash(Flash::new(
            Tone::Danger,
            "A note has from 1 to 4,000 characters.",
        ))),
        Err(error) => Err(error),
    }
}

async fn edit(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
) -> Result<Page> {
    let note_now = super::get(&operator, &tenant, note).await?;
    let body = NoteBody {
        body: note_now.body,
    };
    Ok(edit_page(&tenant, note, &body, &Refusal::default()))
}

async fn change(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
    Form(body): Form<NoteBody>,
) -> Result<Response> {
    match super::edit(&operator, &tenant, note, &body).await {
        Ok(_) => Ok(SeeOther::new(page_of_tenant(&tenant))
            .flash(Flash::new(Tone::Success, "The note was changed."))
            .into_response()),
        Err(error) => Ok(edit_page(&tenant, note, &body, &error.refusal()?).into_response()),
    }
}

fn edit_page(tenant: &str, note: TenantNoteId, body: &NoteBody, refusal: &Refusal) -> Page {
    let home = page_of_tenant(tenant);
    let form = ui::Form::post(
        format!("{home}/notes/{note}/edit"),
        html! {
            (Field::long("body", "Note", 6).value(&body.body).max_length(4000).autofocus()
                .error(refusal.of("body")))
        },
        html! { (Button::primary("Save")) (Button::secondary("Cancel").to(&home)) },
    )
    .errors(refusal.all());
    let view = html! {
        div.narrow {
            (PageHeader::new("Edit note").crumb("Tenants", "/admin/tenants").crumb(tenant, &home))
            (Card::new(html! { (form) }))
        }
    };
    Page::new("Edit note", view).status(refusal.status())
}

async fn ask_delete(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
) -> Result<Page> {
    let known = super::get(&operator, &tenant, note).await?;
    let home = page_of_tenant(&tenant);
    let confirm = Confirm::new(
        "Delete the note",
        html! { p { "It is gone for everybody. The audit log keeps that it was there." } blockquote { (known.body) } },
        format!("{home}/notes/{note}/delete"),
        "Delete the note",
    );
    Ok(Page::new("Delete the note", confirm.page(&home)))
}

async fn delete(
    operator: Operator<NotesWrite>,
    Path((tenant, note)): Path<(String, TenantNoteId)>,
) -> Result<SeeOther> {
    super::delete(&operator, &tenant, note).await?;
    Ok(SeeOther::new(page_of_tenant(&tenant))
        .flash(Flash::new(Tone::Success, "The note was deleted.")))
}
