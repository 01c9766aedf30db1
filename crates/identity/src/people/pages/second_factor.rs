//! The second factor at signing in, and of a session that has not shown one.

use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Error, Result,
    access::{PendingToken, Person, SessionHolder, Visitor, Web},
    extract::{Form, Query},
    refusal::Refusal,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use ui::{Button, Field, Form as FormView, Page, PasskeyForm, SeeOther};

use super::{SECOND_FACTOR, SECURITY, SIGN_IN, bare, drawn_again, local, signed_in, with_next};
use crate::people::{
    People,
    factors::{self, Claimant, Evidence, Factors, passkeys},
    pending, sessions,
};

const OPTIONS: &str = "/sign-in/second-factor/options";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(SECOND_FACTOR, get(show).post(submit))
        .route(OPTIONS, post(options))
}

struct Data<'a> {
    factors: &'a Factors,
    next: &'a str,
    /// Whether the page asks for a recovery code.
    recovery: bool,
    passkeys: bool,
    wrong: Refusal,
}

fn page(data: &Data<'_>) -> Page {
    let page = bare("One more step", view(data));
    if data.passkeys {
        page.module(PasskeyForm::module())
    } else {
        page
    }
}

fn view(data: &Data<'_>) -> Markup {
    let has_code = data.factors.authenticator.is_some();
    let field = if data.recovery {
        Field::text("code", "Recovery code")
            .autocomplete("off")
            .placeholder("xxxx-xxxx-xxxx-xxxx")
            .hint("Each of them works once.")
    } else {
        Field::code("code", "Code from your authenticator").max_length(9)
    };
    let form = FormView::post(
        SECOND_FACTOR,
        html! { (field.autofocus().error(data.wrong.of("code"))) },
        html! { (Button::primary("Continue")) },
    )
    .hidden("next", data.next)
    .errors(data.wrong.all());
    let other = with_next(SECOND_FACTOR, data.next);
    html! {
        @if has_code || data.recovery { (form) }
        @else if data.wrong.all().next().is_some() {
            (FormView::post(SECOND_FACTOR, html! {}, html! {}).errors(data.wrong.all()))
        }
        @if data.passkeys {
            (PasskeyForm::get(SECOND_FACTOR, OPTIONS, "Use a passkey").hidden("next", data.next))
        }
        p.bare-foot {
            @if data.recovery { a href=(other) { "Use another way" } }
            @else { a href={ (other) "&recovery=true" } { "Use a recovery code" } }
            " · " a href=(SIGN_IN) { "Sign in as somebody else" }
        }
    }
}

/// Staff have to have a second factor before they can show one.
fn none_yet() -> Page {
    bare(
        "A second factor is needed",
        html! {
            p { "This part of the product is open to accounts with a second factor: an authenticator app or a passkey. Yours has none yet." }
            div.form-buttons { (Button::primary("Set one up").to(SECURITY)) }
        },
    )
}

#[derive(Debug, Deserialize)]
struct Asked {
    next: Option<String>,
    #[serde(default)]
    recovery: bool,
}

async fn claimant(
    people: &People,
    token: PendingToken,
    person: Result<Person>,
) -> Result<Option<Claimant>> {
    let waiting = pending::find(people, token.0.as_ref()).await?;
    Ok(Claimant::of(waiting, person.ok()))
}

async fn show(
    State(people): State<People>,
    token: PendingToken,
    person: Result<Person>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let next = local(asked.next.as_deref());
    let Some(claimant) = claimant(&people, token, person).await? else {
        return Ok(SeeOther::new(with_next(SIGN_IN, next)).into_response());
    };
    let factors = claimant.factors(&people).await?;
    if !factors.has_any() {
        return Ok(none_yet().into_response());
    }
    let data = Data {
        next,
        recovery: asked.recovery,
        passkeys: people.has_passkeys() && !factors.passkeys.is_empty(),
        factors: &factors,
        wrong: Refusal::default(),
    };
    Ok(page(&data).into_response())
}

#[derive(Debug, Deserialize)]
struct Shown {
    code: Option<String>,
    credential: Option<String>,
    next: Option<String>,
}

async fn submit(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    token: PendingToken,
    before: Result<SessionHolder>,
    Form(sent): Form<Shown>,
) -> Result<Response> {
    let next = local(sent.next.as_deref());
    let waiting = pending::find(&people, token.0.as_ref()).await?;
    let (claimant, earlier) = match (waiting, before) {
        (Some(waiting), before) if waiting.user.is_some() => {
            (Claimant::of(Some(waiting), None), before.ok())
        }
        (_, before) => (
            Claimant::of(None, before.and_then(SessionHolder::unconfined).ok()),
            None,
        ),
    };
    let Some(claimant) = claimant else {
        return Ok(SeeOther::new(with_next(SIGN_IN, next)).into_response());
    };
    let evidence = match (&sent.code, &sent.credential) {
        (Some(code), _) => Evidence::Code(code),
        (None, Some(credential)) => Evidence::Passkey(credential),
        (None, None) => return Err(Error::invalid("the form has neither a code nor a passkey")),
    };
    let wrong = match factors::show(&people, &visitor, &claimant, evidence).await {
        Ok(Some(session)) => {
            if let Some(earlier) = earlier {
                sessions::sign_out(earlier.person()).await?;
            }
            return signed_in(&web, &session, SeeOther::new(next));
        }
        Ok(None) => match sent.code {
            Some(_) => Error::field("code", "is not right, or was used already"),
            None => Error::invalid("the passkey was not accepted; try again"),
        }
        .refusal()?,
        Err(error) => error.refusal()?,
    };
    let factors = claimant.factors(&people).await?;
    let recovery = sent.code.as_deref().is_some_and(factors::is_recovery);
    let data = Data {
        next,
        recovery,
        passkeys: people.has_passkeys() && !factors.passkeys.is_empty(),
        factors: &factors,
        wrong,
    };
    Ok(drawn_again(&data.wrong, page(&data)))
}

async fn options(
    State(people): State<People>,
    _: Visitor,
    token: PendingToken,
    person: Result<Person>,
) -> Result<Response> {
    let claimant = claimant(&people, token, person).await?;
    let claimant = claimant.ok_or(Error::Unauthenticated)?;
    let options = passkeys::begin_second_factor(&people, &claimant).await?;
    let mut response = Json::<Value>(options).into_response();
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    Ok(response)
}
