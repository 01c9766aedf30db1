//! `/admin`.

use axum::{Router, extract::FromRef, routing::get};
use kernel::{Db, Operator, Result, access::OperatorToken, permission::TenantsRead};
use maud::{Markup, Render, html};
use time::{OffsetDateTime, macros::format_description};
use ui::{
    Badge, BarChart, Card, Column, LineChart, Moment, Page, PageHeader, Sparkline, Stat, Table,
    Tone,
};

use super::{Day, Overview};
use crate::console::number;

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
{
    Router::new().route("/admin", get(overview))
}

async fn overview(operator: Operator<TenantsRead>) -> Result<Page> {
    let now = OffsetDateTime::now_utc();
    let overview = super::read(&operator, now).await?;
    Ok(Page::new("Overview", view(&overview, now)))
}

/// Where figures turn from normal to worth a look.
const SLOW_QUEUE: time::Duration = time::Duration::minutes(5);
const SLOW_DATABASE: std::time::Duration = std::time::Duration::from_millis(500);

fn as_float(value: i64) -> f64 {
    // Counts of a day are far below the 2^53 up to which this is exact.
    value as f64
}

pub(crate) fn view(overview: &Overview, now: OffsetDateTime) -> Markup {
    html! {
        (PageHeader::new("Overview"))
        div.stack {
            (tiles(overview, now))
            (charts(&overview.days))
            (Card::new(health(overview, now)).title("Health").flush())
        }
    }
}

fn tiles(overview: &Overview, now: OffsetDateTime) -> Markup {
    let [provisioning, active, suspended, closed] = overview.tenants;
    let queue = &overview.queue;
    let waiting = match queue
        .waiting_since
        .filter(|since| now - *since > SLOW_QUEUE)
    {
        Some(since) => (
            Tone::Warning,
            format!("Waiting for {} minutes", (now - since).whole_minutes()),
        ),
        None => (Tone::Success, format!("{} running", number(queue.running))),
    };
    let messages = overview
        .days
        .iter()
        .map(|day| as_float(day.received + day.sent));
    let today = overview.days.last();
    let (failed_tone, failed) = failed(overview.calls);
    html! {
        div.tiles {
            (Stat::new("Active tenants", number(active)).to("/admin/tenants?status=active")
                .change(Tone::Neutral, format!("{} new in 30 days", number(overview.new_tenants))))
            (Stat::new("Suspended", number(suspended)).to("/admin/tenants?status=suspended")
                .change(Tone::Neutral, format!("{} provisioning, {} closed", number(provisioning), number(closed))))
            (Stat::new("People", number(overview.users)).to("/admin/users"))
            (Stat::new("Messages today", number(today.map_or(0, |day| day.received + day.sent)))
                .course(Sparkline::new("Messages per day, last 14 days", messages)))
            (Stat::new("Jobs waiting", number(queue.ready)).change(waiting.0, waiting.1).to("/admin/jobs"))
            (Stat::new("Dead letters", number(queue.dead)).to("/admin/jobs?state=dead")
                .change(if queue.dead == 0 { Tone::Success } else { Tone::Danger },
                    if queue.dead == 0 { "Nothing to replay" } else { "Waiting to be replayed" }))
            (Stat::new("Failed calls, 24 hours", failed).change(failed_tone,
                format!("of {} to providers", number(overview.calls.0))))
            (Stat::new("Quarantined, 24 hours", number(overview.quarantined.0)).to("/admin/quarantine")
                .change(Tone::Neutral, format!("{} in all", number(overview.quarantined.1))))
        }
    }
}

fn failed((made, failed): (i64, i64)) -> (Tone, String) {
    let tone = match failed * 100 {
        0 => Tone::Success,
        share if share < made * 5 => Tone::Neutral,
        _ => Tone::Danger,
    };
    (tone, number(failed))
}

