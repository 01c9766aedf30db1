//! Identity providers of a tenant's own: setting them up and taking them away.
//!
//! Whoever controls a provider can be anybody whom it signs in, so it is given no more than whoever
//! saves it could give: the newcomers' role, and the roles of those whom it may sign in at all.

use kernel::{
    Access, Error, Result,
    access::{OWNER, Vouched},
    audit::Act,
    db::PeopleTx,
    error::{ConflictCode, OnConstraint},
    id::IdentityProviderId,
    permission::{Permission, SignInRead, SignInWrite},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Oidc, relying::sealed_for};
use crate::{input, roles, sealed::Sealed};

/// More ways in than a page can offer.
const PROVIDERS: i64 = 20;
const DOMAINS: usize = 50;
const TEXT: usize = 500;

/// An identity provider, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProviderView {
    #[schema(value_type = String, example = "idp_01h455vb4pex5vsknk084sn02q")]
    pub id: IdentityProviderId,
    #[schema(example = "staff")]
    pub name: String,
    #[schema(example = "Acme staff")]
    pub label: String,
    #[schema(example = "https://login.acme.example")]
    pub issuer: String,
    pub client_id: String,
    /// Whose addresses may become members by themselves.
    #[schema(example = json!(["acme.example"]))]
    pub domains: Vec<String>,
    /// What they become.
    #[schema(example = "agent")]
    pub role: String,
    pub enabled: bool,
    /// Whether it signs in owners: whether an owner saved it last.
    pub vouches_for_owners: bool,
    /// Where people sign in by it, on this host.
    #[schema(example = "/sign-in/oidc/acme/staff")]
    pub sign_in_path: String,
    /// What the provider has to be told as the redirect URI.
    #[schema(example = "https://app.example.com/sign-in/oidc/callback")]
    pub redirect_uri: String,
    pub created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// What a provider is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderContent {
    /// What people read on the button.
    #[schema(min_length = 1, max_length = 200, example = "Acme staff")]
    pub label: String,
    /// Exactly as the provider's metadata spells it.
    #[schema(max_length = 500, example = "https://login.acme.example")]
    pub issuer: String,
    #[schema(min_length = 1, max_length = 500)]
    pub client_id: String,
    /// Left out of a change, the secret stays; it can't where issuer or client change, because it
    /// would be sent to another server than the one that it was entered for.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    pub client_secret: Option<Secret>,
    /// Whose addresses may become members by themselves. None: members alone are signed in.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["acme.example"]))]
    pub domains: Vec<String>,
    /// What newcomers become; never owners.
    #[schema(example = "agent")]
    pub role: String,
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A provider to set up.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// Stands in the address that signs people in, and stays.
    #[schema(pattern = "^[a-z][a-z0-9_-]{0,62}$", example = "staff")]
    pub name: String,
    /// What people read on the button.
    #[schema(min_length = 1, max_length = 200, example = "Acme staff")]
    pub label: String,
    /// Exactly as the provider's metadata spells it.
    #[schema(max_length = 500, example = "https://login.acme.example")]
    pub issuer: String,
    #[schema(min_length = 1, max_length = 500)]
    pub client_id: String,
    #[schema(value_type = String, min_length = 1, max_length = 500)]
    pub client_secret: Secret,
    /// Whose addresses may become members by themselves. None: members alone are signed in.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["acme.example"]))]
    pub domains: Vec<String>,
    /// What newcomers become; never owners.
    #[schema(example = "agent")]
    pub role: String,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// The tenant's providers, by name.
pub async fn list(oidc: &Oidc, access: &Access<SignInRead>) -> Result<Vec<ProviderView>> {
    let mut tx = access.people().await?;
    let views = views(oidc, access, &mut tx, None).await?;
    tx.commit().await?;
    Ok(views)
}

/// One of them.
pub async fn get(
    oidc: &Oidc,
    access: &Access<SignInRead>,
    id: IdentityProviderId,
) -> Result<ProviderView> {
    let mut tx = access.people().await?;
    let view = view(oidc, access, &mut tx, id).await?;
    tx.commit().await?;
    Ok(view)
}

