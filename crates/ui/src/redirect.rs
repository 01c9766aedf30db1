//! The end of a form: on to a page of this host, perhaps with a word on what was done.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::Flash;

/// POST-redirect-GET: `303 See Other` to a path of this host. The console layer carries the flash
/// over to the page that follows.
#[derive(Clone, Debug)]
pub struct SeeOther {
    to: String,
    flash: Option<Flash>,
}

impl SeeOther {
    /// Anything but a path of this host leads to its front page, so that no address that came with a
    /// request can send people elsewhere.
    pub fn new(to: impl Into<String>) -> Self {
        let to = to.into();
        Self {
            to: if is_local(&to) { to } else { "/".to_owned() },
            flash: None,
        }
    }

    #[must_use]
    pub fn flash(mut self, flash: Flash) -> Self {
        self.flash = Some(flash);
        self
    }
}

/// Whether an address is a path on this host: browsers read `//` and `/\` as another host, and drop
/// control characters before they look.
pub fn is_local(address: &str) -> bool {
    let mut bytes = address.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && address.bytes().all(|byte| byte.is_ascii_graphic())
}

impl IntoResponse for SeeOther {
    fn into_response(self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        // A local address is made of graphic ASCII characters, which every header value may hold.
        let to = HeaderValue::from_str(&self.to).unwrap_or(HeaderValue::from_static("/"));
        response.headers_mut().insert(header::LOCATION, to);
        if let Some(flash) = self.flash {
            response.extensions_mut().insert(flash);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for (address, local) in [
            ("/app/acme?x=1#y", true),
            ("/", true),
            ("", false),
            ("app", false),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("/\t/evil.example", false),
            ("https://evil.example", false),
            ("/a\r\nSet-Cookie: x=y", false),
        ] {
            assert_eq!(is_local(address), local, "{address:?}");
            let response = SeeOther::new(address).into_response();
            let to = response.headers()[header::LOCATION].to_str().unwrap();
            assert_eq!(to == address, local, "{address:?}");
        }
    }
}
