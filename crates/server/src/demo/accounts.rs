//! The demo tenants' accounts at the simulated providers: made at the first start, kept in the
//! data folder, so that the next start and `freehold sandbox send` know the same ones.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use kernel::secret::Secret;
use rand::RngExt;
use sandbox::{OpenAiAccount, TelegramAccount, TwilioAccount, WhatsAppAccount};
use serde::{Deserialize, Serialize};

const FILE: &str = "demo.toml";
pub const MODEL: &str = "gpt-4o-mini";

/// The file's content. The secrets in it open nothing but the simulated providers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DemoAccounts {
    /// Of all the demo's people, made once they exist.
    pub password: Option<String>,
    pub tenants: Vec<DemoTenant>,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct DemoTenant {
    pub slug: String,
    pub name: String,
    pub instructions: String,
    phone_number_id: String,
    waba_id: String,
    whatsapp_token: String,
    app_secret: String,
    verify_token: String,
    account_sid: String,
    auth_token: String,
    phone_number: String,
    bot_token: String,
    secret_token: String,
    openai_key: String,
    /// Of this server, made once the tenant exists.
    pub api_key: Option<String>,
}

impl std::fmt::Debug for DemoTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DemoTenant({})", self.slug)
    }
}

impl DemoAccounts {
    /// Reads the file, or makes it with two tenants.
    pub fn open(data: &Path) -> anyhow::Result<Self> {
        if let Some(accounts) = Self::read(data)? {
            return Ok(accounts);
        }
        let tenants = vec![
            DemoTenant::new(
                "brightsmile",
                "Bright Smile Dental",
                "You answer for Bright Smile Dental, a dental practice in Lisbon. Be brief and friendly.",
            ),
            DemoTenant::new(
                "ironworks",
                "Ironworks Gym",
                "You answer for Ironworks Gym, open from six to eleven. Be brief and friendly.",
            ),
        ];
        let accounts = Self {
            password: None,
            tenants,
            path: data.join(FILE),
        };
        accounts.save()?;
        Ok(accounts)
    }

    /// The accounts of a demo that was started before.
    pub fn read(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = data.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} can't be read", path.display()))?;
        let accounts: Self = toml::from_str(&text).map_err(|_| {
            anyhow::anyhow!(
                "{} is damaged; delete it and the data folder",
                path.display()
            )
        })?;
        Ok(Some(Self { path, ..accounts }))
    }

    pub fn save(&self) -> anyhow::Result<()> {
        let text = toml::to_string(self)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.path)
            .with_context(|| format!("{} can't be written", self.path.display()))?;
        file.write_all(text.as_bytes())?;
        Ok(())
    }
}

impl DemoTenant {
    fn new(slug: &str, name: &str, instructions: &str) -> Self {
        Self {
            slug: slug.to_owned(),
            name: name.to_owned(),
            instructions: instructions.to_owned(),
            phone_number_id: digits(15),
            waba_id: digits(15),
            whatsapp_token: format!("EAA{}", hex(60)),
            app_secret: hex(32),
            verify_token: hex(32),
            account_sid: format!("AC{}", hex(32)),
            auth_token: hex(32),
            phone_number: format!("+1555{}", digits(7)),
            bot_token: format!("{}:{}", digits(10), hex(35)),
            secret_token: hex(40),
            openai_key: format!("sk-proj-{}", hex(48)),
            api_key: None,
        }
    }

    pub fn whatsapp(&self) -> WhatsAppAccount {
        WhatsAppAccount {
            phone_number_id: self.phone_number_id.clone(),
            waba_id: self.waba_id.clone(),
            access_token: Secret::new(self.whatsapp_token.clone()),
            app_secret: Secret::new(self.app_secret.clone()),
            verify_token: Secret::new(self.verify_token.clone()),
            display_phone_number: self.phone_number.trim_start_matches('+').to_owned(),
        }
    }

    pub fn twilio(&self) -> TwilioAccount {
        TwilioAccount {
            account_sid: self.account_sid.clone(),
            auth_token: Secret::new(self.auth_token.clone()),
            phone_number: self.phone_number.clone(),
        }
    }

    pub fn telegram(&self) -> TelegramAccount {
        TelegramAccount {
            bot_token: Secret::new(self.bot_token.clone()),
            secret_token: Secret::new(self.secret_token.clone()),
            username: format!("{}_bot", self.slug),
        }
    }

    pub fn openai(&self) -> OpenAiAccount {
        OpenAiAccount {
            api_key: Secret::new(self.openai_key.clone()),
            models: vec![MODEL.to_owned()],
        }
    }

    /// (provider, values) of every credential that the tenant enters.
    pub fn credentials(&self) -> [(&'static str, Vec<(&'static str, String)>); 4] {
        [
            (
                "whatsapp",
                vec![
                    ("phone_number_id", self.phone_number_id.clone()),
                    ("waba_id", self.waba_id.clone()),
                    ("access_token", self.whatsapp_token.clone()),
                    ("app_secret", self.app_secret.clone()),
                    ("verify_token", self.verify_token.clone()),
                ],
            ),
            (
                "twilio",
                vec![
                    ("account_sid", self.account_sid.clone()),
                    ("auth_token", self.auth_token.clone()),
                    ("phone_number", self.phone_number.clone()),
                ],
            ),
            (
                "telegram",
                vec![
                    ("bot_token", self.bot_token.clone()),
                    ("secret_token", self.secret_token.clone()),
                    ("bot_id", self.telegram().bot_id().to_owned()),
                ],
            ),
            ("openai", vec![("api_key", self.openai_key.clone())]),
        ]
    }
}

/// A digit string that does not begin with zero.
fn digits(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|place| char::from(b'0' + rng.random_range(u8::from(place == 0)..10)))
        .collect()
}

fn hex(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)]))
        .collect()
}
