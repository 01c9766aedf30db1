//! Permissions in words, for people who choose among them.

use kernel::permission::{TENANT, grantable};

/// A permission's name and what it lets people do.
pub type Words = (&'static str, &'static str);

const GROUPS: &[(&str, &[Words])] = &[
    (
        "Conversations",
        &[
            ("conversations:read", "Read conversations"),
            ("messages:send", "Send messages"),
            ("agents:read", "See agents"),
            ("agents:write", "Set up agents"),
        ],
    ),
    (
        "Developers",
        &[
            ("credentials:read", "See credentials, masked"),
            ("credentials:write", "Add, replace and delete credentials"),
            ("proxy:use", "Call providers with the account's credentials"),
            ("api_keys:read", "See API keys"),
            ("api_keys:write", "Issue and revoke API keys"),
            ("jobs:read", "See jobs"),
            ("jobs:replay", "Replay failed jobs"),
            ("traces:read", "Follow a message through the system"),
        ],
    ),
    (
        "Account",
        &[
            ("audit:read", "Read and export the audit log"),
            (
                "encryption_key:read",
                "See which key encrypts the account's secrets",
            ),
            (
                "encryption_key:write",
                "Set up an encryption key of the account's own",
            ),
            (
                "impersonations:read",
                "See when staff looked at the account",
            ),
            ("members:read", "See the team"),
            ("members:write", "Invite people and change the team"),
            ("roles:read", "See roles"),
            ("roles:write", "Make and change roles"),
            ("settings:read", "See settings and branding"),
            ("settings:write", "Change settings and branding"),
            (
                "sign_in:read",
                "See which identity providers people sign in by",
            ),
            ("sign_in:write", "Set up identity providers"),
        ],
    ),
];

/// Every permission that a role can carry, by what it concerns. One that nobody has put into words
/// goes by its name.
pub fn groups() -> Vec<(&'static str, Vec<Words>)> {
    let mut groups: Vec<(&str, Vec<Words>)> = GROUPS
        .iter()
        .map(|(title, words)| (*title, words.to_vec()))
        .collect();
    let others: Vec<Words> = wordless().map(|name| (name, name)).collect();
    if !others.is_empty() {
        groups.push(("Other", others));
    }
    groups
}

fn wordless() -> impl Iterator<Item = &'static str> {
    let known = |name: &str| {
        let mut words = GROUPS.iter().flat_map(|(_, words)| *words);
        words.any(|(known, _)| *known == name)
    };
    TENANT
        .iter()
        .filter_map(|name| grantable(name))
        .filter(move |name| !known(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_put_into_words_once() {
        assert_eq!(wordless().collect::<Vec<_>>(), Vec::<&str>::new());
        let mut names: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, words)| words.iter().map(|(name, _)| *name))
            .collect();
        assert!(names.iter().all(|name| grantable(name).is_some()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
