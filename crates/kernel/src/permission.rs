//! Permissions as types, and the roles that bundle them.
//!
//! A handler names its permission in its signature (`Access<CredentialsWrite>`); there is no call
//! that it could forget. Roles are data: catalogue/roles.toml.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// One thing that a caller may do. Implemented by the types of this module alone.
pub trait Permission: sealed::Sealed + Send + Sync + 'static {
    /// The stable name in scopes, roles and the API, as in `credentials:write`.
    const NAME: &'static str;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! permissions {
    ($list:ident: $($(#[$doc:meta])* $type:ident => $name:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $type {}
            impl sealed::Sealed for $type {}
            impl Permission for $type {
                const NAME: &'static str = $name;
            }
        )*
        pub const $list: &[&str] = &[$($name),*];
    };
}

permissions! { TENANT:
    /// See which credentials exist, masked.
    CredentialsRead => "credentials:read";
    CredentialsWrite => "credentials:write";
    /// Open a credential in order to call its provider. Held by jobs, and through the
    /// proxy by whoever may use that; never by API keys.
    CredentialsUse => "credentials:use";
    /// Call providers' APIs through the proxy, with the tenant's credentials.
    ProxyUse => "proxy:use";
    ApiKeysRead => "api_keys:read";
    ApiKeysWrite => "api_keys:write";
    /// End a key that was found in public. Held by whoever shows the key itself.
    ApiKeysReport => "api_keys:report";
    ConversationsRead => "conversations:read";
    MessagesSend => "messages:send";
    AgentsRead => "agents:read";
    AgentsWrite => "agents:write";
    JobsRead => "jobs:read";
    JobsReplay => "jobs:replay";
    TracesRead => "traces:read";
    /// See the tenant's own audit log, and take it away.
    AuditRead => "audit:read";
    /// See who belongs to the tenant, and who is invited.
    MembersRead => "members:read";
    /// Invite people, change their roles, remove them.
    MembersWrite => "members:write";
    RolesRead => "roles:read";
    /// Compose roles of the tenant's own.
    RolesWrite => "roles:write";
    /// See through which identity providers members sign in.
    SignInRead => "sign_in:read";
    SignInWrite => "sign_in:write";
    /// See whether the tenant's data keys are under a key-encryption key of its own, and how it does.
    EncryptionKeyRead => "encryption_key:read";
    /// Put the tenant's data keys under its own key-encryption key, or back under the installation's.
    EncryptionKeyWrite => "encryption_key:write";
    /// See the tenant's configuration and its history.
    SettingsRead => "settings:read";
    SettingsWrite => "settings:write";
    /// Be in the tenant: see its brand and one's own role there. Every member may, whatever their
    /// role.
    TenantRead => "tenant:read";
    /// See which staff looked at the tenant from within, when and why.
    ImpersonationsRead => "impersonations:read";
    /// Rewrap, renew, verify and destroy the tenant's data keys. Held by staff at the server's own
    /// machine, who enter for it.
    DataKeysWrite => "data_keys:write";
    /// Put webhooks of the tenant's providers into its cell. Held by resolved endpoints alone.
    InboundReceive => "inbound:receive";
    /// Turn stored webhooks into messages. Held by jobs alone.
    InboundProcess => "inbound:process";
}

permissions! { PLATFORM:
    TenantsRead => "tenants:read";
    TenantsWrite => "tenants:write";
    /// Act inside a tenant on its behalf, with every act in the tenant's own audit log.
    TenantsEnter => "tenants:enter";
    /// See the accounts of all people.
    UsersRead => "users:read";
    /// Disable and enable accounts, end their sessions, and appoint staff.
    UsersWrite => "users:write";
    /// See the queue and its dead letters across tenants.
    QueueRead => "queue:read";
    /// See what staff did, in the operators' own log.
    PlatformAuditRead => "platform_audit:read";
    /// Put another key in the place of the one that signs tokens.
    SigningKeysWrite => "signing_keys:write";
    /// See which key-encryption keys wrap what, rotate them, and move wraps and secrets between keys.
    KeysRotate => "keys:rotate";
    /// Write notes about tenants, for other staff alone.
    NotesWrite => "notes:write";
    /// See a tenant as its members do.
    TenantsImpersonate => "tenants:impersonate";
    /// Change things there as well, where that is chosen.
    TenantsImpersonateWrite => "tenants:impersonate_write";
}

