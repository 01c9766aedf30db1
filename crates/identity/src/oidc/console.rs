//! `/app/{tenant}/sign-in`: the tenant's own identity providers, for those who set them up.

use axum::{
    Router,
    extract::{FromRef, State},
    routing::get,
};
use kernel::{
    Access, Db, Error, Result,
    access::OWNER,
    db::Tenant,
    extract::{Fields, Form, Path},
    id::IdentityProviderId,
    permission::{Permission, SignInRead, SignInWrite},
    refusal::Refusal,
    secret::Secret,
};
use maud::{Markup, Render, html};
use ui::{
    Badge, Button, Card, Checkbox, Column, Confirm, Copyable, EmptyState, Facts, Field, Flash,
    Icon, Notice, Page, PageHeader, SeeOther, Table, Tone,
};

use super::{
    Oidc,
    providers::{self, NewProvider, ProviderContent, ProviderView},
};
use crate::roles;

const LIST: &str = "/sign-in";

pub(crate) fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Oidc: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/sign-in", get(list).post(create))
        .route("/app/{tenant}/sign-in/new", get(new))
        .route(
            "/app/{tenant}/sign-in/{identity_provider}",
            get(show).post(replace),
        )
        .route(
            "/app/{tenant}/sign-in/{identity_provider}/remove",
            get(ask_remove).post(remove),
        )
}

async fn list(State(oidc): State<Oidc>, access: Access<SignInRead>) -> Result<Page> {
    let providers = providers::list(&oidc, &access).await?;
    let may_change = access.may_give(SignInWrite::NAME);
    let page = Page::new(
        "Sign-in",
        list_view(access.tenant(), &providers, may_change),
    );
    Ok(match may_change {
        true => page.command(
            "New identity provider",
            access.tenant().href("/sign-in/new"),
        ),
        false => page,
    })
}

fn list_view(tenant: &Tenant, providers: &[ProviderView], may_change: bool) -> Markup {
    let new = || {
        Button::primary("New identity provider")
            .icon(Icon::Plus)
            .to(tenant.href("/sign-in/new"))
    };
    let header = PageHeader::new("Sign-in").about(html! {
        "Your own identity provider (OpenID Connect) lets your people in here, and nowhere else."
    });
    let header = match may_change && !providers.is_empty() {
        true => header.actions(new().render()),
        false => header,
    };
    let mut empty = EmptyState::new(
        Icon::Lock,
        "No identity provider yet",
        "People sign in with their own password or passkey. Connect Okta, Entra ID, Keycloak or another provider to let them in by it as well.",
    );
    if may_change {
        empty = empty.action(new().render());
    }
    let table = Table::new("Identity providers")
        .column(Column::new("On the button"))
        .column(Column::new("Issuer"))
        .column(Column::new("Newcomers"))
        .column(Column::new("State"))
        .empty(empty);
    let table = providers.iter().fold(table, |table, provider| {
        table.linked(
            tenant.href(&format!("{LIST}/{}", provider.id)),
            [
                html! { (provider.label) },
                html! { (provider.issuer) },
                newcomers(provider),
                state(provider),
            ],
        )
    });
    html! {
        (header)
        (Card::new(table.render()).flush())
    }
}

fn newcomers(provider: &ProviderView) -> Markup {
    html! {
        @if provider.domains.is_empty() { span.muted { "None; members alone" } }
        @else { (provider.domains.join(", ")) " as " (provider.role) }
    }
}

fn state(provider: &ProviderView) -> Markup {
    let badge = match provider.enabled {
        true => Badge::status(Tone::Success, "On"),
        false => Badge::status(Tone::Neutral, "Off"),
    };
    badge.render()
}

/// What a form holds, from a provider or as it was sent.
struct Entered {
    name: String,
    label: String,
    issuer: String,
    client_id: String,
    domains: String,
    role: String,
    enabled: bool,
}

impl Entered {
    fn blank() -> Self {
        Self {
            name: String::new(),
            label: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            domains: String::new(),
            role: "viewer".to_owned(),
            enabled: true,
        }
    }

    fn of(provider: &ProviderView) -> Self {
        Self {
            name: provider.name.clone(),
            label: provider.label.clone(),
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            domains: provider.domains.join(", "),
            role: provider.role.clone(),
            enabled: provider.enabled,
        }
    }

    fn sent(form: &Fields) -> Self {
        let text = |name: &str| form.get(name).trim().to_owned();
        Self {
            name: text("name"),
            label: text("label"),
            issuer: text("issuer"),
            client_id: text("client_id"),
            domains: text("domains"),
            role: text("role"),
            enabled: form.get("enabled") == "true",
        }
    }

    fn content(&self, client_secret: Option<Secret>) -> ProviderContent {
        let between = |letter: char| letter == ',' || letter.is_whitespace();
        let domains = self.domains.split(between).filter(|part| !part.is_empty());
        ProviderContent {
            label: self.label.clone(),
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret,
            domains: domains.map(str::to_owned).collect(),
            role: self.role.clone(),
            enabled: self.enabled,
        }
    }
}

