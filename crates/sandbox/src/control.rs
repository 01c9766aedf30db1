//! The control API: faults and the record, for programs that do not hold the `Sandbox` itself.
//!
//! - `GET | POST | DELETE /_sandbox/faults`: list, plan (`{"provider", "fault": {"kind": …},
//!   "times", "scope": {"path", "account"}}`), clear
//! - `GET /_sandbox/requests?provider=&after=`: `{"data": […]}`, oldest first, optionally only
//!   those after a sequence number; `DELETE` forgets all
//! - `PUT | DELETE /_sandbox/accounts/{provider}/{account}/revoked`: takes a service account's proof
//!   back, or gives it again
//! - `POST /_sandbox/oauth/clock`: puts the authorization servers' clock ahead, `{"seconds"}`
//! - `GET /_sandbox/mail`: `{"data": […]}`, the letters that the mail server was given, oldest first

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::{get, post, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{faults::PlannedFault, provider::Provider, server::Simulation};

pub(crate) fn router() -> Router<Arc<Simulation>> {
    Router::new()
        .route(
            "/faults",
            get(list_faults).post(plan_fault).delete(clear_faults),
        )
        .route("/requests", get(list_requests).delete(clear_requests))
        .route("/mail", get(list_mail))
        .route("/oauth/clock", post(advance))
        .route(
            "/accounts/{provider}/{account}/revoked",
            put(revoke).delete(restore),
        )
}

async fn list_faults(State(simulation): State<Arc<Simulation>>) -> Json<Value> {
    Json(json!({ "data": simulation.faults.pending() }))
}

async fn plan_fault(
    State(simulation): State<Arc<Simulation>>,
    Json(fault): Json<PlannedFault>,
) -> (StatusCode, Json<PlannedFault>) {
    simulation.faults.plan(fault.clone());
    (StatusCode::CREATED, Json(fault))
}

async fn clear_faults(State(simulation): State<Arc<Simulation>>) -> StatusCode {
    simulation.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    provider: Option<Provider>,
    #[serde(default)]
    after: u64,
}

async fn list_requests(
    State(simulation): State<Arc<Simulation>>,
    Query(filter): Query<Filter>,
) -> Json<Value> {
    let mut requests = match filter.provider {
        Some(provider) => simulation.record.of(provider),
        None => simulation.record.all(),
    };
    requests.retain(|request| request.sequence > filter.after);
    Json(json!({ "data": requests }))
}

async fn clear_requests(State(simulation): State<Arc<Simulation>>) -> StatusCode {
    simulation.record.clear();
    StatusCode::NO_CONTENT
}

async fn list_mail(State(simulation): State<Arc<Simulation>>) -> Json<Value> {
    Json(json!({ "data": simulation.mail.letters() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ahead {
    seconds: u32,
}

async fn advance(
    State(simulation): State<Arc<Simulation>>,
    Json(ahead): Json<Ahead>,
) -> StatusCode {
    simulation
        .oauth
        .advance(time::Duration::seconds(ahead.seconds.into()));
    StatusCode::NO_CONTENT
}

async fn revoke(
    State(simulation): State<Arc<Simulation>>,
    Path((provider, account)): Path<(Provider, String)>,
) -> StatusCode {
    simulation.accounts.set_revoked(provider, &account, true);
    StatusCode::NO_CONTENT
}

async fn restore(
    State(simulation): State<Arc<Simulation>>,
    Path((provider, account)): Path<(Provider, String)>,
) -> StatusCode {
    simulation.accounts.set_revoked(provider, &account, false);
    StatusCode::NO_CONTENT
}
