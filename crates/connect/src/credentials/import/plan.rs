//! What an import does with each credential, by comparison with what there is. Dry runs and real ones
//! have the same plan.

use std::collections::BTreeMap;

use kernel::{
    Access, Error, Result,
    error::ConflictCode,
    id::CredentialId,
    permission::CredentialsWrite,
    secret::{Secret, constant_time_eq},
};

use super::{Entry, EntryOutcome, Found, Item, Outcome, Taken};
use crate::{
    Connect,
    catalogue::Provider,
    credentials::{
        model::{CredentialView, Environment, Filter, sort},
        read,
        store::check_name,
    },
};

/// More than a tenant has.
const ALL: i64 = 100_000;

pub(super) struct Plan {
    pub credentials: Vec<Planned>,
    pub entries: Vec<Entry>,
}

/// One credential, and what is to be done with it.
pub(super) struct Planned {
    pub provider: String,
    pub name: String,
    pub environment: Environment,
    pub step: Step,
    /// Where it is there already.
    existing: Option<CredentialId>,
}

pub(super) enum Step {
    Create(BTreeMap<String, Secret>),
    /// The values that differ.
    Replace(CredentialId, BTreeMap<String, Secret>),
    Nothing,
    /// Why.
    Refuse(String),
}

impl Planned {
    pub fn taken(&self) -> Taken {
        let (outcome, reason) = match &self.step {
            Step::Create(_) => (Outcome::Created, None),
            Step::Replace(..) => (Outcome::Replaced, None),
            Step::Nothing => (Outcome::Unchanged, None),
            Step::Refuse(reason) => (Outcome::Refused, Some(reason.clone())),
        };
        Taken {
            id: self.existing,
            provider: self.provider.clone(),
            name: self.name.clone(),
            environment: self.environment,
            outcome,
            reason,
        }
    }
}

/// The values of one credential, and the entries that they have in the report.
struct Group {
    provider: String,
    name: String,
    environment: Environment,
    values: Vec<(usize, Found)>,
}

impl Connect {
    pub(super) async fn plan_import(
        &self,
        access: &Access<CredentialsWrite>,
        items: Vec<Item>,
    ) -> Result<Plan> {
        let mut entries = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for item in items {
            let found = match item {
                Item::Value(found) => found,
                Item::Other(entry) => {
                    entries.push(entry);
                    continue;
                }
            };
            let index = entries.len();
            entries.push(self.entry(&found));
            let same = |group: &&mut Group| {
                group.provider == found.provider
                    && group.name == found.name
                    && group.environment == found.environment
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.values.push((index, found)),
                None => groups.push(Group {
                    provider: found.provider.clone(),
                    name: found.name.clone(),
                    environment: found.environment,
                    values: vec![(index, found)],
                }),
            }
        }
        let existing = match groups.is_empty() {
            true => Vec::new(),
            false => read::list(access, &Filter::default(), None, ALL).await?,
        };
        let mut credentials = Vec::new();
        for group in groups {
            let existing = existing.iter().find(|existing| {
                existing.provider == group.provider
                    && existing.name == group.name
                    && existing.environment == group.environment
            });
            let planned = self.plan(access, group, existing, &mut entries).await?;
            credentials.push(planned);
        }
        Ok(Plan {
            credentials,
            entries,
        })
    }

    /// A value as it is told before it is compared.
    fn entry(&self, found: &Found) -> Entry {
        let field = self.catalogue().get(&found.provider);
        let field = field.and_then(|provider| provider.credential.field(&found.field));
        let is_secret = field.is_some_and(|field| field.secret);
        Entry {
            place: found.place.clone(),
            source: found.source.clone(),
            outcome: EntryOutcome::New,
            provider: Some(found.provider.clone()),
            field: Some(found.field.clone()),
            name: Some(found.name.clone()),
            environment: Some(found.environment),
            reason: None,
            last4: is_secret.then(|| found.value.last4()).flatten(),
        }
    }

