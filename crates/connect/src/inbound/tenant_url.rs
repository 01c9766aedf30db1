//! `/hooks/{tenant}/{provider}`: the URL names the tenant.

use kernel::{Access, Db, Result, permission::InboundReceive};

use super::{Arrival, Outcome, Refusal, deliver, handshake};
use crate::{
    Connect,
    account::Account,
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
    let slot = match verify(connect, &access, &account, arrival).await? {
        Ok(slot) => slot,
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
            assert_tenant(&child.identifiers, &account.identifiers),
            Assertion::Foreign { .. }
        )
    });
    if !foreign.is_empty() {
        deliver::quarantine(&access, arrival, true, &foreign, "foreign_identifier").await?;
    }
    let whole = foreign.is_empty();
    deliver::store(&access, arrival, own, slot, whole).await?;
    Ok(Outcome::Accepted)
}

/// Verifies with the secrets of each of the tenant's accounts at the provider, all of them every
/// time. The refusal is that of the account that came furthest.
pub(super) async fn verify(
    connect: &Connect,
    access: &Access<InboundReceive>,
    account: &Account,
    arrival: &Arrival<'_>,
) -> Result<std::result::Result<Slot, Refusal>> {
    let field = arrival.webhook.secret.as_str();
    let mut outcome = Err(Refusal::NoCredential);
    for credential in &account.credentials {
        let Some(current) = connect
            .open(access, account, credential, field, false)
            .await?
        else {
            continue;
        };
        let previous = connect
            .open(access, account, credential, field, true)
            .await?;
        let secrets = Secrets {
            current: &current,
            previous: previous.as_ref(),
        };
        match arrival.webhook.verify(&arrival.request(), &secrets) {
            Verdict::Verified { slot } => outcome = Ok(slot),
            Verdict::Refused(reason) => outcome = outcome.or(Err(later(outcome, reason))),
        }
    }
    Ok(outcome)
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
        let Some(current) = connect
            .open(access, account, credential, field, false)
            .await?
        else {
            continue;
        };
        let previous = connect
            .open(access, account, credential, field, true)
            .await?;
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
