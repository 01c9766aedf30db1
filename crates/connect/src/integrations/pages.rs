//! `/app/{tenant}/integrations`: every provider at a glance, those first that are connected.

mod guide;
#[cfg(test)]
mod tests;
mod words;

use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    routing::get,
};
use kernel::{
    Access, Db, Result,
    db::Tenant,
    permission::{CredentialsRead, CredentialsWrite, Permission},
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Card, Column, EmptyState, FilterBar, Icon, Moment, Page, PageHeader, Query, Stat, Table,
    Tone,
};

use super::{Health, Integration, Next, read::all};
use crate::{Connect, catalogue::Category};
use words::next;

pub(super) use words::badge;

/// One query for the overview, two for a provider's page.
pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/integrations", get(overview))
        .route(
            "/app/{tenant}/integrations/{provider}",
            get(guide::show).post(guide::connect_account),
        )
}

const LIST: &str = "/integrations";

async fn overview(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    uri: Uri,
) -> Result<Page> {
    let found = all(&access, connect.catalogue()).await?;
    let view = Overview {
        tenant: access.tenant(),
        query: &Query::new(uri.path(), uri.query().unwrap_or_default()),
        found: &found,
        may_change: access.may_give(CredentialsWrite::NAME),
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new("Integrations", view.render()))
}

pub(super) struct Overview<'a> {
    pub tenant: &'a Tenant,
    pub query: &'a Query,
    pub found: &'a [Integration<'a>],
    pub may_change: bool,
    pub now: OffsetDateTime,
}

/// Which of them are looked for.
const STATES: [(&str, &str); 3] = [
    ("attention", "Needs attention"),
    ("connected", "Connected"),
    ("available", "Not connected"),
];

