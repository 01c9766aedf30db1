//! All accounts, those at one provider together: how they do, until when they are good, who used them.

use axum::{extract::State, http::Uri};
use kernel::{
    Access, Result,
    actors::Names,
    db::Tenant,
    extract::Query,
    page::{Page as Rows, PageQuery},
    permission::{CredentialsRead, CredentialsWrite, Permission},
};
use maud::{Markup, Render, html};
use time::{Duration, OffsetDateTime};
use ui::{
    Badge, Button, Card, Column, CursorPages, EmptyState, FilterBar, Icon, Moment, Page,
    PageHeader, Table, Tone,
};

use super::{
    ENVIRONMENTS, LIST, badge, environment_badge, provider_name, state_of, tested, webhooks,
};
use crate::{
    Connect,
    catalogue::Catalogue,
    credentials::{
        CredentialView, Environment, Filter, LastUse,
        read::{self, Position},
        state::{self, ProviderState},
    },
};

/// How near an end is when it is told in warning.
const SOON: Duration = Duration::days(14);

pub async fn show(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let limit = query.limit()?;
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    let now = OffsetDateTime::now_utc();
    let days = at
        .get("expiring_within_days")
        .and_then(|days| days.parse::<u16>().ok());
    let filter = Filter {
        provider: at.get("provider").map(str::to_owned),
        environment: at.get("environment").and_then(Environment::parse),
        expiring_before: days.map(|days| now + Duration::days(i64::from(days))),
    };
    let rows = read::list_by_provider(&access, &filter, query.after()?, limit + 1).await?;
    let found = Rows::cut(rows, limit, |credential| Position {
        provider: credential.provider.clone(),
        id: credential.id,
    })?;
    let states = state::of_providers(&access).await?;
    let users = found.data.iter().filter_map(|one| one.last_used.as_ref());
    let names = Names::of(&access, users.map(|used| used.by.as_str())).await?;
    let view = ListPage {
        tenant: access.tenant(),
        at: &at,
        found: &found,
        states: &states,
        names: &names,
        catalogue: connect.catalogue(),
        may_change: access.may_give(CredentialsWrite::NAME),
        now,
    };
    Ok(Page::new("Credentials", view.render())
        .command(
            "Connect an account",
            access.tenant().href("/credentials/new"),
        )
        .command(
            "Import credentials",
            access.tenant().href("/credentials/import"),
        ))
}

pub(super) struct ListPage<'a> {
    pub tenant: &'a Tenant,
    pub at: &'a ui::Query,
    pub found: &'a Rows<CredentialView>,
    pub states: &'a [ProviderState],
    pub names: &'a Names,
    pub catalogue: &'a Catalogue,
    pub may_change: bool,
    pub now: OffsetDateTime,
}

impl Render for ListPage<'_> {
    fn render(&self) -> Markup {
        let connect = || {
            Button::primary("Connect an account")
                .icon(Icon::Plug)
                .to(self.tenant.href("/credentials/new"))
                .render()
        };
        let header = PageHeader::new("Credentials").about(html! {
            "Your own accounts at providers, with which messages are sent and webhooks are checked."
        });
        let header = match self.may_change {
            true => header.actions(html! {
                (Button::secondary("Import").to(self.tenant.href("/credentials/import")))
                (connect())
            }),
            false => header,
        };
        let is_filtered = ["provider", "environment", "expiring_within_days"]
            .iter()
            .any(|name| self.at.get(name).is_some());
        let empty = match is_filtered {
            true => EmptyState::new(
                Icon::Filter,
                "No account is like that",
                "Choose other filters to see more of them.",
            ),
            false => EmptyState::new(
                Icon::Plug,
                "No account is connected",
                "Connect WhatsApp, Twilio or Telegram to receive messages, and a language model to have them answered.",
            ),
        };
        let empty = match self.may_change && !is_filtered {
            true => empty.action(connect()),
            false => empty,
        };
        let by_provider = self.found.data.chunk_by(|a, b| a.provider == b.provider);
        let pages = CursorPages::new(
            self.at,
            self.found.next_cursor.as_deref(),
            self.found.data.len(),
        );
        html! {
            (header)
            div.stack {
                @if is_filtered || !self.found.data.is_empty() {
                    (FilterBar::new(self.at)
                        .choice("environment", "Environment", ENVIRONMENTS)
                        .choice("expiring_within_days", "Ends", [("14", "Within 14 days"), ("90", "Within 90 days")]))
                }
                @if self.found.data.is_empty() { (Card::new(empty.render())) }
                @for group in by_provider { (self.provider(group)) }
                @if !self.found.data.is_empty() { (pages) }
            }
        }
    }
}

impl ListPage<'_> {
    /// The accounts at one provider.
    fn provider(&self, group: &[CredentialView]) -> Markup {
        let id = group[0].provider.as_str();
        let name = provider_name(self.catalogue, id);
        let state = state_of(self.states, id);
        let table = Table::new(name)
            .column(Column::new("Name"))
            .column(Column::new("Environment"))
            .column(Column::new("Test"))
            .column(Column::new("Ends"))
            .column(Column::new("Last used"));
        let table = group.iter().fold(table, |table, credential| {
            table.linked(
                self.tenant.href(&format!("{LIST}/{}", credential.id)),
                [
                    html! { (credential.name) },
                    html! {
                        (environment_badge(credential.environment)) " "
                        @if credential.is_default { (Badge::new(Tone::Neutral, "Default")) }
                    },
                    tested::badge(credential.verification.as_ref()),
                    ends(credential.expires_at, self.now),
                    used(credential.last_used.as_ref(), self.names, self.now),
                ],
            )
        });
        let facts = html! {
            (badge(state))
            @if state.is_some_and(|state| state.endpoint_open.is_some()) {
                span.muted { "Webhooks" } (webhooks(state))
            }
        };
        Card::new(table.render())
            .title(name)
            .actions(facts)
            .flush()
            .render()
    }
}

/// When it ends, and how near that is.
pub(super) fn ends(at: Option<OffsetDateTime>, now: OffsetDateTime) -> Markup {
    html! {
        @match at {
            None => span.muted { "Not known" },
            Some(at) if at <= now => { (Badge::status(Tone::Danger, "Ended")) " " (Moment::new(at, now)) },
            Some(at) if at - now <= SOON => { (Badge::status(Tone::Warning, "Soon")) " " (Moment::new(at, now)) },
            Some(at) => (Moment::new(at, now)),
        }
    }
}

/// Who used it last, when, and for what.
pub(super) fn used(last: Option<&LastUse>, names: &Names, now: OffsetDateTime) -> Markup {
    html! {
        @match last {
            None => span.muted { "Never" },
            Some(used) => {
                (Moment::new(used.at, now)) " "
                span.muted { (purpose(&used.purpose)) ", " (names.show(&used.by)) }
            }
        }
    }
}

/// An operation, in words.
fn purpose(operation: &str) -> &str {
    match operation {
        "proxy" => "a call through the proxy",
        "messages.send" => "sending a message",
        "chat.completions" => "writing a reply",
        "credential.verify" => "its test",
        other => other,
    }
}
