//! Serves the gallery on a loopback port, with the policy that the consoles have:
//! `cargo run -p ui --example gallery -- 8099`, then `/ui`, `/sign-in`, `/error`. `?theme=dark` and
//! `?brand=%23ff6600` override.

#![allow(clippy::print_stdout, reason = "it says where it listens")]

mod sample;

use std::error::Error;

use axum::{
    Router,
    extract::RawQuery,
    http::header::CONTENT_SECURITY_POLICY,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use ui::{Brand, Page, Query, Theme};

const NONCE: &str = "for-looking-at";

fn answer(page: &Page, query: &Query) -> Response {
    let theme = match query.get("theme") {
        Some("dark") => Theme::Dark,
        Some("light") => Theme::Light,
        _ => Theme::System,
    };
    let brand = Brand {
        colour: query.get("brand").and_then(|colour| colour.parse().ok()),
        ..Brand::default()
    };
    let document = if page.is_bare() {
        sample::bare(theme).render(page, NONCE)
    } else {
        sample::shell(theme, brand).render(page, NONCE)
    };
    let policy = format!(
        "default-src 'self'; style-src 'self' 'nonce-{NONCE}'; script-src 'self' 'nonce-{NONCE}'; frame-ancestors 'self'"
    );
    (
        [(CONTENT_SECURITY_POLICY, policy)],
        Html(document.into_string()),
    )
        .into_response()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".to_owned());
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    println!("http://{}/ui", listener.local_addr()?);
    let app = Router::new()
        .route(
            "/ui",
            get(async |RawQuery(raw): RawQuery| {
                let query = Query::new("/ui", &raw.unwrap_or_default());
                answer(
                    &ui::gallery::page(&query, OffsetDateTime::now_utc()),
                    &query,
                )
            }),
        )
        .route(
            "/sign-in",
            get(async |RawQuery(raw): RawQuery| {
                answer(
                    &sample::sign_in(),
                    &Query::new("/sign-in", &raw.unwrap_or_default()),
                )
            }),
        )
        .route(
            "/error",
            get(async |RawQuery(raw): RawQuery| {
                answer(
                    &sample::error(),
                    &Query::new("/error", &raw.unwrap_or_default()),
                )
            }),
        )
        .merge(ui::assets::routes());
    axum::serve(listener, app).await?;
    Ok(())
}
