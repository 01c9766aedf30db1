//! OpenAI's API.

use sandbox::Provider;
use serde_json::{Value, json};

use crate::fixture::*;

fn request(content: Value) -> Value {
    json!({
        "model": MODEL,
        "messages": [
            { "role": "system", "content": "You answer for Bloom Dental. We open at nine." },
            { "role": "user", "content": content },
        ],
    })
}

#[tokio::test]
async fn a_completion_answers_the_question_with_usage() {
    let sandbox = start().await;
    let (status, answer) = exchange(chat(&sandbox, &request(json!("When do you open?")))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    let text = choice["message"]["content"].as_str().expect("has text");
    assert!(text.contains("Bloom Dental"), "{text}");
    assert!(text.contains("“When do you open?”"), "{text}");
    assert!(text.contains("We open at nine."), "{text}");
    let count = |name: &str| answer["usage"][name].as_u64().expect("is counted");
    assert!(count("prompt_tokens") > 0);
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );

    let parts = json!([
        { "type": "text", "text": "When do you open?" },
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } },
    ]);
    let (status, _) = exchange(chat(&sandbox, &request(parts))).await;
    assert_eq!(status, 200);
    assert_eq!(
        sandbox.received(Provider::OpenAi)[0].account.as_deref(),
        Some("0001")
    );
}

#[tokio::test]
async fn a_stream_carries_the_same_text_then_usage_then_done() {
    let sandbox = start().await;
    let mut body = request(json!("When do you open?"));
    let (_, whole) = exchange(chat(&sandbox, &body)).await;
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    let answer = chat(&sandbox, &body).send().await.expect("answers");
    assert_eq!(
        answer.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let text = answer.text().await.expect("is whole");
    let mut events: Vec<&str> = text
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").expect("is a data event"))
        .collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).expect("is JSON"))
        .collect();
    let (usage, chunks) = chunks.split_last().expect("has chunks");
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"], whole["usage"]);
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(whole["choices"][0]["message"]["content"], said);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let last = &chunks[chunks.len() - 1];
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn limits_and_stops_are_obeyed() {
    let sandbox = start().await;
    let mut body = request(json!("When do you open?"));
    body["max_completion_tokens"] = 3.into();
    let (_, answer) = exchange(chat(&sandbox, &body)).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 3);
    let mut body = request(json!("When do you open?"));
    body["stop"] = json!(["Bloom"]);
    body["n"] = 2.into();
    let (_, answer) = exchange(chat(&sandbox, &body)).await;
    let text = &answer["choices"][1]["message"]["content"];
    assert_eq!(text, "Thank you for contacting ");
}

#[tokio::test]
async fn a_tool_call_and_its_result_make_a_conversation() {
    let sandbox = start().await;
    let mut body = request(json!("Is there a free appointment?"));
    body["tools"] = json!([{ "type": "function", "function": {
        "name": "find_appointment",
        "parameters": { "type": "object", "properties": { "wish": { "type": "string" } } },
    }}]);
    let (_, answer) = exchange(chat(&sandbox, &body)).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "find_appointment");
    let messages = body["messages"].as_array_mut().expect("is a list");
    messages.push(choice["message"].clone());
    let unanswered = json!({ "model": MODEL, "messages": messages });
    messages
        .push(json!({ "role": "tool", "tool_call_id": call["id"], "content": "Friday at ten" }));
    let (status, answer) = exchange(chat(&sandbox, &body)).await;
    assert_eq!(status, 200, "{answer}");
    let text = answer["choices"][0]["message"]["content"].as_str();
    assert!(text.expect("has text").contains("Friday at ten"));
    let (status, answer) = exchange(chat(&sandbox, &unanswered)).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn departures_get_openais_errors() {
    let sandbox = start().await;
    let with = |name: &str, value: Value| {
        let mut body = request(json!("Hi"));
        body[name] = value;
        body
    };
    let cases = [
        (
            with("max_token", json!(5)),
            Value::Null,
            "Unrecognized request argument supplied: max_token",
        ),
        (
            json!({ "model": MODEL }),
            json!("messages"),
            "Missing required parameter: 'messages'.",
        ),
        (
            with("messages", json!([])),
            json!("messages"),
            "Invalid 'messages': empty array.",
        ),
        (
            with("messages", json!([{ "role": "user", "content": 5 }])),
            json!("messages[0].content"),
            "Invalid type for 'messages[0].content': expected one of a string or an array",
        ),
        (
            with("messages", json!([{ "role": "wizard", "content": "x" }])),
            json!("messages[0].role"),
            "Invalid value: 'wizard'. Supported values are: 'system', 'developer'",
        ),
        (
            with(
                "messages",
                json!([{ "role": "system", "content": [
                    { "type": "image_url", "image_url": { "url": "x" } }
                ]}]),
            ),
            json!("messages[0].content[0].type"),
            "Invalid value: 'image_url'.",
        ),
        (
            with(
                "messages",
                json!([{ "role": "tool", "tool_call_id": "x", "content": "x" }]),
            ),
            json!("messages[0].role"),
            "Invalid parameter: messages with role 'tool'",
        ),
        (
            with("temperature", json!(2.5)),
            json!("temperature"),
            "Invalid 'temperature': decimal above maximum value.",
        ),
        (
            with("max_tokens", json!(0)),
            json!("max_tokens"),
            "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1",
        ),
        (
            with("stream_options", json!({ "include_usage": true })),
            json!("stream_options"),
            "The 'stream_options' parameter is only allowed",
        ),
    ];
    for (body, parameter, message) in cases {
        let (status, answer) = exchange(chat(&sandbox, &body)).await;
        assert_eq!(status, 400, "{answer}");
        let error = &answer["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"], parameter, "{answer}");
        let said = error["message"].as_str().expect("has a message");
        assert!(said.starts_with(message), "{said}");
    }
    let both = {
        let mut body = with("max_tokens", json!(5));
        body["max_completion_tokens"] = 5.into();
        body
    };
    assert_eq!(exchange(chat(&sandbox, &both)).await.0, 400);
    let (status, answer) = exchange(chat(&sandbox, &with("model", json!("gpt-9")))).await;
    assert_eq!(status, 404);
    assert_eq!(answer["error"]["code"], "model_not_found");
}

#[tokio::test]
async fn keys_are_checked_and_models_listed() {
    let sandbox = start().await;
    let base = sandbox.base_url(Provider::OpenAi);
    let models = || client().get(format!("{base}/models"));
    let (status, list) = exchange(models().bearer_auth(OPENAI_KEY)).await;
    assert_eq!((status, &list["data"][0]["id"]), (200, &json!(MODEL)));
    let one = client().get(format!("{base}/models/{MODEL}"));
    assert_eq!(exchange(one.bearer_auth(OPENAI_KEY)).await.0, 200);
    let (status, answer) = exchange(models().bearer_auth("sk-wrong")).await;
    assert_eq!(status, 401);
    assert_eq!(answer["error"]["code"], "invalid_api_key");
    assert_eq!(exchange(models()).await.0, 401);
}
