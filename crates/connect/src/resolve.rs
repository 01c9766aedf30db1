//! The one resolver: tenant and provider in, opened credential out. There is no fallback, neither
//! to the environment nor to an account of the platform, and none between live and test.

use std::{collections::BTreeMap, fmt};

use kernel::{
    Access, Error, Result,
    id::CredentialId,
    permission::{CredentialsUse, Permission},
    secret::Secret,
};

use crate::{
    Connect,
    account::{self, Account, SealedCredential},
    credentials::Environment,
    oauth::GrantState,
};

/// A credential opened for one use. Its secrets are wiped when it is dropped.
pub struct OpenCredential {
    pub id: CredentialId,
    pub provider: String,
    pub environment: Environment,
    fields: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
    grant: Option<GrantState>,
}

impl fmt::Debug for OpenCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenCredential({}, {})", self.provider, self.id)
    }
}

impl OpenCredential {
    pub(crate) fn new(
        id: CredentialId,
        provider: &str,
        environment: Environment,
        fields: BTreeMap<String, String>,
        secrets: BTreeMap<String, Secret>,
    ) -> Self {
        Self {
            id,
            provider: provider.to_owned(),
            environment,
            fields,
            secrets,
            grant: None,
        }
    }

    /// Where it was connected by consent: until when, and by whose app.
    pub(crate) fn grant(&self) -> Option<&GrantState> {
        self.grant.as_ref()
    }

    /// The same with another secret.
    pub(crate) fn with_secret(&self, field: String, value: Secret) -> Self {
        let mut secrets = self.secrets.clone();
        secrets.insert(field, value);
        Self {
            id: self.id,
            provider: self.provider.clone(),
            environment: self.environment,
            fields: self.fields.clone(),
            secrets,
            grant: self.grant.clone(),
        }
    }

    /// A field that is not secret, such as `phone_number_id`.
    pub fn field(&self, name: &str) -> Result<&str> {
        self.fields
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| self.lacks(name))
    }

    pub fn secret(&self, name: &str) -> Result<&Secret> {
        self.secrets.get(name).ok_or_else(|| self.lacks(name))
    }

    /// Every secret, whatever it is for.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values()
    }

    fn lacks(&self, name: &str) -> Error {
        Error::invalid(format!(
            "the {} credential has no `{name}`; complete it under credentials",
            self.provider
        ))
    }
}

impl Connect {
    /// The tenant's default credential at a provider, of those for live use. Fails fast when there
    /// is none.
    pub async fn resolve(
        &self,
        access: &Access<CredentialsUse>,
        provider: &str,
    ) -> Result<OpenCredential> {
        self.resolve_in(access, provider, Environment::Live).await
    }

    /// The tenant's default credential of one environment. None of the other is taken instead.
    pub async fn resolve_in(
        &self,
        access: &Access<CredentialsUse>,
        provider: &str,
        environment: Environment,
    ) -> Result<OpenCredential> {
        self.resolve_where(access, provider, |credential| {
            credential.environment == environment && credential.is_default
        })
        .await
    }

    /// One particular credential of the tenant's, such as the account that a contact wrote to.
    pub async fn resolve_id(
        &self,
        access: &Access<CredentialsUse>,
        provider: &str,
        id: CredentialId,
    ) -> Result<OpenCredential> {
        self.resolve_where(access, provider, |credential| credential.id == id)
            .await
    }

    /// One credential as the database has it now, past every cache: what is tested must be what
    /// was saved. Opening it gives nothing away but to the provider.
    pub(crate) async fn resolve_fresh<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
        id: CredentialId,
    ) -> Result<OpenCredential> {
        let account = account::load(access, provider).await?;
        self.open_where(access, provider, &account, |credential| credential.id == id)
            .await
    }

    /// For this crate's own errands, which give nothing away but to the provider: one credential, or
    /// the default one.
    pub(crate) async fn resolve_for<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
        id: Option<CredentialId>,
    ) -> Result<OpenCredential> {
        let account = self.account(access, provider).await?;
        let wanted = |credential: &SealedCredential| match id {
            Some(id) => credential.id == id,
            None => credential.is_default && credential.environment == Environment::Live,
        };
        self.open_where(access, provider, &account, wanted).await
    }

    async fn resolve_where(
        &self,
        access: &Access<CredentialsUse>,
        provider: &str,
        wanted: impl Fn(&SealedCredential) -> bool,
    ) -> Result<OpenCredential> {
        let account = self.account(access, provider).await?;
        self.open_where(access, provider, &account, wanted).await
    }

    async fn open_where<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &str,
        account: &Account,
        wanted: impl Fn(&SealedCredential) -> bool,
    ) -> Result<OpenCredential> {
        let missing = || Error::CredentialMissing {
            provider: provider.to_owned(),
        };
        let credential = account
            .credentials
            .iter()
            .find(|credential| wanted(credential))
            .ok_or_else(missing)?;
        let mut secrets = BTreeMap::new();
        for secret in credential.secrets.iter().filter(|secret| !secret.previous) {
            if let Some(value) = self
                .open(access, account, credential, &secret.field, false)
                .await?
            {
                secrets.insert(secret.field.clone(), value);
            }
        }
        let fields = credential.fields.clone();
        let environment = credential.environment;
        let open = OpenCredential::new(credential.id, provider, environment, fields, secrets);
        Ok(OpenCredential {
            grant: credential.grant.clone(),
            ..open
        })
    }
}
