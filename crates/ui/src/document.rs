//! What all documents share: the head, with the page's nonce on whatever is inline.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{Brand, assets};

/// Light or dark. What a person chose in the browser (kept in its local storage) goes before this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system says.
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }
}

/// Tells browsers that can to fetch a page when its link is about to be pressed. Links elsewhere,
/// downloads and links with `rel="nofollow"` are left alone.
const SPECULATION: &str = r#"{"prefetch":[{"source":"document","where":{"and":[{"href_matches":"/*"},{"not":{"selector_matches":"[download],[rel~=nofollow]"}}]},"eagerness":"moderate"}]}"#;

pub(crate) struct Document<'a> {
    pub title: &'a str,
    pub product: &'a str,
    pub brand: &'a Brand,
    pub theme: Theme,
    pub nonce: &'a str,
    pub modules: &'a [String],
    /// Whether the pages that are linked may be fetched ahead.
    pub prefetches: bool,
}

impl Document<'_> {
    pub(crate) fn around(&self, body: Markup) -> Markup {
        let name = self.brand.company.as_deref().unwrap_or(self.product);
        html! {
            (DOCTYPE)
            html lang="en" data-theme=[self.theme.attribute()] {
                head {
                    meta charset="utf-8";
                    title { (self.title) " · " (name) }
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    script nonce=(self.nonce) { (PreEscaped(assets::EARLY_SCRIPT)) }
                    link rel="icon" type="image/svg+xml" href=(assets::url("icon.svg"));
                    link rel="stylesheet" href=(assets::url("ui.css"));
                    (self.brand.style(self.nonce))
                    script type="module" src=(assets::url("app.js")) {}
                    @for module in self.modules { script type="module" src=(module) {} }
                    @if self.prefetches {
                        script type="speculationrules" nonce=(self.nonce) { (PreEscaped(SPECULATION)) }
                    }
                }
                body { (body) }
            }
        }
    }
}
