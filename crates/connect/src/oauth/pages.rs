//! The pages around consent: where a person begins (`begin`), where whoever has a link does (`link`),
//! and where providers send browsers back to (`back`).

mod back;
mod begin;
pub(crate) mod card;
mod link;

use axum::{
    Router,
    extract::FromRef,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{Db, Error, Result, access::Web};
use maud::{Render, html};
use ui::{Button, Card, Icon, Page, PageHeader};

use super::flow::{CALLBACK, LIFE, Leaving};
use crate::Connect;

/// Names the cookie of browsers that are at a provider.
const COOKIE: &str = "connect";
/// Where somebody with a link ends, unless they are sent on.
const CONNECTED: &str = "/oauth/connected";
/// Browsers go on by this header as by a link, which no rule for forms holds up.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    Router::new()
        .route(
            "/app/{tenant}/connections/{provider}",
            get(begin::show).post(begin::leave),
        )
        .route(CALLBACK, get(back::come_back))
        .route(CONNECTED, get(back::connected))
        .route("/connect/{token}", get(link::show))
        .route(
            "/connect/{token}/{provider}",
            get(link::form).post(link::begin),
        )
}

/// The page that leads a browser to a provider, with the cookie by which it is known again.
///
/// The form that was sent can't be answered with a redirect: the pages' policy lets forms end on
/// this host alone.
fn leaving(web: &Web, leaving: &Leaving, provider: &str, page: Leads) -> Result<Response> {
    let to = leaving.to.as_str();
    let body = html! {
        div.narrow {
            (PageHeader::new(format!("On to {provider}"))
                .about(html! { "Your browser is sent there now. Choose the account, and allow what is asked." }))
            (Card::new(Button::primary(format!("Continue to {provider}")).icon(Icon::External).to(to).render()))
        }
    };
    let shown = Page::new(format!("On to {provider}"), body);
    let shown = match page {
        Leads::Console => shown,
        Leads::Link => shown.bare(),
    };
    let mut response = by_refresh(shown, to)?;
    let cookie = web.handle_cookie(COOKIE, &leaving.handle, LIFE.whole_seconds())?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// A page from which the browser goes on by itself, to an address outside.
fn by_refresh(page: Page, to: &str) -> Result<Response> {
    let mut response = page.into_response();
    let refresh = format!("0; url={to}");
    let refresh = HeaderValue::from_str(&refresh).map_err(Error::internal)?;
    response.headers_mut().insert(REFRESH, refresh);
    Ok(response)
}

/// What stands around the page.
#[derive(Clone, Copy)]
enum Leads {
    Console,
    Link,
}
