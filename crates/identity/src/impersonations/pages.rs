//! Beginning and ending to look at a tenant from within, and the record that the tenant reads.

use axum::{
    Router,
    extract::FromRef,
    http::Uri,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Access, Db, Operator, Result,
    access::{
        OperatorToken,
        impersonation::{LONGEST, Terms},
    },
    db::Tenant,
    extract::{Form, Path},
    page,
    permission::{ImpersonationsRead, Permission, TenantsImpersonate, TenantsImpersonateWrite},
    refusal::Refusal,
};
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, CursorPages, EmptyState, Field, Flash, Icon, Moment, Notice, Page,
    PageHeader, Query, Radios, SeeOther, Table, Tone,
};

use super::ImpersonationView;
use crate::{
    console::{address, page_of},
    tenants::{locate, pages::page_of_tenant},
};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new()
        .route("/admin/tenants/{tenant}/impersonate", get(ask).post(begin))
        .route("/admin/impersonation/end", post(end))
        .route("/app/{tenant}/impersonations", get(record))
}

#[derive(Clone, Debug, Deserialize)]
struct Input {
    reason: String,
    minutes: String,
    #[serde(default)]
    mode: String,
}

/// Minutes that are offered, up to [`LONGEST`].
const MINUTES: [i32; 4] = [10, 20, 30, LONGEST];

async fn ask(operator: Operator<TenantsImpersonate>, Path(tenant): Path<String>) -> Result<Page> {
    let tenant = locate(operator.db(), &tenant).await?;
    let input = Input {
        reason: String::new(),
        minutes: "20".to_owned(),
        mode: "read".to_owned(),
    };
    let may_write = operator.may(TenantsImpersonateWrite::NAME);
    Ok(ask_page(&tenant, &input, may_write, &Refusal::default()))
}

async fn begin(
    operator: Operator<TenantsImpersonate>,
    Path(tenant): Path<String>,
    Form(input): Form<Input>,
) -> Result<Response> {
    let tenant = locate(operator.db(), &tenant).await?;
    let terms = Terms {
        reason: input.reason.clone(),
        // What is no number is out of bounds, which is told with the field.
        minutes: input.minutes.trim().parse().unwrap_or(0),
        may_write: input.mode == "write",
    };
    match operator.impersonate(&tenant, terms).await {
        Ok(_) => Ok(SeeOther::new(format!("/app/{}", tenant.slug)).into_response()),
        Err(error) => {
            let refusal = error.refusal()?;
            let may_write = operator.may(TenantsImpersonateWrite::NAME);
            Ok(ask_page(&tenant, &input, may_write, &refusal).into_response())
        }
    }
}

fn ask_page(tenant: &Tenant, input: &Input, may_write: bool, refusal: &Refusal) -> Page {
    let home = page_of_tenant(&tenant.slug);
    let body = html! {
        (Notice::new(Tone::Info, "The tenant reads about it")
            .body(html! { "Your name, the reason, the times and whether you could change things stand in its record and in both audit logs." }))
        (Field::long("reason", "Reason", 2).value(&input.reason).max_length(1000).autofocus()
            .hint("As in: Ticket 4711, replies arrive twice.").error(refusal.of("reason")))
        (Field::select("minutes", "For how long", MINUTES.map(|minutes| (minutes.to_string(), format!("{minutes} minutes"))))
            .value(&input.minutes).error(refusal.of("minutes")))
        @if may_write {
            (Radios::new("mode", "What you may do").value(&input.mode)
                .explained("read", "Look", "Everything that changes something is refused.")
                .explained("write", "Look and change", "Never people, roles, API keys or credentials."))
        }
    };
    let buttons = html! {
        (Button::primary("Look from within"))
        (Button::secondary("Cancel").to(&home))
    };
    let form = ui::Form::post(format!("{home}/impersonate"), body, buttons).errors(refusal.all());
    let title = format!("Look at {} from within", tenant.slug);
    let view = html! {
        div.narrow {
            (PageHeader::new(&title).crumb("Tenants", "/admin/tenants").crumb(&tenant.slug, &home))
            (Card::new(html! { (form) }))
        }
    };
    Page::new(title, view).status(refusal.status())
}

async fn end(operator: Operator<TenantsImpersonate>) -> Result<SeeOther> {
    Ok(match operator.end_impersonation().await? {
        Some(tenant) => SeeOther::new(page_of_tenant(&tenant.slug))
            .flash(Flash::new(Tone::Success, "You are yourself again.")),
        None => {
            SeeOther::new("/admin/tenants").flash(Flash::new(Tone::Info, "It had ended already."))
        }
    })
}

async fn record(access: Access<ImpersonationsRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    let page = super::list(&access, &page_of(&query)).await?;
    let body = view(&query, &page, OffsetDateTime::now_utc());
    Ok(Page::new("Staff access", body))
}

fn view(query: &Query, page: &page::Page<ImpersonationView>, now: OffsetDateTime) -> Markup {
    let table = page.data.iter().fold(
        Table::new("Staff access")
            .column(Column::new("Who"))
            .column(Column::new("Reason"))
            .column(Column::new("Could"))
            .column(Column::new("Began"))
            .column(Column::new("Ended"))
            .empty(EmptyState::new(
                Icon::Eye,
                "Nobody has looked",
                "When our staff look at your account from within, it stands here: who, when, why, and whether they could change things.",
            )),
        |table, one| {
            table.row([
                html! { (one.staff_name) },
                html! { (one.reason) },
                html! {
                    @if one.may_write { (Badge::new(Tone::Warning, "Look and change")) }
                    @else { (Badge::new(Tone::Neutral, "Look")) }
                },
                html! { (Moment::new(one.started_at, now)) },
                html! {
                    @match one.ended_at {
                        Some(at) => (Moment::new(at, now)),
                        None => { (Badge::status(Tone::Info, "Goes on")) " ends " (Moment::new(one.expires_at, now)) },
                    }
                },
            ])
        },
    );
    html! {
        (PageHeader::new("Staff access")
                .about(html! { "When our staff looked at your account from within. They never see secrets." }))
        div.stack {
            (Card::new(html! { (table) }).flush().footer(html! {
                (CursorPages::new(query, page.next_cursor.as_deref(), page.data.len()))
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::{ImpersonationId, UserId};
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn the_record_of_a_tenant() {
        let now = datetime!(2026-03-02 12:00 UTC);
        let one = |hours, may_write, ended: Option<i64>| ImpersonationView {
            id: ImpersonationId::new(),
            staff: UserId::new(),
            staff_name: "Olive <Operator>".to_owned(),
            reason: "Ticket 4711: replies arrive twice".to_owned(),
            may_write,
            started_at: now - Duration::hours(hours),
            expires_at: now - Duration::hours(hours) + Duration::minutes(60),
            ended_at: ended.map(|minutes| now - Duration::minutes(minutes)),
        };
        let page = page::Page {
            data: vec![one(0, false, None), one(30, true, Some(1790))],
            next_cursor: None,
        };
        let query = Query::new("/app/acme/impersonations", "");
        insta::assert_snapshot!(view(&query, &page, now).into_string());
    }
}
