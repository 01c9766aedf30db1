//! Faults on demand: what goes wrong, where, and how often.

use std::{sync::Mutex, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{lock, provider::Provider};

/// What goes wrong with one request.
///
/// `Status`, `Unauthorized` and `ServerError` refuse the request before the provider looks at it.
/// The others strike after it took effect: the message is accepted, only the answer suffers, which
/// is the case that makes a careless client send twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error status in the provider's shape, with `Retry-After` in seconds if given.
    Status {
        code: u16,
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// 401, as if the credential had been revoked.
    Unauthorized,
    /// 500.
    ServerError,
    /// The answer comes after this delay, in milliseconds.
    Slow { millis: u64 },
    /// The connection is cut in the middle of the body.
    HalfAnswer,
    /// The body ends in the middle, with a length that says it is whole.
    Malformed,
}

impl Fault {
    /// Status 429 with `Retry-After`, in seconds.
    pub fn rate_limited(retry_after: u32) -> Self {
        Self::Status {
            code: 429,
            retry_after: Some(retry_after),
        }
    }

    pub fn slow(delay: Duration) -> Self {
        Self::Slow {
            millis: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Which requests of a provider a fault strikes; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only paths, below the provider's prefix, that contain this text.
    #[serde(default)]
    pub path: Option<String>,
    /// Only calls that name this account, as `Received::account` shows it.
    #[serde(default)]
    pub account: Option<String>,
}

impl Scope {
    pub fn path(part: impl Into<String>) -> Self {
        Self {
            path: Some(part.into()),
            account: None,
        }
    }

    pub fn account(account: impl Into<String>) -> Self {
        Self {
            path: None,
            account: Some(account.into()),
        }
    }

    fn covers(&self, path: &str, account: Option<&str>) -> bool {
        let on_path = self.path.as_deref().is_none_or(|part| path.contains(part));
        let of_account = self.account.is_none() || self.account.as_deref() == account;
        on_path && of_account
    }
}

/// A fault that waits for its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    pub provider: Provider,
    pub fault: Fault,
    /// How many more requests it strikes.
    #[serde(default = "once")]
    pub times: u32,
    #[serde(default)]
    pub scope: Scope,
}

fn once() -> u32 {
    1
}

/// The faults that are still to strike, oldest first.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Mutex<Vec<PlannedFault>>,
}

impl Faults {
    /// Strikes the next `times` requests to a provider.
    pub fn next(&self, provider: Provider, fault: Fault, times: u32) {
        self.next_in(provider, Scope::default(), fault, times);
    }

    /// Strikes the next `times` requests to a provider that are within the scope.
    pub fn next_in(&self, provider: Provider, scope: Scope, fault: Fault, times: u32) {
        self.plan(PlannedFault {
            provider,
            fault,
            times,
            scope,
        });
    }

    pub fn plan(&self, fault: PlannedFault) {
        if fault.times > 0 {
            lock(&self.planned).push(fault);
        }
    }

    pub fn clear(&self) {
        lock(&self.planned).clear();
    }

    pub fn pending(&self) -> Vec<PlannedFault> {
        lock(&self.planned).clone()
    }

    /// Takes the fault for a request, if one is due.
    pub(crate) fn take(
        &self,
        provider: Provider,
        path: &str,
        account: Option<&str>,
    ) -> Option<Fault> {
        let planned = &mut *lock(&self.planned);
        let due = planned.iter().position(|planned| {
            planned.provider == provider && planned.scope.covers(path, account)
        })?;
        let fault = planned[due].fault.clone();
        planned[due].times -= 1;
        if planned[due].times == 0 {
            planned.remove(due);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_asked_and_only_in_its_scope() {
        let faults = Faults::default();
        faults.next_in(
            Provider::WhatsApp,
            Scope::account("1"),
            Fault::ServerError,
            2,
        );
        faults.next(Provider::WhatsApp, Fault::Unauthorized, 1);
        let take = |provider, account| faults.take(provider, "v23.0/1/messages", account);
        assert_eq!(take(Provider::Twilio, Some("1")), None);
        assert_eq!(
            take(Provider::WhatsApp, Some("2")),
            Some(Fault::Unauthorized)
        );
        assert_eq!(take(Provider::WhatsApp, Some("2")), None);
        assert_eq!(
            take(Provider::WhatsApp, Some("1")),
            Some(Fault::ServerError)
        );
        assert_eq!(
            take(Provider::WhatsApp, Some("1")),
            Some(Fault::ServerError)
        );
        assert_eq!(take(Provider::WhatsApp, Some("1")), None);
        assert!(faults.pending().is_empty());
    }
}
