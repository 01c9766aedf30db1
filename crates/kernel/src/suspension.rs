//! What a tenant's standing lets happen: catalogue/suspension.toml, and the questions that the places
//! ask of it where things happen. Sessions and API keys ask [`admit`], webhook endpoints and jobs ask
//! for the [`Effect`] on what they are about to do.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{
    db::{Tenant, TenantStatus},
    error::{Error, Result},
    permission::{CredentialsUse, InboundProcess, MessagesSend, Permission, ProxyUse},
};

/// Why a tenant is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionKind {
    /// An invoice is open.
    Unpaid,
    /// The tenant harms others.
    Abuse,
    /// The tenant asked for a pause.
    Requested,
    /// Something is being looked into.
    Investigation,
}

impl SuspensionKind {
    pub const ALL: [Self; 4] = [
        Self::Unpaid,
        Self::Abuse,
        Self::Requested,
        Self::Investigation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Abuse => "abuse",
            Self::Requested => "requested",
            Self::Investigation => "investigation",
        }
    }

    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::internal(anyhow::anyhow!("unknown suspension {text:?}")))
    }
}

/// What becomes of something that a tenant's standing has a say in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Allow,
    /// It waits until the standing changes.
    Hold,
    Refuse,
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
        }
    }
}

/// One row of the matrix.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    pub login: Effect,
    pub read: Effect,
    pub write: Effect,
    pub jobs: Effect,
    pub inbound: Effect,
    pub outbound: Effect,
    pub billing: Effect,
}

impl Effects {
    /// The cells of the row under their names, in the matrix's own order.
    pub fn cells(&self) -> [(&'static str, Effect); 7] {
        [
            ("login", self.login),
            ("read", self.read),
            ("write", self.write),
            ("jobs", self.jobs),
            ("inbound", self.inbound),
            ("outbound", self.outbound),
            ("billing", self.billing),
        ]
    }

    /// The row of a standing.
    pub fn of(status: TenantStatus, kind: Option<SuspensionKind>) -> &'static Self {
        let matrix = Matrix::builtin();
        match (status, kind) {
            (TenantStatus::Provisioning, _) => &matrix.provisioning,
            (TenantStatus::Active, _) => &matrix.active,
            (TenantStatus::Suspended, Some(SuspensionKind::Unpaid)) => &matrix.suspended.unpaid,
            (TenantStatus::Suspended, Some(SuspensionKind::Abuse)) => &matrix.suspended.abuse,
            (TenantStatus::Suspended, Some(SuspensionKind::Requested)) => {
                &matrix.suspended.requested
            }
            (TenantStatus::Suspended, Some(SuspensionKind::Investigation) | None) => {
                &matrix.suspended.investigation
            }
            (TenantStatus::Closed, _) => &matrix.closed,
        }
    }

