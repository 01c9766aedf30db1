//! Providers that are simulated from the door on: who comes in, by which proof, and the calls that
//! tell an account about itself. One table says it for all of them (`doors`); the refusals that
//! each documents are in `refusals`, short-lived tokens in `grants`. Some can do more, each in a
//! module of its own, of which `desk` is the common ground.
//!
//! The pages that such a module names are where its calls are documented. What it answers follows the
//! types and sources of the providers' own libraries, which judge it (tests/judges); the wording of
//! refusals may differ from the provider's.

mod anthropic;
mod desk;
mod doors;
mod elevenlabs;
mod github;
mod google_calendar;
mod grants;
mod mail;
mod refusals;
mod slack;
mod stripe;
mod vapi;

use std::collections::BTreeMap;

use http::{HeaderName, Method};
use kernel::secret::Secret;

use crate::{
    accounts::same,
    call::{Answer, Call},
    oauth,
    provider::Provider,
    server::Simulation,
};
use desk::Desk;
use doors::{Door, Proof, Route};
use refusals::Why;

pub(crate) use desk::Objects;

/// An account at one of these providers.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    pub provider: Provider,
    /// Tells accounts apart in the record; not secret. Where the proof has a public half (an OAuth
    /// client's id), it is that.
    pub id: String,
    /// What proves the account: API key, token, client secret.
    pub secret: Secret,
    /// What the provider says of the account, by the names of the catalogue's fields, as in
    /// `organization_id`.
    pub facts: BTreeMap<String, String>,
    /// Whether the provider has taken the proof back.
    pub revoked: bool,
}

impl ServiceAccount {
    pub fn new(provider: Provider, id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            provider,
            id: id.into(),
            secret: Secret::new(secret),
            facts: BTreeMap::new(),
            revoked: false,
        }
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: &str) -> Self {
        self.facts.insert(name.to_owned(), value.to_owned());
        self
    }

    fn says(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }
}

pub(crate) fn answer(provider: Provider, simulation: &Simulation, call: &Call) -> Answer {
    let Some(door) = doors::of(provider) else {
        return Answer::json(404, &serde_json::json!({ "error": "not simulated" }));
    };
    if let Some(answer) = oauth::answer(provider, simulation, call) {
        return answer;
    }
    if let Some(granted) = grants::answer(provider, simulation, call) {
        return granted;
    }
    let account = match enter(&door, provider, simulation, call) {
        Ok(account) => account,
        Err(why) => return refusals::of(provider, why),
    };
    for (name, values) in door.demanded {
        let given = call.header(&HeaderName::from_static(name));
        if !given.is_some_and(|given| values.contains(&given)) {
            return refusals::of(provider, Why::Header(name));
        }
    }
    let desk = Desk {
        account: &account,
        call,
        objects: &simulation.objects,
    };
    let answer = own(&desk).unwrap_or_else(|| about_itself(&door, &desk));
    door.tells.iter().fold(answer, |answer, (name, value)| {
        answer.with(HeaderName::from_static(name), value)
    })
}

/// What the provider's own module answers, if it knows the call.
fn own(desk: &Desk<'_>) -> Option<Answer> {
    match desk.account.provider {
        Provider::Slack => slack::answer(desk),
        Provider::GitHub => github::answer(desk),
        Provider::Stripe => stripe::answer(desk),
        Provider::GoogleCalendar => google_calendar::answer(desk),
        Provider::Vapi => vapi::answer(desk),
        Provider::ElevenLabs => elevenlabs::answer(desk),
        Provider::Anthropic => anthropic::answer(desk),
        Provider::Resend | Provider::SendGrid => mail::answer(desk),
        _ => None,
    }
}

fn about_itself(door: &Door, desk: &Desk<'_>) -> Answer {
    let (account, call, provider) = (desk.account, desk.call, desk.account.provider);
    let Some(route) = door.routes.iter().find(|route| route.is(account, call)) else {
        return refusals::of(provider, Why::NotFound);
    };
    if let Err(refusal) = desk.parameters(route.parameters) {
        return refusal;
    }
    if route.method == Method::POST && route.json && call.json().is_none() {
        return refusals::of(provider, Why::Body);
    }
    Answer::json(200, &(route.answer)(account))
}

/// The account whose proof the call carries, in the form that the provider documents and no other.
fn enter(
    door: &Door,
    provider: Provider,
    simulation: &Simulation,
    call: &Call,
) -> Result<ServiceAccount, Why> {
    let presented = presented(&door.proof, call).ok_or(Why::Missing)?;
    let found = match door.proof {
        Proof::Granted => simulation.accounts.granted(provider, &presented),
        _ => simulation
            .accounts
            .services(provider)
            .into_iter()
            .find(|account| same(&account.secret, &presented)),
    };
    let account = found.ok_or(Why::Wrong)?;
    match account.revoked {
        true => Err(Why::Revoked),
        false => Ok(account),
    }
}

fn presented(proof: &Proof, call: &Call) -> Option<String> {
    match proof {
        Proof::Bearer | Proof::Granted => call.bearer().map(str::to_owned),
        Proof::Basic { user } => {
            let (given, password) = call.basic()?;
            (given == *user).then_some(password)
        }
        Proof::Header { name, prefix } => {
            let value = call.header(&HeaderName::from_static(name))?;
            value
                .strip_prefix(prefix)
                .filter(|secret| !secret.is_empty())
                .map(str::to_owned)
        }
    }
}

/// The account that a call proves, revoked or not.
pub(crate) fn account_of(
    provider: Provider,
    simulation: &Simulation,
    call: &Call,
) -> Option<String> {
    if let Some(account) = oauth::account_of(provider, simulation, call) {
        return Some(account);
    }
    if let Some(client) = grants::client_of(provider, call) {
        return Some(client);
    }
    let door = doors::of(provider)?;
    match enter(&door, provider, simulation, call) {
        Ok(account) => Some(account.id),
        Err(_) => {
            let presented = presented(&door.proof, call)?;
            let accounts = simulation.accounts.services(provider);
            let known = accounts
                .into_iter()
                .find(|account| same(&account.secret, &presented));
            known.map(|account| account.id)
        }
    }
}

pub(crate) fn failure(provider: Provider, status: u16) -> Answer {
    match status {
        401 => refusals::of(provider, Why::Wrong),
        other => refusals::of(provider, Why::Status(other)),
    }
}

impl Route {
    /// Whether the call is this one; `{name}` in the path stands for what the account is.
    fn is(&self, account: &ServiceAccount, call: &Call) -> bool {
        let path = call.segments();
        let wanted: Vec<&str> = self.path.split('/').collect();
        self.method == call.method
            && path.len() == wanted.len()
            && wanted.iter().zip(path).all(|(wanted, given)| {
                let name = wanted
                    .strip_prefix('{')
                    .and_then(|name| name.strip_suffix('}'));
                match name {
                    Some(name) => given == account.says(name),
                    None => given == *wanted,
                }
            })
    }
}
