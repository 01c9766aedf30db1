//! `/oauth/callback`: where every provider sends browsers back to. What was begun is looked up by the
//! state alone; whatever goes wrong ends on a page that says it and leads back.

use axum::{
    Extension,
    extract::State,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use kernel::{
    Access, Db, Error, Result,
    access::{Web, session::digest_of},
    extract::Query,
    id::CredentialId,
    permission::CredentialsWrite,
    refusal::sentence,
    telemetry,
};
use maud::{Render, html};
use ui::{Card, ErrorPage, Flash, Page, PageHeader, SeeOther, Tone};
use url::Url;

use super::{CONNECTED, COOKIE};
use crate::{
    Connect,
    oauth::flow::{Answer, Returned, stale},
};

pub async fn come_back(
    State(db): State<Db>,
    State(connect): State<Connect>,
    Extension(web): Extension<Web>,
    parts: Parts,
    Query(answer): Query<Answer>,
) -> Result<Response> {
    let handle = web.handle_of(COOKIE, &parts.headers);
    let (Some(handle), Some(state)) = (handle, answer.state.as_deref()) else {
        return Ok(refused(&stale(), "/app").into_response());
    };
    let access = Access::for_return(&db, &parts, state, &digest_of(handle.expose())).await;
    let access = match access {
        Ok(Some(access)) => access,
        // Whoever left is signed in no longer, which only they may learn.
        Ok(None) | Err(Error::Unauthenticated) => {
            return Ok(refused(&stale(), "/app").into_response());
        }
        Err(error) => return Err(error),
    };
    let returned = match connect.come_back(&access, &handle, state).await {
        Ok(returned) => returned,
        Err(error @ Error::Conflict { .. }) => return Ok(refused(&error, "/app").into_response()),
        Err(error) => return Err(error),
    };
    let completed = connect.complete(&access, &returned, &answer).await;
    end(&connect, &access, &returned, completed)
}

fn end(
    connect: &Connect,
    access: &Access<CredentialsWrite>,
    returned: &Returned,
    completed: Result<CredentialId>,
) -> Result<Response> {
    if let Some(address) = &returned.return_to
        && connect.may_return_to(address)
    {
        let outcome = match &completed {
            Ok(id) => ("connection", id.to_string()),
            Err(error) => {
                match error.status().is_server_error() {
                    true => tracing::error!(cause = ?error, "an account was not connected"),
                    false => tracing::info!(code = error.code(), "an account was not connected"),
                }
                ("error", error.code().to_owned())
            }
        };
        let to = with_outcome(address, outcome)?;
        let to = HeaderValue::from_str(to.as_str()).map_err(Error::internal)?;
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.headers_mut().insert(header::LOCATION, to);
        return Ok(response);
    }
    match completed {
        Ok(_) if returned.by_link => Ok(SeeOther::new(CONNECTED).into_response()),
        Ok(id) => {
            let name = connect.catalogue().get(&returned.provider);
            let name = name.map_or(returned.provider.as_str(), |provider| &provider.name);
            let to = access.tenant().href(&format!("/credentials/{id}"));
            let flash = Flash::new(Tone::Success, format!("{name} is connected."));
            Ok(SeeOther::new(to).flash(flash).into_response())
        }
        Err(error)
            if error.status().is_server_error() && !matches!(error, Error::Provider { .. }) =>
        {
            Err(error)
        }
        Err(error) if returned.by_link => Ok(refused(&error, "/").into_response()),
        Err(error) => {
            let back = format!("/connections/{}", returned.provider);
            Ok(refused(&error, &access.tenant().href(&back)).into_response())
        }
    }
}

/// An address outside, of an origin that the operator has allowed, told what became of it.
pub(super) fn with_outcome(address: &str, (name, value): (&str, String)) -> Result<Url> {
    let mut to = Url::parse(address).map_err(Error::internal)?;
    to.query_pairs_mut().append_pair(name, &value);
    Ok(to)
}

/// What went wrong, and the way back.
fn refused(error: &Error, back: &str) -> Page {
    let title = match error.code() {
        "connection_denied" => "The account was not connected",
        "connection_stale" => "This way back is over",
        "identifier_taken" => "The account is connected elsewhere",
        _ => "The account could not be connected",
    };
    let label = match back {
        "/app" => "To the first page",
        "/" => "Close",
        _ => "Try again",
    };
    let remedy = match (error.code(), back) {
        ("connection_denied", _) => {
            format!("{}. Nothing was changed.", sentence(&error.to_string()))
        }
        (_, "/") => format!(
            "{}. Open the link that you were given once more to begin again.",
            sentence(&error.to_string())
        ),
        _ => format!("{}. Nothing was changed.", sentence(&error.to_string())),
    };
    let id = telemetry::current_correlation().map(|id| id.to_string());
    let status = error.status();
    let page = ErrorPage::new(
        status.as_u16(),
        error.code(),
        title,
        remedy,
        id.unwrap_or_default(),
    );
    let page = match back {
        "/" => page,
        back => page.action(label, back),
    };
    page.page().bare()
}

pub async fn connected() -> Page {
    let body = html! {
        div.narrow {
            (PageHeader::new("The account is connected"))
            (Card::new(html! { p { "You can close this window." } }.render()))
        }
    };
    Page::new("Connected", body).bare()
}
