//! Keys over the whole installation: every cell's tenants and the control database. `freehold vault`
//! is this on the command line; docs/keys.md is the runbook.
//!
//! Each step goes tenant by tenant in order, compares what it replaces with what it read, and finds
//! what is left to do in the rows themselves: broken off at any point, it is simply run again.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use connect::{Connect, keys};
use identity::people::People;
use kernel::{
    Access, Db, Error, Operator,
    id::{CellId, TenantId},
    permission::{DataKeysWrite, KeysRotate, TenantsEnter},
};
use time::OffsetDateTime;
use vault::{Census, KeyProvider};

/// How long after a rotation old key-encryption keys are kept at least: as long as a request that
/// has wrapped a data key may take to store it.
pub const SETTLED: Duration = Duration::from_secs(60);

/// What to tell of the way: a line for people.
pub type Report<'a> = &'a mut (dyn FnMut(String) + Send);

/// Whoever rotates keys.
#[derive(Debug)]
pub struct Rotation<'a> {
    db: &'a Db,
    connect: &'a Connect,
    people: &'a People,
    keys: Operator<KeysRotate>,
    enter: Operator<TenantsEnter>,
}

/// What was destroyed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// Data keys, over all tenants.
    pub data_keys: u64,
    /// Versions of the local keyring.
    pub versions: Vec<u32>,
    /// Tenants that were left as they are, since their own key-encryption key is not to be had.
    pub withheld: Vec<String>,
    /// KEKs of other providers that nothing refers to any more. They are destroyed there, by whoever
    /// administers them.
    pub elsewhere: BTreeSet<String>,
}

impl<'a> Rotation<'a> {
    pub fn new(
        db: &'a Db,
        connect: &'a Connect,
        people: &'a People,
        keys: Operator<KeysRotate>,
        enter: Operator<TenantsEnter>,
    ) -> Self {
        Self {
            db,
            connect,
            people,
            keys,
            enter,
        }
    }

    /// What the rows say of themselves, and the KEK that wraps now.
    pub async fn count(&self) -> anyhow::Result<(String, Census)> {
        let mut census = identity::keys::count(self.people, &self.keys).await?;
        for cell in self.keys.cells() {
            census.add(keys::count(&self.keys, cell).await?);
        }
        Ok((self.connect.keys().current_kek().await?, census))
    }

    /// Makes a new version of the key-encryption key, which wraps from now on. Its name.
    pub async fn rotate(&self) -> anyhow::Result<String> {
        let current = match self.connect.keys().current() {
            KeyProvider::Local(keyring) => {
                keyring.rotate()?;
                self.connect.keys().current_kek().await?
            }
            KeyProvider::Transit(transit) => transit.rotate().await?,
            #[cfg(feature = "aws-kms")]
            KeyProvider::AwsKms(_) => anyhow::bail!(
                "KMS renews a key's material by itself; for another key, put its ARN into keys.aws.key, then run `freehold vault rewrap`"
            ),
        };
        let detail = serde_json::json!({ "kek": current });
        let tx = self.keys.begin("keys.rotated", None, detail).await?;
        tx.commit().await?;
        Ok(current)
    }

    /// Moves every data key under the key-encryption key that wraps now. How many were moved.
    pub async fn rewrap(&self, report: Report<'_>) -> anyhow::Result<u64> {
        let current = self.connect.keys().current_kek().await?;
        let mut total = identity::keys::rewrap(self.people, &self.keys, &current).await?;
        report(format!("control database: {total} rewrapped"));
        let mut broken = 0;
        for cell in self.keys.cells() {
            let mut after = None;
            while let Some(page) = self.page(cell, Some(&current), after).await? {
                for tenant in &page {
                    let access = self.enter(*tenant, "vault rewrap").await?;
                    match self.connect.rewrap_keys(&access, &current).await {
                        Err(why) if is_own_trouble(&why) => report(left(*tenant, &why)),
                        Err(why) if is_damage(&why) => {
                            report(damaged(*tenant, &why));
                            broken += 1;
                        }
                        outcome => total += outcome?,
                    }
                }
                after = page.last().copied();
                report(format!("{total} rewrapped under {current}"));
            }
        }
        whole(broken)?;
        Ok(total)
    }

    /// Gives every tenant (or the one that is named) a new data key, unless it has one made since
    /// `begun`, and seals all its secrets anew under it. How many secrets were.
    pub async fn renew(
        &self,
        begun: OffsetDateTime,
        only: Option<TenantId>,
        report: Report<'_>,
    ) -> anyhow::Result<u64> {
        let (mut total, mut broken) = (0, 0);
        for cell in self.keys.cells() {
            let mut after = None;
            while let Some(page) = self.page(cell, None, after).await? {
                for tenant in &page {
                    if only.is_some_and(|only| only != *tenant) {
                        continue;
                    }
                    let access = self.enter(*tenant, "vault renew").await?;
                    match self.renew_one(&access, begun, report).await {
                        Err(why) if is_own_trouble(&why) => report(left(*tenant, &why)),
                        Err(why) if is_damage(&why) => {
                            report(damaged(*tenant, &why));
                            broken += 1;
                        }
                        outcome => total += outcome?,
                    }
                }
                after = page.last().copied();
            }
        }
        whole(broken)?;
        Ok(total)
    }