    async fn plan(
        &self,
        access: &Access<CredentialsWrite>,
        group: Group,
        existing: Option<&CredentialView>,
        entries: &mut [Entry],
    ) -> Result<Planned> {
        let provider = self.known_provider(&group.provider)?;
        let step = match check(provider, &group, existing.is_none(), entries) {
            Some(reason) => Step::Refuse(reason),
            None => {
                let mut differing = BTreeMap::new();
                for (index, found) in group.values {
                    let outcome = self.compare(access, provider, existing, &found).await?;
                    entries[index].outcome = outcome;
                    if outcome != EntryOutcome::Unchanged {
                        differing.insert(found.field, found.value);
                    }
                }
                match existing {
                    None => Step::Create(differing),
                    Some(_) if differing.is_empty() => Step::Nothing,
                    Some(existing) => Step::Replace(existing.id, differing),
                }
            }
        };
        Ok(Planned {
            provider: group.provider,
            name: group.name,
            environment: group.environment,
            step,
            existing: existing.map(|existing| existing.id),
        })
    }

    /// What a value is to what the credential has.
    async fn compare(
        &self,
        access: &Access<CredentialsWrite>,
        provider: &Provider,
        existing: Option<&CredentialView>,
        found: &Found,
    ) -> Result<EntryOutcome> {
        let Some(existing) = existing else {
            return Ok(EntryOutcome::New);
        };
        let field = provider.credential.field(&found.field);
        if !field.is_some_and(|field| field.secret) {
            return Ok(match existing.fields.get(&found.field) {
                Some(value) if value == found.value.expose() => EntryOutcome::Unchanged,
                Some(_) => EntryOutcome::Replaces,
                None => EntryOutcome::New,
            });
        }
        let place = (existing.id, found.field.as_str());
        match self.open_stored(access, place, "current").await {
            Ok(None) => Ok(EntryOutcome::New),
            Ok(Some(value)) => {
                let (now, then) = (value.expose().as_bytes(), found.value.expose().as_bytes());
                Ok(match constant_time_eq(now, then) {
                    true => EntryOutcome::Unchanged,
                    false => EntryOutcome::Replaces,
                })
            }
            // Nobody can read what is there, so entering it anew mends it.
            Err(Error::Conflict {
                code: ConflictCode::KeysErased,
                ..
            }) => Ok(EntryOutcome::Replaces),
            Err(error) => Err(error),
        }
    }
}

/// Why the credential can't be taken, if so; what is wrong with single values is told at theirs.
fn check(
    provider: &Provider,
    group: &Group,
    is_new: bool,
    entries: &mut [Entry],
) -> Option<String> {
    let mut values = BTreeMap::new();
    let mut is_refused = false;
    let mut refuse = |index: usize, reason: String| {
        entries[index].outcome = EntryOutcome::Invalid;
        entries[index].reason = Some(reason);
        is_refused = true;
    };
    for (index, found) in &group.values {
        let before = values.insert(found.field.clone(), found.value.clone());
        if before.is_some() {
            refuse(*index, "was given before".to_owned());
        }
    }
    let mut missing = Vec::new();
    if let Err(error) = sort(values, provider, is_new) {
        let Error::Invalid { fields, .. } = error else {
            return Some("can't be checked".to_owned());
        };
        for wrong in fields {
            let field = wrong.field.strip_prefix("values.").unwrap_or(&wrong.field);
            let mut given = group.values.iter();
            match given.find(|(_, found)| found.field == field) {
                Some((index, _)) => refuse(*index, wrong.message),
                None => missing.push(field.to_owned()),
            }
        }
    }
    if let Err(Error::Invalid { detail, .. }) = check_name(&group.name) {
        return Some(detail);
    }
    if !missing.is_empty() {
        return Some(format!("lacks {}", missing.join(", ")));
    }
    is_refused.then(|| "has a value that is invalid".to_owned())
}
