//! The letters: a subject, a few sentences, and at most one link. Each has a plain text and a
//! simple HTML that say the same.

/// A letter without its recipient. Its link may hold a single-use token, so it has no `Debug`.
pub(crate) struct Letter {
    pub subject: String,
    before: Vec<String>,
    link: Option<(&'static str, String)>,
    after: Vec<String>,
}

const UNASKED: &str = "If you did not ask for this, you need do nothing.";

impl Letter {
    fn new(subject: impl Into<String>, before: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            before: vec![before.into()],
            link: None,
            after: Vec::new(),
        }
    }

    fn link(self, label: &'static str, link: &str) -> Self {
        Self {
            link: Some((label, link.to_owned())),
            ..self
        }
    }

    fn after(mut self, sentence: impl Into<String>) -> Self {
        self.after.push(sentence.into());
        self
    }

    pub fn sign_up(link: &str) -> Self {
        Self::new(
            "Finish your sign-up",
            "Choose a name and a password to finish your sign-up.",
        )
        .link("Finish the sign-up", link)
        .after("The link can be used once, within a day.")
        .after(UNASKED)
    }

    pub fn reset_required(link: &str) -> Self {
        Self::new(
            "Set a new password",
            "The people who run this service ask you to set a new password. The old one opens nothing any more, and you were signed out everywhere.",
        )
        .link("Set a new password", link)
        .after("The link can be used once, within an hour. After that, the sign-in page lets you ask for another.")
    }

    pub fn account_exists(link: &str) -> Self {
        Self::new(
            "You have an account already",
            "Somebody, probably you, asked to use this address for an account. There is one already.",
        )
        .link("Sign in", link)
        .after("The sign-in page also lets you set a new password.")
        .after(UNASKED)
    }

    pub fn verify(link: &str) -> Self {
        Self::new(
            "Confirm your address",
            "Confirm that this address is yours.",
        )
        .link("Confirm the address", link)
        .after("The link can be used once, within a day.")
    }

    pub fn change_email(link: &str) -> Self {
        Self::new(
            "Confirm your new address",
            "Confirm that this is to be your account's address from now on.",
        )
        .link("Use this address", link)
        .after("The link can be used once, within a day.")
        .after(UNASKED)
    }

    pub fn email_changed() -> Self {
        Self::new(
            "Your account has another address",
            "Your account has another e-mail address now; this one opens it no longer.",
        )
        .after("If that was not you, tell the people who run this service at once.")
    }

    pub fn reset(link: &str) -> Self {
        Self::new("Set a new password", "Set a new password for your account.")
            .link("Set a new password", link)
            .after("The link can be used once, within an hour. It ends all your sessions.")
            .after(UNASKED)
    }

    pub fn password_changed() -> Self {
        Self::new(
            "Your password was changed",
            "The password of your account was changed, and its other sessions were ended.",
        )
        .after("If that was not you, set a new password at once.")
    }

    /// `tenant` is where the provider counts, where it does not count everywhere.
    pub fn identity_linked(provider: &str, tenant: Option<&str>) -> Self {
        let place = tenant.map_or_else(String::new, |slug| format!(" in {slug}"));
        Self::new(
            "Your account has another way to sign in",
            format!(
                "Your account{place} can now be signed in to by {}.",
                one_line(provider)
            ),
        )
        .after("If that was not you, tell the people who run this service at once.")
    }

    /// `what` says which factor, in a sentence.
    pub fn factors_changed(what: &str) -> Self {
        Self::new("The security of your account was changed", what).after(
            "If that was not you, set a new password at once and look at your account's security.",
        )
    }

    pub fn invitation(tenant: &str, role: &str, link: &str) -> Self {
        Self::new(
            format!("You are invited to {}", one_line(tenant)),
            format!("You are invited to join {} as {role}.", one_line(tenant)),
        )
        .link("Accept the invitation", link)
        .after("The invitation is for this address alone and ends after seven days.")
    }

    /// Nothing of the report stands in it: whoever has a key could have us mail their words.
    pub fn key_leaked(tenant: &str, name: &str, display: &str) -> Self {
        Self::new(
            format!("An API key of {} has leaked", one_line(tenant)),
            format!(
                "The API key “{}” ({display}…) of {} was found in public, and was revoked at once.",
                one_line(name),
                one_line(tenant)
            ),
        )
        .after("What used it is refused now: issue another key and replace it there.")
        .after(
            "The audit log says where it was found, and what the key was used for stands with it.",
        )
    }

    /// `advice` is the catalogue's.
    pub fn credential_refused(tenant: &str, provider: &str, name: &str, advice: &str) -> Self {
        Self::new(
            format!("A credential of {} is refused", one_line(tenant)),
            format!(
                "The {provider} credential “{}” of {} worked so far, and is refused by the provider now.",
                one_line(name),
                one_line(tenant)
            ),
        )
        .after(one_line(advice))
        .after("The console shows under credentials what the provider said.")
    }

    /// `days` is how many are left, where it has not come to the last one.
    pub fn credential_expiring(
        tenant: &str,
        provider: &str,
        name: &str,
        day: time::Date,
        days: Option<u16>,
    ) -> Self {
        let (tenant, name) = (one_line(tenant), one_line(name));
        let subject = match days {
            Some(days) => format!("A credential of {tenant} ends within {days} days"),
            None => format!("A credential of {tenant} ends today, or has ended"),
        };
        Self::new(
            subject,
            format!("The {provider} credential “{name}” of {tenant} is good until {day} (UTC)."),
        )
        .after("Make a new secret at the provider, and replace the old one in the console under credentials.")
    }

    pub fn text(&self) -> String {
        let mut parts = self.before.clone();
        if let Some((label, link)) = &self.link {
            parts.push(format!("{label}:\n{link}"));
        }
        parts.extend(self.after.iter().cloned());
        parts.join("\n\n") + "\n"
    }

    pub fn html(&self) -> String {
        let paragraph = |text: &String| format!("<p>{}</p>\n", escaped(text));
        let mut html =
            "<!doctype html>\n<html><body style=\"font-family: sans-serif\">\n".to_owned();
        html.extend(self.before.iter().map(paragraph));
        if let Some((label, link)) = &self.link {
            let link = escaped(link);
            html += &format!("<p><a href=\"{link}\">{}</a></p>\n", escaped(label));
        }
        html.extend(self.after.iter().map(paragraph));
        html + "</body></html>\n"
    }
}

/// A name that people chose, without what could begin another line.
fn one_line(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same_and_names_stay_text() {
        let letter = Letter::invitation(
            "A<b>\"c\r\nBcc: x@y.z",
            "agent",
            "https://x.example/invitation?token=t&n=1",
        );
        assert!(!letter.subject.contains(['\r', '\n']));
        assert!(
            letter
                .text()
                .contains("https://x.example/invitation?token=t&n=1")
        );
        let html = letter.html();
        assert!(html.contains("href=\"https://x.example/invitation?token=t&amp;n=1\""));
        assert!(!html.contains("<b>") && html.contains("A&lt;b&gt;&quot;c"));
        for sentence in &letter.after {
            assert!(html.contains(sentence.as_str()) && letter.text().contains(sentence));
        }
    }
}