/// Sets one up.
///
/// # Errors
/// `name_taken`; `invalid_request` for what does not fit; `forbidden` for a newcomers' role that the
/// caller could not give.
pub async fn create(
    oidc: &Oidc,
    access: &Access<SignInWrite>,
    new: NewProvider,
) -> Result<ProviderView> {
    let name = input::token("name", &new.name)?;
    let content = ProviderContent {
        label: new.label,
        issuer: new.issuer,
        client_id: new.client_id,
        client_secret: Some(new.client_secret),
        domains: new.domains,
        role: new.role,
        enabled: new.enabled,
    };
    let content = checked(oidc, content)?;
    let id = IdentityProviderId::new();
    let sealed = seal(oidc, access, id, content.client_secret.as_ref()).await?;
    let sealed = sealed.ok_or_else(|| Error::field("client_secret", "is missing"))?;
    let vouched = Vouched::by(access);
    let mut tx = access.people().await?;
    givable(access, &mut tx, &content.role).await?;
    let taken = || Error::Conflict {
        code: ConflictCode::NameTaken,
        detail: format!("there is an identity provider `{name}` already"),
    };
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM control.identity_provider"#)
            .fetch_one(tx.conn())
            .await?;
    if count >= PROVIDERS {
        return Err(Error::invalid(format!(
            "a tenant has at most {PROVIDERS} identity providers"
        )));
    }
    sqlx::query!(
        "INSERT INTO control.identity_provider (id, name, label, issuer, client_id, kek, wrapped, sealed,
             domains, role, enabled, vouches_for, vouches_for_owners, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        id.uuid(),
        name,
        content.label,
        content.issuer,
        content.client_id,
        sealed.key.kek,
        sealed.key.bytes,
        sealed.secret,
        &content.domains,
        content.role,
        content.enabled,
        vouched.permissions(),
        vouched.owners(),
        access.actor().to_string()
    )
    .execute(tx.conn())
    .await
    .on_constraint("identity_provider_name", taken)?;
    let view = view(oidc, access, &mut tx, id).await?;
    commit(access, tx, "identity_provider.created", &view).await?;
    Ok(view)
}

/// Changes what one is. Sessions that it opened end where it is turned off or becomes another.
pub async fn replace(
    oidc: &Oidc,
    access: &Access<SignInWrite>,
    id: IdentityProviderId,
    content: ProviderContent,
) -> Result<ProviderView> {
    let content = checked(oidc, content)?;
    let sealed = seal(oidc, access, id, content.client_secret.as_ref()).await?;
    let vouched = Vouched::by(access);
    let mut tx = access.people().await?;
    let before = sqlx::query!(
        "SELECT issuer, client_id, kek, wrapped, sealed FROM control.identity_provider
         WHERE id = $1 FOR UPDATE",
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("identity provider"))?;
    givable(access, &mut tx, &content.role).await?;
    let other = before.issuer != content.issuer || before.client_id != content.client_id;
    let (kek, wrapped, secret) = match sealed {
        Some(sealed) => (sealed.key.kek, sealed.key.bytes, sealed.secret),
        None if other => {
            return Err(Error::field(
                "client_secret",
                "has to be given with another issuer or client",
            ));
        }
        None => (before.kek, before.wrapped, before.sealed),
    };
    sqlx::query!(
        "UPDATE control.identity_provider SET label = $2, issuer = $3, client_id = $4, kek = $5,
             wrapped = $6, sealed = $7, domains = $8, role = $9, enabled = $10, vouches_for = $11,
             vouches_for_owners = $12, updated_at = now()
         WHERE id = $1",
        id.uuid(),
        content.label,
        content.issuer,
        content.client_id,
        kek,
        wrapped,
        secret,
        &content.domains,
        content.role,
        content.enabled,
        vouched.permissions(),
        vouched.owners()
    )
    .execute(tx.conn())
    .await?;
    if other || !content.enabled {
        end_sessions(access, &mut tx, id).await?;
    }
    let view = view(oidc, access, &mut tx, id).await?;
    commit(access, tx, "identity_provider.changed", &view).await?;
    Ok(view)
}

/// Takes one away, with the sessions that it opened. Accounts and memberships stay.
pub async fn remove(
    oidc: &Oidc,
    access: &Access<SignInWrite>,
    id: IdentityProviderId,
) -> Result<()> {
    let mut tx = access.people().await?;
    let view = view(oidc, access, &mut tx, id).await?;
    end_sessions(access, &mut tx, id).await?;
    sqlx::query!(
        "DELETE FROM control.identity_provider WHERE id = $1",
        id.uuid()
    )
    .execute(tx.conn())
    .await?;
    commit(access, tx, "identity_provider.removed", &view).await
}

