//! A whole node in this process, on a database of its own and with simulated providers; and what
//! tests ask of it. Each test program uses its own part of this.

#![allow(dead_code, reason = "each test program uses its own part")]

pub mod binary;
pub mod people;
pub mod sign;
pub mod tenant;

use std::{path::Path, time::Duration};

use kernel::{
    Access,
    db::Tenant,
    permission::Permission,
    secret::Secret,
    testing::{self, TestDb},
};
use sandbox::{Received, Sandbox, senders::Outgoing, senders::Sent};
use serde_json::Value;
use server::{
    config::{self, Config},
    program::{Database, Program},
    serve::Node,
};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::net::TcpListener;

pub use tenant::TestTenant;

/// How long anything that a test waits for may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const OPERATOR_TOKEN: &str = "operator-token-of-the-tests-0123456789";
/// Between two looks at what a test waits for.
const POLL: Duration = Duration::from_millis(10);

/// A running node. It has to be ended by `stop`, which sees that no job is left over.
#[derive(Debug)]
pub struct TestNode {
    /// As in `http://127.0.0.1:12345`; also its public URL.
    pub url: String,
    pub sandbox: Sandbox,
    pub db: TestDb,
    pub client: reqwest::Client,
    data: TempDir,
    node: Option<Node>,
}

impl TestNode {
    pub async fn start() -> Self {
        Self::configured(|_| {}).await
    }

    /// A node whose settings differ from the defaults.
    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        Self::configured_with(|config, _| change(config)).await
    }

    /// As `configured`, with a look at the simulated providers.
    pub async fn configured_with(change: impl FnOnce(&mut Config, &Sandbox)) -> Self {
        let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into())
            .await
            .expect("the sandbox starts");
        let data = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut config = settings(data.path(), &sandbox, &url);
        change(&mut config, &sandbox);
        let db = testing::database().await;
        let program = Program::assemble(config, Database::given(db.server.clone()))
            .await
            .expect("the program assembles");
        let node = Node::start_on(program, listener)
            .await
            .expect("the node starts");
        Self {
            url,
            sandbox,
            db,
            client: client(),
            data,
            node: Some(node),
        }
    }

    /// Another process's view of the same installation: same database, same keys, no listener.
    pub async fn second_program(&self) -> Program {
        self.second_configured(|_, _| {}).await
    }

    /// As `second_program`, with settings that differ from the defaults.
    pub async fn second_configured(&self, change: impl FnOnce(&mut Config, &Sandbox)) -> Program {
        let mut config = settings(self.data.path(), &self.sandbox, &self.url);
        change(&mut config, &self.sandbox);
        Program::assemble(config, Database::given(self.db.server.clone()))
            .await
            .expect("the program assembles")
    }

    pub fn program(&self) -> &Program {
        self.node
            .as_ref()
            .expect("the node was not stopped")
            .program()
    }

    /// A tenant with an account at each simulated provider, and an agent that answers.
    pub async fn tenant(&self, slug: &str) -> TestTenant {
        self.join(TestTenant::new(slug)).await
    }

    /// As `tenant`, with accounts that the test has changed.
    pub async fn join(&self, tenant: TestTenant) -> TestTenant {
        tenant.register(&self.sandbox);
        self.bare_tenant(&tenant.slug).await;
        tenant.connect(self.program()).await;
        tenant
    }

    /// A tenant that has connected nothing.
    pub async fn bare_tenant(&self, slug: &str) -> Tenant {
        tenant::create(self.program(), slug).await;
        self.known(slug).await
    }

    pub async fn known(&self, slug: &str) -> Tenant {
        let found = self.program().db.directory().by_slug(slug).await;
        found
            .expect("the directory answers")
            .expect("the tenant exists")
    }

    /// Access inside a tenant, on this node's own database handle.
    pub async fn enter<P: Permission>(&self, slug: &str) -> Access<P> {
        tenant::enter(self.program(), slug).await
    }

    /// The text of a new API key of the tenant's.
    pub async fn api_key(&self, slug: &str, permissions: &[&str]) -> Secret {
        self.db.key(&self.known(slug).await, permissions).await
    }

    /// Sends a webhook once.
    pub async fn send(&self, outgoing: &Outgoing) -> Sent {
        outgoing.send(&self.client).await.expect("the node answers")
    }

    /// GETs a path of the API with a key: status and body.
    pub async fn get(&self, path: &str, key: &Secret) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.url));
        exchange(request.bearer_auth(key.expose())).await
    }

    pub async fn post(&self, path: &str, key: &Secret, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url));
        exchange(request.bearer_auth(key.expose()).json(body)).await
    }

    /// The first request that a simulated provider received and that satisfies the predicate.
    pub async fn sent_out(&self, predicate: impl Fn(&Received) -> bool) -> Received {
        self.sandbox
            .wait_for(predicate, DEADLINE)
            .await
            .expect("the provider is called in time")
    }

    /// A number that a statement of the superuser's yields: what no role of the program may see.
    pub async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.db.superuser().await)
            .await
            .expect("the statement yields a number")
    }

    /// Runs a statement as the superuser.
    pub async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.db.superuser().await)
            .await
            .expect("the statement runs");
    }

    /// Waits until no job waits or runs.
    pub async fn settled(&self) {
        let mut superuser = self.db.superuser().await;
        let mut open = Vec::new();
        let settled = poll(async || {
            open = open_jobs(&mut superuser).await;
            open.is_empty()
        })
        .await;
        assert!(settled, "jobs are left: {open:?}");
    }

    /// Ends the node and asserts that no job was left waiting or running.
    pub async fn stop(self) {
        self.settled().await;
        self.abandon().await;
    }

    /// Ends the node whatever its jobs do.
    pub async fn abandon(mut self) {
        let node = self.node.take().expect("a node is stopped once");
        node.stop().await.expect("the node stops");
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        assert!(
            self.node.is_none() || std::thread::panicking(),
            "a test has to end its node by `stop`, which looks for jobs left over"
        );
    }
}

