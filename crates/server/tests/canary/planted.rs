//! The canaries, and looking for them in the forms in which a secret can get out.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, Engine};
use kernel::secret::Secret;
use rand::RngExt;

use crate::common::TestTenant;

/// What nearly every canary begins with, so that a part of one is recognised as well.
const MARK: &str = "cAnArY";

/// Everything that was planted, by what it is.
#[derive(Debug)]
pub struct Planted {
    canaries: Vec<(String, String)>,
    further: Vec<(&'static str, Vec<(&'static str, String)>)>,
}

impl Planted {
    pub fn new() -> Self {
        let mut planted = Self {
            canaries: vec![("the beginning of a canary".to_owned(), MARK.to_owned())],
            further: Vec::new(),
        };
        for what in ["operator token", "handshake token"] {
            planted.plant(what);
        }
        planted
    }

    /// A new secret, remembered under what it is for.
    pub fn plant(&mut self, what: &str) -> String {
        let mut rng = rand::rng();
        let random: String = (0..36)
            .map(|_| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[rng.random_range(0..36)]))
            .collect();
        let canary = format!("{MARK}{random}");
        self.canaries.push((what.to_owned(), canary.clone()));
        canary
    }

    fn get(&self, what: &str) -> &str {
        let found = self.canaries.iter().find(|(name, _)| name == what);
        &found.expect("was planted").1
    }

    pub fn operator_token(&self) -> Secret {
        Secret::new(self.get("operator token"))
    }

    /// Secrets among the settings.
    pub fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, what: &str| (name.to_owned(), self.get(what).to_owned());
        vec![
            setting("FREEHOLD_OPERATOR__TOKEN", "operator token"),
            setting(
                "FREEHOLD_PROVIDERS__WHATSAPP__HANDSHAKE_TOKEN",
                "handshake token",
            ),
        ]
    }

    /// A tenant all of whose secrets are canaries.
    pub fn tenant(&mut self, slug: &str) -> TestTenant {
        let mut tenant = TestTenant::new(slug);
        tenant.whatsapp.access_token = Secret::new(self.plant("WhatsApp access token"));
        tenant.whatsapp.app_secret = Secret::new(self.plant("WhatsApp app secret"));
        tenant.whatsapp.verify_token = Secret::new(self.plant("WhatsApp verify token"));
        tenant.twilio.auth_token = Secret::new(self.plant("Twilio auth token"));
        let bot = tenant.telegram.bot_id().to_owned();
        let secret = self.plant("Telegram bot token");
        tenant.telegram.bot_token = Secret::new(format!("{bot}:{secret}"));
        tenant.telegram.secret_token = Secret::new(self.plant("Telegram secret token"));
        let key = self.plant("OpenAI key");
        tenant.openai.api_key = Secret::new(format!("sk-{key}"));
        tenant
    }

    /// Accounts at providers that authenticate webhooks by a static token, and at Stripe's, whose
    /// credential is entered on the command line.
    pub fn further_credentials(&mut self) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        let vapi = vec![
            ("api_key", self.plant("Vapi API key")),
            ("webhook_secret", self.plant("Vapi webhook secret")),
        ];
        let postmark = vec![
            ("server_token", self.plant("Postmark server token")),
            (
                "webhook_basic_auth",
                format!("user:{}", self.plant("Postmark password")),
            ),
        ];
        let calendar = vec![
            ("client_id", "calendar-client".to_owned()),
            ("client_secret", self.plant("Google client secret")),
            ("channel_token", self.plant("Google channel token")),
        ];
        self.plant("Stripe secret key");
        self.plant("Stripe webhook secret");
        self.further = vec![
            ("vapi", vapi),
            ("postmark", postmark),
            ("google_calendar", calendar),
        ];
        self.further.clone()
    }

    /// A value of one of the further credentials.
    pub fn value(&self, provider: &str, field: &str) -> &str {
        let values = self.further.iter().find(|(name, _)| *name == provider);
        let value = values.and_then(|(_, values)| values.iter().find(|(name, _)| *name == field));
        &value.expect("was entered").1
    }

    /// Stripe's secrets, as they are typed in.
    pub fn stripe_lines(&self) -> String {
        format!(
            "rk_test_{}\nwhsec_{}\n",
            self.get("Stripe secret key"),
            self.get("Stripe webhook secret")
        )
    }

    /// The secret part of an API key; what stands before it names the key and is shown.
    pub fn api_key(&mut self, key: &Secret) {
        let text = key.expose();
        let secret = text[text.len() - 46..].to_owned();
        self.canaries.push(("API key".to_owned(), secret));
    }

    /// The key-encryption keys of the installation.
    pub fn read_keyring(&mut self, data: &Path) {
        let text = std::fs::read_to_string(data.join("keyring.toml")).expect("there is a keyring");
        let keys: Vec<&str> = text.split('"').filter(|part| part.len() >= 40).collect();
        assert!(!keys.is_empty(), "no key was found in the keyring");
        for key in keys {
            self.canaries
                .push(("key-encryption key".to_owned(), key.to_owned()));
            if let Ok(bytes) = BASE64_STANDARD.decode(key) {
                let shown = hex::encode(bytes);
                self.canaries.push(("key-encryption key".to_owned(), shown));
            }
        }
    }

    /// The first canary in a text: what it is, its form, and what stands around it.
    fn find(&self, text: &str) -> Option<String> {
        self.canaries.iter().find_map(|(what, canary)| {
            forms(canary).into_iter().find_map(|form| {
                let at = text.find(&form)?;
                let from = text.floor_char_boundary(at.saturating_sub(300));
                let to = text.floor_char_boundary(at + form.len() + 100);
                Some(format!("{what} as {form}:\n{}", &text[from..to]))
            })
        })
    }

    /// Asserts that no canary is in a text.
    pub fn absent(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place} is empty");
        if let Some(found) = self.find(text) {
            panic!("in {place}: {found}");
        }
    }
}

/// A text in clear, in hexadecimal, and in base64 wherever it may begin in what is encoded.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), hex::encode(text), hex::encode_upper(text)];
    for skipped in 0..3 {
        // Whole groups of three bytes are encoded by themselves, whatever is around them.
        let whole = &text.as_bytes()[skipped..];
        let whole = &whole[..whole.len() / 3 * 3];
        // Shorter ones would be found by chance.
        if whole.len() >= 9 {
            forms.push(BASE64_STANDARD.encode(whole));
            forms.push(BASE64_URL_SAFE.encode(whole));
        }
    }
    forms
}

/// The search itself: it finds a canary in every form, and is quiet without one.
#[test]
fn a_canary_is_found_in_every_form() {
    let mut planted = Planted::new();
    let canary = planted.plant("a secret");
    let basic = BASE64_STANDARD.encode(format!("AC00000000000000:{canary}"));
    let shifted = BASE64_URL_SAFE.encode(format!("AC000000000000000:{canary}:x"));
    let hexadecimal = hex::encode(format!("{{\"token\":\"{canary}\"}}"));
    let half = &canary[..10];
    for leak in [canary.as_str(), &basic, &shifted, &hexadecimal, half] {
        let text = format!("before {leak} after");
        assert!(planted.find(&text).is_some(), "{text}");
    }
    assert_eq!(planted.find("nothing of the kind"), None);
}
