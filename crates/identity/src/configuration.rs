//! A tenant's configuration, as those who may see or change it do: reading, replacing, restoring,
//! and what each version changed. The document and its checks are `kernel::configuration`'s.

pub mod api;
mod form;
pub mod pages;
#[cfg(test)]
mod tests;

use kernel::{
    Access, Error, Result, Tx,
    configuration::{self, Change, Configuration, Version},
    page::{Page, PageQuery},
    permission::{SettingsRead, SettingsWrite},
};

/// A version and what it changed of the one before.
#[derive(Debug)]
pub struct Past {
    pub version: Version,
    pub changes: Vec<Change>,
}

/// The version that holds.
pub async fn get(access: &Access<SettingsRead>) -> Result<Version> {
    let mut tx = access.read().await?;
    let version = configuration::current(&mut tx).await?;
    tx.commit().await?;
    Ok(version)
}

/// The stored versions, newest first, each with its changes.
pub async fn history(access: &Access<SettingsRead>, query: &PageQuery) -> Result<Page<Past>> {
    let (limit, before) = (query.limit()?, query.after::<i64>()?);
    let mut tx = access.read().await?;
    // One more than the page's: whether another page follows, and what the last row changed.
    let rows = configuration::history(&mut tx, before, limit + 1).await?;
    tx.commit().await?;
    let defaults = Configuration::default();
    let changes = rows
        .iter()
        .enumerate()
        .map(|(index, version)| {
            let older = rows.get(index + 1).map(|older| &older.configuration);
            older
                .unwrap_or(&defaults)
                .changes_to(&version.configuration)
        })
        .collect::<Result<Vec<_>>>()?;
    let past = rows
        .into_iter()
        .zip(changes)
        .map(|(version, changes)| Past { version, changes })
        .collect();
    Page::cut(past, limit, |past| past.version.version)
}

/// Replaces the whole document, of which `expected` is the version that the caller has seen.
///
/// # Errors
/// `invalid_request` for values that do not fit; `changed_meanwhile`.
pub async fn replace(
    access: &Access<SettingsWrite>,
    expected: i64,
    configuration: &Configuration,
) -> Result<Version> {
    let mut tx = access.begin().await?;
    if let Some(logo) = &configuration.branding.logo
        && !is_stored(&mut tx, logo).await?
    {
        return Err(Error::field(
            "branding.logo",
            "names no image that was uploaded",
        ));
    }
    let version = configuration::write(&mut tx, expected, configuration).await?;
    tx.commit().await?;
    Ok(version)
}

/// Makes an earlier version hold again, as a new one. A logo that is no longer stored stays as it is
/// now.
pub async fn restore(
    access: &Access<SettingsWrite>,
    expected: i64,
    version: i64,
) -> Result<Version> {
    let mut tx = access.begin().await?;
    let mut earlier = configuration::at(&mut tx, version).await?.configuration;
    if let Some(logo) = &earlier.branding.logo
        && !is_stored(&mut tx, logo).await?
    {
        let now = configuration::current(&mut tx).await?;
        earlier.branding.logo = now.configuration.branding.logo;
    }
    let version = configuration::write(&mut tx, expected, &earlier).await?;
    tx.commit().await?;
    Ok(version)
}

async fn is_stored(tx: &mut Tx, logo: &str) -> Result<bool> {
    let stored = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM cell.tenant_logo WHERE digest = $1) AS "stored!""#,
        logo
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(stored)
}
