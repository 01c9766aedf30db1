//! `/hooks/{tenant}/{provider}`: the URL names the tenant.

use kernel::{
    Access, Db, Error, Result, error::ConflictCode, permission::InboundReceive, secret::Secret,
};

use super::{Arrival, Outcome, Refusal, deliver, handshake};
use crate::{
    Connect,
    account::{Account, SealedCredential},
    credentials::identifiers::identifiers,
    webhook::{Assertion, Reason, Secrets, Slot, Verdict, assert_tenant},
};

pub(super) async fn receive(
    connect: &Connect,
    db: &Db,
    slug: &str,
    arrival: &Arrival<'_>,
) -> Result<Outcome> {
    let Some(tenant) = db.directory().by_slug(slug).await? else {
        return Ok(Outcome::Refused(Refusal::UnknownTenant));
    };
    let Some(access) = Access::for_endpoint(db, tenant, &arrival.provider.id) else {
        return Ok(Outcome::Refused(Refusal::UnknownTenant));
    };
    let account = connect.account(&access, &arrival.provider.id).await?;
    if account.endpoint_enabled != Some(true) {
        return Ok(Outcome::Refused(Refusal::EndpointClosed));
    }
    if let Some(outcome) = unsigned_handshake(connect, &access, &account, arrival).await? {
        return Ok(outcome);
    }
    let verified = match verify(connect, &access, &account, arrival).await? {
        Ok(verified) => verified,
        Err(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    if let Some(outcome) = handshake(arrival.webhook.handshake_signed(&arrival.request())) {
        return Ok(outcome);
    }
    let children = match arrival.webhook.split(&arrival.request()) {
        Ok(children) => children,
        Err(malformed) => return Ok(Outcome::Refused(Refusal::Malformed(malformed.code()))),
    };
    let (own, foreign): (Vec<_>, Vec<_>) = children.into_iter().partition(|child| {
        !matches!(
            assert_tenant(&child.identifiers, &verified.identifiers),
            Assertion::Foreign { .. }
        )
    });
    if !foreign.is_empty() {
        deliver::quarantine(&access, arrival, true, &foreign, "foreign_identifier").await?;
    }
    let whole = foreign.is_empty();
    deliver::store(&access, arrival, own, verified.slot, whole).await?;
    Ok(Outcome::Accepted)
}

/// What a body's signature says.
pub(super) struct Verified {
    pub slot: Slot,
    /// The ids, (kind, value), of which its sender may tell.
    pub identifiers: Vec<(String, String)>,
}

/// Verifies with the secrets of each of the tenant's accounts at the provider, all of them every
/// time. The refusal is that of the account that came furthest.
pub(super) async fn verify(
    connect: &Connect,
    access: &Access<InboundReceive>,
    account: &Account,
    arrival: &Arrival<'_>,
) -> Result<std::result::Result<Verified, Refusal>> {
    let field = arrival.webhook.secret.as_str();
    let mut outcome = Err(Refusal::NoCredential);
    let mut identifiers = Vec::new();
    for credential in &account.credentials {
        let current = connect.open(access, account, credential, field, false);
        let Some(current) = readable(current.await)? else {
            continue;
        };
        let previous = connect.open(access, account, credential, field, true);
        let previous = readable(previous.await)?;
        let secrets = Secrets {
            current: &current,
            previous: previous.as_ref(),
        };
        match arrival.webhook.verify(&arrival.request(), &secrets) {
            Verdict::Verified { slot } => {
                outcome = Ok(slot);
                identifiers.extend(vouched(arrival, account, credential));
            }
            Verdict::Refused(reason) => outcome = outcome.or(Err(later(outcome, reason))),
        }
    }
    Ok(outcome.map(|slot| Verified { slot, identifiers }))
}

/// The ids that a credential's secret vouches for: all of the tenant's, but where it was connected by
/// consent those that consent proved. There the secret is the app's, and with it the provider signs
/// what it tells of everybody who has connected by that app.
fn vouched(
    arrival: &Arrival<'_>,
    account: &Account,
    credential: &SealedCredential,
) -> Vec<(String, String)> {
    match credential.grant {
        Some(_) => identifiers(arrival.provider, &credential.fields),
        None => account.identifiers.clone(),
    }
}

/// A secret whose keys were destroyed verifies nothing, and keeps no other from verifying: not the
/// one that took its place, nor another account's.
fn readable(opened: Result<Option<Secret>>) -> Result<Option<Secret>> {
    match opened {
        Err(Error::Conflict {
            code: ConflictCode::KeysErased,
            ..
        }) => Ok(None),
        other => other,
    }
}

fn later(before: std::result::Result<Slot, Refusal>, reason: Reason) -> Refusal {
    match before {
        Err(Refusal::Signature(first)) => Refusal::Signature(first),
        _ => Refusal::Signature(reason),
    }
}

/// Handshakes that precede any signature, such as Meta's challenge with the tenant's verify token.
async fn unsigned_handshake(
    connect: &Connect,
    access: &Access<InboundReceive>,
    account: &Account,
    arrival: &Arrival<'_>,
) -> Result<Option<Outcome>> {
    // Deliveries far outnumber handshakes, and opening the token costs as much as the signature's
    // secret: it is left sealed where the method says that there is nothing to compare it with.
    let possible = arrival.webhook.handshake.iter().any(|rule| {
        let method = rule.method.as_deref();
        !rule.signed && method.is_none_or(|method| method == arrival.method.as_str())
    });
    if !possible {
        return Ok(None);
    }
    let request = arrival.request();
    let Some(field) = arrival.webhook.verify_token_field() else {
        return Ok(handshake(
            arrival.webhook.handshake_unsigned(&request, None),
        ));
    };
    for credential in &account.credentials {
        let current = connect.open(access, account, credential, field, false);
        let Some(current) = readable(current.await)? else {
            continue;
        };
        let previous = connect.open(access, account, credential, field, true);
        let previous = readable(previous.await)?;
        let secrets = Secrets {
            current: &current,
            previous: previous.as_ref(),
        };
        if let Some(outcome) =
            handshake(arrival.webhook.handshake_unsigned(&request, Some(&secrets)))
        {
            return Ok(Some(outcome));
        }
    }
    Ok(None)
}
