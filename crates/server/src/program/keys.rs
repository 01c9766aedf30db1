//! The key providers, as the settings name them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use kernel::Db;
use vault::{KeyProvider, KeyProviders, Keyring, Login, Transit, TransitSettings};
use zeroize::Zeroizing;

use crate::config::{Config, KeyProviderName, TransitKeys};

const KEYRING: &str = "keyring.toml";

pub fn keyring_path(data: &Path) -> PathBuf {
    data.join(KEYRING)
}

/// Opens all that are configured. Nothing is called yet: a provider that is down keeps nobody from
/// starting, and those whose data keys it wraps are told so when they need them.
pub async fn open(config: &Config, db: &Db) -> anyhow::Result<KeyProviders> {
    let mut all = remote(config).await?;
    let path = keyring_path(&config.data);
    if config.keys.provider == KeyProviderName::Local {
        let keyring = open_keyring(&config.data, db).await?;
        all.push((KeyProviderName::Local, KeyProvider::Local(keyring)));
    } else if path.exists() {
        let keyring = Keyring::open(path)?;
        all.push((KeyProviderName::Local, KeyProvider::Local(keyring)));
    }
    let current = all
        .iter()
        .position(|(name, _)| *name == config.keys.provider)
        .context("keys.provider names one that is not configured")?;
    let (_, current) = all.swap_remove(current);
    let others = all.into_iter().map(|(_, provider)| provider);
    Ok(KeyProviders::new(current, others.collect()))
}

/// Those that are configured and elsewhere than on this machine.
pub async fn remote(config: &Config) -> anyhow::Result<Vec<(KeyProviderName, KeyProvider)>> {
    let keys = &config.keys;
    let mut all = Vec::new();
    if keys.transit.is_configured() {
        let transit = transit(&keys.transit)?;
        all.push((
            KeyProviderName::Transit,
            KeyProvider::Transit(Box::new(transit)),
        ));
    }
    #[cfg(feature = "aws-kms")]
    if !keys.aws.key.is_empty() {
        let set = |text: &String| (!text.is_empty()).then(|| text.clone());
        let kms = vault::AwsKms::new(vault::AwsKmsSettings {
            key: keys.aws.key.clone(),
            region: set(&keys.aws.region),
            endpoint: set(&keys.aws.endpoint),
            credentials: None,
        })
        .await;
        all.push((KeyProviderName::Aws, KeyProvider::AwsKms(kms)));
    }
    Ok(all)
}

fn transit(keys: &TransitKeys) -> anyhow::Result<Transit> {
    let ca = match keys.ca.as_os_str().is_empty() {
        true => None,
        false => {
            let path = keys.ca.display();
            Some(std::fs::read(&keys.ca).with_context(|| format!("keys.transit.ca: {path}"))?)
        }
    };
    let secret = |text: &str| Zeroizing::new(text.to_owned());
    let login = if !keys.role_id.is_empty() {
        Login::AppRole {
            mount: keys.approle_mount.clone(),
            role_id: keys.role_id.clone(),
            secret_id: secret(keys.secret_id.expose()),
        }
    } else if !keys.token_file.as_os_str().is_empty() {
        Login::TokenFile(keys.token_file.clone())
    } else {
        Login::Token(secret(keys.token.expose()))
    };
    let settings = TransitSettings {
        address: keys.address.parse().context("keys.transit.address")?,
        namespace: Some(keys.namespace.clone()).filter(|name| !name.is_empty()),
        mount: keys.mount.clone(),
        key: keys.key.clone(),
        login,
    };
    Ok(Transit::new(settings, Transit::http(ca.as_deref())?)?)
}

/// A keyring is made only for an installation without tenants. Where there are any, a missing one
/// means that their data keys can't be opened: a new one would hide that until it is too late.
async fn open_keyring(data: &Path, db: &Db) -> anyhow::Result<Keyring> {
    let path = keyring_path(data);
    if !path.exists() {
        anyhow::ensure!(
            !db.has_tenants().await?,
            "{} is missing. If it has ever wrapped anything here, put it back from your back-up; if another provider has wrapped everything so far, make one by `freehold vault create-keyring`",
            path.display()
        );
    }
    std::fs::create_dir_all(data)
        .with_context(|| format!("the data folder {} can't be made", data.display()))?;
    Ok(Keyring::open_or_create(&path)?)
}
