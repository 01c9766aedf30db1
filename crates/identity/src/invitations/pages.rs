//! `/app/{tenant}/team/invitations`: who is invited, and inviting.

use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    routing::{get, post},
};
use kernel::{
    Access, Db, Result,
    actors::Names,
    db::Tenant,
    extract::{Form, Path, Query},
    id::InvitationId,
    page::{Page as Rows, PageQuery},
    permission::{MembersRead, MembersWrite, Permission},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Confirm, CursorPages, EmptyState, Field, Flash, Icon, Moment,
    Page, PageHeader, SeeOther, Table, Tone,
};

use super::{InvitationView, NewInvitation};
use crate::{
    invitations,
    members::pages::{heading, role, tabs},
    people::People,
    roles,
};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/team/invitations", get(list).post(create))
        .route("/app/{tenant}/team/invitations/new", get(new))
        .route(
            "/app/{tenant}/team/invitations/{invitation}/resend",
            post(resend),
        )
        .route(
            "/app/{tenant}/team/invitations/{invitation}/revoke",
            get(ask_revoke).post(revoke),
        )
}

const LIST: &str = "/team/invitations";

async fn list(
    access: Access<MembersRead>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let open = invitations::list(&access, &query).await?;
    let names = Names::of(&access, open.data.iter().map(|one| one.invited_by.as_str())).await?;
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    let may_change = access.may_give(MembersWrite::NAME);
    let table = table(
        access.tenant(),
        &open,
        &names,
        may_change,
        OffsetDateTime::now_utc(),
    );
    let pages = CursorPages::new(&at, open.next_cursor.as_deref(), open.data.len());
    let body = html! {
        (heading(&access))
        (tabs(access.tenant(), LIST))
        (Card::new(table.render()).flush().footer(pages.render()))
    };
    Ok(Page::new("Invitations", body))
}

fn table(
    tenant: &Tenant,
    open: &Rows<InvitationView>,
    names: &Names,
    may_change: bool,
    now: OffsetDateTime,
) -> Table {
    let mut empty = EmptyState::new(
        Icon::Mail,
        "Nobody is waiting to join",
        "An invitation goes by mail, with a link that works for seven days.",
    );
    if may_change {
        let href = tenant.href("/team/invitations/new");
        empty = empty.action(html! { (Button::primary("Invite somebody").to(href)) });
    }
    let table = Table::new("Open invitations")
        .column(Column::new("E-mail"))
        .column(Column::new("Role"))
        .column(Column::new("Invited by"))
        .column(Column::new("Link"))
        .column(Column::new("Actions").untitled())
        .empty(empty);
    open.data.iter().fold(table, |table, one| {
        table.row([
            html! { (one.email) },
            role(&one.role),
            html! { (names.show(&one.invited_by)) },
            link(one, now),
            html! { @if may_change { (actions(tenant, one)) } },
        ])
    })
}

fn link(one: &InvitationView, now: OffsetDateTime) -> Markup {
    html! {
        @if one.expires_at <= now { (Badge::status(Tone::Warning, "Expired")) }
        @else { "Expires " (Moment::new(one.expires_at, now)) }
    }
}

fn actions(tenant: &Tenant, one: &InvitationView) -> Markup {
    let here = tenant.href(&format!("{LIST}/{}", one.id));
    let dialog = format!("revoke-{}", one.id);
    html! {
        div.actions {
            form method="post" action={ (here) "/resend" } {
                (Button::secondary("Send again").small())
            }
            (Button::quiet("Revoke").small().opening(&dialog).to(format!("{here}/revoke")))
        }
        (question(&here, &one.email).dialog(&dialog))
    }
}

fn question(here: &str, email: &str) -> Confirm {
    Confirm::new(
        "Revoke the invitation?",
        html! { p { "The link that " b { (email) } " got stops working at once." } },
        format!("{here}/revoke"),
        "Revoke the invitation",
    )
}

async fn new(access: Access<MembersWrite>) -> Result<Page> {
    let roles = roles::givable(&access).await?;
    let blank = NewInvitation {
        email: String::new(),
        role: "agent".to_owned(),
    };
    Ok(Page::new(
        "Invite",
        form(access.tenant(), &roles, &blank, &Refusal::default()),
    ))
}

fn form(tenant: &Tenant, roles: &[String], entered: &NewInvitation, refusal: &Refusal) -> Markup {
    let wrong = |field: &str| refusal.of(field);
    let options = roles.iter().map(|role| (role.clone(), role.clone()));
    let body = html! {
        (Field::email("email", "E-mail").value(&entered.email).error(wrong("email"))
            .hint("They get a link that works for seven days.").autofocus())
        (Field::select("role", "Role", options).value(&entered.role).error(wrong("role"))
            .hint("Only roles whose permissions you hold yourself are offered."))
    };
    let buttons = html! {
        (Button::primary("Send the invitation").icon(Icon::Mail))
        (Button::secondary("Cancel").to(tenant.href(LIST)))
    };
    let form = ui::Form::post(tenant.href(LIST), body, buttons);
    let form = form.errors(refusal.all());
    html! {
        div.narrow {
            (PageHeader::new("Invite somebody").crumb("Team", tenant.href("/team")))
            (Card::new(form.render()))
            p.hint { "What each role may do: " a href=(tenant.href("/roles")) { "Roles" } }
        }
    }
}

async fn create(
    State(people): State<People>,
    access: Access<MembersWrite>,
    Form(entered): Form<NewInvitation>,
) -> Result<std::result::Result<SeeOther, Page>> {
    match invitations::create(&people, &access, &entered).await {
        Ok(sent) => {
            let text = format!("The invitation to {} is on its way.", sent.email);
            let to = SeeOther::new(access.tenant().href(LIST));
            Ok(Ok(to.flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?.about("email");
            let roles = roles::givable(&access).await?;
            let body = form(access.tenant(), &roles, &entered, &refusal);
            Ok(Err(Page::new("Invite", body).status(refusal.status())))
        }
    }
}

async fn resend(
    State(people): State<People>,
    access: Access<MembersWrite>,
    Path((_, id)): Path<(String, InvitationId)>,
) -> Result<SeeOther> {
    let sent = invitations::resend(&people, &access, id).await?;
    let text = format!("{} gets a new link; the old one is void.", sent.email);
    Ok(SeeOther::new(access.tenant().href(LIST)).flash(Flash::new(Tone::Success, text)))
}

async fn ask_revoke(
    access: Access<MembersWrite>,
    Path((_, id)): Path<(String, InvitationId)>,
) -> Result<Page> {
    let one = invitations::find(&access, id).await?;
    let here = access.tenant().href(&format!("{LIST}/{id}"));
    let body = question(&here, &one.email).page(&access.tenant().href(LIST));
    Ok(Page::new("Revoke an invitation", body))
}

async fn revoke(
    access: Access<MembersWrite>,
    Path((_, id)): Path<(String, InvitationId)>,
) -> Result<SeeOther> {
    invitations::revoke(&access, id).await?;
    let flash = Flash::new(Tone::Success, "The invitation was revoked.");
    Ok(SeeOther::new(access.tenant().href(LIST)).flash(flash))
}
