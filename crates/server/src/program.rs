//! The running parts, put together once: database, keys, catalogue, slices. Serving, the demo and
//! the commands all start from here.

use std::{
    collections::HashMap, io::Write, os::unix::fs::OpenOptionsExt, sync::Arc, time::Duration,
};

use anyhow::Context;
use audit::{key::SigningKey, upkeep};
use connect::{Connect, ProviderSettings, Settings, catalogue::Catalogue};
use identity::{
    oidc::Oidc,
    people::{self, People},
    tokens::Tokens,
};
use kernel::{
    Db,
    access::{OperatorToken, Web},
    bus,
    db::{self, Server},
    jobs::Registry,
    postgres::{self, Embedded},
    secret::Secret,
};

use crate::config::Config;

pub mod keys;

/// The database inside a cluster of our own.
const DATABASE: &str = "freehold";
const OPERATOR_TOKEN: &str = "operator.token";
const AUDIT_KEY: &str = "audit.key";

/// Everything that runs, apart from the listener and the workers.
#[derive(Debug)]
pub struct Program {
    pub config: Config,
    pub db: Db,
    pub connect: Connect,
    pub people: People,
    pub oidc: Oidc,
    pub tokens: Tokens,
    pub registry: Arc<Registry>,
    pub operator_token: Secret,
    database: Database,
}

/// Where the database is, and the cluster that we have to stop, if it is ours.
#[derive(Debug)]
pub struct Database {
    pub server: Server,
    embedded: Option<Embedded>,
}

impl Database {
    /// Opens the configured server, or the private one: started here, or joined when another
    /// process of this program already runs it.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(url) = config.database_url() {
            return Ok(Self::given(Server::from_url(url)?));
        }
        let options = postgres::Options {
            data: config.data.clone(),
            bin: Some(config.pg_bin.clone()).filter(|folder| !folder.as_os_str().is_empty()),
            settings: Vec::new(),
        };
        if let Some(socket) = Embedded::attach(&config.data) {
            let server =
                Server::from_socket(&socket, postgres::PORT, postgres::SUPERUSER, DATABASE);
            return Ok(Self::given(server));
        }
        let embedded = Embedded::start(&options)
            .await
            .context("the private Postgres could not be started")?;
        let server = Server::from_socket(
            embedded.socket_dir(),
            embedded.port(),
            embedded.superuser(),
            DATABASE,
        );
        server.ensure_database(DATABASE).await?;
        Ok(Self {
            server,
            embedded: Some(embedded),
        })
    }

    /// A server that somebody else runs and ends.
    pub fn given(server: Server) -> Self {
        Self {
            server,
            embedded: None,
        }
    }

    /// What runs it, for people.
    pub fn describe(&self) -> String {
        match &self.embedded {
            Some(embedded) => format!(
                "a private Postgres {} in the data folder",
                embedded.version()
            ),
            None => "a Postgres that was already running".to_owned(),
        }
    }

    pub async fn close(self) -> anyhow::Result<()> {
        if let Some(embedded) = self.embedded {
            embedded.stop().await?;
        }
        Ok(())
    }
}

