//! Transit, in a server of OpenBao or HashiCorp Vault in development mode.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use vault::{DataKey, KeyProvider, KeyProviders, Login, ProviderError, Transit, TransitSettings};
use zeroize::Zeroizing;

use crate::bao::{Bao, ROOT};
use crate::{ADA, an_outage_is_survived, same, wraps_are_bound};

const KEY: &str = "freehold";
/// What docs/keys.md asks an administrator for.
const POLICY: &str = r#"
path "transit/keys/freehold" { capabilities = ["read"] }
path "transit/encrypt/freehold" { capabilities = ["update"] }
path "transit/decrypt/freehold" { capabilities = ["update"] }
"#;

/// A server with a derived key; nothing where there is no program.
async fn bao() -> Option<Bao> {
    let bao = Bao::start().await?;
    bao.make_key(KEY, true).await;
    Some(bao)
}

impl Bao {
    async fn configure(&self, body: Value) {
        self.admin(Method::POST, "transit/keys/freehold/config", body)
            .await;
    }

    fn transit(&self, key: &str, login: Login) -> Transit {
        let settings = TransitSettings {
            address: format!("http://{}", self.gate.address).parse().unwrap(),
            namespace: None,
            mount: "transit".to_owned(),
            key: key.to_owned(),
            login,
        };
        Transit::new(settings, Transit::http(None).unwrap()).unwrap()
    }

    fn providers(&self, key: &str, token: &str) -> KeyProviders {
        let login = Login::Token(Zeroizing::new(token.to_owned()));
        KeyProvider::Transit(Box::new(self.transit(key, login))).into()
    }

