//! `/app/{tenant}/encryption-key`: which key wraps the account's data keys and how it does, setting
//! one of the account's own, testing it, going back. The login's secret goes in here and never comes
//! out.

mod form;

use axum::{
    Router,
    extract::{FromRef, State},
    routing::{get, post},
};
use kernel::{
    Access, Db, Error, Result,
    db::Tenant,
    permission::{EncryptionKeyRead, EncryptionKeyWrite, Permission},
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Confirm, Copyable, EmptyState, Facts, Flash, Icon, Moment, Notice, Page,
    PageHeader, SeeOther, Tone,
};

use super::{
    EncryptionKeyView, Holder, KeyState, OwnKeyView,
    change::{seen, view},
    model::LoginKind,
};
use crate::Connect;

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/encryption-key", get(show))
        .route(
            "/app/{tenant}/encryption-key/transit",
            get(form::show_transit).post(form::set_transit),
        )
        .route(
            "/app/{tenant}/encryption-key/aws",
            get(form::show_aws).post(form::set_aws),
        )
        .route("/app/{tenant}/encryption-key/verify", post(verify))
        .route(
            "/app/{tenant}/encryption-key/remove",
            get(ask_remove).post(remove),
        )
}

const HERE: &str = "/encryption-key";
const TITLE: &str = "Encryption key";

async fn show(access: Access<EncryptionKeyRead>) -> Result<Page> {
    let found = view(&access).await?;
    let overview = Overview {
        tenant: access.tenant(),
        found: &found,
        may_change: access.may_give(EncryptionKeyWrite::NAME),
        aws: cfg!(feature = "aws-kms"),
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new(TITLE, overview.render()))
}

struct Overview<'a> {
    tenant: &'a Tenant,
    found: &'a EncryptionKeyView,
    may_change: bool,
    /// Whether this program was built with keys in AWS KMS.
    aws: bool,
    now: OffsetDateTime,
}

impl Overview<'_> {
    fn to(&self, page: &str) -> String {
        self.tenant.href(&format!("{HERE}{page}"))
    }

    /// The ways to set a key; the first is the one that stands out, if there is none yet.
    fn ways(&self, is_new: bool) -> Markup {
        let (transit, aws) = match is_new {
            true => ("Use a Transit key", "Use an AWS KMS key"),
            false => ("Replace by a Transit key", "Replace by an AWS KMS key"),
        };
        let first = match is_new {
            true => Button::primary(transit).icon(Icon::Lock),
            false => Button::secondary(transit),
        };
        html! {
            (first.to(self.to("/transit")))
            @if self.aws {
                " " (Button::secondary(aws).to(self.to("/aws")))
            }
        }
    }

    fn none(&self) -> Markup {
        let empty = EmptyState::new(
            Icon::Lock,
            "The installation's key protects your secrets",
            "Every secret that you store is encrypted under keys of your account's alone, and those under a key of the installation's. Put them under a key of your own instead, and you can withdraw it at any time.",
        );
        let empty = match self.may_change {
            true => empty.action(self.ways(true)),
            false => empty,
        };
        Card::new(empty.render()).render()
    }

    fn own(&self, own: &OwnKeyView) -> Markup {
        html! {
            div.stack {
                (self.trouble(own))
                (self.key(own))
                @if self.may_change {
                    (Card::new(html! { div.actions { (self.ways(false)) } }).title("Replace")
                        .about("Your data keys are moved under another key, all at once. The present one has to work for that."))
                    (Card::new(html! {
                        div.actions { (Button::danger("Remove your key").to(self.to("/remove"))) }
                    }).title("Remove").about("The installation's key protects your secrets again."))
                }
            }
        }
    }

    /// What is wrong, and what to do about it.
    fn trouble(&self, own: &OwnKeyView) -> Markup {
        let (tone, title) = match own.state {
            KeyState::Working => return Markup::default(),
            KeyState::Unavailable => (Tone::Warning, "Your key provider does not answer"),
            KeyState::Withdrawn => (
                Tone::Danger,
                "Your key provider refuses the use of your key",
            ),
        };
        let advice = own.advice.as_deref().unwrap_or_default();
        Notice::new(tone, title)
            .body(html! {
                p { (kernel::refusal::sentence(advice)) "." }
                p {
                    @if let Some(since) = own.failing_since { "It is so since " (Moment::new(since, self.now)) ". " }
                    "Until then nothing that needs your secrets works: messages wait, and are sent when it works again. That happens by itself."
                }
            })
            .render()
    }

    fn key(&self, own: &OwnKeyView) -> Markup {
        let facts = Facts::new().fact("Provider", html! { (own.provider.name()) });
        let facts = match (&own.transit, &own.aws) {
            (Some(at), _) => {
                let facts = facts
                    .fact("Address", Copyable::new("address", &at.address).render())
                    .fact("Key", html! { code { (at.mount) "/" (at.key) } });
                let facts = match &at.namespace {
                    Some(namespace) => facts.fact("Namespace", html! { code { (namespace) } }),
                    None => facts,
                };
                match (at.login, &at.role_id) {
                    (LoginKind::Approle, Some(role)) => facts
                        .fact("AppRole", html! { code { (role) } })
                        .fact("Secret id", html! { code { "••••" } }),
                    _ => facts.fact("Token", html! { code { "••••" } }),
                }
            }
            (None, Some(at)) => facts
                .fact("Key", Copyable::new("key's ARN", &at.key).render())
                .fact("Access key", html! { code { (at.access_key_id) } })
                .fact("Secret access key", html! { code { "••••" } }),
            (None, None) => facts,
        };
        let facts = facts
            .fact(
                "Last tested",
                Moment::new(own.verified_at, self.now).render(),
            )
            .fact("Set", Moment::new(own.updated_at, self.now).render())
            .fact("Set by", html! { code { (own.created_by) } });
        let card = Card::new(facts.render())
            .title("Your key")
            .about("It wraps the keys that your secrets are encrypted with. It never leaves your provider.");
        match self.may_change {
            true => card
                .footer(html! {
                    form method="post" action=(self.to("/verify")) { (Button::secondary("Test now").small()) }
                })
                .render(),
            false => card.render(),
        }
    }
}

