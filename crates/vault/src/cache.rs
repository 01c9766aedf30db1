//! Unwrapped data keys, kept briefly so that not every field costs an unwrap. Plaintexts are
//! never cached, here or elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::data_key::DataKey;
use crate::owner::Owner;

/// The number of keys kept.
const CAPACITY: usize = 1_000;

/// How long a key is used after it was unwrapped. It counts from then and not from its last use,
/// so that a KEK that was revoked at its provider stops working everywhere within this time.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A least-recently-used cache of 1,000 data keys, each for five minutes. A key that leaves it is
/// wiped as soon as nobody is using it any more.
pub struct DataKeyCache {
    state: Mutex<State>,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
}

/// How often `DataKeyCache::get` found its key, and how often not, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
}

#[derive(Default)]
struct State {
    entries: HashMap<(Owner, u32), Entry>,
    counts: CacheCounts,
    /// The number of uses so far, which orders the entries by their last one.
    uses: u64,
    /// Counts the invalidations: what was unwrapped before one may be of a destroyed wrap.
    epoch: u64,
}

struct Entry {
    key: Arc<DataKey>,
    inserted: Instant,
    last_use: u64,
}

impl Entry {
    fn is_expired(&self, now: Instant) -> bool {
        now.duration_since(self.inserted) >= LIFETIME
    }
}

impl DataKeyCache {
    pub fn new() -> Self {
        Self::with_clock(Instant::now)
    }

