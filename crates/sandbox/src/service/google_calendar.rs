//! Google Calendar, version 3: listing, inserting and reading events of the primary calendar
//! (developers.google.com/calendar/api/v3/reference/events, /guides/errors, and the discovery
//! document calendar.v3 for parameters).

use http::Method;
use serde_json::{Value, json};

use super::desk::{Desk, now, settled};
use crate::{
    call::Answer,
    ids,
    shape::{self, Field, Kind, optional, required},
};

/// Parameters of every call.
const STANDARD: &[&str] = &["alt", "fields", "key", "prettyPrint", "quotaUser"];

const LIST: &[&str] = &[
    "alwaysIncludeEmail",
    "eventTypes",
    "iCalUID",
    "maxAttendees",
    "maxResults",
    "orderBy",
    "pageToken",
    "privateExtendedProperty",
    "q",
    "sharedExtendedProperty",
    "showDeleted",
    "showHiddenInvitations",
    "singleEvents",
    "syncToken",
    "timeMax",
    "timeMin",
    "timeZone",
    "updatedMin",
];

const INSERT: &[&str] = &[
    "conferenceDataVersion",
    "maxAttendees",
    "sendNotifications",
    "sendUpdates",
    "supportsAttachments",
];

static WHEN: &[Field] = &[
    optional("date", Kind::Text(10)),
    optional("dateTime", Kind::Text(40)),
    optional("timeZone", Kind::Text(64)),
];

static ATTENDEE: &[Field] = &[
    required("email", Kind::Text(254)),
    optional("displayName", Kind::AnyText),
    optional("optional", Kind::Flag),
];

static EVENT: &[Field] = &[
    required("start", Kind::Object(WHEN)),
    required("end", Kind::Object(WHEN)),
    optional("summary", Kind::AnyText),
    optional("description", Kind::AnyText),
    optional("location", Kind::AnyText),
    optional("attendees", Kind::List(&Kind::Object(ATTENDEE))),
    optional("recurrence", Kind::List(&Kind::AnyText)),
    optional("reminders", Kind::Map),
    optional("extendedProperties", Kind::Map),
    optional(
        "visibility",
        Kind::Choice(&["default", "public", "private"]),
    ),
];

pub(super) fn answer(desk: &Desk<'_>) -> Option<Answer> {
    let method = &desk.call.method;
    match desk.call.segments()[..] {
        ["calendars", calendar, "events", ..]
            if calendar != "primary" && calendar != desk.account.says("email") =>
        {
            Some(not_found())
        }
        ["calendars", _, "events"] if method == Method::GET => settled(list(desk)),
        ["calendars", _, "events"] if method == Method::POST => settled(insert(desk)),
        ["calendars", _, "events", id] if method == Method::GET => settled(get(desk, id)),
        _ => None,
    }
}

fn refused(status: u16, reason: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "error": {
            "code": status,
            "message": message,
            "errors": [{ "domain": "global", "reason": reason, "message": message }],
        } }),
    )
}

fn not_found() -> Answer {
    refused(404, "notFound", "Not Found")
}

fn parameters(desk: &Desk<'_>, own: &[&str]) -> Result<(), Answer> {
    desk.parameters(&[STANDARD, own].concat())?;
    match desk.call.parameter("alt") {
        None | Some("json") => Ok(()),
        Some(_) => Err(refused(400, "invalidParameter", "Invalid value for alt")),
    }
}

/// In the order of insertion; the token of a page is the place of its first event.
fn list(desk: &Desk<'_>) -> Result<Answer, Answer> {
    parameters(desk, LIST)?;
    let wrong = |name: &str| {
        refused(
            400,
            "invalidParameter",
            &format!("Invalid value for {name}"),
        )
    };
    let size = desk
        .number("maxResults", 250, (1, 2500))
        .ok_or_else(|| wrong("maxResults"))?;
    let from = desk
        .number("pageToken", 0, (0, usize::MAX / 2))
        .ok_or_else(|| wrong("pageToken"))?;
    let all = desk.kept("events");
    let items: Vec<&Value> = all.iter().skip(from).take(size).collect();
    let mut page = json!({
        "kind": "calendar#events",
        "etag": "\"p33g\"",
        "summary": desk.account.says("email"),
        "updated": now(),
        "timeZone": "UTC",
        "accessRole": "owner",
        "defaultReminders": [],
        "items": items,
    });
    match from + size < all.len() {
        true => page["nextPageToken"] = json!((from + size).to_string()),
        false => page["nextSyncToken"] = json!(ids::alphanumeric(24)),
    }
    Ok(Answer::json(200, &page))
}

fn insert(desk: &Desk<'_>) -> Result<Answer, Answer> {
    parameters(desk, INSERT)?;
    let body = desk
        .call
        .json()
        .ok_or_else(|| refused(400, "parseError", "Parse Error"))?;
    shape::check(&body, &Kind::Object(EVENT), "").map_err(|found| match found.problem {
        shape::Problem::Missing => {
            let message = format!("Missing {} time.", found.path);
            refused(400, "required", &message)
        }
        _ => refused(
            400,
            "invalid",
            &format!("Invalid value for: {}", found.path),
        ),
    })?;
    let (all_day, at_a_time) = ("date", "dateTime");
    for side in ["start", "end"] {
        let given = |name| !body[side][name].is_null();
        if given(all_day) == given(at_a_time) {
            return Err(refused(
                400,
                "invalid",
                "Start and end times must either both be date or both be dateTime.",
            ));
        }
    }
    let mut event = body;
    let id = ids::from_alphabet(b"0123456789abcdefghijklmnopqrstuv", 26);
    event["kind"] = json!("calendar#event");
    event["etag"] = json!(format!("\"{}\"", ids::digits(16)));
    event["iCalUID"] = json!(format!("{id}@google.com"));
    event["htmlLink"] = json!(format!("https://www.google.com/calendar/event?eid={id}"));
    event["id"] = json!(id);
    event["status"] = json!("confirmed");
    event["created"] = json!(now());
    event["updated"] = json!(now());
    desk.keep("events", &event);
    Ok(Answer::json(200, &event))
}

fn get(desk: &Desk<'_>, id: &str) -> Result<Answer, Answer> {
    parameters(desk, &["alwaysIncludeEmail", "maxAttendees", "timeZone"])?;
    let found = desk.find("events", "id", id);
    found
        .map(|event| Answer::json(200, &event))
        .ok_or_else(not_found)
}
