//! The overview as a function of its figures.

use converse::activity::{Activity, Day};
use kernel::db::Tenant;
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{Button, Card, Checklist, EmptyState, Icon, LineChart, PageHeader, Sparkline, Stat, Tone};

use super::Overview;

/// Days that the tiles show, of twice as many that are read.
const WEEK: usize = 7;

pub fn page(
    tenant: &Tenant,
    overview: &Overview,
    may: impl Fn(&str) -> bool,
    now: OffsetDateTime,
) -> Markup {
    let steps = steps(tenant, overview, may);
    let (done, all) = steps.progress();
    let is_bare = overview.activity.is_none()
        && overview.credentials.is_none()
        && overview.api_keys.is_none();
    html! {
        (PageHeader::new("Overview").about(html! { "The last seven days of this account." }))
        div.stack {
            @if done < all {
                (Card::new(steps.render()).title("Set up")
                    .about(format!("{done} of {all} done. This goes away by itself.")))
            }
            (tiles(tenant, overview))
            @if let Some(activity) = &overview.activity { (Card::new(chart(activity))) }
            @if let Some(recent) = &overview.recent {
                @let empty = EmptyState::new(Icon::Chat, "Nobody has written yet",
                    "Conversations appear here as soon as somebody writes to a channel that you have connected.");
                @let table = converse::conversations::pages::recent(tenant, recent, now).empty(empty);
                (Card::new(table.render()).title("Latest conversations").flush()
                    .actions(html! { (Button::quiet("View all").small().to(tenant.href("/conversations"))) }))
            }
            @if is_bare {
                (Card::new(EmptyState::new(Icon::Info, "Your role sees no figures here",
                    "The menu leads to what it may see.")
                    .action(html! { (Button::secondary("What you may do").to(tenant.href("/membership"))) })
                    .render()).flush())
            }
        }
    }
}

fn steps(tenant: &Tenant, overview: &Overview, may: impl Fn(&str) -> bool) -> Checklist {
    let mut steps = Checklist::new();
    if let Some(figures) = overview.credentials.filter(|_| may("credentials:write")) {
        steps = steps
            .step(
                figures.credentials > 0,
                "Connect an account",
                "WhatsApp, Twilio or Telegram for messages; a language model to answer them.",
                tenant.href("/credentials/new"),
            )
            .step(
                figures.webhook_received,
                "Receive a webhook",
                "Enter the webhook URL of your credential at the provider, and write to yourself.",
                tenant.href("/credentials"),
            );
    }
    if let Some(activity) = overview.activity.as_ref().filter(|_| may("agents:write")) {
        steps = steps.step(
            activity.agent_answered,
            "Let an agent answer",
            "Create an agent by the API: its model, and what it is to know.",
            "/docs/api",
        );
    }
    if let Some(team) = overview.team.filter(|_| may("members:write")) {
        steps = steps.step(
            team.members > 1 || team.invited > 0,
            "Invite your team",
            "Colleagues see what their role lets them see.",
            tenant.href("/team/invitations/new"),
        );
    }
    steps
}

fn tiles(tenant: &Tenant, overview: &Overview) -> Markup {
    html! {
        div.tiles {
            @if let Some(activity) = &overview.activity {
                @let of = |label: &str, figure: fn(&Day) -> i64, more| tile(activity, label, figure, more);
                (of("Messages received", |day| day.received, Tone::Success).to(tenant.href("/conversations")))
                (of("Messages sent", |day| day.sent, Tone::Success))
                (of("Failures", |day| day.failed, Tone::Danger))
            }
            @if let Some(keys) = overview.api_keys {
                (Stat::new("API keys", keys.to_string()).change(Tone::Neutral, "that work now")
                    .to(tenant.href("/api-keys")))
            }
            @if let Some(figures) = overview.credentials {
                @let (tone, words) = match figures.refused {
                    0 => (Tone::Success, format!("{} connected, none refused", figures.credentials)),
                    _ => (Tone::Danger, "refused by their provider".to_owned()),
                };
                (Stat::new("Credentials with problems", figures.refused.to_string()).change(tone, words)
                    .to(tenant.href("/credentials")))
            }
        }
    }
}

