//! Credentials on a real database, by a node that tests none of them at providers.

mod defaults;
mod expiry;
mod import;
mod uses;
mod versions;

use std::{collections::BTreeMap, collections::HashMap};

use kernel::{
    Access,
    db::Tenant,
    id::CredentialId,
    permission::{CredentialsRead, CredentialsUse, CredentialsWrite, DataKeysWrite},
    secret::Secret,
    testing::{self, TestDb},
};
use tempfile::TempDir;
use vault::{KeyProvider, Keyring};

use super::{CredentialView, Environment, Filter, NewCredential, Rotation, read};
use crate::{Connect, Settings, catalogue::Catalogue};

pub(super) struct World {
    pub test: TestDb,
    pub connect: Connect,
    pub tenant: Tenant,
    _folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let test = testing::database().await;
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(folder.path().join("keyring.toml"));
        let settings = Settings {
            public_url: "http://127.0.0.1:1".to_owned(),
            allow: Default::default(),
            verify_credentials: false,
            providers: HashMap::new(),
            ..Settings::default()
        };
        let provider = KeyProvider::Local(keyring.expect("a keyring"));
        Self {
            connect: Connect::new(Catalogue::builtin(), provider, settings).expect("a node starts"),
            tenant: test.tenant("acme").await,
            test,
            _folder: folder,
        }
    }

    pub async fn write(&self) -> Access<CredentialsWrite> {
        self.test.enter(&self.tenant).await
    }

    pub async fn usage(&self) -> Access<CredentialsUse> {
        self.test.enter(&self.tenant).await
    }

    pub async fn reading(&self) -> Access<CredentialsRead> {
        self.test.enter(&self.tenant).await
    }

    pub async fn keys(&self) -> Access<DataKeysWrite> {
        self.test.enter(&self.tenant).await
    }

    pub async fn create(&self, new: NewCredential) -> CredentialView {
        let access = self.write().await;
        let made = self.connect.create_credential(&access, new).await;
        made.expect("it is stored")
    }

    pub async fn all(&self) -> Vec<CredentialView> {
        let found = read::list(&self.reading().await, &Filter::default(), None, 200).await;
        found.expect("they are listed")
    }

    pub async fn one(&self, id: CredentialId) -> CredentialView {
        let found = read::get(&self.reading().await, id).await;
        found.expect("it is there")
    }

    /// The default ones of a provider and environment.
    pub async fn defaults(&self, provider: &str, environment: Environment) -> Vec<CredentialId> {
        let all = self.all().await.into_iter();
        all.filter(|one| one.provider == provider && one.environment == environment)
            .filter(|one| one.is_default)
            .map(|one| one.id)
            .collect()
    }

    /// What the credential's secret is, opened.
    pub async fn secret(&self, provider: &str, id: CredentialId, field: &str) -> String {
        let access = self.usage().await;
        let opened = self.connect.resolve_id(&access, provider, id).await;
        let opened = opened.expect("it opens");
        opened.secret(field).expect("it has it").expose().to_owned()
    }

    pub async fn rotate(&self, id: CredentialId, pairs: &[(&str, &str)]) -> CredentialView {
        let rotation = Rotation {
            values: values(pairs),
            grace_seconds: 3_600,
        };
        let access = self.write().await;
        let rotated = self.connect.rotate_credential(&access, id, rotation);
        rotated.await.expect("it is rotated")
    }

    /// Details of the audit entries of one act, oldest first.
    pub async fn acts(&self, action: &str) -> Vec<serde_json::Value> {
        sqlx::query_scalar("SELECT detail FROM cell.audit_entry WHERE action = $1 ORDER BY seq")
            .bind(action)
            .fetch_all(&mut self.test.superuser().await)
            .await
            .expect("the log is read")
    }
}

pub(super) fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect()
}

pub(super) fn openai(name: &str, environment: Environment) -> NewCredential {
    NewCredential {
        provider: "openai".to_owned(),
        name: name.to_owned(),
        environment,
        values: values(&[(
            "api_key",
            &format!("sk-{}-0000000000", name.replace(' ', "-")),
        )]),
        ..NewCredential::default()
    }
}

pub(super) fn code(outcome: kernel::Result<CredentialView>) -> &'static str {
    outcome.expect_err("it is refused").code()
}