/// Permissions that no role and no API key can carry: those that only the program itself holds, and
/// what comes with being a member.
pub const INTERNAL: &[&str] = &[
    CredentialsUse::NAME,
    ApiKeysReport::NAME,
    DataKeysWrite::NAME,
    InboundReceive::NAME,
    InboundProcess::NAME,
    TenantRead::NAME,
];

/// Which permissions each role bundles.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    pub tenant: BTreeMap<String, Vec<String>>,
    pub platform: BTreeMap<String, Vec<String>>,
    pub impersonation: Impersonation,
}

/// The permissions inside a tenant of staff who impersonate, on whichever road they come. What is
/// not named here they do not have, so that a permission added later has to be given to them on
/// purpose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impersonation {
    pub read: Vec<String>,
    /// Beside `read`, where writing was chosen.
    pub write: Vec<String>,
}

impl Impersonation {
    /// What one impersonation may do.
    pub fn permissions(&self, may_write: bool) -> Vec<String> {
        let write = may_write.then_some(&self.write);
        self.read
            .iter()
            .chain(write.into_iter().flatten())
            .cloned()
            .collect()
    }
}

impl Roles {
    /// The roles that come with the program.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Roles> = LazyLock::new(|| {
            toml::from_str(include_str!("../../../catalogue/roles.toml"))
                .expect("roles.toml is part of the program and read by a test")
        });
        &BUILTIN
    }

    /// The permissions of a tenant role, if there is such a role.
    pub fn tenant(&self, role: &str) -> Option<&[String]> {
        self.tenant.get(role).map(Vec::as_slice)
    }

    /// Whether a platform role bundles a permission.
    pub fn platform_grants(&self, role: &str, permission: &str) -> bool {
        self.platform
            .get(role)
            .is_some_and(|names| names.iter().any(|name| name == permission))
    }

    /// The role × permission matrix as text, for review as a snapshot.
    pub fn matrix(&self) -> String {
        let mut text = String::new();
        for (plane, roles, permissions) in [
            ("tenant", &self.tenant, TENANT),
            ("platform", &self.platform, PLATFORM),
        ] {
            text += &format!("{plane:<26}");
            for role in roles.keys() {
                text += &format!(" {role:^10}");
            }
            text += "\n";
            for permission in permissions {
                text += &format!("{permission:<26}");
                for granted in roles.values() {
                    let mark = if granted.iter().any(|name| name == permission) {
                        '✔'
                    } else {
                        '✘'
                    };
                    text += &format!(" {mark:^10}");
                }
                text += "\n";
            }
            text += "\n";
        }
        for (name, permissions) in [
            ("read", &self.impersonation.read),
            ("write", &self.impersonation.write),
        ] {
            text += &format!("impersonation {name}: {}\n", permissions.join(" "));
        }
        text
    }
}

/// The `'static` name of a tenant permission that an API key may carry.
pub fn grantable(name: &str) -> Option<&'static str> {
    TENANT
        .iter()
        .copied()
        .find(|known| *known == name && !INTERNAL.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_name_only_what_may_be_granted() {
        let roles = Roles::builtin();
        for (role, names) in &roles.tenant {
            for name in names {
                assert!(grantable(name).is_some(), "{role}: {name}");
            }
        }
        for (role, names) in &roles.platform {
            for name in names {
                assert!(PLATFORM.contains(&name.as_str()), "{role}: {name}");
            }
        }
    }

    #[test]
    fn impersonation_reads_and_never_touches_people_or_secrets() {
        let Impersonation { read, write } = &Roles::builtin().impersonation;
        for name in read.iter().chain(write) {
            assert!(grantable(name).is_some(), "{name}");
        }
        assert!(read.iter().all(|name| name.ends_with(":read")), "{read:?}");
        for name in write {
            let area = name.split(':').next();
            let closed = [
                "members",
                "roles",
                "api_keys",
                "credentials",
                "encryption_key",
                "impersonations",
            ];
            assert!(area.is_some_and(|area| !closed.contains(&area)), "{name}");
        }
    }

    #[test]
    fn names_say_whether_they_only_look() {
        // The suspension matrix tells reading from writing by the name.
        let reads: Vec<&str> = TENANT
            .iter()
            .copied()
            .filter(|name| crate::suspension::reads(name))
            .collect();
        insta::assert_snapshot!(reads.join("\n"));
    }

    #[test]
    fn matrix() {
        insta::assert_snapshot!(Roles::builtin().matrix());
    }
}
