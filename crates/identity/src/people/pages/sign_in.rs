//! Signing in, with a password, a passkey or by an identity provider, and out.

use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Result,
    access::{PendingToken, Person, SessionHolder, Visitor, Web},
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use ui::{Button, Field, Flash, Form as FormView, Page, PasskeyForm, SeeOther, Tone};

use super::{HOME, SECOND_FACTOR, SIGN_IN, bare, drawn_again, local, signed_in, with_next};
use crate::{
    oidc::{Offer, Oidc},
    people::{
        Email, People,
        api::without_session,
        factors::passkeys,
        pending, sessions,
        sign_in::{self, SignIn},
    },
};

const OPTIONS: &str = "/sign-in/passkey/options";
const PASSKEY: &str = "/sign-in/passkey";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
    Oidc: FromRef<S>,
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
    wrong: Refusal,
    sign_up: bool,
    passkeys: bool,
    offers: Vec<Offer>,
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
        .errors(data.wrong.all());
    html! {
        (form)
        @if data.passkeys {
            (PasskeyForm::get(PASSKEY, OPTIONS, "Sign in with a passkey").hidden("next", data.next))
        }
        @for offer in &data.offers {
            div.form-buttons { (Button::secondary(&offer.label).to(&offer.path)) }
        }
        p.bare-foot {
            @if data.sign_up { "No account yet? " a href="/sign-up" { "Sign up" } " · " }
            a href="/forgot" { "Forgot the password?" }
        }
    }
}

impl<'a> Data<'a> {
    async fn new(oidc: &Oidc, email: &'a str, next: &'a str, wrong: Refusal) -> Result<Self> {
        let people = oidc.people();
        Ok(Self {
            email,
            next,
            wrong,
            sign_up: people.settings().sign_up,
            passkeys: people.has_passkeys(),
            offers: offers(oidc, next).await?,
        })
    }
}

/// The providers to sign in by: those of the tenant whose page somebody wants, then the platform's.
async fn offers(oidc: &Oidc, next: &str) -> Result<Vec<Offer>> {
    let wanted = Some(next).filter(|next| *next != HOME);
    let mut offers = match tenant_of(next) {
        Some(slug) => oidc.offered_by(slug, wanted).await?,
        None => Vec::new(),
    };
    offers.extend(oidc.offered(wanted));
    Ok(offers)
}

fn tenant_of(next: &str) -> Option<&str> {
    let slug = next.strip_prefix("/app/")?.split(['/', '?', '#']).next()?;
    is_slug(slug).then_some(slug)
}

fn is_slug(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(allowed)
}

#[derive(Debug, Deserialize)]
struct Wanted {
    next: Option<String>,
    /// The slug of a tenant whose people the page is for; its console is where they go on to.
    tenant: Option<String>,
}

impl Wanted {
    fn path(&self) -> String {
        let tenant = self.tenant.as_deref().filter(|slug| is_slug(slug));
        match (&self.next, tenant) {
            (None, Some(slug)) => format!("/app/{slug}"),
            (next, _) => local(next.as_deref()).to_owned(),
        }
    }
}

/// Whoever is signed in already goes on.
async fn show(
    State(oidc): State<Oidc>,
    person: Result<Person>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let next = wanted.path();
    if person.is_ok() {
        return Ok(SeeOther::new(next).into_response());
    }
    let data = Data::new(&oidc, "", &next, Refusal::default()).await?;
    Ok(page(&data).into_response())
}

#[derive(Debug, Deserialize)]
struct Credentials {
    email: String,
    password: Secret,
    next: Option<String>,
}

async fn submit(
    State(people): State<People>,
    State(oidc): State<Oidc>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<SessionHolder>,
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
        Ok(SignIn::Refused) => Refusal::whole("There is no account with this address and password"),
        Err(error) => error.refusal()?,
    };
    let data = Data::new(&oidc, &sent.email, next, wrong).await?;
    Ok(drawn_again(&data.wrong, page(&data)))
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
    State(oidc): State<Oidc>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<SessionHolder>,
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
    let wrong = Refusal::whole("The passkey was not accepted. Try again, or use your password");
    let data = Data::new(&oidc, "", next, wrong).await?;
    Ok(drawn_again(&data.wrong, page(&data)))
}

/// The browser's earlier session would be left without anybody to end it.
async fn end(before: Result<SessionHolder>) -> Result<()> {
    match before {
        Ok(holder) => sessions::sign_out(holder.person()).await,
        Err(_) => Ok(()),
    }
}

/// Somebody whose session has ended meanwhile is signed out as well. Browsers send no cookie with
/// another site's form, but would take the answer's: that the form is ours is asked beforehand.
async fn sign_out(
    Extension(web): Extension<Web>,
    _: Visitor,
    holder: Result<SessionHolder>,
) -> Result<Response> {
    match holder {
        Ok(holder) => sessions::sign_out(holder.person()).await?,
        Err(kernel::Error::Unauthenticated) => {}
        Err(error) => return Err(error),
    }
    let flash = Flash::new(Tone::Success, "You are signed out.");
    without_session(&web, SeeOther::new(SIGN_IN).flash(flash))
}
