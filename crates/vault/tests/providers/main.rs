//! Key providers against the servers that they are made for: OpenBao or HashiCorp Vault
//! (`TRANSIT_SERVER` names the program, which scripts/transit-server finds or installs) and moto, which
//! simulates AWS KMS (`JUDGES_PYTHON` names a Python that has it). ./check sets both.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[cfg(feature = "aws-kms")]
mod aws;
mod bao;
#[cfg(feature = "aws-kms")]
mod moto;
mod support;
mod transit;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::Gate;
use vault::{DataKey, DataKeyCache, DataKeys, KeyProviders, Owner, ProviderError, WrappedKey};

const ADA: Owner = Owner([1; 16]);
const EVE: Owner = Owner([2; 16]);

/// Whether two keys are one: what the first sealed opens under the second.
fn same(one: &DataKey, other: &DataKey) -> bool {
    let context = vault::Context {
        domain: "test",
        record: b"record",
        field: "field",
        schema: 1,
    };
    let sealed = one.seal(&context, b"something");
    other
        .open(&context, &sealed)
        .is_ok_and(|opened| opened.as_slice() == b"something")
}

/// A wrap opens as what it was made for, and as nothing else.
async fn wraps_are_bound(providers: &KeyProviders) {
    let key = DataKey::generate(ADA, 3);
    let wrapped = providers.wrap(&key).await.unwrap();
    assert_eq!(wrapped.kek, providers.current_kek().await.unwrap());
    let unwrapped = providers.unwrap(ADA, 3, &wrapped).await.unwrap();
    assert!(same(&key, &unwrapped));

    for (owner, generation) in [(EVE, 3), (ADA, 4)] {
        let refused = providers.unwrap(owner, generation, &wrapped).await;
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, ProviderError::NotItsWrap { .. }),
            "{refused:?}"
        );
    }
    let mut altered = wrapped.clone();
    let last = altered.bytes.len() - 6;
    altered.bytes[last] ^= 1;
    let refused = providers.unwrap(ADA, 3, &altered).await.unwrap_err();
    assert!(
        matches!(refused, ProviderError::NotItsWrap { .. }),
        "{refused:?}"
    );
    let elsewhere = WrappedKey {
        kek: "local:v1".to_owned(),
        bytes: wrapped.bytes,
    };
    let refused = providers.unwrap(ADA, 3, &elsewhere).await.unwrap_err();
    assert!(
        matches!(refused, ProviderError::ForeignKek { .. }),
        "{refused:?}"
    );
}

/// While the provider is out of reach, whoever's key is in memory goes on for as long as it may stay
/// there, others fail clearly and soon, and everything works again by itself.
async fn an_outage_is_survived(providers: KeyProviders, gate: &Gate) {
    let clock = Arc::new(Mutex::new(Instant::now()));
    let now = Arc::clone(&clock);
    let keys = DataKeys::new(DataKeyCache::with_clock(move || *now.lock().unwrap()));
    let advance = |by| *clock.lock().unwrap() += by;
    let known = providers.wrap(&DataKey::generate(ADA, 1)).await.unwrap();
    let unknown = providers.wrap(&DataKey::generate(EVE, 1)).await.unwrap();
    keys.get(&providers, ADA, 1, &known).await.unwrap();

    gate.cut();
    for minute in 0..5 {
        keys.get(&providers, ADA, 1, &known)
            .await
            .unwrap_or_else(|error| panic!("in minute {minute}: {error}"));
        let error = keys.get(&providers, EVE, 1, &unknown).await.unwrap_err();
        assert!(
            matches!(*error, ProviderError::Unreachable { .. }),
            "{error:?}"
        );
        assert_eq!(error.failure(), vault::Failure::Passing);
        advance(Duration::from_secs(59));
    }
    let reached = gate.connections();
    for _ in 0..200 {
        keys.get(&providers, EVE, 1, &unknown).await.unwrap_err();
    }
    let tried = gate.connections() - reached;
    assert!(tried < 20, "the circuit spares the provider; {tried} tries");
    advance(Duration::from_secs(60));
    let error = keys.get(&providers, ADA, 1, &known).await.unwrap_err();
    assert!(matches!(*error, ProviderError::Unreachable { .. }));

    gate.mend();
    let deadline = Instant::now() + Duration::from_secs(20);
    for (owner, wrapped) in [(EVE, &unknown), (ADA, &known)] {
        loop {
            match keys.get(&providers, owner, 1, wrapped).await {
                Ok(_) => break,
                Err(error) => assert!(Instant::now() < deadline, "not recovered: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