impl Render for Overview<'_> {
    fn render(&self) -> Markup {
        let header = PageHeader::new(TITLE).about(html! {
            "Who holds the key above all keys that your account's secrets are encrypted with."
        });
        let header = match &self.found.own {
            Some(own) => header.beside(state(own.state)),
            None => header,
        };
        html! {
            div.narrow {
                (header)
                @match &self.found.own {
                    Some(own) => (self.own(own)),
                    None => (self.none()),
                }
            }
        }
    }
}

fn state(state: KeyState) -> Markup {
    let (tone, words) = match state {
        KeyState::Working => (Tone::Success, "Works"),
        KeyState::Unavailable => (Tone::Warning, "Does not answer"),
        KeyState::Withdrawn => (Tone::Danger, "Withdrawn"),
    };
    Badge::status(tone, words).render()
}

fn back(access: &Access<EncryptionKeyWrite>, tone: Tone, text: impl Into<String>) -> SeeOther {
    SeeOther::new(access.tenant().href(HERE)).flash(Flash::new(tone, text))
}

async fn verify(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
) -> Result<SeeOther> {
    let own = connect.verify_encryption_key(&access).await?.own;
    let state = own.map_or(KeyState::Working, |own| own.state);
    Ok(match state {
        KeyState::Working => back(&access, Tone::Success, "Your key works."),
        KeyState::Unavailable => back(&access, Tone::Warning, "Your key provider does not answer."),
        KeyState::Withdrawn => back(
            &access,
            Tone::Danger,
            "Your key provider refuses the use of your key. Nothing goes on by what was in memory.",
        ),
    })
}

async fn ask_remove(access: Access<EncryptionKeyWrite>) -> Result<Page> {
    let found = seen(&access).await?;
    let here = access.tenant().href(HERE);
    let body = match found.own.map(|own| own.provider) {
        Some(holder) => remove_view(&here, holder),
        None => html! {
            div.narrow {
                (PageHeader::new("Remove your key").crumb(TITLE, &here))
                (Card::new(EmptyState::new(Icon::Lock, "There is none to remove",
                    "The installation's key protects your secrets already.").render()))
            }
        },
    };
    Ok(Page::new("Remove your key", body))
}

fn remove_view(here: &str, holder: Holder) -> Markup {
    let consequence = html! {
        p { "The keys of your secrets are put back under the installation's key. From then on your provider has no say in who reads them." }
        p { "The key in " (holder.name()) " has to work once more for that. It is changed in nothing; delete it there when you need it no more." }
    };
    Confirm::new(
        "Remove your key?",
        consequence,
        format!("{here}/remove"),
        "Remove your key",
    )
    .page(here)
}

async fn remove(
    access: Access<EncryptionKeyWrite>,
    State(connect): State<Connect>,
) -> Result<SeeOther> {
    match connect.remove_encryption_key(&access).await {
        Ok(()) => Ok(back(
            &access,
            Tone::Success,
            "The installation's key protects your secrets again.",
        )),
        Err(
            error @ (Error::TenantKeyUnavailable(_)
            | Error::TenantKeyWithdrawn { .. }
            | Error::Conflict { .. }),
        ) => {
            let text = kernel::refusal::sentence(&error.to_string());
            Ok(back(
                &access,
                Tone::Danger,
                format!("Nothing was changed. {text}."),
            ))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
