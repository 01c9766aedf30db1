//! A person's profile: name and address.

use axum::{
    Router,
    extract::{FromRef, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{Db, Result, access::Person, extract::Form, refusal::Refusal, secret::Secret};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Copyable, Facts, Field, Flash, Form as FormView, Moment, Page, PageHeader,
    SeeOther, Tone,
};

use super::drawn_again;
use crate::people::{
    Email, People,
    account::{self, AccountView},
    mailbox,
};

const ACCOUNT: &str = "/account";
const NAME: &str = "/account/name";
const EMAIL: &str = "/account/email";
const VERIFICATION: &str = "/account/verification";

pub(super) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(ACCOUNT, get(show))
        .route(NAME, post(rename))
        .route(EMAIL, post(change_email))
        .route(VERIFICATION, post(send_verification))
}

struct Data<'a> {
    account: &'a AccountView,
    now: OffsetDateTime,
    /// As typed into the forms.
    name: &'a str,
    email: &'a str,
    wrong: Refusal,
}

impl<'a> Data<'a> {
    fn new(account: &'a AccountView) -> Self {
        Self {
            account,
            now: OffsetDateTime::now_utc(),
            name: &account.name,
            email: "",
            wrong: Refusal::default(),
        }
    }
}

fn page(data: &Data<'_>) -> Page {
    Page::new("Profile", view(data))
        .command("Change the password", "/account/security")
        .command("Set up a second factor", "/account/security")
}

fn view(data: &Data<'_>) -> Markup {
    let account = data.account;
    let is_about_email = data.wrong.is_about("email") || data.wrong.is_about("password");
    let errors = |of_email: bool| {
        let wrong = data.wrong.all();
        wrong.filter(move |_| is_about_email == of_email)
    };
    let name = FormView::post(
        NAME,
        html! {
            (Field::text("name", "Name").value(data.name).autocomplete("name").max_length(200)
                .error(data.wrong.of("name")))
        },
        html! { (Button::primary("Save")) },
    );
    let email = FormView::post(
        EMAIL,
        html! {
            (Field::email("email", "New address").value(data.email).autocomplete("email")
                .error(data.wrong.of("email")))
            (Field::password("password", "Password", "current-password").error(data.wrong.of("password")))
        },
        html! { (Button::primary("Send a link there")) },
    );
    let state = match account.email_verified {
        true => Badge::new(Tone::Success, "Confirmed"),
        false => Badge::new(Tone::Warning, "Not confirmed"),
    };
    let facts = Facts::new()
        .fact("Address", html! { (account.email) " " (state) })
        .fact(
            "Account",
            Copyable::new("account id", account.id.to_string()).render(),
        )
        .fact("Made", Moment::new(account.created_at, data.now).render());
    html! {
        (PageHeader::new("Profile").about(html! { "Who you are in every account that you belong to." }))
        div.narrow.stack {
            (Card::new(html! {
                (facts)
                @if !account.email_verified {
                    (FormView::post(VERIFICATION, html! {}, html! { (Button::secondary("Send the link again")) }))
                }
            }))
            (Card::new(name.errors(errors(false)).render()).title("Name"))
            (Card::new(email.errors(errors(true)).render()).title("E-mail")
                .about("The new address is yours once you follow the link that is sent there."))
        }
    }
}

async fn show(person: Person) -> Result<Page> {
    let account = account::get(&person).await?;
    Ok(page(&Data::new(&account)))
}

fn done(tone: Tone, text: &str) -> Response {
    SeeOther::new(ACCOUNT)
        .flash(Flash::new(tone, text))
        .into_response()
}

#[derive(Debug, Deserialize)]
struct NewName {
    name: String,
}

async fn rename(person: Person, Form(sent): Form<NewName>) -> Result<Response> {
    match account::rename(&person, &sent.name).await {
        Ok(_) => Ok(done(Tone::Success, "Saved.")),
        Err(error) => {
            let wrong = error.refusal()?;
            let account = account::get(&person).await?;
            let data = Data {
                name: &sent.name,
                wrong,
                ..Data::new(&account)
            };
            Ok(drawn_again(&data.wrong, page(&data)))
        }
    }
}

#[derive(Debug, Deserialize)]
struct NewEmail {
    email: String,
    password: Secret,
}

async fn change_email(
    State(people): State<People>,
    person: Person,
    Form(sent): Form<NewEmail>,
) -> Result<Response> {
    let asked = match Email::parse(&sent.email) {
        Ok(email) => account::change_email(&people, &person, &sent.password, &email).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => {
            let text = "If the address can be used, a link is on its way there.";
            Ok(done(Tone::Info, text))
        }
        Err(error) => {
            let wrong = error.refusal()?;
            let account = account::get(&person).await?;
            let data = Data {
                email: &sent.email,
                wrong,
                ..Data::new(&account)
            };
            Ok(drawn_again(&data.wrong, page(&data)))
        }
    }
}

async fn send_verification(State(people): State<People>, person: Person) -> Result<Response> {
    mailbox::send_verification(&people, &person).await?;
    Ok(done(Tone::Info, "The link is on its way."))
}
