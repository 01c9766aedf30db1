//! Forms that ask the browser for a passkey: the module `passkey.js` fetches the options, has the
//! browser make or use a passkey, and sends its answer with the form.

use maud::{Markup, Render, html};

use crate::{Icon, assets, link};

/// The name under which the browser's answer is sent: the JSON form of WebAuthn level 3.
pub const CREDENTIAL: &str = "credential";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ceremony {
    Create,
    Get,
}

/// A form with one button. A page that has it loads [`PasskeyForm::module`].
#[derive(Clone, Debug)]
pub struct PasskeyForm {
    ceremony: Ceremony,
    action: String,
    options: String,
    label: String,
    hidden: Vec<(String, String)>,
    body: Markup,
}

impl PasskeyForm {
    fn new(ceremony: Ceremony, action: String, options: String, label: String) -> Self {
        Self {
            ceremony,
            action,
            options,
            label,
            hidden: Vec::new(),
            body: html! {},
        }
    }

    /// Makes a passkey. `options` is the address on this host that answers a POST with the options of
    /// `navigator.credentials.create` in JSON.
    pub fn create(
        action: impl Into<String>,
        options: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self::new(
            Ceremony::Create,
            action.into(),
            options.into(),
            label.into(),
        )
    }

    /// Uses one, with the options of `navigator.credentials.get`.
    pub fn get(
        action: impl Into<String>,
        options: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self::new(Ceremony::Get, action.into(), options.into(), label.into())
    }

    #[must_use]
    pub fn hidden(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.hidden.push((name.into(), value.into()));
        self
    }

    /// Fields above the button.
    #[must_use]
    pub fn body(mut self, body: Markup) -> Self {
        self.body = body;
        self
    }

    /// The address of the module, for `Page::module`.
    pub fn module() -> String {
        assets::url("passkey.js")
    }
}

impl Render for PasskeyForm {
    fn render(&self) -> Markup {
        let (ceremony, look) = match self.ceremony {
            Ceremony::Create => ("create", "primary"),
            Ceremony::Get => ("get", "secondary"),
        };
        html! {
            form.form.passkey-form method="post" action=(link::safe(&self.action)) data-passkey=(ceremony)
                data-options=(link::safe(&self.options)) {
                @for (name, value) in &self.hidden { input type="hidden" name=(name) value=(value); }
                input type="hidden" name=(CREDENTIAL);
                (self.body)
                div.notice.danger role="alert" data-passkey-error hidden {
                    (Icon::Alert) div { p.notice-title {} }
                }
                div.form-buttons {
                    button class={ "button " (look) " needs-script" } type="submit" {
                        (Icon::Key) span { (self.label) }
                    }
                }
                noscript { p.muted { "Passkeys need scripts, which this browser does not run." } }
            }
        }
    }
}
