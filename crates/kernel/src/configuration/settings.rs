//! Every setting: its key, what people call it, which values it takes.

use serde_json::Value;

/// One setting of the document.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its place in the document, as in `limits.messages_per_minute`; also the name of its field in
    /// forms and errors.
    pub key: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub kind: Kind,
}

/// Settings that belong together: those whose keys begin with its name.
#[derive(Debug)]
pub struct Section {
    pub name: &'static str,
    pub title: &'static str,
    pub about: &'static str,
}

/// Which values a setting takes.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Number {
        least: u32,
        most: u32,
        unit: &'static str,
    },
    Switch,
    /// A text, or none.
    Word(Shape),
    /// So many texts at most.
    Words(Shape, usize),
}

/// Which texts fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A name that people read.
    Name,
    /// `#rrggbb`.
    Colour,
    /// The name of an uploaded image.
    Digest,
    /// Hour and minute.
    Time,
    /// The id of a channel (api.slack.com/types/conversation: `C`, and `G` of older private ones).
    SlackChannel,
    /// What a team's issue numbers begin with.
    LinearTeam,
    /// The name of an account (docs.github.com: letters, digits and single hyphens, at most 39).
    GithubAccount,
}

/// A setting that two versions set differently.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub setting: &'static Setting,
    pub before: Value,
    pub after: Value,
}

pub const SECTIONS: &[Section] = &[
    Section {
        name: "limits",
        title: "Limits",
        about: "The most that this account means to send and to call.",
    },
    Section {
        name: "retention",
        title: "Retention",
        about: "How long this account wants conversations and their messages to be kept.",
    },
    Section {
        name: "features",
        title: "Features",
        about: "What this account means to use.",
    },
    Section {
        name: "integrations",
        title: "Integrations",
        about: "Which parts of the connected services are meant.",
    },
    Section {
        name: "branding",
        title: "Branding",
        about: "How this console presents itself to your team.",
    },
];

const fn number(
    key: &'static str,
    label: &'static str,
    help: &'static str,
    (least, most): (u32, u32),
    unit: &'static str,
) -> Setting {
    let kind = Kind::Number { least, most, unit };
    Setting {
        key,
        label,
        help,
        kind,
    }
}

const fn other(key: &'static str, label: &'static str, help: &'static str, kind: Kind) -> Setting {
    Setting {
        key,
        label,
        help,
        kind,
    }
}

pub const SETTINGS: &[Setting] = &[
    number(
        "limits.messages_per_minute",
        "Messages per minute",
        "Messages of all channels together, going out within a minute.",
        (1, 100_000),
        "messages",
    ),
    number(
        "limits.api_calls_per_hour",
        "API calls per hour",
        "Requests with your API keys within an hour.",
        (1, 10_000_000),
        "calls",
    ),
    number(
        "retention.messages_days",
        "Keep messages for",
        "Counted from when a message was written. At most as long as conversations.",
        (1, 3650),
        "days",
    ),
    number(
        "retention.conversations_days",
        "Keep conversations for",
        "Counted from the last message. A conversation takes its messages with it.",
        (1, 3650),
        "days",
    ),
    other(
        "features.templates",
        "Message templates",
        "Texts that a channel has approved beforehand.",
        Kind::Switch,
    ),
    other(
        "features.media",
        "Media",
        "Pictures, sound and documents in conversations.",
        Kind::Switch,
    ),
    other(
        "features.analytics",
        "Analytics",
        "Figures about what your agents answer.",
        Kind::Switch,
    ),
    other(
        "integrations.slack_channels",
        "Slack channels",
        "Ids of channels, one on each line, as in C024BE91L.",
        Kind::Words(Shape::SlackChannel, 50),
    ),
    other(
        "integrations.linear_team",
        "Linear team",
        "The key that its issue numbers begin with, as in ENG.",
        Kind::Word(Shape::LinearTeam),
    ),
    other(
        "integrations.github_organisations",
        "GitHub organisations",
        "Their names in addresses, one on each line.",
        Kind::Words(Shape::GithubAccount, 50),
    ),
    other(
        "integrations.standup_at",
        "Stand-up at",
        "Hour and minute, UTC, as in 09:30.",
        Kind::Word(Shape::Time),
    ),
    other(
        "branding.company",
        "Company name",
        "Stands in place of the product's name.",
        Kind::Word(Shape::Name),
    ),
    other(
        "branding.colour",
        "Colour",
        "Of buttons, links and focus rings. Shades that can be read are made from it.",
        Kind::Word(Shape::Colour),
    ),
    other(
        "branding.logo",
        "Logo",
        "Shown beside the name.",
        Kind::Word(Shape::Digest),
    ),
];

impl Setting {
    /// Its place in the document as a JSON pointer (RFC 6901).
    pub(super) fn pointer(&self) -> String {
        format!("/{}", self.key.replace('.', "/"))
    }

    /// Its value in a document; `null` where the document has none.
    pub fn value<'a>(&self, document: &'a Value) -> &'a Value {
        document.pointer(&self.pointer()).unwrap_or(&Value::Null)
    }

    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(name, _)| name)
    }
}

