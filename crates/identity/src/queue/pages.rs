//! `/admin/jobs`.

use axum::{
    Router,
    extract::FromRef,
    http::Uri,
    routing::{get, post},
};
use kernel::{
    Db, Error, Operator, Result,
    access::OperatorToken,
    extract::Path,
    id::{JobId, TenantId},
    jobs::{JobState, LaneFigures, TenantJob},
    permission::{Permission, QueueRead, TenantsEnter},
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, CursorPages, EmptyState, Flash, Icon, Moment, Page, PageHeader,
    Query, SeeOther, Stat, Table, Tabs, Tone,
};

use super::{Names, QueueView};
use crate::{
    console::{address, number, page_of},
    tenants::locate,
};

const PAGE: &str = "/admin/jobs";

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new()
        .route(PAGE, get(show))
        .route("/admin/jobs/{tenant}/{job}/replay", post(replay))
}

/// The states that can be looked at: what runs, what waits, what died.
const STATES: [(JobState, &str); 4] = [
    (JobState::Running, "Running"),
    (JobState::Ready, "Waiting"),
    (JobState::Scheduled, "Scheduled"),
    (JobState::Dead, "Dead letters"),
];

async fn show(operator: Operator<QueueRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    let state = STATES
        .into_iter()
        .map(|(state, _)| state)
        .find(|state| query.get("state") == Some(state.as_str()))
        .unwrap_or(JobState::Running);
    let tenant = match query.get("tenant") {
        Some(name) => Some(locate(operator.db(), name).await?.id),
        None => None,
    };
    let found = super::view(&operator, state, tenant, &page_of(&query)).await?;
    let may_replay = operator.may(TenantsEnter::NAME);
    let body = view(&query, state, &found, may_replay, OffsetDateTime::now_utc());
    Ok(Page::new("Jobs", body))
}

fn view(
    query: &Query,
    state: JobState,
    found: &QueueView,
    may_replay: bool,
    now: OffsetDateTime,
) -> Markup {
    let sum = |figure: fn(&LaneFigures) -> i64| number(found.lanes.iter().map(figure).sum());
    let of = |state: JobState| query.without("cursor").with("state", state.as_str()).href();
    let tabs = STATES
        .into_iter()
        .fold(Tabs::new("State", of(state)), |tabs, (state, label)| {
            tabs.tab(label, of(state))
        });
    html! {
        (PageHeader::new("Jobs"))
        div.stack {
            div.tiles {
                (Stat::new("Waiting", sum(|lane| lane.ready)))
                (Stat::new("Running", sum(|lane| lane.running)))
                (Stat::new("Scheduled", sum(|lane| lane.scheduled)))
                (Stat::new("Dead letters", sum(|lane| lane.dead)))
            }
            (Card::new(lanes(found, now)).title("By tenant")
                .about("Those with most waiting first. A held lane's jobs wait for its tenant.").flush())
            div {
            (tabs)
            @if let Some(tenant) = query.get("tenant") {
                p { "Only of " code { (tenant) } ". " a href=(query.without("tenant").without("cursor").href()) { "Of all tenants" } }
            }
            (Card::new(jobs(found, state, may_replay, now)).flush().footer(html! {
                (CursorPages::new(query, found.jobs.next_cursor.as_deref(), found.jobs.data.len()))
            }))
            }
        }
    }
}

fn name(names: &Names, tenant: TenantId) -> Markup {
    html! {
        @match names.get(&tenant) {
            Some(named) => a href={ "/admin/tenants/" (named.slug) } { (named.name) },
            None => code { (tenant) },
        }
    }
}

fn lanes(found: &QueueView, now: OffsetDateTime) -> Markup {
    found
        .lanes
        .iter()
        .fold(
            Table::new("Queue by tenant")
                .column(Column::new("Tenant"))
                .column(Column::new("Lane"))
                .column(Column::new("Share").number())
                .column(Column::new("Waiting").number())
                .column(Column::new("Running").number())
                .column(Column::new("Scheduled").number())
                .column(Column::new("Dead").number())
                .column(Column::new("Oldest waits since"))
                .empty(EmptyState::new(
                    Icon::Layers,
                    "The queue is empty",
                    "Nothing waits, nothing runs and nothing died.",
                )),
            |table, lane| {
                table.row([
                    name(&found.names, lane.tenant),
                    html! {
                        @if lane.paused { (Badge::status(Tone::Warning, "Held")) }
                        @else { (Badge::status(Tone::Success, "Open")) }
                    },
                    html! { (lane.weight) },
                    html! { (number(lane.ready)) },
                    html! { (number(lane.running)) " of " (lane.max_running) },
                    html! { (number(lane.scheduled)) },
                    html! { (number(lane.dead)) },
                    html! {
                        @match lane.waiting_since {
                            Some(since) => (Moment::new(since, now)),
                            None => span.muted { "Nothing waits" },
                        }
                    },
                ])
            },
        )
        .render()
}

