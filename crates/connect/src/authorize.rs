//! From an opened credential to what a request must carry: the address, the proof, the headers.
//! The catalogue's `[api]` says how; nobody else knows a provider's way to authenticate.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use kernel::{Access, Error, Result, permission::Permission, secret::Secret};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    Connect, OpenCredential,
    catalogue::{Api, Auth, FieldTemplate, Provider},
};

/// RFC 3986, section 2.3: what is left as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// RFC 3986, section 3.3: a path's segment may hold a colon, and Telegram's tokens do.
const SEGMENT: &AsciiSet = &ESCAPED.remove(b':');

/// What makes a request the tenant's own. It lives for one call.
pub struct Authorization {
    base_url: String,
    tenant_host: bool,
    path_prefix: Secret,
    headers: HeaderMap,
    secrets: Vec<Secret>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization({})", self.base_url)
    }
}

impl Authorization {
    /// Where the provider's API is, without a trailing slash and without any secret.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Whether the tenant chose the host, so that it must be checked before it is called.
    pub fn tenant_host(&self) -> bool {
        self.tenant_host
    }

    /// The whole address of a path below the base URL, which begins with a slash. For some
    /// providers it holds the secret, so it is shown nowhere.
    pub fn url(&self, path: &str) -> Secret {
        Secret::new(format!(
            "{}{}{path}",
            self.base_url,
            self.path_prefix.expose()
        ))
    }

    /// The proof and the headers that the provider demands. Values with secrets are marked as
    /// sensitive.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The text without any form of the secrets: as they are, escaped as in a URL, and as the
    /// header says them.
    pub fn redact(&self, text: &str) -> String {
        self.secrets
            .iter()
            .map(Secret::expose)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// One that only hides these secrets.
    #[cfg(test)]
    pub(crate) fn hiding(secrets: &[Secret]) -> Self {
        let mut authorization = Self {
            base_url: "https://example.com".to_owned(),
            tenant_host: false,
            path_prefix: Secret::new(""),
            headers: HeaderMap::new(),
            secrets: Vec::new(),
        };
        secrets.iter().for_each(|secret| authorization.hide(secret));
        authorization
    }

    fn prove(&mut self, name: HeaderName, value: &Secret) -> Result<()> {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
            Error::invalid("the credential holds characters that no header can carry")
        })?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    fn bearer(&mut self, token: &Secret) -> Result<()> {
        self.hide(token);
        let value = Secret::new(format!("Bearer {}", token.expose()));
        self.prove(header::AUTHORIZATION, &value)
    }

    fn hide(&mut self, secret: &Secret) {
        let escaped = utf8_percent_encode(secret.expose(), ESCAPED).to_string();
        self.secrets.push(secret.clone());
        self.secrets.push(Secret::new(escaped));
    }
}

impl Connect {
    /// What a call with this credential needs. For providers with short-lived tokens this may ask
    /// the provider for one, so no transaction may be open. The opened credential is the proof that
    /// the caller may use it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the credential lacks what the provider's API asks for,
    /// [`Error::Provider`] where the provider gives no token for it, `reconnect_required` where it
    /// was connected by consent that the provider does not hold to any more.
    pub async fn authorize<P: Permission>(
        &self,
        access: &Access<P>,
        credential: &OpenCredential,
    ) -> Result<Authorization> {
        let current = self.current(access, credential).await?;
        let credential = current.as_ref().unwrap_or(credential);
        let provider = self.catalogue().get(&credential.provider);
        let api = provider.and_then(|provider| provider.api.as_ref());
        let (Some(provider), Some(api)) = (provider, api) else {
            return Err(Error::invalid(format!(
                "the provider `{}` has no API in the catalogue",
                credential.provider
            )));
        };
        let configured = self.provider_settings(&provider.id).base_url;
        let mut authorization = Authorization {
            tenant_host: api.tenant_host && configured.is_none(),
            base_url: match configured {
                Some(url) => url,
                None => base_url(provider, api, credential)?,
            },
            path_prefix: Secret::new(""),
            headers: constant_headers(api, credential)?,
            secrets: Vec::new(),
        };
        // Whatever way is taken: an answer may quote any of them.
        credential
            .secrets()
            .for_each(|secret| authorization.hide(secret));
        let way = way(api, credential).ok_or_else(|| lacking(provider, api))?;
        match way {
            Auth::Bearer(way) => authorization.bearer(credential.secret(&way.secret)?)?,
            Auth::Basic(way) => {
                let user = filled(&way.user, credential)?;
                let password = credential.secret(&way.password)?;
                let pair = Secret::new(format!("{user}:{}", password.expose()));
                let encoded = Secret::new(BASE64_STANDARD.encode(pair.expose()));
                let value = Secret::new(format!("Basic {}", encoded.expose()));
                authorization.secrets.push(encoded);
                authorization.prove(header::AUTHORIZATION, &value)?;
            }
            Auth::Header(way) => {
                let secret = credential.secret(&way.secret)?;
                let value = Secret::new(format!("{}{}", way.prefix, secret.expose()));
                authorization.prove(way.name.clone(), &value)?;
            }
            Auth::PathPrefix(way) => {
                let prefix = way.template.fill(|field| {
                    let secret = credential.secret(field)?;
                    Ok::<_, Error>(utf8_percent_encode(secret.expose(), SEGMENT).to_string())
                })?;
                authorization.path_prefix = Secret::new(prefix);
            }
            Auth::ClientCredentials(_) | Auth::RefreshToken(_) | Auth::GithubApp(_) => {
                let token = self.token(access, credential, &authorization, way).await?;
                authorization.bearer(&token)?;
            }
            Auth::None => {}
        }
        Ok(authorization)
    }

