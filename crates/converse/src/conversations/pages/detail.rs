//! One conversation: its messages in the order they were written, and the field to answer in.

use axum::http::Uri;
use kernel::{
    Access, Result,
    db::Tenant,
    extract::{Form, Path, Query},
    id::ConversationId,
    page::{Page as Rows, PageQuery},
    permission::{ConversationsRead, MessagesSend, Permission},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Copyable, Facts, Field, Flash, Icon, Moment, Notice, Page, PageHeader,
    SeeOther, Timeline, Tone,
};
use uuid::Uuid;

use super::{Conversation, channel_name, contact_name, href, kind_name, status};
use crate::{
    channels::Media,
    conversations,
    messages::{
        Author, Direction, Kind, Message,
        api::{reply as send, sent_key},
    },
};

pub async fn show(
    access: Access<ConversationsRead>,
    uri: Uri,
    Path((_, id)): Path<(String, ConversationId)>,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let draft = Draft {
        text: String::new(),
        key: Uuid::new_v4().simple().to_string(),
    };
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    page(&access, id, &at, &query, &draft, &Refusal::default()).await
}

async fn page(
    access: &Access<ConversationsRead>,
    id: ConversationId,
    at: &ui::Query,
    query: &PageQuery,
    draft: &Draft,
    refusal: &Refusal,
) -> Result<Page> {
    let conversation = conversations::find(access, id).await?;
    let messages = conversations::messages(access, id, query).await?;
    let view = Detail {
        tenant: access.tenant(),
        at,
        conversation: &conversation,
        messages: &messages,
        draft: access.may_give(MessagesSend::NAME).then_some(draft),
        refusal,
        now: OffsetDateTime::now_utc(),
    };
    let page = Page::new(contact_name(&conversation), view.render());
    Ok(page.status(refusal.status()))
}

/// An answer that is being written. Its key is made with the form, so that a form that is sent twice
/// sends one message.
#[derive(Debug, Deserialize)]
pub struct Draft {
    text: String,
    key: String,
}

pub async fn reply(
    access: Access<MessagesSend>,
    uri: Uri,
    Path((_, id)): Path<(String, ConversationId)>,
    Form(draft): Form<Draft>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let key = sent_key(&draft.key)?;
    let sent = send(&access, id, Author::Person, draft.text.clone(), Some(key)).await;
    let error = match sent {
        Ok(_) => {
            let to = access.tenant().href(&format!("/conversations/{id}"));
            let flash = Flash::new(Tone::Success, "Your message is on its way.");
            return Ok(Ok(SeeOther::new(to).flash(flash)));
        }
        Err(error) => error.refusal()?.about("text"),
    };
    // Who may write and not read has sent what they could; the answer tells them no more.
    let reading = access
        .also::<ConversationsRead>()
        .ok_or(kernel::Error::Forbidden(ConversationsRead::NAME))?;
    let at = ui::Query::new(uri.path(), "");
    page(&reading, id, &at, &PageQuery::default(), &draft, &error)
        .await
        .map(Err)
}

/// What the page is made of.
pub(super) struct Detail<'a> {
    pub tenant: &'a Tenant,
    pub at: &'a ui::Query,
    pub conversation: &'a Conversation,
    /// Newest first.
    pub messages: &'a Rows<Message>,
    /// What was written so far, where the reader may answer.
    pub draft: Option<&'a Draft>,
    pub refusal: &'a Refusal,
    pub now: OffsetDateTime,
}

