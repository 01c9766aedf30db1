//! Payloads in the shapes of Meta's webhook reference.

use kernel::id::MessageId;

use super::*;

const FROM: &str = "4915123456789";

fn webhook(value: Value) -> Value {
    json!({
        "object": "whatsapp_business_account",
        "entry": [{ "id": "102290129340398", "changes": [{ "value": value, "field": "messages" }] }],
    })
}

fn metadata() -> Value {
    json!({ "display_phone_number": "15550783881", "phone_number_id": "106540352242922" })
}

fn message(kind: &str, content: Value) -> Value {
    let mut message = json!({
        "from": FROM,
        "id": "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=",
        "timestamp": "1749416383",
        "type": kind,
    });
    message[kind] = content;
    webhook(json!({
        "messaging_product": "whatsapp",
        "metadata": metadata(),
        "contacts": [{ "profile": { "name": "Sheena Nelson" }, "wa_id": FROM }],
        "messages": [message],
    }))
}

fn only(payload: &Value) -> Incoming {
    let mut all = incoming(payload).expect("reads");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn read(kind: &str, content: Value) -> Received {
    match only(&message(kind, content)).what {
        What::Message(received) => received,
        other => panic!("{other:?}"),
    }
}

#[test]
fn text() {
    let incoming = only(&message(
        "text",
        json!({ "body": "Does it come in blue? 👋" }),
    ));
    assert_eq!(incoming.account.as_deref(), Some("106540352242922"));
    assert_eq!(incoming.identifiers, ["106540352242922"]);
    assert_eq!(incoming.address, "+4915123456789");
    let What::Message(received) = incoming.what else {
        panic!("not a message");
    };
    assert!(received.is_answerable());
    assert_eq!(
        received,
        Received {
            name: Some("Sheena Nelson".to_owned()),
            external_id: "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA="
                .to_owned(),
            kind: Kind::Text,
            text: Some("Does it come in blue? 👋".to_owned()),
            media: vec![],
            at: OffsetDateTime::from_unix_timestamp(1_749_416_383).ok(),
            addressed: true,
        }
    );
}

#[test]
fn files_are_kept_as_references() {
    for (name, kind) in [
        ("image", Kind::Image),
        ("audio", Kind::Audio),
        ("video", Kind::Video),
        ("document", Kind::Document),
        ("sticker", Kind::Sticker),
    ] {
        let received = read(
            name,
            json!({
                "caption": "Taj Mahal",
                "filename": "taj.jpg",
                "mime_type": "image/jpeg",
                "sha256": "SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=",
                "id": "1003383421387256",
            }),
        );
        assert_eq!(received.kind, kind);
        assert_eq!(received.text.as_deref(), Some("Taj Mahal"));
        assert!(!received.is_answerable());
        assert_eq!(
            received.media,
            [Media {
                id: Some("1003383421387256".to_owned()),
                mime_type: Some("image/jpeg".to_owned()),
                url: None,
                caption: Some("Taj Mahal".to_owned()),
                file_name: Some("taj.jpg".to_owned()),
                sha256: Some("SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=".to_owned()),
            }]
        );
    }
}

#[test]
fn what_is_no_text_still_reads() {
    let location = read(
        "location",
        json!({ "latitude": 37.44, "longitude": -122.16, "name": "Philz Coffee", "address": "101 Forest Ave" }),
    );
    assert_eq!(location.kind, Kind::Location);
    assert_eq!(
        location.text.as_deref(),
        Some("Philz Coffee\n101 Forest Ave\n37.44, -122.16")
    );

    let contacts = read(
        "contacts",
        json!([
            { "name": { "formatted_name": "Barbara J. Johnson" }, "phones": [{ "phone": "+1 650-555-1234", "type": "HOME" }] },
            { "name": { "formatted_name": "Ann" } },
        ]),
    );
    assert_eq!(contacts.kind, Kind::Contacts);
    assert_eq!(
        contacts.text.as_deref(),
        Some("Barbara J. Johnson, +1 650-555-1234\nAnn")
    );

    let reaction = read(
        "reaction",
        json!({ "message_id": "wamid.X", "emoji": "👍" }),
    );
    assert_eq!(
        (reaction.kind, reaction.text.as_deref()),
        (Kind::Reaction, Some("👍"))
    );
    assert!(!reaction.is_answerable());
}

#[test]
fn choices_can_be_answered() {
    let button = read(
        "button",
        json!({ "payload": "STOP", "text": "Stop promotions" }),
    );
    assert_eq!(button.kind, Kind::Button);
    assert_eq!(button.text.as_deref(), Some("Stop promotions"));
    assert!(button.is_answerable());

    for (content, text) in [
        (
            json!({ "type": "button_reply", "button_reply": { "id": "1", "title": "Yes" } }),
            "Yes",
        ),
        (
            json!({ "type": "list_reply", "list_reply": { "id": "1", "title": "Priority", "description": "Next day" } }),
            "Priority",
        ),
        (
            json!({ "type": "nfm_reply", "nfm_reply": { "name": "flow", "body": "Sent", "response_json": "{\"size\":\"L\"}" } }),
            "{\"size\":\"L\"}",
        ),
    ] {
        let received = read("interactive", content);
        assert_eq!(received.kind, Kind::Interactive);
        assert_eq!(received.text.as_deref(), Some(text));
        assert!(received.is_answerable());
    }
}

#[test]
fn unknown_kinds_are_kept() {
    let received = read("hologram", json!({ "depth": 3 }));
    assert_eq!((received.kind, received.text), (Kind::Unsupported, None));
    let payload = webhook(json!({
        "metadata": metadata(),
        "messages": [{ "from": FROM, "id": "wamid.U", "timestamp": "1749416383", "type": "unsupported",
            "errors": [{ "code": 131051, "title": "Message type unknown" }] }],
    }));
    let What::Message(received) = only(&payload).what else {
        panic!("not a message");
    };
    assert_eq!(received.kind, Kind::Unsupported);
    assert!(!received.is_answerable());
}

#[test]
fn statuses() {
    let ours = MessageId::new();
    for (word, status) in [
        ("sent", Status::Sent),
        ("delivered", Status::Delivered),
        ("read", Status::Read),
        ("played", Status::Read),
        ("failed", Status::Failed),
    ] {
        let mut report = json!({
            "id": "wamid.OUT",
            "status": word,
            "timestamp": "1750263773",
            "recipient_id": FROM,
            "biz_opaque_callback_data": ours.to_string(),
        });
        if status == Status::Failed {
            report["errors"] = json!([{
                "code": 131026, "title": "Message undeliverable",
                "error_data": { "details": "Message Undeliverable." },
            }]);
        }
        let incoming = only(&webhook(
            json!({ "metadata": metadata(), "statuses": [report] }),
        ));
        assert_eq!(incoming.address, "+4915123456789");
        let error = (status == Status::Failed)
            .then(|| "Message Undeliverable. (WhatsApp error 131026)".to_owned());
        assert_eq!(
            incoming.what,
            What::Delivery(Delivery {
                external_id: "wamid.OUT".to_owned(),
                status,
                error,
                message: Some(ours),
            })
        );
    }
}

#[test]
fn other_systems_callback_data_is_not_ours() {
    let report = json!({ "id": "wamid.O", "status": "sent", "recipient_id": FROM, "biz_opaque_callback_data": "order-7" });
    let incoming = only(&webhook(
        json!({ "metadata": metadata(), "statuses": [report] }),
    ));
    assert!(matches!(
        incoming.what,
        What::Delivery(Delivery { message: None, .. })
    ));
}

#[test]
fn batches_are_read_whole_and_other_fields_tell_nothing() {
    let mut payload = message("text", json!({ "body": "one" }));
    let second = message("text", json!({ "body": "two" }))["entry"][0].clone();
    payload["entry"]
        .as_array_mut()
        .expect("a list")
        .push(second);
    payload["entry"].as_array_mut().expect("a list").push(json!({
        "id": "1", "changes": [{ "field": "message_template_status_update", "value": { "event": "APPROVED" } }],
    }));
    assert_eq!(incoming(&payload).expect("reads").len(), 2);
}

#[test]
fn a_message_without_its_sender_is_refused_for_good() {
    let payload = webhook(
        json!({ "metadata": metadata(), "messages": [{ "id": "wamid.X", "type": "text" }] }),
    );
    let error = incoming(&payload).expect_err("refused");
    assert!(!error.is_transient());
}

#[test]
fn texts_leave_in_the_documented_shape() {
    let message = MessageId::new();
    let outgoing = Outgoing {
        message,
        channel: Channel::Whatsapp,
        account: "106540352242922".to_owned(),
        address: "+4915123456789".to_owned(),
        credential: None,
        text: "Yes, it does.".to_owned(),
    };
    assert_eq!(
        body(&outgoing),
        json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "4915123456789",
            "type": "text",
            "text": { "body": "Yes, it does." },
            "biz_opaque_callback_data": message.to_string(),
        })
    );
}
