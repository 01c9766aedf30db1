//! The token endpoint: codes and refresh tokens in, tokens out. What comes back is read by the
//! catalogue's places; what is wrong with it is told without a token in it.

use http::{HeaderMap, Method, StatusCode, header};
use kernel::{Access, Error, Result, permission::Permission, secret::Secret};
use reqwest::RequestBuilder;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::{Url, form_urlencoded};

use super::app::OAuthApp;
use crate::{
    Connect,
    call::Raw,
    catalogue::{ClientProof, OAuth, Provider},
    webhook::Selector,
};

/// For metrics and traces.
const OPERATION: &str = "oauth.token";
/// The longest life of a token that is believed.
const LONGEST: i64 = 10 * 365 * 86_400;

/// What a provider gave for a code or a refresh token. Not to be printed: the answer holds the
/// tokens in clear.
pub(super) struct Tokens {
    pub access_token: Secret,
    pub refresh_token: Option<Secret>,
    pub expires_at: Option<OffsetDateTime>,
    /// Absent where the answer does not say.
    pub scopes: Option<Vec<String>>,
    /// The whole answer, for what else it tells.
    pub answer: Value,
}

/// Why there are no tokens.
#[derive(Debug)]
pub(super) enum NoTokens {
    /// The provider says that the code or refresh token is none, or none any more.
    Ended(String),
    /// Anything else: it may be different another time. With how long it asks to wait.
    Failed {
        status: Option<StatusCode>,
        detail: String,
        wait: Option<Duration>,
    },
}

impl NoTokens {
    pub fn told(self, provider: &Provider) -> Error {
        let (status, detail, retryable) = match self {
            Self::Ended(detail) => (None, detail, false),
            Self::Failed { status, detail, .. } => (status, detail, true),
        };
        Error::Provider {
            provider: provider.id.clone(),
            status: status.map(|status| status.as_u16()),
            detail,
            retryable,
        }
    }
}

/// What a grant is, beside the app's proof.
pub(super) enum Grant<'a> {
    Code {
        code: &'a Secret,
        redirect_uri: &'a str,
        verifier: Option<&'a Secret>,
    },
    Refresh(&'a Secret),
}

impl Connect {
    /// An address of the provider's beside its API. Where the configuration replaces the API's
    /// address, it replaces the origin of these too, and their path is kept.
    pub(super) fn beside(&self, provider: &Provider, url: &str) -> Result<Url> {
        let known = Url::parse(url).map_err(Error::internal)?;
        match self.provider_settings(&provider.id).base_url {
            None => Ok(known),
            Some(base) => {
                let text = format!("{}{}", base.trim_end_matches('/'), known.path());
                Url::parse(&text).map_err(Error::internal)
            }
        }
    }

    /// Asks the token endpoint. No transaction may be open.
    pub(super) async fn ask_for_tokens<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        oauth: &OAuth,
        app: &OAuthApp,
        grant: Grant<'_>,
    ) -> Result<std::result::Result<Tokens, NoTokens>> {
        let mut form = Vec::new();
        match grant {
            Grant::Code {
                code,
                redirect_uri,
                verifier,
            } => {
                form.push(("grant_type", "authorization_code"));
                form.push(("code", code.expose()));
                form.push(("redirect_uri", redirect_uri));
                if let Some(verifier) = verifier {
                    form.push(("code_verifier", verifier.expose()));
                }
            }
            Grant::Refresh(token) => {
                form.push(("grant_type", "refresh_token"));
                form.push(("refresh_token", token.expose()));
            }
        }
        let url = self.beside(provider, &oauth.token_url)?;
        let request = self
            .outbound(&provider.id, Method::POST, url.as_str())?
            // GitHub answers with a form otherwise.
            .header(header::ACCEPT, "application/json");
        let request = proven(request, oauth.client, app, form);
        let asked = OffsetDateTime::now_utc();
        let outcome = self
            .send(access, &provider.id, OPERATION, request, |raw| {
                let tokens = read(provider, oauth, raw, asked);
                let error = tokens.as_ref().err().map(|none| match none {
                    NoTokens::Ended(detail) | NoTokens::Failed { detail, .. } => detail.clone(),
                });
                (tokens, error)
            })
            .await?;
        Ok(outcome.unwrap_or_else(|unreached| {
            Err(NoTokens::Failed {
                status: None,
                detail: unreached.0.to_owned(),
                wait: None,
            })
        }))
    }
}

/// A form with the app's proof in the place where the provider wants it.
pub(super) fn proven<'a>(
    request: RequestBuilder,
    proof: ClientProof,
    app: &'a OAuthApp,
    mut form: Vec<(&'a str, &'a str)>,
) -> RequestBuilder {
    match proof {
        ClientProof::Form => {
            form.push(("client_id", &app.client_id));
            form.push(("client_secret", app.client_secret.expose()));
            request.form(&form)
        }
        // Both are form-encoded before they go into the header (RFC 6749, section 2.3.1).
        ClientProof::Basic => {
            let encoded = |text: &str| -> String {
                form_urlencoded::byte_serialize(text.as_bytes()).collect()
            };
            let password = Secret::new(encoded(app.client_secret.expose()));
            request
                .basic_auth(encoded(&app.client_id), Some(password.expose()))
                .form(&form)
        }
    }
}

