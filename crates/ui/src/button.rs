//! Buttons, and links that look like them.

use maud::{Markup, Render, html};

use crate::{Icon, link};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Primary,
    Secondary,
    Danger,
    Quiet,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Danger => "danger",
            Self::Quiet => "quiet",
        }
    }
}

/// Submits the form around it, unless it is told to go somewhere (`to`) or to open a dialog
/// (`opening`).
#[derive(Clone, Debug)]
pub struct Button {
    label: String,
    look: Look,
    icon: Option<Icon>,
    is_icon_only: bool,
    is_small: bool,
    is_disabled: bool,
    is_download: bool,
    href: Option<String>,
    dialog: Option<String>,
    value: Option<(String, String)>,
    form: Option<String>,
}

impl Button {
    fn new(look: Look, label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            look,
            icon: None,
            is_icon_only: false,
            is_small: false,
            is_disabled: false,
            is_download: false,
            href: None,
            dialog: None,
            value: None,
            form: None,
        }
    }

    /// The one thing that a page or a dialog is about.
    pub fn primary(label: impl Into<String>) -> Self {
        Self::new(Look::Primary, label)
    }

    pub fn secondary(label: impl Into<String>) -> Self {
        Self::new(Look::Secondary, label)
    }

    /// What cannot be undone.
    pub fn danger(label: impl Into<String>) -> Self {
        Self::new(Look::Danger, label)
    }

    /// Without a frame: looks like a link, for what is beside the point.
    pub fn quiet(label: impl Into<String>) -> Self {
        Self::new(Look::Quiet, label)
    }

    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// Shows the icon alone; the label remains for screen readers and as the tooltip.
    #[must_use]
    pub fn icon_only(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self.is_icon_only = true;
        self
    }

    #[must_use]
    pub fn small(mut self) -> Self {
        self.is_small = true;
        self
    }

    #[must_use]
    pub fn disabled(mut self, is_disabled: bool) -> Self {
        self.is_disabled = is_disabled;
        self
    }

    /// A link. With `opening`, the place that does the same as the dialog where scripts don't run.
    #[must_use]
    pub fn to(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }

    /// The link leads to a file. Such links are not fetched ahead.
    #[must_use]
    pub fn download(mut self) -> Self {
        self.is_download = true;
        self
    }

    /// Opens the dialog with this id, which must be on the same page.
    #[must_use]
    pub fn opening(mut self, dialog: impl Into<String>) -> Self {
        self.dialog = Some(dialog.into());
        self
    }

    /// Sends this pair with the form, so that a form can have several buttons.
    #[must_use]
    pub fn sending(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.value = Some((name.into(), value.into()));
        self
    }

    /// Submits the form with this id instead of the one around it.
    #[must_use]
    pub fn of_form(mut self, form: impl Into<String>) -> Self {
        self.form = Some(form.into());
        self
    }

    fn classes(&self) -> String {
        let mut classes = format!("button {}", self.look.class());
        if self.is_small {
            classes.push_str(" small");
        }
        if self.is_icon_only {
            classes.push_str(" icon-only");
        }
        classes
    }
}

impl Render for Button {
    fn render(&self) -> Markup {
        let tooltip = self.is_icon_only.then_some(&self.label);
        let content = html! {
            @if let Some(icon) = self.icon { (icon) }
            @if !self.is_icon_only { span { (self.label) } }
        };
        html! {
            @match (&self.href, &self.dialog) {
                (Some(href), dialog) if !self.is_disabled => {
                    a class=(self.classes()) href=(link::safe(href)) data-dialog=[dialog]
                        download[self.is_download]
                        aria-label=[tooltip] title=[tooltip] { (content) }
                }
                // A link that leads nowhere stays a button, so that it can be announced as disabled.
                (Some(_), _) => {
                    button class=(self.classes()) type="button" aria-label=[tooltip] disabled { (content) }
                }
                (None, Some(dialog)) => {
                    button class=(self.classes()) type="button" command="show-modal" commandfor=(dialog)
                        aria-label=[tooltip] title=[tooltip] disabled[self.is_disabled] { (content) }
                }
                (None, None) => {
                    button class=(self.classes()) type="submit" form=[&self.form]
                        name=[self.value.as_ref().map(|(name, _)| name)]
                        value=[self.value.as_ref().map(|(_, value)| value)]
                        aria-label=[tooltip] title=[tooltip] disabled[self.is_disabled] { (content) }
                }
            }
        }
    }
}
