//! One credential: what is known of it, how it does, and what to enter at the provider.

use axum::extract::State;
use kernel::{
    Access, Result,
    actors::Names,
    db::Tenant,
    extract::{Form, Path},
    id::CredentialId,
    permission::{CredentialsRead, CredentialsWrite, Permission},
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Copyable, Facts, Flash, Moment, Notice, Page, PageHeader,
    SeeOther, Table, Tone,
};

use super::{
    LIST, badge, environment_badge, list, masked, tested, versions::card as versions_card, webhooks,
};
use crate::{
    Connect,
    catalogue::Provider,
    credentials::{
        CredentialView, SecretView, VersionView, read,
        state::{self, Outcome, ProviderState},
        versions,
    },
    oauth::{self, Connection, pages::card::card},
};

pub async fn show(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let states = state::of_providers(&access).await?;
    let versions = versions::versions(&access, id).await?;
    let owner = credential.owner.map(|owner| format!("user:{owner}"));
    let actors = versions.iter().map(|version| version.created_by.as_str());
    let actors = actors.chain(credential.last_used.as_ref().map(|used| used.by.as_str()));
    let names = Names::of(&access, actors.chain(owner.as_deref())).await?;
    let connection = oauth::connections(&access, Some(id), None, 1).await?.pop();
    let detail = Detail {
        connection: connection.as_ref(),
        tenant: access.tenant(),
        credential: &credential,
        versions: &versions,
        names: &names,
        provider: connect.catalogue().get(&credential.provider),
        state: super::state_of(&states, &credential.provider),
        hook_url: connect.hook_url(&access.tenant().slug, &credential.provider),
        may_change: access.may_give(CredentialsWrite::NAME),
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new(detail.title(), detail.render()))
}

pub(super) struct Detail<'a> {
    pub tenant: &'a Tenant,
    pub credential: &'a CredentialView,
    pub versions: &'a [VersionView],
    pub names: &'a Names,
    /// Absent where the catalogue has it no longer.
    pub provider: Option<&'a Provider>,
    pub state: Option<&'a ProviderState>,
    /// Where it was connected by consent.
    pub connection: Option<&'a Connection>,
    pub hook_url: String,
    pub may_change: bool,
    pub now: OffsetDateTime,
}

impl Detail<'_> {
    fn title(&self) -> String {
        format!("{} – {}", self.provider_name(), self.credential.name)
    }

    fn provider_name(&self) -> &str {
        let known = self.provider.map(|provider| provider.name.as_str());
        known.unwrap_or(&self.credential.provider)
    }

    fn here(&self) -> String {
        self.tenant.href(&format!("{LIST}/{}", self.credential.id))
    }

    /// What the catalogue calls a field.
    fn label<'b>(&'b self, field: &'b str) -> &'b str {
        let known = self
            .provider
            .and_then(|provider| provider.credential.field(field));
        known.map_or(field, |field| &field.label)
    }
}

impl Render for Detail<'_> {
    fn render(&self) -> Markup {
        let here = self.here();
        let header = PageHeader::new(self.title())
            .crumb("Credentials", self.tenant.href(LIST))
            .beside(html! {
                (badge(self.state)) " " (environment_badge(self.credential.environment)) " "
                @if self.credential.is_default { (Badge::new(Tone::Neutral, "Default")) }
            });
        let header = match self.may_change {
            true => header.actions(html! {
                (Button::danger("Disconnect").to(format!("{here}/delete")))
                @if !self.credential.is_default {
                    form method="post" action={ (here) "/default" } { (Button::secondary("Make default")) }
                }
                (Button::secondary("Edit details").to(format!("{here}/details")))
                (Button::primary("Replace values").to(format!("{here}/replace")))
            }),
            false => header,
        };
        html! {
            (header)
            div.stack {
                (self.trouble())
                div.columns {
                    div.stack { (self.account()) (self.consent()) }
                    div.stack { (self.tested()) (self.inbound()) }
                }
                (self.secrets())
                (versions_card(self.versions, self.provider, self.names,
                    (self.may_change && self.connection.is_none()).then_some(here.as_str()), self.now))
            }
        }
    }
}

