//! Properties over all providers: what is signed verifies, what is changed does not, and no input
//! at all makes anything panic.

mod common;

use common::{CURRENT, FORM, NOW, at, view};
use connect::catalogue::{Catalogue, Verifier, Webhook};
use connect::webhook::{Secrets, SignableRequest, generate};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kernel::secret::Secret;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::Value;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

/// Every way of every built-in provider.
fn ways() -> Vec<(String, Webhook, Verifier)> {
    let catalogue = Catalogue::builtin();
    let webhooks = catalogue.iter().filter_map(|provider| {
        let webhook = provider.webhook.clone()?;
        Some((provider.id.clone(), webhook))
    });
    webhooks
        .flat_map(|(id, webhook)| {
            let ways = webhook.verify.clone();
            ways.into_iter()
                .map(move |way| (id.clone(), webhook.clone(), way))
        })
        .collect()
}

fn json_object() -> impl Strategy<Value = String> {
    proptest::collection::btree_map("[a-zA-Z_]{1,8}", "\\PC{0,16}", 0..6)
        .prop_map(|fields| serde_json::to_string(&fields).expect("strings are JSON"))
}

fn request(content_type: &'static str, body: &[u8]) -> SignableRequest {
    let body = std::str::from_utf8(body).expect("text");
    common::post(content_type, body)
}

fn is_verified(webhook: &Webhook, request: &SignableRequest, key: &Secret) -> bool {
    let secrets = Secrets {
        current: key,
        previous: None,
    };
    webhook.verify(&view(request), &secrets).is_verified()
}

/// Keys that all providers look for, so that generated documents reach the inner branches.
fn known_key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("entry"),
        Just("changes"),
        Just("value"),
        Just("messages"),
        Just("statuses"),
        Just("contacts"),
        Just("metadata"),
        Just("id"),
        Just("from"),
        Just("type"),
        Just("event"),
        Just("message"),
        Just("data"),
        Just("signature"),
        Just("timestamp"),
        Just("webhookTimestamp"),
        Just("challenge"),
        Just("update_id"),
    ]
    .prop_map(str::to_owned)
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(Value::from("url_verification")),
    ];
    leaf.prop_recursive(6, 64, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((known_key(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn garbage_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..256),
        document().prop_map(|document| document.to_string().into_bytes()),
        "[a-z=&%+;0-9-]{0,64}".prop_map(String::into_bytes),
        "(--x\r\n|Content-Disposition: form-data; name=\"a\"|filename=|\r\n\r\n|[a-z;=\"]|--x--){0,12}"
            .prop_map(String::into_bytes),
    ]
}

fn header_values() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "(v0=|v1=|v1,|t=|sha256=|Bearer |Basic |,| |=|[0-9a-fA-F]{1,8}){0,12}"
            .prop_map(String::into_bytes),
        "17[0-9]{8}".prop_map(String::into_bytes),
    ]
}

fn garbage_headers() -> impl Strategy<Value = HeaderMap> {
    let names: Vec<&'static str> = vec![
        "x-hub-signature-256",
        "x-telegram-bot-api-secret-token",
        "x-twilio-signature",
        "x-signature",
        "x-timestamp",
        "authorization",
        "elevenlabs-signature",
        "svix-id",
        "svix-timestamp",
        "svix-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-slack-signature",
        "x-slack-request-timestamp",
        "linear-signature",
        "stripe-signature",
        "x-goog-channel-token",
        "x-signature-ed25519",
        "x-signature-timestamp",
        "x-twilio-email-event-webhook-signature",
        "x-twilio-email-event-webhook-timestamp",
    ];
    let content_types = prop_oneof![
        Just("application/json"),
        Just(FORM),
        Just("multipart/form-data; boundary=x"),
        Just("multipart/form-data; boundary"),
        Just("multipart/form-data; a=\"b"),
    ];
    let pairs =
        proptest::collection::vec((proptest::sample::select(names), header_values()), 0..12);
    (pairs, content_types).prop_map(|(pairs, content_type)| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        for (name, value) in pairs {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        headers
    })
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn what_is_signed_verifies_and_its_changed_body_does_not(
        body in json_object(),
        position in any::<proptest::sample::Index>(),
        change in 1..=255u8,
    ) {
        for (id, webhook, way) in ways() {
            let pair = generate(&way).expect("keys");
            let mut request = request("application/json", body.as_bytes());
            way.sign(&mut request, &pair.signing, at(NOW)).expect("signs");
            let verdict = common::verify(&webhook, &request, pair.verifying.expose());
            prop_assert_eq!(verdict, CURRENT, "{}", id);

            let index = position.index(request.body.len());
            request.body[index] ^= change;
            let accepted = is_verified(&webhook, &request, &pair.verifying);
            // Mailgun's triple stands in the body, so a change there may be refused as well.
            if way.covers_body() {
                prop_assert!(!accepted, "{} took a changed body", id);
            } else if id != "mailgun" {
                prop_assert!(accepted, "{} signs no body", id);
            }
        }
    }

    #[test]
    fn a_changed_form_value_is_refused(
        values in proptest::collection::vec("[a-z]{1,12}", 1..6),
        position in any::<proptest::sample::Index>(),
    ) {
        let covering = ways().into_iter().filter(|(_, _, way)| way.covers_body());
        for (id, webhook, way) in covering {
            if id == "linear" {
                // Linear's timestamp stands in a JSON body: it sends no forms.
                continue;
            }
            let form: Vec<String> = values
                .iter()
                .enumerate()
                .map(|(index, value)| format!("F{index}={value}"))
                .collect();
            let pair = generate(&way).expect("keys");
            let mut request = request(FORM, form.join("&").as_bytes());
            way.sign(&mut request, &pair.signing, at(NOW)).expect("signs");
            prop_assert!(is_verified(&webhook, &request, &pair.verifying), "{}", id);

            let letters: Vec<usize> = (0..request.body.len())
                .filter(|index| request.body[*index].is_ascii_lowercase())
                .collect();
            let index = letters[position.index(letters.len())];
            request.body[index] = request.body[index].to_ascii_uppercase();
            prop_assert!(!is_verified(&webhook, &request, &pair.verifying), "{}", id);
        }
    }
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn garbage_is_refused_and_panics_nothing(
        get in any::<bool>(),
        url in "(https://h/a|wss://h:1/|http://\\[::1\\]|x|)(\\?[a-z.=&%'#_0-9é]{0,24})?",
        headers in garbage_headers(),
        body in garbage_body(),
        secret in "\\PC{1,24}",
    ) {
        let request = SignableRequest {
            method: if get { Method::GET } else { Method::POST },
            url,
            headers,
            body,
        };
        let (secret, other) = (Secret::new(format!("s{secret}")), Secret::new("whsec_c2VjcmV0"));
        let secrets = Secrets { current: &secret, previous: Some(&other) };
        for provider in Catalogue::builtin().iter() {
            let Some(webhook) = &provider.webhook else { continue };
            let request = view(&request);
            prop_assert!(!webhook.verify(&request, &secrets).is_verified(), "{}", provider.id);
            let _ = webhook.handshake_unsigned(&request, Some(&secrets));
            let _ = webhook.handshake_signed(&request);
            let _ = webhook.route(&request);
            if let Ok(children) = webhook.split(&request) {
                prop_assert!(!children.is_empty(), "{}", provider.id);
                for child in children {
                    prop_assert!(!child.dedup_key.is_empty() && !child.event_kind.is_empty());
                }
            }
        }
    }
}
