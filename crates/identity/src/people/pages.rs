//! The pages of people: signing in and up, the links of mails, the account and its security. They
//! call the same functions as the JSON API; what stands around them is not known here.

mod account;
mod confirm;
mod device;
mod factors;
mod home;
mod invitation;
mod passkeys;
mod reset;
mod second_factor;
mod security;
mod sign_in;
mod sign_up;
mod verify;

use axum::{
    Router,
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use kernel::{
    Db, Error, Result,
    access::{Person, Web},
    error::ConflictCode,
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use ui::{Page, SeeOther, is_local};

use super::{
    People,
    api::with_session,
    factors::{Confirmed, Missing},
};
use crate::oidc::Oidc;

/// Where people go who came from nowhere.
const HOME: &str = "/app";
/// Where people sign in.
pub const SIGN_IN: &str = "/sign-in";
/// Where they show their second factor.
pub const SECOND_FACTOR: &str = "/sign-in/second-factor";
const SECURITY: &str = "/account/security";
const CONFIRM: &str = "/account/confirm";

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
    Oidc: FromRef<S>,
{
    Router::new()
        .merge(sign_in::pages())
        .merge(second_factor::pages())
        .merge(sign_up::pages())
        .merge(verify::pages())
        .merge(reset::pages())
        .merge(invitation::pages())
        .merge(home::pages())
        .merge(account::pages())
        .merge(confirm::pages())
        .merge(security::pages())
        .merge(factors::pages())
        .merge(passkeys::pages())
}

/// Where to go afterwards, as it came with the request.
#[derive(Debug, Deserialize)]
struct Next {
    next: Option<String>,
}

impl Next {
    fn path(&self) -> &str {
        local(self.next.as_deref())
    }
}

/// The path if it is one of this host's, else the first page.
fn local(next: Option<&str>) -> &str {
    next.filter(|next| is_local(next)).unwrap_or(HOME)
}

/// A link's single-use token.
#[derive(Debug, Deserialize)]
struct Link {
    token: Option<Secret>,
}

const NEXT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_');

/// A page that leads on to another when it is done.
pub fn with_next(page: &str, next: &str) -> String {
    format!("{page}?next={}", utf8_percent_encode(next, NEXT))
}

/// A page for those who are not signed in, or not quite.
fn bare(title: &str, body: Markup) -> Page {
    Page::new(
        title,
        html! {
            h1 { (title) }
            (body)
        },
    )
    .bare()
}

/// A link that was used, has expired, or never was one.
fn spent(remedy: Markup) -> Page {
    bare(
        "This link is not valid any more",
        html! {
            p { "Links work once and for a limited time, and a newer one replaces those before it." }
            p.bare-foot { (remedy) }
        },
    )
    .status(axum::http::StatusCode::GONE)
}

/// A refused form's page, drawn again.
fn drawn_again(refusal: &Refusal, page: Page) -> Response {
    let mut response = page.status(refusal.status()).into_response();
    if let Some(seconds) = refusal.retry_after() {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What was wrong with a form that names a new tenant: a slug that is taken is the slug's fault.
fn naming_refused(error: Error) -> Result<Refusal> {
    let refusal = error.refusal()?;
    Ok(match refusal.conflict() {
        Some(ConflictCode::SlugTaken) => refusal.about("slug"),
        _ => refusal,
    })
}

/// An answer after which the browser is signed in, and no sign-in waits.
pub(crate) fn signed_in(
    web: &Web,
    session: &super::NewSession,
    answer: impl IntoResponse,
) -> Result<Response> {
    let mut response = with_session(web, session, answer)?;
    response
        .headers_mut()
        .append(header::SET_COOKIE, web.no_pending_cookie()?);
    Ok(response)
}

/// A person who may change their factors. Others are sent to show what is missing, and come back:
/// to the page that they wanted, or, from a form, to the page of security.
struct StepUp(Confirmed);

impl<S: Send + Sync> FromRequestParts<S> for StepUp
where
    Db: FromRef<S>,
{
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> std::result::Result<Self, Response> {
        let person = Person::from_request_parts(parts, state)
            .await
            .map_err(Error::into_response)?;
        let next = if parts.method.is_safe() {
            parts.uri.path()
        } else {
            SECURITY
        };
        match Confirmed::of(person).await.map_err(Error::into_response)? {
            Ok(confirmed) => Ok(Self(confirmed)),
            Err(Missing::Password) => Err(SeeOther::new(with_next(CONFIRM, next)).into_response()),
            Err(Missing::SecondFactor) => {
                Err(SeeOther::new(with_next(SECOND_FACTOR, next)).into_response())
            }
        }
    }
}
