//! Counting wraps and secrets over all tenants, and proving for one tenant that all of them open.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Operator, Result,
    id::{CellId, CredentialId, TenantId},
    permission::{DataKeysWrite, KeysRotate},
};
use uuid::Uuid;
use vault::{Census, DataKey, generation_of};

use crate::{
    Connect,
    data_key::{NoKey, key_error},
    own_key,
    seal::open,
};

/// Rows that are read at a time.
const PAGE: i64 = 500;

/// The tables with wraps, and those with sealed values, that this crate keeps.
#[cfg(test)]
pub(super) const WRAPS: &[&str] = &["data_key", "tenant_key"];
#[cfg(test)]
pub(super) const SEALED: &[&str] = &["credential_secret", "tenant_key"];

/// What the rows of one cell say of themselves; nothing is opened.
pub async fn count(operator: &Operator<KeysRotate>, cell: CellId) -> Result<Census> {
    let mut census = Census::default();
    let mut tx = operator.begin_in_cell(cell, "keys.counted", None).await?;
    let wraps = sqlx::query!(
        r#"SELECT kek AS "kek!", count(*) AS "count!"
           FROM (SELECT kek FROM cell.data_key UNION ALL SELECT kek FROM cell.tenant_key) AS wrap
           GROUP BY kek ORDER BY kek"#
    )
    .fetch_all(tx.conn())
    .await?;
    for row in wraps {
        census.wraps(&row.kek, row.count.unsigned_abs());
    }
    let secrets = sqlx::query!(
        r#"SELECT ('x' || encode(substring(sealed FROM 3 FOR 4), 'hex'))::bit(32)::integer AS "generation!",
                  count(*) AS "count!"
           FROM cell.credential_secret GROUP BY 1 ORDER BY 1"#
    )
    .fetch_all(tx.conn())
    .await?;
    for row in secrets {
        let generation = u32::try_from(row.generation).map_err(Error::internal)?;
        census.secrets(generation, row.count.unsigned_abs());
    }
    tx.commit().await?;
    Ok(census)
}

/// Which tenants of a cell have wraps, in order, from the one after `after` on; a page of them.
/// With `not_under`, those alone of whom something is wrapped by another KEK than this one: tenants
/// with a key of their own are always among them.
pub async fn tenants(
    operator: &Operator<KeysRotate>,
    cell: CellId,
    not_under: Option<&str>,
    after: Option<TenantId>,
) -> Result<Vec<TenantId>> {
    let mut tx = operator.begin_in_cell(cell, "keys.listed", None).await?;
    let tenants = sqlx::query_scalar!(
        r#"SELECT DISTINCT tenant_id AS "tenant_id!"
           FROM (SELECT tenant_id, kek FROM cell.data_key
                 UNION ALL SELECT tenant_id, kek FROM cell.tenant_key) AS wrap
           WHERE ($1::text IS NULL OR kek <> $1) AND ($2::uuid IS NULL OR tenant_id > $2)
           ORDER BY 1 LIMIT $3"#,
        not_under,
        after.map(TenantId::uuid),
        PAGE
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(tenants.into_iter().map(TenantId::from).collect())
}

impl Connect {
    /// Opens everything that a tenant has: each data key at its provider and not from memory, and
    /// each secret by its data key, but for those whose keys were destroyed on purpose. What does not
    /// open is told among the faults. Where the tenant's
    /// own key is not to be had, the tenant is among the withheld, and its secrets are counted alone.
    ///
    /// # Errors
    /// When the database or the installation's key provider can't be asked, which proves nothing
    /// either way.
    pub async fn prove_keys(&self, access: &Access<DataKeysWrite>) -> Result<Census> {
        let tenant = access.tenant().id;
        let mut census = Census::default();
        self.prove_login(access, &mut census).await?;
        // Nobody opens these any more, on purpose: they keep no other key from being retired.
        let erased = super::erased(access).await?.into_iter();
        let mut keys: Keys = erased.map(|generation| (generation, None)).collect();
        for (generation, wrapped) in super::stored(access).await? {
            census.wrap(&wrapped);
            let place = format!("{tenant}, data key {generation}");
            match self.unwrap_now(access, generation, &wrapped).await {
                Ok(key) => _ = keys.insert(generation, Some(key)),
                Err(NoKey::Platform(error)) if error.failure() == vault::Failure::Passing => {
                    return Err(key_error(error));
                }
                Err(NoKey::Platform(error)) => census.fault(place, error),
                Err(cause) => match self.no_key(access, cause).await {
                    why @ (Error::TenantKeyUnavailable(_) | Error::TenantKeyWithdrawn { .. }) => {
                        census.withheld(tenant, why);
                        keys.insert(generation, None);
                    }
                    Error::Internal(cause) => census.fault(place, cause),
                    error => return Err(error),
                },
            }
        }
        let mut after = (Uuid::nil(), String::new(), String::new());
        loop {
            let mut tx = access.read().await?;
            let rows = sqlx::query!(
                "SELECT credential_id, field, slot, sealed FROM cell.credential_secret
                 WHERE (credential_id, field, slot) > ($1, $2, $3)
                 ORDER BY credential_id, field, slot LIMIT $4",
                after.0,
                after.1,
                after.2,
                PAGE
            )
            .fetch_all(tx.conn())
            .await?;
            tx.commit().await?;
            let Some(last) = rows.last() else {
                return Ok(census);
            };
            after = (last.credential_id, last.field.clone(), last.slot.clone());
            for row in rows {
                let id = CredentialId::from(row.credential_id);
                let place = format!("{tenant}, {id}, {} ({})", row.field, row.slot);
                prove(&mut census, &keys, id, &row.field, &row.sealed, &place);
            }
        }
    }
}

impl Connect {
    /// Opens the login at the tenant's own key provider, where there is one.
    async fn prove_login(&self, access: &Access<DataKeysWrite>, census: &mut Census) -> Result<()> {
        let Some(row) = own_key::read(access).await? else {
            return Ok(());
        };
        let tenant = access.tenant().id;
        let wrapped = &row.login.key;
        census.wrap(wrapped);
        let place = format!("{tenant}, login at its own key provider");
        let (owner, generation) = own_key::login_owner(row.id);
        match self.keys().unwrap(owner, generation, wrapped).await {
            Ok(key) => {
                if let Err(error) = own_key::opens(&key, tenant, row.id, &row.login.secret) {
                    census.fault(place, error);
                }
            }
            Err(error) if error.failure() == vault::Failure::Passing => {
                return Err(key_error(error));
            }
            Err(error) => census.fault(place, error),
        }
        Ok(())
    }
}

/// By generation; `None` where it is withheld, or destroyed on purpose.
type Keys = BTreeMap<u32, Option<DataKey>>;

fn prove(
    census: &mut Census,
    keys: &Keys,
    id: CredentialId,
    field: &str,
    sealed: &[u8],
    place: &str,
) {
    let generation = match generation_of(sealed) {
        Ok(generation) => generation,
        Err(error) => return census.fault(place, error),
    };
    census.secrets(generation, 1);
    match keys.get(&generation) {
        None => census.fault(
            place,
            format_args!("its data key, generation {generation}, is not to be had"),
        ),
        Some(None) => {}
        Some(Some(key)) => {
            if let Err(error) = open(key, id, field, sealed) {
                census.fault(place, error);
            }
        }
    }
}
