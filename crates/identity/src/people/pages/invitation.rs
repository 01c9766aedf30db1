//! Accepting an invitation: as the person who is signed in, or by making an account.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Result,
    access::{Person, Visitor, Web},
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Button, Field, Flash, Form as FormView, Page, SeeOther, Tone};

use super::{Link, SIGN_IN, bare, drawn_again, signed_in, spent, with_next};
use crate::{
    invitations::{self, Accepted, Newcomer, Opened},
    people::{People, account, account::AccountView},
};

const PATH: &str = "/invitation";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new().route(PATH, get(show).post(accept))
}

#[derive(Debug, Deserialize)]
struct Sent {
    token: Secret,
    name: Option<String>,
    password: Option<Secret>,
}

struct Data<'a> {
    opened: &'a Opened,
    token: &'a str,
    person: Option<&'a AccountView>,
    name: &'a str,
    wrong: Refusal,
}

fn page(data: &Data<'_>) -> Page {
    bare(&format!("Join {}", data.opened.tenant), view(data))
}

fn view(data: &Data<'_>) -> Markup {
    let opened = data.opened;
    let errors = data.wrong.all();
    html! {
        p { "You are invited to join " b { (opened.tenant) } " as " b { (opened.role) } ", by way of " b { (opened.email) } "." }
        @match data.person {
            Some(person) if person.email.eq_ignore_ascii_case(&opened.email) => {
                (FormView::post(PATH, html! {}, html! { (Button::primary("Accept the invitation")) })
                    .hidden("token", data.token).errors(errors))
            }
            Some(person) => {
                (FormView::post("/sign-out", html! {
                    p { "You are signed in as " b { (person.email) } ". Sign out, and follow the link in the mail again." }
                }, html! { (Button::primary("Sign out")) }).errors(errors))
            }
            None if opened.has_account => {
                p.muted { "There is an account with this address. Sign in with it to accept." }
                div.form-buttons {
                    (Button::primary("Sign in").to(with_next(SIGN_IN, &format!("{PATH}?token={}", data.token))))
                }
            }
            None => {
                (FormView::post(PATH, html! {
                    (Field::email("email", "E-mail").value(&opened.email).autocomplete("username").readonly())
                    (Field::text("name", "Your name").value(data.name).autocomplete("name").max_length(200)
                        .autofocus().error(data.wrong.of("name")))
                    (Field::password("password", "Password", "new-password")
                        .hint("At least 10 characters; a few words in a row are good.")
                        .error(data.wrong.of("password")))
                }, html! { (Button::primary("Create the account and join")) })
                    .hidden("token", data.token).errors(errors))
            }
        }
    }
}

fn gone() -> Page {
    spent(html! { "Ask whoever invited you for a new one · " a href=(SIGN_IN) { "Sign in" } })
}

async fn own(person: &Result<Person>) -> Result<Option<AccountView>> {
    match person {
        Ok(person) => account::get(person).await.map(Some),
        Err(_) => Ok(None),
    }
}

async fn show(
    State(people): State<People>,
    person: Result<Person>,
    Query(link): Query<Link>,
) -> Result<Page> {
    let token = link.token.unwrap_or_else(|| Secret::new(""));
    let Some(opened) = invitations::look(&people, &token).await? else {
        return Ok(gone());
    };
    let account = own(&person).await?;
    Ok(page(&Data {
        opened: &opened,
        token: token.expose(),
        person: account.as_ref(),
        name: "",
        wrong: Refusal::default(),
    }))
}

async fn accept(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    person: Result<Person>,
    Form(sent): Form<Sent>,
) -> Result<Response> {
    let outcome = match (&person, &sent.password) {
        (Ok(person), _) => invitations::accept(&people, person, &sent.token).await,
        (Err(_), Some(password)) => {
            let newcomer = Newcomer {
                name: sent.name.clone().unwrap_or_default(),
                password: password.clone(),
            };
            invitations::accept_as_newcomer(&people, &visitor, &sent.token, &newcomer).await
        }
        (Err(_), None) => Ok(Accepted::SignInFirst),
    };
    let error = match outcome {
        Ok(Accepted::Joined { slug, session, .. }) => {
            let flash = Flash::new(Tone::Success, "You have joined.");
            let to = SeeOther::new(format!("/app/{slug}")).flash(flash);
            return signed_in(&web, &session, to);
        }
        Ok(Accepted::SignInFirst) => {
            let back = format!("{PATH}?token={}", sent.token.expose());
            return Ok(SeeOther::new(with_next(SIGN_IN, &back)).into_response());
        }
        Err(error) => error,
    };
    let wrong = error.refusal()?;
    let Some(opened) = invitations::look(&people, &sent.token).await? else {
        return Ok(gone().into_response());
    };
    let account = own(&person).await?;
    let data = Data {
        opened: &opened,
        token: sent.token.expose(),
        person: account.as_ref(),
        name: sent.name.as_deref().unwrap_or_default(),
        wrong,
    };
    Ok(drawn_again(&data.wrong, page(&data)))
}
