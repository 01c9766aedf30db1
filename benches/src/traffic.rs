//! Webhooks, made and signed beforehand: whose, of what kind, and which of them come twice.

use http::HeaderMap;
use rand::RngExt;
use sandbox::senders::{Outgoing, twilio::Sms, whatsapp};

use crate::{
    installation::{Tenant, digits},
    node::PUBLIC_URL,
};

/// One in so many deliveries is of an event that was delivered before.
const DUPLICATES: f64 = 0.05;
/// People who write to each tenant.
const CONTACTS: usize = 50;

/// An event that a provider delivers, once or more often.
#[derive(Debug)]
pub struct Event {
    pub tenant: usize,
    pub provider: &'static str,
    /// The key under which the event has to be found in the database.
    pub dedup_key: String,
    /// The whole HTTP request.
    pub request: Vec<u8>,
}

#[derive(Debug)]
pub struct Traffic {
    pub slugs: Vec<String>,
    pub events: Vec<Event>,
    /// Which event each delivery is of, in the order in which they are sent.
    pub deliveries: Vec<usize>,
}

impl Traffic {
    /// Half WhatsApp messages, half SMS. The tenant of rank n gets a share of 1/n, as popularity
    /// usually falls off.
    pub fn make(tenants: &[Tenant], deliveries: usize) -> Self {
        let mut rng = rand::rng();
        let pick = skewed(tenants.len());
        let people: Vec<String> = (0..CONTACTS)
            .map(|_| format!("1555{}", digits(7)))
            .collect();
        let mut traffic = Self {
            slugs: tenants.iter().map(|tenant| tenant.slug.clone()).collect(),
            events: Vec::new(),
            deliveries: Vec::with_capacity(deliveries),
        };
        for _ in 0..deliveries {
            let repeats = rng.random_bool(DUPLICATES) && !traffic.events.is_empty();
            let event = if repeats {
                rng.random_range(0..traffic.events.len())
            } else {
                let tenant = pick(rng.random());
                let from = &people[rng.random_range(0..CONTACTS)];
                let event = Event::make(tenant, &tenants[tenant], from, rng.random());
                traffic.events.push(event);
                traffic.events.len() - 1
            };
            traffic.deliveries.push(event);
        }
        traffic
    }
}

/// From a number in 0..1 to a rank, of which rank n gets a share of 1/n.
pub fn skewed(ranks: usize) -> impl Fn(f64) -> usize {
    let mut sum = 0.0;
    let bounds: Vec<f64> = (1..=ranks)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    move |number| {
        let place = bounds.partition_point(|bound| *bound < number * sum);
        place.min(ranks - 1)
    }
}

const TEXT: &str = "Hello, do you have a table for four this evening at about eight, please?";

impl Event {
    fn make(index: usize, tenant: &Tenant, from: &str, whatsapp: bool) -> Self {
        if whatsapp {
            let url = url(tenant, "whatsapp");
            let message = whatsapp::Message::text(from, TEXT);
            let outgoing = whatsapp::Delivery::new()
                .message(&tenant.whatsapp, &message)
                .signed(&url, &tenant.whatsapp.app_secret);
            return Self {
                tenant: index,
                provider: "whatsapp",
                dedup_key: format!("message:{}", message.wamid()),
                request: on_the_wire(&outgoing),
            };
        }
        let url = url(tenant, "twilio");
        let outgoing = Sms::new(&tenant.twilio, &format!("+{from}"), TEXT)
            .signed(&url, &tenant.twilio.auth_token);
        let token = text(&outgoing.headers, "i-twilio-idempotency-token");
        Self {
            tenant: index,
            provider: "twilio",
            dedup_key: format!("token:{token}"),
            request: on_the_wire(&outgoing),
        }
    }
}

fn url(tenant: &Tenant, provider: &str) -> String {
    format!("{PUBLIC_URL}/hooks/{}/{provider}", tenant.slug)
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default()
}

fn on_the_wire(outgoing: &Outgoing) -> Vec<u8> {
    let (host, path) = outgoing
        .url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_default();
    let mut request = format!("POST /{path} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n");
    for name in outgoing.headers.keys() {
        request += &format!("{name}: {}\r\n", text(&outgoing.headers, name.as_str()));
    }
    request += &format!("content-length: {}\r\n\r\n", outgoing.body.len());
    let mut request = request.into_bytes();
    request.extend_from_slice(&outgoing.body);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_ranks_are_picked_more_often() {
        let pick = skewed(100);
        assert_eq!(pick(0.0), 0);
        assert_eq!(pick(0.19), 0);
        assert_eq!(pick(0.2), 1);
        assert_eq!(pick(0.999_999), 99);
        assert_eq!(pick(1.0), 99);
    }
}
