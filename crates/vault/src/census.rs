//! What was counted of wraps and secrets: the ground on which old keys are destroyed.

use std::collections::BTreeMap;

use crate::provider::WrappedKey;

/// How many wraps each KEK has, how many secrets each generation of data keys, and what did not
/// open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// By the KEK's name, as in `local:v3`.
    pub wraps: BTreeMap<String, u64>,
    /// By the data key's generation, over all owners.
    pub secrets: BTreeMap<u32, u64>,
    /// What did not unwrap or open, and why, for people. Empty in a mere count.
    pub faults: Vec<String>,
    /// Owners of whom nothing was learned, since their own KEK is not to be had, and why.
    pub withheld: BTreeMap<String, String>,
}

impl Census {
    pub fn wrap(&mut self, wrapped: &WrappedKey) {
        self.wraps(&wrapped.kek, 1);
    }

    pub fn wraps(&mut self, kek: &str, count: u64) {
        *self.wraps.entry(kek.to_owned()).or_default() += count;
    }

    pub fn secrets(&mut self, generation: u32, count: u64) {
        *self.secrets.entry(generation).or_default() += count;
    }

    pub fn fault(&mut self, what: impl std::fmt::Display, why: impl std::fmt::Display) {
        self.faults.push(format!("{what}: {why}"));
    }

    pub fn withheld(&mut self, owner: impl std::fmt::Display, why: impl std::fmt::Display) {
        self.withheld.insert(owner.to_string(), why.to_string());
    }

    pub fn add(&mut self, other: Self) {
        for (kek, count) in other.wraps {
            self.wraps(&kek, count);
        }
        for (generation, count) in other.secrets {
            self.secrets(generation, count);
        }
        self.faults.extend(other.faults);
        self.withheld.extend(other.withheld);
    }
}
