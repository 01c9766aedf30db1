//! OpenAI's chat completions: the request that asks for a reply, and what its answer must hold.
//! Pure: nothing here reads a database or calls anybody.
//!
//! Shapes: openai/openai-python 3.52.0, `src/openai/types/chat/completion_create_params.py` and
//! `chat_completion.py`. Providers that are compatible with OpenAI take the same, which is why the
//! instructions have the role `system` and not OpenAI's newer `developer`.

use kernel::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// The API's path below a provider's base URL.
pub const PATH: &str = "/chat/completions";

/// Who said something, from the model's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The contact.
    User,
    /// The tenant's side: this agent, another one, or a person writing through the API.
    Assistant,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub role: Role,
    pub text: String,
}

/// The body of a request: instructions, if any, then what was said before, then the question.
pub fn request(model: &str, instructions: &str, history: &[Turn], question: &str) -> Value {
    let system = (!instructions.trim().is_empty())
        .then(|| json!({ "role": "system", "content": instructions }));
    let before = history
        .iter()
        .map(|turn| json!({ "role": turn.role.as_str(), "content": turn.text }));
    let question = json!({ "role": Role::User.as_str(), "content": question });
    let messages: Vec<Value> = system.into_iter().chain(before).chain([question]).collect();
    json!({ "model": model, "messages": messages })
}

/// What a model answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Completion {
    pub text: String,
    /// Absent where the provider does not count.
    pub usage: Option<Usage>,
}

/// Tokens, as the provider counts and charges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

#[derive(Deserialize)]
struct Body {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
    refusal: Option<String>,
}

/// Reads the text of an answer. An answer without one is a permanent failure: asking again with the
/// same words would be paid for again and most likely fail again. What the model or the provider
/// wrote is not quoted, since it may repeat what the contact said.
pub fn parse(provider: &str, body: Value) -> Result<Completion> {
    let fail = |detail: &str| Error::Provider {
        provider: provider.to_owned(),
        status: Some(200),
        detail: detail.to_owned(),
        retryable: false,
    };
    let body: Body = serde_json::from_value(body)
        .map_err(|_| fail("the answer has not the form of a chat completion"))?;
    let choice = body
        .choices
        .into_iter()
        .next()
        .ok_or_else(|| fail("the answer holds no choices"))?;
    if choice.message.refusal.is_some_and(|text| !text.is_empty()) {
        return Err(fail("the model refused to answer"));
    }
    let text = choice.message.content.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() {
        return Err(fail(match choice.finish_reason.as_deref() {
            Some("content_filter") => "the provider's content filter withheld the answer",
            Some("length") => "the model used up its tokens before it wrote an answer",
            Some("tool_calls" | "function_call") => "the model called a tool, and it has none",
            _ => "the model's answer is empty",
        }));
    }
    Ok(Completion {
        text: text.to_owned(),
        usage: body.usage,
    })
}

/// Says what to do about refusals that the tenant can mend.
pub fn explain(error: Error, model: &str) -> Error {
    match error {
        Error::Provider {
            provider,
            status: status @ Some(401 | 403),
            detail,
            retryable,
        } => Error::Provider {
            detail: format!("the API key was refused; check the {provider} credential ({detail})"),
            provider,
            status,
            retryable,
        },
        Error::Provider {
            provider,
            status: status @ Some(404),
            detail,
            retryable,
        } => Error::Provider {
            detail: format!("check the agent's model `{model}` ({detail})"),
            provider,
            status,
            retryable,
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, text: &str) -> Turn {
        Turn {
            role,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_request_is_instructions_then_history_then_the_question() {
        let history = [
            turn(Role::User, "Are you open?"),
            turn(Role::Assistant, "Until six."),
        ];
        assert_eq!(
            request("gpt-4o-mini", "You are Acme.", &history, "And tomorrow?"),
            json!({
                "model": "gpt-4o-mini",
                "messages": [
                    { "role": "system", "content": "You are Acme." },
                    { "role": "user", "content": "Are you open?" },
                    { "role": "assistant", "content": "Until six." },
                    { "role": "user", "content": "And tomorrow?" },
                ],
            })
        );
    }

    #[test]
    fn empty_instructions_are_not_sent() {
        let body = request("m", " \n", &[], "Hello");
        assert_eq!(
            body["messages"],
            json!([{ "role": "user", "content": "Hello" }])
        );
    }

    #[test]
    fn an_answer_is_its_first_choice_and_what_it_cost() {
        let body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [
                { "index": 0, "message": { "role": "assistant", "content": " Yes. \n", "refusal": null },
                  "logprobs": null, "finish_reason": "stop" },
                { "index": 1, "message": { "role": "assistant", "content": "No." }, "finish_reason": "stop" },
            ],
            "usage": { "prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15 },
        });
        let completion = parse("openai", body).expect("an answer");
        assert_eq!(completion.text, "Yes.");
        let usage = Usage {
            prompt_tokens: 12,
            completion_tokens: 3,
        };
        assert_eq!(completion.usage, Some(usage));
    }

    #[test]
    fn providers_that_count_nothing_answer_too() {
        let body = json!({ "choices": [{ "message": { "content": "Yes." } }] });
        assert_eq!(parse("local", body).expect("an answer").usage, None);
    }

    #[test]
    fn an_answer_without_text_fails_for_good_and_says_why() {
        let choice = |content: Value, refusal: Value, reason: &str| {
            json!({ "choices": [{
                "message": { "content": content, "refusal": refusal }, "finish_reason": reason,
            }]})
        };
        let text = "private words";
        for (body, why) in [
            (Value::Null, "form"),
            (json!({ "error": { "message": text } }), "form"),
            (json!({ "choices": [] }), "no choices"),
            (
                json!({ "choices": [{ "message": { "content": [text] } }] }),
                "form",
            ),
            (choice(Value::Null, json!(text), "stop"), "refused"),
            (choice(json!(text), json!(text), "stop"), "refused"),
            (choice(json!("  "), Value::Null, "stop"), "empty"),
            (choice(Value::Null, Value::Null, "length"), "tokens"),
            (choice(Value::Null, Value::Null, "content_filter"), "filter"),
            (choice(Value::Null, Value::Null, "tool_calls"), "tool"),
        ] {
            let error = parse("openai", body).expect_err(why);
            assert!(!error.is_transient(), "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(!error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn refusals_say_what_to_check_and_keep_their_kind() {
        let refused = |status: u16, retryable| Error::Provider {
            provider: "openai".to_owned(),
            status: Some(status),
            detail: format!("answered {status}"),
            retryable,
        };
        for (status, advice) in [(401, "credential"), (403, "credential"), (404, "model `m`")] {
            let error = explain(refused(status, false), "m");
            assert!(error.to_string().contains(advice), "{error}");
            assert!(
                error.to_string().contains(&format!("answered {status}")),
                "{error}"
            );
            assert!(!error.is_transient(), "{error}");
        }
        let busy = explain(refused(429, true), "m");
        assert!(busy.is_transient());
        assert_eq!(busy.to_string(), "openai: answered 429");
    }
}