impl Render for Detail<'_> {
    fn render(&self) -> Markup {
        let conversation = self.conversation;
        let contact = &conversation.contact;
        let facts = Facts::new()
            .maybe("Name", contact.name.as_deref())
            .fact(
                "Address",
                Copyable::new("address", &contact.address).render(),
            )
            .fact("Channel", html! { (channel_name(conversation.channel)) })
            .fact("Your account", html! { (conversation.account) })
            .fact(
                "Since",
                Moment::new(conversation.created_at, self.now).render(),
            )
            .fact("Messages", html! { (conversation.message_count) })
            .fact(
                "Id",
                Copyable::new("conversation id", conversation.id.to_string()).render(),
            );
        let is_latest = self.at.get(ui::CURSOR).is_none();
        html! {
            (PageHeader::new(contact_name(conversation))
                .crumb("Conversations", self.tenant.href("/conversations"))
                .beside(html! { (Badge::new(Tone::Neutral, channel_name(conversation.channel))) }))
            div.beside {
                div.stack {
                    (Card::new(self.timeline()).title("Messages").actions(self.steps()))
                    @match self.draft {
                        _ if !is_latest => {}
                        Some(draft) => (Card::new(self.answer(draft)).title("Answer")
                            .about("Goes out through your own account, as a message of your team.")),
                        None => (Notice::new(Tone::Info, "Your role lets you read conversations, not answer")),
                    }
                }
                (Card::new(facts.render()).title("Contact"))
            }
        }
    }
}

impl Detail<'_> {
    /// To earlier messages, and back to the latest.
    fn steps(&self) -> Markup {
        let earlier = self.messages.next_cursor.as_deref();
        html! {
            @if let Some(cursor) = earlier {
                (Button::secondary("Earlier").small().icon(Icon::ArrowUp).to(self.at.with(ui::CURSOR, cursor).href()))
            }
            @if self.at.get(ui::CURSOR).is_some() {
                (Button::secondary("Latest").small().icon(Icon::ArrowDown).to(self.at.path()))
            }
        }
    }

    fn timeline(&self) -> Markup {
        let messages = self.messages.data.iter().rev();
        let timeline = messages.fold(Timeline::new(), |timeline, message| {
            let (tone, icon) = match (message.direction, message.author) {
                (Direction::Inbound, _) => (Tone::Neutral, Icon::User),
                (Direction::Outbound, Author::Agent) => (Tone::Info, Icon::Bolt),
                (Direction::Outbound, _) => (Tone::Info, Icon::Chat),
            };
            let at = Moment::new(message.provider_at.unwrap_or(message.created_at), self.now);
            timeline.event(tone, icon, at, self.title(message), Some(content(message)))
        });
        html! {
            @if self.messages.data.is_empty() { p.muted { "Nothing was said yet." } } @else { (timeline) }
        }
    }

    fn title(&self, message: &Message) -> Markup {
        let author = match message.author {
            Author::Contact => contact_name(self.conversation),
            Author::Agent => "Agent",
            Author::Api => "Program, by the API",
            Author::Person => "Your team",
        };
        html! {
            b { (author) } " "
            @if message.direction == Direction::Outbound { (status(message.status)) }
        }
    }

    fn answer(&self, draft: &Draft) -> Markup {
        let wrong = self.refusal.of("text");
        let longest = self.conversation.channel.max_text();
        let field = Field::long("text", "Message", 3)
            .value(&draft.text)
            .hint(format!("At most {longest} characters."))
            .error(wrong);
        let button = Button::primary("Send");
        ui::Form::post(
            href(self.tenant, self.conversation),
            field.render(),
            button.render(),
        )
        .hidden("key", &draft.key)
        .render()
    }
}

fn content(message: &Message) -> Markup {
    html! {
        @if message.kind != Kind::Text { p.muted { (kind_name(message.kind)) } }
        @if let Some(text) = &message.text { p.said { (text) } }
        @for media in &message.media.0 { (reference(media)) }
        @if let Some(error) = &message.error { p.error { (Icon::Alert) (error) } }
    }
}

/// A file that stayed at the provider: reading it takes the account's credential, so it is named
/// and not linked.
fn reference(media: &Media) -> Markup {
    let name = media.file_name.as_deref().or(media.id.as_deref());
    html! {
        p.muted {
            (Icon::Layers) " " (name.unwrap_or("A file"))
            @if let Some(kind) = &media.mime_type { " (" (kind) ")" }
            ", kept by the provider"
        }
        @if let Some(caption) = &media.caption { p.said { (caption) } }
    }
}
