//! The forms that change a tenant: its facts, suspension, reactivation, closing.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use kernel::{
    Error, Operator, Result,
    extract::Form,
    permission::{TenantsRead, TenantsWrite},
    refusal::Refusal,
    suspension::{Effect, Effects, SuspensionKind},
};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{
    Button, CONFIRMATION, Card, Confirm, Field, Flash, Page, PageHeader, Radios, SeeOther, Tone,
};

use super::{LIST, page_of_tenant};
use crate::{
    console::kind_in_words,
    tenants::{self, TenantChanges, TenantView},
};

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Changes {
    name: String,
    plan: String,
    weight: String,
}

pub(super) async fn edit(
    _: Operator<TenantsWrite>,
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Page> {
    let tenant = tenants::get(&operator, &tenant).await?;
    let changes = Changes {
        name: tenant.name.clone(),
        plan: tenant.plan.clone(),
        weight: tenant
            .queue
            .as_ref()
            .map_or_else(String::new, |lane| lane.weight.to_string()),
    };
    Ok(edit_page(&tenant, &changes, &Refusal::default()))
}

pub(super) async fn change(
    operator: Operator<TenantsWrite>,
    reader: Operator<TenantsRead>,
    Path(tenant): Path<String>,
    Form(changes): Form<Changes>,
) -> Result<Response> {
    match update(&operator, &tenant, &changes).await {
        Ok(view) => Ok(SeeOther::new(page_of_tenant(&view.slug))
            .flash(Flash::new(Tone::Success, "The tenant was changed."))
            .into_response()),
        Err(error) => {
            let refusal = error.refusal()?;
            let tenant = tenants::get(&reader, &tenant).await?;
            Ok(edit_page(&tenant, &changes, &refusal).into_response())
        }
    }
}

async fn update(
    operator: &Operator<TenantsWrite>,
    tenant: &str,
    changes: &Changes,
) -> Result<TenantView> {
    let weight = changes.weight.trim().parse();
    let changes = TenantChanges {
        name: Some(changes.name.clone()),
        plan: Some(changes.plan.trim().to_owned()),
        weight: Some(weight.map_err(|_| Error::field("weight", "must be from 1 to 1000"))?),
    };
    tenants::update(operator, tenant, changes).await
}

fn edit_page(tenant: &TenantView, changes: &Changes, refusal: &Refusal) -> Page {
    let home = page_of_tenant(&tenant.slug);
    let body = html! {
        (Field::text("name", "Name").value(&changes.name).max_length(200).error(refusal.of("name")))
        (Field::text("plan", "Plan").value(&changes.plan).error(refusal.of("plan")))
        (Field::number("weight", "Share of the queue").value(&changes.weight).error(refusal.of("weight")))
    };
    let buttons = html! {
        (Button::primary("Save"))
        (Button::secondary("Cancel").to(&home))
    };
    let form = ui::Form::post(format!("{home}/edit"), body, buttons).errors(refusal.all());
    let body = narrow(
        "Edit tenant",
        tenant,
        html! { (Card::new(html! { (form) })) },
    );
    Page::new("Edit tenant", body).status(refusal.status())
}

fn narrow(title: &str, tenant: &TenantView, content: Markup) -> Markup {
    html! {
        div.narrow {
            (PageHeader::new(title).crumb("Tenants", LIST)
                .crumb(&tenant.name, page_of_tenant(&tenant.slug)))
            (content)
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Suspension {
    #[serde(default)]
    kind: String,
    note: String,
    #[serde(default, rename = "confirmation")]
    typed: String,
}

pub(super) async fn ask_suspend(
    _: Operator<TenantsWrite>,
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Page> {
    let tenant = tenants::get(&operator, &tenant).await?;
    Ok(suspend_page(
        &tenant,
        &Suspension::default(),
        &Refusal::default(),
    ))
}

pub(super) async fn suspend(
    operator: Operator<TenantsWrite>,
    reader: Operator<TenantsRead>,
    Path(tenant): Path<String>,
    Form(input): Form<Suspension>,
) -> Result<Response> {
    let tenant = tenants::get(&reader, &tenant).await?;
    match checked(&operator, &tenant, &input).await {
        Ok(view) => Ok(SeeOther::new(page_of_tenant(&view.slug))
            .flash(Flash::new(
                Tone::Success,
                format!("{} is suspended.", view.name),
            ))
            .into_response()),
        Err(error) => {
            let refusal = error.refusal()?;
            Ok(suspend_page(&tenant, &input, &refusal).into_response())
        }
    }
}

async fn checked(
    operator: &Operator<TenantsWrite>,
    tenant: &TenantView,
    input: &Suspension,
) -> Result<TenantView> {
    let kind = SuspensionKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == input.kind)
        .ok_or_else(|| Error::field("kind", "choose a reason"))?;
    require_typed(tenant, &input.typed)?;
    tenants::suspend(operator, &tenant.slug, kind, &input.note).await
}

/// The browser asks for the slug too, but a browser is not proof.
fn require_typed(tenant: &TenantView, typed: &str) -> Result<()> {
    if typed.trim() == tenant.slug {
        Ok(())
    } else {
        Err(Error::field(
            CONFIRMATION,
            format!("type {} to confirm", tenant.slug),
        ))
    }
}

/// What a kind of suspension does, in a sentence made from its row of the matrix.
fn consequence(kind: SuspensionKind) -> String {
    let row = Effects::of(kernel::db::TenantStatus::Suspended, Some(kind));
    let named = |effect: Effect| {
        let names = row
            .cells()
            .into_iter()
            .filter(|(_, found)| *found == effect);
        names.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
    };
    [
        ("Still works", Effect::Allow),
        ("Waits", Effect::Hold),
        ("Refused", Effect::Refuse),
    ]
    .into_iter()
    .map(|(word, effect)| (word, named(effect)))
    .filter(|(_, names)| !names.is_empty())
    .map(|(word, names)| format!("{word}: {names}."))
    .collect::<Vec<_>>()
    .join(" ")
}

fn suspend_page(tenant: &TenantView, input: &Suspension, refusal: &Refusal) -> Page {
    let home = page_of_tenant(&tenant.slug);
    let kinds = SuspensionKind::ALL.into_iter().fold(
        Radios::new("kind", "Reason")
            .value(&input.kind)
            .error(refusal.of("kind")),
        |radios, kind| radios.explained(kind.as_str(), kind_in_words(kind), consequence(kind)),
    );
    let body = html! {
        (kinds)
        (Field::long("note", "Note", 3).value(&input.note).max_length(1000)
            .hint("For other staff. The tenant never sees it.").error(refusal.of("note")))
        (Field::text(CONFIRMATION, format!("Type {} to confirm", tenant.slug))
            .value(&input.typed).autocomplete("off").error(refusal.of(CONFIRMATION)))
    };
    let buttons = html! {
        (Button::danger("Suspend tenant"))
        (Button::secondary("Cancel").to(&home))
    };
    let form = ui::Form::post(format!("{home}/suspend"), body, buttons).errors(refusal.all());
    let title = format!("Suspend {}", tenant.name);
    let body = narrow(&title, tenant, html! { (Card::new(html! { (form) })) });
    Page::new(title, body).status(refusal.status())
}

pub(super) async fn reactivate(
    operator: Operator<TenantsWrite>,
    Path(tenant): Path<String>,
) -> Result<SeeOther> {
    let to = |tenant: &str| SeeOther::new(page_of_tenant(tenant));
    match tenants::activate(&operator, &tenant).await {
        Ok(view) => Ok(to(&view.slug).flash(Flash::new(
            Tone::Success,
            format!("{} is active again. What waited runs now.", view.name),
        ))),
        Err(Error::Conflict { detail, .. }) => {
            Ok(to(&tenant).flash(Flash::new(Tone::Danger, detail)))
        }
        Err(error) => Err(error),
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Closing {
    #[serde(default, rename = "confirmation")]
    typed: String,
}

pub(super) async fn ask_close(
    _: Operator<TenantsWrite>,
    operator: Operator<TenantsRead>,
    Path(tenant): Path<String>,
) -> Result<Page> {
    let tenant = tenants::get(&operator, &tenant).await?;
    Ok(close_page(&tenant, &Refusal::default()))
}

pub(super) async fn close(
    operator: Operator<TenantsWrite>,
    reader: Operator<TenantsRead>,
    Path(tenant): Path<String>,
    Form(input): Form<Closing>,
) -> Result<Response> {
    let tenant = tenants::get(&reader, &tenant).await?;
    if let Err(error) = require_typed(&tenant, &input.typed) {
        return Ok(close_page(&tenant, &error.refusal()?).into_response());
    }
    let view = tenants::close(&operator, &tenant.slug).await?;
    Ok(SeeOther::new(page_of_tenant(&view.slug))
        .flash(Flash::new(
            Tone::Success,
            format!("{} is closed.", view.name),
        ))
        .into_response())
}

fn close_page(tenant: &TenantView, refusal: &Refusal) -> Page {
    let home = page_of_tenant(&tenant.slug);
    let title = format!("Close {}", tenant.name);
    let consequence = html! {
        p {
            "Closing is final. Nobody enters " strong { (tenant.name) } " any more, nothing is received
            or sent for it, and its providers' accounts can be connected by others. Its rows and its
            slug stay."
        }
    };
    let confirm = Confirm::new(&title, consequence, format!("{home}/close"), "Close tenant")
        .typed(&tenant.slug)
        .error(refusal.of(CONFIRMATION));
    Page::new(title, confirm.page(&home)).status(refusal.status())
}
