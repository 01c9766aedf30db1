//! `/app/{tenant}/credentials`: which accounts are connected and how they do, connecting another,
//! replacing what changed, disconnecting. Secrets go in by these pages and never come out.

mod change;
mod detail;
pub(crate) mod new;
mod tested;

use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    routing::{get, post},
};
use kernel::{
    Access, Db, Error, Result,
    db::Tenant,
    extract::{Fields, Query},
    page::{Page as Rows, PageQuery},
    permission::{CredentialsRead, CredentialsWrite, Permission},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, CursorPages, EmptyState, Field, Icon, Moment, Page, PageHeader,
    Table, Tone,
};

use super::{
    CredentialView,
    state::{self, Outcome, ProviderState},
    store,
};
use crate::{
    Connect,
    catalogue::{Catalogue, Field as Asked, Provider},
};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    Connect: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/credentials", get(list))
        .route("/app/{tenant}/credentials/new", get(new::choose))
        .route(
            "/app/{tenant}/credentials/new/{provider}",
            get(new::show).post(new::create),
        )
        .route("/app/{tenant}/credentials/{credential}", get(detail::show))
        .route(
            "/app/{tenant}/credentials/{credential}/replace",
            get(change::show).post(change::replace),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/delete",
            get(change::ask_delete).post(change::delete),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/webhooks",
            post(detail::set_webhooks),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/verify",
            post(tested::run),
        )
}

const LIST: &str = "/credentials";

async fn list(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let limit = query.limit()?;
    let rows = store::list(&access, None, query.after()?, limit + 1).await?;
    let found = Rows::cut(rows, limit, |credential| credential.id)?;
    let states = state::of_providers(&access).await?;
    let view = ListPage {
        tenant: access.tenant(),
        at: &ui::Query::new(uri.path(), uri.query().unwrap_or_default()),
        found: &found,
        states: &states,
        catalogue: connect.catalogue(),
        may_change: access.may_give(CredentialsWrite::NAME),
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new("Credentials", list_view(&view)).command(
        "Connect an account",
        access.tenant().href("/credentials/new"),
    ))
}

struct ListPage<'a> {
    tenant: &'a Tenant,
    at: &'a ui::Query,
    found: &'a Rows<CredentialView>,
    states: &'a [ProviderState],
    catalogue: &'a Catalogue,
    may_change: bool,
    now: OffsetDateTime,
}

fn list_view(page: &ListPage<'_>) -> Markup {
    let connect = || {
        Button::primary("Connect an account")
            .icon(Icon::Plug)
            .to(page.tenant.href("/credentials/new"))
            .render()
    };
    let header = PageHeader::new("Credentials").about(html! {
        "Your own accounts at providers, with which messages are sent and webhooks are checked."
    });
    let header = match page.may_change {
        true => header.actions(connect()),
        false => header,
    };
    let mut empty = EmptyState::new(
        Icon::Plug,
        "No account is connected",
        "Connect WhatsApp, Twilio or Telegram to receive messages, and a language model to have them answered.",
    );
    if page.may_change {
        empty = empty.action(connect());
    }
    let table = Table::new("Credentials")
        .column(Column::new("Provider"))
        .column(Column::new("Name"))
        .column(Column::new("State"))
        .column(Column::new("Webhooks"))
        .column(Column::new("Secrets"))
        .column(Column::new("Changed"))
        .empty(empty);
    let table = page.found.data.iter().fold(table, |table, credential| {
        let state = state_of(page.states, &credential.provider);
        table.linked(
            page.tenant.href(&format!("{LIST}/{}", credential.id)),
            [
                html! { (provider_name(page.catalogue, &credential.provider)) },
                html! { (credential.name) },
                badge(state),
                webhooks(state),
                html! { @for secret in &credential.secrets { @if secret.slot == "current" {
                    (masked(secret.last4.as_deref())) " "
                } } },
                Moment::new(credential.updated_at, page.now).render(),
            ],
        )
    });
    let pages = CursorPages::new(
        page.at,
        page.found.next_cursor.as_deref(),
        page.found.data.len(),
    );
    html! {
        (header)
        (Card::new(table.render()).flush().footer(pages.render()))
    }
}

fn state_of<'a>(states: &'a [ProviderState], provider: &str) -> Option<&'a ProviderState> {
    states.iter().find(|state| state.provider == provider)
}

/// The name that people know; the id where the catalogue has the provider no longer.
fn provider_name<'a>(catalogue: &'a Catalogue, id: &'a str) -> &'a str {
    catalogue.get(id).map_or(id, |provider| &provider.name)
}

/// What the latest call says of the credential.
fn badge(state: Option<&ProviderState>) -> Markup {
    let outcome = state
        .and_then(|state| state.last_call.as_ref())
        .map(|call| call.outcome);
    let (tone, words) = match outcome {
        None => (Tone::Neutral, "Not used yet"),
        Some(Outcome::Accepted) => (Tone::Success, "Works"),
        Some(Outcome::Refused) => (Tone::Danger, "Refused"),
        Some(Outcome::Failed(_)) => (Tone::Warning, "Last call failed"),
    };
    Badge::status(tone, words).render()
}

fn webhooks(state: Option<&ProviderState>) -> Markup {
    html! {
        @match state.and_then(|state| state.endpoint_open) {
            None => span.muted { "None" },
            Some(true) => (Badge::status(Tone::Success, "Let in")),
            Some(false) => (Badge::status(Tone::Warning, "Closed")),
        }
    }
}

fn masked(last4: Option<&str>) -> Markup {
    html! { code { "••••" (last4.unwrap_or_default()) } }
}

/// The form's name of a provider's field, which is also what errors call it.
pub(crate) fn field_name(name: &str) -> String {
    format!("values.{name}")
}

/// A provider's field. A secret's value is never written into a page.
fn field(asked: &Asked, value: &str, refusal: &Refusal) -> Field {
    let name = field_name(&asked.name);
    let wrong = refusal.of(&name);
    let field = if asked.secret {
        Field::password(&name, &asked.label, "new-password")
    } else if asked.choices.is_empty() {
        Field::text(&name, &asked.label)
            .value(value)
            .autocomplete("off")
    } else {
        let choices = asked.choices.iter();
        let default = asked.default.as_deref().unwrap_or_default();
        let unchosen = asked.default.is_none().then_some(("", "Choose one"));
        let options = choices.map(|choice| (choice.value.as_str(), choice.label.as_str()));
        Field::select(&name, &asked.label, unchosen.into_iter().chain(options)).value(match value {
            "" => default,
            value => value,
        })
    };
    let field = match asked.help.as_str() {
        "" => field,
        help => field.hint(help),
    };
    field.error(wrong)
}

/// What was entered for a provider's fields, apart from what was left empty.
fn values(
    provider: &Provider,
    form: &Fields,
) -> std::collections::BTreeMap<String, kernel::secret::Secret> {
    let fields = provider.credential.fields.iter();
    fields
        .filter_map(|field| {
            let value = form.get(&field_name(&field.name)).trim();
            (!value.is_empty()).then(|| (field.name.clone(), value.to_owned().into()))
        })
        .collect()
}

pub(crate) fn known<'a>(connect: &'a Connect, provider: &str) -> Result<&'a Provider> {
    let provider = connect.catalogue().get(provider);
    provider.ok_or(Error::NotFound("provider"))
}

#[cfg(test)]
mod tests;
