//! E-mail addresses as accounts know them: one spelling to compare by, and the one that was typed.

use kernel::{Error, Result};

/// The longest address that mail is delivered to (RFC 5321 §4.5.3.1.3, erratum 1690).
const LONGEST: usize = 254;

/// An address that mail can be sent to. Two that differ by case alone are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    normal: String,
    typed: String,
}

impl Email {
    /// # Errors
    /// `invalid_request` for what is no address. Addresses have ASCII letters only: servers that
    /// take others (RFC 6531) are rare, and look-alike letters would make look-alike accounts.
    pub fn parse(text: &str) -> Result<Self> {
        let typed = text.trim();
        let plain = typed.len() <= LONGEST
            && typed.bytes().all(|byte| byte.is_ascii_graphic())
            && !typed.contains(['"', '[', '<', '>', ',', ';']);
        if !plain || typed.parse::<lettre::Address>().is_err() || !typed.contains('.') {
            return Err(Error::field("email", "must be an e-mail address"));
        }
        Ok(Self {
            normal: typed.to_ascii_lowercase(),
            typed: typed.to_owned(),
        })
    }

    /// As it was stored.
    pub(crate) fn stored(normal: String, typed: String) -> Self {
        Self { normal, typed }
    }

    /// In lower case: what accounts are found by.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// As people see it.
    pub fn typed(&self) -> &str {
        &self.typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_blanks_make_no_other_account() {
        let email = Email::parse("  Ada.Lovelace@Example.COM ").expect("an address");
        assert_eq!(email.normal(), "ada.lovelace@example.com");
        assert_eq!(email.typed(), "Ada.Lovelace@Example.COM");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for refused in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@@example.com",
            "ada@localhost",
            "ada @example.com",
            "ada@example.com\r\nBcc: all@example.com",
            "ada@exämple.com",
            "Ada <ada@example.com>",
            "a@example.com,b@example.com",
            &long,
        ] {
            assert!(Email::parse(refused).is_err(), "{refused:?}");
        }
    }
}
