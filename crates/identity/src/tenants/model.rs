//! The shapes of tenants in the API, and their rows.

use kernel::{
    Error, Result,
    db::{Tenant, TenantStatus},
    id::TenantId,
    jobs::Lane,
    page::PageQuery,
    suspension::SuspensionKind,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A tenant, as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TenantView {
    #[schema(value_type = String, example = "ten_01h455vb4pex5vsknk084sn02q")]
    pub id: TenantId,
    /// Stands in the tenant's URLs. Never changes, and is never given to another tenant.
    #[schema(example = "acme")]
    pub slug: String,
    pub name: String,
    pub plan: String,
    pub region: String,
    pub status: TenantStatus,
    /// Why it is suspended, if it is.
    pub suspension: Option<SuspensionKind>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub suspended_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// The tenant's lane in its cell's queue. Absent in lists, and of tenants whose provisioning
    /// has not reached their cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<Lane>,
}

/// A tenant to create.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// A DNS label that is not reserved.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example = "acme")]
    pub slug: String,
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// `standard` when absent.
    pub plan: Option<String>,
    /// Where its data is to lie; the region of the first cell when absent.
    pub region: Option<String>,
    /// Its share of the queue; 1 when absent.
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<i32>,
}

/// What to change of a tenant. What is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TenantChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: Option<i32>,
}

/// The order of a list of tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub enum TenantOrder {
    #[serde(rename = "created")]
    Created,
    /// Newest first.
    #[default]
    #[serde(rename = "-created")]
    CreatedDown,
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDown,
}

/// Which tenants to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TenantQuery {
    /// Part of the name or of the slug, in whichever case.
    pub q: Option<String>,
    pub status: Option<TenantStatus>,
    pub plan: Option<String>,
    /// `-created` when absent. A cursor belongs to the order that it was made in.
    #[param(inline)]
    pub sort: Option<TenantOrder>,
    /// The `next_cursor` of the page before; the list's beginning when absent.
    pub cursor: Option<String>,
    /// Rows in the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

impl TenantQuery {
    pub(super) fn page(&self) -> PageQuery {
        PageQuery {
            cursor: self.cursor.clone(),
            limit: self.limit,
        }
    }
}

/// The column's own bounds, told as a field error.
pub(super) fn check_weight(weight: i32) -> Result<i32> {
    if (1..=1000).contains(&weight) {
        Ok(weight)
    } else {
        Err(Error::field("weight", "must be from 1 to 1000"))
    }
}

/// A row of `control.tenant`.
#[derive(Debug)]
pub(super) struct Row {
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub plan: String,
    pub region: String,
    pub status: String,
    pub suspension: Option<String>,
    pub suspended_at: Option<OffsetDateTime>,
    pub cell_id: Uuid,
    pub epoch: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Row {
    pub fn status(&self) -> Result<TenantStatus> {
        TenantStatus::parse(&self.status)
    }

    pub fn suspension(&self) -> Result<Option<SuspensionKind>> {
        let kind = self.suspension.as_deref();
        kind.map(SuspensionKind::parse).transpose()
    }

    /// The same tenant as the directory knows it.
    pub fn entry(&self) -> Result<Tenant> {
        Ok(Tenant {
            id: self.id.into(),
            slug: self.slug.clone(),
            status: self.status()?,
            suspension: self.suspension()?,
            cell: self.cell_id.into(),
            epoch: self.epoch,
        })
    }

    pub fn view(self, queue: Option<Lane>) -> Result<TenantView> {
        Ok(TenantView {
            id: self.id.into(),
            status: self.status()?,
            suspension: self.suspension()?,
            suspended_at: self.suspended_at,
            slug: self.slug,
            name: self.name,
            plan: self.plan,
            region: self.region,
            created_at: self.created_at,
            updated_at: self.updated_at,
            queue,
        })
    }
}
