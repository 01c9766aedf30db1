//! Twilio's form webhooks: an SMS that came in, the status of one that went out, a call that
//! rings, and any other form with a signature.
//!
//! Fields: twilio.com/docs/messaging/guides/webhook-request and
//! twilio.com/docs/voice/twiml#request-parameters.

use kernel::secret::Secret;

use super::{Outgoing, sign};
use crate::{accounts::TwilioAccount, ids, media::Media, twilio::segments};

/// A POST with these form fields, signed for this URL, which has to be the URL that the receiver
/// believes to be its own.
pub fn signed_form(url: &str, auth_token: &Secret, fields: &[(String, String)]) -> Outgoing {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Outgoing::post(
        url,
        "application/x-www-form-urlencoded; charset=UTF-8",
        body,
    )
    .with("x-twilio-signature", &sign::twilio(auth_token, url, fields))
    .with("i-twilio-idempotency-token", &uuid_like())
    .with("user-agent", "TwilioProxy/1.1")
}

fn uuid_like() -> String {
    let part = ids::hex;
    format!(
        "{}-{}-4{}-a{}-{}",
        part(8),
        part(4),
        part(3),
        part(3),
        part(12)
    )
}

/// An SMS or MMS from an end user to the account's number.
#[derive(Clone, Debug)]
pub struct Sms {
    account_sid: String,
    to: String,
    from: String,
    body: String,
    sid: String,
    media: Vec<(String, String)>,
}

impl Sms {
    /// `from` in E.164 form.
    pub fn new(account: &TwilioAccount, from: &str, body: &str) -> Self {
        Self {
            account_sid: account.account_sid.clone(),
            to: account.phone_number.clone(),
            from: from.to_owned(),
            body: body.to_owned(),
            sid: ids::sid("SM"),
            media: Vec::new(),
        }
    }

    /// Uses this message SID instead of a random one.
    pub fn sid(mut self, sid: &str) -> Self {
        self.sid = sid.to_owned();
        self
    }

    /// Attaches a file that was stored in the sandbox with `MediaStore::add`; `base_url` is the
    /// sandbox's for Twilio.
    pub fn media(mut self, base_url: &str, media: &Media) -> Self {
        let url = format!(
            "{base_url}/2010-04-01/Accounts/{}/Messages/{}/Media/{}",
            self.account_sid, self.sid, media.id
        );
        self.media.push((url, media.media_type.clone()));
        self
    }

    pub fn message_sid(&self) -> &str {
        &self.sid
    }

    pub fn fields(&self) -> Vec<(String, String)> {
        let mut fields = owned(&[
            ("ToCountry", "US"),
            ("ToState", "CA"),
            ("SmsMessageSid", &self.sid),
            ("NumMedia", &self.media.len().to_string()),
            ("ToCity", "SAN FRANCISCO"),
            ("FromZip", "94949"),
            ("SmsSid", &self.sid),
            ("FromState", "CA"),
            ("SmsStatus", "received"),
            ("FromCity", "NOVATO"),
            ("Body", &self.body),
            ("FromCountry", "US"),
            ("To", &self.to),
            ("ToZip", "94105"),
            ("NumSegments", &segments(&self.body).to_string()),
            ("MessageSid", &self.sid),
            ("AccountSid", &self.account_sid),
            ("From", &self.from),
            ("ApiVersion", "2010-04-01"),
        ]);
        for (index, (url, media_type)) in self.media.iter().enumerate() {
            fields.push((format!("MediaUrl{index}"), url.clone()));
            fields.push((format!("MediaContentType{index}"), media_type.clone()));
        }
        fields
    }

    pub fn signed(&self, url: &str, auth_token: &Secret) -> Outgoing {
        signed_form(url, auth_token, &self.fields())
    }
}

/// The fields of a status callback for a message that went out; `status` is one of Twilio's, as in
/// `sent`, `delivered`, `undelivered`.
pub fn status_fields(
    account: &TwilioAccount,
    message_sid: &str,
    to: &str,
    status: &str,
) -> Vec<(String, String)> {
    owned(&[
        ("SmsSid", message_sid),
        ("SmsStatus", status),
        ("MessageStatus", status),
        ("To", to),
        ("MessageSid", message_sid),
        ("AccountSid", &account.account_sid),
        ("From", &account.phone_number),
        ("ApiVersion", "2010-04-01"),
    ])
}

/// The fields of a voice webhook for a call that rings at the account's number.
pub fn incoming_call_fields(
    account: &TwilioAccount,
    call_sid: &str,
    from: &str,
) -> Vec<(String, String)> {
    owned(&[
        ("CallSid", call_sid),
        ("AccountSid", &account.account_sid),
        ("From", from),
        ("Caller", from),
        ("To", &account.phone_number),
        ("Called", &account.phone_number),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("FromCountry", "US"),
        ("ToCountry", "US"),
        ("ApiVersion", "2010-04-01"),
    ])
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
