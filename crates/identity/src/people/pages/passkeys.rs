//! Adding, renaming and removing passkeys.

use axum::{
    Extension, Json, Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Error, Result,
    access::{Person, Web},
    extract::{Form, Path},
    id::PasskeyId,
    refusal::Refusal,
};
use maud::{Render, html};
use serde::Deserialize;
use serde_json::Value;
use ui::{
    Button, Card, Confirm, Field, Flash, Form as FormView, Page, PageHeader, PasskeyForm, SeeOther,
    Tone,
};

use super::{SECURITY, StepUp, drawn_again, factors::answer};
use crate::people::{
    People,
    factors::{
        self,
        passkeys::{self, PasskeyView},
    },
};

const BASE: &str = "/account/security/passkeys";
pub(super) const NEW: &str = "/account/security/passkeys/new";
const OPTIONS: &str = "/account/security/passkeys/options";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(BASE, post(register))
        .route(NEW, get(show_new))
        .route(OPTIONS, post(options))
        .route(
            "/account/security/passkeys/{passkey}",
            get(show).post(rename),
        )
        .route(
            "/account/security/passkeys/{passkey}/remove",
            get(ask_remove).post(remove),
        )
}

/// The page of one passkey.
pub(super) fn of(id: PasskeyId) -> String {
    format!("{BASE}/{id}")
}

fn header(title: &str) -> PageHeader {
    PageHeader::new(title).crumb("Security", SECURITY)
}

fn new_page(name: &str, wrong: &Refusal) -> Page {
    let field = Field::text("name", "Name")
        .value(name)
        .max_length(200)
        .autocomplete("off")
        .hint("By which you know it again: the device, or the password manager.")
        .error(wrong.of("name"));
    let body = html! {
        div.narrow {
            (header("Add a passkey"))
            (Card::new(html! {
                div.stack {
                    p { "Your browser asks where the passkey is to lie: in this device, on a telephone, in a password manager, or on a security key." }
                    @for (_, sentence) in wrong.all() {
                        (ui::Notice::new(Tone::Danger, sentence))
                    }
                    (PasskeyForm::create(BASE, OPTIONS, "Add a passkey").body(field.render()))
                }
            }))
        }
    };
    Page::new("Add a passkey", body).module(PasskeyForm::module())
}

async fn show_new(State(people): State<People>, _: StepUp) -> Result<Page> {
    people.webauthn()?;
    Ok(new_page("", &Refusal::default()))
}

async fn options(State(people): State<People>, StepUp(confirmed): StepUp) -> Result<Json<Value>> {
    let options = passkeys::begin_registration(&people, &confirmed).await?;
    Ok(Json(options))
}

#[derive(Debug, Deserialize)]
struct Made {
    name: String,
    credential: String,
}

async fn register(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    StepUp(confirmed): StepUp,
    Form(sent): Form<Made>,
) -> Result<Response> {
    match passkeys::register(&people, &confirmed, &sent.name, &sent.credential).await {
        Ok(enrolled) => answer(&web, enrolled, "The passkey is added."),
        Err(error) => {
            let wrong = error.refusal()?;
            Ok(drawn_again(&wrong, new_page(&sent.name, &wrong)))
        }
    }
}

async fn find(person: &Person, id: PasskeyId) -> Result<PasskeyView> {
    let known = factors::list(person).await?.passkeys;
    let found = known.into_iter().find(|passkey| passkey.id == id);
    found.ok_or(Error::NotFound("passkey"))
}

fn page(id: PasskeyId, title: &str, name: &str, wrong: &Refusal) -> Page {
    let field = Field::text("name", "Name")
        .value(name)
        .max_length(200)
        .autocomplete("off")
        .error(wrong.of("name"));
    let buttons = html! { (Button::primary("Save")) };
    let form = FormView::post(of(id), field.render(), buttons).errors(wrong.all());
    let remove = format!("{}/remove", of(id));
    let body = html! {
        (header(title))
        div.narrow.stack {
            (Card::new(form.render()).title("Name"))
            (Card::new(html! { div.form-buttons { (Button::danger("Remove the passkey").to(remove)) } })
                .title("Remove").about("It signs you in no longer. Remove it from your device as well."))
        }
    };
    Page::new(title, body)
}

async fn show(person: Person, Path(id): Path<PasskeyId>) -> Result<Page> {
    let passkey = find(&person, id).await?;
    Ok(page(id, &passkey.name, &passkey.name, &Refusal::default()))
}

#[derive(Debug, Deserialize)]
struct NewName {
    name: String,
}

async fn rename(
    person: Person,
    Path(id): Path<PasskeyId>,
    Form(sent): Form<NewName>,
) -> Result<Response> {
    match passkeys::rename(&person, id, &sent.name).await {
        Ok(()) => {
            let flash = Flash::new(Tone::Success, "Saved.");
            Ok(SeeOther::new(SECURITY).flash(flash).into_response())
        }
        Err(error) => {
            let wrong = error.refusal()?;
            let passkey = find(&person, id).await?;
            Ok(drawn_again(
                &wrong,
                page(id, &passkey.name, &sent.name, &wrong),
            ))
        }
    }
}

async fn ask_remove(StepUp(confirmed): StepUp, Path(id): Path<PasskeyId>) -> Result<Page> {
    let passkey = find(confirmed.person(), id).await?;
    let lost = html! {
        p { b { (passkey.name) } " signs you in no longer. If it is your last factor, your recovery codes are void as well." }
    };
    let title = "Remove the passkey";
    let question = Confirm::new(title, lost, format!("{}/remove", of(id)), title);
    Ok(Page::new(title, question.page(&of(id))))
}

async fn remove(StepUp(confirmed): StepUp, Path(id): Path<PasskeyId>) -> Result<Response> {
    passkeys::remove(&confirmed, id).await?;
    let flash = Flash::new(Tone::Success, "The passkey is removed.");
    Ok(SeeOther::new(SECURITY).flash(flash).into_response())
}
