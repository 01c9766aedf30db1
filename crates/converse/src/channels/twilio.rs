//! SMS and MMS by Twilio: the form of an incoming message, the form of a status callback, and
//! sending text. Calls, which arrive at the same provider, are not messages and tell nothing here.
//!
//! Fields: twilio.com/docs/messaging/guides/webhook-request,
//! twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks and
//! twilio.com/docs/messaging/api/message-resource.

use std::collections::HashMap;

use connect::{Call, CallBody, Connect, OpenCredential};
use kernel::{Access, Result, permission::CredentialsUse};

use super::{
    Channel, Delivery, Incoming, Media, Outgoing, Received, What, malformed, place, segment, string,
};
use crate::messages::{Kind, Status};

const CHANNEL: Channel = Channel::Sms;
/// Twilio attaches at most ten files to a message.
const MAX_MEDIA: usize = 10;

pub(crate) fn incoming(fields: &[(String, String)]) -> Result<Option<Incoming>> {
    let fields = Form(
        fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
    );
    let Some(sid) = fields
        .get("MessageSid")
        .or_else(|| fields.get("SmsSid"))
        .or_else(|| fields.get("SmsMessageSid"))
    else {
        return Ok(None);
    };
    let status = fields
        .get("MessageStatus")
        .or_else(|| fields.get("SmsStatus"));
    let party = |name: &'static str| fields.get(name).ok_or_else(|| malformed(CHANNEL, name));
    // A status callback is of a message that we sent: there, `From` is us.
    let (ours, theirs, what) = match status {
        None | Some("received" | "receiving") => (
            party("To")?,
            party("From")?,
            What::Message(fields.received(sid)),
        ),
        Some(status) => match fields.delivery(sid, status) {
            Some(delivery) => (party("From")?, party("To")?, What::Delivery(delivery)),
            None => return Ok(None),
        },
    };
    let identifiers = [Some(ours), fields.get("AccountSid")];
    Ok(Some(Incoming {
        account: Some(ours.to_owned()),
        identifiers: identifiers
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect(),
        address: theirs.to_owned(),
        what,
    }))
}

struct Form<'a>(HashMap<&'a str, &'a str>);

impl Form<'_> {
    /// Empty fields count as absent.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).copied().filter(|value| !value.is_empty())
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    fn received(&self, sid: &str) -> Received {
        let media = self.media();
        let body = self.owned("Body");
        let (kind, text) = if let Some(file) = media.first() {
            (kind_of(file.mime_type.as_deref()), body)
        } else if let (Some(latitude), Some(longitude)) =
            (self.get("Latitude"), self.get("Longitude"))
        {
            let text = place(self.get("Label"), self.get("Address"), latitude, longitude);
            (Kind::Location, Some(text))
        } else if let Some(button) = self.owned("ButtonText") {
            (Kind::Button, Some(button))
        } else if body.is_some() {
            (Kind::Text, body)
        } else {
            (Kind::Unsupported, None)
        };
        Received {
            name: self.owned("ProfileName"),
            external_id: sid.to_owned(),
            kind,
            text,
            media,
            at: None,
            addressed: true,
        }
    }

    fn media(&self) -> Vec<Media> {
        let count = self
            .get("NumMedia")
            .and_then(|count| count.parse::<usize>().ok())
            .unwrap_or(0);
        (0..count.min(MAX_MEDIA))
            .filter_map(|index| {
                let url = self.owned(&format!("MediaUrl{index}"))?;
                Some(Media {
                    // The last part of the URL is the file's SID.
                    id: url.rsplit('/').next().map(str::to_owned),
                    mime_type: self.owned(&format!("MediaContentType{index}")),
                    url: Some(url),
                    ..Media::default()
                })
            })
            .collect()
    }

    /// `None` for statuses before sending.
    fn delivery(&self, sid: &str, status: &str) -> Option<Delivery> {
        let status = match status {
            "sent" => Status::Sent,
            "delivered" => Status::Delivered,
            "read" => Status::Read,
            "failed" | "undelivered" | "canceled" => Status::Failed,
            _ => return None,
        };
        Some(Delivery {
            external_id: sid.to_owned(),
            status,
            error: (status == Status::Failed).then(|| self.failure()),
            message: None,
        })
    }

    fn failure(&self) -> String {
        let text = self
            .get("ErrorMessage")
            .unwrap_or("the message was not delivered");
        match self.get("ErrorCode") {
            Some(code) => format!("{text} (Twilio error {code})"),
            None => text.to_owned(),
        }
    }
}

fn kind_of(mime_type: Option<&str>) -> Kind {
    match mime_type.and_then(|kind| kind.split('/').next()) {
        Some("image") => Kind::Image,
        Some("audio") => Kind::Audio,
        Some("video") => Kind::Video,
        _ => Kind::Document,
    }
}

pub(super) async fn send(
    connect: &Connect,
    access: &Access<CredentialsUse>,
    credential: &OpenCredential,
    outgoing: &Outgoing,
) -> Result<Option<String>> {
    let account_sid = credential.field("account_sid")?;
    let callback = callback(&connect.settings().public_url, &access.tenant().slug);
    let answer = connect
        .call(
            access,
            Call {
                credential,
                operation: "messages.send",
                method: http::Method::POST,
                path: format!(
                    "/2010-04-01/Accounts/{}/Messages.json",
                    segment(account_sid)?
                ),
                body: CallBody::Form(body(outgoing, callback)),
            },
        )
        .await?;
    Ok(string(&answer.body["sid"]))
}

fn body(outgoing: &Outgoing, callback: Option<String>) -> Vec<(String, String)> {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut fields = vec![
        field("From", &outgoing.account),
        field("To", &outgoing.address),
        field("Body", &outgoing.text),
    ];
    fields.extend(callback.map(|url| field("StatusCallback", &url)));
    fields
}

/// Where Twilio reports the delivery. Twilio refuses a message whose callback it cannot reach
/// (error 21609), so a server that only this machine can reach names none.
fn callback(public_url: &str, tenant: &str) -> Option<String> {
    let url = url::Url::parse(public_url).ok()?;
    let local = match url.host()? {
        url::Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        url::Host::Ipv4(address) => address.is_loopback() || address.is_private(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    let base = public_url.trim_end_matches('/');
    (!local).then(|| format!("{base}/hooks/{tenant}/{}", CHANNEL.provider()))
}

#[cfg(test)]
mod tests;
