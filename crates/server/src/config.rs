//! The settings: documented defaults, overridden by a file, overridden by the environment.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ::egress::AllowList;
use anyhow::Context;
use audit::destination::Destination;
use config::{Environment, File, FileFormat};
use connect::oauth::OAuthApp;
use identity::{mail::MailSettings, oidc::PlatformProvider};
use kernel::{client::TrustedProxies, secret::Secret};
use serde::Deserialize;

mod keys;

pub use keys::{AwsKeys, KeyProviderName, Keys, TransitKeys};

pub const DEFAULTS: &str = include_str!("defaults.toml");
const FILE: &str = "freehold.toml";
/// Variables with the prefix that are arguments of commands, not settings.
const ARGUMENTS: [&str; 4] = [
    "FREEHOLD_DATA",
    "FREEHOLD_CONFIG",
    "FREEHOLD_WEBHOOK_SECRET",
    "FREEHOLD_API_KEY",
];

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub listen: SocketAddr,
    pub public_url: String,
    pub sign_up: bool,
    pub catalogue: PathBuf,
    pub pg_bin: PathBuf,
    pub trusted_proxies: String,
    pub database: Database,
    pub bus: Bus,
    pub keys: Keys,
    pub operator: Operator,
    pub mail: Mail,
    pub sign_in: SignIn,
    pub egress: Egress,
    pub worker: Worker,
    pub audit: Audit,
    pub credentials: Credentials,
    pub connections: Connections,
    pub log: Log,
    #[serde(default)]
    pub providers: HashMap<String, Provider>,
    /// Where the program keeps its data; not a setting of the file, which may stand in there.
    #[serde(skip)]
    pub data: PathBuf,
    /// `trusted_proxies`, read.
    #[serde(skip)]
    pub proxies: TrustedProxies,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub redis_url: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    pub token: Secret,
    pub second_factor: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub smtp_url: Secret,
    pub from: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[serde(default)]
    pub providers: BTreeMap<String, IdentityProvider>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Secret,
    #[serde(default)]
    pub sign_up: bool,
    #[serde(default)]
    pub link: bool,
    #[serde(default)]
    pub second_factor: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    allow: Listed,
}

/// A list, or its entries in one text, which is all that the environment has.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Listed {
    Entries(Vec<String>),
    Text(String),
}

impl Listed {
    fn entries(&self) -> Vec<&str> {
        let entries: Vec<&str> = match self {
            Self::Entries(entries) => entries.iter().map(String::as_str).collect(),
            Self::Text(text) => text.split(',').collect(),
        };
        let entries = entries.into_iter().map(str::trim);
        entries.filter(|entry| !entry.is_empty()).collect()
    }
}

impl Egress {
    /// What is open beside public addresses.
    pub fn allow(&self) -> anyhow::Result<AllowList> {
        let entries = self.allow.entries();
        entries
            .into_iter()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("egress.allow")
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    pub concurrency: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub verify: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub checkpoint_seconds: u32,
    pub sink: String,
    pub stream: String,
    pub secret: Secret,
}

impl Audit {
    /// Where checkpoints go.
    pub fn sink(&self) -> anyhow::Result<Option<Destination>> {
        self.destination(&self.sink).context("audit.sink")
    }

    /// Where entries go.
    pub fn stream(&self) -> anyhow::Result<Option<Destination>> {
        self.destination(&self.stream).context("audit.stream")
    }

