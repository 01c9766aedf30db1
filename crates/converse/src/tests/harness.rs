//! A database, tenants in it, their webhooks, and requests to this crate's routes.

use std::{collections::HashMap, future::ready};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, StatusCode},
};
use kernel::{
    Access, Db, Operator, Result,
    access::api_key::{Mode, NewKey},
    db::{Server, Tenant},
    events::{InboundStored, MessageQueued, MessageReceived, ReplyReady},
    id::{ApiKeyId, ConversationId, CredentialId, InboundEventId, TenantId},
    ingest::NewInbound,
    jobs::Registry,
    permission::{
        ApiKeysWrite, ConversationsRead, CredentialsUse, CredentialsWrite, InboundProcess,
        InboundReceive, MessagesSend, Permission, TenantsEnter, TenantsWrite,
    },
    secret::Secret,
};
use serde_json::{Value, json};
use sqlx::Connection;
use time::OffsetDateTime;
use tokio::sync::OnceCell;
use tower::ServiceExt;
use uuid::Uuid;

use crate::{channels::Channel, normalise::normalise, sending::SEND};

/// The jobs that stand for an agent's.
pub const AGENT: &str = "test.agent";

const SERVER: &str = "postgres://postgres@127.0.0.1:55432/";

async fn server() -> Server {
    static NAME: OnceCell<String> = OnceCell::const_new();
    let name = NAME
        .get_or_init(|| async {
            let name = format!("scratch_converse_{}", Uuid::now_v7().simple());
            let mut admin = sqlx::PgConnection::connect(&format!("{SERVER}postgres"))
                .await
                .expect("connects");
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
                .execute(&mut admin)
                .await
                .expect("created");
            let server = Server::from_url(&format!("{SERVER}{name}")).expect("a URL");
            kernel::db::migrate(&server).await.expect("migrated");
            name
        })
        .await;
    Server::from_url(&format!("{SERVER}{name}")).expect("a URL")
}

async fn database() -> Db {
    let db = Db::connect(&server().await, &HashMap::new())
        .await
        .expect("connects");
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
    db.subscribe(registry.subscriptions())
        .expect("installed once");
    db
}

/// One tenant on a database.
pub struct App {
    pub db: Db,
    pub tenant: Tenant,
    key: Secret,
}

#[derive(Clone)]
pub struct State(Db);

impl FromRef<State> for Db {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

impl App {
    pub async fn new() -> Self {
        Self::on(database().await).await
    }

    /// Another tenant on the same database.
    pub async fn other(&self) -> Self {
        Self::on(self.db.clone()).await
    }

    async fn on(db: Db) -> Self {
        let id = TenantId::new();
        let slug = format!("t{}", id.uuid().simple());
        let operator = Operator::<TenantsWrite>::local(&db, "test");
        let cell = operator.cells()[0];
        let mut tx = operator
            .begin("tenant.created", Some(id), Value::Null)
            .await
            .expect("begins");
        sqlx::query(
            "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
             VALUES ($1, $2, $2, 'free', 'local', 'active', $3)",
        )
        .bind(id.uuid())
        .bind(&slug)
        .bind(cell.uuid())
        .execute(tx.conn())
        .await
        .expect("inserted");
        tx.commit().await.expect("committed");
        let mut tx = operator
            .begin_in_cell(cell, "tenant.placed", Some(id))
            .await
            .expect("begins");
        sqlx::query("INSERT INTO cell.tenancy (tenant_id, epoch) VALUES ($1, 1)")
            .bind(id.uuid())
            .execute(tx.conn())
            .await
            .expect("inserted");
        tx.commit().await.expect("committed");
        let tenant = db.directory().by_id(id).await.expect("looks up");
        let mut app = Self {
            db,
            tenant: tenant.expect("the tenant"),
            key: Secret::new(""),
        };
        app.key = app
            .key(&["conversations:read", "messages:send", "traces:read"])
            .await;
        app
    }

    pub async fn access<P: Permission>(&self) -> Access<P> {
        Operator::<TenantsEnter>::local(&self.db, "test")
            .enter(self.tenant.clone(), "test")
            .await
            .expect("enters")
    }

    pub async fn key(&self, permissions: &[&str]) -> Secret {
        let key = NewKey::generate("fh", Mode::Test, self.tenant.id);
        let mut tx = self
            .access::<ApiKeysWrite>()
            .await
            .begin()
            .await
            .expect("begins");
        sqlx::query(
            "INSERT INTO cell.api_key (id, public_id, secret_sha256, name, mode, display, permissions,
                 created_by) VALUES ($1, $2, $3, 'test', 'test', $4, $5, 'test')",
        )
        .bind(ApiKeyId::new().uuid())
        .bind(&key.public_id)
        .bind(&key.secret_sha256)
        .bind(&key.display)
        .bind(permissions)
        .execute(tx.conn())
        .await
        .expect("inserted");
        tx.commit().await.expect("committed");
        key.text
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
        let router: Router = router.with_state(State(self.db.clone()));
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