/// A week's sum, how it changed, and its course. `more` is the tone of an increase.
fn tile(activity: &Activity, label: &str, figure: fn(&Day) -> i64, more: Tone) -> Stat {
    let values: Vec<i64> = activity.days.iter().map(figure).collect();
    let (before, week) = values.split_at(values.len().saturating_sub(WEEK));
    let (before, now): (i64, i64) = (before.iter().sum(), week.iter().sum());
    let course = Sparkline::new(
        format!("{label} per day, last seven days"),
        week.iter().map(|value| *value as f64),
    );
    let (tone, words) = change(before, now, more);
    Stat::new(label, now.to_string())
        .change(tone, words)
        .course(course)
}

fn change(before: i64, now: i64, more: Tone) -> (Tone, String) {
    let percent = match before {
        0 => None,
        before => Some(((now - before) as f64 / before as f64 * 100.0).round()),
    };
    match percent {
        _ if before == now => (Tone::Neutral, "as in the week before".to_owned()),
        None => (Tone::Neutral, "none in the week before".to_owned()),
        Some(percent) => {
            let tone = match (now > before, more) {
                (true, more) => more,
                (false, Tone::Danger) => Tone::Success,
                (false, _) => Tone::Neutral,
            };
            (tone, format!("{percent:+} % on the week before"))
        }
    }
}

fn chart(activity: &Activity) -> Markup {
    let days = &activity.days;
    let labels = days
        .iter()
        .map(|day| format!("{} {}", day.date.day(), short(day.date.month())));
    let series = |figure: fn(&Day) -> i64| days.iter().map(move |day| figure(day) as f64);
    LineChart::new(
        "Messages per day",
        "Messages received and sent on each of the last fourteen days, in UTC.",
        labels,
    )
    .series("Received", series(|day| day.received))
    .series("Sent", series(|day| day.sent))
    .render()
}

fn short(month: time::Month) -> String {
    month.to_string().chars().take(3).collect()
}

#[cfg(test)]
mod tests {
    use connect::credentials::state::Figures;
    use identity::figures::Team;
    use kernel::{
        db::TenantStatus,
        id::{CellId, TenantId},
    };
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-03-14 12:00 UTC);

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from(uuid::Uuid::nil()),
            slug: "acme".to_owned(),
            status: TenantStatus::Active,
            suspension: None,
            cell: CellId::from(uuid::Uuid::nil()),
            epoch: 1,
        }
    }

    fn overview() -> Overview {
        let days = (0..14).map(|day| Day {
            date: NOW.date() - time::Duration::days(13 - day),
            received: day,
            sent: day / 2,
            failed: 0,
        });
        Overview {
            activity: Some(Activity {
                days: days.collect(),
                agent_answered: true,
            }),
            recent: Some(Vec::new()),
            credentials: Some(Figures {
                credentials: 2,
                refused: 1,
                webhook_received: false,
            }),
            api_keys: Some(3),
            team: Some(Team {
                members: 1,
                invited: 0,
            }),
        }
    }

    #[test]
    fn an_owners_overview() {
        let html = page(&tenant(), &overview(), |_| true, NOW).into_string();
        insta::assert_snapshot!(html.replace("><", ">\n<"));
    }

    #[test]
    fn nobody_is_told_of_what_they_may_not_see() {
        let html = page(&tenant(), &Overview::default(), |_| false, NOW).into_string();
        for hidden in ["Messages", "API keys", "Credentials", "Set up", "Latest"] {
            assert!(!html.contains(hidden), "{hidden}: {html}");
        }
        assert!(html.contains("Your role sees no figures here"));
    }

    #[test]
    fn changes_are_told_in_words() {
        for (before, now, words) in [
            (0, 0, "as in the week before"),
            (0, 5, "none in the week before"),
            (10, 15, "+50 % on the week before"),
            (10, 0, "-100 % on the week before"),
        ] {
            assert_eq!(change(before, now, Tone::Success).1, words);
        }
        assert_eq!(change(1, 2, Tone::Danger).0, Tone::Danger);
        assert_eq!(change(2, 1, Tone::Danger).0, Tone::Success);
    }
}