impl Overview<'_> {
    fn is_wanted(&self, integration: &Integration<'_>) -> bool {
        let provider = integration.provider;
        let words = self.query.get("q").unwrap_or_default().to_lowercase();
        let named = provider.name.to_lowercase().contains(&words) || provider.id.contains(&words);
        let category = self.query.get("category");
        let of_category = category.is_none_or(|wanted| wanted == provider.category.as_str());
        let health = integration.health();
        let in_state = match self.query.get("state") {
            Some("attention") => health.is_some_and(Health::needs_attention),
            Some("connected") => health.is_some(),
            Some("available") => health.is_none(),
            _ => true,
        };
        named && of_category && in_state
    }

    fn is_filtered(&self) -> bool {
        ["q", "category", "state"]
            .iter()
            .any(|name| self.query.get(name).is_some())
    }

    fn figures(&self) -> Markup {
        let count = |is: fn(&Integration<'_>) -> bool| self.found.iter().filter(|i| is(i)).count();
        let connected = count(|i| i.health().is_some());
        let attention = count(|i| i.health().is_some_and(Health::needs_attention));
        let awaited = count(|i| i.next() == Next::Webhook);
        let here = self.tenant.href(LIST);
        let (tone, words) = match attention {
            0 if connected == 0 => (Tone::Neutral, "Nothing is connected"),
            0 => (Tone::Success, "Everything works as far as is known"),
            _ => (Tone::Danger, "See what to do below"),
        };
        html! {
            div.tiles {
                (Stat::new("Connected", connected.to_string()).to(format!("{here}?state=connected"))
                    .change(Tone::Neutral, format!("of {} that can be", self.found.len())))
                (Stat::new("Need attention", attention.to_string())
                    .to(format!("{here}?state=attention")).change(tone, words))
                (Stat::new("Waiting for a first webhook", awaited.to_string())
                    .change(Tone::Neutral, "Finish these at the provider"))
            }
        }
    }

    fn href(&self, integration: &Integration<'_>) -> String {
        let id = &integration.provider.id;
        self.tenant.href(&format!("{LIST}/{id}"))
    }

    fn connected(&self) -> Markup {
        let table = Table::new("Connected")
            .column(Column::new("Provider"))
            .column(Column::new("State").words())
            .column(Column::new("Webhooks"))
            .column(Column::new("Last used"))
            .column(Column::new("Next"))
            .empty(self.none_connected());
        let mut rows: Vec<_> = self
            .found
            .iter()
            .filter(|i| i.health().is_some() && self.is_wanted(i))
            .collect();
        // What needs somebody stands on top, and else as the catalogue has it.
        rows.sort_by_key(|i| std::cmp::Reverse(i.health()));
        let table = rows.into_iter().fold(table, |table, integration| {
            table.linked(
                self.href(integration),
                [
                    self.named(integration),
                    self.state(integration),
                    webhooks(integration, self.now),
                    html! { @match integration.last_used_at() {
                        Some(at) => (Moment::new(at, self.now)),
                        None => span.muted { "Never" },
                    } },
                    html! { (next(integration.next(), self.may_change)) },
                ],
            )
        });
        Card::new(table.render())
            .title("Connected")
            .flush()
            .render()
    }

    fn named(&self, integration: &Integration<'_>) -> Markup {
        html! {
            (integration.provider.name)
            @if integration.total > 1 { " " span.count { (integration.total) } }
        }
    }

    fn state(&self, integration: &Integration<'_>) -> Markup {
        let Some(worst) = integration.worst() else {
            return Markup::default();
        };
        let calm = !worst.health.needs_attention();
        html! {
            (badge(worst.health)) " "
            @match (worst.since, worst.checked_at) {
                (Some(since), _) => span.muted { "since " (Moment::new(since, self.now)) },
                (None, Some(at)) => span.muted { "tested " (Moment::new(at, self.now)) },
                _ => {}
            }
            @if let (false, Some(advice)) = (calm, &worst.advice) { p.hint { (advice) } }
            @if let (Health::Ending, Some(end)) = (worst.health, worst.expires_at) {
                p.hint { "Ends " (Moment::new(end, self.now)) ". Make a new one at the provider and replace it here." }
            }
        }
    }

    fn none_connected(&self) -> EmptyState {
        if self.is_filtered() {
            return EmptyState::new(
                Icon::Plug,
                "Nothing that is connected fits",
                "See what can be connected below, or clear the filter.",
            );
        }
        EmptyState::new(
            Icon::Plug,
            "Nothing is connected",
            "Choose a provider below: the page of each says step by step what to do there.",
        )
    }

    fn available(&self) -> Markup {
        let table = Table::new("Can be connected")
            .column(Column::new("Provider"))
            .column(Column::new("For"))
            .column(Column::new("Webhooks"))
            .column(Column::new("How"))
            .empty(EmptyState::new(
                Icon::Search,
                "Nothing else fits",
                "Clear the filter to see every provider.",
            ));
        let mut rows: Vec<_> = self
            .found
            .iter()
            .filter(|i| i.health().is_none() && self.is_wanted(i))
            .collect();
        rows.sort_by_key(|i| i.provider.category);
        let table = rows.into_iter().fold(table, |table, integration| {
            let provider = integration.provider;
            let steps = provider.setup.as_ref().map_or(0, |setup| setup.steps.len());
            table.linked(
                self.href(integration),
                [
                    html! { (provider.name) },
                    html! { (provider.category.label()) },
                    html! { @if provider.webhook.is_some() { "Sends" } @else { span.muted { "None" } } },
                    html! {
                        @if steps > 0 { (steps) " steps" } @else { "Enter its values" }
                        @if provider.oauth.is_some() { ", or by consent" }
                    },
                ],
            )
        });
        Card::new(table.render())
            .title("Can be connected")
            .flush()
            .render()
    }
}

impl Render for Overview<'_> {
    fn render(&self) -> Markup {
        let categories = Category::ALL.into_iter();
        let filters = FilterBar::new(self.query)
            .search("q", "Search providers")
            .choice(
                "category",
                "For",
                categories.map(|category| (category.as_str(), category.label())),
            )
            .choice("state", "State", STATES);
        html! {
            (PageHeader::new("Integrations").about(html! {
                "Your own accounts at other companies: how each does, and what to do next."
            }))
            div.stack {
                (self.figures())
                div {
                    (filters)
                    div.stack {
                        @if self.query.get("state") != Some("available") { (self.connected()) }
                        @if !matches!(self.query.get("state"), Some("attention" | "connected")) { (self.available()) }
                    }
                }
            }
        }
    }
}

fn webhooks(integration: &Integration<'_>, now: OffsetDateTime) -> Markup {
    if integration.provider.webhook.is_none() {
        return html! { span.muted { "None" } };
    }
    html! {
        @match (integration.inbound.is_open, integration.inbound.last_received_at) {
            (Some(false), _) => (Badge::status(Tone::Warning, "Closed")),
            (_, None) => span.muted { "None came yet" },
            (_, Some(at)) => (Moment::new(at, now)),
        }
    }
}
