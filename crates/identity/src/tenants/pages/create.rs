//! The form for a new tenant.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use kernel::{
    Error, Operator, Result,
    access::OWNER,
    extract::Form,
    permission::{MembersWrite, TenantsEnter, TenantsWrite},
    refusal::Refusal,
};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Button, Card, Field, Flash, Page, PageHeader, SeeOther, Tone};

use super::{LIST, page_of_tenant};
use crate::{
    invitations::{self, NewInvitation},
    people::{Email, People},
    tenants::{NewTenant, TenantView},
};

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Input {
    name: String,
    slug: String,
    plan: String,
    weight: String,
    owner: String,
}

pub(super) async fn form(_: Operator<TenantsWrite>) -> Page {
    let input = Input {
        weight: "1".to_owned(),
        ..Input::default()
    };
    page(&input, &Refusal::default())
}

/// Creates the tenant and, where an address is given, invites its owner.
pub(super) async fn make(
    State(people): State<People>,
    operator: Operator<TenantsWrite>,
    staff: Operator<TenantsEnter>,
    Form(input): Form<Input>,
) -> Result<Response> {
    let made = match make_tenant(&operator, &input).await {
        Ok(made) => made,
        Err(error) => return Ok(page(&input, &error.refusal()?).into_response()),
    };
    let home = page_of_tenant(&made.slug);
    let flash = match input.owner.trim() {
        "" => Flash::new(Tone::Success, format!("{} is ready.", made.name)),
        owner => match invite(&people, &staff, &made, owner).await {
            Ok(()) => Flash::new(
                Tone::Success,
                format!(
                    "{} is ready. An invitation is on its way to {owner}.",
                    made.name
                ),
            ),
            // The tenant stands; what is missing is only its owner, who can be invited from within.
            Err(error) => Flash::new(
                Tone::Warning,
                format!(
                    "{} is ready, but its owner was not invited: {error}.",
                    made.name
                ),
            ),
        },
    };
    Ok(SeeOther::new(home).flash(flash).into_response())
}

async fn make_tenant(operator: &Operator<TenantsWrite>, input: &Input) -> Result<TenantView> {
    let owner = input.owner.trim();
    if !owner.is_empty() {
        Email::parse(owner).map_err(|_| Error::field("owner", "is not an e-mail address"))?;
    }
    let weight = match input.weight.trim() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| Error::field("weight", "must be from 1 to 1000"))?,
        ),
    };
    let plan = input.plan.trim();
    let new = NewTenant {
        slug: input.slug.trim().to_owned(),
        name: input.name.clone(),
        plan: (!plan.is_empty()).then(|| plan.to_owned()),
        region: None,
        weight,
    };
    crate::tenants::create(operator, new).await
}

async fn invite(
    people: &People,
    staff: &Operator<TenantsEnter>,
    tenant: &TenantView,
    email: &str,
) -> Result<()> {
    let known = staff.db().directory().by_id(tenant.id).await?;
    let known = known.ok_or(Error::NotFound("tenant"))?;
    let access = staff
        .enter::<MembersWrite>(known, "invitation of the first owner")
        .await?;
    let new = NewInvitation {
        email: email.to_owned(),
        role: OWNER.to_owned(),
    };
    invitations::create(people, &access, &new).await.map(drop)
}

fn page(input: &Input, refusal: &Refusal) -> Page {
    Page::new("New tenant", view(input, refusal)).status(refusal.status())
}

fn view(input: &Input, refusal: &Refusal) -> Markup {
    let body = html! {
        (Field::text("name", "Name").value(&input.name).max_length(200).autofocus()
            .error(refusal.of("name")))
        (Field::text("slug", "Slug").value(&input.slug).max_length(63)
            .hint("Stands in the tenant's addresses and never changes: lower-case letters, digits and hyphens.")
            .error(refusal.of("slug")))
        (Field::text("plan", "Plan").value(&input.plan).optional().placeholder("standard")
            .error(refusal.of("plan")))
        (Field::number("weight", "Share of the queue").value(&input.weight)
            .hint("Of two tenants with work waiting, one with 2 gets twice as much done as one with 1.")
            .error(refusal.of("weight")))
        (Field::email("owner", "Owner's e-mail").value(&input.owner).optional().autocomplete("off")
            .hint("Gets an invitation, valid for a week.").error(refusal.of("owner")))
    };
    let buttons = html! {
        (Button::primary("Create tenant"))
        (Button::secondary("Cancel").to(LIST))
    };
    html! {
        div.narrow {
            (PageHeader::new("New tenant").crumb("Tenants", LIST))
            (Card::new(html! {
                (ui::Form::post("/admin/tenants/new", body, buttons).errors(refusal.all()))
            }))
        }
    }
}
