//! Which slugs a tenant may have. A slug stands in URLs and may become a host name, so it has the
//! form of a DNS label and never a name that the product or a browser gives a meaning of its own.

use kernel::{Error, Result};

/// Names that stand for the product itself, for mail and web conventions, or for nobody.
const RESERVED: &[&str] = &[
    "abuse",
    "admin",
    "administrator",
    "api",
    "app",
    "assets",
    "auth",
    "autoconfig",
    "autodiscover",
    "billing",
    "blog",
    "cdn",
    "console",
    "control",
    "dashboard",
    "default",
    "demo",
    "docs",
    "email",
    "freehold",
    "ftp",
    "healthz",
    "help",
    "hooks",
    "hostmaster",
    "imap",
    "internal",
    "llm",
    "localhost",
    "login",
    "logout",
    "mail",
    "me",
    "metrics",
    "mx",
    "new",
    "none",
    "ns",
    "null",
    "oauth",
    "openapi",
    "operator",
    "platform",
    "pop",
    "postmaster",
    "pricing",
    "public",
    "readyz",
    "root",
    "security",
    "signup",
    "smtp",
    "staff",
    "static",
    "status",
    "support",
    "system",
    "tenant",
    "tenants",
    "test",
    "undefined",
    "v1",
    "voice",
    "webhook",
    "webhooks",
    "webmaster",
    "well-known",
    "wpad",
    "ws",
    "www",
];

/// Refuses what `control.tenant`'s own check refuses, and reserved names.
pub fn check(slug: &str) -> Result<()> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let shaped = (1..=63).contains(&slug.len())
        && slug.bytes().all(inner)
        && !slug.starts_with('-')
        && !slug.ends_with('-');
    if !shaped {
        return Err(Error::field(
            "slug",
            "must be 1 to 63 lower-case letters, digits or `-`, and neither begin nor end with `-`",
        ));
    }
    // Hyphens in the third and fourth place mark encoded names (RFC 5891 §4.2.3.1), by which one
    // tenant could look like another.
    if slug.as_bytes().get(2..4) == Some(b"--".as_slice()) {
        return Err(Error::field(
            "slug",
            "must not have `--` in the third place",
        ));
    }
    if RESERVED.contains(&slug) {
        return Err(Error::field("slug", format!("`{slug}` is reserved")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_dns_labels_without_a_meaning_of_their_own() {
        for accepted in ["acme", "a", "7", "acme-2", "a-b--c", &"x".repeat(63)] {
            assert!(check(accepted).is_ok(), "{accepted}");
        }
        let long = "x".repeat(64);
        for refused in [
            "",
            "-a",
            "a-",
            "Acme",
            "a_b",
            "a.b",
            "é",
            "a b",
            "xn--nxa",
            "admin",
            "www",
            "hooks",
            "default",
            "ten_01h455vb4pex5vsknk084sn02q",
            &long,
        ] {
            let error = check(refused).expect_err(refused);
            assert_eq!(error.code(), "invalid_request");
        }
    }

    #[test]
    fn the_list_is_sorted_so_that_a_name_stands_once() {
        assert!(RESERVED.is_sorted_by(|left, right| left < right));
    }
}
