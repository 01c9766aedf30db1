//! Figures, lists and single values.

use maud::{Markup, Render, html};
use time::{Duration, OffsetDateTime};

use crate::{
    Badge, BarChart, Button, Card, Checklist, CodeBlock, Column, Copyable, CursorPages, EmptyState,
    Facts, FilterBar, Icon, LineChart, Moment, Query, ShownSecret, Sparkline, Stat, Steps, Table,
    Timeline, Tone,
};

const DAYS: [&str; 14] = [
    "1 Mar", "2 Mar", "3 Mar", "4 Mar", "5 Mar", "6 Mar", "7 Mar", "8 Mar", "9 Mar", "10 Mar",
    "11 Mar", "12 Mar", "13 Mar", "14 Mar",
];
const MESSAGES: [f64; 14] = [
    3210.0, 3480.0, 3390.0, 4120.0, 4510.0, 3050.0, 2890.0, 3920.0, 4480.0, 4710.0, 4630.0, 5240.0,
    3980.0, 5612.0,
];

pub(super) fn figures() -> Markup {
    let course = |label: &str, factor: f64| {
        Sparkline::new(
            label,
            MESSAGES.map(|value| (value * factor) % 97.0 + value / 60.0),
        )
    };
    html! {
        div.tiles {
            (Stat::new("Messages today", "5,612")
                .change(Tone::Success, "+12 % on last week")
                .course(Sparkline::new("Messages per day, last 14 days", MESSAGES)).to("#messages"))
            (Stat::new("Median reply", "1.8 s")
                .change(Tone::Success, "−0.3 s on last week").course(course("Seconds", 0.7)))
            (Stat::new("Failed jobs", "23")
                .change(Tone::Danger, "+9 since yesterday").course(course("Failed jobs per day", 1.3)))
            (Stat::new("Tenants", "1,204").change(Tone::Neutral, "No change"))
        }
        div.columns {
            (Card::new(LineChart::new("Webhook latency", "Both percentiles stay below 60 ms; the 99th rises on 12 March.", DAYS)
                .unit(" ms")
                .series("Median", [4.0, 4.2, 4.1, 4.8, 5.0, 4.4, 4.1, 4.6, 5.1, 5.3, 5.2, 6.0, 4.9, 5.4])
                .series("99th percentile", [21.0, 24.0, 22.0, 29.0, 31.0, 24.0, 20.0, 27.0, 33.0, 36.0, 34.0, 57.0, 30.0, 35.0])
                .render()))
            (Card::new(LineChart::new("Messages", "Grows from 3,210 to 5,612 a day, with a dip at each weekend.", DAYS)
                .series("Messages", MESSAGES).render()))
            (Card::new(BarChart::new("Messages by channel", "WhatsApp carries about half of all messages.", DAYS)
                .series("WhatsApp", MESSAGES.map(|value| (value * 0.52).round()))
                .series("Voice", MESSAGES.map(|value| (value * 0.3).round()))
                .series("E-mail", MESSAGES.map(|value| (value * 0.18).round()))
                .stacked().render()))
            (Card::new(BarChart::new("Balance by month", "Gains and losses alternate.", ["Jan", "Feb", "Mar", "Apr", "May", "Jun"])
                .unit(" €")
                .series("2025", [12.0, -7.5, 22.25, 31.0, -4.0, 18.0])
                .series("2026", [16.0, 3.5, 19.0, 38.0, 9.0, -11.0]).render()))
        }
    }
}