/// (kind, state, attempt, last error) of every job that is not at its end.
async fn open_jobs(
    superuser: &mut sqlx::PgConnection,
) -> Vec<(String, String, i32, Option<String>)> {
    sqlx::query_as(
        "SELECT kind, state, attempt, last_error FROM cell.job
         WHERE state IN ('scheduled', 'ready', 'running')",
    )
    .fetch_all(superuser)
    .await
    .expect("jobs are read")
}

/// Looks until the answer is yes, or the deadline has passed.
pub async fn poll(mut look: impl AsyncFnMut() -> bool) -> bool {
    let search = async {
        while !look().await {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(DEADLINE, search).await.is_ok()
}

/// The defaults, whatever the environment of the tests says, with the providers in the sandbox.
pub fn settings(data: &Path, sandbox: &Sandbox, public_url: &str) -> Config {
    let mut config: Config = toml::from_str(config::DEFAULTS).expect("the defaults load");
    config.data = data.to_owned();
    config.public_url = public_url.to_owned();
    config.operator.token = Secret::new(OPERATOR_TOKEN);
    config.worker.concurrency = 8;
    // Tests count what the simulated providers get, and plan which call meets a fault.
    config.credentials.verify = false;
    for provider in tenant::PROVIDERS {
        let settings = config::Provider {
            base_url: Some(sandbox.base_url(provider)),
            ..Default::default()
        };
        config.providers.insert(provider.to_string(), settings);
    }
    let app = config::OAuth {
        client_id: "tests".to_owned(),
        client_secret: Secret::new("secret-of-the-tests-app"),
        webhook_secret: None,
        app_id: None,
        app_slug: None,
        private_key: None,
    };
    let slack = config::Provider {
        base_url: Some(sandbox.base_url(sandbox::Provider::Slack)),
        oauth: Some(app),
        ..Default::default()
    };
    config.providers.insert("slack".to_owned(), slack);
    config
}

/// Goes straight to the server, whatever proxy the environment names.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a plain client can be built")
}

/// Sends a request and reads its answer as a status and JSON; other text becomes a string.
pub async fn exchange(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the server answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("the body is whole");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// Whether a call is a message that a provider took.
pub fn is_reply(received: &Received, provider: sandbox::Provider) -> bool {
    received.provider == provider
        && received.method == "POST"
        && matches!(received.status, 200 | 201)
}