async fn end_sessions(
    access: &Access<SignInWrite>,
    tx: &mut PeopleTx,
    id: IdentityProviderId,
) -> Result<()> {
    sqlx::query!(
        "UPDATE control.session SET revoked_at = now()
         WHERE provider_id = $1 AND confined_to = $2 AND revoked_at IS NULL",
        id.uuid(),
        access.tenant().id.uuid()
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "DELETE FROM control.pending_sign_in WHERE provider_id = $1 AND confined_to = $2",
        id.uuid(),
        access.tenant().id.uuid()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn givable(access: &Access<SignInWrite>, tx: &mut PeopleTx, role: &str) -> Result<()> {
    if role == OWNER {
        return Err(Error::field("role", "newcomers never become owners"));
    }
    roles::require_givable(access, tx, role).await
}

async fn seal(
    oidc: &Oidc,
    access: &Access<SignInWrite>,
    id: IdentityProviderId,
    secret: Option<&Secret>,
) -> Result<Option<Sealed>> {
    let Some(secret) = secret else {
        return Ok(None);
    };
    let record = id.uuid();
    let (owner, context) = sealed_for(access.tenant().id, record.as_bytes());
    let plain = secret.expose().as_bytes();
    Sealed::seal(oidc.people().keys(), owner, &context, plain)
        .await
        .map(Some)
}

async fn commit(
    access: &Access<SignInWrite>,
    tx: PeopleTx,
    action: &str,
    view: &ProviderView,
) -> Result<()> {
    let act = Act {
        action,
        target: view.id.to_string(),
        detail: json!({
            "name": view.name, "issuer": view.issuer, "client_id": view.client_id,
            "domains": view.domains, "role": view.role, "enabled": view.enabled,
            "vouches_for_owners": view.vouches_for_owners,
        }),
    };
    tx.commit_noted(access.tenant(), access.actor(), act).await
}

async fn view<P: Permission>(
    oidc: &Oidc,
    access: &Access<P>,
    tx: &mut PeopleTx,
    id: IdentityProviderId,
) -> Result<ProviderView> {
    let mut found = views(oidc, access, tx, Some(id)).await?;
    found.pop().ok_or(Error::NotFound("identity provider"))
}

async fn views<P: Permission>(
    oidc: &Oidc,
    access: &Access<P>,
    tx: &mut PeopleTx,
    id: Option<IdentityProviderId>,
) -> Result<Vec<ProviderView>> {
    let rows = sqlx::query!(
        "SELECT id, name, label, issuer, client_id, domains, role, enabled, vouches_for_owners,
             created_by, created_at
         FROM control.identity_provider WHERE ($1::uuid IS NULL OR id = $1) ORDER BY name",
        id.map(IdentityProviderId::uuid)
    )
    .fetch_all(tx.conn())
    .await?;
    let views = rows.into_iter().map(|row| ProviderView {
        id: row.id.into(),
        sign_in_path: format!("/sign-in/oidc/{}/{}", access.tenant().slug, row.name),
        redirect_uri: oidc.redirect_uri(),
        name: row.name,
        label: row.label,
        issuer: row.issuer,
        client_id: row.client_id,
        domains: row.domains,
        role: row.role,
        enabled: row.enabled,
        vouches_for_owners: row.vouches_for_owners,
        created_by: row.created_by,
        created_at: row.created_at,
    });
    Ok(views.collect())
}

fn checked(oidc: &Oidc, content: ProviderContent) -> Result<ProviderContent> {
    let label = input::name(&content.label).map_err(|_| {
        Error::field(
            "label",
            "must have from 1 to 200 characters, without control characters",
        )
    })?;
    if content.issuer.len() > TEXT {
        return Err(Error::field("issuer", "is too long"));
    }
    let address = oidc.0.wire.address(&content.issuer);
    address.map_err(|message| Error::field("issuer", message))?;
    let plain = |text: &str| {
        !text.trim().is_empty() && text.len() <= TEXT && !text.chars().any(char::is_control)
    };
    if !plain(&content.client_id) {
        return Err(Error::field("client_id", "must be 1 to 500 bytes"));
    }
    let secret = content.client_secret.as_ref();
    if secret.is_some_and(|secret| !plain(secret.expose())) {
        return Err(Error::field("client_secret", "must be 1 to 500 bytes"));
    }
    if content.domains.len() > DOMAINS {
        return Err(Error::field(
            "domains",
            format!("must be at most {DOMAINS}"),
        ));
    }
    let mut domains = content
        .domains
        .iter()
        .map(|text| domain(text))
        .collect::<Result<Vec<_>>>()?;
    domains.sort_unstable();
    domains.dedup();
    Ok(ProviderContent {
        label,
        domains,
        ..content
    })
}

/// A domain as addresses end with it, in lower case.
fn domain(text: &str) -> Result<String> {
    let domain = text.trim().to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(label) {
        Ok(domain)
    } else {
        Err(Error::field(
            "domains",
            "must be domain names, as in `example.com`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_have_one_spelling() {
        assert_eq!(domain(" Acme.Example ").expect("a domain"), "acme.example");
        let long = format!("{}.example", "a".repeat(64));
        for refused in [
            "",
            "localhost",
            "*.acme.example",
            "@acme.example",
            "acme..example",
            "-a.b",
            "a b.c",
            &long,
        ] {
            assert!(domain(refused).is_err(), "{refused:?}");
        }
    }
}