impl Program {
    /// Opens the configured database and assembles the rest.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let database = Database::open(&config).await?;
        Self::assemble(config, database).await
    }

    /// Brings the database up to date and puts everything else together on it.
    pub async fn assemble(config: Config, database: Database) -> anyhow::Result<Self> {
        db::migrate(&database.server)
            .await
            .context("the database could not be brought up to date")?;
        let db = Db::connect(&database.server, &HashMap::new()).await?;
        announce(&config, &db)?;
        let keys = Arc::new(keys::open(&config, &db).await?);
        let operator_token = operator_token(&config)?;
        let connect = Connect::new(catalogue(&config)?, Arc::clone(&keys), settings(&config)?)?;
        connect.follow(bus::listen(&db));

        let people = People::new(
            &db,
            people::Settings {
                public_url: config.public_url.clone(),
                sign_up: config.sign_up,
            },
            keys,
        )?;

        let tokens = Tokens::new(&people);

        let oidc = Oidc::new(
            &people,
            config.identity_providers(),
            &config.egress.allow()?,
        )
        .context("the settings can't be used")?;

        let mut registry = Registry::new();
        converse::register(&mut registry, &connect);
        assist::register(&mut registry, &connect);
        identity::register(&mut registry);
        connect::verify::register(&mut registry, &connect);
        connect::oauth::register(&mut registry, &connect);
        db.subscribe(registry.subscriptions())?;
        Ok(Self {
            config,
            db,
            connect,
            people,
            oidc,
            tokens,
            registry: Arc::new(registry),
            operator_token,
            database,
        })
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn token(&self) -> OperatorToken {
        OperatorToken::new(&self.operator_token)
    }

    /// What becomes of the audit logs on this node.
    pub fn audit_settings(&self) -> anyhow::Result<upkeep::Settings> {
        let audit = &self.config.audit;
        Ok(upkeep::Settings {
            key: audit_key(&self.config)?,
            interval: Duration::from_secs(audit.checkpoint_seconds.into()),
            sink: audit.sink()?,
            stream: audit.stream()?,
        })
    }

    /// How browsers reach this installation.
    pub fn web(&self) -> kernel::Result<Web> {
        let config = &self.config;
        Web::new(&config.public_url, config.operator.second_factor)
    }

    /// Ends the connections and, where it is ours, the database server.
    pub async fn close(self) -> anyhow::Result<()> {
        self.db.close().await;
        self.database.close().await
    }
}

/// The key that signs the audit logs' checkpoints, made on first use. It is named after the public
/// URL of that time, and keeps its name when that changes.
pub fn audit_key(config: &Config) -> anyhow::Result<SigningKey> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("the data folder {} can't be made", config.data.display()))?;
    let url = url::Url::parse(&config.public_url)?;
    let name = format!("{}/audit", url.authority());
    Ok(SigningKey::open_or_create(
        &config.data.join(AUDIT_KEY),
        &name,
    )?)
}

pub fn catalogue(config: &Config) -> anyhow::Result<Catalogue> {
    let catalogue = Catalogue::builtin();
    if config.catalogue.as_os_str().is_empty() {
        return Ok(catalogue);
    }
    catalogue
        .with_folder(&config.catalogue)
        .context("the folder of further providers can't be used")
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let providers = config.providers.iter().map(|(name, provider)| {
        let settings = ProviderSettings {
            base_url: provider.base_url.clone(),
            handshake_token: provider.handshake_token.clone(),
            oauth: provider.oauth.clone().map(Into::into),
        };
        (name.clone(), settings)
    });
    Ok(Settings {
        public_url: config.public_url.clone(),
        verify_credentials: config.credentials.verify,
        return_to: config.connections.return_to()?,
        providers: providers.collect(),
        allow: config.egress.allow()?,
        kms_endpoint: Some(config.keys.aws.endpoint.clone()).filter(|text| !text.is_empty()),
    })
}

/// Lets the configured Redis announce changes; without one, Postgres does.
#[cfg(feature = "redis")]
fn announce(config: &Config, db: &Db) -> anyhow::Result<()> {
    let url = &config.bus.redis_url;
    if !url.expose().is_empty() {
        db.announce_by(bus::Redis::open(url).context("bus.redis_url")?)?;
    }
    Ok(())
}

#[cfg(not(feature = "redis"))]
fn announce(config: &Config, _db: &Db) -> anyhow::Result<()> {
    anyhow::ensure!(
        config.bus.redis_url.expose().is_empty(),
        "bus.redis_url: this build has no Redis; use the packaged release, or build with `--features redis`"
    );
    Ok(())
}

/// The configured token, or the data folder's own, made on first use for its owner's eyes only.
fn operator_token(config: &Config) -> anyhow::Result<Secret> {
    if !config.operator.token.expose().is_empty() {
        return Ok(config.operator.token.clone());
    }
    let path = config.data.join(OPERATOR_TOKEN);
    let made = format!(
        "fho_{}{}",
        uuid::Uuid::new_v4().simple(),
        uuid::Uuid::new_v4().simple()
    );
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    match file {
        Ok(mut file) => {
            file.write_all(made.as_bytes())?;
            file.sync_all()?;
            Ok(Secret::new(made))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(&path)?;
            let text = text.trim();
            anyhow::ensure!(
                text.len() >= 32,
                "{} holds no usable token; delete it to have one made",
                path.display()
            );
            Ok(Secret::new(text))
        }
        Err(error) => Err(error).with_context(|| format!("{} can't be written", path.display())),
    }
}
