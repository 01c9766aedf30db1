//! `/admin/quarantine`.

use axum::{Router, extract::FromRef, http::Uri, routing::get};
use kernel::{
    Db, Operator, Result, access::OperatorToken, page, permission::QueueRead, refusal::sentence,
};
use maud::{Markup, html};
use time::OffsetDateTime;
use ui::{
    Card, CodeBlock, Column, CursorPages, EmptyState, Icon, Moment, Page, PageHeader, Query, Table,
};

use super::QuarantinedView;
use crate::console::{address, page_of};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new().route("/admin/quarantine", get(show))
}

async fn show(operator: Operator<QueueRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    let page = super::list(&operator, &page_of(&query)).await?;
    Ok(Page::new(
        "Quarantine",
        view(&query, &page, OffsetDateTime::now_utc()),
    ))
}

fn view(query: &Query, page: &page::Page<QuarantinedView>, now: OffsetDateTime) -> Markup {
    let table = page.data.iter().fold(
        Table::new("Quarantined webhooks")
            .column(Column::new("Provider"))
            .column(Column::new("Arrived on the URL of"))
            .column(Column::new("Why"))
            .column(Column::new("When"))
            .column(Column::new("Named accounts"))
            .empty(EmptyState::new(
                Icon::Shield,
                "Nothing is quarantined",
                "Webhooks that are signed by one tenant's account and name another's are put here instead of being believed.",
            )),
        |table, event| {
            table.row([
                html! { (event.provider) },
                html! {
                    @match &event.url_tenant_slug {
                        Some(slug) => a href={ "/admin/tenants/" (slug) } { code { (slug) } },
                        None => span.muted { "A shared URL" },
                    }
                },
                html! { (sentence(&event.reason)) },
                html! { (Moment::new(event.received_at, now)) },
                html! {
                    details {
                        summary { "Show" }
                        (CodeBlock::new(format!("SHA-256 {}", event.sha256), format!("{:#}", event.identifiers)))
                    }
                },
            ])
        },
    );
    html! {
        (PageHeader::new("Quarantine").about(html! {
                "Signed webhooks that named somebody else's accounts. Their bodies belong to a tenant that could not be established, so nobody is shown them."
            }))
        div.stack {
            (Card::new(html! { (table) }).flush().footer(html! {
                (CursorPages::new(query, page.next_cursor.as_deref(), page.data.len()))
            }))
        }
    }
}