    /// A token with nothing but these policies.
    async fn token(&self, policies: &[&str]) -> String {
        let body = json!({ "policies": policies, "no_default_policy": true });
        let made = self.admin(Method::POST, "auth/token/create", body).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    async fn allow(&self) {
        let body = json!({ "policy": POLICY });
        self.admin(Method::POST, "sys/policies/acl/freehold", body)
            .await;
    }
}

#[tokio::test]
async fn wraps_open_as_what_they_were_made_for_alone() {
    let Some(bao) = bao().await else { return };
    bao.allow().await;
    let token = bao.token(&["freehold"]).await;
    wraps_are_bound(&bao.providers(KEY, &token)).await;
}

#[tokio::test]
async fn a_key_that_binds_nothing_is_refused() {
    let Some(bao) = bao().await else { return };
    bao.make_key("plain", false).await;
    let providers = bao.providers("plain", ROOT);
    let key = DataKey::generate(ADA, 1);
    for error in [
        providers.current_kek().await.unwrap_err(),
        providers.wrap(&key).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, ProviderError::Unsuitable { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_rotation_wraps_by_the_new_version_and_the_old_one_can_be_closed() {
    let Some(bao) = bao().await else { return };
    let providers = bao.providers(KEY, ROOT);
    let key = DataKey::generate(ADA, 1);
    let old = providers.wrap(&key).await.unwrap();
    assert_eq!(old.kek, "transit:transit/freehold:v1");
    let KeyProvider::Transit(transit) = providers.current() else {
        unreachable!()
    };
    assert_eq!(
        transit.rotate().await.unwrap(),
        "transit:transit/freehold:v2"
    );
    let new = providers.rewrap(ADA, 1, &old).await.unwrap();
    assert_eq!(new.kek, providers.current_kek().await.unwrap());
    for wrapped in [&old, &new] {
        let unwrapped = providers.unwrap(ADA, 1, wrapped).await.unwrap();
        assert!(same(&key, &unwrapped));
    }

    bao.configure(json!({ "min_decryption_version": 2 })).await;
    let error = providers.unwrap(ADA, 1, &old).await.unwrap_err();
    assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
    providers.unwrap(ADA, 1, &new).await.unwrap();
    bao.configure(json!({ "min_decryption_version": 1 })).await;
    providers
        .unwrap(ADA, 1, &old)
        .await
        .expect("what was closed can be opened again");
}

#[tokio::test]
async fn a_destroyed_key_and_a_withdrawn_right_are_told_apart() {
    let Some(bao) = bao().await else { return };
    bao.allow().await;
    let token = bao.token(&["freehold"]).await;
    let providers = bao.providers(KEY, &token);
    let wrapped = providers.wrap(&DataKey::generate(ADA, 1)).await.unwrap();

    bao.admin(Method::DELETE, "sys/policies/acl/freehold", json!({}))
        .await;
    let error = providers.unwrap(ADA, 1, &wrapped).await.unwrap_err();
    assert!(matches!(error, ProviderError::Denied { .. }), "{error:?}");
    assert_eq!(error.failure(), vault::Failure::Withdrawn);
    assert!(!format!("{error:?}").contains(&token));
    bao.allow().await;
    providers.unwrap(ADA, 1, &wrapped).await.unwrap();

    bao.configure(json!({ "deletion_allowed": true })).await;
    bao.admin(Method::DELETE, "transit/keys/freehold", json!({}))
        .await;
    for error in [
        providers.unwrap(ADA, 1, &wrapped).await.unwrap_err(),
        providers.current_kek().await.unwrap_err(),
    ] {
        assert!(matches!(error, ProviderError::Disabled { .. }), "{error:?}");
        assert_eq!(error.failure(), vault::Failure::Withdrawn);
    }
}

#[tokio::test]
async fn an_approle_signs_in_and_signs_in_again_when_its_token_is_revoked() {
    let Some(bao) = bao().await else { return };
    bao.allow().await;
    bao.admin(
        Method::POST,
        "sys/auth/approle",
        json!({ "type": "approle" }),
    )
    .await;
    let role = json!({ "token_policies": ["freehold"], "token_ttl": "1h" });
    bao.admin(Method::POST, "auth/approle/role/freehold", role)
        .await;
    let role_id = bao
        .admin(Method::GET, "auth/approle/role/freehold/role-id", json!({}))
        .await;
    let secret_id = bao
        .admin(
            Method::POST,
            "auth/approle/role/freehold/secret-id",
            json!({}),
        )
        .await;
    let login = Login::AppRole {
        mount: "approle".to_owned(),
        role_id: role_id["data"]["role_id"].as_str().unwrap().to_owned(),
        secret_id: Zeroizing::new(secret_id["data"]["secret_id"].as_str().unwrap().to_owned()),
    };
    let providers: KeyProviders = KeyProvider::Transit(Box::new(bao.transit(KEY, login))).into();
    let wrapped = providers.wrap(&DataKey::generate(ADA, 1)).await.unwrap();

    // Revoking all that the method has lent ends the token that was used.
    bao.admin(
        Method::POST,
        "sys/leases/revoke-force/auth/approle",
        json!({}),
    )
    .await;
    providers.unwrap(ADA, 1, &wrapped).await.unwrap();

    bao.admin(Method::DELETE, "auth/approle/role/freehold", json!({}))
        .await;
    let deadline = Instant::now() + Duration::from_secs(20);
    bao.admin(
        Method::POST,
        "sys/leases/revoke-force/auth/approle",
        json!({}),
    )
    .await;
    loop {
        match providers.unwrap(ADA, 1, &wrapped).await {
            Err(ProviderError::Denied { .. }) => break,
            outcome => assert!(Instant::now() < deadline, "{outcome:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_token_file_is_read_with_each_use() {
    let Some(bao) = bao().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let providers: KeyProviders =
        KeyProvider::Transit(Box::new(bao.transit(KEY, Login::TokenFile(path.clone())))).into();
    let error = providers.current_kek().await.unwrap_err();
    assert!(matches!(error, ProviderError::Unsuitable { .. }));
    std::fs::write(&path, "not a token").unwrap();
    let error = providers.current_kek().await.unwrap_err();
    assert!(matches!(error, ProviderError::Denied { .. }), "{error:?}");
    std::fs::write(&path, format!("{ROOT}\n")).unwrap();
    providers.current_kek().await.unwrap();
}

#[tokio::test]
async fn an_outage() {
    let Some(bao) = bao().await else { return };
    an_outage_is_survived(bao.providers(KEY, ROOT), &bao.gate).await;
}
