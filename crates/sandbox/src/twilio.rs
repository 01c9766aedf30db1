//! Twilio's REST API 2010-04-01 as far as messaging needs it: the account, sending a message, and
//! fetching media that came in.
//!
//! Parameters: twilio/twilio-python `twilio/rest/api/v2010/account/message/__init__.py` (9.x).
//! Error codes: twilio.com/docs/api/errors.

use http::{Method, header};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::{
    accounts::{TwilioAccount, same},
    call::{Answer, Call},
    ids,
    provider::Provider,
    senders,
    server::Simulation,
};

/// Characters in a message body.
const BODY_LIMIT: usize = 1600;
const MEDIA_LIMIT: usize = 10;

const PARAMETERS: &[&str] = &[
    "To",
    "StatusCallback",
    "ApplicationSid",
    "MaxPrice",
    "ProvideFeedback",
    "Attempt",
    "ValidityPeriod",
    "ForceDelivery",
    "ContentRetention",
    "AddressRetention",
    "SmartEncoded",
    "PersistentAction",
    "TrafficType",
    "ShortenUrls",
    "ScheduleType",
    "SendAt",
    "SendAsMms",
    "ContentVariables",
    "MessageIntent",
    "RiskCheck",
    "From",
    "FallbackFrom",
    "MessagingServiceSid",
    "Body",
    "MediaUrl",
    "ContentSid",
];

pub(crate) fn answer(simulation: &Simulation, call: &Call) -> Answer {
    let path = call.segments();
    let ["2010-04-01", "Accounts", path @ ..] = path.as_slice() else {
        return not_found(call);
    };
    let account = match authenticate(simulation, call) {
        Ok(account) => account,
        Err(refusal) => return refusal,
    };
    let own = |sid: &str| sid == account.account_sid;
    match (&call.method, path) {
        (&Method::GET, [file]) if file.strip_suffix(".json").is_some_and(own) => describe(&account),
        (&Method::POST, [sid, "Messages.json"]) if own(sid) => {
            match Message::parse(&account, call) {
                Ok(message) => message.accept(simulation, &account),
                Err(refusal) => refusal,
            }
        }
        (&Method::GET, [sid, "Messages", _, "Media", id]) if own(sid) => {
            let found = simulation.media.find(Provider::Twilio, &[sid], id);
            match found {
                Some(file) => Answer::bytes(200, &file.media_type, file.bytes),
                None => not_found(call),
            }
        }
        (_, [sid, "Messages.json"]) if own(sid) => error(405, 20004, "Method not allowed"),
        _ => not_found(call),
    }
}

pub(crate) fn account_of(call: &Call) -> Option<String> {
    match call.segments().as_slice() {
        ["2010-04-01", "Accounts", sid, ..] => {
            Some(sid.strip_suffix(".json").unwrap_or(sid).to_owned())
        }
        _ => None,
    }
}

pub(crate) fn failure(status: u16) -> Answer {
    match status {
        401 => unauthenticated(),
        403 => error(403, 20403, "Forbidden"),
        429 => error(429, 20429, "Too Many Requests"),
        500 => error(500, 20500, "Internal Server Error"),
        503 => error(503, 20503, "Service Unavailable"),
        other => error(other, 20001, "The request failed"),
    }
}

fn error(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status,
        }),
    )
}

fn unauthenticated() -> Answer {
    error(401, 20003, "Authenticate").with(header::WWW_AUTHENTICATE, "Basic realm=\"Twilio API\"")
}

fn not_found(call: &Call) -> Answer {
    let path = call.path.join("/");
    let message = format!("The requested resource /{path} was not found");
    error(404, 20404, &message)
}

fn authenticate(simulation: &Simulation, call: &Call) -> Result<TwilioAccount, Answer> {
    let (sid, token) = call.basic().ok_or_else(unauthenticated)?;
    simulation
        .accounts
        .find_twilio(&sid)
        .filter(|account| same(&account.auth_token, &token))
        .ok_or_else(unauthenticated)
}

fn describe(account: &TwilioAccount) -> Answer {
    let sid = &account.account_sid;
    let uri = format!("/2010-04-01/Accounts/{sid}.json");
    let created = "Thu, 01 Jan 2026 00:00:00 +0000";
    Answer::json(
        200,
        &json!({
            "sid": sid,
            "owner_account_sid": sid,
            "friendly_name": format!("Sandbox {sid}"),
            "status": "active",
            "type": "Full",
            "date_created": created,
            "date_updated": created,
            "uri": uri,
            "subresource_uris": {
                "messages": format!("/2010-04-01/Accounts/{sid}/Messages.json"),
            },
        }),
    )
}

/// A message as the form asks for it, every field checked.
#[derive(Debug, Default)]
struct Message {
    to: String,
    from: Option<String>,
    service: Option<String>,
    body: String,
    media: Vec<String>,
    status_callback: Option<String>,
}

