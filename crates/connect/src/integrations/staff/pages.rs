//! `/admin/integrations`.

use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    routing::get,
};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    page::{self, PageQuery},
    permission::TenantsRead,
    refusal::sentence,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    CURSOR, Card, Column, CursorPages, EmptyState, FilterBar, Icon, Moment, Page, PageHeader,
    Query, Table,
};

use super::{Figures, Trouble, figures, name, troubles};
use crate::{Connect, catalogue::Catalogue, integrations::pages::badge};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new().route("/admin/integrations", get(show))
}

async fn show(
    operator: Operator<TenantsRead>,
    State(connect): State<Connect>,
    uri: Uri,
) -> Result<Page> {
    let query = Query::new(uri.path(), uri.query().unwrap_or_default());
    let wanted = PageQuery {
        cursor: query.get(CURSOR).map(str::to_owned),
        limit: None,
    };
    let figures = figures(&operator, connect.catalogue()).await?;
    let troubles = troubles(&operator, query.get("provider"), &wanted).await?;
    let view = Overview {
        query: &query,
        figures: &figures,
        troubles: &troubles,
        catalogue: connect.catalogue(),
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new("Integrations", view.render()))
}

pub(super) struct Overview<'a> {
    pub query: &'a Query,
    pub figures: &'a [Figures],
    pub troubles: &'a page::Page<Trouble>,
    pub catalogue: &'a Catalogue,
    pub now: OffsetDateTime,
}

impl Render for Overview<'_> {
    fn render(&self) -> Markup {
        let providers = self
            .figures
            .iter()
            .map(|figures| (figures.provider.as_str(), figures.name.as_str()));
        html! {
            (PageHeader::new("Integrations").about(html! {
                "How tenants' own accounts at providers do, over all tenants. What the accounts hold is shown to nobody."
            }))
            div.stack {
                (Card::new(self.providers().render()).title("Providers")
                    .about("Each tenant counts once, by the account of it that does worst.").flush())
                div {
                    (FilterBar::new(self.query).choice("provider", "Provider", providers))
                    (Card::new(self.tenants().render()).title("Tenants with trouble").flush()
                        .footer(CursorPages::new(self.query, self.troubles.next_cursor.as_deref(),
                            self.troubles.data.len()).render()))
                }
            }
        }
    }
}

impl Overview<'_> {
    fn providers(&self) -> Table {
        let table = Table::new("Providers")
            .column(Column::new("Provider"))
            .column(Column::new("Tenants").number())
            .column(Column::new("Work").number())
            .column(Column::new("Refused").number())
            .column(Column::new("Not reached").number())
            .column(Column::new("Not tested").number())
            .empty(EmptyState::new(
                Icon::Plug,
                "No tenant has connected anything",
                "Tenants connect their own accounts in their console, under Integrations.",
            ));
        self.figures.iter().fold(table, |table, row| {
            let href = self.query.without(CURSOR).with("provider", &row.provider);
            let of = |count: i64| {
                html! { @if count == 0 { span.muted { "0" } } @else { (count) } }
            };
            table.linked(
                href.href(),
                [
                    html! { (row.name) },
                    html! { (row.tenants) },
                    of(row.healthy),
                    of(row.refused),
                    of(row.unreachable),
                    of(row.untested),
                ],
            )
        })
    }

    fn tenants(&self) -> Table {
        let table = Table::new("Tenants with trouble")
            .column(Column::new("Tenant"))
            .column(Column::new("Provider"))
            .column(Column::new("State"))
            .column(Column::new("Reason"))
            .column(Column::new("Since"))
            .column(Column::new("Tested"))
            .column(Column::new("Credential"))
            .empty(EmptyState::new(
                Icon::Done,
                "No tenant has trouble",
                "Accounts are tested when they are saved and once a day; what is refused or not reached stands here.",
            ));
        self.troubles.data.iter().fold(table, |table, row| {
            let reason = row.reason.map_or("", |reason| reason.as_str());
            table.linked(
                format!("/admin/tenants/{}", row.tenant_slug),
                [
                    html! { (row.tenant_name) },
                    html! { (name(self.catalogue, &row.provider)) },
                    badge(row.health).render(),
                    html! { (sentence(&reason.replace('_', " "))) },
                    Moment::new(row.since, self.now).render(),
                    Moment::new(row.checked_at, self.now).render(),
                    html! { code { (row.credential) } },
                ],
            )
        })
    }
}
