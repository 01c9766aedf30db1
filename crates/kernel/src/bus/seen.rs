//! Which changes this node has heard of, so that it tells of none twice when it hears of it in two
//! ways.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::id::TenantId;

/// The newest version that was heard of, by tenant and what changed.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<(TenantId, String), (i64, Instant)>>);

impl Seen {
    /// Whether this is the first that is heard of this version.
    pub fn is_news(&self, tenant: TenantId, what: &str, version: i64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let entry = seen
            .entry((tenant, what.to_owned()))
            .or_insert((version - 1, now));
        let is_news = entry.0 < version;
        if is_news {
            *entry = (version, now);
        }
        is_news
    }

    /// Forgets what nobody will tell again.
    pub fn forget_older_than(&self, age: Duration) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (_, at)| at.elapsed() < age);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_news_once() {
        let (seen, ada, bob) = (Seen::default(), TenantId::new(), TenantId::new());
        assert!(seen.is_news(ada, "keys", 7));
        assert!(!seen.is_news(ada, "keys", 7));
        assert!(!seen.is_news(ada, "keys", 6), "overtaken by a newer one");
        assert!(seen.is_news(ada, "credentials", 7));
        assert!(seen.is_news(bob, "keys", 7));
        assert!(seen.is_news(ada, "keys", 8));
        seen.forget_older_than(Duration::ZERO);
        assert!(seen.is_news(ada, "keys", 8));
    }
}
