//! What the latest test of a credential found, in words, and the button that tests it again.

use axum::extract::State;
use kernel::{
    Access, Error, Result, extract::Path, id::CredentialId, permission::CredentialsWrite,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{Badge, Button, Card, Facts, Flash, Moment, SeeOther, Tone};

use super::LIST;
use crate::{
    Connect,
    verify::{Outcome, Verification},
};

/// The card of a credential's own page. `here` is that page's address, where its reader may test.
pub(super) fn card(
    found: Option<&Verification>,
    here: Option<&str>,
    now: OffsetDateTime,
) -> Markup {
    let body = match found {
        None => html! { p.muted { "Not tested since it was saved." } },
        Some(found) => facts(found, now).render(),
    };
    let card = Card::new(body)
        .title("Test")
        .about("Asks the provider whether the credential works. Nothing is changed there.");
    match here {
        Some(here) => card
            .footer(html! {
                form method="post" action={ (here) "/verify" } {
                    (Button::secondary("Test now").small())
                }
            })
            .render(),
        None => card.render(),
    }
}

/// What the latest test found, in a word.
pub(super) fn badge(found: Option<&Verification>) -> Markup {
    match found {
        None => html! { span.muted { "Not tested" } },
        Some(found) => {
            let (tone, words) = verdict(found.outcome);
            Badge::status(tone, words).render()
        }
    }
}

fn facts(found: &Verification, now: OffsetDateTime) -> Facts {
    let (tone, words) = verdict(found.outcome);
    let facts = Facts::new()
        .fact(
            "Found",
            html! { (Badge::status(tone, words)) p.hint { (found.detail) } },
        )
        .fact("Tested", Moment::new(found.checked_at, now).render());
    let facts = match &found.advice {
        Some(advice) => facts.fact("What to do", html! { (advice) }),
        None => facts,
    };
    let facts = match found.expires_at {
        Some(end) => facts.fact("Ends", Moment::new(end, now).render()),
        None => facts,
    };
    match found.scopes.is_empty() {
        true => facts,
        false => facts.fact(
            "May",
            html! { @for scope in &found.scopes { code { (scope) } " " } },
        ),
    }
}

fn verdict(outcome: Outcome) -> (Tone, &'static str) {
    match outcome {
        Outcome::Good => (Tone::Success, "Works"),
        Outcome::Refused => (Tone::Danger, "Refused"),
        Outcome::Unknown => (Tone::Warning, "Not known"),
    }
}

pub async fn run(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<SeeOther> {
    let flash = match connect.verify(&access, id).await {
        Ok(found) => {
            let (tone, words) = verdict(found.outcome);
            Flash::new(tone, format!("{words}. {}", found.detail))
        }
        Err(Error::RateLimited { retry_after }) => Flash::new(
            Tone::Warning,
            format!("That is many tests at once; try again in {retry_after} seconds."),
        ),
        Err(error) => return Err(error),
    };
    let to = access.tenant().href(&format!("{LIST}/{id}"));
    Ok(SeeOther::new(to).flash(flash))
}