fn read(
    provider: &Provider,
    oauth: &OAuth,
    raw: &Raw,
    asked: OffsetDateTime,
) -> std::result::Result<Tokens, NoTokens> {
    let body = raw.json();
    let headers = HeaderMap::new();
    let at = |place: &Selector| place.in_answer(&headers, &body);
    let named = oauth.token.error.as_ref().and_then(at);
    let named = named.or_else(|| Some(body.get("error")?.as_str()?.to_owned()));
    if let (true, None) = (raw.status.is_success(), &named) {
        let access_token = at(&oauth.token.access_token.at).ok_or_else(|| NoTokens::Failed {
            status: Some(raw.status),
            detail: "answered without a token".to_owned(),
            wait: None,
        })?;
        let refresh = oauth.token.refresh_token.as_ref();
        let lasts = oauth.token.expires_in.as_ref().and_then(at);
        // Whole seconds, as a number or as text.
        let lasts = lasts.and_then(|text| text.parse::<i64>().ok());
        return Ok(Tokens {
            access_token: Secret::new(access_token),
            refresh_token: refresh.and_then(|place| at(&place.at)).map(Secret::new),
            expires_at: lasts
                .filter(|seconds| *seconds > 0)
                .map(|seconds| asked + Duration::seconds(seconds.min(LONGEST))),
            scopes: scopes(oauth, &headers, &body),
            answer: body,
        });
    }
    let code: String = named
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        .take(60)
        .collect();
    let ended = code == "invalid_grant" || oauth.ended.contains(&code);
    let detail = match code.as_str() {
        "" => format!("answered {} without a token", raw.status.as_u16()),
        code => format!("gave no token: {code}"),
    };
    if ended && !raw.status.is_server_error() {
        return Err(NoTokens::Ended(detail));
    }
    let retry = provider.api.as_ref().map(|api| &api.retry);
    Err(NoTokens::Failed {
        status: Some(raw.status),
        detail,
        wait: retry.and_then(|retry| retry.wait(&raw.headers, &body, OffsetDateTime::now_utc())),
    })
}

fn scopes(oauth: &OAuth, headers: &HeaderMap, body: &Value) -> Option<Vec<String>> {
    let found = oauth.token.scopes.as_ref()?.all_in_answer(headers, body);
    if found.is_empty() {
        return None;
    }
    let separator = oauth.granted_separator.as_deref();
    let separator = separator.unwrap_or(&oauth.scope_separator);
    let scopes = found
        .iter()
        .flat_map(|text| text.split(separator))
        .map(str::trim)
        .filter(|scope| !scope.is_empty());
    Some(scopes.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    fn tokens(id: &str, status: u16, body: &Value) -> std::result::Result<Tokens, NoTokens> {
        let catalogue = Catalogue::builtin();
        let provider = catalogue.get(id).expect("is built in");
        let raw = Raw {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: HeaderMap::from_iter([(
                header::RETRY_AFTER,
                header::HeaderValue::from_static("7"),
            )]),
            text: body.to_string(),
        };
        let oauth = provider.oauth.as_ref().expect("consents");
        read(provider, oauth, &raw, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn answers_are_read_by_the_catalogue() {
        let found = tokens(
            "slack",
            200,
            &json!({ "ok": true, "access_token": "xoxe.xoxb-1", "refresh_token": "xoxe-1",
                "expires_in": 43200, "scope": "chat:write,users:read", "team": { "id": "T1" } }),
        )
        .expect("tokens");
        assert_eq!(found.access_token.expose(), "xoxe.xoxb-1");
        assert_eq!(
            found.expires_at,
            Some(OffsetDateTime::UNIX_EPOCH + Duration::hours(12))
        );
        assert_eq!(
            found.scopes,
            Some(vec!["chat:write".into(), "users:read".into()])
        );
        let found = tokens(
            "github",
            200,
            &json!({ "access_token": "gho_1", "token_type": "bearer", "scope": "repo,read:org" }),
        )
        .expect("tokens");
        assert!(found.expires_at.is_none() && found.refresh_token.is_none());
    }

    #[test]
    fn refusals_that_end_are_told_from_those_that_pass() {
        for (provider, status, error, ends) in [
            ("slack", 200, "invalid_refresh_token", true),
            ("slack", 200, "internal_error", false),
            ("slack", 429, "ratelimited", false),
            ("linear", 400, "invalid_grant", true),
            ("linear", 401, "invalid_client", false),
            ("github", 200, "bad_refresh_token", true),
            ("github", 200, "incorrect_client_credentials", false),
            ("google_calendar", 400, "invalid_grant", true),
            ("google_calendar", 503, "invalid_grant", false),
        ] {
            let none = tokens(provider, status, &json!({ "ok": false, "error": error }))
                .err()
                .expect("no tokens");
            assert_eq!(
                matches!(none, NoTokens::Ended(_)),
                ends,
                "{provider} {error}"
            );
            if let NoTokens::Failed { wait, .. } = none {
                assert_eq!(wait, Some(Duration::seconds(7)));
            }
        }
    }

    #[test]
    fn what_is_quoted_is_the_code_alone() {
        let none = tokens(
            "linear",
            400,
            &json!({ "error": "x <b>y", "refresh_token": "r" }),
        );
        let error = none.err().expect("no tokens");
        assert!(matches!(error, NoTokens::Failed { detail, .. } if detail == "gave no token: xby"));
    }
}