/// The secret, where one was entered.
fn secret(form: &Fields) -> Option<Secret> {
    let text = form.get("client_secret");
    (!text.is_empty()).then(|| Secret::new(text))
}

fn fields(entered: &Entered, roles: &[String], is_new: bool, refusal: &Refusal) -> Markup {
    let wrong = |field: &str| refusal.of(field);
    let roles = roles.iter().filter(|role| *role != OWNER);
    let roles = roles.map(|role| (role.clone(), role.clone()));
    let secret = Field::password("client_secret", "Client secret", "off");
    let secret = match is_new {
        true => secret,
        false => secret
            .optional()
            .hint("Stays as it is when left empty; another issuer or client needs it anew."),
    };
    html! {
        (Field::text("label", "On the button").value(&entered.label).max_length(200)
            .placeholder("Acme staff").error(wrong("label")))
        (Field::url("issuer", "Issuer").value(&entered.issuer).max_length(500)
            .placeholder("https://login.acme.example").error(wrong("issuer"))
            .hint("Letter by letter as the provider's own metadata spells it."))
        (Field::text("client_id", "Client ID").value(&entered.client_id).autocomplete("off")
            .error(wrong("client_id")))
        (secret.error(wrong("client_secret")))
        (Field::text("domains", "Domains of newcomers").optional().value(&entered.domains)
            .autocomplete("off").placeholder("acme.example").error(wrong("domains"))
            .hint("People with such an address become members by themselves. Several are parted by commas; without any, it lets in members alone."))
        (Field::select("role", "Their role", roles).value(&entered.role).error(wrong("role"))
            .hint("Only roles whose permissions you hold yourself are offered."))
        (Checkbox::new("enabled", "People may sign in by it").value("true").checked(entered.enabled))
    }
}

/// What has to be entered at the provider, and where people then sign in.
fn addresses(provider: &ProviderView, sign_in: &str) -> Card {
    let facts = Facts::new()
        .fact(
            "Redirect URI",
            html! { (Copyable::new("redirect URI", &provider.redirect_uri)) },
        )
        .fact(
            "Sign-in address",
            html! { (Copyable::new("sign-in address", sign_in)) },
        );
    Card::new(facts.render())
        .title("Addresses")
        .about("The first is to be allowed at the provider; the second is a link for your people.")
}

async fn new(State(oidc): State<Oidc>, access: Access<SignInWrite>) -> Result<Page> {
    let roles = roles::givable(&access).await?;
    let body = new_view(
        access.tenant(),
        &oidc.redirect_uri(),
        &roles,
        &Entered::blank(),
        &Refusal::default(),
    );
    Ok(Page::new("New identity provider", body))
}

fn new_view(
    tenant: &Tenant,
    redirect_uri: &str,
    roles: &[String],
    entered: &Entered,
    refusal: &Refusal,
) -> Markup {
    let body = html! {
        (Field::text("name", "Name in addresses").value(&entered.name).max_length(63)
            .placeholder("staff").error(refusal.of("name")).autofocus()
            .hint("Small letters, digits, - and _. It cannot be changed later."))
        (fields(entered, roles, true, refusal))
    };
    let buttons = html! {
        (Button::primary("Connect")) (Button::secondary("Cancel").to(tenant.href(LIST)))
    };
    let form = ui::Form::post(tenant.href(LIST), body, buttons).errors(refusal.all());
    html! {
        div.narrow {
            (PageHeader::new("New identity provider").crumb("Sign-in", tenant.href(LIST)))
            div.stack {
                (Notice::new(Tone::Info, "First register Freehold at the provider").body(html! {
                    p { "Make a web application there with this one redirect URI, then enter here what it gives you:" }
                    (Copyable::new("redirect URI", redirect_uri))
                }))
                (Card::new(form.render()))
            }
        }
    }
}

async fn create(
    State(oidc): State<Oidc>,
    access: Access<SignInWrite>,
    Form(form): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let entered = Entered::sent(&form);
    let content = entered.content(None);
    let new = NewProvider {
        name: entered.name.clone(),
        label: content.label,
        issuer: content.issuer,
        client_id: content.client_id,
        client_secret: Secret::new(form.get("client_secret")),
        domains: content.domains,
        role: content.role,
        enabled: content.enabled,
    };
    match providers::create(&oidc, &access, new).await {
        Ok(made) => {
            let to = access.tenant().href(&format!("{LIST}/{}", made.id));
            let text = format!("{} is connected. Try it in another browser.", made.label);
            Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?.about("name");
            let roles = roles::givable(&access).await?;
            let body = new_view(
                access.tenant(),
                &oidc.redirect_uri(),
                &roles,
                &entered,
                &refusal,
            );
            let page = Page::new("New identity provider", body);
            Ok(Err(page.status(refusal.status())))
        }
    }
}

