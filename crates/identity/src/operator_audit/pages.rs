//! `/admin/audit`.

use axum::{Router, extract::FromRef, http::Uri, routing::get};
use kernel::{Db, Operator, Result, access::OperatorToken, page, permission::PlatformAuditRead};
use maud::{Markup, html};
use time::OffsetDateTime;
use ui::{
    Card, CodeBlock, Column, CursorPages, EmptyState, FilterBar, Icon, Moment, Page, PageHeader,
    Query, Table,
};

use super::{AuditFilter, OperatorAuditView};
use crate::{
    console::{act_in_words, address, page_of},
    tenants::locate,
};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new().route("/admin/audit", get(list))
}

/// Beginnings of the names of acts, as they can be filtered by.
const AREAS: [(&str, &str); 9] = [
    ("tenant.", "Tenants"),
    ("tenant.impersonation", "Impersonation"),
    ("tenant.suspended", "Suspension"),
    ("note.", "Notes"),
    ("user.", "Users"),
    ("member.", "Members"),
    ("audit.", "Audit"),
    ("queue.", "Queue"),
    ("quarantine.", "Quarantine"),
];

async fn list(operator: Operator<PlatformAuditRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    // A name that no tenant has finds nothing, rather than everything.
    let tenant = match query.get("tenant") {
        Some(name) => Some(locate(operator.db(), name.trim()).await),
        None => None,
    };
    let filter = AuditFilter {
        tenant: match &tenant {
            Some(Ok(tenant)) => Some(tenant.id),
            Some(Err(_)) => Some(uuid::Uuid::nil().into()),
            None => None,
        },
        actor: query.get("actor").map(str::to_owned),
        action: query.get("action").map(str::to_owned),
        reading: Some(query.get("show") == Some("all")),
        ..AuditFilter::default()
    };
    let page = super::list(&operator, &filter, &page_of(&query)).await?;
    Ok(Page::new(
        "Audit log",
        view(&query, &page, OffsetDateTime::now_utc()),
    ))
}

fn view(query: &Query, page: &page::Page<OperatorAuditView>, now: OffsetDateTime) -> Markup {
    let table = page.data.iter().fold(
        Table::new("Acts of staff")
            .column(Column::new("Act"))
            .column(Column::new("Who"))
            .column(Column::new("Tenant"))
            .column(Column::new("When"))
            .column(Column::new("Detail"))
            .empty(EmptyState::new(
                Icon::List,
                "No act matches",
                "Everything that staff do across tenants stands here. Clear the filters to see it.",
            )),
        |table, act| {
            let tenant = act.tenant.map(|tenant| tenant.to_string());
            table.row([
                html! { (act_in_words(&act.action)) },
                html! { a href=(query.without("cursor").with("actor", &act.actor).href()) { code { (act.actor) } } },
                html! {
                    @match &tenant {
                        Some(tenant) => a href={ "/admin/tenants/" (tenant) } { code { (shortened(tenant)) } },
                        None => span.muted { "None" },
                    }
                },
                html! { (Moment::new(act.at, now)) },
                html! {
                    details {
                        summary { "Show" }
                        (CodeBlock::new(act.correlation_id.to_string(), format!("{:#}", act.detail)))
                    }
                },
            ])
        },
    );
    html! {
        (PageHeader::new("Audit log").about(html! { "What staff did across tenants, newest first." }))
        div.stack {
            div {
                (FilterBar::new(query)
                    .search("tenant", "Tenant's slug or id")
                    .choice("action", "Area", AREAS)
                    .choice("show", "Also", [("all", "Looking and listing")]))
                @if let Some(actor) = query.get("actor") {
                    p.filter-bar { "Only by " code { (actor) } " " a href=(query.without("actor").without("cursor").href()) { "by anybody" } }
                }
                (Card::new(html! { (table) }).flush().footer(html! {
                (CursorPages::new(query, page.next_cursor.as_deref(), page.data.len()))
            }))
            }
        }
    }
}

/// The end of an id tells more than its beginning, which is the time.
fn shortened(id: &str) -> String {
    let tail = id.len().saturating_sub(8);
    format!("…{}", id.get(tail..).unwrap_or(id))
}
