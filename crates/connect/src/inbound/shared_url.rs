//! `/hooks/{provider}`: one URL for every tenant, for providers whose apps have only one (Meta's
//! account and template notices, a Slack app). The provider's own ids in the payload say which
//! tenant each event is for, and that tenant's secret has to verify the whole body.

use std::collections::BTreeMap;

use kernel::{Access, Db, Error, Result, db::Tenant, id::TenantId};

use super::{Arrival, Outcome, Refusal, deliver, handshake, tenant_url::verify};
use crate::{
    Connect,
    webhook::{Assertion, Child, Secrets, assert_tenant},
};

pub(super) async fn receive(connect: &Connect, db: &Db, arrival: &Arrival<'_>) -> Result<Outcome> {
    let request = arrival.request();
    let token = connect
        .provider_settings(&arrival.provider.id)
        .handshake_token;
    let secrets = token.as_ref().map(|current| Secrets {
        current,
        previous: None,
    });
    if let Some(outcome) = handshake(
        arrival
            .webhook
            .handshake_unsigned(&request, secrets.as_ref()),
    ) {
        return Ok(outcome);
    }
    // Split before anything is verified, because only the parts name their tenants. Parsing is all
    // that happens to an unverified body.
    let children = match arrival.webhook.split(&request) {
        Ok(children) => children,
        Err(malformed) => return Ok(Outcome::Refused(Refusal::Malformed(malformed.code()))),
    };
    let total = children.len();
    // What no tenant takes is kept for staff if any tenant vouches for the body, because then the
    // whole delivery is acknowledged.
    let (by_tenant, mut left_over) = route(db, arrival, children).await?;
    let mut refusal = Refusal::Unrouted;
    let mut last_verified = None;
    let mut held_back = None;
    for (tenant, children) in by_tenant.into_values() {
        let Some(access) = Access::for_endpoint(db, tenant, &arrival.provider.id) else {
            refusal = Refusal::UnknownTenant;
            left_over.extend(children);
            continue;
        };
        let account = connect.account(&access, &arrival.provider.id).await?;
        if account.endpoint_enabled != Some(true) {
            refusal = Refusal::EndpointClosed;
            left_over.extend(children);
            continue;
        }
        let verified = match verify(connect, &access, &account, arrival).await {
            Ok(Ok(verified)) => verified,
            // This tenant's own trouble, which must not keep the others from their parts: they get
            // theirs now, and the delivery is asked for again for its sake.
            Err(error @ (Error::TenantKeyUnavailable(_) | Error::TenantKeyWithdrawn { .. })) => {
                held_back = Some(error);
                continue;
            }
            Err(error) => return Err(error),
            Ok(Err(reason)) => {
                refusal = reason;
                left_over.extend(children);
                continue;
            }
        };
        if let Some(outcome) = handshake(arrival.webhook.handshake_signed(&request)) {
            return Ok(outcome);
        }
        let whole = children.len() == total;
        let (own, foreign): (Vec<_>, Vec<_>) = children.into_iter().partition(|child| {
            assert_tenant(&child.identifiers, &verified.identifiers) == Assertion::Owned
        });
        deliver::store(
            &access,
            arrival,
            own,
            verified.slot,
            whole && foreign.is_empty(),
        )
        .await?;
        left_over.extend(foreign);
        last_verified = Some(access);
    }
    if let Some(error) = held_back {
        return Err(error);
    }
    match last_verified {
        Some(access) => {
            if !left_over.is_empty() {
                deliver::quarantine(&access, arrival, false, &left_over, "no_tenant").await?;
            }
            Ok(Outcome::Accepted)
        }
        None => Ok(Outcome::Refused(refusal)),
    }
}

type ByTenant = BTreeMap<TenantId, (Tenant, Vec<Child>)>;

/// Finds each part's tenant by the first kind of id that leads to one.
async fn route(
    db: &Db,
    arrival: &Arrival<'_>,
    children: Vec<Child>,
) -> Result<(ByTenant, Vec<Child>)> {
    let mut by_tenant = ByTenant::new();
    let mut unrouted = Vec::new();
    for child in children {
        match tenant_of(db, arrival, &child).await? {
            Some(tenant) => by_tenant
                .entry(tenant.id)
                .or_insert_with(|| (tenant, Vec::new()))
                .1
                .push(child),
            None => unrouted.push(child),
        }
    }
    Ok((by_tenant, unrouted))
}

async fn tenant_of(db: &Db, arrival: &Arrival<'_>, child: &Child) -> Result<Option<Tenant>> {
    for kind in &arrival.webhook.route {
        for (_, value) in child.identifiers.iter().filter(|(name, _)| name == kind) {
            if let Some(tenant) = db
                .directory()
                .by_route(&arrival.provider.id, kind, value)
                .await?
            {
                return Ok(Some(tenant));
            }
        }
    }
    Ok(None)
}
