//! Browsers: the cookie that holds a session, where a request comes from, and the defence against
//! requests that other sites make a browser send.

use std::net::IpAddr;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
};

use crate::{
    client,
    error::{Error, Result},
    id::CorrelationId,
    secret::Secret,
    telemetry,
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How this installation is reached by browsers. The router adds it to every request as an
/// extension; without it no cookie is believed.
#[derive(Clone, Debug)]
pub struct Web {
    public_url: String,
    origin: String,
    secure: bool,
    staff_second_factor: bool,
}

impl Web {
    /// `public_url` is `http://` or `https://` with a host.
    pub fn new(public_url: &str, staff_second_factor: bool) -> Result<Self> {
        let url = url::Url::parse(public_url).map_err(Error::internal)?;
        Ok(Self {
            public_url: public_url.to_owned(),
            origin: url.origin().ascii_serialization(),
            secure: url.scheme() == "https",
            staff_second_factor,
        })
    }

    pub(super) fn public_url(&self) -> &str {
        &self.public_url
    }

    pub(super) fn staff_second_factor(&self) -> bool {
        self.staff_second_factor
    }

    /// Whether browsers reach the server by https.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// A cookie of the prefix is bound to this very host and to https (RFC 6265bis §4.1.3.2), so
    /// that no sibling domain can plant one; browsers refuse the prefix on plain http.
    fn cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-freehold_session"
        } else {
            "freehold_session"
        }
    }

    /// Holds the token of a sign-in that is not finished. It is no session's name, so that nothing
    /// but the end of that sign-in reads it.
    fn pending_cookie_name(&self) -> &'static str {
        if self.secure {
            "__Host-freehold_sign_in"
        } else {
            "freehold_sign_in"
        }
    }

    /// The `Set-Cookie` that gives a browser its session. It ends with the browser or with the
    /// session, whichever is first.
    pub fn cookie(&self, token: &Secret) -> Result<HeaderValue> {
        self.set_cookie(self.cookie_name(), token.expose(), "")
    }

    /// The `Set-Cookie` that takes it away.
    pub fn no_cookie(&self) -> Result<HeaderValue> {
        self.set_cookie(self.cookie_name(), "", "; Max-Age=0")
    }

    /// The `Set-Cookie` of a sign-in that waits for more.
    pub fn pending_cookie(&self, token: &Secret) -> Result<HeaderValue> {
        self.set_cookie(self.pending_cookie_name(), token.expose(), "")
    }

    /// The `Set-Cookie` that takes that away.
    pub fn no_pending_cookie(&self) -> Result<HeaderValue> {
        self.set_cookie(self.pending_cookie_name(), "", "; Max-Age=0")
    }

    /// The handle that a browser has for a way out of this host and back, as to an identity provider;
    /// `what` tells ways apart. Anything of another form was not made here.
    pub fn handle_of(&self, what: &'static str, headers: &HeaderMap) -> Option<Secret> {
        let value = cookie(headers, &self.handle_name(what))?;
        let made_here = value.len() == 43
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        made_here.then(|| Secret::new(value))
    }

    /// The `Set-Cookie` that gives a browser such a handle, for so many seconds. It is `Lax`, because
    /// the browser comes back from another site.
    pub fn handle_cookie(
        &self,
        what: &'static str,
        handle: &Secret,
        seconds: i64,
    ) -> Result<HeaderValue> {
        let more = format!("; Max-Age={seconds}");
        self.set_cookie(&self.handle_name(what), handle.expose(), &more)
    }

    /// Bound to this very host where the address allows it, as the session's is.
    fn handle_name(&self, what: &'static str) -> String {
        let prefix = if self.secure { "__Host-" } else { "" };
        format!("{prefix}freehold_{what}")
    }

    fn set_cookie(&self, name: &str, value: &str, more: &str) -> Result<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{more}");
        let mut header = HeaderValue::from_str(&text).map_err(Error::internal)?;
        header.set_sensitive(!value.is_empty());
        Ok(header)
    }

    /// The token of the request's session cookie, once the request is known not to be another
    /// site's doing.
    pub(super) fn session_token<'a>(&self, parts: &'a Parts) -> Result<Option<&'a str>> {
        self.token(parts, self.cookie_name())
    }

    fn token<'a>(&self, parts: &'a Parts, name: &str) -> Result<Option<&'a str>> {
        let Some(token) = cookie(&parts.headers, name) else {
            return Ok(None);
        };
        self.require_same_origin(&parts.method, &parts.headers)?;
        Ok(Some(token))
    }

    /// Refuses unsafe methods from other sites: browsers say where a request comes from in
    /// `Sec-Fetch-Site`, older ones in `Origin`. The rule of Go 1.25's
    /// `http.CrossOriginProtection`, except that a request with a cookie and neither header is
    /// refused as well, because every browser since 2020 sends one of them.
    fn require_same_origin(&self, method: &Method, headers: &HeaderMap) -> Result<()> {
        if method.is_safe() {
            return Ok(());
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let own = match headers.contains_key(FETCH_SITE) {
            true => matches!(text(FETCH_SITE), Some("same-origin" | "none")),
            false => text(header::ORIGIN) == Some(&self.origin),
        };
        if own { Ok(()) } else { Err(Error::CrossOrigin) }
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            (found == name && !value.is_empty()).then_some(value)
        })
}

