//! Which permissions a new key is to carry, from what was asked for.

use std::collections::BTreeSet;

use kernel::{
    Error, Result,
    permission::{Roles, grantable},
};

/// The permissions, each once and sorted.
pub fn resolve(permissions: Option<&[String]>, role: Option<&str>) -> Result<Vec<String>> {
    match (permissions, role) {
        (Some(names), None) => named(names),
        (None, Some(role)) => of_role(role),
        _ => Err(Error::field(
            "permissions",
            "give either `permissions` or `role`",
        )),
    }
}

fn named(names: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Err(Error::field("permissions", "must name at least one"));
    }
    let granted: BTreeSet<&str> = names
        .iter()
        .map(|name| {
            grantable(name).ok_or_else(|| {
                Error::field(
                    "permissions",
                    format!("{name:?} is no permission that a key can carry"),
                )
            })
        })
        .collect::<Result<_>>()?;
    Ok(granted.into_iter().map(str::to_owned).collect())
}

fn of_role(role: &str) -> Result<Vec<String>> {
    let roles = Roles::builtin();
    let Some(names) = roles.tenant(role) else {
        let known: Vec<&str> = roles.tenant.keys().map(String::as_str).collect();
        return Err(Error::field(
            "role",
            format!("must be one of {}", known.join(", ")),
        ));
    };
    if names.is_empty() {
        return Err(Error::field(
            "role",
            format!("the role `{role}` carries no permission of the API"),
        ));
    }
    named(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(str::to_owned).collect()
    }

    #[test]
    fn each_permission_is_granted_once() {
        let asked = names(&["messages:send", "agents:read", "messages:send"]);
        let granted = resolve(Some(&asked), None).expect("granted");
        assert_eq!(granted, ["agents:read", "messages:send"]);
    }

    #[test]
    fn a_role_gives_what_it_bundles() {
        let granted = resolve(None, Some("agent")).expect("granted");
        assert_eq!(
            granted,
            ["agents:read", "conversations:read", "messages:send"]
        );
    }

    #[test]
    fn no_key_carries_what_only_the_program_or_staff_may_do() {
        for name in [
            "credentials:use",
            "inbound:receive",
            "inbound:process",
            "tenants:write",
            "tenants:enter",
            "queue:read",
            "credentials:*",
            "*",
            "",
        ] {
            assert!(
                resolve(Some(&names(&["agents:read", name])), None).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn exactly_one_source_is_named() {
        let some = names(&["agents:read"]);
        assert!(resolve(None, None).is_err());
        assert!(resolve(Some(&some), Some("agent")).is_err());
        assert!(resolve(Some(&[]), None).is_err());
        for role in ["billing", "administrator", "nobody", ""] {
            assert!(resolve(None, Some(role)).is_err(), "{role}");
        }
    }
}
