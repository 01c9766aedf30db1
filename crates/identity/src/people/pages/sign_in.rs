//! Signing in, with a password or a passkey, and out.

use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Result,
    access::{PendingToken, Person, Visitor, Web},
    extract::{Form, Query},
    secret::Secret,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use ui::{Button, Field, Flash, Form as FormView, Page, PasskeyForm, SeeOther, Tone};

use super::{Next, SECOND_FACTOR, SIGN_IN, bare, local, signed_in, with_next, wrong::Wrong};
use crate::people::{
    Email, People,
    api::without_session,
    factors::passkeys,
    pending, sessions,
    sign_in::{self, SignIn},
};

const OPTIONS: &str = "/sign-in/passkey/options";
const PASSKEY: &str = "/sign-in/passkey";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(SIGN_IN, get(show).post(submit))
        .route(OPTIONS, post(options))
        .route(PASSKEY, post(with_passkey))
        .route("/sign-out", post(sign_out))
}

#[derive(Debug)]
struct Data<'a> {
    email: &'a str,
    next: &'a str,
    wrong: Wrong,
    sign_up: bool,
    passkeys: bool,
}

fn page(data: &Data<'_>) -> Page {
    let page = bare("Sign in", view(data));
    if data.passkeys {
        page.module(PasskeyForm::module())
    } else {
        page
    }
}

fn view(data: &Data<'_>) -> Markup {
    let fields = html! {
        (Field::email("email", "E-mail").value(data.email).autocomplete("username").autofocus()
            .error(data.wrong.of("email")))
        (Field::password("password", "Password", "current-password").error(data.wrong.of("password")))
    };
    let form = FormView::post(SIGN_IN, fields, html! { (Button::primary("Sign in")) })
        .hidden("next", data.next)
        .errors(data.wrong.list(&["email", "password"]));
    html! {
        (form)
        @if data.passkeys {
            (PasskeyForm::get(PASSKEY, OPTIONS, "Sign in with a passkey").hidden("next", data.next))
        }
        p.bare-foot {
            @if data.sign_up { "No account yet? " a href="/sign-up" { "Sign up" } " · " }
            a href="/forgot" { "Forgot the password?" }
        }
    }
}

impl<'a> Data<'a> {
    fn new(people: &People, email: &'a str, next: &'a str, wrong: Wrong) -> Self {
        Self {
            email,
            next,
            wrong,
            sign_up: people.settings().sign_up,
            passkeys: people.has_passkeys(),
        }
    }
}

/// Whoever is signed in already goes on.
async fn show(
    State(people): State<People>,
    person: Result<Person>,
    Query(next): Query<Next>,
) -> Response {
    if person.is_ok() {
        return SeeOther::new(next.path()).into_response();
    }
    page(&Data::new(&people, "", next.path(), Wrong::default())).into_response()
}

#[derive(Debug, Deserialize)]
struct Credentials {
    email: String,
    password: Secret,
    next: Option<String>,
}

async fn submit(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<Person>,
    Form(sent): Form<Credentials>,
) -> Result<Response> {
    let next = local(sent.next.as_deref());
    let outcome = match Email::parse(&sent.email) {
        Ok(email) => sign_in::sign_in(&people, &visitor, &email, &sent.password).await,
        Err(error) => Err(error),
    };
    let wrong = match outcome {
        Ok(SignIn::Done(session)) => {
            end(before).await?;
            return signed_in(&web, &session, SeeOther::new(next));
        }
        Ok(SignIn::Waits(waiting)) => {
            let mut response = SeeOther::new(with_next(SECOND_FACTOR, next)).into_response();
            let cookie = web.pending_cookie(&waiting.token)?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
            return Ok(response);
        }
        Ok(SignIn::Refused) => Wrong::whole("There is no account with this address and password"),
        Err(error) => Wrong::with(error)?,
    };
    let data = Data::new(&people, &sent.email, next, wrong);
    Ok(data.wrong.answer(page(&data)))
}

/// What a browser asks a passkey, of somebody who has not said who they are.
async fn options(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
) -> Result<Response> {
    let (waiting, options) = passkeys::begin_sign_in(&people, &visitor).await?;
    let mut response = Json::<Value>(options).into_response();
    let cookie = web.pending_cookie(&waiting.token)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct Answer {
    credential: String,
    next: Option<String>,
}

async fn with_passkey(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<Person>,
    PendingToken(token): PendingToken,
    Form(sent): Form<Answer>,
) -> Result<Response> {
    let next = local(sent.next.as_deref());
    let waiting = pending::find(&people, token.as_ref()).await?;
    let session = match waiting {
        Some(waiting) => passkeys::sign_in(&people, &visitor, &waiting, &sent.credential).await?,
        None => None,
    };
    if let Some(session) = session {
        end(before).await?;
        return signed_in(&web, &session, SeeOther::new(next));
    }
    let wrong = Wrong::whole("The passkey was not accepted. Try again, or use your password");
    let data = Data::new(&people, "", next, wrong);
    Ok(data.wrong.answer(page(&data)))
}

/// The browser's earlier session would be left without anybody to end it.
async fn end(before: Result<Person>) -> Result<()> {
    match before {
        Ok(person) => sessions::sign_out(&person).await,
        Err(_) => Ok(()),
    }
}

/// Somebody whose session has ended meanwhile is signed out as well.
async fn sign_out(Extension(web): Extension<Web>, person: Result<Person>) -> Result<Response> {
    match person {
        Ok(person) => sessions::sign_out(&person).await?,
        Err(kernel::Error::Unauthenticated) => {}
        Err(error) => return Err(error),
    }
    let flash = Flash::new(Tone::Success, "You are signed out.");
    without_session(&web, SeeOther::new(SIGN_IN).flash(flash))
}