    async fn renew_one(
        &self,
        access: &Access<DataKeysWrite>,
        begun: OffsetDateTime,
        report: Report<'_>,
    ) -> kernel::Result<u64> {
        let Some(generation) = self.connect.renew_key(access, begun).await? else {
            return Ok(0);
        };
        let tenant = access.tenant().id;
        let progress = |done| {
            report(format!(
                "{tenant}: {done} sealed under generation {generation}"
            ))
        };
        self.connect.reseal(access, progress).await
    }

    /// Opens everything there is, but for what tenants withhold.
    pub async fn prove(&self, report: Report<'_>) -> anyhow::Result<Census> {
        let mut census = identity::keys::prove(self.people, &self.keys).await?;
        for cell in self.keys.cells() {
            let mut after = None;
            while let Some(page) = self.page(cell, None, after).await? {
                for tenant in &page {
                    let access = self.enter(*tenant, "vault verify").await?;
                    census.add(self.connect.prove_keys(&access).await?);
                }
                after = page.last().copied();
                let secrets: u64 = census.secrets.values().sum();
                report(format!("{secrets} secrets opened"));
            }
        }
        Ok(census)
    }

    /// Destroys what nothing needs any more: data keys without secrets, and local key-encryption
    /// keys without wraps. Everything is proved to open first. Tenants whose own key is not to be had
    /// keep their data keys, and keep no local version from being destroyed that wraps none.
    ///
    /// # Errors
    /// Refuses where something does not open, and where the keyring was changed less than `settled`
    /// ago.
    pub async fn retire(&self, settled: Duration, report: Report<'_>) -> anyhow::Result<Retired> {
        if let Some(keyring) = self.connect.keys().keyring() {
            let changed = std::fs::metadata(keyring.path())?.modified()?;
            let age = SystemTime::now()
                .duration_since(changed)
                .unwrap_or_default();
            anyhow::ensure!(
                age >= settled,
                "the keyring was changed {} s ago, and what was wrapped just before may not be stored yet; try again in {} s",
                age.as_secs(),
                (settled - age).as_secs() + 1
            );
        }
        let proof = self.prove(report).await?;
        anyhow::ensure!(
            proof.faults.is_empty(),
            "nothing is destroyed while something does not open; `freehold vault verify` says what"
        );
        let mut retired = Retired::default();
        for cell in self.keys.cells() {
            let mut after = None;
            while let Some(page) = self.page(cell, None, after).await? {
                for tenant in &page {
                    if proof.withheld.contains_key(&tenant.to_string()) {
                        continue;
                    }
                    let access = self.enter(*tenant, "vault retire").await?;
                    let gone = self.connect.retire_keys(&access).await?;
                    retired.data_keys += u64::try_from(gone.len())?;
                }
                after = page.last().copied();
            }
        }
        retired.withheld = proof.withheld.keys().cloned().collect();
        let (current, census) = self.count().await?;
        retired.elsewhere = proof
            .wraps
            .keys()
            .filter(|kek| **kek != current)
            .filter(|kek| !kek.starts_with("local:") && !keys::is_own(kek))
            .filter(|kek| !census.wraps.contains_key(*kek))
            .cloned()
            .collect();
        if let Some(keyring) = self.connect.keys().keyring() {
            let (versions, wraps) = keyring.versions()?;
            retired.versions = versions
                .into_iter()
                .filter(|version| *version != wraps)
                .filter(|version| !census.wraps.contains_key(&format!("local:v{version}")))
                .collect();
            if !retired.versions.is_empty() {
                let detail = serde_json::json!({ "local_versions": retired.versions });
                let tx = self.keys.begin("keys.retired", None, detail).await?;
                tx.commit().await?;
                keyring.retire(&retired.versions)?;
            }
        }
        Ok(retired)
    }

    async fn page(
        &self,
        cell: CellId,
        not_under: Option<&str>,
        after: Option<TenantId>,
    ) -> anyhow::Result<Option<Vec<TenantId>>> {
        let page = keys::tenants(&self.keys, cell, not_under, after).await?;
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    async fn enter(&self, tenant: TenantId, what: &str) -> anyhow::Result<Access<DataKeysWrite>> {
        let found = self.db.directory().by_id(tenant).await?;
        let found = found.with_context(|| {
            format!("{tenant} has data keys in a cell and is not in the control database")
        })?;
        let reason = format!("command line: {what}");
        Ok(self.enter.enter(found, &reason).await?)
    }
}

/// Whether a step met nothing but a tenant's own key-encryption key that is not to be had.
fn is_own_trouble(error: &Error) -> bool {
    matches!(
        error,
        Error::TenantKeyUnavailable(_) | Error::TenantKeyWithdrawn { .. }
    )
}

/// Whether a step met something of this tenant's that does not open, or changes under it: one such
/// row must not keep the others under an old key.
fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Internal(_) | Error::Conflict { .. })
}

fn damaged(tenant: TenantId, why: &Error) -> String {
    tracing::error!(%tenant, cause = ?why, "the tenant's keys are left as they are");
    left(tenant, why)
}

fn whole(broken: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        broken == 0,
        "{broken} tenants are left as they are, and all others are done; `freehold vault verify` says what does not open"
    );
    Ok(())
}

fn left(tenant: TenantId, why: &Error) -> String {
    format!("{tenant} is left as it is: {why}")
}
