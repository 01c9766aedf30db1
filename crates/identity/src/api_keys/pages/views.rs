//! What the pages of API keys look like: functions of what was read.

use kernel::{access::api_key::Mode, db::Tenant, page, refusal::Refusal};
use maud::{Markup, Render, html};
use time::{Date, Duration, OffsetDateTime, format_description::well_known::Iso8601};
use ui::{
    Badge, BarChart, Button, Card, Checkbox, CodeBlock, Column, Confirm, Copyable, CursorPages,
    EmptyState, Facts, Field, Fieldset, Icon, Moment, Notice, PageHeader, Radios, ShownSecret,
    Table, Tone,
};

use super::super::{ApiKeyView, IssuedApiKey, usage::DayOfUse};
use crate::roles::{RoleView, words};
use kernel::extract::Fields;

/// How long before its end a key is said to end soon.
const SOON: Duration = Duration::days(14);
/// Days that the chart of use shows.
const CHARTED: i64 = 30;

fn href(tenant: &Tenant, key: &ApiKeyView, page: &str) -> String {
    tenant.href(&format!("/api-keys/{}{page}", key.id))
}

fn has_ended(key: &ApiKeyView, now: OffsetDateTime) -> bool {
    key.revoked_at.is_some() || key.expires_at.is_some_and(|end| end <= now)
}

fn status(key: &ApiKeyView, now: OffsetDateTime) -> Badge {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => Badge::status(Tone::Danger, "Revoked"),
        (None, Some(end)) if end <= now => Badge::status(Tone::Neutral, "Expired"),
        (None, Some(end)) if end - now < SOON => Badge::status(Tone::Warning, "Expires soon"),
        (None, _) => Badge::status(Tone::Success, "Active"),
    }
}

fn mode(mode: Mode) -> Badge {
    match mode {
        Mode::Live => Badge::new(Tone::Info, "Live"),
        Mode::Test => Badge::new(Tone::Neutral, "Test"),
    }
}

pub fn list(
    tenant: &Tenant,
    keys: &page::Page<ApiKeyView>,
    here: &ui::Query,
    may_change: bool,
    now: OffsetDateTime,
) -> Markup {
    let new = || {
        Button::primary("New API key")
            .icon(Icon::Plus)
            .to(tenant.href("/api-keys/new"))
    };
    let mut header = PageHeader::new("API keys").about(html! {
        "Your programs sign in with these. "
        a href="/docs/api" { "Read what the API offers" } "."
    });
    let mut empty = EmptyState::new(
        Icon::Key,
        "No keys yet",
        "A key lets your programs call the API in this account's name, with the permissions you give it.",
    );
    if may_change {
        header = header.actions(html! {
            (Button::secondary("Prefix").to(tenant.href("/api-keys/prefix")))
            (new())
        });
        empty = empty.action(new().render());
    }
    let table = Table::new("API keys")
        .column(Column::new("Name"))
        .column(Column::new("Key"))
        .column(Column::new("Status"))
        .column(Column::new("Last used"))
        .column(Column::new("Created"))
        .empty(empty);
    let table = keys.data.iter().fold(table, |table, key| {
        table.linked(
            href(tenant, key, ""),
            [
                html! { (key.name) },
                html! { code { (key.display) "…" } },
                status(key, now).render(),
                when(key.last_used_at, now, "Never"),
                Moment::new(key.created_at, now).render(),
            ],
        )
    });
    let pages = CursorPages::new(here, keys.next_cursor.as_deref(), keys.data.len());
    html! {
        (header)
        (Card::new(table.render()).flush().footer(pages.render()))
    }
}

fn when(at: Option<OffsetDateTime>, now: OffsetDateTime, never: &str) -> Markup {
    match at {
        Some(at) => Moment::new(at, now).render(),
        None => html! { span.muted { (never) } },
    }
}

