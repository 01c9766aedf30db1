//! Whose account somebody opens whom a provider has vouched for. docs/adr/0009 says why.

use kernel::{
    Error, Result,
    access::{Actor, Person, Visitor},
    audit::Act,
    db::PeopleTx,
    error::{OnConstraint, SignInRefusal},
    id::{TenantId, UserId},
};
use serde_json::json;
use time::OffsetDateTime;

use super::{
    Oidc,
    id_token::Claims,
    relying::{Place, Relying, TenantProvider},
};
use crate::{
    input,
    mail::{self, Letter},
    people::{
        Email, factors, note, pending,
        sessions::{self, Confined, Shown},
        sign_in::SignIn,
    },
};

/// An account that a sign-in may be about.
#[derive(Clone, Debug)]
struct Account {
    id: UserId,
    email: String,
    email_as_typed: String,
    active: bool,
    /// Whether the account has shown that the address is its own.
    verified: bool,
    staff: bool,
    /// Whether it has a second factor, which a provider's word does not stand for.
    guarded: bool,
    /// What it is in the provider's tenant.
    membership: Option<Membership>,
}

#[derive(Clone, Debug)]
struct Membership {
    role: String,
    /// Where the tenant composed the role.
    permissions: Option<Vec<String>>,
}

/// What a provider's word is worth for an account that does not know it yet.
#[derive(Clone, Copy, Debug)]
enum Trust {
    Platform {
        links: bool,
        signs_up: bool,
    },
    /// Whether the address is of a domain whose people may come in.
    Tenant {
        admits: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// They are known.
    Open,
    /// From now on they are known as this account.
    Link,
    /// The same, and they become a member.
    Join,
    /// An account is made; in a tenant, a member.
    Create,
    Refuse(SignInRefusal),
}

/// `known`: the account that the provider's person is linked to. `named`: the account that has the
/// address which the provider confirms. `here`: whoever is signed in in this browser otherwise, with their
/// second factor if they have one.
fn decide(
    trust: Trust,
    known: Option<&Account>,
    confirmed: bool,
    named: Option<&Account>,
    here: Option<UserId>,
) -> Verdict {
    let not_admitted = Verdict::Refuse(SignInRefusal::NotAdmitted);
    let outside = |account: &Account| {
        !account.active || (matches!(trust, Trust::Tenant { .. }) && account.membership.is_none())
    };
    match (known, named, trust) {
        // Whoever was removed from a tenant does not come back in by its provider alone.
        (Some(account), ..) if outside(account) => not_admitted,
        (Some(_), ..) => Verdict::Open,
        (None, ..) if !confirmed => Verdict::Refuse(SignInRefusal::Unverified),
        (None, Some(account), _) if !account.active => not_admitted,
        (None, Some(account), Trust::Platform { links, .. }) => {
            // Staff reach every tenant: a word from outside is not enough to become one. Nor is it
            // for an account whose owner wants more than one thing shown.
            let trusted = links && account.verified && !account.staff && !account.guarded;
            match trusted || here == Some(account.id) {
                true => Verdict::Link,
                false => Verdict::Refuse(SignInRefusal::LinkFirst),
            }
        }
        (None, Some(account), Trust::Tenant { .. }) if account.membership.is_some() => {
            match account.guarded && here != Some(account.id) {
                true => Verdict::Refuse(SignInRefusal::LinkFirst),
                false => Verdict::Link,
            }
        }
        (None, Some(_), Trust::Tenant { admits: false }) => not_admitted,
        (None, Some(account), Trust::Tenant { admits: true }) => match here == Some(account.id) {
            true => Verdict::Join,
            false => Verdict::Refuse(SignInRefusal::LinkFirst),
        },
        (None, None, Trust::Platform { signs_up: true, .. } | Trust::Tenant { admits: true }) => {
            Verdict::Create
        }
        (None, None, _) => not_admitted,
    }
}

/// Opens a session for the person whom a provider's token names, with their account linked or made
/// where that is allowed. The sign-in waits where the account has a second factor, unless the
/// provider is trusted to have asked for one.
///
/// # Errors
/// `sign_in_unverified`, `sign_in_link_first`, `sign_in_not_admitted`; `sign_in_stale` where somebody
/// took the address or the identity in the last moment.
pub(super) async fn enter(
    oidc: &Oidc,
    visitor: &Visitor,
    relying: &Relying,
    claims: &Claims,
    here: Option<&Person>,
) -> Result<SignIn> {
    let email = claims
        .email
        .as_deref()
        .and_then(|text| Email::parse(text).ok())
        .filter(|_| claims.email_verified);
    let tenant = relying.place.tenant();
    let mut tx = oidc.people().begin(relying.whose()).await?;
    let known = known(&mut tx, relying, claims).await?;
    let named = match &email {
        Some(email) if known.is_none() => named(&mut tx, tenant, email).await?,
        _ => None,
    };
    let trust = match &relying.place {
        Place::Platform(provider) => Trust::Platform {
            links: provider.link,
            signs_up: provider.sign_up && oidc.people().settings().sign_up,
        },
        Place::Tenant(provider) => Trust::Tenant {
            admits: email.as_ref().is_some_and(|email| provider.admits(email)),
        },
    };
    let guarded = named.as_ref().is_some_and(|account| account.guarded);
    let here = here
        .filter(|person| !guarded || person.second_factor_at().is_some())
        .map(Person::id);
    let verdict = decide(trust, known.as_ref(), email.is_some(), named.as_ref(), here);
    let account = known.or(named);
    let user = match (verdict, &account, &email) {
        (Verdict::Refuse(refusal), ..) => {
            drop(tx);
            return refused(oidc, visitor, relying, account.as_ref(), refusal).await;
        }
        (Verdict::Create, None, Some(email)) => {
            create(&mut tx, visitor, relying, claims, email).await?
        }
        (_, Some(account), _) => account.id,
        (_, None, _) => return Err(Error::SignIn(SignInRefusal::NotAdmitted)),
    };
    let joins = matches!(verdict, Verdict::Join)
        || (matches!(verdict, Verdict::Create) && tenant.is_some());
    if let Place::Tenant(provider) = &relying.place {
        let membership = account
            .as_ref()
            .and_then(|account| account.membership.clone());
        let role = match joins {
            true => join(&mut tx, provider, user).await?,
            false => membership.ok_or(Error::SignIn(SignInRefusal::NotAdmitted))?,
        };
        if !provider
            .vouched
            .covers(&role.role, role.permissions.as_deref())
        {
            tracing::warn!(
                provider = %provider.id,
                "somebody may do more than whoever set up the provider that they signed in by"
            );
            drop(tx);
            return refused(
                oidc,
                visitor,
                relying,
                account.as_ref(),
                SignInRefusal::NotAdmitted,
            )
            .await;
        }
    }
    keep(&mut tx, relying, claims, user, verdict != Verdict::Open).await?;
    if let (Verdict::Link | Verdict::Join, Some(account)) = (verdict, &account) {
        let email = Email::stored(account.email.clone(), account.email_as_typed.clone());
        let letter = Letter::identity_linked(&relying.label, relying.place.tenant_name());
        mail::enqueue(&mut tx, &email, &letter).await?;
        let detail = json!({ "provider": relying.label, "issuer": relying.issuer });
        let actor = Actor::user(user);
        note(
            &mut tx,
            visitor,
            Some(user),
            &actor,
            "account.identity_linked",
            detail,
        )
        .await?;
    }
    let outcome = open(&mut tx, visitor, relying, claims, user).await?;
    match &relying.place {
        Place::Tenant(provider) if joins => {
            let act = Act {
                action: "member.joined",
                target: user.to_string(),
                detail: json!({ "role": provider.role, "how": "identity provider", "provider": provider.id }),
            };
            tx.commit_noted(&provider.tenant, &Actor::user(user), act)
                .await?;
        }
        _ => tx.commit().await?,
    }
    oidc.people().attempt_forgiven(visitor).await?;
    Ok(outcome)
}

async fn refused<T>(
    oidc: &Oidc,
    visitor: &Visitor,
    relying: &Relying,
    account: Option<&Account>,
    refusal: SignInRefusal,
) -> Result<T> {
    let mut tx = oidc.people().begin(kernel::db::Whose::nobody()).await?;
    let user = account.map(|account| account.id);
    let detail =
        json!({ "provider": relying.label, "issuer": relying.issuer, "code": refusal.as_str() });
    let stranger = Actor::stranger();
    note(
        &mut tx,
        visitor,
        user,
        &stranger,
        "account.sign_in_refused",
        detail,
    )
    .await?;
    tx.commit().await?;
    Err(Error::SignIn(refusal))
}

async fn known(tx: &mut PeopleTx, relying: &Relying, claims: &Claims) -> Result<Option<Account>> {
    let user = match &relying.place {
        Place::Platform(_) => {
            sqlx::query_scalar!(
                "SELECT user_id FROM control.user_identity WHERE issuer = $1 AND subject = $2",
                relying.issuer,
                claims.sub
            )
            .fetch_optional(tx.conn())
            .await?
        }
        Place::Tenant(provider) => {
            sqlx::query_scalar!(
                "SELECT user_id FROM control.member_identity
                 WHERE tenant_id = $1 AND provider_id = $2 AND issuer = $3 AND subject = $4",
                provider.tenant.id.uuid(),
                provider.id.uuid(),
                relying.issuer,
                claims.sub
            )
            .fetch_optional(tx.conn())
            .await?
        }
    };
    match user {
        Some(user) => account(tx, relying.place.tenant(), Some(user.into()), None).await,
        None => Ok(None),
    }
}

async fn named(
    tx: &mut PeopleTx,
    tenant: Option<TenantId>,
    email: &Email,
) -> Result<Option<Account>> {
    account(tx, tenant, None, Some(email.normal())).await
}

/// The account with an id or an address.
async fn account(
    tx: &mut PeopleTx,
    tenant: Option<TenantId>,
    user: Option<UserId>,
    email: Option<&str>,
) -> Result<Option<Account>> {
    let row = sqlx::query!(
        r#"SELECT u.id, u.email, u.email_as_typed, u.status, u.email_verified_at IS NOT NULL AS "verified!",
               u.platform_role IS NOT NULL AS "staff!", m.role AS "role?", r.permissions AS "permissions?"
           FROM control.user u
           LEFT JOIN control.membership m ON m.tenant_id = $1 AND m.user_id = u.id
           LEFT JOIN control.tenant_role r ON r.tenant_id = m.tenant_id AND r.name = m.role
           WHERE u.id = $2 OR u.email = $3"#,
        tenant.map(TenantId::uuid),
        user.map(UserId::uuid),
        email
    )
    .fetch_optional(tx.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Account {
        id: row.id.into(),
        email: row.email,
        email_as_typed: row.email_as_typed,
        active: row.status == "active",
        verified: row.verified,
        staff: row.staff,
        guarded: factors::has_any(tx, row.id.into()).await?,
        membership: row.role.map(|role| Membership {
            role,
            permissions: row.permissions,
        }),
    }))
}

