//! A database, tenants in it, their webhooks, and requests to this crate's routes.

use std::{future::ready, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, StatusCode},
};
use kernel::{
    Access, Db, Result,
    db::Tenant,
    events::{InboundStored, MessageQueued, MessageReceived, ReplyReady},
    id::{ConversationId, CredentialId, InboundEventId},
    ingest::NewInbound,
    jobs::Registry,
    permission::{
        ConversationsRead, CredentialsUse, CredentialsWrite, InboundProcess, InboundReceive,
        MessagesSend, Permission,
    },
    secret::Secret,
    testing::TestDb,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{channels::Channel, normalise::normalise, sending::SEND};

/// The jobs that stand for an agent's.
pub const AGENT: &str = "test.agent";

async fn database() -> TestDb {
    let test = kernel::testing::database().await;
    let mut registry = Registry::new();
    registry.subscribe(AGENT, |_: Access<MessagesSend>, _: MessageReceived| {
        ready(Ok(()))
    });
    registry.subscribe(SEND, |_: Access<CredentialsUse>, _: MessageQueued| {
        ready(Ok(()))
    });
    registry.subscribe(
        "converse.reply",
        |_: Access<MessagesSend>, _: ReplyReady| ready(Ok(())),
    );
    test.db
        .subscribe(registry.subscriptions())
        .expect("installed once");
    test
}

/// One tenant on a database.
#[derive(Debug)]
pub struct App {
    test: Arc<TestDb>,
    tenant: Tenant,
    key: Secret,
}

#[derive(Clone, Debug)]
pub struct State(Db);

impl FromRef<State> for Db {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

impl App {
    pub async fn new() -> Self {
        Self::of(database().await).await
    }

    /// A tenant on a database whose subscriptions are the caller's.
    pub async fn of(test: TestDb) -> Self {
        Self::on(Arc::new(test), "acme").await
    }

    /// Another tenant on the same database.
    pub async fn other(&self) -> Self {
        Self::on(self.test.clone(), "globex").await
    }

    async fn on(test: Arc<TestDb>, slug: &str) -> Self {
        let tenant = test.tenant(slug).await;
        let permissions = ["conversations:read", "messages:send", "traces:read"];
        let key = test.key(&tenant, &permissions).await;
        Self { test, tenant, key }
    }

    pub async fn access<P: Permission>(&self) -> Access<P> {
        self.test.enter(&self.tenant).await
    }

    pub async fn key(&self, permissions: &[&str]) -> Secret {
        self.test.key(&self.tenant, permissions).await
    }

    pub async fn credential(&self, provider: &str, fields: Value) -> CredentialId {
        let id = CredentialId::new();
        let mut tx = self
            .access::<CredentialsWrite>()
            .await
            .begin()
            .await
            .expect("begins");
        sqlx::query(
            "INSERT INTO cell.credential (id, provider, name, fields) VALUES ($1, $2, $3, $4)",
        )
        .bind(id.uuid())
        .bind(provider)
        .bind(id.to_string())
        .bind(&fields)
        .execute(tx.conn())
        .await
        .expect("inserted");
        for (kind, value) in fields.as_object().expect("an object") {
            sqlx::query(
                "INSERT INTO cell.identifier (provider, kind, external_id, credential_id)
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(provider)
            .bind(kind)
            .bind(value.as_str().expect("text"))
            .bind(id.uuid())
            .execute(tx.conn())
            .await
            .expect("inserted");
        }
        tx.commit().await.expect("committed");
        id
    }

    /// Stores a webhook as the inbound pipeline does.
    pub async fn store(&self, channel: Channel, body: Vec<u8>) -> InboundEventId {
        let id = InboundEventId::new();
        self.access::<InboundReceive>()
            .await
            .store(vec![NewInbound {
                id,
                provider: channel.provider().to_owned(),
                dedup_key: id.to_string(),
                event_kind: "test".to_owned(),
                received_at: OffsetDateTime::now_utc(),
                url: "https://freehold.test/hooks".to_owned(),
                headers: json!({}),
                body: Some(body),
                payload: None,
                verdict: "verified".to_owned(),
                ordering_key: None,
            }])
            .await
            .expect("stored");
        id
    }

    pub async fn normalise(&self, channel: Channel, event: InboundEventId) -> Result<()> {
        let access = self.access::<InboundProcess>().await;
        normalise(channel, access, InboundStored { event }).await
    }

    /// Stores a webhook and reads it.
    pub async fn receive(&self, channel: Channel, payload: &Value) {
        let event = self.store(channel, payload.to_string().into_bytes()).await;
        self.normalise(channel, event).await.expect("normalised");
    }

    /// The first column of a query over what is the tenant's, as text.
    pub async fn column(&self, query: &'static str) -> Vec<String> {
        let mut tx = self
            .access::<ConversationsRead>()
            .await
            .read()
            .await
            .expect("begins");
        let rows: Vec<Option<String>> = sqlx::query_scalar(query)
            .fetch_all(tx.conn())
            .await
            .expect("reads");
        tx.commit().await.expect("committed");
        rows.into_iter().map(Option::unwrap_or_default).collect()
    }

    pub async fn conversation(&self) -> ConversationId {
        let ids = self.column("SELECT id::text FROM cell.conversation").await;
        assert_eq!(ids.len(), 1);
        ids[0].parse::<Uuid>().expect("a UUID").into()
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.request("GET", path, Some(&self.key), None, None).await
    }

    pub async fn post(&self, path: &str, key: Option<&str>, body: Value) -> (StatusCode, Value) {
        self.request("POST", path, Some(&self.key), key, Some(body))
            .await
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&Secret>,
        idempotency_key: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let (router, _) = crate::routes::<State>().split_for_parts();
        let router: Router = router.with_state(State(self.test.db.clone()));
        let response = router
            .oneshot(request.body(body).expect("a request"))
            .await
            .expect("answers");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }
}

/// A text from a contact to a WhatsApp number.
pub fn whatsapp_text(number: &str, from: &str, wamid: &str, text: &str) -> Value {
    whatsapp(
        number,
        json!({
            "contacts": [{ "profile": { "name": "Ann" }, "wa_id": from }],
            "messages": [{ "from": from, "id": wamid, "timestamp": "1749416383", "type": "text",
                "text": { "body": text } }],
        }),
    )
}

pub fn whatsapp_status(number: &str, to: &str, wamid: &str, status: &str, data: &str) -> Value {
    whatsapp(
        number,
        json!({ "statuses": [{ "id": wamid, "status": status, "timestamp": "1749416384",
            "recipient_id": to, "biz_opaque_callback_data": data }] }),
    )
}

fn whatsapp(number: &str, mut value: Value) -> Value {
    value["messaging_product"] = "whatsapp".into();
    value["metadata"] = json!({ "display_phone_number": "1555", "phone_number_id": number });
    json!({ "object": "whatsapp_business_account",
        "entry": [{ "id": "9", "changes": [{ "field": "messages", "value": value }] }] })
}
