//! The closed set of simulated providers, their names, and which module answers for each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    call::{Answer, Call},
    oidc, openai,
    server::Simulation,
    service, telegram, twilio, whatsapp,
};

/// A simulated provider; its text form is the name that the provider catalogue uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    WhatsApp,
    Twilio,
    Telegram,
    OpenAi,
    Vapi,
    ElevenLabs,
    Resend,
    SendGrid,
    Mailgun,
    Postmark,
    #[serde(rename = "google_calendar")]
    GoogleCalendar,
    Genesys,
    Slack,
    Linear,
    GitHub,
    Anthropic,
    Magicline,
    Stripe,
    N8n,
    Discord,
    /// An identity provider (OpenID Connect).
    Oidc,
}

impl Provider {
    pub const ALL: [Self; 21] = [
        Self::WhatsApp,
        Self::Twilio,
        Self::Telegram,
        Self::OpenAi,
        Self::Oidc,
        Self::Vapi,
        Self::ElevenLabs,
        Self::Resend,
        Self::SendGrid,
        Self::Mailgun,
        Self::Postmark,
        Self::GoogleCalendar,
        Self::Genesys,
        Self::Slack,
        Self::Linear,
        Self::GitHub,
        Self::Anthropic,
        Self::Magicline,
        Self::Stripe,
        Self::N8n,
        Self::Discord,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Twilio => "twilio",
            Self::Telegram => "telegram",
            Self::OpenAi => "openai",
            Self::Oidc => "oidc",
            Self::Vapi => "vapi",
            Self::ElevenLabs => "elevenlabs",
            Self::Resend => "resend",
            Self::SendGrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Postmark => "postmark",
            Self::GoogleCalendar => "google_calendar",
            Self::Genesys => "genesys",
            Self::Slack => "slack",
            Self::Linear => "linear",
            Self::GitHub => "github",
            Self::Anthropic => "anthropic",
            Self::Magicline => "magicline",
            Self::Stripe => "stripe",
            Self::N8n => "n8n",
            Self::Discord => "discord",
        }
    }

    /// The path below the server's root at which a client's base URL points.
    pub(crate) fn base_path(self) -> &'static str {
        match self {
            Self::WhatsApp => "/whatsapp/v23.0",
            Self::Twilio => "/twilio",
            Self::Telegram => "/telegram",
            Self::OpenAi => "/openai/v1",
            Self::Oidc => "/oidc",
            Self::Vapi => "/vapi",
            Self::ElevenLabs => "/elevenlabs",
            Self::Resend => "/resend",
            Self::SendGrid => "/sendgrid",
            Self::Mailgun => "/mailgun",
            Self::Postmark => "/postmark",
            Self::GoogleCalendar => "/google_calendar",
            Self::Genesys => "/genesys",
            Self::Slack => "/slack",
            Self::Linear => "/linear",
            Self::GitHub => "/github",
            Self::Anthropic => "/anthropic",
            Self::Magicline => "/magicline",
            Self::Stripe => "/stripe",
            Self::N8n => "/n8n",
            Self::Discord => "/discord",
        }
    }

    pub(crate) async fn answer(self, simulation: &Simulation, call: &Call) -> Answer {
        match self {
            Self::WhatsApp => whatsapp::answer(simulation, call).await,
            Self::Twilio => twilio::answer(simulation, call),
            Self::Telegram => telegram::answer(simulation, call),
            Self::OpenAi => openai::answer(simulation, call),
            Self::Oidc => oidc::answer(simulation, call),
            _ => service::answer(self, simulation, call),
        }
    }

    /// An error answer with this status in the provider's own shape.
    pub(crate) fn failure(self, status: u16, retry_after: Option<u32>) -> Answer {
        match self {
            Self::WhatsApp => whatsapp::failure(status),
            Self::Twilio => twilio::failure(status),
            Self::Telegram => telegram::failure(status, retry_after),
            Self::OpenAi => openai::failure(status),
            Self::Oidc => oidc::failure(status),
            _ => service::failure(self, status),
        }
    }

    /// The account that a call names or proves, by an identifier that is not secret: WhatsApp
    /// phone number id, Twilio account SID, Telegram bot id, the end of an OpenAI key, a service
    /// account's id, a client id.
    pub(crate) fn account_of(self, simulation: &Simulation, call: &Call) -> Option<String> {
        match self {
            Self::WhatsApp => whatsapp::account_of(&simulation.accounts, call),
            Self::Twilio => twilio::account_of(call),
            Self::Telegram => telegram::account_of(call),
            Self::OpenAi => openai::account_of(call),
            Self::Oidc => oidc::account_of(call),
            _ => service::account_of(self, simulation, call),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of something that the sandbox does not simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownProvider(pub String);

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox does not simulate {:?}", self.0)
    }
}

impl std::error::Error for UnknownProvider {}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.as_str() == name)
            .ok_or_else(|| UnknownProvider(name.to_owned()))
    }
}