impl Section {
    pub fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS
            .iter()
            .filter(|setting| setting.section() == self.name)
    }
}

impl Kind {
    /// Why a value does not fit, if it doesn't. That it has the right type is said by the document's.
    pub(super) fn refusal(&self, value: &Value) -> Option<String> {
        match self {
            Self::Number { least, most, .. } => {
                let fits = value
                    .as_u64()
                    .is_some_and(|value| (u64::from(*least)..=u64::from(*most)).contains(&value));
                (!fits).then(|| format!("must be from {least} to {most}"))
            }
            Self::Switch => None,
            Self::Word(shape) => {
                let text = value.as_str()?;
                (!shape.fits(text)).then(|| format!("must be {}", shape.words()))
            }
            Self::Words(shape, most) => {
                let texts: Vec<&str> = value.as_array()?.iter().filter_map(Value::as_str).collect();
                if texts.len() > *most {
                    return Some(format!("must be at most {most}"));
                }
                if let Some(wrong) = texts.iter().find(|text| !shape.fits(text)) {
                    // Cut, because it may be any text at all.
                    let wrong: String = wrong.chars().take(40).collect();
                    return Some(format!("each must be {}; {wrong:?} is not", shape.words()));
                }
                let mut once = texts.clone();
                once.sort_unstable();
                once.dedup();
                (once.len() < texts.len()).then(|| "must name each one once".to_owned())
            }
        }
    }
}

impl Shape {
    fn fits(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        match self {
            Self::Name => {
                let length = text.chars().count();
                (1..=100).contains(&length)
                    && text.trim() == text
                    && !text.chars().any(char::is_control)
            }
            Self::Colour => {
                let digits = text.strip_prefix('#').unwrap_or_default();
                digits.len() == 6 && lower_hex(digits)
            }
            Self::Digest => text.len() == 64 && lower_hex(text),
            Self::Time => text
                .split_once(':')
                .is_some_and(|(hour, minute)| two_digits(hour, 24) && two_digits(minute, 60)),
            Self::SlackChannel => {
                (9..=20).contains(&text.len())
                    && matches!(bytes[0], b'C' | b'G')
                    && capitals_and_digits(text)
            }
            Self::LinearTeam => {
                (1..=10).contains(&text.len())
                    && bytes[0].is_ascii_uppercase()
                    && capitals_and_digits(text)
            }
            Self::GithubAccount => {
                let sound = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
                (1..=39).contains(&text.len())
                    && bytes.iter().all(sound)
                    && !text.starts_with('-')
                    && !text.ends_with('-')
                    && !text.contains("--")
            }
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Name => "1 to 100 characters on one line",
            Self::Colour => "a colour written #rrggbb in small letters, as in #2f5bd8",
            Self::Digest => "the SHA-256 of an uploaded image in hexadecimal",
            Self::Time => "hour and minute, as in 09:30",
            Self::SlackChannel => "a channel's id, as in C024BE91L",
            Self::LinearTeam => "a team's key, as in ENG",
            Self::GithubAccount => "an organisation's name as in its address",
        }
    }
}

fn lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn capitals_and_digits(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn two_digits(text: &str, below: u8) -> bool {
    text.len() == 2
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && text.parse::<u8>().is_ok_and(|number| number < below)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_has_a_section_and_words() {
        for setting in SETTINGS {
            let sections = SECTIONS
                .iter()
                .filter(|section| section.name == setting.section());
            assert_eq!(sections.count(), 1, "{}", setting.key);
            assert!(!setting.label.is_empty() && setting.help.ends_with('.'));
        }
        for section in SECTIONS {
            assert!(section.settings().count() > 0, "{}", section.name);
        }
    }

    #[test]
    fn shapes_take_what_they_say() {
        for (shape, good, bad) in [
            (Shape::Name, "Acme & Söhne", " Acme"),
            (Shape::Name, "A", "two\nlines"),
            (Shape::Colour, "#2f5bd8", "#2F5BD8"),
            (Shape::Colour, "#000000", "2f5bd8"),
            (Shape::Time, "23:59", "9:30"),
            (Shape::Time, "00:00", "12:60"),
            (Shape::SlackChannel, "C024BE91L", "#general"),
            (Shape::SlackChannel, "G024BE91L", "D024BE91L"),
            (Shape::LinearTeam, "ENG", "eng"),
            (Shape::GithubAccount, "a-b", "a--b"),
            (Shape::GithubAccount, "a", "-a"),
        ] {
            assert!(shape.fits(good), "{shape:?}: {good}");
            assert!(!shape.fits(bad), "{shape:?}: {bad}");
            assert!(!shape.fits(""), "{shape:?}");
        }
    }

    #[test]
    fn lists_are_bounded_and_name_each_thing_once() {
        let kind = Kind::Words(Shape::LinearTeam, 2);
        assert_eq!(kind.refusal(&json!(["A", "B"])), None);
        assert!(kind.refusal(&json!(["A", "B", "C"])).is_some());
        assert!(kind.refusal(&json!(["A", "A"])).is_some());
        let said = kind.refusal(&json!(["A", "b"])).expect("refused");
        assert!(said.contains("\"b\""), "{said}");
    }
}
