//! The security of an account: password, second factors, sessions.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Result,
    access::{Person, Web},
    extract::{Form, Path},
    id::SessionId,
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, EmptyState, Facts, Field, Flash, Form as FormView, Icon, Moment,
    Page, PageHeader, SeeOther, Table, Tone,
};

use super::{SECURITY, device, drawn_again, factors as codes, passkeys as keys};
use crate::people::{
    People, account,
    api::with_session,
    factors::{self, Factors},
    sessions::{self, SessionView},
};

const PASSWORD: &str = "/account/security/password";
const SESSION: &str = "/account/security/sessions/{session}/end";
const OTHERS: &str = "/account/security/sessions/end-others";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(SECURITY, get(show))
        .route(PASSWORD, post(set_password))
        .route(SESSION, post(end))
        .route(OTHERS, post(end_others))
}

struct Data {
    factors: Factors,
    sessions: Vec<SessionView>,
    passkeys: bool,
    now: OffsetDateTime,
    wrong: Refusal,
}

impl Data {
    /// Three queries, beside the one that knows the session.
    async fn read(people: &People, person: &Person, wrong: Refusal) -> Result<Self> {
        Ok(Self {
            factors: factors::list(person).await?,
            sessions: sessions::list(person).await?,
            passkeys: people.has_passkeys(),
            now: OffsetDateTime::now_utc(),
            wrong,
        })
    }
}

fn page(data: &Data) -> Page {
    Page::new("Security", view(data))
        .command("Add a passkey", keys::NEW)
        .command("Change your name or address", "/account")
}

fn view(data: &Data) -> Markup {
    html! {
        (PageHeader::new("Security").about(html! { "How you sign in, and where you are signed in." }))
        div.stack {
            (second_factors(data))
            @if data.passkeys || !data.factors.passkeys.is_empty() { (passkeys(data)) }
            (password(data))
            (signed_in(data))
        }
    }
}

fn second_factors(data: &Data) -> Markup {
    let factors = &data.factors;
    let (badge, app) = match factors.authenticator {
        Some(since) => (
            Badge::status(Tone::Success, "On"),
            html! {
                "Since " (Moment::new(since, data.now)) " "
                (Button::quiet("Remove").small().to(codes::REMOVE))
            },
        ),
        None if factors.has_any() => (Badge::status(Tone::Success, "On"), set_up()),
        None => (Badge::status(Tone::Warning, "Off"), set_up()),
    };
    let recovery = html! {
        @if factors.has_any() {
            (factors.recovery_codes_left) " left "
            (Button::quiet("Make new ones").small().to(codes::RECOVERY))
        } @else {
            span.muted { "Made with the first of the others" }
        }
    };
    let facts = Facts::new()
        .fact("State", badge.render())
        .fact("Authenticator app", app)
        .fact("Recovery codes", recovery);
    Card::new(facts.render())
        .title("Second factor")
        .about("Whoever learns your password still can't sign in.")
        .render()
}

fn set_up() -> Markup {
    html! {
        form method="post" action=(codes::AUTHENTICATOR) {
            (Button::secondary("Set up an app").small())
        }
    }
}

fn passkeys(data: &Data) -> Markup {
    let empty = EmptyState::new(
        Icon::Key,
        "No passkeys",
        "A passkey lies in your device or your password manager, and signs you in without a password.",
    );
    let table = data.factors.passkeys.iter().fold(
        Table::new("Passkeys")
            .column(Column::new("Passkey"))
            .column(Column::new("Last used"))
            .column(Column::new("Added"))
            .empty(empty),
        |table, passkey| {
            let used = html! {
                @match passkey.last_used_at {
                    Some(at) => (Moment::new(at, data.now)),
                    None => span.muted { "Never" },
                }
            };
            table.linked(
                keys::of(passkey.id),
                [
                    html! { (passkey.name) },
                    used,
                    Moment::new(passkey.created_at, data.now).render(),
                ],
            )
        },
    );
    let card = Card::new(table.render()).title("Passkeys").flush();
    match data.passkeys {
        true => card
            .actions(
                html! { (Button::secondary("Add a passkey").small().icon(Icon::Plus).to(keys::NEW)) },
            )
            .render(),
        false => card.render(),
    }
}

fn password(data: &Data) -> Markup {
    let fields = html! {
        (Field::password("current", "Current password", "current-password").error(data.wrong.of("current")))
        (Field::password("password", "New password", "new-password")
            .hint("At least 10 characters; a few words in a row are good.").error(data.wrong.of("password")))
    };
    let buttons = html! { (Button::primary("Change the password")) };
    let form = FormView::post(PASSWORD, fields, buttons).errors(data.wrong.all());
    Card::new(html! { div.narrow { (form) } })
        .title("Password")
        .about("Changing it ends your other sessions.")
        .render()
}

fn signed_in(data: &Data) -> Markup {
    let table = data.sessions.iter().fold(
        Table::new("Sessions")
            .column(Column::new("Browser"))
            .column(Column::new("Address"))
            .column(Column::new("Last seen"))
            .column(Column::new("Signed in"))
            .column(Column::new("End").untitled()),
        |table, session| {
            let end = html! {
                @if session.current { (Badge::new(Tone::Info, "This one")) }
                @else {
                    form method="post" action={ (SECURITY) "/sessions/" (session.id) "/end" } {
                        (Button::secondary("End").small())
                    }
                }
            };
            table.row([
                html! { (device::describe(session.user_agent.as_deref())) },
                html! { (session.ip.as_deref().unwrap_or("unknown")) },
                Moment::new(session.last_seen_at, data.now).render(),
                Moment::new(session.created_at, data.now).render(),
                end,
            ])
        },
    );
    let card = Card::new(table.render()).title("Sessions").flush();
    match data.sessions.len() {
        0 | 1 => card.render(),
        _ => card
            .actions(html! {
                form method="post" action=(OTHERS) { (Button::secondary("End all others").small()) }
            })
            .render(),
    }
}

async fn show(State(people): State<People>, person: Person) -> Result<Page> {
    let data = Data::read(&people, &person, Refusal::default()).await?;
    Ok(page(&data))
}

#[derive(Debug, Deserialize)]
struct NewPassword {
    current: Secret,
    password: Secret,
}

async fn set_password(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    person: Person,
    Form(sent): Form<NewPassword>,
) -> Result<Response> {
    match account::change_password(&people, &person, &sent.current, &sent.password).await {
        Ok(session) => {
            let text = "The password is changed, and your other sessions have ended.";
            let flash = Flash::new(Tone::Success, text);
            with_session(&web, &session, SeeOther::new(SECURITY).flash(flash))
        }
        Err(error) => {
            let wrong = error.refusal()?;
            let data = Data::read(&people, &person, wrong).await?;
            Ok(drawn_again(&data.wrong, page(&data)))
        }
    }
}

async fn end(person: Person, Path(session): Path<SessionId>) -> Result<Response> {
    sessions::revoke(&person, session).await?;
    let flash = Flash::new(Tone::Success, "The session has ended.");
    Ok(SeeOther::new(SECURITY).flash(flash).into_response())
}

async fn end_others(person: Person) -> Result<Response> {
    let ended = sessions::revoke_others(&person).await?;
    let text = match ended {
        1 => "One other session has ended.".to_owned(),
        ended => format!("{ended} other sessions have ended."),
    };
    let flash = Flash::new(Tone::Success, text);
    Ok(SeeOther::new(SECURITY).flash(flash).into_response())
}
