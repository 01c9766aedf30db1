//! Where people come in: the tenants that they belong to, and making another one.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Result,
    access::{Person, Web},
    db::TenantStatus,
    extract::Form,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use ui::{
    Badge, Button, Card, Column, EmptyState, Field, Flash, Form as FormView, Icon, Page,
    PageHeader, SeeOther, Table, Tone,
};

use super::{HOME, drawn_again, naming_refused};
use crate::people::{
    People,
    account::{self, MembershipView},
    api::with_session,
    sign_up::{self, OwnTenant},
};

const FOUND: &str = "/account/new-tenant";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(HOME, get(show))
        .route(FOUND, get(show_found).post(found))
}

fn status(status: TenantStatus) -> Badge {
    let tone = match status {
        TenantStatus::Active => Tone::Success,
        TenantStatus::Suspended => Tone::Warning,
        _ => Tone::Neutral,
    };
    Badge::status(tone, status.as_str())
}

fn view(memberships: &[MembershipView], can_found: bool) -> Markup {
    let new = || {
        Button::primary("Open an account")
            .icon(Icon::Plus)
            .to(FOUND)
    };
    let header = PageHeader::new("Your accounts");
    let header = match can_found && !memberships.is_empty() {
        true => header.actions(new().render()),
        false => header,
    };
    let empty = if can_found {
        EmptyState::new(
            Icon::Building,
            "No account yet",
            "Open one for your company, or follow the link of an invitation.",
        )
        .action(new().render())
    } else {
        EmptyState::new(
            Icon::Building,
            "No account yet",
            "Ask an owner of one to invite you, and follow the link in the mail.",
        )
    };
    let table = memberships.iter().fold(
        Table::new("Your accounts")
            .column(Column::new("Account"))
            .column(Column::new("Your role"))
            .column(Column::new("State"))
            .empty(empty),
        |table, membership| {
            table.linked(
                format!("/app/{}", membership.slug),
                [
                    html! { (membership.name) },
                    html! { (membership.role) },
                    status(membership.status).render(),
                ],
            )
        },
    );
    html! {
        (header)
        (Card::new(table.render()).flush())
    }
}

/// Whoever belongs to one tenant goes straight on; staff without any, to their own console.
async fn show(State(people): State<People>, person: Person) -> Result<Response> {
    let memberships = account::memberships(&person).await?;
    if let [only] = &memberships[..] {
        return Ok(SeeOther::new(format!("/app/{}", only.slug)).into_response());
    }
    let view = view(&memberships, people.settings().sign_up);
    Ok(Page::new("Your accounts", view).into_response())
}

fn found_page(slug: &str, name: &str, wrong: &Refusal) -> Page {
    let fields = html! {
        (Field::text("name", "Company").value(name).autocomplete("organization").max_length(200)
            .autofocus().error(wrong.of("name")))
        (Field::text("slug", "Short name").value(slug).pattern("[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?")
            .max_length(63).autocomplete("off")
            .hint("In your addresses here: small letters, digits and dashes. It stays as it is.")
            .error(wrong.of("slug")))
    };
    let buttons = html! {
        (Button::primary("Open the account")) (Button::secondary("Cancel").to(HOME))
    };
    let form = FormView::post(FOUND, fields, buttons).errors(wrong.all());
    Page::new(
        "Open an account",
        html! {
            div.narrow {
                (PageHeader::new("Open an account").crumb("Your accounts", HOME))
                (Card::new(form.render()))
            }
        },
    )
}

async fn show_found(State(people): State<People>, _: Person) -> Result<Page> {
    sign_up::require_open(&people)?;
    Ok(found_page("", "", &Refusal::default()))
}

#[derive(Debug, Deserialize)]
struct NewTenant {
    slug: String,
    name: String,
}

async fn found(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    person: Person,
    Form(sent): Form<NewTenant>,
) -> Result<Response> {
    let new = OwnTenant {
        slug: sent.slug.clone(),
        name: sent.name.clone(),
    };
    match account::found_tenant(&people, &person, new).await {
        Ok((tenant, session)) => {
            let flash = Flash::new(Tone::Success, "The account is open.");
            let to = SeeOther::new(format!("/app/{}", tenant.slug)).flash(flash);
            with_session(&web, &session, to)
        }
        Err(error) => {
            let wrong = naming_refused(error)?;
            Ok(drawn_again(
                &wrong,
                found_page(&sent.slug, &sent.name, &wrong),
            ))
        }
    }
}
