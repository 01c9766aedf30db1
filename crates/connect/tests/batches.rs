//! Batches: one child per event, each in its provider's envelope, nothing lost and nothing that
//! explodes.

mod common;

use common::{JSON, meta_batch, one, pairs, post, split, view, webhook};
use connect::webhook::{Child, Malformed};
use serde_json::{Value, json};

fn payload(child: &Child) -> Value {
    serde_json::from_slice(&child.payload).expect("a JSON payload")
}

#[test]
fn a_meta_batch_becomes_one_child_per_message_status_and_other_change() {
    let children = split("whatsapp", &post(JSON, &meta_batch().to_string()));
    let summary: Vec<_> = children
        .iter()
        .map(|child| {
            (
                child.event_kind.as_str(),
                child
                    .dedup_key
                    .split(':')
                    .take(3)
                    .collect::<Vec<_>>()
                    .join(":"),
                child.ordering_key.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        summary[..4],
        [
            (
                "message.text",
                "message:wamid.A".to_owned(),
                Some("PN1:49170")
            ),
            (
                "message.image",
                "message:wamid.B".to_owned(),
                Some("PN1:49171")
            ),
            (
                "status.sent",
                "status:wamid.C:sent".to_owned(),
                Some("PN2:49170")
            ),
            (
                "status.delivered",
                "status:wamid.C:delivered".to_owned(),
                Some("PN2:49170")
            ),
        ]
    );
    assert_eq!(children.len(), 5);
    assert_eq!(children[4].event_kind, "message_template_status_update");
    assert!(children[4].dedup_key.starts_with("sha256:"));
    assert_eq!(
        children[1].identifiers,
        pairs(&[("phone_number_id", "PN1"), ("waba_id", "WABA1")])
    );
    assert_eq!(children[4].identifiers, pairs(&[("waba_id", "WABA2")]));
}

#[test]
fn a_child_keeps_the_envelope_with_its_own_message_and_contact_only() {
    let children = split("whatsapp", &post(JSON, &meta_batch().to_string()));
    assert_eq!(
        payload(&children[1]),
        json!({
            "object": "whatsapp_business_account",
            "entry": [{"id": "WABA1", "changes": [{"field": "messages", "value": {
                "messaging_product": "whatsapp",
                "metadata": {"phone_number_id": "PN1", "display_phone_number": "1555"},
                "contacts": [{"wa_id": "49171", "profile": {"name": "Bob"}}],
                "messages": [
                    {"id": "wamid.B", "from": "49171", "type": "image", "image": {"id": "m"}}
                ]
            }}]}]
        })
    );
}

#[test]
fn an_unsplit_body_is_kept_byte_for_byte() {
    let body = r#"{ "entry" : [{"id":"W","changes":[{"value":{"metadata":{"phone_number_id":"P"},"messages":[{"id":"m\u00e4","from":"1"}]}}]}] }"#;
    let child = one("whatsapp", &post(JSON, body));
    assert_eq!(child.payload, body.as_bytes());
    assert_eq!(child.dedup_key, "message:mä");
}

#[test]
fn children_without_ids_do_not_share_a_dedup_key_and_keep_it_when_batched_otherwise() {
    let change = |event: &str| json!({"field": "account_update", "value": {"event": event}});
    let body = |changes: Value| json!({"entry": [{"id": "W", "changes": changes}]}).to_string();
    let both = split(
        "whatsapp",
        &post(JSON, &body(json!([change("A"), change("B")]))),
    );
    assert_ne!(both[0].dedup_key, both[1].dedup_key);
    let alone = one("whatsapp", &post(JSON, &body(json!([change("B")]))));
    assert_eq!(alone.dedup_key, both[1].dedup_key);
}

#[test]
fn nothing_is_lost_when_a_batch_has_another_shape() {
    for body in [
        r#"{"entry":[]}"#,
        r#"{"entry":[{"changes":[]}]}"#,
        r#"{"entry":{"changes":1}}"#,
        r#"{"object":"page"}"#,
        r#"{"entry":[{"id":"P","messaging":[{"x":1}]}]}"#,
        r#"{"entry":[{"changes":[{"value":{"messages":[]}}]}]}"#,
        r#"{"entry":[{"changes":[{"value":{"messages":{"id":"x"}}}]}]}"#,
        "[]",
        "null",
        "7",
    ] {
        let child = one("whatsapp", &post(JSON, body));
        assert_eq!(child.payload, body.as_bytes(), "{body}");
    }
    let mixed = r#"{"entry":[{"id":"P","messaging":[1]},{"id":"W","changes":[{"value":{"messages":[{"id":"m"}]}}]}]}"#;
    let children = split("whatsapp", &post(JSON, mixed));
    assert_eq!(children.len(), 2);
    assert_eq!(
        payload(&children[0]),
        json!({"entry":[{"id":"P","messaging":[1]}]})
    );
}

#[test]
fn a_body_made_to_explode_is_refused() {
    let whatsapp = webhook("whatsapp");
    let many = json!({"entry": [{"changes": [{"value": {"messages": vec![json!({}); 10_001]}}]}]});
    assert_eq!(
        whatsapp.split(&view(&post(JSON, &many.to_string()))),
        Err(Malformed::TooManyEvents)
    );
    let heavy = json!({
        "pad": "x".repeat(1_500_000),
        "entry": [{"changes": [{"value": {"messages": vec![json!({}); 500]}}]}]
    });
    assert_eq!(
        whatsapp.split(&view(&post(JSON, &heavy.to_string()))),
        Err(Malformed::TooLarge)
    );
    let deep = "[".repeat(100_000);
    assert_eq!(
        whatsapp.split(&view(&post(JSON, &deep))),
        Err(Malformed::Json)
    );
}

#[test]
fn sendgrids_events_are_parted_and_its_inbound_mail_is_read_from_multipart() {
    let events = json!([
        {"event": "delivered", "sg_event_id": "e1", "sg_message_id": "m1"},
        {"event": "open", "sg_event_id": "e2", "sg_message_id": "m1"}
    ]);
    let children = split("sendgrid", &post(JSON, &events.to_string()));
    assert_eq!(children.len(), 2);
    assert_eq!(children[1].event_kind, "event.open");
    assert_eq!(children[1].dedup_key, "event:e2");
    assert_eq!(payload(&children[1]), json!([events[1]]));

    let body = "--xx\r\nContent-Disposition: form-data; name=\"envelope\"\r\n\r\n{\"to\":[\"a@b\"]}\r\n--xx\r\nContent-Disposition: form-data; filename=\"envelope\"; name=\"attachment1\"\r\nContent-Type: text/plain\r\n\r\n--x\r\n\r\n--xx--\r\n";
    let inbound = post("multipart/form-data; boundary=\"xx\"", body);
    let child = one("sendgrid", &inbound);
    assert_eq!(child.event_kind, "inbound");
    assert_eq!(child.payload, body.as_bytes());
    let cut = post("multipart/form-data; boundary=xx", &body[..body.len() - 6]);
    assert_eq!(webhook("sendgrid").split(&view(&cut)), Err(Malformed::Form));
}