/// The token of a sign-in that this browser has begun and not finished. Proves nothing: what it
/// stands for is looked up by identity.
#[derive(Debug)]
pub struct PendingToken(pub Option<Secret>);

impl<S: Send + Sync> FromRequestParts<S> for PendingToken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(web) = parts.extensions.get::<Web>() else {
            return Ok(Self(None));
        };
        let token = web.token(parts, web.pending_cookie_name())?;
        Ok(Self(token.map(Secret::new)))
    }
}

/// Where a request comes from, as it stands in audit entries and sessions. Proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    pub correlation: CorrelationId,
}

impl Visitor {
    pub(super) fn here() -> Self {
        let client = client::current();
        Self {
            address: client.as_ref().and_then(|client| client.address),
            user_agent: client.and_then(|client| client.user_agent.clone()),
            correlation: telemetry::correlation(),
        }
    }

    /// What tries are counted by: an IPv4 address, or the /64 that one subscriber is given of IPv6.
    pub fn network(&self) -> Option<String> {
        Some(match self.address?.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        // A form of another site's must not sign a browser in as somebody else either.
        // Programs that are no browsers send neither header and have no cookie to be misused.
        let is_browser = [FETCH_SITE, header::ORIGIN]
            .iter()
            .any(|name| parts.headers.contains_key(name));
        if let Some(web) = parts.extensions.get::<Web>()
            && is_browser
        {
            web.require_same_origin(&parts.method, &parts.headers)?;
        }
        Ok(Self::here())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn web(url: &str) -> Web {
        Web::new(url, false).expect("an address")
    }

    #[test]
    fn cookies_are_as_narrow_as_the_address_allows() {
        let token = Secret::new("abc");
        let cookie = |url: &str| {
            let value = web(url).cookie(&token).expect("a cookie");
            assert!(value.is_sensitive());
            value.to_str().expect("text").to_owned()
        };
        assert_eq!(
            cookie("https://app.example.com"),
            "__Host-freehold_session=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            cookie("http://127.0.0.1:8080"),
            "freehold_session=abc; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn other_sites_requests_are_refused() {
        let web = web("https://app.example.com");
        let cookie = ("cookie", "a=b; __Host-freehold_session=t");
        for (method, header, believed) in [
            ("GET", None, true),
            ("POST", None, false),
            ("POST", Some(("sec-fetch-site", "same-origin")), true),
            ("POST", Some(("sec-fetch-site", "none")), true),
            ("POST", Some(("sec-fetch-site", "same-site")), false),
            ("DELETE", Some(("sec-fetch-site", "cross-site")), false),
            ("POST", Some(("origin", "https://app.example.com")), true),
            ("POST", Some(("origin", "https://evil.example.com")), false),
            ("POST", Some(("origin", "null")), false),
        ] {
            let headers: Vec<_> = [Some(cookie), header].into_iter().flatten().collect();
            let parts = request(method, &headers);
            let answer = web.session_token(&parts);
            match believed {
                true => assert_eq!(answer.expect("believed"), Some("t"), "{method} {header:?}"),
                false => assert_eq!(
                    answer.expect_err("refused").code(),
                    "cross_origin",
                    "{method} {header:?}"
                ),
            }
        }
        let both = [
            cookie,
            ("origin", "https://app.example.com"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert!(web.session_token(&request("POST", &both)).is_err());
        // The name without the prefix could have been planted by a sibling domain.
        let planted = request("GET", &[("cookie", "freehold_session=t")]);
        assert_eq!(web.session_token(&planted).expect("read"), None);
    }

    #[test]
    fn subscribers_are_counted_once() {
        let network = |address: &str| {
            let visitor = Visitor {
                address: address.parse().ok(),
                ..Visitor::default()
            };
            visitor.network()
        };
        assert_eq!(network("10.1.2.3").as_deref(), Some("10.1.2.3"));
        assert_eq!(network("::ffff:10.1.2.3").as_deref(), Some("10.1.2.3"));
        assert_eq!(
            network("2001:db8:1:2:3::4"),
            network("2001:db8:1:2:ffff::1")
        );
        assert_eq!(network("nonsense"), None);
    }
}