impl Message {
    fn parse(account: &TwilioAccount, call: &Call) -> Result<Self, Answer> {
        // Twilio reads nothing but a form; any other body leaves every parameter absent.
        let form = call.form().unwrap_or_default();
        let known = |name: &str| PARAMETERS.contains(&name);
        if let Some((name, _)) = form.iter().find(|(name, _)| !known(name)) {
            let message = format!("Unknown parameter {name} in the request");
            return Err(error(400, 20001, &message));
        }
        let field = |name: &str| {
            let found = form
                .iter()
                .find(|(key, value)| key == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let media = form.iter().filter(|(name, _)| name == "MediaUrl");
        let message = Self {
            to: field("To").ok_or_else(|| error(400, 21604, "A 'To' phone number is required."))?,
            from: field("From"),
            service: field("MessagingServiceSid"),
            body: field("Body").unwrap_or_default(),
            media: media.map(|(_, value)| value.clone()).collect(),
            status_callback: field("StatusCallback"),
        };
        let composed = field("ContentSid").is_some();
        message.check(account, composed)?;
        Ok(message)
    }

    fn check(&self, account: &TwilioAccount, composed: bool) -> Result<(), Answer> {
        if !is_e164(&self.to) {
            let message = format!("Invalid 'To' Phone Number: {}", self.to);
            return Err(error(400, 21211, &message));
        }
        match (&self.from, &self.service) {
            (None, None) => return Err(error(400, 21603, "A 'From' phone number is required.")),
            (Some(from), _) if !is_e164(from) => {
                let message = format!("The 'From' number {from} is not a valid phone number.");
                return Err(error(400, 21212, &message));
            }
            (Some(from), _) if *from != account.phone_number => {
                let message = format!(
                    "The 'From' phone number provided ({from}) is not a valid message-capable \
                     Twilio phone number for this destination/account."
                );
                return Err(error(400, 21606, &message));
            }
            (None, Some(service)) if !(service.starts_with("MG") && service.len() == 34) => {
                let message = format!("The Messaging Service Sid {service} is invalid.");
                return Err(error(400, 21701, &message));
            }
            _ => {}
        }
        if self.from.as_ref() == Some(&self.to) {
            return Err(error(
                400,
                21266,
                "'To' and 'From' number cannot be the same",
            ));
        }
        if self.body.is_empty() && self.media.is_empty() && !composed {
            return Err(error(400, 21602, "Message body is required."));
        }
        if self.body.chars().count() > BODY_LIMIT {
            return Err(error(
                400,
                21617,
                "The concatenated message body exceeds the 1600 character limit",
            ));
        }
        if self.media.len() > MEDIA_LIMIT {
            return Err(error(
                400,
                21623,
                "Number of media files exceeds allowed limit",
            ));
        }
        if !self.media.iter().all(|url| is_web_url(url)) {
            return Err(error(400, 21620, "Invalid media URL(s)"));
        }
        match &self.status_callback {
            Some(url) if !is_web_url(url) => {
                let message = format!("The 'StatusCallback' URL {url} is not a valid URL.");
                Err(error(400, 21609, &message))
            }
            _ => Ok(()),
        }
    }

    fn accept(&self, simulation: &Simulation, account: &TwilioAccount) -> Answer {
        let sid = ids::sid(if self.media.is_empty() { "SM" } else { "MM" });
        self.report(simulation, account, &sid);
        let uri = format!(
            "/2010-04-01/Accounts/{}/Messages/{sid}",
            account.account_sid
        );
        let now = OffsetDateTime::now_utc().format(&Rfc2822);
        let now = now.expect("the present has a four-digit year");
        let segments = match self.service {
            Some(_) => 0,
            None => segments(&self.body),
        };
        Answer::json(
            201,
            &json!({
                "account_sid": account.account_sid,
                "api_version": "2010-04-01",
                "body": self.body,
                "date_created": now,
                "date_sent": Value::Null,
                "date_updated": now,
                "direction": "outbound-api",
                "error_code": Value::Null,
                "error_message": Value::Null,
                "from": self.from,
                "messaging_service_sid": self.service,
                "num_media": self.media.len().to_string(),
                "num_segments": segments.to_string(),
                "price": Value::Null,
                "price_unit": "USD",
                "sid": sid,
                "status": if self.service.is_some() { "accepted" } else { "queued" },
                "subresource_uris": { "media": format!("{uri}/Media.json") },
                "to": self.to,
                "uri": format!("{uri}.json"),
            }),
        )
    }

    /// Sends the statuses that follow: to the callback that the message names, if that is on this
    /// machine, else to the one configured for the account.
    fn report(&self, simulation: &Simulation, account: &TwilioAccount, sid: &str) {
        let callback = match &self.status_callback {
            Some(url) => Some(url.clone()).filter(|url| senders::is_loopback(url)),
            None => simulation
                .accounts
                .callback_of(Provider::Twilio, &account.account_sid),
        };
        let Some(url) = callback else {
            return;
        };
        let statuses = ["sent", "delivered"].map(|status| {
            let fields = senders::twilio::status_fields(account, sid, &self.to, status);
            senders::twilio::signed_form(&url, &account.auth_token, &fields)
        });
        simulation.deliver(statuses.to_vec());
    }
}

fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// How many SMS a body takes: 160 characters of the GSM alphabet or 70 UTF-16 units of any other,
/// 153 and 67 when there are several (3GPP TS 23.038; twilio.com/docs/glossary/what-sms-character-limit).
pub(crate) fn segments(body: &str) -> usize {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                         ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "^{}\\[~]|€";
    let septets = body.chars().try_fold(0, |sum, character| {
        if BASIC.contains(character) {
            Some(sum + 1)
        } else if EXTENDED.contains(character) {
            Some(sum + 2)
        } else {
            None
        }
    });
    let (length, single, several) = match septets {
        Some(septets) => (septets, 160, 153),
        None => (body.encode_utf16().count(), 70, 67),
    };
    if length <= single {
        1
    } else {
        length.div_ceil(several)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_follow_the_alphabet() {
        assert_eq!(segments(""), 1);
        assert_eq!(segments(&"a".repeat(160)), 1);
        assert_eq!(segments(&"a".repeat(161)), 2);
        assert_eq!(segments(&"€".repeat(80)), 1);
        assert_eq!(segments(&"€".repeat(81)), 2);
        assert_eq!(segments(&"ж".repeat(70)), 1);
        assert_eq!(segments(&"ж".repeat(71)), 2);
    }
}