struct Sample {
    name: &'static str,
    slug: &'static str,
    status: (Tone, &'static str),
    plan: &'static str,
    messages: &'static str,
    hours: i64,
}

const TENANTS: [Sample; 6] = [
    Sample {
        name: "Northwind Traders",
        slug: "northwind",
        status: (Tone::Success, "Active"),
        plan: "Scale",
        messages: "184,220",
        hours: 0,
    },
    Sample {
        name: "Contoso Health",
        slug: "contoso",
        status: (Tone::Success, "Active"),
        plan: "Enterprise",
        messages: "92,871",
        hours: 5,
    },
    Sample {
        name: "Fabrikam",
        slug: "fabrikam",
        status: (Tone::Warning, "Past due"),
        plan: "Scale",
        messages: "41,006",
        hours: 30,
    },
    Sample {
        name: "Tailspin Toys",
        slug: "tailspin",
        status: (Tone::Danger, "Suspended"),
        plan: "Starter",
        messages: "0",
        hours: 900,
    },
    Sample {
        name: "Wide World Importers",
        slug: "wide-world",
        status: (Tone::Info, "Trial"),
        plan: "Trial",
        messages: "312",
        hours: 52,
    },
    Sample {
        name: "Adventure Works Cycles",
        slug: "adventure",
        status: (Tone::Neutral, "Closed"),
        plan: "None",
        messages: "7,915",
        hours: 12_000,
    },
];

pub(super) fn lists(query: &Query, now: OffsetDateTime) -> Markup {
    let bar = FilterBar::new(query)
        .search("q", "Search tenants")
        .choice(
            "status",
            "Status",
            [("active", "Active"), ("suspended", "Suspended")],
        )
        .choice("plan", "Plan", [("starter", "Starter"), ("scale", "Scale")]);
    let table = Table::new("Tenants")
        .query(query)
        .column(Column::new("Name").sort("name"))
        .column(Column::new("Status"))
        .column(Column::new("Plan").sort("plan"))
        .column(Column::new("Messages").sort("messages").number())
        .column(Column::new("Last seen").sort("last_seen"))
        .column(Column::new("Actions").untitled());
    let words = query.get("q").unwrap_or_default().to_lowercase();
    let shown = TENANTS
        .iter()
        .filter(|one| one.name.to_lowercase().contains(&words));
    let count = shown.clone().count();
    let table = shown.fold(table, |table, one| {
        table.linked(
            format!("#{}", one.slug),
            [
                html! { (one.name) },
                Badge::status(one.status.0, one.status.1).render(),
                html! { (one.plan) },
                html! { (one.messages) },
                Moment::new(now - Duration::hours(one.hours), now).render(),
                Button::quiet(format!("More about {}", one.name))
                    .icon_only(Icon::More)
                    .small()
                    .to(format!("#{}", one.slug))
                    .render(),
            ],
        )
    });
    let empty = EmptyState::new(
        Icon::Search,
        "No tenant matches",
        "Try fewer words, or clear the filters.",
    )
    .action(html! { (Button::secondary("Clear filters").to(query.path())) });
    let pages = CursorPages::new(query, Some("next"), count);
    html! {
        div {
            (bar)
            (Card::new(table.empty(empty).render()).flush().footer(pages.render()))
        }
        (Card::new(set_up().render()).title("Set up").about("1 of 3 done."))
        (Card::new(elsewhere().render()).title("At the provider").about("Steps that are done elsewhere."))
        div.columns {
            (Card::new(history(now)).title("Activity").actions(html! { (Button::quiet("View all").small().to("#lists")) }))
            (Card::new(Table::new("Keys").column(Column::new("Name")).column(Column::new("Used").number())
                .empty(EmptyState::new(Icon::Key, "No keys yet", "A key lets your programs call the API in this tenant's name.")
                    .action(html! { (Button::primary("Create a key").icon(Icon::Plus).to("#keys")) }))
                .render()).title("API keys").about("What your programs sign in with.").flush())
        }
    }
}

fn set_up() -> Checklist {
    Checklist::new()
        .step(
            true,
            "Connect an account",
            "At WhatsApp, Twilio or Telegram.",
            "#values",
        )
        .step(
            false,
            "Receive a webhook",
            "Enter the URL at the provider.",
            "#values",
        )
        .step(
            false,
            "Invite your team",
            "Each sees what their role lets them see.",
            "#forms",
        )
}

fn elsewhere() -> Steps {
    Steps::new()
        .step(
            Some("Console → Phone numbers → Active numbers"),
            html! { p { "Enter " (Copyable::new("webhook URL", "https://hooks.example.com/hooks/acme/twilio")) " as webhook." } },
        )
        .step(None, html! { p { "Then send a message to the number." } })
}

fn history(now: OffsetDateTime) -> Markup {
    let at = |minutes| Moment::new(now - Duration::minutes(minutes), now);
    Timeline::new()
        .event(
            Tone::Success,
            Icon::Key,
            at(2),
            html! { b { "Ada Lovelace" } " rotated the key " b { "Production" } },
            None,
        )
        .event(
            Tone::Warning,
            Icon::Shield,
            at(95),
            html! { b { "Operator" } " entered this tenant, read-only" },
            Some(html! { "Ticket 4711: “messages arrive twice”. Ends after 30 minutes." }),
        )
        .event(
            Tone::Danger,
            Icon::Alert,
            at(1_500),
            html! { "The webhook " b { "orders" } " was switched off after 24 hours of failures" },
            None,
        )
        .event(
            Tone::Neutral,
            Icon::User,
            at(9_000),
            html! { b { "Grace Hopper" } " joined as developer" },
            None,
        )
        .render()
}

pub(super) fn values(now: OffsetDateTime) -> Markup {
    html! {
        div.columns {
            (Card::new(Facts::new()
                .fact("Tenant", html! { "Northwind Traders" })
                .fact("Id", Copyable::new("tenant id", "ten_01jq7v0q3ne5b8m0x9kz4w2r6t").render())
                .fact("Status", Badge::status(Tone::Success, "Active").render())
                .fact("Created", Moment::new(now - Duration::days(412), now).render())
                .fact("Trial ends", Moment::new(now + Duration::days(9), now).render())
                .maybe("Region", Some("eu-central"))
                .maybe("Custom domain", None)
                .render()).title("Details"))
            (Card::new(html! {
                div.stack {
                    (ShownSecret::masked("signing secret", "whsec_4eC39HqLyjWDarjtT1zdp7dc"))
                    (ShownSecret::once("API key", "fh_live_7Qm2VbX9tRk4Zs8Yw1Nc6Jd3Lf5Hg0Pa_9fK2x"))
                }
            }).title("Secrets"))
        }
        (CodeBlock::new("Request", "curl https://api.example.com/v1/messages \\\n  -H \"Authorization: Bearer $FREEHOLD_KEY\" \\\n  -H \"Idempotency-Key: 5f0c\" \\\n  -d '{\"to\": \"+491701234567\", \"text\": \"Your order <4711> is on its way\"}'"))
    }
}
