//! A composed reply as OpenAI returns it: whole, or as a stream of events; with token counts.
//!
//! A token here is a word with the space before it. The counts are therefore not OpenAI's, but
//! they add up the same way and depend on nothing but the text.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::reply::{self, Reply};
use crate::{call::Answer, ids};

/// What the format of a message costs beside its text.
const TOKENS_PER_MESSAGE: usize = 3;

pub(super) fn answer(body: &Map<String, Value>) -> Answer {
    let completion = Completion::of(body);
    if body.get("stream") == Some(&Value::Bool(true)) {
        completion.stream(usage_wanted(body))
    } else {
        completion.whole()
    }
}

fn usage_wanted(body: &Map<String, Value>) -> bool {
    let options = body.get("stream_options");
    options.is_some_and(|options| options["include_usage"] == true)
}

struct Completion {
    id: String,
    created: i64,
    model: String,
    choices: u64,
    outcome: Outcome,
    prompt_tokens: usize,
    completion_tokens: usize,
}

/// One choice; several are equal, since the model is deterministic.
enum Outcome {
    Text {
        tokens: Vec<String>,
        finish_reason: &'static str,
    },
    Call {
        id: String,
        tool: String,
        arguments: String,
    },
}

impl Completion {
    fn of(body: &Map<String, Value>) -> Self {
        let choices = body.get("n").and_then(Value::as_u64).unwrap_or(1);
        let messages = body["messages"].as_array().into_iter().flatten();
        let prompt_tokens = messages
            .map(|message| {
                let text = reply::text_of(&message["content"]);
                TOKENS_PER_MESSAGE + tokens(&text).len()
            })
            .sum();
        let outcome = match reply::compose(body) {
            Reply::Call { tool, arguments } => Outcome::Call {
                id: format!("call_{}", ids::alphanumeric(24)),
                tool,
                arguments,
            },
            Reply::Text(text) => limited(&text, body),
        };
        let per_choice = match &outcome {
            Outcome::Text { tokens, .. } => tokens.len(),
            Outcome::Call { arguments, .. } => 1 + tokens(arguments).len(),
        };
        Self {
            id: format!("chatcmpl-{}", ids::alphanumeric(29)),
            created: OffsetDateTime::now_utc().unix_timestamp(),
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            choices,
            outcome,
            prompt_tokens,
            completion_tokens: per_choice * usize::try_from(choices).unwrap_or(1),
        }
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        })
    }

    fn head(&self, object: &str) -> Value {
        json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        })
    }

    fn finish_reason(&self) -> &'static str {
        match &self.outcome {
            Outcome::Text { finish_reason, .. } => finish_reason,
            Outcome::Call { .. } => "tool_calls",
        }
    }

    fn whole(&self) -> Answer {
        let mut message = json!({ "role": "assistant", "refusal": null, "annotations": [] });
        match &self.outcome {
            Outcome::Text { tokens, .. } => message["content"] = tokens.concat().into(),
            Outcome::Call {
                id,
                tool,
                arguments,
            } => {
                message["content"] = Value::Null;
                message["tool_calls"] = json!([{
                    "id": id,
                    "type": "function",
                    "function": { "name": tool, "arguments": arguments },
                }]);
            }
        }
        let choices: Vec<Value> = (0..self.choices)
            .map(|index| {
                json!({
                    "index": index,
                    "message": message,
                    "logprobs": null,
                    "finish_reason": self.finish_reason(),
                })
            })
            .collect();
        let mut answer = self.head("chat.completion");
        answer["choices"] = choices.into();
        answer["usage"] = self.usage();
        Answer::json(200, &answer)
    }

    fn stream(&self, usage_wanted: bool) -> Answer {
        let mut events = Vec::new();
        for index in 0..self.choices {
            for delta in self.deltas() {
                events.push(self.chunk(index, &delta, None, usage_wanted));
            }
            let reason = self.finish_reason();
            events.push(self.chunk(index, &json!({}), Some(reason), usage_wanted));
        }
        if usage_wanted {
            let mut last = self.head("chat.completion.chunk");
            last["choices"] = json!([]);
            last["usage"] = self.usage();
            events.push(event(&last));
        }
        events.push("data: [DONE]\n\n".to_owned());
        Answer::events(events)
    }

    fn deltas(&self) -> Vec<Value> {
        match &self.outcome {
            Outcome::Text { tokens, .. } => {
                let first = json!({ "role": "assistant", "content": "", "refusal": null });
                let rest = tokens.iter().map(|token| json!({ "content": token }));
                std::iter::once(first).chain(rest).collect()
            }
            Outcome::Call {
                id,
                tool,
                arguments,
            } => vec![
                json!({ "role": "assistant", "content": null, "tool_calls": [{
                    "index": 0,
                    "id": id,
                    "type": "function",
                    "function": { "name": tool, "arguments": "" },
                }]}),
                json!({ "tool_calls": [{
                    "index": 0,
                    "function": { "arguments": arguments },
                }]}),
            ],
        }
    }

    fn chunk(
        &self,
        index: u64,
        delta: &Value,
        finish_reason: Option<&str>,
        usage_wanted: bool,
    ) -> String {
        let mut chunk = self.head("chat.completion.chunk");
        chunk["choices"] = json!([{
            "index": index,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        }]);
        if usage_wanted {
            chunk["usage"] = Value::Null;
        }
        event(&chunk)
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// Applies `stop` and the token limit.
fn limited(text: &str, body: &Map<String, Value>) -> Outcome {
    let stops: Vec<&str> = match body.get("stop") {
        Some(Value::String(stop)) => vec![stop],
        Some(Value::Array(stops)) => stops.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let end = stops
        .iter()
        .filter(|stop| !stop.is_empty())
        .filter_map(|stop| text.find(stop))
        .min()
        .unwrap_or(text.len());
    let mut tokens = tokens(&text[..end]);
    let limit = ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|name| body.get(*name)?.as_u64())
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let finish_reason = if tokens.len() > limit {
        "length"
    } else {
        "stop"
    };
    tokens.truncate(limit);
    Outcome::Text {
        tokens,
        finish_reason,
    }
}

/// Splits a text before each space; the pieces together are the text.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for (index, word) in text.split(' ').enumerate() {
        match index {
            0 if word.is_empty() => {}
            0 => tokens.push(word.to_owned()),
            _ => tokens.push(format!(" {word}")),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_add_up_to_the_text() {
        for text in ["", " ", "a", "a b", " a  b\nc ", "ä ö"] {
            assert_eq!(tokens(text).concat(), text);
        }
    }
}
