//! Single values: things to copy, secrets, code, times, and lists of names with values.

use maud::{Markup, Render, html};
use time::{
    OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description,
};

use crate::{Icon, Notice, Tone};

/// `what` completes "Copy …" and "… copied".
fn copy_button(what: &str, value: &str) -> Markup {
    html! {
        button.button.quiet.small.icon-only.needs-script type="button" data-copy=(value)
            data-copied={ (capitalised(what)) " copied" } aria-label={ "Copy " (what) } title={ "Copy " (what) } {
            (Icon::Copy)
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(rest).collect()
    })
}

/// A value that people carry elsewhere, such as an id, with a button that copies it.
#[derive(Clone, Debug)]
pub struct Copyable {
    what: String,
    value: String,
}

impl Copyable {
    /// `what` names it in lower case: "tenant id".
    pub fn new(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
        }
    }
}

impl Render for Copyable {
    fn render(&self) -> Markup {
        html! {
            span.copyable { code { (self.value) } (copy_button(&self.what, &self.value)) }
        }
    }
}

/// A secret on a page that may show it. Not `Debug`: it holds the value.
#[allow(missing_debug_implementations, reason = "it holds a secret")]
pub struct ShownSecret {
    what: String,
    value: String,
    is_once: bool,
}

impl ShownSecret {
    /// Covered until somebody uncovers it; can be copied without.
    pub fn masked(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
            is_once: false,
        }
    }

    /// Shown in full, with the warning that this is the only time.
    pub fn once(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            is_once: true,
            ..Self::masked(what, value)
        }
    }
}

impl Render for ShownSecret {
    fn render(&self) -> Markup {
        html! {
            @if self.is_once {
                div.secret-once {
                    (Notice::new(Tone::Warning, format!("Copy this {} now", self.what))
                        .body(html! { "It is not shown again. If it is lost, make a new one." }))
                    div.secret {
                        code.secret-value { (self.value) }
                        (copy_button(&self.what, &self.value))
                    }
                }
            } @else {
                div.secret {
                    details {
                        summary {
                            span.visually-hidden { "Show or hide the " (self.what) }
                            (Icon::Eye) span.mask aria-hidden="true" { "••••••••••••••••" }
                        }
                        code.secret-value { (self.value) }
                    }
                    (copy_button(&self.what, &self.value))
                }
            }
        }
    }
}

/// Code or a payload, as it is.
#[derive(Clone, Debug)]
pub struct CodeBlock {
    title: String,
    text: String,
}

impl CodeBlock {
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
        }
    }
}

impl Render for CodeBlock {
    fn render(&self) -> Markup {
        html! {
            figure.code-block {
                figcaption { (self.title) (copy_button("code", &self.text)) }
                // Can be scrolled by keyboard, so it takes focus.
                pre tabindex="0" role="region" aria-label=(self.title) { code { (self.text) } }
            }
        }
    }
}

/// A point in time, told relative to `now`, with the absolute time beneath.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    at: OffsetDateTime,
    now: OffsetDateTime,
}

impl Moment {
    pub fn new(at: OffsetDateTime, now: OffsetDateTime) -> Self {
        Self { at, now }
    }

    fn words(&self) -> String {
        let seconds = (self.now - self.at).whole_seconds();
        let (size, is_past) = (seconds.unsigned_abs(), seconds >= 0);
        let (count, unit) = match size {
            0..45 => return "just now".to_owned(),
            45..2_700 => ((size + 30) / 60, "minute"),
            2_700..79_200 => ((size + 1_800) / 3_600, "hour"),
            79_200..2_160_000 => ((size + 43_200) / 86_400, "day"),
            2_160_000..29_808_000 => ((size + 1_296_000) / 2_592_000, "month"),
            _ => ((size + 15_768_000) / 31_536_000, "year"),
        };
        let count = count.max(1);
        let plural = if count == 1 { "" } else { "s" };
        if is_past {
            format!("{count} {unit}{plural} ago")
        } else {
            format!("in {count} {unit}{plural}")
        }
    }
}

impl Render for Moment {
    fn render(&self) -> Markup {
        let at = self.at.to_offset(UtcOffset::UTC);
        let exact = at
            .format(format_description!(
                "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
            ))
            .unwrap_or_default();
        let machine = at.format(&Rfc3339).unwrap_or_default();
        html! { time datetime=(machine) title=(exact) { (self.words()) } }
    }
}

/// Names with values: what a thing is.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    rows: Vec<(String, Markup)>,
}

impl Facts {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: Markup) -> Self {
        self.rows.push((name.into(), value));
        self
    }

    /// A value that may be missing, which is then said.
    #[must_use]
    pub fn maybe(self, name: impl Into<String>, value: Option<&str>) -> Self {
        let value = html! {
            @match value {
                Some(value) => (value),
                None => span.muted { "None" },
            }
        };
        self.fact(name, value)
    }
}

impl Render for Facts {
    fn render(&self) -> Markup {
        html! {
            dl.facts {
                @for (name, value) in &self.rows { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    #[test]
    fn moments_are_told_in_words() {
        let now = datetime!(2026-03-01 12:00 UTC);
        let told = |seconds| Moment::new(now - Duration::seconds(seconds), now).words();
        for (seconds, words) in [
            (0, "just now"),
            (-44, "just now"),
            (45, "1 minute ago"),
            (89, "1 minute ago"),
            (90, "2 minutes ago"),
            (-300, "in 5 minutes"),
            (2_699, "45 minutes ago"),
            (2_700, "1 hour ago"),
            (79_199, "22 hours ago"),
            (79_200, "1 day ago"),
            (2_159_999, "25 days ago"),
            (2_160_000, "1 month ago"),
            (29_807_999, "11 months ago"),
            (29_808_000, "1 year ago"),
            (-80_000_000, "in 3 years"),
        ] {
            assert_eq!(told(seconds), words, "{seconds}");
        }
    }
}
