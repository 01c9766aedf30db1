//! What the page of one provider looks like.

use kernel::db::Tenant;
use maud::{Markup, Render, html};
use time::{Duration, OffsetDateTime};
use ui::{
    Badge, Button, Card, CodeBlock, Column, Copyable, Facts, Icon, Live, Moment, PageHeader,
    ShownSecret, Steps, Table, Tone,
};

use super::super::{LIST, words::badge};
use crate::{
    catalogue::{FieldTemplate, Part, Step},
    credentials::pages::new::NewForm,
    integrations::{
        Connected, Health, Integration,
        guide::{Filling, Shown},
    },
};

/// How long after an account was connected its first test is waited for.
const TESTING: Duration = Duration::minutes(2);
const CREDENTIALS: &str = "/credentials";

/// What may be shown of the secret that the tenant makes up.
#[derive(Clone, Copy)]
pub enum Token<'a> {
    /// Stands in the form too, and nowhere else yet.
    Proposed(&'a str),
    /// Was saved by the request that this page answers.
    Saved(&'a str),
    /// Was saved before, and is not shown again.
    Kept,
}

pub struct Guide<'a> {
    pub tenant: &'a Tenant,
    pub integration: &'a Integration<'a>,
    pub webhook_url: String,
    pub redirect_url: String,
    pub token: Token<'a>,
    /// Absent for those who may not connect, and where one account is connected and no other wanted.
    pub form: Option<&'a NewForm<'a>>,
    pub may_change: bool,
    pub now: OffsetDateTime,
}

impl Render for Guide<'_> {
    fn render(&self) -> Markup {
        let provider = self.integration.provider;
        let header = PageHeader::new(&provider.name)
            .crumb("Integrations", self.tenant.href(LIST))
            .about(html! {
                (provider.category.label()) " · "
                a href=(provider.docs) rel="noreferrer" target="_blank" { "Documentation" }
            });
        let header = match self.integration.health() {
            Some(health) => header.beside(badge(health).render()),
            None => header,
        };
        let header = match self.may_change && self.form.is_none() {
            true => header.actions(html! {
                (Button::secondary("Connect another account").icon(Icon::Plus).to(format!("{}?new=1", self.here())))
            }),
            false => header,
        };
        let is_connected = !self.integration.credentials.is_empty();
        html! {
            (header)
            div.columns {
                (self.at_the_provider())
                div.stack {
                    @if let Token::Saved(secret) = self.token { (self.once(secret)) }
                    @if let Some(form) = self.form { (self.entering(form)) }
                    @if is_connected { (self.check()) (self.accounts()) }
                }
            }
        }
    }
}

