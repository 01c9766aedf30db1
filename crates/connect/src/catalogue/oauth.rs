//! The `[oauth]` part of a provider file: how a tenant's account is connected by consent instead of
//! by pasting a secret (RFC 6749, section 4.1). Types only.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::webhook::Selector;

/// The authorization code grant of one provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// Where the customer's browser is sent.
    pub authorize_url: String,
    pub token_url: String,
    /// Absent where the provider cannot take a token back by a call.
    pub revoke: Option<Revoke>,
    /// How the app proves itself to the token endpoint.
    pub client: ClientProof,
    /// Asked for unless a caller asks for less.
    pub scopes: Vec<String>,
    /// Between scopes in the authorization request.
    pub scope_separator: String,
    /// Between scopes in the token's answer, where it is another.
    pub granted_separator: Option<String>,
    /// Whether the provider checks a code challenge (RFC 7636, method S256).
    pub pkce: bool,
    /// Constant parameters of the authorization request.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    pub token: TokenAnswer,
    pub refresh: Refresh,
    /// Credential fields that the token's answer fills.
    #[serde(default)]
    pub fields: Vec<Granted>,
    pub account: ConnectedAccount,
    /// What the provider calls itself in `iss` where it sends browsers back with one (RFC 9207).
    pub issuer: Option<String>,
    /// Errors of the token endpoint by which a code or a refresh token is none any more, beside
    /// `invalid_grant`.
    #[serde(default)]
    pub ended: Vec<String>,
    /// The provider's id under which a tenant keeps an app of its own; its fields are those of
    /// `connect::OAuthApp`.
    pub own_app: Option<String>,
    /// Where the app can be installed instead, as GitHub Apps are.
    pub installation: Option<Installation>,
}

impl OAuth {
    /// Whether consent fills this field of a credential: then nobody else may.
    pub fn fills(&self, name: &str) -> bool {
        let granted = self.granted().map(|granted| granted.field.as_str());
        let fields = self.fields.iter().map(|granted| granted.field.as_str());
        let installed = self.installation.iter();
        let installed = installed.flat_map(|one| [&*one.installation_field, &*one.app_field]);
        granted
            .chain(fields)
            .chain(self.account.field.as_deref())
            .chain(installed)
            .any(|field| field == name)
    }

    /// The tokens of an answer.
    pub fn granted(&self) -> impl Iterator<Item = &Granted> {
        std::iter::once(&self.token.access_token).chain(&self.token.refresh_token)
    }
}

/// Which account was connected: what its provider calls it, for machines and for people.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectedAccount {
    pub from: AccountSource,
    pub id: Selector,
    pub name: Selector,
    /// A credential field that keeps the id.
    pub field: Option<String>,
}

/// Which document says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountSource {
    /// The token's answer.
    Token,
    /// The claims of its `id_token`. It came from the token endpoint itself, so its signature need
    /// not be checked (OpenID Connect Core 1.0, section 3.1.3.7, item 6).
    IdToken,
    /// A call below the API's base URL, with the token: a GET, or a POST of this JSON document.
    Request { path: String, body: Option<String> },
}

/// The installation of a GitHub App. Its tokens are minted with the app's key; which installations
/// are a person's is asked with a token of theirs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// Where the browser is sent; `{app_slug}` is the app's.
    pub url: String,
    /// Below the API's base URL: the installations that a person may see, in pages.
    pub list: String,
    /// The credential fields of the installation's and the app's id.
    pub installation_field: String,
    pub app_field: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientProof {
    /// HTTP Basic.
    Basic,
    /// `client_id` and `client_secret` in the form.
    Form,
}

/// Where the token's answer holds what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenAnswer {
    pub access_token: Granted,
    /// Absent where there is never one.
    pub refresh_token: Option<Granted>,
    /// Where the lifetime in seconds stands. A token without one lasts until it is revoked.
    pub expires_in: Option<Selector>,
    pub scopes: Option<Selector>,
    /// An error that comes with status 200, as Slack's and GitHub's do.
    pub error: Option<Selector>,
}

/// A value of the answer, and the credential field that keeps it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    pub at: Selector,
    pub field: String,
}

/// What a refresh token does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refresh {
    /// There are none.
    Never,
    /// It stays the same.
    Stays,
    /// Each refresh gives another, and the used one ends.
    Rotates,
}

/// How a token is taken back.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoke {
    /// A form with `token` (RFC 7009), without or with the app's proof.
    Form {
        url: String,
        client: Option<ClientProof>,
    },
    /// A POST that carries the token as its bearer.
    Bearer { url: String },
    /// GitHub's: DELETE with the app's Basic proof and a JSON body; `{client_id}` is the app's.
    GithubToken { url: String },
}
