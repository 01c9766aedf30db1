//! Where callers show their Freehold key: as `Authorization: Bearer`, or where the provider's own
//! library puts the provider's key, so that it works as it is with nothing but its base URL and key
//! changed.

use axum::{extract::Request, middleware::Next, response::Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use kernel::{access::api_key, error::Problem, secret::Secret};

/// On answers that are ours and not the provider's: the error's code.
const MARK: HeaderName = HeaderName::from_static("freehold-error");

/// The key as it was shown, for keeping it from the provider.
#[derive(Clone, Debug)]
pub(super) struct Shown(pub Secret);

/// Lets handlers find the key in the one place where they look for it, and marks our own errors.
pub(super) async fn around(mut request: Request, next: Next) -> Response {
    if let Some(key) = find(request.headers()) {
        if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose())) {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request.extensions_mut().insert(Shown(key));
    }
    let mut response = next.run(request).await;
    let code = response
        .extensions()
        .get::<Problem>()
        .map(|problem| problem.code);
    if let Some(code) = code {
        response
            .headers_mut()
            .insert(MARK, HeaderValue::from_static(code));
    }
    response
}

/// A key in `Authorization`, after whichever scheme or as the password of a name; then one that is
/// the whole of another header.
fn find(headers: &HeaderMap) -> Option<Secret> {
    let shown = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (scheme, text) = match shown.map(|shown| shown.split_once(' ').unwrap_or(("", shown))) {
        Some((scheme, text)) => (scheme, text.trim()),
        None => ("", ""),
    };
    if scheme.eq_ignore_ascii_case("bearer") && !text.is_empty() {
        return Some(Secret::new(text));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = BASE64_STANDARD.decode(text).ok()?;
        let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
        // Some providers take the key as the name, with or without a password.
        let found = [password, user]
            .into_iter()
            .find(|text| api_key::is_formed(text));
        return found.map(Secret::new);
    }
    let others = headers.values().filter_map(|value| value.to_str().ok());
    let mut found = std::iter::once(text).chain(others.map(str::trim));
    found.find(|text| api_key::is_formed(text)).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use kernel::{
        access::api_key::{Mode, NewKey},
        id::TenantId,
    };

    use super::*;

    fn found(name: &'static str, value: &str) -> Option<String> {
        let value = HeaderValue::from_str(value).expect("a value");
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
        find(&headers).map(|key| key.expose().to_owned())
    }

    #[test]
    fn a_key_is_found_where_libraries_put_keys() {
        let key = NewKey::generate("fh", Mode::Live, TenantId::new()).text;
        let key = key.expose();
        let basic = |pair: String| format!("Basic {}", BASE64_STANDARD.encode(pair));
        for (name, value) in [
            ("authorization", format!("Bearer {key}")),
            ("authorization", format!("token {key}")),
            ("authorization", format!("Bot {key}")),
            ("authorization", key.to_owned()),
            ("authorization", basic(format!("AC1:{key}"))),
            ("authorization", basic(format!("{key}:"))),
            ("xi-api-key", key.to_owned()),
            ("x-postmark-server-token", key.to_owned()),
        ] {
            assert_eq!(found(name, &value).as_deref(), Some(key), "{name}: {value}");
        }
        // A signed token is no key, and is shown in one way alone.
        assert_eq!(
            found("authorization", "Bearer a.b.c").as_deref(),
            Some("a.b.c")
        );
        for (name, value) in [
            ("authorization", "Basic !".to_owned()),
            ("authorization", basic("AC1:secret".into())),
            ("xi-api-key", "a.b.c".to_owned()),
            ("xi-api-key", format!("prefix {key}")),
            ("xi-api-key", key[..key.len() - 1].to_owned()),
        ] {
            assert_eq!(found(name, &value), None, "{name}: {value}");
        }
    }
}