pub fn new(
    tenant: &Tenant,
    roles: &[RoleView],
    may: impl Fn(&str) -> bool,
    form: &Fields,
    refusal: &Refusal,
) -> Markup {
    let wrong = |field: &str| refusal.of(field);
    let chosen: Vec<&str> = form.all("permissions").collect();
    let mode = match form.get("mode") {
        "" => "test",
        mode => mode,
    };
    let offered = roles.iter().filter(|role| {
        role.builtin
            && !role.permissions.is_empty()
            && role.permissions.iter().all(|name| may(name))
    });
    let offered = std::iter::once((String::new(), "None: choose below".to_owned())).chain(
        offered.map(|role| {
            (
                role.name.clone(),
                format!("As a member with the role {}", role.name),
            )
        }),
    );
    let body = html! {
        (Field::text("name", "Name").value(form.get("name")).max_length(200).autofocus()
            .hint("What it is for, so that you know it again: \"Booking site\".").error(wrong("name")))
        (Radios::new("mode", "Mode").value(mode).error(wrong("mode"))
            .explained("test", "Test", "For trying things out. Its text says so.")
            .explained("live", "Live", "For what your customers use."))
        (Field::select("days", "Ends", [
                ("30", "After 30 days"), ("90", "After 90 days"), ("365", "After a year"), ("", "Never"),
            ]).value(form.get("days")).optional().error(wrong("days").or_else(|| wrong("expires_at"))))
        (Field::select("role", "Permissions", offered).value(form.get("role")).optional()
            .error(wrong("role")))
        details open[!chosen.is_empty() || wrong("permissions").is_some()] {
            summary { "Choose permissions one by one" }
            div.stack {
                @if let Some(error) = wrong("permissions") { (Notice::new(Tone::Danger, error)) }
                @for (title, permissions) in words::groups() {
                    (Fieldset::new(title, html! {
                        @for (name, label) in permissions {
                            (Checkbox::new("permissions", label).value(name).disabled(!may(name))
                                .checked(chosen.contains(&name)))
                        }
                    }))
                }
            }
        }
    };
    let buttons = html! {
        (Button::primary("Create the key"))
        (Button::secondary("Cancel").to(tenant.href("/api-keys")))
    };
    let form = ui::Form::post(tenant.href("/api-keys"), body, buttons);
    html! {
        div.narrow {
            (PageHeader::new("New API key").crumb("API keys", tenant.href("/api-keys")))
            (Card::new(form.errors(refusal.all()).render()))
        }
    }
}

pub fn issued(tenant: &Tenant, issued: &IssuedApiKey, title: &str, now: OffsetDateTime) -> Markup {
    let key = &issued.api_key;
    let until = key.previous_until.map(|until| Moment::new(until, now));
    let example = "curl -H \"Authorization: Bearer $FREEHOLD_API_KEY\" …/v1/conversations";
    html! {
        div.narrow {
            (PageHeader::new(title).crumb("API keys", tenant.href("/api-keys"))
                .crumb(&key.name, href(tenant, key, "")))
            div.stack {
                (Card::new(html! {
                    div.stack {
                        (ShownSecret::once("API key", issued.key.expose()))
                        @if let Some(until) = until {
                            p { "The secret that it replaces is taken until it ends " (until) "." }
                        }
                    }
                }))
                (CodeBlock::new("How your program shows it", example))
                div.actions { (Button::primary("Done").to(href(tenant, key, ""))) }
            }
        }
    }
}

pub fn show(
    tenant: &Tenant,
    key: &ApiKeyView,
    usage: &[DayOfUse],
    may_change: bool,
    now: OffsetDateTime,
) -> Markup {
    let mut header = PageHeader::new(&key.name)
        .crumb("API keys", tenant.href("/api-keys"))
        .beside(html! { (status(key, now)) (mode(key.mode)) });
    if may_change && !has_ended(key, now) {
        header = header.actions(html! {
            (Button::secondary("Rotate").to(href(tenant, key, "/rotate")))
            (Button::danger("Revoke").to(href(tenant, key, "/revoke")))
        });
    }
    let mut facts = Facts::new()
        .fact("Key", html! { code { (key.display) "…" } })
        .fact("Id", Copyable::new("key id", key.id.to_string()).render())
        .fact("Created", Moment::new(key.created_at, now).render())
        .fact("Last used", when(key.last_used_at, now, "Never"))
        .maybe("From", key.last_used_ip.as_deref())
        .fact("Ends", when(key.expires_at, now, "Never"));
    if let Some(at) = key.revoked_at {
        facts = facts.fact("Revoked", Moment::new(at, now).render());
    }
    if let Some(until) = key.previous_until {
        facts = facts.fact("Replaced secret ends", Moment::new(until, now).render());
    }
    html! {
        (header)
        div.stack {
            (Card::new(facts.render()).title("Details"))
            (Card::new(used(usage, now).render()).title("Use"))
            (Card::new(permissions(key).render()).title("Permissions").flush())
        }
    }
}

