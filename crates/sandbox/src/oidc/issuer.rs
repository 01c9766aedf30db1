//! What the issuer remembers: people, codes that were not redeemed yet, its key, and faults to come.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::key::SigningKey;
use crate::{ids, lock};

/// RFC 6749 §4.1.2 allows ten minutes; providers give one.
const CODE_LIFE: Duration = Duration::from_secs(60);

/// Somebody who has an account at the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcPerson {
    /// Never given to anybody else.
    pub subject: String,
    pub email: String,
    pub email_verified: bool,
    pub name: String,
    /// How they signed in (RFC 8176), as in `pwd` and `mfa`.
    pub amr: Vec<String>,
}

impl OidcPerson {
    /// Somebody with a confirmed address, whose subject depends on the address alone.
    pub fn new(email: &str, name: &str) -> Self {
        Self {
            subject: format!("sub-{}", email.to_ascii_lowercase()),
            email: email.to_owned(),
            email_verified: true,
            name: name.to_owned(),
            amr: vec!["pwd".to_owned()],
        }
    }
}

/// What goes wrong with one sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcFault {
    /// The person says no.
    Denied,
    /// The answer names another issuer.
    OtherIssuerAnswers,
    /// The answer names none.
    NoIssuerAnswers,
    WrongNonce,
    NoNonce,
    WrongIssuer,
    WrongAudience,
    /// The token is for somebody else as well.
    ExtraAudience,
    /// The token was issued to another party.
    WrongParty,
    Expired,
    /// Made so long ago that it is of an earlier sign-in.
    Old,
    /// Signed by another key than the one that it names.
    BadSignature,
    /// Signed by a key that is not published.
    UnknownKey,
    /// Not signed, and says so.
    AlgNone,
    /// Signed with the client's secret.
    AlgHs256,
}

impl OidcFault {
    /// Whether it strikes where the browser is sent back, rather than in the token.
    pub(super) fn is_in_answer(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::OtherIssuerAnswers | Self::NoIssuerAnswers
        )
    }
}

/// What a code was given for.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub client: String,
    pub redirect_uri: String,
    pub nonce: String,
    pub challenge: String,
    pub person: OidcPerson,
    until: Instant,
}

impl Grant {
    pub fn new(
        client: String,
        redirect_uri: String,
        nonce: String,
        challenge: String,
        person: OidcPerson,
    ) -> Self {
        Self {
            client,
            redirect_uri,
            nonce,
            challenge,
            person,
            until: Instant::now() + CODE_LIFE,
        }
    }
}

/// The issuer's state.
#[derive(Debug, Default)]
pub struct OidcIssuer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    people: Vec<OidcPerson>,
    codes: HashMap<String, Grant>,
    faults: Vec<OidcFault>,
    rotations: u32,
}

impl OidcIssuer {
    /// Adds somebody, or changes them. Who is not known and signs in is made up from what they type.
    pub fn person(&self, person: OidcPerson) {
        let state = &mut *lock(&self.state);
        state.people.retain(|known| known.email != person.email);
        state.people.push(person);
    }

    /// Has something go wrong with the next sign-in.
    pub fn plan(&self, fault: OidcFault) {
        lock(&self.state).faults.push(fault);
    }

    /// Signs with another key, of another kind, from now on. The old one is published no longer.
    pub fn rotate(&self) {
        lock(&self.state).rotations += 1;
    }

    pub(super) fn key(&self) -> SigningKey {
        SigningKey::number(lock(&self.state).rotations)
    }

    /// A key that is published nowhere.
    pub(super) fn other_key(&self) -> SigningKey {
        SigningKey::number(lock(&self.state).rotations + 1)
    }

    pub(super) fn published(&self) -> Value {
        json!({ "keys": [self.key().public()] })
    }

    pub(super) fn fault(&self, strikes: impl Fn(OidcFault) -> bool) -> Option<OidcFault> {
        let faults = &mut lock(&self.state).faults;
        let place = faults.iter().position(|fault| strikes(*fault))?;
        Some(faults.remove(place))
    }

    pub(super) fn whoever(&self, email: &str, name: &str) -> OidcPerson {
        let people = &lock(&self.state).people;
        let known = people.iter().find(|known| known.email == email);
        known
            .cloned()
            .unwrap_or_else(|| OidcPerson::new(email, name))
    }

    pub(super) fn give(&self, grant: Grant) -> String {
        let code = ids::alphanumeric(40);
        let codes = &mut lock(&self.state).codes;
        codes.retain(|_, grant| grant.until > Instant::now());
        codes.insert(code.clone(), grant);
        code
    }

    /// A code's grant. Whatever becomes of it, the code is used.
    pub(super) fn redeem(&self, code: &str) -> Option<Grant> {
        let grant = lock(&self.state).codes.remove(code)?;
        (grant.until > Instant::now()).then_some(grant)
    }
}
