//! This crate's routes on a database of the test's own, and conversations in it.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, StatusCode, header},
};
use kernel::{
    Access, Db,
    db::Tenant,
    events::{Event, MessageReceived},
    id::{ContactId, ConversationId, CorrelationId, MessageId},
    permission::MessagesSend,
    secret::Secret,
    testing::{TestDb, database},
};
use serde_json::Value;
use tower::ServiceExt;

#[derive(Clone)]
struct State {
    db: Db,
}

impl FromRef<State> for Db {
    fn from_ref(state: &State) -> Self {
        state.db.clone()
    }
}

pub struct App {
    pub test: TestDb,
    router: Router,
}

impl App {
    pub async fn new() -> Self {
        let test = database().await;
        let (router, _) = crate::agents::routes().split_for_parts();
        let state = State {
            db: test.db.clone(),
        };
        Self {
            router: router.with_state(state),
            test,
        }
    }

    /// Sends a request and reads the answer's JSON, null where it has no body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&Secret>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = key {
            let bearer = format!("Bearer {}", key.expose());
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let request = request.body(body).expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        if bytes.is_empty() {
            return (status, Value::Null);
        }
        (status, serde_json::from_slice(&bytes).expect("JSON"))
    }
}

/// A conversation, written as converse writes it.
pub struct Talk {
    access: Access<MessagesSend>,
    pub id: ConversationId,
}

impl Talk {
    pub async fn open(app: &App, tenant: &Tenant) -> Self {
        let access = app.test.enter::<MessagesSend>(tenant).await;
        let (id, contact) = (ConversationId::new(), ContactId::new());
        let mut tx = access.begin().await.expect("begun");
        sqlx::query!(
            "INSERT INTO cell.contact (id, channel, address) VALUES ($1, 'whatsapp', $2)",
            contact.uuid(),
            contact.to_string()
        )
        .execute(tx.conn())
        .await
        .expect("a contact");
        sqlx::query!(
            "INSERT INTO cell.conversation (id, channel, account, contact_id)
             VALUES ($1, 'whatsapp', '1', $2)",
            id.uuid(),
            contact.uuid()
        )
        .execute(tx.conn())
        .await
        .expect("a conversation");
        tx.commit().await.expect("committed");
        Self { access, id }
    }

    /// The contact writes, and an answer is asked for.
    pub async fn ask(&self, text: &str) -> MessageReceived {
        self.put("contact", Some(text), "received", true).await
    }

    /// A message that nobody is asked to answer.
    pub async fn say(&self, author: &str, text: Option<&str>, status: &str) -> MessageReceived {
        self.put(author, text, status, false).await
    }

    async fn put(
        &self,
        author: &str,
        text: Option<&str>,
        status: &str,
        ask: bool,
    ) -> MessageReceived {
        let direction = match author {
            "contact" => "inbound",
            _ => "outbound",
        };
        let event = MessageReceived {
            conversation: self.id,
            message: MessageId::new(),
        };
        let mut tx = self.access.begin().await.expect("begun");
        sqlx::query!(
            "WITH place AS (
                 UPDATE cell.conversation SET message_count = message_count + 1 WHERE id = $2
                 RETURNING message_count)
             INSERT INTO cell.message (id, conversation_id, seq, direction, author, kind, text,
                 status, correlation_id)
             SELECT $1, $2, message_count, $3, $4, 'text', $5, $6, $7 FROM place",
            event.message.uuid(),
            self.id.uuid(),
            direction,
            author,
            text,
            status,
            CorrelationId::new().uuid()
        )
        .execute(tx.conn())
        .await
        .expect("a message");
        if ask {
            tx.emit(&event).await.expect("emitted");
        }
        tx.commit().await.expect("committed");
        event
    }

    /// Sets the state of the reply jobs of this conversation.
    pub async fn set_jobs(&self, event: &MessageReceived, state: &str) {
        let mut tx = self.access.begin().await.expect("begun");
        let changed = sqlx::query!(
            "UPDATE cell.job SET state = $1 WHERE ordering_key = $2 AND payload->>'message' = $3",
            state,
            event.ordering_key(),
            event.message.to_string()
        )
        .execute(tx.conn())
        .await
        .expect("set");
        assert_eq!(changed.rows_affected(), 1);
        tx.commit().await.expect("committed");
    }
}
