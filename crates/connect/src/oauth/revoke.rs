//! Disconnecting: what was granted is taken back at the provider, as it documents, and then the
//! credential is deleted, whether or not the provider could be reached.

use http::{Method, StatusCode, header};
use kernel::{
    Access, Error, Result, id::CredentialId, permission::CredentialsWrite, secret::Secret,
};
use reqwest::RequestBuilder;
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::exchange::proven;
use crate::{
    Connect, OpenCredential,
    catalogue::{ClientProof, OAuth, Provider, Revoke},
    github_app,
};

/// For metrics and traces.
const OPERATION: &str = "oauth.revoke";

/// What became of a connection that was ended. It is gone here in any case.
#[derive(Debug, Serialize, ToSchema)]
pub struct Disconnected {
    /// Whether it was connected by consent; else there is nothing that could be taken back by a call.
    pub by_consent: bool,
    /// Whether the provider has taken back what was granted.
    pub revoked: bool,
    /// Why it has not, and what is left to do there.
    pub detail: Option<String>,
}

impl Connect {
    /// Takes back at the provider what was granted, and deletes the credential.
    pub async fn disconnect(
        &self,
        access: &Access<CredentialsWrite>,
        id: CredentialId,
    ) -> Result<Disconnected> {
        let (provider, by_consent) = kept(access, id).await?;
        let taken = match by_consent {
            true => self.revoke(access, &provider, id).await,
            false => Err("it was entered by hand; take the secret back at the provider".to_owned()),
        };
        self.delete_credential(access, id).await?;
        Ok(Disconnected {
            by_consent,
            revoked: taken.is_ok(),
            detail: taken.err(),
        })
    }

    async fn revoke(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &str,
        id: CredentialId,
    ) -> std::result::Result<(), String> {
        let left = |error: Error| {
            format!("the provider was not told ({error}); remove the app in the account there")
        };
        let (provider, oauth) = self.consenting(provider).map_err(left)?;
        let credential = self
            .resolve_fresh(access, &provider.id, id)
            .await
            .map_err(left)?;
        // Some take a token back only while it is good.
        let credential = match self.current(access, &credential).await {
            Ok(Some(current)) => current,
            Ok(None) | Err(_) => credential,
        };
        let requests = self
            .requests(access, provider, oauth, &credential)
            .await
            .map_err(left)?;
        if requests.is_empty() {
            return Err(format!(
                "{} takes nothing back by itself; remove the app in the account there",
                provider.name
            ));
        }
        for request in requests {
            self.tell(access, provider, request).await.map_err(left)?;
        }
        Ok(())
    }

    /// The calls that take back what this credential has.
    async fn requests(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &Provider,
        oauth: &OAuth,
        credential: &OpenCredential,
    ) -> Result<Vec<RequestBuilder>> {
        let grant = credential.grant().ok_or(Error::NotFound("connection"))?;
        let app = self.app_of(access, provider, grant.own_app).await?;
        if grant.installation {
            return self
                .uninstall(provider, credential)
                .map(|request| vec![request]);
        }
        let access_token = credential.secret(&oauth.token.access_token.field).ok();
        let refresh = oauth.token.refresh_token.as_ref();
        let refresh_token = refresh.and_then(|place| credential.secret(&place.field).ok());
        let post = |url: &str| -> Result<RequestBuilder> {
            let url = self.beside(provider, url)?;
            self.outbound(&provider.id, Method::POST, url.as_str())
        };
        match &oauth.revoke {
            None => Ok(Vec::new()),
            Some(Revoke::Form { url, client }) => refresh_token
                .into_iter()
                .chain(access_token)
                .map(|token| Ok(form(post(url)?, *client, &app, token)))
                .collect(),
            Some(Revoke::Bearer { url }) => access_token
                .into_iter()
                .map(|token| Ok(post(url)?.bearer_auth(token.expose())))
                .collect(),
            Some(Revoke::GithubToken { url }) => {
                let url = self.beside(provider, &url.replace("{client_id}", &app.client_id))?;
                access_token
                    .into_iter()
                    .map(|token| {
                        let request = self.outbound(&provider.id, Method::DELETE, url.as_str())?;
                        Ok(request
                            .basic_auth(&app.client_id, Some(app.client_secret.expose()))
                            .header(header::ACCEPT, "application/vnd.github+json")
                            .header("x-github-api-version", "2022-11-28")
                            .json(&json!({ "access_token": token.expose() })))
                    })
                    .collect()
            }
        }
    }

    /// docs.github.com/en/rest/apps/apps#delete-an-installation-for-the-authenticated-app
    fn uninstall(
        &self,
        provider: &Provider,
        credential: &OpenCredential,
    ) -> Result<RequestBuilder> {
        let jwt = github_app::jwt(
            credential.field("app_id")?,
            credential.secret("private_key")?,
            OffsetDateTime::now_utc(),
        )?;
        let id = credential.field("installation_id")?;
        let base = self.provider_settings(&provider.id).base_url;
        let base = base
            .or_else(|| provider.usual_base_url())
            .unwrap_or_default();
        let url = format!("{base}/app/installations/{id}");
        Ok(self
            .outbound(&provider.id, Method::DELETE, &url)?
            .bearer_auth(jwt.expose())
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28"))
    }

    async fn tell(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &Provider,
        request: RequestBuilder,
    ) -> Result<()> {
        let outcome = self
            .send(access, &provider.id, OPERATION, request, |raw| {
                let body = raw.json();
                let error = body["error"].as_str().unwrap_or_default();
                // RFC 7009, section 2.2: a token that is gone already is no error; Google says
                // `invalid_token` of one whose other half was taken back just now.
                let gone = matches!(
                    error,
                    "invalid_token" | "token_revoked" | "token_expired" | "invalid_auth"
                );
                let refused = body["ok"] == json!(false) || !raw.status.is_success();
                match refused && !gone && raw.status != StatusCode::NOT_FOUND {
                    false => (Ok(()), None),
                    true => {
                        let detail = format!("answered {}", raw.status.as_u16());
                        (Err((raw.status, detail.clone())), Some(detail))
                    }
                }
            })
            .await?;
        let (status, detail) = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err((status, detail))) => (Some(status.as_u16()), detail),
            Err(unreached) => (None, unreached.0.to_owned()),
        };
        Err(Error::Provider {
            provider: provider.id.clone(),
            status,
            detail,
            retryable: true,
        })
    }
}

/// The provider of a credential, and whether it was connected by consent.
async fn kept(access: &Access<CredentialsWrite>, id: CredentialId) -> Result<(String, bool)> {
    let mut tx = access.read().await?;
    let row = sqlx::query!(
        r#"SELECT c.provider, g.credential_id IS NOT NULL AS "granted!"
           FROM cell.credential c LEFT JOIN cell.oauth_grant g ON g.credential_id = c.id
           WHERE c.id = $1"#,
        id.uuid()
    )
    .fetch_optional(tx.conn())
    .await?
    .ok_or(Error::NotFound("connection"))?;
    tx.commit().await?;
    Ok((row.provider, row.granted))
}

/// RFC 7009, section 2.1.
fn form(
    request: RequestBuilder,
    client: Option<ClientProof>,
    app: &super::OAuthApp,
    token: &Secret,
) -> RequestBuilder {
    let form = vec![("token", token.expose())];
    match client {
        None => request.form(&form),
        Some(proof) => proven(request, proof, app, form),
    }
}
