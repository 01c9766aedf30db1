//! Signing up: the address first, and the rest where the link in the mail leads.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Error, Result,
    access::{Visitor, Web},
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use ui::{Button, Field, Flash, Form as FormView, Page, SeeOther, Tone};

use super::{HOME, Link, SIGN_IN, bare, drawn_again, naming_refused, signed_in, spent};
use crate::people::{
    Email, People,
    mailbox::{self, Purpose},
    sign_up::{self, Completion, OwnTenant},
};

const START: &str = "/sign-up";
const COMPLETE: &str = "/sign-up/complete";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(START, get(show_start).post(start))
        .route(COMPLETE, get(show_complete).post(complete))
}

/// What is said to everybody who gave an address, whoever has it.
pub(super) fn look_into_mailbox(email: &str, what: &str) -> Page {
    bare(
        "Look into your mailbox",
        html! {
            p { "If " b { (email) } " can be used for this, a letter is on its way there. Its link " (what) "." }
            p.muted { "It may take a minute, and it may have been taken for spam." }
            p.bare-foot { a href=(SIGN_IN) { "Back to sign-in" } }
        },
    )
}

fn start_view(email: &str, wrong: &Refusal) -> Markup {
    let field = Field::email("email", "E-mail")
        .value(email)
        .autocomplete("username")
        .autofocus()
        .hint("We send a link there.")
        .error(wrong.of("email"));
    html! {
        (FormView::post(START, html! { (field) }, html! { (Button::primary("Continue")) })
            .errors(wrong.all()))
        p.bare-foot { "You have an account? " a href=(SIGN_IN) { "Sign in" } }
    }
}

async fn show_start(State(people): State<People>) -> Result<Page> {
    sign_up::require_open(&people)?;
    Ok(bare("Sign up", start_view("", &Refusal::default())))
}

#[derive(Debug, Deserialize)]
struct Address {
    email: String,
}

async fn start(
    State(people): State<People>,
    visitor: Visitor,
    Form(sent): Form<Address>,
) -> Result<Response> {
    let asked = match Email::parse(&sent.email) {
        Ok(email) => sign_up::start(&people, &visitor, &email).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => Ok(look_into_mailbox(sent.email.trim(), "finishes the sign-up").into_response()),
        Err(error) => {
            let wrong = error.refusal()?;
            let page = bare("Sign up", start_view(&sent.email, &wrong));
            Ok(drawn_again(&wrong, page))
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct Finish {
    #[serde(default)]
    token: String,
    #[serde(default)]
    name: String,
    password: Option<Secret>,
    #[serde(default)]
    company: String,
    #[serde(default)]
    slug: String,
}

fn complete_view(email: &str, sent: &Finish, wrong: &Refusal) -> Markup {
    let fields = html! {
        (Field::email("email", "E-mail").value(email).autocomplete("username").readonly())
        (Field::text("name", "Your name").value(&sent.name).autocomplete("name").max_length(200)
            .autofocus().error(wrong.of("name")))
        (Field::password("password", "Password", "new-password")
            .hint("At least 10 characters; a few words in a row are good.").error(wrong.of("password")))
        (Field::text("company", "Company").value(&sent.company).autocomplete("organization")
            .max_length(200).error(wrong.of("company")))
        (Field::text("slug", "Short name").value(&sent.slug).pattern("[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?")
            .max_length(63).autocomplete("off")
            .hint("In your addresses here: small letters, digits and dashes. It stays as it is.")
            .error(wrong.of("slug")))
    };
    FormView::post(
        COMPLETE,
        fields,
        html! { (Button::primary("Create the account")) },
    )
    .hidden("token", &sent.token)
    .errors(wrong.all())
    .render()
}

fn again() -> Page {
    spent(html! { a href=(START) { "Sign up again" } " · " a href=(SIGN_IN) { "Sign in" } })
}

async fn show_complete(State(people): State<People>, Query(link): Query<Link>) -> Result<Page> {
    sign_up::require_open(&people)?;
    let token = link.token.unwrap_or_else(|| Secret::new(""));
    let Some(email) = mailbox::address(&people, Purpose::SignUp, &token).await? else {
        return Ok(again());
    };
    let sent = Finish {
        token: token.expose().to_owned(),
        ..Finish::default()
    };
    let view = complete_view(email.typed(), &sent, &Refusal::default());
    Ok(bare("Finish your sign-up", view))
}

async fn complete(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    Form(sent): Form<Finish>,
) -> Result<Response> {
    let token = Secret::new(sent.token.clone());
    let completion = Completion {
        token: token.clone(),
        name: sent.name.clone(),
        password: sent.password.clone().unwrap_or_else(|| Secret::new("")),
        tenant: Some(OwnTenant {
            slug: sent.slug.clone(),
            name: sent.company.clone(),
        }),
    };
    let checked = match crate::input::name(&sent.company) {
        Ok(_) => sign_up::finish(&people, &visitor, completion).await,
        Err(_) => Err(Error::field(
            "company",
            "must have from 1 to 200 characters",
        )),
    };
    match checked {
        Ok(done) => {
            let (to, flash) = match &done.tenant {
                Some(tenant) => (
                    format!("/app/{}", tenant.slug),
                    Flash::new(Tone::Success, "Welcome. Your account is ready."),
                ),
                None => (
                    HOME.to_owned(),
                    Flash::new(
                        Tone::Warning,
                        "Your account is ready, but somebody has just taken the short name.",
                    ),
                ),
            };
            signed_in(&web, &done.session, SeeOther::new(to).flash(flash))
        }
        Err(error) => {
            let wrong = naming_refused(error)?;
            let email = mailbox::address(&people, Purpose::SignUp, &token).await?;
            let Some(email) = email.filter(|_| !wrong.is_about("token")) else {
                return Ok(again().into_response());
            };
            let view = complete_view(email.typed(), &sent, &wrong);
            Ok(drawn_again(&wrong, bare("Finish your sign-up", view)))
        }
    }
}
