//! `/connect/{token}`: connecting accounts without an account here, by a link. The token is the proof;
//! it stands in the address, which no answer lets out (`Referrer-Policy: no-referrer`).

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use kernel::{
    Access, Db, Error, Result,
    access::{Visitor, Web},
    extract::{Fields, Form, Path},
    id::ConnectSessionId,
    permission::CredentialsWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{Button, Card, Column, EmptyState, Icon, Page, PageHeader, SeeOther, Table};

use super::{CONNECTED, COOKIE, Leads, back::with_outcome, by_refresh, leaving};
use crate::{
    Connect,
    catalogue::Provider,
    credentials::{
        NewCredential,
        pages::{field, values},
    },
    oauth::{
        flow::{Beginner, Wanted},
        session::Session,
    },
};

async fn opened(
    db: &Db,
    connect: &Connect,
    token: &str,
) -> Result<(Access<CredentialsWrite>, Session)> {
    let found: Option<(_, ConnectSessionId)> = Access::for_link(db, token).await?;
    let (access, id) = found.ok_or(Error::NotFound("link, or it is over"))?;
    let session = connect.session(&access, id).await?;
    Ok((access, session))
}

pub async fn show(
    State(db): State<Db>,
    State(connect): State<Connect>,
    Path(token): Path<String>,
) -> Result<Page> {
    let (_, session) = opened(&db, &connect, &token).await?;
    let providers: Vec<&Provider> = session
        .providers
        .iter()
        .filter_map(|id| connect.catalogue().get(id))
        .collect();
    Ok(Page::new("Connect an account", choice(&token, &providers)).bare())
}

fn choice(token: &str, providers: &[&Provider]) -> Markup {
    let table = Table::new("Accounts")
        .column(Column::new("Account"))
        .column(Column::new("").untitled())
        .empty(EmptyState::new(
            Icon::Plug,
            "Nothing is left to connect",
            "Ask whoever gave you the link for another one.",
        ));
    let table = providers.iter().fold(table, |table, provider| {
        let to = format!("/connect/{token}/{}", provider.id);
        let button = match provider.oauth.is_some() {
            true => html! { form method="post" action=(to) { (Button::primary(format!("Connect {}", provider.name))) } },
            false => Button::primary(format!("Connect {}", provider.name)).to(to).render(),
        };
        table.row([html! { (provider.name) }, button])
    });
    html! {
        (PageHeader::new("Connect an account")
            .about(html! { "You were asked to connect an account of yours. Nobody gets to see your password." }))
        (Card::new(table.render()).flush())
    }
}

pub async fn form(
    State(db): State<Db>,
    State(connect): State<Connect>,
    Path((token, provider)): Path<(String, String)>,
) -> Result<Response> {
    let (_, session) = opened(&db, &connect, &token).await?;
    let known = session.allowed(&connect, &provider)?;
    if known.oauth.is_some() {
        // Consent begins by a form, not by an address.
        return Ok(SeeOther::new(format!("/connect/{token}")).into_response());
    }
    Ok(entering(&token, known, &Fields::default(), &Refusal::default()).into_response())
}

pub async fn begin(
    // Whoever has the link is a stranger: this refuses forms of other sites.
    _: Visitor,
    State(db): State<Db>,
    State(connect): State<Connect>,
    Extension(web): Extension<Web>,
    headers: HeaderMap,
    Path((token, provider)): Path<(String, String)>,
    Form(entered): Form<Fields>,
) -> Result<Response> {
    let (access, session) = opened(&db, &connect, &token).await?;
    let known = session.allowed(&connect, &provider)?;
    if known.oauth.is_some() {
        let wanted = Wanted {
            name: session.name,
            scopes: session.scopes,
            credential: session.credential,
            return_to: session.return_to,
            installation: entered.get("way") == "installation",
        };
        let handle = web.handle_of(COOKIE, &headers);
        let by = Beginner::Link(session.id);
        let left = connect
            .leave(&access, &provider, wanted, by, handle)
            .await?;
        return leaving(&web, &left, &known.name, Leads::Link);
    }
    let new = NewCredential {
        provider: known.id.clone(),
        name: session.name.unwrap_or_else(|| session.id.to_string()),
        values: values(known, &entered),
        ..NewCredential::default()
    };
    match connect.create_credential(&access, new).await {
        Ok(made) => match session.return_to {
            Some(address) if connect.may_return_to(&address) => {
                let to = with_outcome(&address, ("connection", made.id.to_string()))?;
                let body = html! {
                    div.narrow {
                        (PageHeader::new(format!("{} is connected", known.name))
                            .about(html! { "Your browser is sent on now." }))
                        (Card::new(Button::primary("Continue").to(to.as_str()).render()))
                    }
                };
                let page = Page::new(format!("{} is connected", known.name), body);
                by_refresh(page.bare(), to.as_str())
            }
            _ => Ok(SeeOther::new(CONNECTED).into_response()),
        },
        Err(error) => {
            let refusal = error.refusal()?;
            let page = entering(&token, known, &entered, &refusal);
            Ok(page.status(refusal.status()).into_response())
        }
    }
}

/// The form of a provider whose secrets are entered.
fn entering(token: &str, provider: &Provider, entered: &Fields, refusal: &Refusal) -> Page {
    let body = html! {
        @for asked in &provider.credential.fields {
            @let known = entered.get(&format!("values.{}", asked.name));
            @if asked.required {
                (field(asked, known, refusal))
            } @else {
                (field(asked, known, refusal).optional())
            }
        }
    };
    let back = format!("/connect/{token}");
    let buttons = html! {
        (Button::primary("Connect")) (Button::secondary("Back").to(&back))
    };
    let here = format!("{back}/{}", provider.id);
    let form = ui::Form::post(here, body, buttons).errors(refusal.all());
    let body = html! {
        (PageHeader::new(format!("Connect {}", provider.name))
            .about(html! { "Secrets are encrypted and never shown again." }))
        (Card::new(form.render()).title("Your account there"))
    };
    Page::new(format!("Connect {}", provider.name), body).bare()
}
