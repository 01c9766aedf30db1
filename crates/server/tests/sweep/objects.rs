//! Real things of one tenant's, by the names that paths have for them, and bodies that operations
//! accept.

use std::collections::BTreeMap;

use identity::{
    members,
    people::Email,
    users::{self, NewUser},
};
use kernel::{Operator, permission::UsersWrite, secret::Secret};
use serde_json::{Value, json};

use crate::{
    answer::send,
    common::{TestNode, TestTenant, tenant::credential},
    routes::Operation,
};

/// Parameters that are names everybody has, as in `twilio` and the paths of its API; they lead to the
/// caller's own things.
pub const SHARED_NAMES: [&str; 5] = [
    "provider",
    "connector",
    "path",
    "version",
    "credential_version",
];

/// What a contact writes to the tenant.
pub const PLANTED: &str = "planted-words-of-acme";

/// One thing of each kind, by the name of the path parameter.
pub type Objects = BTreeMap<&'static str, String>;

/// Lets a contact write to the tenant, waits until it was answered, and gathers what that made.
pub async fn of(node: &TestNode, tenant: &TestTenant, key: &Secret) -> Objects {
    let message = tenant.whatsapp_text(&node.url, "351911111111", PLANTED);
    assert_eq!(node.send(&message).await.status, 200);
    node.settled().await;
    let first = async |path: &str| {
        let answer = send(node, "GET", path, Some(key.expose()), None).await;
        answer.body["data"][0].clone()
    };
    let id = |thing: &Value| {
        let id = thing["id"].as_str();
        id.unwrap_or_else(|| panic!("has no id: {thing}"))
            .to_owned()
    };
    let conversation = id(&first("/v1/conversations").await);
    let message = first(&format!("/v1/conversations/{conversation}/messages")).await;
    let new = json!({ "name": "spare", "mode": "test", "permissions": ["agents:read"] });
    let spare = send(node, "POST", "/v1/api-keys", Some(key.expose()), Some(&new)).await;
    let member = member(node, &tenant.slug).await;
    let new = json!({ "email": "invited@example.com", "role": "viewer" });
    let invited = send(
        node,
        "POST",
        "/v1/invitations",
        Some(key.expose()),
        Some(&new),
    )
    .await;
    let role = format!("{}-special", tenant.slug);
    let new = json!({ "name": role, "permissions": ["agents:read"] });
    let made = send(node, "POST", "/v1/roles", Some(key.expose()), Some(&new)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let new = identity_provider(&[("name", "spare".into())]);
    let path = "/v1/identity-providers";
    let provider = send(node, "POST", path, Some(key.expose()), Some(&new)).await;
    assert_eq!(provider.status, 201, "{}", provider.text);
    let new = json!({ "providers": ["openai"] });
    let path = "/v1/connect-sessions";
    let link = send(node, "POST", path, Some(key.expose()), Some(&new)).await;
    assert_eq!(link.status, 201, "{}", link.text);
    let correlation = message["correlation_id"].as_str().expect("a correlation");
    [
        ("agent", id(&first("/v1/agents").await)),
        ("credential", id(&first("/v1/credentials").await)),
        ("conversation", conversation),
        ("message", id(&message)),
        ("correlation", correlation.to_owned()),
        ("key", id(&spare.body)),
        ("member", member),
        ("invitation", id(&invited.body)),
        ("role", role),
        ("identity_provider", id(&provider.body)),
        ("job", id(&first("/v1/jobs").await)),
        ("version", "1".to_owned()),
        ("credential_version", "1".to_owned()),
        ("provider", "twilio".to_owned()),
        ("connector", "slack".to_owned()),
        ("connection", connection(node, &tenant.slug).await),
        ("connect_session", id(&link.body)),
        ("path", "2010-04-01/Accounts.json".to_owned()),
        ("entry", id(&first("/v1/audit").await)),
    ]
    .into()
}

fn identity_provider(change: &[(&str, Value)]) -> Value {
    let mut provider = json!({
        "label": "Staff", "issuer": "https://idp.example.com", "client_id": "client",
        "client_secret": "client-secret", "role": "viewer",
    });
    for (name, value) in change {
        provider[*name] = value.clone();
    }
    provider
}

/// A credential that is said to have been connected by consent.
async fn connection(node: &TestNode, slug: &str) -> String {
    let id = credential(node.program(), slug, sandbox::Provider::OpenAi).await;
    let tenant = node.known(slug).await.id.uuid();
    node.execute(&format!(
        "INSERT INTO cell.oauth_grant (tenant_id, credential_id, provider, account_id, account_name,
             way, own_app, client_id, scopes, connected_by)
         VALUES ('{tenant}', '{}', 'openai', '{slug}', '{slug}', 'code', false, 'client', '{{}}', 'test')",
        id.uuid()
    ))
    .await;
    id.to_string()
}

