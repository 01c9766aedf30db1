//! Setting a new password through the mailbox.

use axum::{
    Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Result,
    access::Visitor,
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use ui::{Button, Field, Flash, Form as FormView, Page, SeeOther, Tone};

use super::{Link, SIGN_IN, bare, drawn_again, sign_up::look_into_mailbox, spent};
use crate::people::{
    Email, People,
    mailbox::{self, Purpose},
    reset,
};

const FORGOT: &str = "/forgot";
const RESET: &str = "/reset";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(FORGOT, get(show_request).post(request))
        .route(RESET, get(show).post(submit))
}

fn request_page(email: &str, wrong: &Refusal) -> Page {
    let field = Field::email("email", "E-mail")
        .value(email)
        .autocomplete("username")
        .autofocus()
        .hint("We send a link there, by which you set a new password.")
        .error(wrong.of("email"));
    let buttons = html! { (Button::primary("Send the link")) };
    bare(
        "Forgot the password?",
        html! {
            (FormView::post(FORGOT, html! { (field) }, buttons).errors(wrong.all()))
            p.bare-foot { a href=(SIGN_IN) { "Back to sign-in" } }
        },
    )
}

async fn show_request() -> Page {
    request_page("", &Refusal::default())
}

#[derive(Debug, Deserialize)]
struct Address {
    email: String,
}

async fn request(
    State(people): State<People>,
    visitor: Visitor,
    Form(sent): Form<Address>,
) -> Result<Response> {
    let asked = match Email::parse(&sent.email) {
        Ok(email) => reset::request(&people, &visitor, &email).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => {
            let page = look_into_mailbox(sent.email.trim(), "sets a new password");
            Ok(page.into_response())
        }
        Err(error) => {
            let wrong = error.refusal()?;
            Ok(drawn_again(&wrong, request_page(&sent.email, &wrong)))
        }
    }
}

fn view(email: &str, token: &str, wrong: &Refusal) -> Markup {
    let fields = html! {
        (Field::email("email", "E-mail").value(email).autocomplete("username").readonly())
        (Field::password("password", "New password", "new-password").autofocus()
            .hint("At least 10 characters; a few words in a row are good.").error(wrong.of("password")))
        p.muted { "All your sessions end." }
    };
    FormView::post(
        RESET,
        fields,
        html! { (Button::primary("Set the password")) },
    )
    .hidden("token", token)
    .errors(wrong.all())
    .render()
}

fn again() -> Page {
    spent(html! { a href=(FORGOT) { "Ask for a new link" } })
}

async fn show(State(people): State<People>, Query(link): Query<Link>) -> Result<Page> {
    let token = link.token.unwrap_or_else(|| Secret::new(""));
    let email = mailbox::address(&people, Purpose::Reset, &token).await?;
    Ok(match email {
        Some(email) => bare(
            "Set a new password",
            view(email.typed(), token.expose(), &Refusal::default()),
        ),
        None => again(),
    })
}

#[derive(Debug, Deserialize)]
struct NewPassword {
    token: Secret,
    password: Secret,
}

async fn submit(
    State(people): State<People>,
    visitor: Visitor,
    Form(sent): Form<NewPassword>,
) -> Result<Response> {
    let error = match reset::finish(&people, &visitor, &sent.token, &sent.password).await {
        Ok(()) => {
            let flash = Flash::new(Tone::Success, "The password is set. Sign in with it.");
            return Ok(SeeOther::new(SIGN_IN).flash(flash).into_response());
        }
        Err(error) => error,
    };
    let wrong = error.refusal()?;
    let email = mailbox::address(&people, Purpose::Reset, &sent.token).await?;
    let Some(email) = email.filter(|_| !wrong.is_about("token")) else {
        return Ok(again().into_response());
    };
    let view = view(email.typed(), sent.token.expose(), &wrong);
    Ok(drawn_again(&wrong, bare("Set a new password", view)))
}
