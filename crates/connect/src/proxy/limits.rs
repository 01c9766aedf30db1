//! Rate limits that providers have told: until one is over, calls with the same credential are
//! answered here, because each further one would only lengthen it. Each node knows what it was told
//! itself.

use std::time::{Duration, Instant};

use kernel::{Error, Result, id::CredentialId};
use quick_cache::sync::Cache;

/// The longest that one answer closes a credential for: a limit of one kind of call, which is told
/// in the same way, must not close the others for hours.
const LONGEST: Duration = Duration::from_secs(60);
const ENTRIES: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Limits(Cache<CredentialId, Instant>);

impl Limits {
    pub fn new() -> Self {
        Self(Cache::new(ENTRIES))
    }

    /// Notes that the provider asked to wait.
    pub fn note(&self, credential: CredentialId, wait: Duration) {
        self.0
            .insert(credential, Instant::now() + wait.min(LONGEST));
    }

    /// # Errors
    /// [`Error::RateLimited`] while the provider asked to wait.
    pub fn check(&self, credential: CredentialId) -> Result<()> {
        let Some(until) = self.0.get(&credential) else {
            return Ok(());
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.0.remove(&credential);
            return Ok(());
        }
        let whole = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Err(Error::RateLimited { retry_after: whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_its_credential_and_ends() {
        let limits = Limits::new();
        let (one, other) = (CredentialId::new(), CredentialId::new());
        limits.note(one, Duration::from_secs(86_400));
        match limits.check(one) {
            Err(Error::RateLimited { retry_after }) => assert!((1..=60).contains(&retry_after)),
            found => panic!("{found:?}"),
        }
        assert!(limits.check(other).is_ok());
        limits.note(one, Duration::ZERO);
        assert!(limits.check(one).is_ok());
    }
}
