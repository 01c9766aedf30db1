//! The accounts that the sandbox accepts, and where each wants its webhooks. Anything that does
//! not prove one of them is answered with the provider's own refusal.

use std::{collections::HashMap, sync::Mutex};

use kernel::secret::{Secret, constant_time_eq};
use serde_json::Value;

use crate::{lock, provider::Provider, service::ServiceAccount};

/// A WhatsApp business phone number and the app that owns its token.
#[derive(Clone, Debug)]
pub struct WhatsAppAccount {
    pub phone_number_id: String,
    pub waba_id: String,
    pub access_token: Secret,
    /// Signs the webhooks (`X-Hub-Signature-256`).
    pub app_secret: Secret,
    /// Presented at the webhook handshake.
    pub verify_token: Secret,
    /// As Meta shows it: digits, without a plus sign.
    pub display_phone_number: String,
}

/// A Twilio account with one phone number.
#[derive(Clone, Debug)]
pub struct TwilioAccount {
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// Authenticates calls and signs webhooks.
    pub auth_token: Secret,
    /// In E.164 form.
    pub phone_number: String,
}

/// A Telegram bot.
#[derive(Clone, Debug)]
pub struct TelegramAccount {
    /// `<bot id>:<secret>`.
    pub bot_token: Secret,
    /// Sent with each update as `X-Telegram-Bot-Api-Secret-Token`.
    pub secret_token: Secret,
    pub username: String,
}

impl TelegramAccount {
    /// The bot's user id: the part of its token that is not secret.
    pub fn bot_id(&self) -> &str {
        let token = self.bot_token.expose();
        token.split_once(':').map_or("", |(id, _)| id)
    }
}

/// An OpenAI project key and the models that it may use.
#[derive(Clone, Debug)]
pub struct OpenAiAccount {
    pub api_key: Secret,
    pub models: Vec<String>,
}

/// A client of the identity provider.
#[derive(Clone, Debug)]
pub struct OidcClient {
    pub client_id: String,
    pub client_secret: Secret,
    /// Where browsers may be sent back to, letter by letter.
    pub redirect_uris: Vec<String>,
}

/// The register of accounts. Adding an account whose identifier is known replaces it, which is
/// how a token is rotated.
#[derive(Debug, Default)]
pub struct Accounts {
    register: Mutex<Register>,
}

#[derive(Debug, Default)]
struct Register {
    whatsapp: Vec<WhatsAppAccount>,
    twilio: Vec<TwilioAccount>,
    telegram: Vec<TelegramAccount>,
    openai: Vec<OpenAiAccount>,
    oidc: Vec<OidcClient>,
    services: Vec<ServiceAccount>,
    /// Short-lived tokens, and the account that each was granted to.
    granted: Vec<(Provider, Secret, String)>,
    callbacks: HashMap<(Provider, String), String>,
}

impl Accounts {
    pub fn whatsapp(&self, account: WhatsAppAccount) {
        let register = &mut *lock(&self.register);
        let known = |a: &WhatsAppAccount| a.phone_number_id == account.phone_number_id;
        register.whatsapp.retain(|a| !known(a));
        register.whatsapp.push(account);
    }

    pub fn twilio(&self, account: TwilioAccount) {
        let register = &mut *lock(&self.register);
        register
            .twilio
            .retain(|a| a.account_sid != account.account_sid);
        register.twilio.push(account);
    }

    pub fn telegram(&self, account: TelegramAccount) {
        let register = &mut *lock(&self.register);
        register.telegram.retain(|a| a.bot_id() != account.bot_id());
        register.telegram.push(account);
    }

    pub fn openai(&self, account: OpenAiAccount) {
        let register = &mut *lock(&self.register);
        register
            .openai
            .retain(|a| !same(&a.api_key, account.api_key.expose()));
        register.openai.push(account);
    }

    pub fn oidc(&self, client: OidcClient) {
        let register = &mut *lock(&self.register);
        register.oidc.retain(|a| a.client_id != client.client_id);
        register.oidc.push(client);
    }

    /// An account at one of the providers of which only the door is simulated.
    pub fn service(&self, account: ServiceAccount) {
        let register = &mut *lock(&self.register);
        register
            .services
            .retain(|a| (a.provider, &a.id) != (account.provider, &account.id));
        register.services.push(account);
    }

    /// Takes the proof of a service account back, as its owner would at the provider, or gives it
    /// again. Tokens that were granted to it end with it.
    pub fn set_revoked(&self, provider: Provider, id: &str, revoked: bool) {
        let register = &mut *lock(&self.register);
        for account in &mut register.services {
            if account.provider == provider && account.id == id {
                account.revoked = revoked;
            }
        }
    }

    pub(crate) fn services(&self, provider: Provider) -> Vec<ServiceAccount> {
        let register = lock(&self.register);
        let accounts = register.services.iter();
        accounts
            .filter(|account| account.provider == provider)
            .cloned()
            .collect()
    }

    pub(crate) fn grant(&self, provider: Provider, id: String, token: &str) {
        let register = &mut *lock(&self.register);
        register.granted.push((provider, Secret::new(token), id));
    }

    /// The account that a short-lived token was granted to.
    pub(crate) fn granted(&self, provider: Provider, token: &str) -> Option<ServiceAccount> {
        let register = lock(&self.register);
        let id = register
            .granted
            .iter()
            .find(|(of, known, _)| *of == provider && same(known, token))
            .map(|(_, _, id)| id)?;
        let mut accounts = register.services.iter();
        accounts
            .find(|account| account.provider == provider && account.id == *id)
            .cloned()
    }