    fn destination(&self, address: &str) -> anyhow::Result<Option<Destination>> {
        if address.is_empty() {
            return Ok(None);
        }
        Ok(Some(Destination::parse(address, &self.secret)?))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub filter: String,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub base_url: Option<String>,
    pub handshake_token: Option<Secret>,
    pub oauth: Option<OAuth>,
}

/// An app of the operator's at a provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    pub client_id: String,
    pub client_secret: Secret,
    pub webhook_secret: Option<Secret>,
    pub app_id: Option<String>,
    pub app_slug: Option<String>,
    pub private_key: Option<Secret>,
}

impl From<OAuth> for OAuthApp {
    fn from(app: OAuth) -> Self {
        Self {
            client_id: app.client_id,
            client_secret: app.client_secret,
            webhook_secret: app.webhook_secret,
            app_id: app.app_id,
            app_slug: app.app_slug,
            private_key: app.private_key,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    return_to: Listed,
}

impl Connections {
    /// Origins that browsers may be sent to at the end of a link to connect accounts.
    pub fn return_to(&self) -> anyhow::Result<Vec<String>> {
        let origins = self.return_to.entries();
        origins
            .into_iter()
            .map(|text| {
                let url = url::Url::parse(text).ok();
                let is_origin = url.is_some_and(|url| {
                    matches!(url.scheme(), "http" | "https")
                        && url.path() == "/"
                        && url.query().is_none()
                });
                anyhow::ensure!(
                    is_origin,
                    "connections.return_to: `{text}` is no origin such as https://app.example.com"
                );
                Ok(text.to_owned())
            })
            .collect()
    }
}

impl Config {
    /// Reads the settings for a data folder. `file` is required to exist; the folder's own
    /// freehold.toml is not.
    pub fn load(data: &Path, file: Option<&Path>) -> anyhow::Result<Self> {
        Self::from_sources(data, file, std::env::vars().collect())
    }

    fn from_sources(
        data: &Path,
        file: Option<&Path>,
        variables: HashMap<String, String>,
    ) -> anyhow::Result<Self> {
        let database_url = variables.get("DATABASE_URL").cloned();
        let variables: HashMap<String, String> = variables
            .into_iter()
            .filter(|(name, _)| {
                name.starts_with("FREEHOLD_") && !ARGUMENTS.contains(&name.as_str())
            })
            .collect();
        let file = match file {
            Some(file) => File::from(file.to_owned())
                .format(FileFormat::Toml)
                .required(true),
            None => File::from(data.join(FILE))
                .format(FileFormat::Toml)
                .required(false),
        };
        let environment = Environment::with_prefix("FREEHOLD")
            .prefix_separator("_")
            .separator("__")
            .source(Some(variables));
        let mut builder = config::Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .add_source(file)
            .add_source(environment);
        if let Some(url) = database_url {
            builder = builder.set_override("database.url", url)?;
        }
        let settings: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .context("the settings can't be used; `freehold doctor --defaults` prints every key with its meaning")?;
        Self {
            data: data.to_owned(),
            ..settings
        }
        .complete()
    }

    fn complete(mut self) -> anyhow::Result<Self> {
        if self.public_url.is_empty() {
            // Browsers know passkeys for names alone, and a machine's loopback has one.
            self.public_url = match self.listen.ip().is_loopback() {
                true => format!("http://localhost:{}", self.listen.port()),
                false => format!("http://{}", self.listen),
            };
        }
        self.public_url
            .truncate(self.public_url.trim_end_matches('/').len());
        let url = url::Url::parse(&self.public_url).ok();
        anyhow::ensure!(
            url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none()),
            "public_url: `{}` is not an http:// or https:// address",
            self.public_url
        );
        self.proxies = self.trusted_proxies.parse().context("trusted_proxies")?;
        anyhow::ensure!(
            self.audit.checkpoint_seconds > 0,
            "audit.checkpoint_seconds: must be at least 1"
        );
        self.egress.allow()?;
        self.connections.return_to()?;
        self.audit.sink()?;
        anyhow::ensure!(
            self.audit.stream()?.is_none_or(|stream| !stream.is_file()),
            "audit.stream: has to be an https:// or a syslog:// address"
        );
        self.keys.check()?;
        let token = self.operator.token.expose();
        anyhow::ensure!(
            token.is_empty() || token.len() >= 32,
            "operator.token: must be at least 32 characters"
        );
        anyhow::ensure!(
            self.mail.smtp_url.expose().is_empty() || !self.mail.from.is_empty(),
            "mail.from: has to say whom mail is from, as in `Freehold <no-reply@example.com>`"
        );
        Ok(self)
    }

    /// How mail leaves, where it does.
    pub fn mail(&self) -> Option<MailSettings> {
        (!self.mail.smtp_url.expose().is_empty()).then(|| MailSettings {
            smtp_url: self.mail.smtp_url.clone(),
            from: self.mail.from.clone(),
        })
    }

    /// The identity providers that people sign in by, in the order of their ids.
    pub fn identity_providers(&self) -> Vec<PlatformProvider> {
        let providers = self.sign_in.providers.iter();
        providers
            .map(|(id, provider)| PlatformProvider {
                id: id.clone(),
                name: provider.name.clone(),
                issuer: provider.issuer.clone(),
                client_id: provider.client_id.clone(),
                client_secret: provider.client_secret.clone(),
                sign_up: provider.sign_up,
                link: provider.link,
                second_factor: provider.second_factor.clone(),
            })
            .collect()
    }

    pub fn database_url(&self) -> Option<&str> {
        Some(self.database.url.expose()).filter(|url| !url.is_empty())
    }
}

/// The data folder when none is named: the system's place for services when started by root, else
/// the user's own.
pub fn default_data() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if is_root {
        return "/var/lib/freehold".into();
    }
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| home.map(|home| home.join(".local/share")))
        .unwrap_or_else(std::env::temp_dir)
        .join("freehold")
}

