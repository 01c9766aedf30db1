//! What the consoles show around every page: who is signed in and where they may go.

use kernel::{Result, access::Person, id::TenantId, permission::Roles};
use time::OffsetDateTime;

/// A signed-in person as the consoles' frame shows them.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub name: String,
    pub email: String,
    pub email_verified: bool,
    /// `administrator` or `support`, for staff.
    pub platform_role: Option<String>,
    /// The tenants that they belong to, by name.
    pub places: Vec<Place>,
    /// The tenant that this session looks at from within, for staff who do.
    pub impersonation: Option<Impersonation>,
    /// Whether this session is good in one tenant alone: the account's own pages refuse it.
    pub is_confined: bool,
}

/// Where staff look at a tenant from within, and until when.
#[derive(Clone, Debug)]
pub struct Impersonation {
    /// The tenant, with what the impersonation may do there.
    pub place: Place,
    pub may_write: bool,
    pub expires_at: OffsetDateTime,
}

impl Surroundings {
    /// Somebody's place in a tenant. Where they impersonate, that is what holds there.
    pub fn place(&self, slug: &str) -> Option<&Place> {
        let impersonated = self.impersonation.iter().map(|live| &live.place);
        impersonated
            .chain(&self.places)
            .find(|place| place.slug == slug)
    }
}

/// A tenant that somebody belongs to.
#[derive(Clone, Debug)]
pub struct Place {
    pub slug: String,
    pub name: String,
    /// As in the tenant's lifecycle: `active`, `suspended` …
    pub status: String,
    pub role: String,
    permissions: Vec<String>,
}

impl Place {
    /// Whether the person's role there has a permission, so that the frame offers no page that would
    /// refuse them. The page itself checks again.
    pub fn grants(&self, permission: &str) -> bool {
        self.permissions.iter().any(|held| held == permission)
    }
}

/// Reads them in two queries of one transaction. Of a session that is good in one tenant alone, they
/// are that tenant.
pub async fn surroundings(person: &Person) -> Result<Surroundings> {
    let mut tx = person.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT u.name, u.email_as_typed, u.email_verified_at IS NOT NULL AS "email_verified!",
               u.platform_role, t.slug AS "slug?", t.name AS "tenant?", t.status AS "status?",
               m.role AS "role?", r.permissions AS "permissions?"
           FROM control.user u
           LEFT JOIN control.membership m ON m.user_id = u.id
           LEFT JOIN control.tenant t ON t.id = m.tenant_id AND ($2::uuid IS NULL OR t.id = $2)
           LEFT JOIN control.tenant_role r ON r.tenant_id = m.tenant_id AND r.name = m.role
           WHERE u.id = $1 ORDER BY t.name, t.slug"#,
        person.id().uuid(),
        person.confined_to().map(TenantId::uuid)
    )
    .fetch_all(tx.conn())
    .await?;
    let live = sqlx::query!(
        "SELECT t.slug, t.name, t.status, i.may_write, i.expires_at
         FROM control.impersonation i JOIN control.tenant t ON t.id = i.tenant_id
         WHERE i.session_id = $1 AND i.ended_at IS NULL AND i.expires_at > now() LIMIT 1",
        person.session().uuid()
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    let live = live.filter(|_| person.confined_to().is_none());
    let impersonation = live.map(|live| Impersonation {
        place: Place {
            slug: live.slug,
            name: live.name,
            status: live.status,
            role: if live.may_write {
                "staff"
            } else {
                "staff, read-only"
            }
            .to_owned(),
            permissions: Roles::builtin().impersonation.permissions(live.may_write),
        },
        may_write: live.may_write,
        expires_at: live.expires_at,
    });
    let mut rows = rows.into_iter().peekable();
    let first = rows.peek().ok_or(kernel::Error::Unauthenticated)?;
    let mut surroundings = Surroundings {
        name: first.name.clone(),
        email: first.email_as_typed.clone(),
        email_verified: first.email_verified,
        platform_role: first
            .platform_role
            .clone()
            .filter(|_| person.confined_to().is_none()),
        places: Vec::new(),
        impersonation,
        is_confined: person.confined_to().is_some(),
    };
    for row in rows {
        let (Some(slug), Some(name), Some(status), Some(role)) =
            (row.slug, row.tenant, row.status, row.role)
        else {
            continue;
        };
        let permissions = match Roles::builtin().tenant(&role) {
            Some(permissions) => permissions.to_vec(),
            None => row.permissions.unwrap_or_default(),
        };
        surroundings.places.push(Place {
            slug,
            name,
            status,
            role,
            permissions,
        });
    }
    Ok(surroundings)
}
