//! Documents outside the consoles: signing in, and errors.

use maud::{Markup, html};

use crate::{
    Brand, Button, Copyable, Flash, Icon, Page, Theme, document::Document, link, notice::toasts,
};

/// A narrow document with the brand above and nothing to navigate.
#[derive(Clone, Debug)]
pub struct Bare {
    pub product: String,
    pub brand: Brand,
    /// Where the brand leads.
    pub home: String,
    pub theme: Theme,
    pub flashes: Vec<Flash>,
}

impl Bare {
    /// `nonce` is the one that this response's Content-Security-Policy allows.
    pub fn render(&self, page: &Page, nonce: &str) -> Markup {
        let document = Document {
            title: page.title(),
            product: &self.product,
            brand: &self.brand,
            theme: self.theme,
            nonce,
            modules: page.modules(),
            prefetches: false,
        };
        document.around(html! {
            a.skip href="#main" { "Skip to content" }
            div.bare {
                header { a.bare-brand href=(link::safe(&self.home)) { (self.brand.mark(&self.product)) } }
                main #main tabindex="-1" { (page.content()) }
            }
            (toasts(&self.flashes))
        })
    }
}

/// What went wrong, as a page: in the shell for people who are signed in, bare for others.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    status: u16,
    code: String,
    title: String,
    remedy: String,
    correlation_id: String,
    action: Option<(String, String)>,
}

impl ErrorPage {
    /// `code` is the stable code of the error; `remedy` says what the person can do now.
    pub fn new(
        status: u16,
        code: impl Into<String>,
        title: impl Into<String>,
        remedy: impl Into<String>,
        correlation_id: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            title: title.into(),
            remedy: remedy.into(),
            correlation_id: correlation_id.into(),
            action: None,
        }
    }

    /// The way on: a label and its address.
    #[must_use]
    pub fn action(mut self, label: impl Into<String>, href: impl Into<String>) -> Self {
        self.action = Some((label.into(), href.into()));
        self
    }

    pub fn body(&self) -> Markup {
        html! {
            section.error-page {
                p.error-status { (self.status) " · " code { (self.code) } }
                h1 { (self.title) }
                p { (self.remedy) }
                @if let Some((label, href)) = &self.action {
                    div.actions { (Button::primary(label).to(href)) }
                }
                p.muted.error-reference {
                    (Icon::Info) span { "Reference " (Copyable::new("reference", &self.correlation_id)) }
                }
            }
        }
    }

    /// With the error's status. A status that HTTP does not know becomes 500.
    pub fn page(&self) -> Page {
        let status = axum::http::StatusCode::from_u16(self.status)
            .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
        Page::new(&self.title, self.body()).status(status)
    }
}
