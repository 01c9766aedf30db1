//! GitHub Apps: installing one, and proving that an installation is that of whoever came back. The
//! id in the address could be anybody's, so the person's own token is asked for theirs.
//!
//! Source: docs.github.com, "About the setup URL" ("bad actors can hit this URL with a spoofed
//! `installation_id`") and "List app installations accessible to the user access token" (read
//! 2026-11). The installation's tokens are minted in `crate::tokens`.

use std::collections::BTreeMap;

use kernel::{Access, Result, permission::Permission, secret::Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::{
    OAuthApp, Way,
    app::Chosen,
    exchange::Tokens,
    flow::invalid,
    grant::{Kept, webhook_secret},
};
use crate::{
    Connect, OpenCredential,
    catalogue::{Auth, Installation, OAuth, Provider},
};

/// Installations of a page, the most that GitHub gives, and the most pages that are looked through.
const PAGE: usize = 100;
const PAGES: usize = 20;

impl Connect {
    /// Where a browser is sent to install the app.
    pub(super) fn to_install(
        &self,
        provider: &Provider,
        oauth: &OAuth,
        app: &OAuthApp,
        state: &Secret,
    ) -> Result<Url> {
        let described = described(provider, oauth)?;
        let (Some(slug), Some(_), Some(_)) = (&app.app_slug, &app.app_id, &app.private_key) else {
            return Err(invalid(format!(
                "the {} app that is set up here has no slug, id and key, so it can't be installed",
                provider.name
            )));
        };
        let slug = utf8_percent_encode(slug, NON_ALPHANUMERIC)
            .to_string()
            .replace("%2D", "-");
        let mut to = self.beside(provider, &described.url.replace("{app_slug}", &slug))?;
        to.query_pairs_mut().append_pair("state", state.expose());
        Ok(to)
    }

    /// The installation, if it is one of those that the person may see.
    pub(super) async fn installed<P: Permission>(
        &self,
        access: &Access<P>,
        provider: &Provider,
        oauth: &OAuth,
        chosen: &Chosen,
        id: &str,
        tokens: &Tokens,
    ) -> Result<Kept> {
        let described = described(provider, oauth)?;
        let field = &oauth.token.access_token.field;
        let mut found = None;
        for page in 1..=PAGES {
            let path = format!("{}?per_page={PAGE}&page={page}", described.list);
            let token = &tokens.access_token;
            let answer = self
                .ask_with(access, provider, field, token, &path, None)
                .await?;
            let theirs = answer["installations"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            found = theirs.iter().find(|one| number(&one["id"]) == id).cloned();
            if found.is_some() || theirs.len() < PAGE {
                break;
            }
        }
        let found = found.filter(|_| !id.is_empty()).ok_or_else(|| {
            invalid(format!(
                "the installation is none of yours at {}",
                provider.name
            ))
        })?;
        let app_id = chosen.app.app_id.clone().unwrap_or_default();
        if number(&found["app_id"]) != app_id {
            return Err(invalid(
                "the installation is of another app than the one that was asked",
            ));
        }
        let permissions = found["permissions"].as_object();
        let scopes = permissions
            .into_iter()
            .flatten()
            .filter_map(|(name, level)| Some(format!("{name}:{}", level.as_str()?)));
        let name = found["account"]["login"].as_str().unwrap_or(id);
        Ok(Kept {
            account_id: id.to_owned(),
            account_name: name.to_owned(),
            way: Way::Installation,
            own_app: chosen.own,
            client_id: chosen.app.client_id.clone(),
            scopes: scopes.collect(),
            expires_at: None,
            fields: BTreeMap::from([
                (described.installation_field.clone(), id.to_owned()),
                (described.app_field.clone(), app_id),
            ]),
            secrets: webhook_secret(provider, &chosen.app).into_iter().collect(),
        })
    }

    /// An installation's credential with the app's key, which is kept with the app and nowhere else:
    /// it can be replaced there for all installations at once.
    pub(super) async fn with_app_key<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
        own: bool,
    ) -> Result<OpenCredential> {
        let provider = self.known_provider(&credential.provider)?;
        let app = self.app_of(access, provider, own).await?;
        let ways = provider.api.as_ref().map(|api| api.auth.as_slice());
        let field = ways.into_iter().flatten().find_map(|way| match way {
            Auth::GithubApp(way) => Some(way.private_key.clone()),
            _ => None,
        });
        match (field, app.private_key) {
            (Some(field), Some(key)) => Ok(credential.with_secret(field, key)),
            _ => Err(invalid("the app that is set up here has no key")),
        }
    }
}

fn described<'a>(provider: &Provider, oauth: &'a OAuth) -> Result<&'a Installation> {
    oauth
        .installation
        .as_ref()
        .ok_or_else(|| invalid(format!("{} has no apps that are installed", provider.name)))
}

fn number(value: &Value) -> String {
    value
        .as_u64()
        .map_or_else(String::new, |number| number.to_string())
}
