//! Puts verified events where they belong: the tenant's cell, or quarantine.

use kernel::{
    Access, Result, id::InboundEventId, ingest::NewInbound, permission::InboundReceive,
    routes::Quarantined,
};
use serde_json::{Map, Value, json};

use super::Arrival;
use crate::webhook::{Child, Slot};

/// Headers that carry secrets whatever the provider.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Stores a tenant's events in one transaction. `whole` says that the delivery is this tenant's
/// alone, so that its raw bytes may be kept with it; else the tenant gets its own parts only.
pub(super) async fn store(
    access: &Access<InboundReceive>,
    arrival: &Arrival<'_>,
    children: Vec<Child>,
    slot: Slot,
    whole: bool,
) -> Result<()> {
    if children.is_empty() {
        return Ok(());
    }
    let verdict = match slot {
        Slot::Current => "verified_current",
        Slot::Previous => "verified_previous",
    };
    let headers = headers(arrival);
    let events = children
        .into_iter()
        .enumerate()
        .map(|(place, child)| {
            let body = (whole && place == 0).then(|| arrival.body.to_vec());
            let is_whole_body = body.as_deref() == Some(child.payload.as_slice());
            NewInbound {
                id: InboundEventId::new(),
                provider: arrival.provider.id.clone(),
                dedup_key: child.dedup_key,
                event_kind: child.event_kind,
                received_at: arrival.received_at,
                url: arrival.url.clone(),
                headers: headers.clone(),
                payload: (!is_whole_body).then_some(child.payload),
                body,
                verdict: verdict.to_owned(),
                ordering_key: child.ordering_key,
            }
        })
        .collect();
    access.store(events).await?;
    Ok(())
}

pub(super) async fn quarantine(
    access: &Access<InboundReceive>,
    arrival: &Arrival<'_>,
    url_named_tenant: bool,
    children: &[Child],
    reason: &'static str,
) -> Result<()> {
    let identifiers: Vec<Value> = children
        .iter()
        .flat_map(|child| &child.identifiers)
        .map(|(kind, value)| json!({ "kind": kind, "value": value }))
        .collect();
    tracing::warn!(
        provider = arrival.provider.id,
        reason,
        "webhook quarantined"
    );
    access
        .quarantine(Quarantined {
            provider: arrival.provider.id.clone(),
            url_named_tenant,
            identifiers: Value::Array(identifiers),
            reason,
            received_at: arrival.received_at,
            headers: headers(arrival),
            body: arrival.body.to_vec(),
        })
        .await
}

/// The request's headers for the record, without the values that are secrets themselves.
fn headers(arrival: &Arrival<'_>) -> Value {
    let secret = |name: &str| {
        SECRET_HEADERS.contains(&name)
            || arrival
                .webhook
                .secret_headers()
                .any(|header| header.as_str() == name)
    };
    let mut map = Map::new();
    for (name, value) in &arrival.headers {
        let text = if secret(name.as_str()) {
            "…".to_owned()
        } else {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        };
        // Postgres' JSON holds no NUL, and a header field cannot either; other bytes were decoded above.
        map.insert(name.as_str().to_owned(), Value::String(text));
    }
    Value::Object(map)
}
