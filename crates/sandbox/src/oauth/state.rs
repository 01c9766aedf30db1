//! What the servers remember: clients, accounts to choose from, codes, tokens, installations, and how
//! far their clock is ahead.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::{self, UnparsedPublicKey},
};
use base64::prelude::{BASE64_STANDARD, Engine};
use kernel::secret::Secret;
use time::{Duration, OffsetDateTime};

use crate::{accounts::same, ids, lock, provider::Provider};

/// RFC 6749, section 4.1.2; also Slack's and GitHub's own.
const CODE_LIFE: Duration = Duration::minutes(10);

/// An app that is registered at a provider.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub provider: Provider,
    pub client_id: String,
    pub client_secret: Secret,
    /// Where browsers may be sent back to, letter by letter.
    pub redirect_uris: Vec<String>,
    /// Slack's token rotation and GitHub's expiring user tokens, which are options of the app;
    /// Linear's and Google's end in any case.
    pub expires: bool,
    pub github: Option<GithubApp>,
}

impl OAuthClient {
    pub fn new(
        provider: Provider,
        client_id: &str,
        client_secret: &str,
        redirect_uri: &str,
    ) -> Self {
        Self {
            provider,
            client_id: client_id.to_owned(),
            client_secret: Secret::new(client_secret),
            redirect_uris: vec![redirect_uri.to_owned()],
            expires: true,
            github: None,
        }
    }
}

/// What a GitHub App has besides an OAuth app.
#[derive(Clone, Debug)]
pub struct GithubApp {
    pub app_id: u64,
    pub slug: String,
    key: Arc<KeyPair>,
}

impl GithubApp {
    /// An app with a new key.
    pub fn new(app_id: u64, slug: &str) -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048);
        Self {
            app_id,
            slug: slug.to_owned(),
            key: Arc::new(key.expect("the machine has memory for a key")),
        }
    }

    /// The key as GitHub gives it out, but in PKCS #8.
    pub fn private_key(&self) -> Secret {
        let der: Pkcs8V1Der<'_> = self.key.as_der().expect("an RSA key has this form");
        let body = BASE64_STANDARD.encode(der.as_ref());
        Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
        ))
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        use aws_lc_rs::signature::KeyPair as _;
        UnparsedPublicKey::new(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            self.key.public_key(),
        )
        .verify(message, signature)
        .is_ok()
    }
}

/// A workspace, an organisation or a person that can be chosen on the page of consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthAccount {
    pub id: String,
    pub name: String,
}

/// A code that was not redeemed yet.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub client_id: String,
    pub redirect_uri: String,
    pub challenge: String,
    pub account: OAuthAccount,
    pub scopes: Vec<String>,
    /// Google's `access_type=offline`.
    pub offline: bool,
    pub until: OffsetDateTime,
}

impl Code {
    pub fn new(
        client_id: &str,
        redirect_uri: &str,
        challenge: &str,
        account: OAuthAccount,
    ) -> Self {
        Self {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.to_owned(),
            account,
            scopes: Vec::new(),
            offline: false,
            until: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

/// A token of either kind.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub provider: Provider,
    pub client_id: String,
    pub account: OAuthAccount,
    pub scopes: Vec<String>,
    value: Secret,
    is_refresh: bool,
    until: Option<OffsetDateTime>,
    /// When a rotating refresh token was used.
    used: Option<OffsetDateTime>,
    /// Of one consent, whose tokens end together.
    family: u64,
}

impl Token {
    pub fn family(&self) -> u64 {
        self.family
    }
}

/// An installation of a GitHub App.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    pub id: u64,
    pub app_id: u64,
    pub account: OAuthAccount,
}

/// What became of a code or a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Unknown,
    Used,
    Expired,
}

#[derive(Debug, Default)]
struct Inner {
    ahead: Duration,
    clients: Vec<OAuthClient>,
    accounts: Vec<(Provider, OAuthAccount)>,
    codes: HashMap<String, Code>,
    used_codes: Vec<String>,
    tokens: Vec<Token>,
    installations: Vec<Installed>,
    grace: HashMap<Provider, Duration>,
    lives: HashMap<Provider, i64>,
    families: u64,
    refreshes: HashMap<(Provider, String), u64>,
}

/// The authorization servers of all providers that have one here.
#[derive(Debug)]
pub struct OAuthServer(Mutex<Inner>);

