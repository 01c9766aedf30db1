//! Connecting an account: choosing the provider, then what its catalogue entry asks for.

use aws_lc_rs::rand;
use axum::extract::State;
use kernel::{
    Access, Error, Result,
    db::Tenant,
    extract::{Fields, Form, Path},
    permission::CredentialsWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{
    Button, Card, Column, Copyable, Facts, Field, Flash, Page, PageHeader, SeeOther, Table, Tone,
};

use super::{ENVIRONMENTS, LIST, field, field_name, known, values};
use crate::{
    Connect,
    catalogue::{Catalogue, Provider},
    credentials::{Environment, NewCredential},
};

/// The form's field that repeats the proposal.
const PROPOSAL: &str = "proposal";

pub async fn choose(access: Access<CredentialsWrite>, State(connect): State<Connect>) -> Page {
    let body = choice(access.tenant(), connect.catalogue());
    Page::new("Connect an account", body)
}

fn choice(tenant: &Tenant, catalogue: &Catalogue) -> Markup {
    let table = Table::new("Providers")
        .column(Column::new("Provider"))
        .column(Column::new("What it asks for"))
        .column(Column::new("Webhooks"));
    let table = catalogue.iter().fold(table, |table, provider| {
        let labels: Vec<&str> = provider
            .credential
            .fields
            .iter()
            .map(|field| field.label.as_str())
            .collect();
        table.linked(
            tenant.href(&format!("{LIST}/new/{}", provider.id)),
            [
                html! { (provider.name) },
                html! { (labels.join(", ")) },
                html! { @if provider.webhook.is_some() { "Sends" } @else { span.muted { "None" } } },
            ],
        )
    });
    html! {
        (PageHeader::new("Connect an account").crumb("Credentials", tenant.href(LIST))
            .about(html! { "Where is the account that you want to connect?" }))
        (Card::new(table.render()).flush())
    }
}

pub async fn show(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, provider)): Path<(String, String)>,
) -> Result<Page> {
    let provider = known(&connect, &provider)?;
    let form = NewForm {
        tenant: access.tenant(),
        provider,
        hook_url: connect.hook_url(&access.tenant().slug, &provider.id),
        entered: &Fields::default(),
        proposal: proposal(provider)?,
        refusal: &Refusal::default(),
    };
    Ok(Page::new(
        format!("Connect {}", provider.name),
        form.render(),
    ))
}

pub async fn create(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, provider)): Path<(String, String)>,
    Form(entered): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let provider = known(&connect, &provider)?;
    match connect
        .create_credential(&access, asked(provider, &entered))
        .await
    {
        Ok(made) => {
            let to = access.tenant().href(&format!("{LIST}/{}", made.id));
            let text = format!("{} is connected.", provider.name);
            Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?.about("name");
            let form = NewForm {
                tenant: access.tenant(),
                provider,
                hook_url: connect.hook_url(&access.tenant().slug, &provider.id),
                entered: &entered,
                proposal: proposed(provider, &entered)?,
                refusal: &refusal,
            };
            let page = Page::new(format!("Connect {}", provider.name), form.render());
            Ok(Err(page.status(refusal.status())))
        }
    }
}

/// What was entered, as a credential to store.
pub(crate) fn asked(provider: &Provider, entered: &Fields) -> NewCredential {
    NewCredential {
        provider: provider.id.clone(),
        name: entered.get("name").trim().to_owned(),
        environment: Environment::parse(entered.get("environment")).unwrap_or_default(),
        values: values(provider, entered),
        ..NewCredential::default()
    }
}

/// 128 random bits in hexadecimal, in the form that the provider wants, for a secret that the tenant
/// may make up.
pub(crate) fn proposal(provider: &Provider) -> Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Error::internal(NoRandomness))?;
    let random = hex::encode(bytes);
    let setup = provider.setup.as_ref();
    let made_up = setup.and_then(|setup| setup.made_up.as_ref());
    Ok(made_up.map_or_else(|| random.clone(), |made_up| made_up.value(&random)))
}

