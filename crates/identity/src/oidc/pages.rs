//! The two ends of a sign-in by an identity provider: the link that leads there, and where the
//! provider sends the browser back to. Neither shows a page: what fails is shown by the console's
//! error page.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Error, Result,
    access::{SessionHolder, Visitor, Web},
    error::SignInRefusal,
    extract::{Path, Query},
};
use serde::Deserialize;
use ui::SeeOther;

use super::{
    CALLBACK, Oidc, account,
    flow::{self, Answer, LIFE},
    relying::Relying,
};
use crate::people::{
    pages::{SECOND_FACTOR, signed_in, with_next},
    sessions,
    sign_in::SignIn,
};

/// `/sign-in/oidc/…`.
pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Oidc: FromRef<S>,
{
    Router::new()
        .route(CALLBACK, get(come_back))
        .route("/sign-in/oidc/{provider}", get(by_platform))
        .route("/sign-in/oidc/{tenant}/{provider}", get(by_tenant))
}

#[derive(Debug, Deserialize)]
struct Wanted {
    next: Option<String>,
}

async fn by_platform(
    State(oidc): State<Oidc>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    headers: HeaderMap,
    Path(provider): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let relying = oidc.platform(&provider)?;
    leave(&oidc, &web, &visitor, &headers, &relying, &wanted).await
}

async fn by_tenant(
    State(oidc): State<Oidc>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    headers: HeaderMap,
    Path((tenant, provider)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response> {
    let relying = oidc.of_tenant(&tenant, &provider).await?;
    leave(&oidc, &web, &visitor, &headers, &relying, &wanted).await
}

async fn leave(
    oidc: &Oidc,
    web: &Web,
    visitor: &Visitor,
    headers: &HeaderMap,
    relying: &Relying,
    wanted: &Wanted,
) -> Result<Response> {
    let handle = web.handle_of(COOKIE, headers);
    let leaving = flow::leave(oidc, visitor, relying, handle, wanted.next.as_deref()).await?;
    let to = HeaderValue::from_str(leaving.to.as_str()).map_err(Error::internal)?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, to);
    let cookie = web.handle_cookie(COOKIE, &leaving.handle, LIFE.whole_seconds())?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

async fn come_back(
    State(oidc): State<Oidc>,
    Extension(web): Extension<Web>,
    visitor: Visitor,
    before: Result<SessionHolder>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Result<Response> {
    let handle = web.handle_of(COOKIE, &headers);
    let returned = flow::come_back(&oidc, handle, answer.state.as_deref()).await?;
    let relying = match oidc.which(&returned.which).await {
        // It was turned off, or its tenant was, while the browser was away.
        Err(Error::NotFound(_)) => return Err(Error::SignIn(SignInRefusal::NotAdmitted)),
        other => other?,
    };
    let claims = flow::ask(&oidc, &relying, &returned, &answer).await?;
    let before = before.ok();
    let here = before
        .as_ref()
        .map(SessionHolder::person)
        .filter(|person| person.confined_to().is_none());
    let next = returned.next.unwrap_or_else(|| relying.home());
    let session = match account::enter(&oidc, &visitor, &relying, &claims, here).await? {
        SignIn::Done(session) => session,
        SignIn::Waits(waiting) => {
            let mut response = SeeOther::new(with_next(SECOND_FACTOR, &next)).into_response();
            let cookie = web.pending_cookie(&waiting.token)?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
            return Ok(response);
        }
        SignIn::Refused => return Err(Error::SignIn(SignInRefusal::NotAdmitted)),
    };
    // The browser's earlier session would be left without anybody to end it.
    if let Some(before) = &before {
        sessions::sign_out(before.person()).await?;
    }
    signed_in(&web, &session, SeeOther::new(next))
}

/// Names the cookie of browsers that are at an identity provider.
const COOKIE: &str = "oidc";
