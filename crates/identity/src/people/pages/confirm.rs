//! Showing the password once more, before what a found browser must not be enough for.

use axum::{
    Extension, Router,
    extract::{FromRef, State},
    response::Response,
    routing::get,
};
use kernel::{
    Db, Result,
    access::{Person, Web},
    extract::{Form, Query},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, html};
use serde::Deserialize;
use ui::{Button, Field, Form as FormView, Page, SeeOther};

use super::{CONFIRM, Next, SECURITY, bare, drawn_again, local};
use crate::people::{People, account, api::with_session};

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new().route(CONFIRM, get(show).post(submit))
}

fn view(email: &str, next: &str, wrong: &Refusal) -> Markup {
    let fields = html! {
        p { "What comes next asks for the password once more." }
        (Field::email("email", "E-mail").value(email).autocomplete("username").readonly())
        (Field::password("password", "Password", "current-password").autofocus()
            .error(wrong.of("password")))
    };
    let form = FormView::post(CONFIRM, fields, html! { (Button::primary("Continue")) })
        .hidden("next", next)
        .errors(wrong.all());
    html! {
        (form)
        p.bare-foot { a href=(SECURITY) { "Back to security" } }
    }
}

fn page(email: &str, next: &str, wrong: &Refusal) -> Page {
    bare("Is it you?", view(email, next, wrong))
}

async fn show(person: Person, Query(next): Query<Next>) -> Result<Page> {
    let account = account::get(&person).await?;
    Ok(page(&account.email, next.path(), &Refusal::default()))
}

#[derive(Debug, Deserialize)]
struct Sent {
    password: Secret,
    next: Option<String>,
}

async fn submit(
    State(people): State<People>,
    Extension(web): Extension<Web>,
    person: Person,
    Form(sent): Form<Sent>,
) -> Result<Response> {
    let next = local(sent.next.as_deref());
    match account::confirm(&people, &person, &sent.password).await {
        Ok(session) => with_session(&web, &session, SeeOther::new(next)),
        Err(error) => {
            let wrong = error.refusal()?;
            let account = account::get(&person).await?;
            Ok(drawn_again(&wrong, page(&account.email, next, &wrong)))
        }
    }
}