    /// An endpoint beside the API, such as the one for tokens. Where the configuration replaces
    /// the API's address, it replaces the origin of these too, and their path is kept.
    pub(crate) fn endpoint(
        &self,
        template: &FieldTemplate,
        credential: &OpenCredential,
    ) -> Result<String> {
        let provider = self.known_provider(&credential.provider)?;
        let url = address(template, provider, credential)?;
        match self.provider_settings(&provider.id).base_url {
            None => Ok(url),
            Some(base) => {
                let path = url::Url::parse(&url).map_err(Error::internal)?;
                Ok(format!("{base}{}", path.path()))
            }
        }
    }
}

/// The first way whose fields the credential has.
pub(crate) fn way<'a>(api: &'a Api, credential: &OpenCredential) -> Option<&'a Auth> {
    api.auth.iter().find(|way| {
        way.fields().iter().all(|(field, secret)| match secret {
            true => credential.secret(field).is_ok(),
            false => credential.field(field).is_ok(),
        })
    })
}

fn lacking(provider: &Provider, api: &Api) -> Error {
    let ways: Vec<String> = api
        .auth
        .iter()
        .map(|way| {
            let names: Vec<&str> = way.fields().into_iter().map(|(field, _)| field).collect();
            names.join(" and ")
        })
        .collect();
    Error::invalid(format!(
        "the {} credential has no {}; complete it under credentials",
        provider.name,
        ways.join(", and no ")
    ))
}

/// A field's value, or what the catalogue says of credentials that were saved without one.
fn value<'a>(
    provider: &'a Provider,
    credential: &'a OpenCredential,
    name: &str,
) -> Result<&'a str> {
    credential.field(name).or_else(|lacking| {
        let field = provider.credential.field(name);
        field
            .and_then(|field| field.default.as_deref())
            .ok_or(lacking)
    })
}

fn base_url(provider: &Provider, api: &Api, credential: &OpenCredential) -> Result<String> {
    if !api.tenant_host {
        return address(&api.base_url, provider, credential);
    }
    let url = api.base_url.fill(|name| {
        value(provider, credential, name).map(|url| url.trim_end_matches('/').to_owned())
    })?;
    let sound = url::Url::parse(&url).is_ok_and(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    sound.then_some(url).ok_or_else(|| {
        Error::invalid(format!(
            "the {} credential's address is not a URL without user, query and fragment",
            provider.name
        ))
    })
}

/// An address whose host the catalogue decides. A value can be nothing but a part of that host.
fn address(
    template: &FieldTemplate,
    provider: &Provider,
    credential: &OpenCredential,
) -> Result<String> {
    template.fill(|name| {
        let value = value(provider, credential, name)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let sound = !value.is_empty()
            && value.chars().all(plain)
            && !value.starts_with(['.', '-'])
            && !value.ends_with(['.', '-']);
        sound.then(|| value.to_owned()).ok_or_else(|| {
            Error::invalid(format!(
                "`{name}` of the {} credential can't be part of a host's name",
                provider.name
            ))
        })
    })
}

fn filled(template: &FieldTemplate, credential: &OpenCredential) -> Result<String> {
    template.fill(|name| credential.field(name).map(str::to_owned))
}

/// A path with fields, each escaped as one segment that cannot reach another path.
pub(crate) fn path(template: &FieldTemplate, credential: &OpenCredential) -> Result<String> {
    template.fill(|name| {
        let value = credential.field(name)?;
        if value.is_empty() || matches!(value, "." | "..") {
            return Err(Error::invalid(format!("`{name}` can't stand in a path")));
        }
        Ok(utf8_percent_encode(value, SEGMENT).to_string())
    })
}

fn constant_headers(api: &Api, credential: &OpenCredential) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, template) in &api.headers {
        if template
            .fields()
            .any(|field| credential.field(field).is_err())
        {
            continue;
        }
        let value = filled(template, credential)?;
        let name = HeaderName::try_from(name).map_err(Error::internal)?;
        let value = HeaderValue::try_from(value)
            .map_err(|_| Error::invalid(format!("the value for `{name}` is no header's")))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
