//! AWS KMS.

use serde_json::json;
use vault::{AwsKms, AwsKmsSettings, DataKey, KeyProvider, KeyProviders, ProviderError};
use zeroize::Zeroizing;

use crate::moto::{Kms, kms};
use crate::{ADA, an_outage_is_survived, same, wraps_are_bound};

async fn providers_of(kms: &Kms, key: &str) -> KeyProviders {
    let settings = AwsKmsSettings {
        key: key.to_owned(),
        region: Some("eu-central-1".to_owned()),
        endpoint: Some(format!("http://{}", kms.gate.address)),
        credentials: Some(("test".to_owned(), Zeroizing::new("test".to_owned()))),
    };
    KeyProvider::AwsKms(AwsKms::new(settings).await).into()
}

#[tokio::test]
async fn wraps_open_as_what_they_were_made_for_alone() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    let providers = providers_of(&kms, &arn).await;
    assert_eq!(providers.current_kek().await.unwrap(), format!("aws:{arn}"));
    wraps_are_bound(&providers).await;
}

#[tokio::test]
async fn another_key_takes_over_and_the_old_one_goes_on_unwrapping() {
    let Some(kms) = kms().await else { return };
    let (first, second) = (kms.make_key().await, kms.make_key().await);
    let key = DataKey::generate(ADA, 1);
    let old = providers_of(&kms, &first).await.wrap(&key).await.unwrap();
    let providers = providers_of(&kms, &second).await;
    let new = providers.rewrap(ADA, 1, &old).await.unwrap();
    assert_eq!(new.kek, format!("aws:{second}"));
    for wrapped in [&old, &new] {
        assert!(same(
            &key,
            &providers.unwrap(ADA, 1, wrapped).await.unwrap()
        ));
    }
}

#[tokio::test]
async fn a_disabled_key_is_told_clearly_and_works_again_when_enabled() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    let providers = providers_of(&kms, &arn).await;
    let wrapped = providers.wrap(&DataKey::generate(ADA, 1)).await.unwrap();

    // The simulator takes ids alone for these.
    let id = arn.rsplit('/').next().unwrap();
    kms.admin("DisableKey", json!({ "KeyId": id })).await;
    let described = providers.current_kek().await.unwrap_err();
    assert!(
        matches!(described, ProviderError::Disabled { .. }),
        "{described:?}"
    );
    kms.admin("EnableKey", json!({ "KeyId": id })).await;
    providers.current_kek().await.unwrap();
    providers.unwrap(ADA, 1, &wrapped).await.unwrap();

    let deletion = json!({ "KeyId": id, "PendingWindowInDays": 7 });
    kms.admin("ScheduleKeyDeletion", deletion).await;
    let error = providers.current_kek().await.unwrap_err();
    assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
    assert_eq!(error.failure(), vault::Failure::Withdrawn);

    let gone = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000";
    let error = providers_of(&kms, gone)
        .await
        .current_kek()
        .await
        .unwrap_err();
    assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
}

#[tokio::test]
async fn an_outage() {
    let Some(kms) = kms().await else { return };
    let arn = kms.make_key().await;
    an_outage_is_survived(providers_of(&kms, &arn).await, &kms.gate).await;
}
