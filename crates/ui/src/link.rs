//! Where links point: only to places that a browser opens, never to script.

/// The address as it may stand in `href` or `action`. Anything but a path, a fragment, a query or an
/// address by http, https, mailto or tel becomes `#`, so that a `javascript:` address from somebody's
/// data is inert even where no Content-Security-Policy applies.
pub(crate) fn safe(href: &str) -> &str {
    const SCHEMES: [&str; 4] = ["https://", "http://", "mailto:", "tel:"];
    let is_local = href.starts_with(['/', '#', '?']);
    let is_known = SCHEMES.iter().any(|scheme| {
        href.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    if is_local || is_known { href } else { "#" }
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn only_addresses_pass() {
        for good in [
            "/app",
            "?sort=name",
            "#field-name",
            "https://example.com",
            "mailto:a@example.com",
        ] {
            assert_eq!(safe(good), good);
        }
        for bad in [
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            " javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "é",
            "",
        ] {
            assert_eq!(safe(bad), "#", "{bad}");
        }
    }
}
