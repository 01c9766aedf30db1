//! What the simulated model says: no intelligence, but an answer that follows from the
//! conversation alone, so that a demo reads sensibly and a test can predict it.
//!
//! It names the business of the system prompt, quotes the question, and adds the sentence of the
//! system prompt that shares the most words with the question. A tool is called when the question
//! contains a word of the tool's name or a choice demands it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

/// What the model produces for one choice.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    Text(String),
    Call { tool: String, arguments: String },
}

pub(super) fn compose(body: &Map<String, Value>) -> Reply {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let instructions = texts_of(messages, &["system", "developer"]).join("\n");
    let question = texts_of(messages, &["user"]).pop().unwrap_or_default();
    let last = messages.last();
    if let Some(last) = last.filter(|message| message["role"] == "tool") {
        let result = text_of(&last["content"]);
        return Reply::Text(format!(
            "{} Here is what I found: {result}",
            greet(&instructions)
        ));
    }
    if let Some(tool) = chosen_tool(body, &question) {
        let arguments = sample(&tool["function"]["parameters"], &question);
        return Reply::Call {
            tool: tool["function"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            arguments: match arguments {
                Value::Object(_) => arguments.to_string(),
                _ => "{}".to_owned(),
            },
        };
    }
    let format = &body.get("response_format").unwrap_or(&Value::Null)["type"];
    let text = in_words(&instructions, &question);
    Reply::Text(match format.as_str() {
        Some("json_object") => json!({ "answer": text }).to_string(),
        Some("json_schema") => {
            let schema = &body["response_format"]["json_schema"]["schema"];
            sample(schema, &question).to_string()
        }
        _ => text,
    })
}

/// All text of a message's content, whether a string or parts; other parts are named by type.
pub(super) fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|part| match part["type"].as_str() {
                    Some("text") => part["text"].as_str().unwrap_or_default().to_owned(),
                    Some(other) => format!("[{other}]"),
                    None => String::new(),
                })
                .collect();
            parts.join(" ")
        }
        _ => String::new(),
    }
}

fn texts_of(messages: &[Value], roles: &[&str]) -> Vec<String> {
    messages
        .iter()
        .filter(|message| message["role"].as_str().is_some_and(|r| roles.contains(&r)))
        .map(|message| text_of(&message["content"]))
        .collect()
}

fn in_words(instructions: &str, question: &str) -> String {
    let mut text = greet(instructions);
    if !question.trim().is_empty() {
        text.push_str(&format!(" You wrote: “{}”.", question.trim()));
    }
    match most_related(instructions, question) {
        Some(sentence) => {
            text.push_str(&format!(" What I know about that: {sentence}"));
            if !sentence.ends_with(['.', '!', '?']) {
                text.push('.');
            }
        }
        None => text.push_str(" How can I help you further?"),
    }
    text
}

fn greet(instructions: &str) -> String {
    match business_of(instructions) {
        Some(business) => format!("Thank you for contacting {business}."),
        None => "Thank you for your message.".to_owned(),
    }
}

/// The name that follows "of", "for", "at" or "from" in the instructions: the words up to the
/// first that does not begin with a capital letter or a digit.
fn business_of(instructions: &str) -> Option<String> {
    let words: Vec<&str> = instructions.split_whitespace().collect();
    words.iter().enumerate().find_map(|(index, word)| {
        if !matches!(*word, "of" | "for" | "at" | "from") {
            return None;
        }
        let mut name: Vec<&str> = Vec::new();
        for word in &words[index + 1..] {
            let bare = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
            let fits = bare
                .chars()
                .next()
                .is_some_and(|c| c.is_uppercase() || c.is_ascii_digit() || c == '&');
            if !fits {
                break;
            }
            name.push(bare);
            if bare.len() < word.len() {
                break;
            }
        }
        (!name.is_empty()).then(|| name.join(" "))
    })
}

/// The sentence of the instructions that shares the most words of four letters or more with the
/// question; none when no word is shared.
fn most_related<'a>(instructions: &'a str, question: &str) -> Option<&'a str> {
    let asked = words_of(question);
    let mut best: Option<(usize, &str)> = None;
    for sentence in sentences(instructions) {
        let shared = words_of(sentence).intersection(&asked).count();
        if shared > best.map_or(0, |(most, _)| most) {
            best = Some((shared, sentence));
        }
    }
    best.map(|(_, sentence)| sentence)
}

