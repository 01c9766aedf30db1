//! ElevenLabs: voices, and speech as a stream of audio (elevenlabs.io/docs/api-reference/voices/search,
//! /text-to-speech/convert, /text-to-speech/stream, and /docs/eleven-api/resources/errors).

use bytes::Bytes;
use http::{HeaderName, Method};
use serde_json::{Value, json};

use super::desk::{Desk, settled, uuid};
use crate::{
    call::Answer,
    shape::{self, Field, Kind, Problem, nullable, required},
};

/// (id, name) of the voices that every account has.
const VOICES: [(&str, &str); 3] = [
    ("21m00Tcm4TlvDq8ikWAM", "Rachel"),
    ("EXAVITQu4vr4xnSDxMaL", "Sarah"),
    ("JBFqnCBsd6RMkjVDRZzb", "George"),
];

const SEARCH: &[&str] = &[
    "category",
    "collection_id",
    "fine_tuning_state",
    "include_total_count",
    "next_page_token",
    "page_size",
    "search",
    "sort",
    "sort_direction",
    "voice_ids",
    "voice_type",
];

const SPEAK: &[&str] = &[
    "enable_logging",
    "optimize_streaming_latency",
    "output_format",
];

static SPEECH: &[Field] = &[
    required("text", Kind::AnyText),
    nullable("model_id", Kind::Text(100)),
    nullable("language_code", Kind::Text(10)),
    nullable("voice_settings", Kind::Map),
    nullable("seed", Kind::Integer(0, 4_294_967_295)),
    nullable("previous_text", Kind::AnyText),
    nullable("next_text", Kind::AnyText),
    nullable(
        "apply_text_normalization",
        Kind::Choice(&["auto", "on", "off"]),
    ),
];

/// How much audio stands for a character; clients see it arrive in pieces of this size.
const AUDIO: usize = 1024;

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    let post = desk.call.method == Method::POST;
    match desk.call.segments()[..] {
        ["v2", "voices"] if desk.call.method == Method::GET => settled(voices(desk)),
        ["v1", "text-to-speech", voice] if post => settled(speech(desk, voice)),
        ["v1", "text-to-speech", voice, "stream"] if post => settled(speech(desk, voice)),
        _ => None,
    }
}

/// 422 as FastAPI words it.
fn invalid(at: &[&str], message: &str, kind: &str) -> Answer {
    let body = json!({ "detail": [{ "loc": at, "msg": message, "type": kind }] });
    Answer::json(422, &body)
}

fn voices(desk: &Desk<'_>) -> Result<Answer, Answer> {
    desk.parameters(SEARCH)?;
    let size = desk.number("page_size", 10, (1, 100)).ok_or_else(|| {
        let message = "Input should be between 1 and 100";
        invalid(&["query", "page_size"], message, "less_than_equal")
    })?;
    let from = match desk.call.parameter("next_page_token") {
        None => 0,
        Some(token) => VOICES
            .iter()
            .position(|(id, _)| *id == token)
            .ok_or_else(|| {
                let at = ["query", "next_page_token"];
                invalid(&at, "Invalid page token", "value_error")
            })?,
    };
    let voice = |(id, name): &(&str, &str)| {
        json!({
            "voice_id": id,
            "name": name,
            "category": "premade",
            "labels": { "accent": "american" },
            "preview_url": format!("https://storage.example/voices/{id}.mp3"),
            "settings": { "stability": 0.5, "similarity_boost": 0.75 },
        })
    };
    let found: Vec<Value> = VOICES.iter().skip(from).take(size).map(voice).collect();
    let next = VOICES.get(from + size).map(|(id, _)| *id);
    Ok(Answer::json(
        200,
        &json!({
            "voices": found,
            "has_more": next.is_some(),
            "total_count": VOICES.len(),
            "next_page_token": next,
        }),
    ))
}

/// Frames of silence, as many as the text has characters.
fn speech(desk: &Desk<'_>, voice: &str) -> Result<Answer, Answer> {
    desk.parameters(SPEAK)?;
    let format = desk.call.parameter("output_format");
    let format = format.unwrap_or("mp3_44100_128");
    let media_type = match format.split('_').next() {
        Some("mp3") => "audio/mpeg",
        Some("pcm") => "audio/pcm",
        Some("ulaw") => "audio/basic",
        _ => {
            let at = ["query", "output_format"];
            return Err(invalid(&at, "Input should be a known format", "enum"));
        }
    };
    let body = desk.call.json().ok_or_else(|| {
        let message = "Input should be a valid dictionary";
        invalid(&["body"], message, "model_attributes_type")
    })?;
    shape::check(&body, &Kind::Object(SPEECH), "").map_err(|found| {
        let at = ["body", &found.path];
        match found.problem {
            Problem::Missing => invalid(&at, "Field required", "missing"),
            _ => invalid(&at, "Input is not valid", "value_error"),
        }
    })?;
    if !VOICES.iter().any(|(id, _)| *id == voice) {
        let message = format!("A voice with the voice_id {voice} was not found.");
        let detail = json!({ "status": "voice_not_found", "message": message });
        return Err(Answer::json(404, &json!({ "detail": detail })));
    }
    let text = body["text"].as_str().unwrap_or_default();
    if text.is_empty() {
        let message = "Input text is empty.";
        let detail = json!({ "status": "input_text_empty", "message": message });
        return Err(Answer::json(400, &json!({ "detail": detail })));
    }
    // The header of an MPEG-1 layer III frame at 128 kbit/s and 44.1 kHz, and nothing to hear.
    let mut frame = vec![0; AUDIO];
    frame[..4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
    let frame = Bytes::from(frame);
    let frames = text.chars().map(|_| frame.clone());
    Ok(Answer::streamed(media_type, frames)
        .with(HeaderName::from_static("request-id"), &uuid())
        .with(
            HeaderName::from_static("character-cost"),
            &text.chars().count().to_string(),
        ))
}
