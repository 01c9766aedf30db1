//! The way to an unwrapped data key: from the cache, or by one unwrap that all share who want it
//! at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::cache::{CacheCounts, DataKeyCache};
use crate::data_key::DataKey;
use crate::owner::Owner;
use crate::provider::{ProviderError, WrappedKey};
use crate::providers::KeyProviders;

type Outcome = Result<Arc<DataKey>, Arc<ProviderError>>;
type UnderWay = HashMap<(Owner, u32), Arc<OnceCell<Outcome>>>;

/// The data keys of many owners. A provider sees one unwrap of a key at a time, however many
/// requests wait for it; a failure is everybody's who waited for that one, and not kept.
#[derive(Debug)]
pub struct DataKeys {
    cache: DataKeyCache,
    under_way: Mutex<UnderWay>,
}

impl DataKeys {
    pub fn new(cache: DataKeyCache) -> Self {
        Self {
            cache,
            under_way: Mutex::default(),
        }
    }

    /// The key of this owner and generation, which `wrapped` is a wrap of.
    pub async fn get(
        &self,
        providers: &KeyProviders,
        owner: Owner,
        generation: u32,
        wrapped: &WrappedKey,
    ) -> Outcome {
        let name = (owner, generation);
        if let Some(key) = self.cache.get(owner, generation) {
            return Ok(key);
        }
        let cell = Arc::clone(self.under_way().entry(name).or_default());
        let outcome = cell
            .get_or_init(|| async {
                let epoch = self.cache.epoch();
                let key = providers.unwrap(owner, generation, wrapped).await?;
                let key = Arc::new(key);
                self.cache.insert_since(epoch, Arc::clone(&key));
                Ok(key)
            })
            .await
            .clone();
        let mut under_way = self.under_way();
        if under_way
            .get(&name)
            .is_some_and(|current| Arc::ptr_eq(current, &cell))
        {
            under_way.remove(&name);
        }
        outcome
    }

    /// The key, where it is in memory: for wraps whose provider takes work to find. Whoever gets none
    /// asks `get`.
    pub fn cached(&self, owner: Owner, generation: u32) -> Option<Arc<DataKey>> {
        self.cache.hit(owner, generation)
    }

    /// Drops all keys of an owner, whose wraps were destroyed or replaced. An unwrap under way is
    /// not kept when it arrives.
    pub fn forget(&self, owner: Owner) {
        self.under_way().retain(|(of, _), _| *of != owner);
        self.cache.invalidate(owner);
    }

    /// Drops all keys: any may have been destroyed.
    pub fn clear(&self) {
        self.under_way().clear();
        self.cache.clear();
    }

    /// Wipes what has expired.
    pub fn drop_expired(&self) {
        self.cache.drop_expired();
    }

    pub fn counts(&self) -> CacheCounts {
        self.cache.counts()
    }

    pub fn len(&self) -> usize {
        self.cache.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        // No update here leaves a state that a panic in its midst would make wrong.
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for DataKeys {
    fn default() -> Self {
        Self::new(DataKeyCache::new())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;
    use zeroize::Zeroizing;

    use super::*;
    use crate::provider::KeyProvider;
    use crate::transit::{Login, Transit, TransitSettings};

    const OWNER: Owner = Owner([7; 16]);

    /// A provider that answers each request when the test says so, and tells of each it got.
    async fn provider() -> (KeyProviders, mpsc::Receiver<tokio::net::TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 2048];
                if stream.read(&mut buffer).await.is_ok() {
                    let _ = sender.send(stream).await;
                }
            }
        });
        let settings = TransitSettings {
            address: address.parse().unwrap(),
            namespace: None,
            mount: "transit".to_owned(),
            key: "key".to_owned(),
            login: Login::Token(Zeroizing::new("token".to_owned())),
        };
        let transit = Transit::new(settings, Transit::http(None).unwrap()).unwrap();
        (KeyProvider::Transit(Box::new(transit)).into(), requests)
    }

    async fn answer(mut stream: tokio::net::TcpStream) {
        let body = format!(
            r#"{{"data":{{"plaintext":"{}"}}}}"#,
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [3; 32])
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
    }

    fn wrapped() -> WrappedKey {
        WrappedKey {
            kek: "transit:transit/key:v1".to_owned(),
            bytes: b"vault:v1:abc".to_vec(),
        }
    }

    #[tokio::test]
    async fn many_who_want_a_key_cause_one_unwrap() {
        let (providers, mut requests) = provider().await;
        let (providers, keys) = (Arc::new(providers), Arc::new(DataKeys::default()));
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let (providers, keys) = (Arc::clone(&providers), Arc::clone(&keys));
                tokio::spawn(async move { keys.get(&providers, OWNER, 1, &wrapped()).await })
            })
            .collect();
        answer(requests.recv().await.unwrap()).await;
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        assert!(requests.try_recv().is_err(), "there was one request");
        assert_eq!(keys.len(), 1);
    }

    #[tokio::test]
    async fn a_key_that_was_destroyed_during_its_unwrap_is_not_kept() {
        let (providers, mut requests) = provider().await;
        let (providers, keys) = (Arc::new(providers), Arc::new(DataKeys::default()));
        let one = {
            let (providers, keys) = (Arc::clone(&providers), Arc::clone(&keys));
            tokio::spawn(async move { keys.get(&providers, OWNER, 1, &wrapped()).await })
        };
        let request = requests.recv().await.unwrap();
        keys.forget(OWNER);
        answer(request).await;
        one.await.unwrap().expect("whoever asked before has it");
        assert!(keys.is_empty());
    }
}
