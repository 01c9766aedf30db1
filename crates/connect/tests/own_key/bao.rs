//! A Transit server of a tenant's: its policies, and keys as a tenant enters them.

use connect::own_key::{LoginKind, NewEncryptionKey, NewTransitKey};
use kernel::secret::Secret;
use reqwest::Method;
use serde_json::json;

pub use crate::server::Bao;

/// A server with a Transit engine, AppRole and the derived key `freehold`; nothing where there is no
/// program.
pub async fn bao() -> Option<Bao> {
    let bao = Bao::start().await?;
    bao.post("sys/auth/approle", json!({ "type": "approle" }))
        .await;
    bao.make_key("freehold", true).await;
    bao.allow("freehold").await;
    Some(bao)
}

impl Bao {
    /// The policy that the page asks for, of the key's name.
    pub async fn allow(&self, key: &str) {
        let policy = format!(
            r#"path "transit/keys/{key}" {{ capabilities = ["read"] }}
               path "transit/encrypt/{key}" {{ capabilities = ["update"] }}
               path "transit/decrypt/{key}" {{ capabilities = ["update"] }}"#
        );
        self.post(
            &format!("sys/policies/acl/{key}"),
            json!({ "policy": policy }),
        )
        .await;
    }

    pub async fn forbid(&self, key: &str) {
        let path = format!("sys/policies/acl/{key}");
        self.admin(Method::DELETE, &path, json!({})).await;
    }

    pub async fn rotate(&self, key: &str) {
        self.post(&format!("transit/keys/{key}/rotate"), json!({}))
            .await;
    }

    pub async fn close_before(&self, key: &str, version: u32) {
        let body = json!({ "min_decryption_version": version });
        self.post(&format!("transit/keys/{key}/config"), body).await;
    }

    /// A token with that policy and nothing else.
    pub async fn token(&self, policy: &str) -> Secret {
        let body = json!({ "policies": [policy], "no_default_policy": true });
        let made = self.post("auth/token/create", body).await;
        Secret::new(made["auth"]["client_token"].as_str().unwrap())
    }

    fn new_key(&self, key: &str, secret: Secret) -> NewTransitKey {
        NewTransitKey {
            address: format!("http://{}", self.gate.address),
            namespace: None,
            mount: "transit".to_owned(),
            key: key.to_owned(),
            login: LoginKind::Token,
            approle_mount: "approle".to_owned(),
            role_id: None,
            secret,
        }
    }

    /// That key, with a token of its own.
    pub async fn key(&self, key: &str) -> NewEncryptionKey {
        let token = self.token(key).await;
        NewEncryptionKey::Transit(self.new_key(key, token))
    }

    pub fn key_with(&self, key: &str, token: Secret) -> NewEncryptionKey {
        NewEncryptionKey::Transit(self.new_key(key, token))
    }

    /// That key, with an AppRole.
    pub async fn key_by_approle(&self, key: &str) -> NewEncryptionKey {
        let role = json!({ "token_policies": [key], "token_ttl": "1h" });
        self.post("auth/approle/role/acme", role).await;
        let path = "auth/approle/role/acme/role-id";
        let id = self.admin(Method::GET, path, json!({})).await;
        let secret = self
            .post("auth/approle/role/acme/secret-id", json!({}))
            .await;
        let secret = secret["data"]["secret_id"].as_str().unwrap();
        NewEncryptionKey::Transit(NewTransitKey {
            login: LoginKind::Approle,
            role_id: Some(id["data"]["role_id"].as_str().unwrap().to_owned()),
            ..self.new_key(key, Secret::new(secret))
        })
    }
}