/// The demo's folder beside a data folder: its keys and tenants are kept apart from a real
/// installation's.
pub fn demo_data(data: &Path) -> PathBuf {
    data.with_extension("demo")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> anyhow::Result<Config> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::from_sources(Path::new("/nowhere"), None, pairs)
    }

    #[test]
    fn the_defaults_are_complete_and_the_environment_overrides_them() {
        let config = load(&[]).expect("the defaults load");
        assert_eq!(config.public_url, "http://localhost:8080");
        assert_eq!(config.database_url(), None);
        let config = load(&[
            ("FREEHOLD_PUBLIC_URL", "https://hooks.example.com/"),
            ("FREEHOLD_WORKER__CONCURRENCY", "3"),
            ("FREEHOLD_PROVIDERS__TWILIO__BASE_URL", "http://127.0.0.1:1"),
            ("DATABASE_URL", "postgres://localhost/x"),
            ("FREEHOLD_WEBHOOK_SECRET", "not a setting"),
        ])
        .expect("overrides load");
        assert_eq!(config.public_url, "https://hooks.example.com");
        assert_eq!(config.worker.concurrency, 3);
        assert_eq!(
            config.providers["twilio"].base_url.as_deref(),
            Some("http://127.0.0.1:1")
        );
        assert_eq!(config.database_url(), Some("postgres://localhost/x"));
    }

    #[test]
    fn a_bad_value_is_named() {
        for (name, value, key) in [
            ("FREEHOLD_LISTEN", "nonsense", "listen"),
            ("FREEHOLD_WORKER__CONCURRENCY", "many", "worker.concurrency"),
            ("FREEHOLD_LOG__FORMAT", "xml", "log.format"),
            ("FREEHOLD_PUBLIC_URL", "ftp://x", "public_url"),
            ("FREEHOLD_OPERATOR__TOKEN", "short", "operator.token"),
            ("FREEHOLD_MAIL__SMTP_URL", "smtp://127.0.0.1", "mail.from"),
            ("FREEHOLD_SIGN_UP", "perhaps", "sign_up"),
            ("FREEHOLD_KEYS__PROVIDER", "transit", "keys.transit.address"),
            ("FREEHOLD_KEYS__PROVIDER", "aws", "keys.aws.key"),
            (
                "FREEHOLD_KEYS__TRANSIT__ADDRESS",
                "https://bao",
                "keys.transit",
            ),
            ("FREEHOLD_UNHEARD_OF", "1", "unheard_of"),
            ("FREEHOLD_TRUSTED_PROXIES", "10.0.0.0/40", "trusted_proxies"),
            ("FREEHOLD_AUDIT__SINK", "here", "audit.sink"),
            ("FREEHOLD_EGRESS__ALLOW", "10.0.0.0/8", "egress.allow"),
            (
                "FREEHOLD_EGRESS__ALLOW",
                "10.0.0.0/8:443, 169.254.169.254:80",
                "egress.allow",
            ),
            ("FREEHOLD_AUDIT__STREAM", "/a/file", "audit.stream"),
            (
                "FREEHOLD_CONNECTIONS__RETURN_TO",
                "https://app.example.com/path",
                "connections.return_to",
            ),
            (
                "FREEHOLD_PROVIDERS__SLACK__OAUTH__CLIENT_ID",
                "1.2",
                "client_secret",
            ),
            (
                "FREEHOLD_AUDIT__STREAM",
                "https://no.secret/",
                "audit.stream",
            ),
            (
                "FREEHOLD_AUDIT__CHECKPOINT_SECONDS",
                "0",
                "audit.checkpoint_seconds",
            ),
        ] {
            let error = format!("{:#}", load(&[(name, value)]).expect_err(name));
            assert!(error.contains(key), "{name}: {error}");
        }
    }

    #[test]
    fn identity_providers_are_read_from_variables() {
        let config = load(&[
            ("FREEHOLD_SIGN_IN__PROVIDERS__ACME__NAME", "Acme"),
            (
                "FREEHOLD_SIGN_IN__PROVIDERS__ACME__ISSUER",
                "https://idp.example.com",
            ),
            ("FREEHOLD_SIGN_IN__PROVIDERS__ACME__CLIENT_ID", "us"),
            (
                "FREEHOLD_SIGN_IN__PROVIDERS__ACME__CLIENT_SECRET",
                "hunter22",
            ),
            ("FREEHOLD_SIGN_IN__PROVIDERS__ACME__LINK", "true"),
        ])
        .expect("loads");
        let [provider] = &config.identity_providers()[..] else {
            panic!("one provider");
        };
        assert_eq!(
            (provider.id.as_str(), provider.name.as_str()),
            ("acme", "Acme")
        );
        assert_eq!((provider.link, provider.sign_up), (true, false));
        assert!(!format!("{config:?} {provider:?}").contains("hunter22"));
        let error = load(&[("FREEHOLD_SIGN_IN__PROVIDERS__ACME__NAME", "Acme")]);
        assert!(format!("{:#}", error.expect_err("incomplete")).contains("issuer"));
    }

    #[test]
    fn secrets_do_not_show() {
        let config = load(&[("DATABASE_URL", "postgres://u:hunter22@h/d")]).expect("loads");
        assert!(!format!("{config:?}").contains("hunter22"));
        let config = load(&[
            ("FREEHOLD_MAIL__SMTP_URL", "smtps://u:hunter22@h"),
            ("FREEHOLD_MAIL__FROM", "a@b.c"),
        ])
        .expect("loads");
        assert!(!format!("{:?} {:?}", config, config.mail()).contains("hunter22"));
    }
}