/// Makes an account without a password. The address counts as confirmed on the operator's providers'
/// word; on a tenant's it does not, so that nobody prepares an account under somebody else's.
async fn create(
    tx: &mut PeopleTx,
    visitor: &Visitor,
    relying: &Relying,
    claims: &Claims,
    email: &Email,
) -> Result<UserId> {
    let user = UserId::new();
    let verified = match relying.place {
        Place::Platform(_) => Some(OffsetDateTime::now_utc()),
        Place::Tenant(_) => None,
    };
    sqlx::query!(
        "INSERT INTO control.user (id, email, email_as_typed, name, email_verified_at)
         VALUES ($1, $2, $3, $4, $5)",
        user.uuid(),
        email.normal(),
        email.typed(),
        display_name(claims, email),
        verified
    )
    .execute(tx.conn())
    .await
    .on_constraint("user_email_key", || Error::SignIn(SignInRefusal::Stale))?;
    let detail = json!({ "provider": relying.label, "issuer": relying.issuer });
    let actor = Actor::user(user);
    note(tx, visitor, Some(user), &actor, "account.created", detail).await?;
    Ok(user)
}

/// What the provider calls them, or the front of their address.
fn display_name(claims: &Claims, email: &Email) -> String {
    let called = claims
        .name
        .as_deref()
        .and_then(|name| input::name(name).ok());
    called.unwrap_or_else(|| {
        let (front, _) = email.typed().split_once('@').unwrap_or((email.typed(), ""));
        front.to_owned()
    })
}

