//! One tenant.

use axum::extract::Path;
use kernel::{
    Operator, Result,
    db::TenantStatus,
    permission::{NotesWrite, Permission, TenantsImpersonate, TenantsRead, TenantsWrite},
    suspension::{Effect, Effects},
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Copyable, EmptyState, Facts, Icon, Moment, Page, PageHeader, Stat,
    Table, Timeline, Tone,
};

use super::{LIST, page_of_tenant};
use crate::{
    console::{act_in_words, number, standing},
    notes,
    tenants::{TenantDetail, TenantView, detail},
};

/// What the reader may do here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct May {
    pub write: bool,
    pub note: bool,
    pub impersonate: bool,
}

pub(super) async fn show(
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Page> {
    let detail = detail(&operator, &tenant).await?;
    let may = May {
        write: operator.may(TenantsWrite::NAME),
        note: operator.may(NotesWrite::NAME),
        impersonate: operator.may(TenantsImpersonate::NAME) && operator.staff().is_some(),
    };
    let own = |note: &notes::NoteView| notes::is_author(&operator, note);
    let removable = |note: &notes::NoteView| notes::may_delete(&operator, note);
    let notes = notes::pages::card(&detail, may.note, own, removable);
    let body = view(&detail, may, notes, OffsetDateTime::now_utc());
    let home = page_of_tenant(&detail.tenant.slug);
    let mut page = Page::new(&detail.tenant.name, body);
    if may.impersonate {
        page = page.command("Look from within", format!("{home}/impersonate"));
    }
    if may.write {
        page = page.command("Edit this tenant", format!("{home}/edit"));
    }
    Ok(page)
}

pub(super) fn view(detail: &TenantDetail, may: May, notes: Markup, now: OffsetDateTime) -> Markup {
    let tenant = &detail.tenant;
    html! {
        (PageHeader::new(&tenant.name)
                .crumb("Tenants", LIST)
                .about(html! { (Copyable::new("tenant id", tenant.id.to_string())) })
                .beside(html! { (standing(tenant.status, tenant.suspension)) })
                .actions(actions(tenant, may)))
        div.stack {
            div.tiles {
                (Stat::new("Conversations", number(detail.conversations)))
                (Stat::new("Credentials", number(detail.credentials)))
                (Stat::new("Live API keys", number(detail.keys)))
                (Stat::new("Dead letters", number(detail.dead_jobs))
                    .to(format!("/admin/jobs?state=dead&tenant={}", tenant.slug)))
            }
            div.columns {
                (Card::new(facts(tenant, now)).title("Facts"))
                (Card::new(effects(tenant)).title("What works now")
                    .about("By the tenant's standing").flush())
            }
            (members(detail, now))
            (notes)
            div.columns {
                (Card::new(acts(detail, now)).title("What staff changed")
                    .actions(html! { (Button::quiet("All").small().to(format!("/admin/audit?tenant={}", tenant.slug))) }))
                (Card::new(own_acts(detail, now)).title("What its people changed"))
            }
        }
    }
}

fn actions(tenant: &TenantView, may: May) -> Markup {
    let home = page_of_tenant(&tenant.slug);
    let is_open = matches!(
        tenant.status,
        TenantStatus::Active | TenantStatus::Suspended
    );
    html! {
        @if may.impersonate && is_open {
            (Button::secondary("Look from within").icon(Icon::Eye).to(format!("{home}/impersonate")))
        }
        @if may.write {
            @if is_open { (Button::secondary("Edit").to(format!("{home}/edit"))) }
            @if tenant.status == TenantStatus::Active {
                (Button::secondary("Suspend").to(format!("{home}/suspend")))
            }
            @if tenant.status == TenantStatus::Suspended {
                form method="post" action={ (home) "/reactivate" } { (Button::primary("Reactivate")) }
            }
            @if tenant.status != TenantStatus::Closed {
                (Button::danger("Close").to(format!("{home}/close")))
            }
        }
    }
}

fn facts(tenant: &TenantView, now: OffsetDateTime) -> Markup {
    let facts = Facts::new()
        .fact("Slug", html! { code { (tenant.slug) } })
        .fact("Plan", html! { (tenant.plan) })
        .fact("Region", html! { (tenant.region) })
        .fact("Created", html! { (Moment::new(tenant.created_at, now)) })
        .fact("Changed", html! { (Moment::new(tenant.updated_at, now)) });
    let facts = match tenant.suspended_at {
        Some(at) => facts.fact("Suspended", html! { (Moment::new(at, now)) }),
        None => facts,
    };
    let facts = match &tenant.queue {
        Some(lane) => facts
            .fact("Share of the queue", html! { (lane.weight) })
            .fact("Jobs at a time", html! { (lane.max_running) }),
        None => facts,
    };
    facts.render()
}

fn effects(tenant: &TenantView) -> Markup {
    let cells = Effects::of(tenant.status, tenant.suspension).cells();
    cells
        .iter()
        .fold(
            Table::new("What works now")
                .column(Column::new("What"))
                .column(Column::new("Now")),
            |table, (name, effect)| {
                let (tone, word) = match effect {
                    Effect::Allow => (Tone::Success, "Allowed"),
                    Effect::Hold => (Tone::Warning, "Held"),
                    Effect::Refuse => (Tone::Danger, "Refused"),
                };
                table.row([
                    html! { (act_in_words(name)) },
                    html! { (Badge::status(tone, word)) },
                ])
            },
        )
        .render()
}

fn members(detail: &TenantDetail, now: OffsetDateTime) -> Markup {
    let table = detail.members.iter().fold(
        Table::new("Members")
            .column(Column::new("Name"))
            .column(Column::new("E-mail"))
            .column(Column::new("Role"))
            .column(Column::new("Joined"))
            .empty(EmptyState::new(
                Icon::Users,
                "Nobody belongs to it",
                "Its API keys work without people. An owner can be invited when a tenant is created.",
            )),
        |table, member| {
            table.linked(format!("/admin/users/{}", member.id), [
                html! { (member.name) @if member.disabled { " " (Badge::new(Tone::Warning, "Disabled")) } },
                html! { (member.email) },
                html! { (member.role) },
                html! { (Moment::new(member.created_at, now)) },
            ])
        },
    );
    let card = Card::new(table.render()).title("Members").flush();
    if detail.has_more_members {
        card.footer(
            html! { p.muted { "The " (detail.members.len()) " newest accounts are shown." } },
        )
        .render()
    } else {
        card.render()
    }
}

fn acts(detail: &TenantDetail, now: OffsetDateTime) -> Markup {
    let timeline = detail.acts.iter().fold(Timeline::new(), |timeline, act| {
        timeline.event(
            Tone::Neutral,
            Icon::Shield,
            Moment::new(act.at, now),
            html! { (act_in_words(&act.action)) },
            Some(html! { code { (act.actor) } }),
        )
    });
    html! {
        @if detail.acts.is_empty() { p.muted { "Nothing yet." } } @else { (timeline) }
    }
}

fn own_acts(detail: &TenantDetail, now: OffsetDateTime) -> Markup {
    let timeline = detail
        .own_acts
        .iter()
        .fold(Timeline::new(), |timeline, act| {
            timeline.event(
                Tone::Neutral,
                Icon::User,
                Moment::new(act.at, now),
                html! { (act_in_words(&act.action)) },
                Some(html! { code { (act.actor) } " on " code { (act.target) } }),
            )
        });
    html! {
        @if detail.own_acts.is_empty() { p.muted { "Nothing yet." } } @else { (timeline) }
    }
}
