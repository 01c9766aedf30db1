//! Letters about a tenant's credentials: one that is refused now, one that is about to end. To the
//! member who answers for it; where nobody does, to the tenant's owners.

#[cfg(test)]
mod tests;

use kernel::{
    Access, Result,
    events::{CredentialExpiring, CredentialRefused},
    id::UserId,
    jobs::Registry,
    permission::MembersRead,
};

use crate::{
    mail::{self, Letter},
    people::Email,
};

/// The kinds of the jobs that write.
const REFUSED: &str = "identity.credential_refused";
const EXPIRING: &str = "identity.credential_expiring";

/// Registers the jobs of this slice. Each event is published once for each change, so it is one
/// letter for each.
pub fn register(registry: &mut Registry) {
    registry.subscribe(
        REFUSED,
        |access: Access<MembersRead>, event: CredentialRefused| async move {
            let slug = &access.tenant().slug;
            let letter =
                Letter::credential_refused(slug, &event.provider, &event.name, &event.advice);
            tell(&access, event.owner, &letter).await
        },
    );
    registry.subscribe(
        EXPIRING,
        |access: Access<MembersRead>, event: CredentialExpiring| async move {
            let slug = &access.tenant().slug;
            // The last day on which it is good: an end that was entered as a day is the next midnight.
            let last = event.expires_at.to_offset(time::UtcOffset::UTC) - time::Duration::SECOND;
            let day = last.date();
            let ends = (event.days > 0).then_some(event.days);
            let letter = Letter::credential_expiring(slug, &event.provider, &event.name, day, ends);
            tell(&access, event.owner, &letter).await
        },
    );
}

/// Tried again, it may write twice.
async fn tell(access: &Access<MembersRead>, owner: Option<UserId>, letter: &Letter) -> Result<()> {
    let mut tx = access.people().await?;
    let addresses = sqlx::query_scalar!(
        r#"WITH active AS (
               SELECT u.id, u.email_as_typed, m.role
               FROM control.membership m JOIN control.user u ON u.id = m.user_id
               WHERE m.tenant_id = $1 AND u.status = 'active'
           )
           SELECT email_as_typed AS "address!" FROM active
           WHERE id = $2 OR (role = 'owner' AND NOT EXISTS (SELECT FROM active WHERE id = $2))"#,
        access.tenant().id.uuid(),
        owner.map(UserId::uuid)
    )
    .fetch_all(tx.conn())
    .await?;
    for address in addresses {
        mail::enqueue(&mut tx, &Email::parse(&address)?, letter).await?;
    }
    tx.commit().await
}