/// Requests on each of the last days, those without any included.
fn used(usage: &[DayOfUse], now: OffsetDateTime) -> BarChart {
    let today = now.date();
    let days: Vec<Date> = (0..CHARTED)
        .rev()
        .filter_map(|ago| today.checked_sub(Duration::days(ago)))
        .collect();
    let requests = |day: &Date| {
        let name = day.format(&Iso8601::DATE).unwrap_or_default();
        let known = usage.iter().find(|used| used.day == name);
        known.map_or(0, |used| used.requests)
    };
    let counts: Vec<i64> = days.iter().map(requests).collect();
    let total: i64 = counts.iter().sum();
    let about = format!("{total} requests in the last {CHARTED} days.");
    let label = |day: &Date| format!("{} {:.3}", day.day(), day.month().to_string());
    BarChart::new("Requests per day", about, days.iter().map(label))
        .series("Requests", counts.into_iter().map(|count| count as f64))
}

fn permissions(key: &ApiKeyView) -> Table {
    let known: Vec<_> = words::groups()
        .into_iter()
        .flat_map(|(_, words)| words)
        .collect();
    let table = Table::new("Permissions")
        .column(Column::new("May"))
        .column(Column::new("Permission"));
    key.permissions.iter().fold(table, |table, name| {
        let label = known.iter().find(|(known, _)| known == name);
        let label = label.map_or(name.as_str(), |(_, label)| label);
        table.row([html! { (label) }, html! { code { (name) } }])
    })
}

pub fn rotate(tenant: &Tenant, key: &ApiKeyView, refusal: &Refusal) -> Markup {
    let wrong = refusal.of("grace_seconds");
    let body = html! {
        p { "The key keeps its name and permissions and gets a new secret, which is shown once." }
        (Radios::new("grace_seconds", "The old secret").value("86400").error(wrong)
            .explained("86400", "Ends after a day", "Time to put the new one in place everywhere.")
            .option("3600", "Ends after an hour")
            .option("604800", "Ends after a week")
            .explained("0", "Ends at once", "For a secret that somebody else may have seen."))
    };
    let buttons = html! {
        (Button::primary("Rotate the key"))
        (Button::secondary("Cancel").to(href(tenant, key, "")))
    };
    let form = ui::Form::post(href(tenant, key, "/rotate"), body, buttons);
    html! {
        div.narrow {
            (PageHeader::new(format!("Rotate {}", key.name))
                .crumb("API keys", tenant.href("/api-keys"))
                .crumb(&key.name, href(tenant, key, "")))
            (Card::new(form.errors(refusal.all()).render()))
        }
    }
}

pub fn revoke(tenant: &Tenant, key: &ApiKeyView) -> Markup {
    let confirm = Confirm::new(
        format!("Revoke the key {}?", key.name),
        html! {
            p { "Every program that uses " code { (key.display) "…" }
                " is refused from its next request on. This cannot be undone." }
        },
        href(tenant, key, "/revoke"),
        "Revoke the key",
    );
    confirm.page(&href(tenant, key, ""))
}

pub fn prefix(tenant: &Tenant, current: &str, refusal: &Refusal) -> Markup {
    let body = html! {
        (Field::text("prefix", "Prefix").value(current).max_length(10)
            .pattern("[a-z][a-z0-9]{1,9}").autofocus()
            .hint("From 2 to 10 small letters and digits, a letter first. Keys that exist keep theirs.")
            .error(refusal.of("prefix")))
    };
    let buttons = html! {
        (Button::primary("Save the prefix"))
        (Button::secondary("Cancel").to(tenant.href("/api-keys")))
    };
    let form = ui::Form::post(tenant.href("/api-keys/prefix"), body, buttons);
    html! {
        div.narrow {
            (PageHeader::new("Prefix of API keys").crumb("API keys", tenant.href("/api-keys"))
                .about(html! { "What new keys begin with, so that your customers know them as yours." }))
            (Card::new(form.errors(refusal.all()).render()))
        }
    }
}
