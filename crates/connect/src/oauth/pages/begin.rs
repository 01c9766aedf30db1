//! `/app/{tenant}/connections/{provider}`: what will be asked for, and the way there.

use axum::{
    Extension,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use kernel::{
    Access, Error, Result,
    access::Web,
    extract::{Fields, Form, Path},
    permission::CredentialsWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{Button, Card, Facts, Field, Icon, Notice, Page, PageHeader, Tone};

use super::{COOKIE, Leads, leaving};
use crate::{
    Connect,
    catalogue::{OAuth, Provider},
    oauth::flow::{Beginner, Wanted},
};

pub async fn show(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, provider)): Path<(String, String)>,
) -> Result<Page> {
    page(
        &access,
        &connect,
        &provider,
        &Fields::default(),
        &Refusal::default(),
    )
    .await
}

pub async fn leave(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Extension(web): Extension<Web>,
    headers: HeaderMap,
    Path((_, provider)): Path<(String, String)>,
    Form(entered): Form<Fields>,
) -> Result<Response> {
    let (known, _) = connect.consenting(&provider)?;
    // Staff who look at the tenant from within are nobody who could consent for it.
    let person = access.user().ok_or(Error::Forbidden("credentials:write"))?;
    let given = |name: &str| Some(entered.get(name).trim()).filter(|text| !text.is_empty());
    let credential = given("credential").map(str::parse).transpose();
    let wanted = Wanted {
        name: given("name").map(str::to_owned),
        credential: credential.map_err(|_| Error::NotFound("connection"))?,
        installation: given("way") == Some("installation"),
        ..Wanted::default()
    };
    let handle = web.handle_of(COOKIE, &headers);
    let left = connect
        .leave(&access, &provider, wanted, Beginner::Person(person), handle)
        .await;
    match left {
        Ok(left) => leaving(&web, &left, &known.name, Leads::Console),
        Err(error) => {
            let refusal = error.refusal()?;
            let page = page(&access, &connect, &provider, &entered, &refusal).await?;
            Ok(page.status(refusal.status()).into_response())
        }
    }
}

async fn page(
    access: &Access<CredentialsWrite>,
    connect: &Connect,
    provider: &str,
    entered: &Fields,
    refusal: &Refusal,
) -> Result<Page> {
    let known = connect.catalogue().get(provider);
    let known = known.ok_or(Error::NotFound("provider"))?;
    let Some(oauth) = &known.oauth else {
        // Its secrets are entered; the page for that is the other one.
        let body = by_hand(access, known);
        return Ok(Page::new(format!("Connect {}", known.name), body));
    };
    let app = connect.oauth_app(access, known).await;
    let (missing, installs) = match app {
        Ok(chosen) => (
            None,
            oauth.installation.is_some() && chosen.app.app_slug.is_some(),
        ),
        Err(error @ Error::Conflict { .. }) => (Some(error.to_string()), false),
        Err(error) => return Err(error),
    };
    let view = Begin {
        here: access.tenant().href(&format!("/connections/{provider}")),
        list: access.tenant().href("/credentials"),
        own_app: oauth
            .own_app
            .as_ref()
            .map(|own| access.tenant().href(&format!("/credentials/new/{own}"))),
        provider: known,
        oauth,
        missing,
        installs,
        redirect_uri: connect.redirect_uri(),
        entered,
        refusal,
    };
    Ok(Page::new(format!("Connect {}", known.name), view.render()))
}

fn by_hand(access: &Access<CredentialsWrite>, provider: &Provider) -> Markup {
    let to = access
        .tenant()
        .href(&format!("/credentials/new/{}", provider.id));
    html! {
        (PageHeader::new(format!("Connect {}", provider.name))
            .crumb("Credentials", access.tenant().href("/credentials")))
        (Notice::new(Tone::Info, format!("{} has no page of consent", provider.name))
            .body(html! { "It is connected by entering its values. " (Button::secondary("Enter them").small().to(to)) }))
    }
}

struct Begin<'a> {
    here: String,
    list: String,
    own_app: Option<String>,
    provider: &'a Provider,
    oauth: &'a OAuth,
    /// What to do where there is no app to connect with.
    missing: Option<String>,
    installs: bool,
    redirect_uri: String,
    entered: &'a Fields,
    refusal: &'a Refusal,
}

impl Render for Begin<'_> {
    fn render(&self) -> Markup {
        let name = &self.provider.name;
        html! {
            (PageHeader::new(format!("Connect {name}")).crumb("Credentials", &self.list)
                .about(html! { "You choose the account at " (name) " and allow what is asked there. Nothing has to be copied." }))
            @match &self.missing {
                Some(missing) => (Notice::new(Tone::Warning, format!("No {name} app is set up"))
                    .body(html! { (missing) "." })),
                None => div.columns { (self.form()) div.stack { (self.asked()) } },
            }
        }
    }
}

impl Begin<'_> {
    fn form(&self) -> Markup {
        let name = &self.provider.name;
        let body = html! {
            (Field::text("name", "Name").optional().value(self.entered.get("name")).max_length(100)
                .error(self.refusal.of("name"))
                .hint("Left empty, it is called as the account is there."))
        };
        let buttons = html! {
            (Button::primary(format!("Continue to {name}")).icon(Icon::Plug))
            @if self.installs {
                (Button::secondary("Install the app instead").sending("way", "installation"))
            }
            (Button::secondary("Cancel").to(&self.list))
        };
        let form = ui::Form::post(&self.here, body, buttons).errors(self.refusal.all());
        let form = match self.entered.get("credential") {
            "" => form,
            credential => form.hidden("credential", credential),
        };
        Card::new(form.render())
            .title("Your account there")
            .render()
    }

    fn asked(&self) -> Markup {
        let facts = Facts::new()
            .fact(
                "Scopes",
                html! { @for scope in &self.oauth.scopes { code { (scope) } " " } },
            )
            .fact("Comes back to", html! { code { (self.redirect_uri) } });
        let card = Card::new(facts.render()).title("What is asked for");
        match &self.own_app {
            Some(own) => card
                .footer(html! { a href=(own) { "Use an app of your own" } })
                .render(),
            None => card.render(),
        }
    }
}