    /// Forgets an account by the identifier that `Received::account` shows: a phone number id, an
    /// account SID, a bot id, the last four characters of an OpenAI key, a service
    /// account's id, or a client id.
    pub fn remove(&self, provider: Provider, id: &str) {
        let register = &mut *lock(&self.register);
        match provider {
            Provider::WhatsApp => register.whatsapp.retain(|a| a.phone_number_id != id),
            Provider::Twilio => register.twilio.retain(|a| a.account_sid != id),
            Provider::Telegram => register.telegram.retain(|a| a.bot_id() != id),
            Provider::OpenAi => register
                .openai
                .retain(|a| a.api_key.last4().as_deref() != Some(id)),
            Provider::Oidc => register.oidc.retain(|a| a.client_id != id),
            _ => register
                .services
                .retain(|a| (a.provider, a.id.as_str()) != (provider, id)),
        }
    }

    /// Sets where an account's webhooks go: WhatsApp delivery statuses (by phone number id),
    /// Twilio statuses of messages that name no `StatusCallback` (by account SID), Telegram
    /// updates (by bot id).
    pub fn callback(&self, provider: Provider, id: impl Into<String>, url: impl Into<String>) {
        let key = (provider, id.into());
        lock(&self.register).callbacks.insert(key, url.into());
    }

    /// Where an account's webhooks go, as configured here or by the provider's own call.
    pub fn callback_of(&self, provider: Provider, id: &str) -> Option<String> {
        let key = (provider, id.to_owned());
        lock(&self.register).callbacks.get(&key).cloned()
    }

    pub(crate) fn forget_callback(&self, provider: Provider, id: &str) {
        let key = (provider, id.to_owned());
        lock(&self.register).callbacks.remove(&key);
    }

    pub fn find_whatsapp(&self, phone_number_id: &str) -> Option<WhatsAppAccount> {
        let register = lock(&self.register);
        let mut accounts = register.whatsapp.iter();
        accounts
            .find(|a| a.phone_number_id == phone_number_id)
            .cloned()
    }

    pub fn find_twilio(&self, account_sid: &str) -> Option<TwilioAccount> {
        let register = lock(&self.register);
        let mut accounts = register.twilio.iter();
        accounts.find(|a| a.account_sid == account_sid).cloned()
    }

    pub fn find_telegram(&self, bot_id: &str) -> Option<TelegramAccount> {
        let register = lock(&self.register);
        register
            .telegram
            .iter()
            .find(|a| a.bot_id() == bot_id)
            .cloned()
    }

    pub fn find_oidc(&self, client_id: &str) -> Option<OidcClient> {
        let register = lock(&self.register);
        let mut clients = register.oidc.iter();
        clients.find(|a| a.client_id == client_id).cloned()
    }

    /// Every phone number that this access token may use.
    pub(crate) fn whatsapp_by_token(&self, token: &str) -> Vec<WhatsAppAccount> {
        let register = lock(&self.register);
        let accounts = register.whatsapp.iter();
        accounts
            .filter(|a| same(&a.access_token, token))
            .cloned()
            .collect()
    }

    pub(crate) fn openai_by_key(&self, key: &str) -> Option<OpenAiAccount> {
        let register = lock(&self.register);
        let mut accounts = register.openai.iter();
        accounts.find(|a| same(&a.api_key, key)).cloned()
    }

    /// Replaces every registered secret inside a text by `…`.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let register = lock(&self.register);
        let whatsapp = register
            .whatsapp
            .iter()
            .flat_map(|a| [&a.access_token, &a.app_secret, &a.verify_token]);
        let twilio = register.twilio.iter().map(|a| &a.auth_token);
        let telegram = register
            .telegram
            .iter()
            .flat_map(|a| [&a.bot_token, &a.secret_token]);
        let openai = register.openai.iter().map(|a| &a.api_key);
        let services = register.services.iter().map(|a| &a.secret);
        let granted = register.granted.iter().map(|(_, token, _)| token);
        whatsapp
            .chain(twilio)
            .chain(telegram)
            .chain(openai)
            .chain(register.oidc.iter().map(|a| &a.client_secret))
            .chain(services)
            .chain(granted)
            .map(Secret::expose)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// Scrubs every string of a JSON value, and blanks fields whose name says that they carry a
    /// secret, so that a secret which is just being set does not stay either.
    pub(crate) fn scrub_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.scrub(&text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|v| self.scrub_json(v)).collect())
            }
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let value = if names_a_secret(&name) {
                            Value::String("…".to_owned())
                        } else {
                            self.scrub_json(value)
                        };
                        (name, value)
                    })
                    .collect(),
            ),
            other => other,
        }
    }
}

pub(crate) fn same(secret: &Secret, presented: &str) -> bool {
    constant_time_eq(secret.expose().as_bytes(), presented.as_bytes())
}

/// Whether a parameter of this name carries a secret at one of the simulated providers.
pub(crate) fn names_a_secret(name: &str) -> bool {
    matches!(
        name,
        "access_token"
            | "refresh_token"
            | "appsecret_proof"
            | "client_secret"
            | "code"
            | "code_verifier"
            | "secret_token"
            | "token"
            | "verify_token"
            | "hub.verify_token"
    )
}
