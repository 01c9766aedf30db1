//! Authenticator apps and recovery codes: setting up, making anew, removing.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{Db, Error, Result, access::Web, extract::Form, refusal::Refusal};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{
    Button, Card, Confirm, Copyable, Field, Flash, Form as FormView, Notice, Page, PageHeader,
    QrCode, SeeOther, Tone,
};

use super::{SECURITY, StepUp, drawn_again};
use crate::people::{
    People,
    api::with_session,
    factors::{
        authenticator::{self, Enrolled, Enrolment},
        recovery::{self, RecoveryCodes},
    },
};

/// Beginning by POST makes a secret, which the page at the same address shows.
pub(super) const AUTHENTICATOR: &str = "/account/security/authenticator";
const CONFIRM: &str = "/account/security/authenticator/confirm";
pub(super) const REMOVE: &str = "/account/security/authenticator/remove";
pub(super) const RECOVERY: &str = "/account/security/recovery-codes";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(AUTHENTICATOR, get(show).post(begin))
        .route(CONFIRM, post(confirm))
        .route(REMOVE, get(ask_remove).post(remove))
        .route(RECOVERY, get(ask_codes).post(make_codes))
}

fn header(title: &str) -> PageHeader {
    PageHeader::new(title).crumb("Security", SECURITY)
}

fn enrolment_page(enrolment: &Enrolment, wrong: &Refusal) -> Page {
    Page::new(
        "Set up an authenticator app",
        enrolment_view(enrolment, wrong),
    )
}

fn enrolment_view(enrolment: &Enrolment, wrong: &Refusal) -> Markup {
    let qr = QrCode::new("QR code for your authenticator app", &enrolment.address);
    let form = FormView::post(
        CONFIRM,
        html! {
            (Field::code("code", "Code that the app shows").max_length(7).error(wrong.of("code")))
        },
        html! {
            (Button::primary("Turn it on")) (Button::secondary("Cancel").to(SECURITY))
        },
    );
    html! {
        div.narrow {
            (header("Set up an authenticator app"))
            (Card::new(html! {
                div.stack {
                    p { "Scan this with an app such as Aegis, 2FAS or Google Authenticator, then type the code that it shows." }
                    @if let Some(qr) = qr { (qr) }
                    p { "If you can't scan it, type this secret into the app: "
                        (Copyable::new("secret", enrolment.secret.as_str())) }
                    (form.errors(wrong.all()))
                }
            }))
        }
    }
}

async fn begin(State(people): State<People>, StepUp(confirmed): StepUp) -> Result<Response> {
    match authenticator::begin(&people, &confirmed).await {
        Ok(()) => Ok(SeeOther::new(AUTHENTICATOR).into_response()),
        Err(Error::Invalid { detail, .. }) => {
            let flash = Flash::new(Tone::Warning, detail);
            Ok(SeeOther::new(SECURITY).flash(flash).into_response())
        }
        Err(error) => Err(error),
    }
}

async fn show(State(people): State<People>, StepUp(confirmed): StepUp) -> Result<Response> {
    match authenticator::enrolment(&people, &confirmed).await {
        Ok(enrolment) => Ok(enrolment_page(&enrolment, &Refusal::default()).into_response()),
        Err(Error::NotFound(_)) => Ok(SeeOther::new(SECURITY).into_response()),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

async fn confirm(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    StepUp(confirmed): StepUp,
    Form(sent): Form<Code>,
) -> Result<Response> {
    match authenticator::confirm(&people, &confirmed, &sent.code).await {
        Ok(enrolled) => answer(&web, enrolled, "The authenticator app is set up."),
        Err(Error::NotFound(_)) => Ok(SeeOther::new(SECURITY).into_response()),
        Err(error) => {
            let wrong = error.refusal()?;
            let enrolment = authenticator::enrolment(&people, &confirmed).await?;
            Ok(drawn_again(&wrong, enrolment_page(&enrolment, &wrong)))
        }
    }
}

/// With the first factor come recovery codes, which are shown now and never again.
pub(super) fn answer(web: &Web, enrolled: Enrolled, what: &str) -> Result<Response> {
    match &enrolled.codes {
        Some(codes) => with_session(web, &enrolled.session, codes_page(codes, what)),
        None => {
            let flash = Flash::new(Tone::Success, what);
            let to = SeeOther::new(SECURITY).flash(flash);
            with_session(web, &enrolled.session, to)
        }
    }
}

fn codes_page(codes: &RecoveryCodes, what: &str) -> Page {
    Page::new("Recovery codes", codes_view(codes, what)).status(StatusCode::OK)
}

fn codes_view(codes: &RecoveryCodes, what: &str) -> Markup {
    let all: Vec<&str> = codes.0.iter().map(kernel::secret::Secret::expose).collect();
    html! {
        div.narrow {
            (header("Recovery codes"))
            (Card::new(html! {
                div.stack {
                    (Notice::new(Tone::Success, what))
                    (Notice::new(Tone::Warning, "Keep these codes now")
                        .body(html! { "Each signs you in once if you lose your app or your passkeys. They are not shown again." }))
                    (ui::CodeBlock::new("Ten codes, each for one use", all.join("\n")))
                    div.form-buttons { (Button::primary("I have kept them").to(SECURITY)) }
                }
            }))
        }
    }
}

fn remove_question() -> Markup {
    let lost = html! {
        p { "Its codes sign you in no longer. Without another factor, your password alone is enough, and your recovery codes are void." }
    };
    Confirm::new(
        "Remove the authenticator app",
        lost,
        REMOVE,
        "Remove the app",
    )
    .page(SECURITY)
}

async fn ask_remove(_: StepUp) -> Page {
    Page::new("Remove the authenticator app", remove_question())
}

async fn remove(StepUp(confirmed): StepUp) -> Result<Response> {
    match authenticator::remove(&confirmed).await {
        Ok(()) | Err(Error::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let flash = Flash::new(Tone::Success, "The authenticator app is removed.");
    Ok(SeeOther::new(SECURITY).flash(flash).into_response())
}

async fn ask_codes(_: StepUp) -> Page {
    let lost =
        html! { p { "You get ten new codes. The old ones, wherever you keep them, are void." } };
    let question = Confirm::new("Make new recovery codes", lost, RECOVERY, "Make new codes");
    Page::new("Make new recovery codes", question.page(SECURITY))
}

async fn make_codes(StepUp(confirmed): StepUp) -> Result<Response> {
    match recovery::regenerate(&confirmed).await {
        Ok(codes) => Ok(codes_page(&codes, "The old codes are void.").into_response()),
        Err(Error::NotFound(_)) => Ok(SeeOther::new(SECURITY).into_response()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use kernel::secret::Secret;

    use super::*;

    #[test]
    fn what_is_shown_once_is_all_there() {
        let codes = RecoveryCodes(vec![Secret::new("aaaa-bbbb"), Secret::new("cccc-dddd")]);
        let html = codes_view(&codes, "Done").into_string();
        assert!(html.contains("aaaa-bbbb\ncccc-dddd"), "{html}");
    }
}