    /// What becomes of a claimed job that acts by this permission. Where the queue runs the tenant's
    /// jobs, those that make messages of webhooks or leave by the tenant's providers have a say of
    /// their own.
    pub(crate) fn on_job(&self, permission: &str) -> Effect {
        match (self.jobs, permission) {
            (Effect::Allow, InboundProcess::NAME) => self.inbound,
            (Effect::Allow, MessagesSend::NAME | CredentialsUse::NAME) => self.outbound,
            (jobs, _) => jobs,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matrix {
    provisioning: Effects,
    active: Effects,
    suspended: Suspended,
    closed: Effects,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspended {
    unpaid: Effects,
    abuse: Effects,
    requested: Effects,
    investigation: Effects,
}

impl Matrix {
    fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Matrix> = LazyLock::new(|| {
            toml::from_str(include_str!("../../../catalogue/suspension.toml"))
                .expect("suspension.toml is part of the program and read by a test")
        });
        &BUILTIN
    }
}

/// By what a caller comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// A member's own session.
    Member,
    Key,
    /// Staff who impersonate. They see why a tenant is suspended; to change things they need what a
    /// member would.
    Staff,
}

/// Whether a permission only looks. Names say so, and a test holds them to it.
pub(crate) fn reads(permission: &str) -> bool {
    permission.ends_with(":read")
}

/// Whether the tenant's standing admits a caller who wants to use a permission.
///
/// # Errors
/// `tenant_inactive`.
pub(crate) fn admit(tenant: &Tenant, entrance: Entrance, permission: &str) -> Result<()> {
    let effects = tenant.effects();
    let is_open = |effect| effect == Effect::Allow;
    let entered = entrance != Entrance::Member || is_open(effects.login);
    let acts = match reads(permission) {
        true if entrance == Entrance::Staff => tenant.status != TenantStatus::Closed,
        true => is_open(effects.read),
        false => is_open(effects.write),
    };
    // What is held on its way out can be handed in; what is refused there is refused here.
    // A call through the proxy leaves at once or not at all.
    let leaves = match permission {
        MessagesSend::NAME => effects.outbound != Effect::Refuse,
        ProxyUse::NAME => is_open(effects.outbound),
        _ => true,
    };
    if entered && acts && leaves {
        Ok(())
    } else {
        Err(Error::TenantInactive {
            status: tenant.status.as_str(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{CellId, TenantId},
        permission::TENANT,
    };

    /// Every standing a tenant can have, by name.
    fn standings() -> Vec<(String, TenantStatus, Option<SuspensionKind>)> {
        use TenantStatus::{Active, Closed, Provisioning, Suspended};
        let mut standings = vec![
            ("provisioning".to_owned(), Provisioning, None),
            ("active".to_owned(), Active, None),
        ];
        for kind in SuspensionKind::ALL {
            standings.push((
                format!("suspended.{}", kind.as_str()),
                Suspended,
                Some(kind),
            ));
        }
        standings.push(("closed".to_owned(), Closed, None));
        standings
    }

    fn tenant(status: TenantStatus, suspension: Option<SuspensionKind>) -> Tenant {
        Tenant {
            id: TenantId::new(),
            slug: "acme".to_owned(),
            status,
            suspension,
            cell: CellId::new(),
            epoch: 1,
        }
    }

    #[test]
    fn matrix() {
        let mut text = format!("{:<24}", "");
        for (name, _) in Effects::of(TenantStatus::Active, None).cells() {
            text += &format!(" {name:<9}");
        }
        for (name, status, kind) in standings() {
            text += &format!("\n{name:<24}");
            for (_, effect) in Effects::of(status, kind).cells() {
                text += &format!(" {:<9}", effect.as_str());
            }
        }
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn rows_do_not_contradict_themselves() {
        for (name, status, kind) in standings() {
            let row = Effects::of(status, kind);
            for asked in [row.login, row.read, row.write] {
                assert_ne!(asked, Effect::Hold, "{name}: nobody waits for an answer");
            }
            assert_ne!(row.jobs, Effect::Refuse, "{name}: jobs are kept or run");
            if row.jobs == Effect::Hold {
                assert_ne!(row.inbound, Effect::Allow, "{name}: jobs make the messages");
                assert_ne!(row.outbound, Effect::Allow, "{name}: jobs send");
            }
            assert!(
                row.read == Effect::Allow || row.write == Effect::Refuse,
                "{name}: whoever writes sees what they wrote"
            );
        }
    }

    #[test]
    fn callers_meet_each_cell_of_the_matrix() {
        for (name, status, kind) in standings() {
            let (tenant, row) = (tenant(status, kind), Effects::of(status, kind));
            for permission in TENANT {
                let acts = if reads(permission) {
                    row.read
                } else {
                    row.write
                };
                let sends = match *permission {
                    "messages:send" => row.outbound != Effect::Refuse,
                    "proxy:use" => row.outbound == Effect::Allow,
                    _ => true,
                };
                let by_key = acts == Effect::Allow && sends;
                let admitted = |entrance| admit(&tenant, entrance, permission).is_ok();
                let place = format!("{name} {permission}");
                assert_eq!(admitted(Entrance::Key), by_key, "{place}");
                assert_eq!(
                    admitted(Entrance::Member),
                    by_key && row.login == Effect::Allow,
                    "{place}"
                );
                let by_staff = if reads(permission) {
                    status != TenantStatus::Closed
                } else {
                    by_key
                };
                assert_eq!(admitted(Entrance::Staff), by_staff, "{place}");
            }
        }
    }

    #[test]
    fn jobs_meet_each_cell_of_the_matrix() {
        for (name, status, kind) in standings() {
            let row = Effects::of(status, kind);
            for permission in TENANT {
                let expected = match *permission {
                    _ if row.jobs != Effect::Allow => row.jobs,
                    "inbound:process" => row.inbound,
                    "messages:send" | "credentials:use" => row.outbound,
                    _ => row.jobs,
                };
                assert_eq!(row.on_job(permission), expected, "{name} {permission}");
            }
        }
    }
}