async fn join(tx: &mut PeopleTx, provider: &TenantProvider, user: UserId) -> Result<Membership> {
    sqlx::query!(
        "INSERT INTO control.membership (user_id, role, created_by) VALUES ($1, $2, $3)",
        user.uuid(),
        provider.role,
        format!("identity_provider:{}", provider.id)
    )
    .execute(tx.conn())
    .await
    .on_constraint("membership_pkey", || Error::SignIn(SignInRefusal::Stale))?;
    let permissions = sqlx::query_scalar!(
        "SELECT permissions FROM control.tenant_role WHERE name = $1",
        provider.role
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(Membership {
        role: provider.role.clone(),
        permissions,
    })
}

/// Writes down who the provider's person is, or that they were here again.
async fn keep(
    tx: &mut PeopleTx,
    relying: &Relying,
    claims: &Claims,
    user: UserId,
    is_new: bool,
) -> Result<()> {
    let taken = || Error::SignIn(SignInRefusal::Stale);
    match (&relying.place, is_new) {
        (Place::Platform(_), true) => sqlx::query!(
            "INSERT INTO control.user_identity (issuer, subject, user_id) VALUES ($1, $2, $3)",
            relying.issuer,
            claims.sub,
            user.uuid()
        )
        .execute(tx.conn())
        .await
        .on_constraint("user_identity_key", taken)?,
        (Place::Platform(_), false) => {
            sqlx::query!(
                "UPDATE control.user_identity SET last_used_at = now()
                 WHERE issuer = $1 AND subject = $2",
                relying.issuer,
                claims.sub
            )
            .execute(tx.conn())
            .await?
        }
        (Place::Tenant(provider), true) => sqlx::query!(
            "INSERT INTO control.member_identity (provider_id, issuer, subject, user_id)
             VALUES ($1, $2, $3, $4)",
            provider.id.uuid(),
            relying.issuer,
            claims.sub,
            user.uuid()
        )
        .execute(tx.conn())
        .await
        .on_constraint("member_identity_key", taken)?,
        (Place::Tenant(provider), false) => {
            sqlx::query!(
                "UPDATE control.member_identity SET last_used_at = now()
                 WHERE tenant_id = $1 AND provider_id = $2 AND issuer = $3 AND subject = $4",
                provider.tenant.id.uuid(),
                provider.id.uuid(),
                relying.issuer,
                claims.sub
            )
            .execute(tx.conn())
            .await?
        }
    };
    Ok(())
}

async fn open(
    tx: &mut PeopleTx,
    visitor: &Visitor,
    relying: &Relying,
    claims: &Claims,
    user: UserId,
) -> Result<SignIn> {
    let (confined, shown) = match &relying.place {
        Place::Platform(provider) => {
            let counts = |method: &String| provider.second_factor.contains(method);
            let shown = match claims.amr.iter().any(counts) {
                true => Shown::Two,
                false => Shown::One,
            };
            (None, shown)
        }
        Place::Tenant(provider) => {
            let confined = Confined {
                tenant: provider.tenant.id,
                provider: provider.id,
            };
            (Some(confined), Shown::One)
        }
    };
    if shown == Shown::One && factors::has_any(tx, user).await? {
        let waiting = pending::open(tx, Some(user), confined).await?;
        return Ok(SignIn::Waits(waiting));
    }
    let session = sessions::open(tx, user, visitor, shown, confined).await?;
    let detail = json!({
        "session": session.id, "provider": relying.label,
        "confined_to": confined.map(|confined| confined.tenant),
    });
    let actor = Actor::user(user);
    note(tx, visitor, Some(user), &actor, "account.signed_in", detail).await?;
    Ok(SignIn::Done(session))
}

impl Place {
    fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Platform(_) => None,
            Self::Tenant(provider) => Some(provider.tenant.id),
        }
    }

    fn tenant_name(&self) -> Option<&str> {
        match self {
            Self::Platform(_) => None,
            Self::Tenant(provider) => Some(&provider.tenant.slug),
        }
    }
}

impl TenantProvider {
    /// Whether people with such an address may come in by themselves: the domain is one of those
    /// named, not merely below one.
    fn admits(&self, email: &Email) -> bool {
        let domain = email.normal().rsplit_once('@').map(|(_, domain)| domain);
        domain.is_some_and(|domain| self.domains.iter().any(|named| named == domain))
    }
}

#[cfg(test)]
mod tests;