impl Guide<'_> {
    fn here(&self) -> String {
        let id = &self.integration.provider.id;
        self.tenant.href(&format!("{LIST}/{id}"))
    }

    /// What people call the secret that the tenant makes up, in lower case.
    fn token_label(&self) -> String {
        let provider = self.integration.provider;
        let setup = provider.setup.as_ref();
        let field = setup
            .and_then(|setup| setup.made_up.as_ref())
            .and_then(|made_up| provider.credential.field(&made_up.field));
        field.map_or_else(|| "token".to_owned(), |field| field.label.to_lowercase())
    }

    fn at_the_provider(&self) -> Markup {
        let provider = self.integration.provider;
        let Some(setup) = &provider.setup else {
            return self.addresses();
        };
        let label = self.token_label();
        let filling = Filling {
            webhook_url: &self.webhook_url,
            redirect_url: &self.redirect_url,
            verify_token: match self.token {
                Token::Proposed(token) | Token::Saved(token) => Shown::Value(token),
                Token::Kept => Shown::Words("the value that you entered here"),
            },
        };
        let steps = setup.steps.iter().fold(Steps::new(), |steps, step| {
            steps.step(step.at.as_deref(), self.step(step, &filling, &label))
        });
        let card = Card::new(steps.render())
            .title("What to do")
            .about("In this order. What you find goes into the fields that each step names.");
        match &setup.console {
            Some(console) => card
                .actions(html! {
                    a.button.secondary.small href=(console) rel="noreferrer" target="_blank" {
                        (Icon::External) "Open " (provider.name)
                    }
                })
                .render(),
            None => card.render(),
        }
    }

    /// For a provider whose file has no steps.
    fn addresses(&self) -> Markup {
        let provider = self.integration.provider;
        let facts = match &provider.webhook {
            Some(_) => Facts::new().fact(
                "Webhook URL",
                Copyable::new("webhook URL", &self.webhook_url).render(),
            ),
            None => Facts::new().maybe("Webhooks", None),
        };
        Card::new(facts.render())
            .title("At the provider")
            .about("What to enter there; its documentation says where.")
            .render()
    }

    fn step(&self, step: &Step, filling: &Filling<'_>, label: &str) -> Markup {
        let fields = step
            .fields
            .iter()
            .filter_map(|name| self.integration.provider.credential.field(name));
        let labels: Vec<&str> = fields.map(|field| field.label.as_str()).collect();
        html! {
            p { (words(&step.text, filling, label)) }
            @if let Some(paste) = &step.paste { (CodeBlock::new("To paste", filling.paste(paste))) }
            @if !labels.is_empty() { p.hint { "For: " (labels.join(", ")) } }
        }
    }

    fn once(&self, secret: &str) -> Markup {
        Card::new(ShownSecret::once(self.token_label(), secret).render())
            .title("Connected")
            .about("Now finish at the provider: it asks for this when it checks the URL.")
            .render()
    }

    fn entering(&self, form: &NewForm<'_>) -> Markup {
        let back = match self.integration.credentials.is_empty() {
            true => self.tenant.href(LIST),
            false => self.here(),
        };
        Card::new(form.form(&self.here(), &back).render())
            .title("What you found there")
            .about("Secrets are encrypted with a key of your own account's and never shown again.")
            .render()
    }

    /// The account that was connected last: the one that somebody who looks here waits for.
    fn newest(&self) -> Option<&Connected> {
        self.integration
            .credentials
            .iter()
            .max_by_key(|credential| credential.connected_at)
    }

    fn check(&self) -> Markup {
        let integration = self.integration;
        let Some(newest) = self.newest() else {
            return Markup::default();
        };
        let can_be_tested = integration.provider.verification.is_some();
        let is_testing = can_be_tested
            && newest.health == Health::Untested
            && self.now - newest.connected_at < TESTING;
        let awaits = integration.awaits_webhook();
        let facts = Facts::new().fact("Account", tested(newest, is_testing, self.now));
        let facts = match integration.provider.webhook {
            Some(_) => facts.fact("Webhooks", self.arrived()),
            None => facts,
        };
        let state = format!("{}-{is_testing}-{awaits}", newest.health.as_str());
        let is_waiting = is_testing || awaits;
        let live = Live::new(
            "check",
            state,
            html! {
                (facts)
                @if is_waiting { p.hint { "This looks again by itself. " a href=(self.here()) { "Look now" } } }
            },
        );
        let live = match is_waiting {
            true => live.waiting(self.here()),
            false => live,
        };
        Card::new(live.render()).title("Does it work?").render()
    }

    fn arrived(&self) -> Markup {
        let inbound = self.integration.inbound;
        html! {
            @if inbound.is_open == Some(false) {
                (Badge::status(Tone::Warning, "Closed"))
                p.hint { "Let them in again on the account's page." }
            } @else if self.integration.awaits_webhook() {
                (Badge::status(Tone::Info, "Waiting")) " for the first webhook"
                p.hint { "It shows here as soon as one comes that proves to be genuine. If none does, compare the URL and the secrets of the steps: one with a wrong signature is refused and leaves no trace." }
                @if let Some(before) = inbound.last_received_at {
                    p.hint { "The last one of before came " (Moment::new(before, self.now)) "." }
                }
            } @else if let Some(at) = inbound.last_received_at {
                (Badge::status(Tone::Success, "Arrived")) " the latest came " (Moment::new(at, self.now))
            }
        }
    }

    fn accounts(&self) -> Markup {
        let table = Table::new("Connected accounts")
            .column(Column::new("Account"))
            .column(Column::new("State"))
            .column(Column::new("Last used"));
        let table = match self.may_change {
            true => table.column(Column::new("Act").untitled()),
            false => table,
        };
        let href = |c: &Connected| self.tenant.href(&format!("{CREDENTIALS}/{}", c.id));
        let credentials = self.integration.credentials.iter();
        let table = credentials.fold(table, |table, credential| {
            let cells = [
                html! { (credential.name) },
                badge(credential.health).render(),
                html! { @match credential.last_used_at {
                    Some(at) => (Moment::new(at, self.now)),
                    None => span.muted { "Never" },
                } },
            ];
            let test = self.may_change.then(|| {
                html! {
                    form method="post" action={ (href(credential)) "/verify" } {
                        (Button::secondary("Test").small())
                    }
                }
            });
            table.linked(href(credential), cells.into_iter().chain(test))
        });
        let card = Card::new(table.render())
            .title("Connected accounts")
            .about("Replace, take back and disconnect on an account's own page.")
            .flush();
        let shown = self.integration.credentials.len();
        match usize::try_from(self.integration.total) {
            Ok(total) if total > shown => card
                .footer(html! {
                    "The first " (shown) " of " (total) ". "
                    a href=(self.tenant.href(CREDENTIALS)) { "See all credentials" }
                })
                .render(),
            _ => card.render(),
        }
    }
}

/// What the latest test of an account found.
fn tested(credential: &Connected, is_testing: bool, now: OffsetDateTime) -> Markup {
    html! {
        @if is_testing {
            (Badge::status(Tone::Info, "Being tested"))
        } @else {
            (badge(credential.health))
            @if let Some(at) = credential.checked_at { " " span.muted { "tested " (Moment::new(at, now)) } }
        }
        @if let Some(detail) = &credential.detail { p.hint { (detail) } }
        @if let Some(since) = credential.since {
            p.hint {
                "So since " (Moment::new(since, now)) "."
                @if credential.worked_before { " It worked before: something was changed at the provider." }
            }
        }
        @if let Some(advice) = &credential.advice { p { (advice) } }
        @if let Some(end) = credential.expires_at { p.hint { "Ends " (Moment::new(end, now)) "." } }
    }
}

/// A step's text, its addresses and secrets ready to be copied.
fn words(template: &FieldTemplate, filling: &Filling<'_>, label: &str) -> Markup {
    html! {
        @for part in template.parts() {
            @match part {
                Part::Literal(text) => (text),
                Part::Field(name) => @match filling.of(name) {
                    Shown::Value(value) => (Copyable::new(called(name, label), value)),
                    Shown::Words(words) => (words),
                },
            }
        }
    }
}

fn called<'a>(name: &str, label: &'a str) -> &'a str {
    match name {
        "webhook_url" => "webhook URL",
        "redirect_url" => "redirect URL",
        _ => label,
    }
}
