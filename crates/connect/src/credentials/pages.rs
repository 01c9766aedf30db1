//! `/app/{tenant}/credentials`: which accounts are connected and how they do, connecting another,
//! replacing what changed, disconnecting. Secrets go in by these pages and never come out.

mod change;
mod detail;
mod details;
mod import;
mod list;
pub(crate) mod new;
mod tested;
mod versions;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    routing::{get, post},
};
use kernel::{Db, Error, Result, extract::Fields, refusal::Refusal};
use maud::{Markup, Render, html};
use ui::{Badge, Field, Tone};

use super::{
    Environment,
    state::{Outcome, ProviderState},
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
        .route("/app/{tenant}/credentials", get(list::show))
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
            "/app/{tenant}/credentials/import",
            get(import::show)
                .post(import::preview)
                .layer(DefaultBodyLimit::max(import::FORM_LIMIT)),
        )
        .route(
            "/app/{tenant}/credentials/import/run",
            post(import::run).layer(DefaultBodyLimit::max(import::FORM_LIMIT)),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/details",
            get(details::show).post(details::save),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/default",
            post(details::make_default),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/previous",
            get(versions::ask_end_grace).post(versions::end_grace),
        )
        .route(
            "/app/{tenant}/credentials/{credential}/versions/{credential_version}/restore",
            get(versions::ask_restore).post(versions::restore),
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

fn state_of<'a>(states: &'a [ProviderState], provider: &str) -> Option<&'a ProviderState> {
    states.iter().find(|state| state.provider == provider)
}

/// The name that people know; the id where the catalogue has the provider no longer.
fn provider_name<'a>(catalogue: &'a Catalogue, id: &'a str) -> &'a str {
    catalogue.get(id).map_or(id, |provider| &provider.name)
}

fn environment_badge(environment: Environment) -> Badge {
    match environment {
        Environment::Live => Badge::new(Tone::Info, "Live"),
        Environment::Test => Badge::new(Tone::Neutral, "Test"),
    }
}

const ENVIRONMENTS: [(&str, &str); 2] = [("live", "Live"), ("test", "Test")];

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
pub(crate) fn field(asked: &Asked, value: &str, refusal: &Refusal) -> Field {
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
pub(crate) fn values(
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
