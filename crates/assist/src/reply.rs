//! Answering a contact: read the agent and the conversation, ask the model, publish the reply.
//!
//! Replies of one conversation are written one at a time, in the order of its messages. Of several
//! messages that wait for an answer **only the newest is answered**, with the others in the
//! history before it: a contact who sends three lines in a row gets one reply. Nothing but a contact's own message is answered, so that an
//! agent never answers itself, another agent, or a person of the tenant's.
//!
//! A job that runs twice may ask the model twice, but the contact gets one reply: `ReplyReady`
//! names the message that it answers, and converse sends one reply to each. Without a credential,
//! or when the provider refuses for good, the job becomes a dead letter that says why; replaying
//! it after mending the cause answers then.

#[cfg(test)]
mod tests;
mod turn;

use connect::{Call, CallBody, Connect};
use kernel::{
    Access, Result,
    events::{MessageReceived, ReplyReady},
    jobs::Registry,
    permission::CredentialsUse,
};

use crate::completion::{self, Usage};

/// The kind of the jobs that write replies.
pub const JOB: &str = "assist.reply";

/// Counter by provider and direction (`prompt`, `completion`): what the models were fed and wrote.
pub const TOKENS: &str = "freehold_model_tokens_total";

/// Registers the jobs of this slice.
pub fn register(registry: &mut Registry, connect: &Connect) {
    let connect = connect.clone();
    registry.subscribe(
        JOB,
        move |access: Access<CredentialsUse>, event: MessageReceived| {
            let connect = connect.clone();
            async move { reply(&connect, &access, &event).await }
        },
    );
}

async fn reply(
    connect: &Connect,
    access: &Access<CredentialsUse>,
    event: &MessageReceived,
) -> Result<()> {
    let Some(asked) = turn::read(access, event).await? else {
        return Ok(());
    };
    let provider = asked.provider.as_str();
    let credential = connect.resolve(access, provider).await?;
    let call = Call {
        credential: &credential,
        operation: "chat.completions",
        method: http::Method::POST,
        path: completion::PATH.to_owned(),
        body: CallBody::Json(completion::request(
            &asked.model,
            &asked.instructions,
            &asked.history,
            &asked.question,
        )),
    };
    let answer = connect
        .call(access, call)
        .await
        .map_err(|error| completion::explain(error, &asked.model))?;
    let completion = completion::parse(provider, answer.body)?;
    if let Some(usage) = completion.usage {
        count(provider, usage);
    }
    let ready = ReplyReady {
        conversation: event.conversation,
        in_reply_to: event.message,
        text: completion.text,
    };
    let mut tx = access.begin().await?;
    tx.emit(&ready).await?;
    tx.commit().await
}

fn count(provider: &str, usage: Usage) {
    for (direction, tokens) in [
        ("prompt", usage.prompt_tokens),
        ("completion", usage.completion_tokens),
    ] {
        metrics::counter!(TOKENS, "provider" => provider.to_owned(), "direction" => direction)
            .increment(tokens);
    }
}