impl Default for OAuthServer {
    /// Two accounts at each provider, so that there is something to choose.
    fn default() -> Self {
        let server = Self(Mutex::default());
        for (provider, id, name) in [
            (Provider::Slack, "T0SANDBOX1", "Bright Smile"),
            (Provider::Slack, "T0SANDBOX2", "Ironworks"),
            (
                Provider::Linear,
                "4f6b2f7c-0001-4000-8000-000000000001",
                "Bright Smile",
            ),
            (
                Provider::Linear,
                "4f6b2f7c-0002-4000-8000-000000000002",
                "Ironworks",
            ),
            (Provider::GitHub, "583231", "brightsmile"),
            (Provider::GitHub, "583232", "ironworks"),
            (
                Provider::GoogleCalendar,
                "100000000000000000001",
                "desk@brightsmile.example",
            ),
            (
                Provider::GoogleCalendar,
                "100000000000000000002",
                "front@ironworks.example",
            ),
        ] {
            server.account(provider, id, name);
        }
        server
    }
}

impl OAuthServer {
    /// Registers an app; one of the same id is replaced.
    pub fn client(&self, client: OAuthClient) {
        let inner = &mut *lock(&self.0);
        let is_same = |known: &OAuthClient| {
            (known.provider, &known.client_id) == (client.provider, &client.client_id)
        };
        inner.clients.retain(|known| !is_same(known));
        inner.clients.push(client);
    }

