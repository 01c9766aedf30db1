//! Confirming an address. Scanners of mail follow links, so that following one changes nothing: the
//! button does.

use axum::{
    Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::get,
};
use kernel::{
    Db, Result,
    access::{Person, Visitor},
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Render, html};
use serde::Deserialize;
use ui::{Button, Flash, Form as FormView, Page, SeeOther, Tone};

use super::{Link, SIGN_IN, bare, drawn_again, spent};
use crate::people::{People, mailbox};

const VERIFY: &str = "/verify";
const ACCOUNT: &str = "/account";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new().route(VERIFY, get(show).post(confirm))
}

fn page(token: &str, wrong: &Refusal) -> Page {
    let body = html! { p { "Confirm that the mailbox that the link was sent to is yours." } };
    let form = FormView::post(
        VERIFY,
        body,
        html! { (Button::primary("Confirm the address")) },
    );
    let form = form.hidden("token", token).errors(wrong.all());
    bare("Confirm your address", form.render())
}

async fn show(Query(link): Query<Link>) -> Page {
    let token = link.token.unwrap_or_else(|| Secret::new(""));
    page(token.expose(), &Refusal::default())
}

#[derive(Debug, Deserialize)]
struct Sent {
    token: Secret,
}

async fn confirm(
    State(people): State<People>,
    visitor: Visitor,
    person: Result<Person>,
    Form(sent): Form<Sent>,
) -> Result<Response> {
    match mailbox::confirm(&people, &visitor, &sent.token).await {
        Ok(()) => {
            let to = if person.is_ok() { ACCOUNT } else { SIGN_IN };
            let flash = Flash::new(Tone::Success, "The address is confirmed.");
            Ok(SeeOther::new(to).flash(flash).into_response())
        }
        Err(error) => {
            let wrong = error.refusal()?;
            if wrong.is_about("token") {
                let remedy =
                    html! { "Sign in and ask for a new one: " a href=(ACCOUNT) { "your profile" } };
                return Ok(spent(remedy).into_response());
            }
            Ok(drawn_again(&wrong, page(sent.token.expose(), &wrong)))
        }
    }
}