/// Somebody who belongs to the tenant.
async fn member(node: &TestNode, slug: &str) -> String {
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    let new = NewUser {
        email: Email::parse("member@example.com").expect("an address"),
        name: "Member".to_owned(),
        password: Secret::new("correct horse battery"),
        platform_role: None,
    };
    let user = users::put(&node.program().people, &operator, new).await;
    let user = user.expect("an account").id;
    members::put(&operator, &node.known(slug).await, user, "viewer")
        .await
        .expect("a member");
    user.to_string()
}

/// What to send so that nothing but the caller can be the reason of a refusal.
pub fn body(operation: &Operation) -> Option<Value> {
    let body = match operation.name().as_str() {
        "POST /v1/agents" => json!({ "name": "intruder", "model": "gpt-4o-mini" }),
        "PUT /v1/agents/{agent}" => json!({ "name": "changed", "model": "gpt-4o-mini" }),
        "POST /v1/credentials" => json!({ "provider": "openai", "name": "second",
            "values": { "api_key": "sk-proj-intruder000000000000000000000000000000000000" } }),
        "PATCH /v1/credentials/{credential}" => {
            json!({ "values": { "app_secret": "0123456789abcdef0123456789abcdef" },
                "expires_at": "2030-01-01T00:00:00Z" })
        }
        "POST /v1/credentials/import" => {
            json!({ "format": "env", "text": "ANTHROPIC_API_KEY=sk-ant-intruder" })
        }
        "POST /v1/credentials/{credential}/versions/{version}/restore" => {
            json!({ "grace_seconds": 60 })
        }
        "POST /v1/connections/{connector}/authorize" => json!({}),
        "POST /v1/connect-sessions" => json!({ "providers": ["openai"] }),
        "PUT /v1/webhook-endpoints/{provider}" => json!({ "enabled": true }),
        "POST /v1/conversations/{conversation}/messages" => json!({ "text": "intruder" }),
        "POST /v1/messages" => {
            json!({ "channel": "whatsapp", "to": "+351911111111", "text": "intruder" })
        }
        "PATCH /v1/members/{member}" => json!({ "role": "agent" }),
        "POST /v1/invitations" => json!({ "email": "intruder@example.com", "role": "viewer" }),
        "POST /v1/roles" => json!({ "name": "intruder", "permissions": ["agents:read"] }),
        "PUT /v1/roles/{role}" => json!({ "permissions": ["jobs:read"] }),
        "POST /v1/identity-providers" => identity_provider(&[("name", "intruder".into())]),
        "PUT /v1/identity-providers/{identity_provider}" => identity_provider(&[]),
        "PUT /v1/encryption-key" => json!({
            "provider": "transit", "address": "https://bao.example.com", "key": "freehold",
            "login": "token", "secret": "hvs.intruder",
        }),
        "PUT /v1/config" => {
            json!({ "version": 0, "configuration": { "branding": { "company": "intruder" } } })
        }
        "POST /v1/api-keys" => {
            json!({ "name": "more", "mode": "test", "permissions": ["agents:read"] })
        }
        "POST /v1/api-keys/{key}/rotate" => json!({ "grace_seconds": 0 }),
        "PUT /v1/api-keys/prefix" => json!({ "prefix": "acme" }),
        name => {
            assert!(
                !operation.takes_body,
                "{name} has no body in tests/sweep/objects.rs; add one"
            );
            return None;
        }
    };
    Some(body)
}
