//! `/app/{tenant}/conversations`: who writes to the tenant, what was said, and answering as a
//! person.

mod detail;

use axum::{Router, extract::FromRef, http::Uri, routing::get};
use kernel::{
    Access, Db, Error, Result,
    db::Tenant,
    extract::Query,
    page::{Page as Rows, PageQuery},
    permission::ConversationsRead,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, CursorPages, EmptyState, FilterBar, Icon, Moment, Page,
    PageHeader, Table, Tone,
};

use super::{Conversation, Filter, Preview};
use crate::{
    channels::Channel,
    conversations,
    messages::{Author, Kind, Status},
};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/conversations", get(list))
        .route(
            "/app/{tenant}/conversations/{conversation}",
            get(detail::show).post(detail::reply),
        )
}

const CHANNELS: [Channel; 3] = [Channel::Whatsapp, Channel::Sms, Channel::Telegram];

/// A channel's name as people know it.
fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "WhatsApp",
        Channel::Sms => "SMS",
        Channel::Telegram => "Telegram",
    }
}

fn href(tenant: &Tenant, conversation: &Conversation) -> String {
    tenant.href(&format!("/conversations/{}", conversation.id))
}

/// Whom the conversation is with, by name where there is one.
fn contact_name(conversation: &Conversation) -> &str {
    let contact = &conversation.contact;
    contact.name.as_deref().unwrap_or(&contact.address)
}

/// The list's address. A filter form sends empty values for what nobody chose.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    contact: String,
    cursor: Option<String>,
}

impl Asked {
    fn filter(&self) -> Result<Filter> {
        let known = |name: &str| CHANNELS.into_iter().find(|known| known.as_str() == name);
        let channel = match self.channel.as_str() {
            "" => None,
            name => {
                Some(known(name).ok_or_else(|| Error::field("channel", "is no channel there is"))?)
            }
        };
        Ok(Filter {
            channel,
            contact: Some(self.contact.clone()),
        })
    }
}

async fn list(
    access: Access<ConversationsRead>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Result<Page> {
    let page = PageQuery {
        cursor: asked.cursor.clone().filter(|cursor| !cursor.is_empty()),
        limit: None,
    };
    let found = conversations::list(&access, &page, &asked.filter()?).await?;
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    let body = list_view(access.tenant(), &at, &found, OffsetDateTime::now_utc());
    Ok(Page::new("Conversations", body))
}

fn list_view(
    tenant: &Tenant,
    at: &ui::Query,
    found: &Rows<Conversation>,
    now: OffsetDateTime,
) -> Markup {
    let channels = CHANNELS.map(|channel| (channel.as_str(), channel_name(channel)));
    let bar = FilterBar::new(at)
        .search("contact", "Search contacts")
        .choice("channel", "Channel", channels);
    let is_filtered = at.get("contact").is_some() || at.get("channel").is_some();
    let empty = if is_filtered {
        EmptyState::new(
            Icon::Search,
            "No conversation fits",
            "Try another spelling, part of the number, or all channels.",
        )
        .action(html! { (Button::secondary("Clear filters").to(at.path())) })
    } else {
        EmptyState::new(
            Icon::Chat,
            "Nobody has written yet",
            "Conversations appear here as soon as somebody writes to a channel that you have connected.",
        )
        .action(html! { (Button::primary("Connect a channel").to(tenant.href("/credentials/new"))) })
    };
    let table = recent(tenant, &found.data, now).empty(empty);
    let pages = CursorPages::new(at, found.next_cursor.as_deref(), found.data.len());
    html! {
        (PageHeader::new("Conversations").about(html! {
            "Everybody who writes to your channels, those with the latest messages first."
        }))
        (bar)
        (Card::new(table.render()).flush().footer(pages.render()))
    }
}

/// Conversations as rows of a table.
pub fn recent(tenant: &Tenant, conversations: &[Conversation], now: OffsetDateTime) -> Table {
    let table = Table::new("Conversations")
        .column(Column::new("Contact"))
        .column(Column::new("Channel"))
        .column(Column::new("Last message"))
        .column(Column::new("State"))
        .column(Column::new("Messages").number())
        .column(Column::new("When"));
    conversations.iter().fold(table, |table, conversation| {
        let last = conversation.last_message.as_ref();
        table.linked(
            href(tenant, conversation),
            [
                html! { (contact_name(conversation)) },
                html! { (channel_name(conversation.channel)) },
                html! { @if let Some(last) = last { (preview(last)) } },
                html! { @if let Some(last) = last { (status(last.status)) } },
                html! { (conversation.message_count) },
                Moment::new(conversation.last_message_at, now).render(),
            ],
        )
    })
}

/// Characters of a message in a row.
const SHOWN: usize = 60;

fn preview(message: &Preview) -> Markup {
    let text = message.text.as_deref().unwrap_or_default();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    html! {
        @match message.author {
            Author::Contact => {}
            Author::Agent => span.muted { "Agent: " },
            Author::Api => span.muted { "Program: " },
            Author::Person => span.muted { "Team: " },
        }
        @if shown.is_empty() { span.muted { (kind_name(message.kind)) } } @else { (shown) }
    }
}

fn status(status: Status) -> Badge {
    let (tone, word) = match status {
        Status::Received => (Tone::Neutral, "Received"),
        Status::Queued => (Tone::Info, "Waiting"),
        Status::Sending => (Tone::Info, "Sending"),
        Status::Sent => (Tone::Success, "Sent"),
        Status::Delivered => (Tone::Success, "Delivered"),
        Status::Read => (Tone::Success, "Read"),
        Status::Failed => (Tone::Danger, "Failed"),
    };
    Badge::status(tone, word)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "Text",
        Kind::Image => "Picture",
        Kind::Audio => "Sound",
        Kind::Video => "Video",
        Kind::Document => "Document",
        Kind::Sticker => "Sticker",
        Kind::Location => "Location",
        Kind::Contacts => "Contact card",
        Kind::Reaction => "Reaction",
        Kind::Button => "Pressed a button",
        Kind::Interactive => "Chose an option",
        Kind::Unsupported => "A message of an unknown kind",
    }
}

#[cfg(test)]
mod tests;