    /// Adds an account to choose from.
    pub fn account(&self, provider: Provider, id: &str, name: &str) {
        let account = OAuthAccount {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        lock(&self.0).accounts.push((provider, account));
    }

    pub fn accounts(&self, provider: Provider) -> Vec<OAuthAccount> {
        let inner = lock(&self.0);
        let accounts = inner.accounts.iter().filter(|(of, _)| *of == provider);
        accounts.map(|(_, account)| account.clone()).collect()
    }

    /// Puts the servers' clock ahead of the real one, by so much more.
    pub fn advance(&self, by: Duration) {
        lock(&self.0).ahead += by;
    }

    /// For how long a refresh token that was used is taken again, as some providers do for clients
    /// that lost the answer. None takes one by default.
    pub fn reuse_grace(&self, provider: Provider, grace: Duration) {
        lock(&self.0).grace.insert(provider, grace);
    }

    /// How long access tokens last that are issued from now on, in seconds; as the provider has it
    /// when there is none.
    pub fn life(&self, provider: Provider, seconds: Option<i64>) {
        let lives = &mut lock(&self.0).lives;
        match seconds {
            Some(seconds) => lives.insert(provider, seconds),
            None => lives.remove(&provider),
        };
    }

    pub(super) fn life_of(&self, provider: Provider, usual: i64) -> i64 {
        let inner = lock(&self.0);
        inner.lives.get(&provider).copied().unwrap_or(usual)
    }

    /// How often an account's tokens were refreshed with success.
    pub fn refreshes(&self, provider: Provider, account: &str) -> u64 {
        let inner = lock(&self.0);
        let key = (provider, account.to_owned());
        inner.refreshes.get(&key).copied().unwrap_or_default()
    }

    /// Whether any token of an account opens anything.
    pub fn is_granted(&self, provider: Provider, account: &str) -> bool {
        let inner = lock(&self.0);
        let now = OffsetDateTime::now_utc() + inner.ahead;
        inner.tokens.iter().any(|token| {
            (token.provider, token.account.id.as_str()) == (provider, account)
                && token.used.is_none()
                && token.until.is_none_or(|until| until > now)
        })
    }

    /// Ends everything that was granted of an account, as its owner would at the provider.
    pub fn withdraw(&self, provider: Provider, account: &str) {
        lock(&self.0)
            .tokens
            .retain(|token| (token.provider, token.account.id.as_str()) != (provider, account));
    }

    /// Installs an app for somebody else than who chooses on the page: its id can be guessed.
    pub fn install_elsewhere(&self, app_id: u64) -> u64 {
        let account = OAuthAccount {
            id: "1".to_owned(),
            name: "somebody-else".to_owned(),
        };
        self.install(app_id, account)
    }

    pub(super) fn install(&self, app_id: u64, account: OAuthAccount) -> u64 {
        let id = ids::digits(8).parse().unwrap_or(1);
        let installed = Installed {
            id,
            app_id,
            account,
        };
        lock(&self.0).installations.push(installed);
        id
    }

    pub(super) fn installations(&self) -> Vec<Installed> {
        lock(&self.0).installations.clone()
    }

    pub(super) fn uninstall(&self, id: u64) -> bool {
        let inner = &mut *lock(&self.0);
        let before = inner.installations.len();
        inner.installations.retain(|installed| installed.id != id);
        inner.installations.len() < before
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + lock(&self.0).ahead
    }

    pub(super) fn find(&self, provider: Provider, client_id: &str) -> Option<OAuthClient> {
        let inner = lock(&self.0);
        let mut clients = inner.clients.iter();
        clients
            .find(|client| (client.provider, client.client_id.as_str()) == (provider, client_id))
            .cloned()
    }

    pub(super) fn github_app(
        &self,
        is: impl Fn(&GithubApp) -> bool,
    ) -> Option<(OAuthClient, GithubApp)> {
        let inner = lock(&self.0);
        inner.clients.iter().find_map(|client| {
            let app = client.github.as_ref().filter(|app| is(app))?;
            Some((client.clone(), app.clone()))
        })
    }

    pub(super) fn give(&self, mut code: Code) -> String {
        let text = ids::alphanumeric(40);
        code.until = self.now() + CODE_LIFE;
        lock(&self.0).codes.insert(text.clone(), code);
        text
    }

    /// A code, once.
    pub(super) fn redeem(&self, code: &str) -> Result<Code, Spent> {
        let now = self.now();
        let inner = &mut *lock(&self.0);
        if inner.used_codes.iter().any(|used| used == code) {
            return Err(Spent::Used);
        }
        let found = inner.codes.remove(code).ok_or(Spent::Unknown)?;
        inner.used_codes.push(code.to_owned());
        if found.until <= now {
            Err(Spent::Expired)
        } else {
            Ok(found)
        }
    }

    pub(super) fn new_family(&self) -> u64 {
        let inner = &mut *lock(&self.0);
        inner.families += 1;
        inner.families
    }

    pub(super) fn issue(
        &self,
        provider: Provider,
        code: &Code,
        value: &str,
        life: Option<i64>,
        is_refresh: bool,
        family: u64,
    ) {
        let until = life.map(|life| self.now() + Duration::seconds(life));
        lock(&self.0).tokens.push(Token {
            provider,
            client_id: code.client_id.clone(),
            account: code.account.clone(),
            scopes: code.scopes.clone(),
            value: Secret::new(value),
            is_refresh,
            until,
            used: None,
            family,
        });
    }

    /// The access token of this text, if it is good now.
    pub(super) fn access(&self, provider: Provider, text: &str) -> Option<Token> {
        let now = self.now();
        let inner = lock(&self.0);
        let mut tokens = inner.tokens.iter();
        tokens
            .find(|token| {
                token.provider == provider
                    && !token.is_refresh
                    && same(&token.value, text)
                    && token.until.is_none_or(|until| until > now)
            })
            .cloned()
    }

    /// Uses a refresh token. One that rotates is good once, and within the grace again.
    pub(super) fn refresh(
        &self,
        provider: Provider,
        text: &str,
        client_id: &str,
        rotates: bool,
        ends_before: bool,
    ) -> Result<Token, Spent> {
        let now = self.now();
        let inner = &mut *lock(&self.0);
        let grace = inner.grace.get(&provider).copied();
        let token = inner
            .tokens
            .iter_mut()
            .find(|token| {
                token.provider == provider && token.is_refresh && same(&token.value, text)
            })
            .filter(|token| token.client_id == client_id)
            .ok_or(Spent::Unknown)?;
        if let Some(used) = token.used
            && grace.is_none_or(|grace| used + grace < now)
        {
            return Err(Spent::Used);
        }
        if rotates {
            token.used.get_or_insert(now);
        }
        let token = token.clone();
        if ends_before {
            let family = token.family;
            inner
                .tokens
                .retain(|token| token.is_refresh || token.family != family);
        }
        let key = (provider, token.account.id.clone());
        *inner.refreshes.entry(key).or_default() += 1;
        Ok(token)
    }

    /// Takes a token back, and all that was granted with it. Whether there was one.
    pub(super) fn revoke(&self, provider: Provider, text: &str, client_id: Option<&str>) -> bool {
        let inner = &mut *lock(&self.0);
        let family = inner.tokens.iter().find(|token| {
            token.provider == provider
                && same(&token.value, text)
                && client_id.is_none_or(|client| client == token.client_id)
        });
        let Some(family) = family.map(|token| token.family) else {
            return false;
        };
        inner.tokens.retain(|token| token.family != family);
        true
    }

    pub(super) fn account_of_form(
        &self,
        provider: Provider,
        form: &[(String, String)],
    ) -> Option<String> {
        let inner = lock(&self.0);
        let shown = super::value(form, "refresh_token");
        let mut tokens = inner.tokens.iter();
        tokens
            .find(|token| {
                token.provider == provider && token.is_refresh && same(&token.value, shown)
            })
            .map(|token| token.account.id.clone())
    }
}
