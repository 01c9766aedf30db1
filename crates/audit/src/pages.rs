//! `/app/{tenant}/audit`: the log with a search, one entry as it is chained, checkpoints, and the
//! export for `freehold audit verify`.

use axum::{
    Router,
    extract::{FromRef, RawQuery},
    response::Response,
    routing::get,
};
use kernel::{
    Access, Db, Result,
    actors::Names,
    db::Tenant,
    extract::{Path, Query},
    id::AuditEntryId,
    page::{self, PageQuery},
    permission::AuditRead,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use ui::{
    Badge, Button, Card, CodeBlock, Column, Copyable, CursorPages, EmptyState, Facts, FilterBar,
    Icon, Moment, Notice, Page, PageHeader, Table, Tone,
};

use crate::api::{self, AuditFilter, AuditView, CheckpointView};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/audit", get(list))
        .route("/app/{tenant}/audit/export", get(export))
        .route("/app/{tenant}/audit/checkpoints", get(checkpoints))
        .route("/app/{tenant}/audit/{entry}", get(show))
}

/// What the list's form sends.
#[derive(Debug, Default, Deserialize)]
struct Search {
    /// An actor, an action, an id of what was acted on, or a correlation id.
    q: Option<String>,
    /// Hours to look back.
    hours: Option<String>,
}

impl Search {
    /// What the words mean is told by their form: `user:…` acts, `api_key.created` is an act,
    /// `cor_…` ties together, and any other id is what was acted on.
    fn filter(&self, now: OffsetDateTime) -> AuditFilter {
        let mut filter = AuditFilter::default();
        let words = self.q.as_deref().unwrap_or_default().trim();
        if let Ok(correlation) = words.parse() {
            filter.correlation = Some(correlation);
        } else if words.contains(':') {
            filter.actor = Some(words.to_owned());
        } else if words.contains('.') {
            filter.action = Some(words.to_owned());
        } else if words.starts_with("usr_") {
            filter.actor = Some(format!("user:{words}"));
        } else if !words.is_empty() {
            filter.target = Some(words.to_owned());
        }
        let hours = self.hours.as_deref().and_then(|hours| hours.parse().ok());
        filter.from = hours.map(|hours: u16| now - Duration::hours(hours.into()));
        filter
    }
}

