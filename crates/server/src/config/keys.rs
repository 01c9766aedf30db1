//! The settings of the key providers.

use std::path::PathBuf;

use kernel::secret::Secret;
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub provider: KeyProviderName,
    pub transit: TransitKeys,
    pub aws: AwsKeys,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum KeyProviderName {
    Local,
    Transit,
    Aws,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransitKeys {
    pub address: String,
    pub namespace: String,
    pub mount: String,
    pub key: String,
    pub ca: PathBuf,
    pub token: Secret,
    pub token_file: PathBuf,
    pub approle_mount: String,
    pub role_id: String,
    pub secret_id: Secret,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKeys {
    pub key: String,
    pub region: String,
    pub endpoint: String,
}

impl TransitKeys {
    pub fn is_configured(&self) -> bool {
        !self.address.is_empty()
    }

    fn check(&self) -> anyhow::Result<()> {
        let url = url::Url::parse(&self.address).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https") && matches!(url.path(), "" | "/")
        });
        anyhow::ensure!(
            url.is_some_and(|url| url.query().is_none() && url.username().is_empty()),
            "keys.transit.address: `{}` is not an address as in https://bao.example.com:8200",
            self.address
        );
        let ways = [
            !self.token.expose().is_empty(),
            !self.token_file.as_os_str().is_empty(),
            !self.role_id.is_empty(),
        ];
        anyhow::ensure!(
            ways.iter().filter(|way| **way).count() == 1,
            "keys.transit: set one of token, token_file, and role_id with secret_id"
        );
        anyhow::ensure!(
            self.role_id.is_empty() == self.secret_id.expose().is_empty(),
            "keys.transit: role_id and secret_id go together"
        );
        Ok(())
    }
}

impl Keys {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.transit.is_configured() {
            self.transit.check()?;
        }
        anyhow::ensure!(
            self.provider != KeyProviderName::Transit || self.transit.is_configured(),
            "keys.transit.address: has to be set where keys.provider is transit"
        );
        anyhow::ensure!(
            self.provider != KeyProviderName::Aws || !self.aws.key.is_empty(),
            "keys.aws.key: has to be set where keys.provider is aws"
        );
        anyhow::ensure!(
            self.aws.key.is_empty() || cfg!(feature = "aws-kms"),
            "keys.aws.key: this build has no AWS KMS; use the packaged release, or build with `--features aws-kms`"
        );
        Ok(())
    }
}