fn charts(days: &[Day]) -> Markup {
    let label = format_description!("[day padding:none] [month repr:short]");
    let labels: Vec<String> = days
        .iter()
        .map(|day| day.date.format(label).unwrap_or_default())
        .collect();
    let sum = |value: fn(&Day) -> i64| number(days.iter().map(value).sum());
    html! {
        div.columns {
            (Card::new(BarChart::new("Messages per day",
                    format!("{} received and {} sent in two weeks.", sum(|day| day.received), sum(|day| day.sent)),
                    labels.clone())
                .series("Received", days.iter().map(|day| as_float(day.received)))
                .series("Sent", days.iter().map(|day| as_float(day.sent)))
                .stacked().render()))
            (Card::new(LineChart::new("Webhooks per day",
                    format!("{} stored in two weeks.", sum(|day| day.webhooks)), labels)
                .series("Webhooks", days.iter().map(|day| as_float(day.webhooks))).render()))
        }
    }
}

fn health(overview: &Overview, now: OffsetDateTime) -> Markup {
    let answer = |took: std::time::Duration| {
        let tone = if took < SLOW_DATABASE {
            Tone::Success
        } else {
            Tone::Warning
        };
        let word = if took < SLOW_DATABASE {
            "Answers"
        } else {
            "Slow"
        };
        html! { (Badge::status(tone, word)) }
    };
    let queue = &overview.queue;
    let worker = match (queue.abandoned, queue.waiting_since) {
        (0, Some(since)) if now - since > SLOW_QUEUE => (Tone::Warning, "Behind"),
        (0, _) => (Tone::Success, "Keeps up"),
        _ => (Tone::Danger, "Jobs abandoned"),
    };
    let (waiting, dead) = overview.mail;
    let mut table = Table::new("Health of the installation")
        .column(Column::new("Part"))
        .column(Column::new("State"))
        .column(Column::new("Detail"))
        .row([
            html! { "Control database" },
            answer(overview.control_took),
            html! { (overview.control_took.as_millis()) " ms for four queries" },
        ]);
    for cell in &overview.cells {
        table = table.row([
            html! { "Cell " (cell.name) },
            answer(cell.took),
            html! { (cell.took.as_millis()) " ms for five queries, region " (cell.region) },
        ]);
    }
    table
        .row([
            html! { "Workers" },
            html! { (Badge::status(worker.0, worker.1)) },
            html! {
                @match queue.waiting_since {
                    Some(since) => { "The oldest waiting job was due " (Moment::new(since, now)) },
                    None => "Nothing waits",
                }
                @if queue.abandoned > 0 { ", " (number(queue.abandoned)) " without a worker" }
            },
        ])
        .row([
            html! { "Mail" },
            html! {
                @if dead == 0 { (Badge::status(Tone::Success, "Leaves")) }
                @else { (Badge::status(Tone::Danger, "Letters undelivered")) }
            },
            html! { (number(waiting)) " waiting, " (number(dead)) " given up" },
        ])
        .render()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::{date, datetime};

    use super::*;
    use crate::overview::{CellHealth, Queue};

    #[test]
    fn a_busy_installation() {
        let now = datetime!(2026-03-02 12:00 UTC);
        let day = |date, received| Day {
            date,
            received,
            sent: received / 2,
            webhooks: received * 2,
        };
        let overview = Overview {
            tenants: [1, 1204, 7, 12],
            new_tenants: 31,
            users: 5402,
            days: vec![
                day(date!(2026 - 03 - 01), 2100),
                day(date!(2026 - 03 - 02), 900),
            ],
            queue: Queue {
                ready: 412,
                scheduled: 9,
                running: 16,
                dead: 3,
                waiting_since: Some(now - time::Duration::minutes(9)),
                abandoned: 1,
            },
            quarantined: (2, 19),
            calls: (1000, 71),
            mail: (0, 1),
            cells: vec![CellHealth {
                id: kernel::id::CellId::new(),
                name: "default".to_owned(),
                region: "local".to_owned(),
                took: Duration::from_millis(12),
            }],
            control_took: Duration::from_millis(3),
        };
        insta::assert_snapshot!(view(&overview, now).into_string());
    }
}