fn jobs(found: &QueueView, state: JobState, may_replay: bool, now: OffsetDateTime) -> Markup {
    let empty = match state {
        JobState::Dead => {
            EmptyState::new(Icon::Done, "No dead letters", "No job has failed for good.")
        }
        _ => EmptyState::new(
            Icon::Layers,
            "No such jobs",
            "There is none in this state now.",
        ),
    };
    let row = |found_job: &TenantJob| {
        let job = &found_job.job;
        let at = job.started_at.unwrap_or(job.run_at);
        [
            html! { code { (job.kind) } },
            name(&found.names, found_job.tenant),
            html! { (job.attempt) " of " (job.max_attempts) },
            html! { (Moment::new(at, now)) },
            html! {
                @match &job.last_error {
                    Some(error) => (error),
                    None => span.muted { "None" },
                }
            },
            html! {
                @if may_replay && state == JobState::Dead {
                    form method="post" action={ (PAGE) "/" (found_job.tenant) "/" (job.id) "/replay" } {
                        (Button::secondary("Replay").small())
                    }
                }
            },
        ]
    };
    found
        .jobs
        .data
        .iter()
        .fold(
            Table::new("Jobs")
                .column(Column::new("Kind"))
                .column(Column::new("Tenant"))
                .column(Column::new("Attempt"))
                .column(Column::new(if state == JobState::Ready {
                    "Due"
                } else {
                    "Since"
                }))
                .column(Column::new("Last error"))
                .column(Column::new("Acts").untitled())
                .empty(empty),
            |table, job| table.row(row(job)),
        )
        .render()
}

async fn replay(
    operator: Operator<TenantsEnter>,
    Path((tenant, job)): Path<(String, JobId)>,
) -> Result<SeeOther> {
    let back = SeeOther::new(format!("{PAGE}?state=dead"));
    match super::replay(&operator, &tenant, job).await {
        Ok(job) => Ok(back.flash(Flash::new(
            Tone::Success,
            format!("{} is in the queue again.", job.kind),
        ))),
        Err(Error::Conflict { detail, .. }) => Ok(back.flash(Flash::new(Tone::Danger, detail))),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use kernel::{jobs::Job, page};
    use time::{Duration, macros::datetime};

    use super::*;
    use crate::queue::Named;

    #[test]
    fn a_lane_and_a_dead_letter() {
        let now = datetime!(2026-03-02 12:00 UTC);
        let id = uuid::Uuid::from_u128(7);
        let named = Named {
            slug: "acme".to_owned(),
            name: "Acme & Sons".to_owned(),
        };
        let found = QueueView {
            lanes: vec![LaneFigures {
                tenant: id.into(),
                weight: 2,
                max_running: 16,
                paused: true,
                ready: 1200,
                scheduled: 3,
                running: 0,
                dead: 1,
                waiting_since: Some(now - Duration::hours(2)),
            }],
            jobs: page::Page {
                data: vec![TenantJob {
                    tenant: id.into(),
                    job: Job {
                        id: id.into(),
                        kind: "converse.send".to_owned(),
                        state: JobState::Dead,
                        attempt: 10,
                        max_attempts: 10,
                        run_at: now - Duration::hours(3),
                        created_at: now - Duration::hours(3),
                        started_at: Some(now - Duration::hours(2)),
                        finished_at: Some(now - Duration::hours(2)),
                        last_error: Some("provider_error: <refused>".to_owned()),
                        actor: "webhook:whatsapp".to_owned(),
                        correlation_id: id.into(),
                    },
                }],
                next_cursor: Some("abc".to_owned()),
            },
            names: [(id.into(), named)].into(),
        };
        let query = Query::new(PAGE, "state=dead");
        let drawn = view(&query, JobState::Dead, &found, true, now).into_string();
        insta::assert_snapshot!(drawn);
        assert!(
            !view(&query, JobState::Dead, &found, false, now)
                .into_string()
                .contains("/replay")
        );
    }
}
