//! Links to connect accounts: a builder makes one with an API key and gives it to a customer, who
//! needs no account here. A link is good for one tenant, for the providers that it names, and for
//! connecting alone; the database holds its digest.

use kernel::{
    Access, Error, Result,
    access::link::LinkToken,
    audit::Act,
    id::{ConnectSessionId, CredentialId},
    permission::CredentialsWrite,
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use url::Url;
use utoipa::ToSchema;

use super::flow::checked;
use crate::{Connect, catalogue::Provider};

/// How long a link lasts, in seconds: usually, at the least and at the most.
const USUAL: i64 = 30 * 60;
const SHORTEST: i64 = 60;
const LONGEST: i64 = 24 * 3600;
/// The most providers of a link.
const PROVIDERS: usize = 20;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConnectSession {
    /// The providers that may be connected, by their ids in the catalogue.
    pub providers: Vec<String>,
    /// What the credential is to be called; the account's own name at the provider when left out.
    #[serde(default)]
    pub name: Option<String>,
    /// Instead of the provider's usual ones, where there is one provider.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// How long the link lasts, in seconds; half an hour when left out, a day at the most.
    #[serde(default)]
    pub expires_in: Option<i64>,
    /// Where the browser goes at the end: an address of an origin that the operator has allowed.
    #[serde(default)]
    pub return_to: Option<String>,
    /// Which connection is to be renewed, where there is one provider.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub credential: Option<CredentialId>,
}

/// A link, shown once.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectLink {
    #[schema(value_type = String, example = "cns_01h455vb4pex5vsknk084sn02q")]
    pub id: ConnectSessionId,
    /// Whoever opens it can connect accounts for the tenant.
    #[serde(serialize_with = "kernel::secret::shown_once")]
    #[schema(value_type = String)]
    pub url: Secret,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// What a link is for.
#[derive(Debug)]
pub(super) struct Session {
    pub id: ConnectSessionId,
    pub providers: Vec<String>,
    pub name: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub credential: Option<CredentialId>,
    pub return_to: Option<String>,
}

impl Connect {
    /// Makes a link.
    ///
    /// # Errors
    /// [`Error::Invalid`] by field; [`Error::NotFound`] for a connection that is not the tenant's.
    pub async fn create_connect_session(
        &self,
        access: &Access<CredentialsWrite>,
        new: NewConnectSession,
    ) -> Result<ConnectLink> {
        self.check_session(&new)?;
        let token = LinkToken::generate(access.tenant().id);
        let id = ConnectSessionId::new();
        let lasts = new.expires_in.unwrap_or(USUAL);
        let expires_at = OffsetDateTime::now_utc() + Duration::seconds(lasts);
        let mut tx = access.begin().await?;
        // Those that are over are kept for a while, for whoever looks into what happened.
        sqlx::query!(
            "DELETE FROM cell.connect_session WHERE expires_at < now() - interval '30 days'"
        )
        .execute(tx.conn())
        .await?;
        if let Some(credential) = new.credential {
            sqlx::query!(
                "SELECT id FROM cell.credential WHERE id = $1 AND provider = ANY ($2)",
                credential.uuid(),
                &new.providers
            )
            .fetch_optional(tx.conn())
            .await?
            .ok_or(Error::NotFound("connection"))?;
        }
        sqlx::query!(
            "INSERT INTO cell.connect_session (id, token_sha256, providers, name, scopes,
                 credential_id, return_to, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            id.uuid(),
            token.sha256,
            &new.providers,
            new.name,
            new.scopes.as_deref(),
            new.credential.map(CredentialId::uuid),
            new.return_to,
            access.actor().to_string(),
            expires_at
        )
        .execute(tx.conn())
        .await?;
        tx.audit(Act {
            action: "connect_session.created",
            target: id.to_string(),
            detail: json!({ "providers": new.providers, "expires_in": lasts }),
        })
        .await?;
        tx.commit().await?;
        let url = format!(
            "{}/connect/{}",
            self.settings().public_url,
            token.text.expose()
        );
        Ok(ConnectLink {
            id,
            url: Secret::new(url),
            expires_at,
        })
    }

    /// Ends a link before its time.
    pub async fn revoke_connect_session(
        &self,
        access: &Access<CredentialsWrite>,
        id: ConnectSessionId,
    ) -> Result<()> {
        let mut tx = access.begin().await?;
        let revoked = sqlx::query!(
            "UPDATE cell.connect_session SET revoked_at = COALESCE(revoked_at, now()) WHERE id = $1",
            id.uuid()
        )
        .execute(tx.conn())
        .await?;
        if revoked.rows_affected() == 0 {
            return Err(Error::NotFound("connect session"));
        }
        tx.audit(Act {
            action: "connect_session.revoked",
            target: id.to_string(),
            detail: json!({}),
        })
        .await?;
        tx.commit().await
    }

    fn check_session(&self, new: &NewConnectSession) -> Result<()> {
        if new.providers.is_empty() || new.providers.len() > PROVIDERS {
            return Err(Error::field(
                "providers",
                format!("must name 1 to {PROVIDERS} providers"),
            ));
        }
        for provider in &new.providers {
            self.known_provider(provider).map_err(|_| {
                Error::field("providers", format!("`{provider}` is not in the catalogue"))
            })?;
        }
        let single = match new.providers.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        if (new.scopes.is_some() || new.credential.is_some()) && single.is_none() {
            return Err(Error::field(
                "providers",
                "must name one where scopes or a connection are named",
            ));
        }
        if let (Some(scopes), Some(provider)) = (&new.scopes, single) {
            let (_, oauth) = self
                .consenting(provider)
                .map_err(|_| Error::field("scopes", "are none of this provider's"))?;
            checked(scopes, oauth)?;
        }
        if let (Some(_), Some(provider)) = (new.credential, single) {
            self.consenting(provider).map_err(|_| {
                Error::field(
                    "credential",
                    "is of a provider whose secrets are entered; replace its values instead",
                )
            })?;
        }
        if new
            .name
            .as_ref()
            .is_some_and(|name| name.trim().is_empty() || name.chars().count() > 100)
        {
            return Err(Error::field("name", "must be 1 to 100 characters"));
        }
        if new
            .expires_in
            .is_some_and(|lasts| !(SHORTEST..=LONGEST).contains(&lasts))
        {
            return Err(Error::field(
                "expires_in",
                format!("must be {SHORTEST} to {LONGEST} seconds"),
            ));
        }
        match new.return_to.as_deref() {
            Some(address) if !self.may_return_to(address) => Err(Error::field(
                "return_to",
                "is of an origin that the operator has not allowed under [connections] return_to",
            )),
            _ => Ok(()),
        }
    }

    /// Whether a browser may be sent to an address at the end: of an allowed origin, and no other.
    pub(super) fn may_return_to(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else {
            return false;
        };
        let plain = url.username().is_empty() && url.password().is_none();
        let origin = url.origin();
        plain
            && origin.is_tuple()
            && self
                .settings()
                .return_to
                .iter()
                .any(|allowed| Url::parse(allowed).is_ok_and(|allowed| allowed.origin() == origin))
    }

    /// What the link is for that this access was given by.
    pub(super) async fn session(
        &self,
        access: &Access<CredentialsWrite>,
        id: ConnectSessionId,
    ) -> Result<Session> {
        let mut tx = access.read().await?;
        let row = sqlx::query!(
            "SELECT providers, name, scopes, credential_id, return_to
             FROM cell.connect_session WHERE id = $1",
            id.uuid()
        )
        .fetch_optional(tx.conn())
        .await?
        .ok_or(Error::NotFound("link"))?;
        tx.commit().await?;
        Ok(Session {
            id,
            providers: row.providers,
            name: row.name,
            scopes: row.scopes,
            credential: row.credential_id.map(CredentialId::from),
            return_to: row.return_to,
        })
    }
}

impl Session {
    /// A provider, if the link is for it.
    pub fn allowed<'a>(&self, connect: &'a Connect, provider: &str) -> Result<&'a Provider> {
        let named = self.providers.iter().any(|named| named == provider);
        let known = connect.catalogue().get(provider);
        known.filter(|_| named).ok_or(Error::NotFound("provider"))
    }
}
