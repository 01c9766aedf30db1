//! `/admin/tenants`: the list and each tenant. The forms are in `create` and `acts`.

mod acts;
mod create;
mod show;
#[cfg(test)]
mod tests;

use axum::{
    Router,
    extract::FromRef,
    http::Uri,
    routing::{get, post},
};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    db::TenantStatus,
    page,
    permission::{Permission, TenantsRead, TenantsWrite},
};
use maud::{Markup, html};
use time::OffsetDateTime;
use ui::{
    Button, Card, Column, CursorPages, EmptyState, FilterBar, Icon, Moment, Page, PageHeader,
    Query, SORT, Table,
};

use super::{TenantOrder, TenantQuery, TenantView};
use crate::{
    console::{address, page_of, standing},
    people::People,
};

pub(crate) const LIST: &str = "/admin/tenants";

/// The page of a tenant.
pub(crate) fn page_of_tenant(tenant: &str) -> String {
    format!("{LIST}/{tenant}")
}

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(LIST, get(list))
        .route("/admin/tenants/new", get(create::form).post(create::make))
        .route("/admin/tenants/{tenant}", get(show::show))
        .route(
            "/admin/tenants/{tenant}/edit",
            get(acts::edit).post(acts::change),
        )
        .route(
            "/admin/tenants/{tenant}/suspend",
            get(acts::ask_suspend).post(acts::suspend),
        )
        .route("/admin/tenants/{tenant}/reactivate", post(acts::reactivate))
        .route(
            "/admin/tenants/{tenant}/close",
            get(acts::ask_close).post(acts::close),
        )
}

const STATUSES: [(TenantStatus, &str); 4] = [
    (TenantStatus::Provisioning, "Provisioning"),
    (TenantStatus::Active, "Active"),
    (TenantStatus::Suspended, "Suspended"),
    (TenantStatus::Closed, "Closed"),
];

async fn list(operator: Operator<TenantsRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    let sort = match query.get(SORT) {
        Some("created") => TenantOrder::Created,
        Some("name") => TenantOrder::Name,
        Some("-name") => TenantOrder::NameDown,
        _ => TenantOrder::CreatedDown,
    };
    let wanted = TenantQuery {
        q: query.get("q").map(str::to_owned),
        status: query
            .get("status")
            .and_then(|status| TenantStatus::parse(status).ok()),
        plan: query.get("plan").map(str::to_owned),
        sort: Some(sort),
        cursor: page_of(&query).cursor,
        limit: None,
    };
    let (page, plans) = super::query::list_with_plans(&operator, &wanted).await?;
    let body = list_view(
        &query,
        &page,
        &plans,
        operator.may(TenantsWrite::NAME),
        OffsetDateTime::now_utc(),
    );
    Ok(Page::new("Tenants", body).command("Create a tenant", "/admin/tenants/new"))
}

fn list_view(
    query: &Query,
    page: &page::Page<TenantView>,
    plans: &[String],
    may_write: bool,
    now: OffsetDateTime,
) -> Markup {
    let new =
        || html! { (Button::primary("New tenant").icon(Icon::Plus).to("/admin/tenants/new")) };
    let is_filtered = ["q", "status", "plan"]
        .iter()
        .any(|name| query.get(name).is_some());
    let empty = if is_filtered {
        EmptyState::new(
            Icon::Search,
            "No tenant matches",
            "Try fewer words, or clear the filters.",
        )
    } else {
        let empty = EmptyState::new(
            Icon::Building,
            "No tenants yet",
            "A tenant is a customer with its own people, credentials and conversations.",
        );
        if may_write {
            empty.action(new())
        } else {
            empty
        }
    };
    let table = page.data.iter().fold(
        Table::new("Tenants")
            .query(query)
            .column(Column::new("Name").sort("name"))
            .column(Column::new("Slug"))
            .column(Column::new("Status"))
            .column(Column::new("Plan"))
            .column(Column::new("Region"))
            .column(Column::new("Created").sort("created"))
            .empty(empty),
        |table, tenant| {
            table.linked(
                page_of_tenant(&tenant.slug),
                [
                    html! { (tenant.name) },
                    html! { code { (tenant.slug) } },
                    html! { (standing(tenant.status, tenant.suspension)) },
                    html! { (tenant.plan) },
                    html! { (tenant.region) },
                    html! { (Moment::new(tenant.created_at, now)) },
                ],
            )
        },
    );
    let header = PageHeader::new("Tenants");
    let header = if may_write {
        header.actions(new())
    } else {
        header
    };
    html! {
        (header)
        div.stack {
            div {
                (FilterBar::new(query)
                    .search("q", "Name or slug")
                    .choice("status", "Status", STATUSES.map(|(status, label)| (status.as_str(), label)))
                    .choice("plan", "Plan", plans.iter().map(|plan| (plan.as_str(), plan.as_str()))))
                (Card::new(html! { (table) }).flush().footer(html! {
                (CursorPages::new(query, page.next_cursor.as_deref(), page.data.len()))
            }))
            }
        }
    }
}
