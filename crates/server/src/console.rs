//! What stands around every page of the consoles: the document, the shell of whoever is signed in,
//! the error page, the message after a form, and the Content-Security-Policy.
//!
//! Handlers return a [`Page`] or a `SeeOther` and know none of this.

mod flash;
pub mod overview;
mod shell;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use identity::people::pages::{SECOND_FACTOR, SIGN_IN, with_next};
use identity::{
    branding,
    surroundings::{Surroundings, surroundings},
};
use kernel::{
    Access, access::SessionHolder, error::Problem, permission::TenantRead, refusal::sentence,
};
use ui::{Bare, Brand, ErrorPage, Page, SeeOther};

use crate::http::AppState;

/// What is for programs stays what it is.
const FOR_PROGRAMS: [&str; 7] = [
    "/v1/",
    "/admin/v1/",
    "/hooks/",
    "/assets/",
    "/docs/",
    "/metrics",
    "/openapi.json",
];

/// Makes documents of pages and of the errors that browsers get.
pub async fn frame(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if FOR_PROGRAMS.iter().any(|prefix| path.starts_with(prefix)) {
        return next.run(request).await;
    }
    let visit = Visit::of(&request);
    let mut response = next.run(request).await;
    let page = match (Page::take(&mut response), problem(&mut response)) {
        (Some(page), _) => page,
        (None, Some(problem)) if visit.wants_html() => match visit.elsewhere(&problem) {
            Some(elsewhere) => return elsewhere,
            None => error_page(&problem).page(),
        },
        (None, _) => return visit.keep_flash(response, state.web()),
    };
    visit.document(&state, page, response).await
}

/// The problem that a handler answered with.
fn problem(response: &mut Response) -> Option<Problem> {
    response.extensions_mut().remove()
}

/// What of the request the frame needs once the handler has consumed it.
struct Visit {
    parts: Parts,
}

impl Visit {
    fn of(request: &Request) -> Self {
        let mut parts = Request::new(()).into_parts().0;
        parts.method = request.method().clone();
        parts.uri = request.uri().clone();
        parts.headers = request.headers().clone();
        parts.extensions = request.extensions().clone();
        // Who is signed in is asked once more for the frame, also around the answer to a form: that
        // the form itself came from here was asked by its handler.
        parts.method = if parts.method.is_safe() {
            parts.method
        } else {
            Method::GET
        };
        Self { parts }
    }

    fn path(&self) -> &str {
        self.parts.uri.path()
    }

    fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    fn wants_html(&self) -> bool {
        let accepted = self.headers().get_all(header::ACCEPT).iter();
        accepted
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.contains("text/html"))
    }

    /// Whether the browser fetches the page ahead, in case its link is followed.
    fn is_prefetch(&self) -> bool {
        let purpose = self.headers().get("sec-purpose");
        purpose.is_some_and(|value| value.as_bytes().starts_with(b"prefetch"))
    }

    /// Strangers are sent to sign in, and come back to where they wanted to go.
    fn elsewhere(&self, problem: &Problem) -> Option<Response> {
        let page = match problem.code {
            "unauthenticated" => SIGN_IN,
            "second_factor_required" => SECOND_FACTOR,
            _ => return None,
        };
        let wanted = self
            .parts
            .uri
            .path_and_query()
            .map_or("/", |wanted| wanted.as_str());
        Some(SeeOther::new(with_next(page, wanted)).into_response())
    }

    /// Turns the message that a handler left on its redirect into a cookie for the page that follows.
    fn keep_flash(&self, mut response: Response, web: &kernel::access::Web) -> Response {
        if let Some(flash) = response.extensions_mut().remove()
            && let Some(cookie) = flash::cookie(&flash, web.is_secure())
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    async fn document(mut self, state: &AppState, page: Page, response: Response) -> Response {
        self.believe(&response);
        let nonce = STANDARD_NO_PAD.encode(rand::random::<[u8; 16]>());
        let around = self.surroundings(state).await;
        let flash = flash::read(self.headers(), state.web().is_secure());
        let shown = flash.is_some() && !self.is_prefetch();
        let flashes: Vec<_> = flash.filter(|_| shown).into_iter().collect();
        let markup = match around {
            Some((around, brand)) if !page.is_bare() => {
                shell::shell(&around, brand, self.path(), flashes).render(&page, &nonce)
            }
            _ => {
                let brand = self.brand_of_link(state).await;
                let bare = shell::bare(flashes);
                Bare {
                    brand: brand.unwrap_or_default(),
                    ..bare
                }
                .render(&page, &nonce)
            }
        };
        let (mut parts, _) = response.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        let headers = &mut parts.headers;
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        if shown {
            headers.append(header::SET_COOKIE, flash::none(state.web().is_secure()));
        }
        Response::from_parts(parts, Body::from(markup.into_string()))
    }

    /// The brand of the tenant that a link to connect accounts is of.
    async fn brand_of_link(&self, state: &AppState) -> Option<Brand> {
        let rest = self.path().strip_prefix("/connect/")?;
        let token = rest.split('/').next()?;
        let found = Access::<TenantRead>::for_link(state.db(), token).await;
        let (access, _) = found.ok()??;
        branding::brand(&access).await.ok()
    }

    /// An answer that gives the session another token is itself a page of that session.
    fn believe(&mut self, response: &Response) {
        let pairs = response.headers().get_all(header::SET_COOKIE).iter();
        let pairs: Vec<HeaderValue> = pairs
            .filter_map(|set| set.to_str().ok()?.split(';').next()?.parse().ok())
            .collect();
        let headers = &mut self.parts.headers;
        let before: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
        headers.remove(header::COOKIE);
        for cookie in pairs.into_iter().chain(before) {
            headers.append(header::COOKIE, cookie);
        }
    }

    /// Whoever is signed in, and the brand of the tenant whose page it is. A page shows without its
    /// frame, or in the product's own colours, rather than not at all.
    async fn surroundings(&self, state: &AppState) -> Option<(Surroundings, Brand)> {
        let slug = shell::tenant_of(self.path());
        let (holder, visit) = SessionHolder::visiting(state.db(), &self.parts, slug)
            .await
            .ok()?;
        let surroundings = match surroundings(holder.person()).await {
            Ok(surroundings) => surroundings,
            Err(error) => {
                tracing::warn!(cause = ?error, "a page is shown without its frame");
                return None;
            }
        };
        let brand = match visit {
            Some(visit) => branding::brand(&visit).await,
            None => Ok(Brand::default()),
        };
        let brand = brand.unwrap_or_else(|error| {
            tracing::warn!(cause = ?error, "a page is shown without its tenant's brand");
            Brand::default()
        });
        Some((surroundings, brand))
    }
}

