//! The views with fixed data.

use kernel::{
    db::TenantStatus,
    id::{CellId, TenantId},
    refusal::Refusal,
};
use sqlx::types::Json;
use time::macros::datetime;
use uuid::Uuid;

use super::{super::Party, detail::Detail, *};
use crate::{
    channels::Media,
    messages::{Direction, Message},
};

const NOW: OffsetDateTime = datetime!(2026-03-14 12:00 UTC);

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::from(Uuid::nil()),
        slug: "acme".to_owned(),
        status: TenantStatus::Active,
        suspension: None,
        cell: CellId::from(Uuid::nil()),
        epoch: 1,
    }
}

fn conversation() -> Conversation {
    Conversation {
        id: Uuid::nil().into(),
        channel: Channel::Whatsapp,
        account: "123456789012345".to_owned(),
        contact: Party {
            id: Uuid::nil().into(),
            address: "+351912345678".to_owned(),
            name: Some("Ana <b>Sousa</b>".to_owned()),
        },
        message_count: 2,
        created_at: datetime!(2026-03-13 12:00 UTC),
        last_message_at: datetime!(2026-03-14 11:00 UTC),
        last_message: Some(Preview {
            id: Uuid::nil().into(),
            direction: Direction::Outbound,
            author: Author::Agent,
            kind: Kind::Text,
            text: Some("x".repeat(70)),
            status: Status::Delivered,
        }),
    }
}

fn message(seq: i64, author: Author, status: Status, text: Option<&str>) -> Message {
    let direction = match author {
        Author::Contact => Direction::Inbound,
        _ => Direction::Outbound,
    };
    Message {
        id: Uuid::nil().into(),
        conversation_id: Uuid::nil().into(),
        seq,
        direction,
        author,
        kind: Kind::Text,
        text: text.map(str::to_owned),
        media: Json(Vec::new()),
        external_id: None,
        status,
        error: None,
        correlation_id: Uuid::nil().into(),
        created_at: datetime!(2026-03-14 11:00 UTC),
        provider_at: None,
        updated_at: datetime!(2026-03-14 11:00 UTC),
    }
}

fn lines(markup: Markup) -> String {
    markup.into_string().replace("><", ">\n<")
}

#[test]
fn the_list() {
    let found = Rows {
        data: vec![conversation()],
        next_cursor: None,
    };
    let at = ui::Query::new("/app/acme/conversations", "contact=ana&channel=");
    insta::assert_snapshot!(lines(list_view(&tenant(), &at, &found, NOW)));
}

#[test]
fn an_empty_list_says_what_to_do_next() {
    let none = Rows {
        data: Vec::new(),
        next_cursor: None,
    };
    let at = ui::Query::new("/app/acme/conversations", "");
    let html = lines(list_view(&tenant(), &at, &none, NOW));
    assert!(html.contains("/app/acme/credentials/new"), "{html}");
    let at = ui::Query::new("/app/acme/conversations", "contact=nobody");
    let html = lines(list_view(&tenant(), &at, &none, NOW));
    assert!(html.contains("No conversation fits"), "{html}");
}

#[test]
fn messages_stand_in_the_order_they_were_written() {
    let mut picture = message(1, Author::Contact, Status::Received, None);
    picture.kind = Kind::Image;
    picture.media = Json(vec![Media {
        id: Some("9007".to_owned()),
        mime_type: Some("image/jpeg".to_owned()),
        url: None,
        caption: None,
        file_name: None,
        sha256: None,
    }]);
    let mut failed = message(2, Author::Person, Status::Failed, Some("On my way"));
    failed.error = Some("the provider took it not".to_owned());
    let messages = Rows {
        data: vec![failed, picture],
        next_cursor: Some("older".to_owned()),
    };
    let detail = Detail {
        tenant: &tenant(),
        at: &ui::Query::new("/app/acme/conversations/1", ""),
        conversation: &conversation(),
        messages: &messages,
        draft: None,
        refusal: &Refusal::default(),
        now: NOW,
    };
    insta::assert_snapshot!(lines(detail.render()));
}