/// Splits at line ends and after `.`, `!` or `?` that a space follows, so that times and decimals
/// stay whole.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split_inclusive(". "))
        .flat_map(|part| part.split_inclusive("! "))
        .flat_map(|part| part.split_inclusive("? "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty())
}

fn words_of(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 4)
        .map(str::to_lowercase)
        .collect()
}

fn chosen_tool<'a>(body: &'a Map<String, Value>, question: &str) -> Option<&'a Value> {
    let tools = body.get("tools")?.as_array()?;
    let name_of = |tool: &'a Value| tool["function"]["name"].as_str().unwrap_or_default();
    let choice = body.get("tool_choice").unwrap_or(&Value::Null);
    if let Some(named) = choice["function"]["name"].as_str() {
        return tools.iter().find(|tool| name_of(tool) == named);
    }
    let asked = words_of(question);
    let suggested = tools.iter().find(|tool| {
        let name = name_of(tool).replace(['_', '-'], " ");
        !words_of(&name).is_disjoint(&asked)
    });
    match choice.as_str() {
        Some("none") => None,
        Some("required") => suggested.or(tools.first()),
        _ => suggested,
    }
}

/// A value that satisfies a JSON schema, filled from the question: text properties hold the
/// question, numbers the first number in it, choices the first one that it mentions.
fn sample(schema: &Value, question: &str) -> Value {
    if let Some(choices) = schema["enum"].as_array() {
        let mentioned = choices.iter().find(|choice| {
            let text = choice.as_str().unwrap_or_default().to_lowercase();
            !text.is_empty() && question.to_lowercase().contains(&text)
        });
        return mentioned.or(choices.first()).cloned().unwrap_or_default();
    }
    if let Some(constant) = schema.get("const") {
        return constant.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("string") => question.into(),
        Some("integer") => first_number(question).map_or(1, |n| n as i64).into(),
        Some("number") => first_number(question).unwrap_or(1.0).into(),
        Some("boolean") => true.into(),
        Some("array") => Value::Array(vec![sample(&schema["items"], question)]),
        Some("object") => {
            let properties = schema["properties"].as_object();
            let filled = properties
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), sample(property, question)));
            Value::Object(filled.collect())
        }
        _ => Value::Null,
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .map(|part| part.trim_matches('.'))
        .find_map(|part| part.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: Value) -> Reply {
        compose(body.as_object().expect("a request is an object"))
    }

    const PROMPT: &str = "You are the assistant of Bloom Dental. Be brief. \
                          Opening hours are Monday to Friday, 9.00 to 17.00. \
                          A cleaning costs 90 euros.";

    #[test]
    fn the_answer_names_the_business_the_question_and_what_is_known() {
        let body = json!({ "messages": [
            { "role": "system", "content": PROMPT },
            { "role": "user", "content": [{ "type": "text", "text": "When are you opening?" }] },
        ]});
        assert_eq!(
            reply(body),
            Reply::Text(
                "Thank you for contacting Bloom Dental. You wrote: “When are you opening?”. What \
                 I know about that: Opening hours are Monday to Friday, 9.00 to 17.00."
                    .to_owned()
            )
        );
    }

    #[test]
    fn without_a_prompt_it_still_answers() {
        let body = json!({ "messages": [{ "role": "user", "content": "Hi" }] });
        let Reply::Text(text) = reply(body) else {
            panic!("no tools were offered");
        };
        assert!(text.starts_with("Thank you for your message. You wrote: “Hi”."));
    }

    #[test]
    fn a_tool_is_called_when_the_question_mentions_it_and_not_otherwise() {
        let body = |question: &str, choice: Value| {
            json!({
                "messages": [{ "role": "user", "content": question }],
                "tool_choice": choice,
                "tools": [{ "type": "function", "function": {
                    "name": "book_appointment",
                    "parameters": { "type": "object", "properties": {
                        "people": { "type": "integer" },
                        "day": { "type": "string", "enum": ["monday", "friday"] },
                    }},
                }}],
            })
        };
        let asked = "An appointment on Friday for 2 please";
        let called = Reply::Call {
            tool: "book_appointment".to_owned(),
            arguments: r#"{"day":"friday","people":2}"#.to_owned(),
        };
        assert_eq!(reply(body(asked, json!("auto"))), called);
        assert!(matches!(reply(body(asked, json!("none"))), Reply::Text(_)));
        assert!(matches!(
            reply(body("Hello", json!("auto"))),
            Reply::Text(_)
        ));
        let forced = reply(body("Hello", json!("required")));
        assert!(matches!(forced, Reply::Call { .. }));
    }
}