/// The proposal that a form was shown with, so that what was entered at the provider meanwhile stays
/// right when the form is refused.
pub(crate) fn proposed(provider: &Provider, entered: &Fields) -> Result<String> {
    match entered.get(PROPOSAL) {
        "" => proposal(provider),
        shown => Ok(shown.to_owned()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
struct NoRandomness;

/// The form of a new credential, which asks for what the catalogue says.
pub(crate) struct NewForm<'a> {
    pub tenant: &'a Tenant,
    pub provider: &'a Provider,
    pub hook_url: String,
    pub entered: &'a Fields,
    /// A fresh token for the field that proves the webhook URL to the provider: anything long and
    /// random will do, if it is the same on both sides.
    pub proposal: String,
    pub refusal: &'a Refusal,
}

impl NewForm<'_> {
    /// The field whose value the tenant makes up and enters at the provider as well.
    pub(crate) fn token_field(&self) -> Option<&str> {
        let setup = self.provider.setup.as_ref();
        if let Some(made_up) = setup.and_then(|setup| setup.made_up.as_ref()) {
            return Some(&made_up.field);
        }
        let webhook = self.provider.webhook.as_ref()?;
        let tokens = webhook
            .handshake
            .iter()
            .filter_map(|rule| rule.token.as_ref());
        tokens.map(|token| token.field.as_str()).next()
    }
}

impl NewForm<'_> {
    /// The form alone, sent to `action`; `back` is where those go who do not send it.
    pub(crate) fn form(&self, action: &str, back: &str) -> ui::Form {
        let provider = self.provider;
        let wrong = |name: &str| self.refusal.of(name);
        let name = match self.entered.get("name") {
            "" => "default",
            name => name,
        };
        let body = html! {
            (Field::text("name", "Name").value(name).max_length(100).error(wrong("name"))
                .hint("Tells several accounts at this provider apart."))
            (Field::select("environment", "Environment", ENVIRONMENTS).value(match self.entered.get("environment") {
                "" => "live",
                chosen => chosen,
            }).hint("What is for tests is never taken for live use, nor the other way round."))
            @for asked in &provider.credential.fields {
                @let known = self.entered.get(&field_name(&asked.name));
                @if self.token_field() == Some(&asked.name) {
                    (Field::text(field_name(&asked.name), &asked.label).value(&self.proposal)
                        .autocomplete("off").error(wrong(&field_name(&asked.name)))
                        .hint("Made up for you. Enter the same one at the provider now: it is not shown again."))
                } @else if asked.required {
                    (field(asked, known, self.refusal))
                } @else {
                    (field(asked, known, self.refusal).optional())
                }
            }
        };
        let buttons = html! {
            (Button::primary("Connect")) (Button::secondary("Cancel").to(back))
        };
        let form = ui::Form::post(action, body, buttons).errors(self.refusal.all());
        match self.token_field() {
            Some(_) => form.hidden(PROPOSAL, &self.proposal),
            None => form,
        }
    }
}

impl Render for NewForm<'_> {
    fn render(&self) -> Markup {
        let (tenant, provider) = (self.tenant, self.provider);
        let here = tenant.href(&format!("{LIST}/new/{}", provider.id));
        let form = self.form(&here, &tenant.href(LIST));
        html! {
            (PageHeader::new(format!("Connect {}", provider.name))
                .crumb("Credentials", tenant.href(LIST))
                .crumb("Connect an account", tenant.href(&format!("{LIST}/new")))
                .about(html! { "Secrets are encrypted with a key of your own account's and never shown again." }))
            div.columns {
                (Card::new(form.render()).title("Your account there"))
                div.stack { (self.by_consent()) (self.at_the_provider()) }
            }
        }
    }
}

impl NewForm<'_> {
    /// The way without values to copy, where the provider has one.
    fn by_consent(&self) -> Markup {
        if self.provider.oauth.is_none() {
            return Markup::default();
        }
        let to = self
            .tenant
            .href(&format!("/connections/{}", self.provider.id));
        let name = &self.provider.name;
        Card::new(
            Button::primary(format!("Connect with {name}"))
                .to(to)
                .render(),
        )
        .title("Without copying secrets")
        .about(format!(
            "You allow it at {name}, and nothing has to be entered here."
        ))
        .render()
    }

    fn at_the_provider(&self) -> Markup {
        let docs = &self.provider.docs;
        let facts = match (&self.provider.webhook, self.token_field()) {
            (None, _) => Facts::new(),
            (Some(_), token) => {
                let facts = Facts::new().fact(
                    "Webhook URL",
                    Copyable::new("webhook URL", &self.hook_url).render(),
                );
                match token {
                    Some(_) => facts.fact(
                        "Verify token",
                        Copyable::new("verify token", &self.proposal).render(),
                    ),
                    None => facts,
                }
            }
        };
        let facts = facts.fact(
            "Documentation",
            html! { a href=(docs) rel="noreferrer" target="_blank" { (self.provider.name) } },
        );
        Card::new(facts.render())
            .title("At the provider")
            .about("What to enter there, and where to read on.")
            .render()
    }
}