async fn list(
    access: Access<AuditRead>,
    Query(search): Query<Search>,
    Query(query): Query<PageQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Page> {
    let now = OffsetDateTime::now_utc();
    let entries = api::list(&access, &search.filter(now), &query).await?;
    let names = Names::of(
        &access,
        entries.data.iter().map(|entry| entry.actor.as_str()),
    )
    .await?;
    let here = ui::Query::new(
        access.tenant().href("/audit"),
        raw.as_deref().unwrap_or_default(),
    );
    let body = list_view(access.tenant(), &entries, &names, &here, now);
    Ok(Page::new("Audit log", body))
}

fn list_view(
    tenant: &Tenant,
    entries: &page::Page<AuditView>,
    names: &Names,
    here: &ui::Query,
    now: OffsetDateTime,
) -> Markup {
    let is_filtered = here.get("q").is_some() || here.get("hours").is_some();
    let empty = match is_filtered {
        true => EmptyState::new(
            Icon::List,
            "Nothing matches",
            "Search for an actor (user:usr_…), an act (api_key.created), the id of what it was done \
             to, or a correlation id, written out in full.",
        ),
        false => EmptyState::new(
            Icon::List,
            "Nothing recorded yet",
            "Every change that somebody makes to this account will stand here.",
        ),
    };
    let table = Table::new("Audit log")
        .query(here)
        .column(Column::new("Act"))
        .column(Column::new("By"))
        .column(Column::new("On"))
        .column(Column::new("Address"))
        .column(Column::new("When"))
        .empty(empty);
    let table = entries.data.iter().fold(table, |table, entry| {
        table.linked(
            tenant.href(&format!("/audit/{}", entry.id)),
            [
                html! { code { (entry.action) } },
                html! { (names.show(&entry.actor)) },
                html! { code { (entry.target) } },
                html! { (entry.ip.as_deref().unwrap_or("–")) },
                Moment::new(entry.at, now).render(),
            ],
        )
    });
    let filter = FilterBar::new(here)
        .search("q", "Actor, act, or id")
        .choice(
            "hours",
            "Time",
            [
                ("1", "Last hour"),
                ("24", "Last day"),
                ("168", "Last week"),
                ("720", "Last 30 days"),
            ],
        );
    let pages = CursorPages::new(here, entries.next_cursor.as_deref(), entries.data.len());
    html! {
        (PageHeader::new("Audit log")
            .about(html! {
                "What was done in this account, by whom and from where. Entries are chained: one that is \
                 changed or removed is noticed."
            })
            .actions(html! {
                (Button::secondary("Checkpoints").icon(Icon::Shield).to(tenant.href("/audit/checkpoints")))
                (Button::secondary("Export").download().to(tenant.href("/audit/export")))
            }))
        (filter)
        (Card::new(table.render()).flush().footer(pages.render()))
    }
}

async fn show(
    access: Access<AuditRead>,
    Path((_, entry)): Path<(String, AuditEntryId)>,
) -> Result<Page> {
    let entry = api::find(&access, entry).await?;
    let names = Names::of(&access, [entry.actor.as_str()]).await?;
    let body = entry_view(access.tenant(), &entry, &names, OffsetDateTime::now_utc());
    Ok(Page::new(entry.action, body))
}

fn entry_view(tenant: &Tenant, entry: &AuditView, names: &Names, now: OffsetDateTime) -> Markup {
    let alike = |words: &str, label: &str| {
        let query = ui::Query::new(tenant.href("/audit"), "").with("q", words);
        Button::quiet(label).small().to(query.href())
    };
    let correlation = entry.correlation_id.to_string();
    let facts = Facts::new()
        .fact(
            "By",
            html! {
                (names.show(&entry.actor)) " " code { (entry.actor) } " "
                (alike(&entry.actor, "All their acts"))
            },
        )
        .fact(
            "On",
            Copyable::new("id of what it was done to", &entry.target).render(),
        )
        .fact("When", Moment::new(entry.at, now).render())
        .maybe("From address", entry.ip.as_deref())
        .maybe("With", entry.user_agent.as_deref())
        .fact(
            "Correlation id",
            html! {
                (Copyable::new("correlation id", &correlation)) " "
                (alike(&correlation, "What belongs to it"))
            },
        )
        .fact(
            "Entry",
            Copyable::new("entry id", entry.id.to_string()).render(),
        );
    let chain = match (entry.seq, &entry.hash) {
        (Some(seq), Some(hash)) => Facts::new()
            .fact("Number", html! { (seq) })
            .fact("Hash", Copyable::new("hash", hash.to_string()).render())
            .render(),
        _ => Notice::new(Tone::Info, "Recorded before the log was a chain").render(),
    };
    let detail = serde_json::from_str::<serde_json::Value>(entry.detail.get())
        .and_then(|detail| serde_json::to_string_pretty(&detail))
        .unwrap_or_else(|_| entry.detail.get().to_owned());
    html! {
        (PageHeader::new(&entry.action).crumb("Audit log", tenant.href("/audit")))
        div.stack {
            (Card::new(facts.render()).title("Act"))
            (CodeBlock::new("Detail", detail))
            (Card::new(chain).title("In the chain"))
        }
    }
}

async fn checkpoints(
    access: Access<AuditRead>,
    Query(query): Query<PageQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Page> {
    let points = api::checkpoints(&access, &query).await?;
    let here = ui::Query::new(
        access.tenant().href("/audit/checkpoints"),
        raw.as_deref().unwrap_or_default(),
    );
    let body = checkpoints_view(access.tenant(), &points, &here, OffsetDateTime::now_utc());
    Ok(Page::new("Checkpoints", body))
}

fn checkpoints_view(
    tenant: &Tenant,
    points: &page::Page<CheckpointView>,
    here: &ui::Query,
    now: OffsetDateTime,
) -> Markup {
    let pages = CursorPages::new(here, points.next_cursor.as_deref(), points.data.len());
    let empty = EmptyState::new(
        Icon::Shield,
        "No checkpoint yet",
        "The server signs one every now and then, once something has been recorded.",
    );
    html! {
        (PageHeader::new("Checkpoints").crumb("Audit log", tenant.href("/audit"))
            .about(html! {
                "Signed statements of how long the log was and what it ended in. Keep some of them \
                 elsewhere: a log that was shortened or written anew does not agree with them."
            }))
        div.stack {
            @if points.data.is_empty() { (Card::new(empty.render())) }
            @for point in &points.data {
                (Card::new(CodeBlock::new("Signed note", &point.note).render())
                    .title(format!("{} entries", point.size))
                    .actions(html! { (Moment::new(point.at, now)) (Badge::new(Tone::Success, "Signed")) }))
            }
            (pages)
            (CodeBlock::new(
                "Verify an export against it",
                "freehold audit verify --checkpoints checkpoints.txt --vkey \"$(freehold audit key)\" audit.jsonl",
            ))
        }
    }
}

async fn export(access: Access<AuditRead>) -> Result<Response> {
    api::download(access, 0).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(q: &str) -> AuditFilter {
        let search = Search {
            q: Some(q.to_owned()),
            hours: None,
        };
        search.filter(OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn what_is_searched_for_is_told_by_its_form() {
        let correlation = kernel::id::CorrelationId::new();
        assert_eq!(
            filter(&correlation.to_string()).correlation,
            Some(correlation)
        );
        assert_eq!(
            filter("staff:local/root").actor.as_deref(),
            Some("staff:local/root")
        );
        assert_eq!(filter("usr_1").actor.as_deref(), Some("user:usr_1"));
        assert_eq!(
            filter(" tenant.created ").action.as_deref(),
            Some("tenant.created")
        );
        assert_eq!(filter("key_1").target.as_deref(), Some("key_1"));
        let nothing = filter("  ");
        assert!(nothing.target.is_none() && nothing.actor.is_none());
    }

    #[test]
    fn time_is_looked_back_over_in_hours() {
        let search = Search {
            q: None,
            hours: Some("24".to_owned()),
        };
        let from = search.filter(OffsetDateTime::UNIX_EPOCH).from;
        assert_eq!(from, Some(OffsetDateTime::UNIX_EPOCH - Duration::days(1)));
    }
}