impl Detail<'_> {
    /// What is wrong, and what to do about it.
    fn trouble(&self) -> Markup {
        let call = self.state.and_then(|state| state.last_call.as_ref());
        let name = self.provider_name();
        html! {
            @match call.map(|call| (call.outcome, call.at)) {
                Some((Outcome::Refused, at)) => (Notice::new(Tone::Danger, format!("{name} refused the credential"))
                    .body(html! { "It did so " (Moment::new(at, self.now)) ". Replace its secret values with valid ones." })),
                Some((Outcome::Failed(status), at)) => (Notice::new(Tone::Warning, format!("The last call to {name} failed"))
                    .body(html! {
                        @match status {
                            Some(status) => { "It answered " (status) " " },
                            None => { "It did not answer, " },
                        }
                        (Moment::new(at, self.now)) ". Calls that can be repeated are."
                    })),
                _ => {}
            }
        }
    }

    fn consent(&self) -> Markup {
        let connection = self.connection;
        connection.map_or_else(Markup::default, |connection| {
            card(self.tenant, connection, self.may_change, self.now)
        })
    }

    fn tested(&self) -> Markup {
        let can_be = self
            .provider
            .is_some_and(|provider| provider.verification.is_some());
        if !can_be {
            return Markup::default();
        }
        let here = self.here();
        let here = self.may_change.then_some(here.as_str());
        tested::card(self.credential.verification.as_ref(), here, self.now)
    }

    fn account(&self) -> Markup {
        let credential = self.credential;
        let fields = credential.fields.iter();
        let facts = fields.fold(Facts::new(), |facts, (name, value)| {
            facts.fact(
                self.label(name),
                Copyable::new(self.label(name), value).render(),
            )
        });
        let facts = facts
            .fact("Owner", self.owner())
            .fact("Ends", list::ends(credential.expires_at, self.now))
            .fact(
                "Last used",
                list::used(credential.last_used.as_ref(), self.names, self.now),
            )
            .fact(
                "Connected",
                Moment::new(credential.created_at, self.now).render(),
            )
            .fact(
                "Changed",
                Moment::new(credential.updated_at, self.now).render(),
            )
            .fact(
                "Id",
                Copyable::new("credential id", credential.id.to_string()).render(),
            );
        Card::new(facts.render()).title("Account").render()
    }

    fn owner(&self) -> Markup {
        html! {
            @match self.credential.owner {
                Some(owner) => (self.names.show(&format!("user:{owner}"))),
                None => span.muted { "Nobody" },
            }
        }
    }

    fn inbound(&self) -> Markup {
        let Some(webhook) = self.provider.and_then(|provider| provider.webhook.as_ref()) else {
            return Markup::default();
        };
        let token = webhook
            .handshake
            .iter()
            .find_map(|rule| rule.token.as_ref())
            .map(|token| token.field.as_str());
        let facts = Facts::new()
            .fact(
                "Webhook URL",
                Copyable::new("webhook URL", &self.hook_url).render(),
            )
            .fact("Webhooks", webhooks(self.state));
        let facts = match token {
            Some(token) => facts.fact(
                self.label(token),
                html! {
                    (masked(self.last4(token)))
                    p.hint { "The one that you entered here. If it is lost, replace it and enter the new one there." }
                },
            ),
            None => facts,
        };
        let is_open = self.state.and_then(|state| state.endpoint_open);
        let card = Card::new(facts.render())
            .title("Webhooks")
            .about("What to enter at the provider.");
        match is_open {
            Some(is_open) if self.may_change => card.footer(self.switch(is_open)).render(),
            _ => card.render(),
        }
    }

    fn last4(&self, field: &str) -> Option<&str> {
        let mut secrets = self.credential.secrets.iter();
        let secret = secrets.find(|secret| secret.field == field && secret.slot == "current")?;
        secret.last4.as_deref()
    }

    /// Closes or opens the endpoint; both can be taken back at once.
    fn switch(&self, is_open: bool) -> Markup {
        let (label, value) = match is_open {
            true => ("Let no webhooks in", "false"),
            false => ("Let webhooks in", "true"),
        };
        html! {
            form method="post" action={ (self.here()) "/webhooks" } {
                (Button::secondary(label).small().sending("enabled", value))
            }
        }
    }

    fn secrets(&self) -> Markup {
        let table = Table::new("Secrets")
            .column(Column::new("Secret"))
            .column(Column::new("Ends with"))
            .column(Column::new("State"));
        let table = self.credential.secrets.iter().fold(table, |table, secret| {
            table.row([
                html! { (self.label(&secret.field)) },
                masked(secret.last4.as_deref()),
                self.slot(secret),
            ])
        });
        let card = Card::new(table.render())
            .title("Secrets")
            .about("Encrypted with a key of your own account's. Nobody can read them here, you included.")
            .flush();
        let mut slots = self.credential.secrets.iter();
        let has_grace = slots.any(|secret| secret.slot == "previous");
        match has_grace && self.may_change {
            true => card
                .footer(html! {
                    (Button::secondary("End the grace now").small().to(format!("{}/previous", self.here())))
                })
                .render(),
            false => card.render(),
        }
    }

    fn slot(&self, secret: &SecretView) -> Markup {
        html! {
            @match (secret.slot.as_str(), secret.valid_until) {
                ("previous", Some(until)) => {
                    (Badge::new(Tone::Warning, "Replaced")) " accepted on webhooks until its grace ends "
                    (Moment::new(until, self.now))
                }
                _ => (Badge::new(Tone::Success, "In use")),
            }
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct Switch {
    enabled: bool,
}

pub async fn set_webhooks(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
    Form(switch): Form<Switch>,
) -> Result<SeeOther> {
    let credential = read::get(&access, id).await?;
    connect
        .set_endpoint(&access, &credential.provider, switch.enabled)
        .await?;
    let text = match switch.enabled {
        true => "Webhooks are let in.",
        false => "Webhooks are let in no more; the provider gets the answer of an unknown address.",
    };
    let to = access.tenant().href(&format!("{LIST}/{id}"));
    Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text)))
}
