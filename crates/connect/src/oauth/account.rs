//! Which account was connected: asked of the provider, and never taken from the browser.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use http::{HeaderMap, Method, header};
use kernel::{Access, Error, Result, id::CredentialId, permission::Permission, secret::Secret};
use serde_json::Value;

use super::{exchange::Tokens, flow::invalid};
use crate::{
    Connect, OpenCredential,
    call::Failure,
    catalogue::{AccountSource, OAuth, Provider},
    credentials::Environment,
};

/// For metrics and traces.
const OPERATION: &str = "oauth.account";

/// A workspace, an organisation or a person at a provider.
#[derive(Debug, Clone)]
pub(super) struct AccountThere {
    pub id: String,
    pub name: String,
}

impl Connect {
    /// Whose tokens these are.
    pub(super) async fn connected_account<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        oauth: &OAuth,
        tokens: &Tokens,
    ) -> Result<AccountThere> {
        let document = match &oauth.account.from {
            AccountSource::Token => tokens.answer.clone(),
            AccountSource::IdToken => claims(&tokens.answer).unwrap_or_default(),
            AccountSource::Request { path, body } => {
                let field = &oauth.token.access_token.field;
                let token = &tokens.access_token;
                self.ask_with(access, provider, field, token, path, body.as_deref())
                    .await?
            }
        };
        let headers = HeaderMap::new();
        let account = &oauth.account;
        let id = account.id.in_answer(&headers, &document);
        let name = account.name.in_answer(&headers, &document);
        // Slack gives no team where a whole organisation installs the app.
        let id = id.ok_or_else(|| {
            invalid(format!(
                "{} did not say which account it is; connect a single one",
                provider.name
            ))
        })?;
        Ok(AccountThere {
            name: name.unwrap_or_else(|| id.clone()),
            id,
        })
    }

    /// A call of the provider's API with a token that is not kept yet.
    pub(super) async fn ask_with<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        field: &str,
        token: &Secret,
        path: &str,
        body: Option<&str>,
    ) -> Result<Value> {
        let secrets = BTreeMap::from([(field.to_owned(), token.clone())]);
        let (id, environment) = (CredentialId::new(), Environment::Live);
        let credential =
            OpenCredential::new(id, &provider.id, environment, BTreeMap::new(), secrets);
        let authorization = Box::pin(self.authorize(access, &credential)).await?;
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let request = self.request(&provider.id, &authorization, method, path)?;
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_owned()),
            None => request,
        };
        let outcome = self
            .send(access, &provider.id, OPERATION, request, |raw| {
                if raw.status.is_success() {
                    return (Ok(raw.json()), None);
                }
                let detail = format!(
                    "answered {}: {}",
                    raw.status.as_u16(),
                    raw.quote(&authorization)
                );
                let failure = Failure {
                    status: Some(raw.status),
                    detail: detail.clone(),
                    retryable: raw.status.is_server_error(),
                };
                (Err(failure), Some(detail))
            })
            .await?;
        match outcome {
            Ok(Ok(document)) => Ok(document),
            Ok(Err(failure)) => Err(failure.told(&provider.id)),
            Err(unreached) => Err::<_, Error>(Failure::from(unreached).told(&provider.id)),
        }
    }
}

/// The claims of the answer's ID token.
fn claims(answer: &Value) -> Option<Value> {
    let token = answer.get("id_token")?.as_str()?;
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_read_from_the_middle() {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"1","email":"a@b.c"}"#);
        let answer = json!({ "id_token": format!("e30.{payload}.sig") });
        assert_eq!(
            claims(&answer),
            Some(json!({ "sub": "1", "email": "a@b.c" }))
        );
        for wrong in [
            json!({}),
            json!({ "id_token": "x" }),
            json!({ "id_token": "a.b.c" }),
        ] {
            assert_eq!(claims(&wrong), None);
        }
    }
}
