//! `/app/{tenant}`: what somebody wants to see first. Every part is shown to those whose role may
//! see it, so the page itself asks for membership alone.

mod view;

use axum::{Router, routing::get};
use connect::credentials::state::{self, Figures};
use converse::{
    activity::{self, Activity},
    conversations::{self, Conversation, Filter},
};
use identity::figures::{self, Team};
use kernel::{Access, Result, page::PageQuery, permission::TenantRead};
use time::OffsetDateTime;
use ui::Page;

use crate::http::AppState;

/// Two weeks: one to show, one to compare it with.
const DAYS: u16 = 14;
/// Conversations on the page.
const RECENT: u32 = 5;

pub fn pages() -> Router<AppState> {
    Router::new().route("/app/{tenant}", get(show))
}

/// What the reader's role lets them see.
#[derive(Debug, Default)]
struct Overview {
    activity: Option<Activity>,
    recent: Option<Vec<Conversation>>,
    credentials: Option<Figures>,
    api_keys: Option<i64>,
    team: Option<Team>,
}

async fn show(access: Access<TenantRead>) -> Result<Page> {
    let now = OffsetDateTime::now_utc();
    let mut overview = Overview::default();
    if let Some(reading) = access.also() {
        overview.activity = Some(activity::latest(&reading, DAYS, now).await?);
        let page = PageQuery {
            cursor: None,
            limit: Some(RECENT),
        };
        let recent = conversations::list(&reading, &page, &Filter::default()).await?;
        overview.recent = Some(recent.data);
    }
    if let Some(credentials) = access.also() {
        overview.credentials = Some(state::figures(&credentials).await?);
    }
    if let Some(keys) = access.also() {
        overview.api_keys = Some(figures::working_api_keys(&keys).await?);
    }
    if let Some(members) = access.also() {
        overview.team = Some(figures::team(&members).await?);
    }
    let may = |permission: &str| access.may_give(permission);
    let body = view::page(access.tenant(), &overview, may, now);
    Ok(Page::new("Overview", body))
}