/// Scripts and styles of this server alone; inline ones only with this answer's nonce.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data: https:; connect-src 'self'; font-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

fn error_page(problem: &Problem) -> ErrorPage {
    let (title, remedy) = match problem.code {
        "not_found" => (
            "There is nothing here",
            "The address may be mistyped, or what was here is gone or belongs to somebody else."
                .to_owned(),
        ),
        "forbidden" => (
            "Your role does not allow this",
            format!(
                "{}. Ask an owner of the account for it.",
                sentence(&problem.detail)
            ),
        ),
        "tenant_inactive" => (
            "This account is not active",
            format!(
                "{}. Write to support to have it opened again.",
                sentence(&problem.detail)
            ),
        ),
        "session_confined" => (
            "You are signed in to one account alone",
            "You came by that account's own identity provider. Sign in with your password to reach \
             what is your own."
                .to_owned(),
        ),
        "sign_in_denied" => (
            "The sign-in was cancelled",
            "Nothing happened. You can try again, or sign in in another way.".to_owned(),
        ),
        "sign_in_stale" => (
            "This sign-in is over",
            "It has expired, was ended already, or began in another browser. Begin again.".to_owned(),
        ),
        "sign_in_invalid" | "sign_in_unverified" | "sign_in_link_first"
        | "sign_in_not_admitted" => ("You are not signed in", format!("{}.", sentence(&problem.detail))),
        "rate_limited" => ("Too many tries", sentence(&problem.detail)),
        "cross_origin" => (
            "The form came from another site",
            "Nothing was changed. Open the page again and send it from here.".to_owned(),
        ),
        "unavailable" | "tenant_moved" => (
            "The database does not answer",
            "Nothing was changed. Try again in a moment.".to_owned(),
        ),
        "internal_error" => (
            "Something went wrong on our side",
            "Nothing was half done. Try again; if it goes on, tell support the reference below."
                .to_owned(),
        ),
        _ => (
            "That did not work",
            format!("{}.", sentence(&problem.detail)),
        ),
    };
    let (label, href) =
        match problem.code.starts_with("sign_in_") || problem.code == "session_confined" {
            true => ("To the sign-in page", SIGN_IN),
            false => ("To the first page", "/app"),
        };
    let id = problem.correlation_id.map(|id| id.to_string());
    let status = StatusCode::from_u16(problem.status).unwrap_or_default();
    ErrorPage::new(
        status.as_u16(),
        problem.code,
        title,
        remedy,
        id.unwrap_or_default(),
    )
    .action(label, href)
}
