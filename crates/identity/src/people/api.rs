//! `/v1/auth/…` for those who come, `/v1/me/…` for those who have signed in. A session travels in a
//! cookie alone: no answer's body holds its token.

mod auth;
mod me;

use axum::{
    extract::FromRef,
    http::header,
    response::{IntoResponse, Response},
};
use kernel::{Db, Result, access::Web};
use utoipa_axum::router::OpenApiRouter;

use super::{NewSession, People};

pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    auth::routes().merge(me::routes())
}

/// An answer that gives the browser its session.
pub fn with_session(
    web: &Web,
    session: &NewSession,
    answer: impl IntoResponse,
) -> Result<Response> {
    let mut response = answer.into_response();
    let cookie = web.cookie(&session.token)?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// An answer that takes the browser's session away.
pub fn without_session(web: &Web, answer: impl IntoResponse) -> Result<Response> {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .append(header::SET_COOKIE, web.no_cookie()?);
    Ok(response)
}
