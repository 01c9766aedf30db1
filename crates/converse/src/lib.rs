//! Conversations on the channels that tenants have connected: what contacts write, what is
//! answered, and what became of it.
//!
//! Stored webhooks become messages (`normalise`, with each channel's own shapes in `channels`),
//! messages of ours are written down and handed to providers (`sending`), and all of it is read
//! and written over the API (`conversations`, `messages`, `contacts`, `traces`). Who answers and
//! with what is not decided here: a message is announced by `MessageReceived`, and answers come as
//! `ReplyReady`. Verifying webhooks and opening credentials belong to `connect`.

pub mod activity;
pub mod channels;
pub mod contacts;
pub mod conversations;
pub mod messages;
mod normalise;
mod sending;
#[cfg(test)]
mod tests;
pub mod text;
pub mod traces;

use axum::{Router, extract::FromRef};
use connect::Connect;
use kernel::{
    Access, Db,
    events::{InboundStored, MessageQueued, ReplyReady},
    jobs::Registry,
    permission::{CredentialsUse, InboundProcess, MessagesSend},
};
use utoipa_axum::router::OpenApiRouter;

use crate::channels::Channel;

/// Registers the jobs of this crate.
pub fn register(registry: &mut Registry, connect: &Connect) {
    for (channel, kind) in [
        (Channel::Whatsapp, "converse.normalise.whatsapp"),
        (Channel::Sms, "converse.normalise.sms"),
        (Channel::Telegram, "converse.normalise.telegram"),
    ] {
        registry.subscribe_inbound(
            channel.provider(),
            kind,
            move |access: Access<InboundProcess>, event: InboundStored| {
                normalise::normalise(channel, access, event)
            },
        );
    }
    registry.subscribe(
        "converse.reply",
        |access: Access<MessagesSend>, event: ReplyReady| sending::reply(access, event),
    );
    let connect = connect.clone();
    registry.subscribe(
        sending::SEND,
        move |access: Access<CredentialsUse>, event: MessageQueued| {
            sending::send(connect.clone(), access, event)
        },
    );
}

/// The API of this crate.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    conversations::api::routes()
        .merge(messages::api::routes())
        .merge(contacts::routes())
        .merge(traces::routes())
}

/// The tenants' console: the conversations.
pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    conversations::pages::pages()
}
