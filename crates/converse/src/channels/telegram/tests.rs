//! Updates in the shapes of the Bot API reference.

use kernel::id::MessageId;

use super::*;

fn update(field: &str, content: Value) -> Value {
    let mut message = json!({
        "message_id": 365,
        "from": { "id": 1111, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "username": "ann" },
        "chat": { "id": 1111, "first_name": "Ann", "last_name": "Lee", "type": "private" },
        "date": 1441645532,
    });
    if let (Some(message), Some(content)) = (message.as_object_mut(), content.as_object()) {
        message.extend(content.clone());
    }
    let mut update = json!({ "update_id": 10000 });
    update[field] = message;
    update
}

fn only(update: &Value) -> Incoming {
    incoming(update).expect("reads").expect("a message")
}

fn read(content: Value) -> Received {
    match only(&update("message", content)).what {
        What::Message(received) => received,
        other => panic!("{other:?}"),
    }
}

#[test]
fn text() {
    let incoming = only(&update("message", json!({ "text": "/start" })));
    assert_eq!(incoming.account, None);
    assert_eq!(incoming.address, "1111");
    assert_eq!(
        incoming.what,
        What::Message(Received {
            name: Some("Ann Lee".to_owned()),
            external_id: "365".to_owned(),
            kind: Kind::Text,
            text: Some("/start".to_owned()),
            media: vec![],
            at: OffsetDateTime::from_unix_timestamp(1_441_645_532).ok(),
            addressed: true,
        })
    );
}

#[test]
fn the_largest_size_of_a_photo_is_kept() {
    let received = read(json!({
        "caption": "Here",
        "photo": [
            { "file_id": "small", "file_unique_id": "a", "width": 90, "height": 67 },
            { "file_id": "large", "file_unique_id": "b", "width": 800, "height": 600 },
        ],
    }));
    assert_eq!(received.kind, Kind::Image);
    assert_eq!(received.text.as_deref(), Some("Here"));
    assert_eq!(received.media.len(), 1);
    assert_eq!(received.media[0].id.as_deref(), Some("large"));
    assert!(!received.is_answerable());
}

#[test]
fn files() {
    for (field, kind) in [
        ("document", Kind::Document),
        ("voice", Kind::Audio),
        ("audio", Kind::Audio),
        ("video", Kind::Video),
        ("video_note", Kind::Video),
        ("sticker", Kind::Sticker),
    ] {
        let received = read(json!({ field: {
            "file_id": "F1", "file_unique_id": "u", "mime_type": "x/y", "file_name": "a.bin",
        } }));
        assert_eq!(received.kind, kind, "{field}");
        assert_eq!(
            received.media,
            [Media {
                id: Some("F1".to_owned()),
                mime_type: Some("x/y".to_owned()),
                file_name: Some("a.bin".to_owned()),
                ..Media::default()
            }]
        );
    }
    // Old clients get an animation's file as a document beside it.
    let file = json!({ "file_id": "F1", "mime_type": "video/mp4" });
    let animation = read(json!({ "animation": file, "document": file }));
    assert_eq!(animation.kind, Kind::Video);
}

#[test]
fn places_contacts_and_the_unknown() {
    let point = json!({ "latitude": 52.5, "longitude": 13.4 });
    let venue = read(
        json!({ "location": point, "venue": { "location": point, "title": "Zoo", "address": "Budapester Str." } }),
    );
    assert_eq!(venue.kind, Kind::Location);
    assert_eq!(
        venue.text.as_deref(),
        Some("Zoo\nBudapester Str.\n52.5, 13.4")
    );
    let contact = read(json!({ "contact": { "phone_number": "+4930", "first_name": "Bo" } }));
    assert_eq!(contact.text.as_deref(), Some("Bo, +4930"));
    let unknown = read(json!({ "dice": { "emoji": "🎲", "value": 3 } }));
    assert_eq!((unknown.kind, unknown.text), (Kind::Unsupported, None));
}

#[test]
fn edits_are_new_versions() {
    let incoming = only(&update(
        "edited_message",
        json!({ "text": "corrected", "edit_date": 1441645600 }),
    ));
    let What::Edit(received) = incoming.what else {
        panic!("not an edit");
    };
    assert_eq!(received.external_id, "365");
    assert_eq!(
        received.at,
        OffsetDateTime::from_unix_timestamp(1_441_645_600).ok()
    );
}

#[test]
fn posts_of_channels_and_bots_want_no_answer() {
    let post = json!({
        "update_id": 1,
        "channel_post": {
            "message_id": 7, "date": 1441645532, "text": "News",
            "chat": { "id": -1001234, "title": "Our news", "type": "channel" },
        },
    });
    let incoming = only(&post);
    assert_eq!(incoming.address, "-1001234");
    let What::Message(received) = incoming.what else {
        panic!("not a message");
    };
    assert_eq!(received.name.as_deref(), Some("Our news"));
    assert!(!received.is_answerable());

    let bot =
        read(json!({ "text": "beep", "from": { "id": 2, "is_bot": true, "first_name": "B" } }));
    assert!(!bot.is_answerable());
}

#[test]
fn a_pressed_button_says_its_data() {
    let incoming = only(&json!({
        "update_id": 1,
        "callback_query": {
            "id": "4382bfdwdsb323b2d9",
            "from": { "id": 1111, "is_bot": false, "first_name": "Ann" },
            "message": { "message_id": 9, "date": 1, "chat": { "id": 2222, "type": "group", "title": "Team" }, "text": "Which?" },
            "chat_instance": "1",
            "data": "blue",
        },
    }));
    assert_eq!(incoming.address, "2222");
    let What::Message(received) = incoming.what else {
        panic!("not a message");
    };
    assert_eq!(received.external_id, "callback/4382bfdwdsb323b2d9");
    assert_eq!(
        (received.kind, received.text.as_deref()),
        (Kind::Button, Some("blue"))
    );
    assert!(received.is_answerable());
}

#[test]
fn other_updates_are_no_messages() {
    for field in ["my_chat_member", "poll", "inline_query"] {
        let update = json!({ "update_id": 1, field: { "id": "x" } });
        assert_eq!(incoming(&update).expect("reads"), None);
    }
}

#[test]
fn texts_leave_in_the_documented_shape() {
    let outgoing = |address: &str| Outgoing {
        message: MessageId::new(),
        channel: Channel::Telegram,
        account: "7".to_owned(),
        address: address.to_owned(),
        credential: None,
        text: "Hi".to_owned(),
    };
    assert_eq!(
        body(&outgoing("-1001")),
        json!({ "chat_id": -1001, "text": "Hi" })
    );
}
