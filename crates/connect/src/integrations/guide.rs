//! The steps of a provider's set-up with what is this tenant's own put in: its webhook URL, where
//! consent returns to, the secret that it makes up.

use std::convert::Infallible;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Connect,
    catalogue::{FieldTemplate, Placeholder, Provider, Setup},
};

/// What stands for the placeholders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filling<'a> {
    pub webhook_url: &'a str,
    pub redirect_url: &'a str,
    /// The secret that both sides have to know: its value where it may be shown, else what to call
    /// it.
    pub verify_token: Shown<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    Value(&'a str),
    /// In words, as in "the value that you entered here".
    Words(&'a str),
}

impl<'a> Filling<'a> {
    /// What a name in braces stands for. Names that the catalogue refuses stand for nothing.
    pub fn of(&self, name: &str) -> Shown<'a> {
        match Placeholder::parse(name) {
            Some(Placeholder::WebhookUrl) => Shown::Value(self.webhook_url),
            Some(Placeholder::RedirectUrl) => Shown::Value(self.redirect_url),
            Some(Placeholder::VerifyToken) => self.verify_token,
            None => Shown::Words(""),
        }
    }

    /// As one text.
    pub fn text(&self, template: &FieldTemplate) -> String {
        self.filled(template, |words| words)
    }

    /// As something to paste, in which words would be read as more arguments.
    pub fn paste(&self, template: &FieldTemplate) -> String {
        self.filled(template, |_| "SECRET")
    }

    fn filled(&self, template: &FieldTemplate, words: impl Fn(&'a str) -> &'a str) -> String {
        let filled = template.fill(|name| {
            let text = match self.of(name) {
                Shown::Value(value) => value,
                Shown::Words(text) => words(text),
            };
            Ok::<_, Infallible>(text.to_owned())
        });
        filled.unwrap_or_else(|never| match never {})
    }
}

/// What the tenant does to connect a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntegrationSetup)]
pub struct SetupView {
    /// The page of the provider's console where the work begins.
    console: Option<String>,
    /// Where its consent page is to send browsers back to, where accounts are connected by one.
    redirect_url: Option<String>,
    /// The field for which the tenant makes up a value that it enters on both sides.
    made_up: Option<String>,
    steps: Vec<StepView>,
}

/// One thing to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IntegrationStep)]
pub struct StepView {
    /// The place at the provider, as its console calls it; absent where it is not there.
    at: Option<String>,
    text: String,
    /// What to paste there; `SECRET` stands for the value that is made up.
    paste: Option<String>,
    /// The credential's fields whose values are found there.
    fields: Vec<String>,
}

impl SetupView {
    pub(super) fn of(connect: &Connect, slug: &str, provider: &Provider, setup: &Setup) -> Self {
        let label = setup.made_up.as_ref().map_or("", |made_up| &made_up.field);
        let words = format!("the value of `{label}`");
        let filling = Filling {
            webhook_url: &connect.hook_url(slug, &provider.id),
            redirect_url: &connect.redirect_uri(),
            verify_token: Shown::Words(&words),
        };
        let steps = setup.steps.iter().map(|step| StepView {
            at: step.at.clone(),
            text: filling.text(&step.text),
            paste: step.paste.as_ref().map(|paste| filling.paste(paste)),
            fields: step.fields.clone(),
        });
        Self {
            console: setup.console.clone(),
            redirect_url: provider.oauth.as_ref().map(|_| connect.redirect_uri()),
            made_up: setup.made_up.as_ref().map(|made_up| made_up.field.clone()),
            steps: steps.collect(),
        }
    }
}