    /// By another clock than the system's, as tests have it.
    pub fn with_clock(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::default(),
            now: Box::new(now),
        }
    }

    pub fn get(&self, owner: Owner, generation: u32) -> Option<Arc<DataKey>> {
        let now = (self.now)();
        let mut state = self.state();
        let state = &mut *state;
        state.uses += 1;
        match state.entries.get_mut(&(owner, generation)) {
            Some(entry) if !entry.is_expired(now) => {
                entry.last_use = state.uses;
                state.counts.hits += 1;
                Some(Arc::clone(&entry.key))
            }
            _ => {
                state.entries.remove(&(owner, generation));
                state.counts.misses += 1;
                None
            }
        }
    }

    /// As `get`, for whoever asks by `get` next where the key is not here: that one counts the miss.
    pub(crate) fn hit(&self, owner: Owner, generation: u32) -> Option<Arc<DataKey>> {
        let now = (self.now)();
        let mut state = self.state();
        let state = &mut *state;
        let entry = state.entries.get_mut(&(owner, generation))?;
        if entry.is_expired(now) {
            return None;
        }
        state.uses += 1;
        entry.last_use = state.uses;
        state.counts.hits += 1;
        Some(Arc::clone(&entry.key))
    }

    /// To be asked before an unwrap begins, and handed to `insert_since` when it is done.
    pub(crate) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Keeps a freshly unwrapped key, in place of one of the same owner and generation. Drops
    /// what has expired, and the least recently used key if the cache is full.
    pub fn insert(&self, key: Arc<DataKey>) {
        self.insert_into(&mut self.state(), key);
    }

    /// As `insert`, unless keys were invalidated since `epoch` was asked.
    pub(crate) fn insert_since(&self, epoch: u64, key: Arc<DataKey>) {
        let mut state = self.state();
        if state.epoch == epoch {
            self.insert_into(&mut state, key);
        }
    }

    fn insert_into(&self, state: &mut State, key: Arc<DataKey>) {
        let now = (self.now)();
        let name = (key.owner(), key.generation());
        state.entries.retain(|_, entry| !entry.is_expired(now));
        if state.entries.len() >= CAPACITY && !state.entries.contains_key(&name) {
            // A scan of a thousand numbers is nothing beside the unwrap that came before it.
            let oldest = state.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            if let Some(oldest) = oldest.map(|(&name, _)| name) {
                state.entries.remove(&oldest);
            }
        }
        state.uses += 1;
        let last_use = state.uses;
        state.entries.insert(
            name,
            Entry {
                key,
                inserted: now,
                last_use,
            },
        );
    }

    /// Drops all keys of an owner, whose wraps were destroyed or replaced. Other processes have
    /// caches of their own, and have to be told.
    pub fn invalidate(&self, owner: Owner) {
        let mut state = self.state();
        state.epoch += 1;
        state.entries.retain(|(of, _), _| *of != owner);
    }

    /// Drops all keys.
    pub fn clear(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.entries.clear();
    }

    /// Drops what has expired. Called from time to time, it keeps the keys of idle owners from
    /// staying in memory until the next insertion.
    pub fn drop_expired(&self) {
        let now = (self.now)();
        self.state()
            .entries
            .retain(|_, entry| !entry.is_expired(now));
    }

    pub fn counts(&self) -> CacheCounts {
        self.state().counts
    }

    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No update here leaves a state that a panic in its midst would make wrong.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for DataKeyCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DataKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeyCache({} keys)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;

    #[derive(Clone)]
    struct Clock(Arc<Mutex<Instant>>);

    impl Clock {
        fn start() -> Self {
            Self(Arc::new(Mutex::new(Instant::now())))
        }

        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }

        fn cache(&self) -> DataKeyCache {
            let clock = self.clone();
            DataKeyCache::with_clock(move || *clock.0.lock().unwrap())
        }
    }

    fn owner(number: u16) -> Owner {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Owner(bytes)
    }

    /// Inserts a new key; the weak reference tells whether it is still in memory.
    fn insert(cache: &DataKeyCache, number: u16, generation: u32) -> Weak<DataKey> {
        let key = Arc::new(DataKey::generate(owner(number), generation));
        let weak = Arc::downgrade(&key);
        cache.insert(key);
        weak
    }

    #[test]
    fn finds_the_key_of_the_owner_and_generation_and_counts() {
        let cache = DataKeyCache::new();
        insert(&cache, 1, 1);
        insert(&cache, 1, 2);
        insert(&cache, 2, 1);
        let found = cache.get(owner(1), 2).expect("it was inserted");
        assert_eq!((found.owner(), found.generation()), (owner(1), 2));
        assert!(cache.get(owner(2), 2).is_none());
        assert_eq!(cache.counts(), CacheCounts { hits: 1, misses: 1 });
    }

    #[test]
    fn a_key_expires_five_minutes_after_insertion_however_often_it_is_used() {
        let clock = Clock::start();
        let cache = clock.cache();
        let key = insert(&cache, 1, 1);
        clock.advance(Duration::from_secs(299));
        assert!(cache.get(owner(1), 1).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(cache.get(owner(1), 1).is_none());
        assert!(key.upgrade().is_none(), "an expired key leaves the memory");
    }

    #[test]
    fn idle_keys_leave_with_drop_expired_and_with_the_next_insertion() {
        let clock = Clock::start();
        let cache = clock.cache();
        let first = insert(&cache, 1, 1);
        clock.advance(LIFETIME);
        cache.drop_expired();
        assert!(first.upgrade().is_none());

        let second = insert(&cache, 1, 1);
        clock.advance(LIFETIME);
        insert(&cache, 2, 1);
        assert!(second.upgrade().is_none());
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn the_least_recently_used_key_makes_room() {
        let cache = DataKeyCache::new();
        let first = insert(&cache, 0, 1);
        let second = insert(&cache, 1, 1);
        for number in 2..1_000 {
            insert(&cache, number, 1);
        }
        assert!(cache.get(owner(0), 1).is_some());
        insert(&cache, 1_000, 1);
        assert_eq!(cache.len(), CAPACITY);
        assert!(first.upgrade().is_some());
        assert!(second.upgrade().is_none());
    }

    #[test]
    fn replacing_a_key_in_a_full_cache_evicts_no_other() {
        let cache = DataKeyCache::new();
        for number in 0..1_000 {
            insert(&cache, number, 1);
        }
        let replaced = insert(&cache, 999, 1);
        assert!(replaced.upgrade().is_some());
        assert!(cache.get(owner(0), 1).is_some());
        assert_eq!(cache.len(), CAPACITY);
    }

    #[test]
    fn invalidation_drops_every_generation_of_the_owner_and_no_one_elses() {
        let cache = DataKeyCache::new();
        let keys = [insert(&cache, 1, 1), insert(&cache, 1, 2)];
        let other = insert(&cache, 2, 1);
        cache.invalidate(owner(1));
        assert!(keys.iter().all(|key| key.upgrade().is_none()));
        assert!(other.upgrade().is_some());
    }

    #[test]
    fn a_key_in_use_outlives_its_eviction() {
        let cache = DataKeyCache::new();
        insert(&cache, 1, 1);
        let in_use = cache.get(owner(1), 1).expect("it was inserted");
        cache.invalidate(owner(1));
        assert_eq!(in_use.generation(), 1);
        assert!(cache.is_empty());
    }

    /// A key that the cache lets go is dropped, and so wiped, as soon as nobody uses it.
    #[test]
    fn what_leaves_the_cache_is_dropped() {
        let cache = DataKeyCache::new();
        let key = Arc::new(DataKey::generate(Owner([1; 16]), 1));
        let watched = Arc::downgrade(&key);
        cache.insert(key);
        let used = cache.get(Owner([1; 16]), 1).expect("it is kept");
        cache.invalidate(Owner([1; 16]));
        assert!(watched.upgrade().is_some(), "somebody still uses it");
        drop(used);
        assert!(watched.upgrade().is_none(), "nothing else holds it");
    }
}