async fn show(
    State(oidc): State<Oidc>,
    access: Access<SignInRead>,
    Path((_, id)): Path<(String, IdentityProviderId)>,
) -> Result<Page> {
    let provider = providers::get(&oidc, &access, id).await?;
    let entered = Entered::of(&provider);
    page(&oidc, &access, &provider, &entered, &Refusal::default()).await
}

async fn page<P: Permission>(
    oidc: &Oidc,
    access: &Access<P>,
    provider: &ProviderView,
    entered: &Entered,
    refusal: &Refusal,
) -> Result<Page> {
    let tenant = access.tenant();
    let sign_in = oidc.people().link_to(&provider.sign_in_path);
    let body = match access.may_give(SignInWrite::NAME) {
        true => {
            let roles = roles::givable(access).await?;
            form_view(tenant, provider, &sign_in, &roles, entered, refusal)
        }
        false => facts_view(tenant, provider, &sign_in),
    };
    Ok(Page::new(&provider.label, body).status(refusal.status()))
}

fn heading(tenant: &Tenant, provider: &ProviderView) -> PageHeader {
    PageHeader::new(&provider.label)
        .crumb("Sign-in", tenant.href(LIST))
        .beside(state(provider))
}

fn form_view(
    tenant: &Tenant,
    provider: &ProviderView,
    sign_in: &str,
    roles: &[String],
    entered: &Entered,
    refusal: &Refusal,
) -> Markup {
    let here = tenant.href(&format!("{LIST}/{}", provider.id));
    let buttons = html! {
        (Button::primary("Save changes")) (Button::secondary("Cancel").to(tenant.href(LIST)))
    };
    let form = ui::Form::post(&here, fields(entered, roles, false, refusal), buttons);
    html! {
        div.narrow {
            (heading(tenant, provider))
            div.stack {
                @if !provider.vouches_for_owners {
                    (Notice::new(Tone::Info, "It signs in no owners").body(html! {
                        p { "A provider lets in nobody who may do more than whoever saved it last. An owner saves it to change that." }
                    }))
                }
                (addresses(provider, sign_in))
                (Card::new(form.errors(refusal.all()).render()).title("Connection"))
                (Card::new(html! {
                    div.actions { (Button::danger("Remove it").to(format!("{here}/remove"))) }
                }).title("Remove").about("Ends the sessions that it opened. Accounts and memberships stay."))
            }
        }
    }
}

/// For those who may only look.
fn facts_view(tenant: &Tenant, provider: &ProviderView, sign_in: &str) -> Markup {
    let facts = Facts::new()
        .fact("Issuer", html! { (provider.issuer) })
        .fact("Client ID", html! { (provider.client_id) })
        .fact("Newcomers", newcomers(provider));
    html! {
        div.narrow {
            (heading(tenant, provider))
            div.stack {
                (Notice::new(Tone::Info, "Your role lets you see this, not change it"))
                (addresses(provider, sign_in))
                (Card::new(facts.render()).title("Connection"))
            }
        }
    }
}

async fn replace(
    State(oidc): State<Oidc>,
    access: Access<SignInWrite>,
    Path((_, id)): Path<(String, IdentityProviderId)>,
    Form(form): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let entered = Entered::sent(&form);
    let content = entered.content(secret(&form));
    match providers::replace(&oidc, &access, id, content).await {
        Ok(changed) => {
            let to = access.tenant().href(&format!("{LIST}/{id}"));
            let text = format!("{} was changed.", changed.label);
            Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let reading = reading(&access)?;
            let provider = providers::get(&oidc, &reading, id).await?;
            page(&oidc, &reading, &provider, &entered, &refusal)
                .await
                .map(Err)
        }
    }
}

/// What is changed is shown, so who changes it has to be allowed to see it.
fn reading(access: &Access<SignInWrite>) -> Result<Access<SignInRead>> {
    access
        .also::<SignInRead>()
        .ok_or(Error::Forbidden(SignInRead::NAME))
}

async fn ask_remove(
    State(oidc): State<Oidc>,
    access: Access<SignInWrite>,
    Path((_, id)): Path<(String, IdentityProviderId)>,
) -> Result<Page> {
    let provider = providers::get(&oidc, &reading(&access)?, id).await?;
    let here = access.tenant().href(&format!("{LIST}/{id}"));
    let confirm = Confirm::new(
        format!("Remove {}?", provider.label),
        html! {
            p { "Nobody can sign in by it any more, and the sessions that it opened end at once." }
            p { "Accounts and memberships stay: people who have a password sign in with that." }
        },
        format!("{here}/remove"),
        "Remove the provider",
    );
    Ok(Page::new(
        "Remove an identity provider",
        confirm.page(&here),
    ))
}

async fn remove(
    State(oidc): State<Oidc>,
    access: Access<SignInWrite>,
    Path((_, id)): Path<(String, IdentityProviderId)>,
) -> Result<SeeOther> {
    providers::remove(&oidc, &access, id).await?;
    let flash = Flash::new(Tone::Success, "The identity provider was removed.");
    Ok(SeeOther::new(access.tenant().href(LIST)).flash(flash))
}

#[cfg(test)]
mod tests;
