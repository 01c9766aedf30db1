//! Each channel from webhook to reply, with what is stored and shown on the way.

use kernel::secret::Secret;
use sandbox::{Provider, Received, senders::Outgoing};
use serde_json::Value;

use crate::common::{TestNode, TestTenant, is_reply, poll};

const QUESTION: &str = "Do you have time on Friday?";

/// What one channel's message and its reply have to look like.
struct Expected {
    provider: Provider,
    channel: &'static str,
    /// The contact, as the conversation names it.
    address: &'static str,
    normalise: &'static str,
}

/// Sends a contact's text, waits for the reply, and checks everything in between. Returns the
/// provider's view of the reply.
async fn whole_way(node: &TestNode, acme: &TestTenant, sent: Outgoing, is: Expected) -> Received {
    let answer = node.send(&sent).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.text(),
        match is.provider {
            Provider::Twilio => "<Response></Response>",
            _ => "",
        }
    );
    let correlation = answer.headers["x-correlation-id"]
        .to_str()
        .expect("text")
        .to_owned();
    let reply = node.sent_out(|call| is_reply(call, is.provider)).await;
    node.settled().await;

    // The model was asked with the tenant's own key and instructions, once.
    let asked = node.sandbox.received(Provider::OpenAi);
    let [asked] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let key = acme.openai.api_key.expose();
    assert_eq!(asked.account.as_deref(), Some(&key[key.len() - 4..]));
    let turns = asked.body["messages"].as_array().expect("turns");
    assert_eq!(turns[0]["content"], "You answer for acme.");
    assert_eq!(turns[turns.len() - 1]["content"], QUESTION);

    let permissions = ["conversations:read", "traces:read"];
    let key = node.api_key("acme", &permissions).await;
    conversation(node, &key, &is, &correlation).await;
    trace(node, &key, &is, &correlation).await;
    reply
}

/// One conversation with the question and its answer, in order.
async fn conversation(node: &TestNode, key: &Secret, is: &Expected, correlation: &str) {
    let (status, list) = node.get("/v1/conversations", key).await;
    assert_eq!(status, 200, "{list}");
    let [conversation] = list["data"].as_array().expect("a list").as_slice() else {
        panic!("{list}");
    };
    assert_eq!(conversation["channel"], is.channel);
    assert_eq!(conversation["contact"]["address"], is.address);
    assert_eq!(conversation["message_count"], 2);
    let id = conversation["id"].as_str().expect("an id");
    let (status, messages) = node
        .get(&format!("/v1/conversations/{id}/messages"), key)
        .await;
    assert_eq!(status, 200, "{messages}");
    let mut messages = messages["data"].as_array().expect("a list").clone();
    messages.sort_by_key(|message| message["seq"].as_i64());
    let told: Vec<(&Value, &Value)> = messages
        .iter()
        .map(|message| (&message["direction"], &message["author"]))
        .collect();
    assert_eq!(
        told,
        [
            (&Value::from("inbound"), &Value::from("contact")),
            (&Value::from("outbound"), &Value::from("agent")),
        ]
    );
    assert_eq!(messages[0]["text"], QUESTION);
    for message in &messages {
        assert_eq!(message["correlation_id"], correlation, "{message}");
    }
    assert!(messages[1]["external_id"].is_string(), "{}", messages[1]);
}

/// Everything that the webhook caused carries its correlation id.
async fn trace(node: &TestNode, key: &Secret, is: &Expected, correlation: &str) {
    let (status, trace) = node.get(&format!("/v1/traces/{correlation}"), key).await;
    assert_eq!(status, 200, "{trace}");
    let steps = trace["steps"].as_array().expect("steps");
    let what = |kind: &str| -> Vec<String> {
        let of_kind = steps.iter().filter(|step| step["kind"] == kind);
        of_kind
            .map(|step| step["what"].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(what("inbound_event").len(), 1, "{trace}");
    assert_eq!(what("message"), ["inbound by contact", "outbound by agent"]);
    assert_eq!(
        what("job"),
        [
            is.normalise,
            "assist.reply",
            "converse.reply",
            "converse.send"
        ]
    );
    let sent = format!("{} messages.send", is.provider);
    assert_eq!(
        what("provider_call"),
        ["openai chat.completions", sent.as_str()]
    );
    for step in steps {
        match step["kind"].as_str().expect("a kind") {
            "inbound_event" => assert_eq!(step["detail"]["verdict"], "verified_current"),
            "job" => assert_eq!(step["detail"]["state"], "done", "{step}"),
            "provider_call" => {
                let status = step["detail"]["status"].as_i64().expect("a status");
                assert!((200..300).contains(&status), "{step}");
            }
            _ => assert!(step["detail"]["error"].is_null(), "{step}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatsapp() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let sent = acme.whatsapp_text(&node.url, "351912345678", QUESTION);
    let reply = whole_way(
        &node,
        &acme,
        sent,
        Expected {
            provider: Provider::WhatsApp,
            channel: "whatsapp",
            address: "+351912345678",
            normalise: "converse.normalise.whatsapp",
        },
    )
    .await;
    assert_eq!(
        reply.account.as_deref(),
        Some(acme.whatsapp.phone_number_id.as_str())
    );
    assert_eq!(reply.body["to"], "351912345678");
    assert!(
        reply.body["text"]["body"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let sent = acme.sms(&node.url, "+14155550123", QUESTION);
    let reply = whole_way(
        &node,
        &acme,
        sent,
        Expected {
            provider: Provider::Twilio,
            channel: "sms",
            address: "+14155550123",
            normalise: "converse.normalise.sms",
        },
    )
    .await;
    assert_eq!(
        reply.account.as_deref(),
        Some(acme.twilio.account_sid.as_str())
    );
    assert_eq!(reply.body["To"], "+14155550123");
    assert_eq!(reply.body["From"], acme.twilio.phone_number);
    assert!(
        reply.body["Body"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let sent = acme.telegram_text(&node.url, 7_700_123, QUESTION);
    let reply = whole_way(
        &node,
        &acme,
        sent,
        Expected {
            provider: Provider::Telegram,
            channel: "telegram",
            address: "7700123",
            normalise: "converse.normalise.telegram",
        },
    )
    .await;
    assert_eq!(reply.account.as_deref(), Some(acme.telegram.bot_id()));
    assert_eq!(reply.body["chat_id"], 7_700_123);
    assert!(
        reply.body["text"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    node.stop().await;
}

/// The provider's delivery statuses come back over the same endpoint and settle on the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_followed_to_its_delivery() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    node.sandbox.accounts().callback(
        Provider::WhatsApp,
        acme.whatsapp.phone_number_id.clone(),
        acme.hook(&node.url, Provider::WhatsApp),
    );
    let sent = node
        .send(&acme.whatsapp_text(&node.url, "351912345678", QUESTION))
        .await;
    assert_eq!(sent.status, 200);
    let arrived = poll(async || {
        let count = "SELECT count(*) FROM cell.message
                     WHERE direction = 'outbound' AND status IN ('delivered', 'read')";
        node.number(count).await == 1
    })
    .await;
    assert!(arrived, "the status does not arrive");
    node.stop().await;
}
