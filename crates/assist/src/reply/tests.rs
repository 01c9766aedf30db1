//! Replies from end to end: a worker, a real database, and the sandbox in the provider's place.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use connect::{ProviderSettings, Settings, catalogue::Catalogue, credentials::NewCredential};
use kernel::{
    Error,
    db::Tenant,
    id::AgentId,
    jobs::{self, Backoff, Job, JobFilter, JobState, Worker, WorkerOptions},
    page::PageQuery,
    permission::{AgentsRead, AgentsWrite, CredentialsWrite, JobsReplay, MessagesSend},
    secret::Secret,
};
use sandbox::{Fault, OpenAiAccount, Provider, Sandbox};
use serde_json::json;
use tokio::sync::mpsc;
use vault::{KeyProvider, Keyring};

use super::*;
use crate::{
    agents::{self, NewAgent},
    testing::{App, Talk},
};

const MODEL: &str = "gpt-4o-mini";
const KEY: &str = "sk-proj-planted0123456789abcdefghijkl";
const PATIENCE: Duration = Duration::from_secs(20);

struct Scene {
    app: App,
    connect: Connect,
    sandbox: Sandbox,
    registry: Arc<Registry>,
    tenant: Tenant,
    talk: Talk,
    replies: mpsc::UnboundedReceiver<ReplyReady>,
    _keys: tempfile::TempDir,
}

impl Scene {
    /// A tenant with an agent, without a credential; nothing works on its jobs yet.
    async fn new() -> Self {
        Self::of("openai").await
    }

    /// With an agent that asks the model of this provider. The operator lets tenants call the
    /// sandbox as `localhost`, and by no address.
    async fn of(provider: &str) -> Self {
        let app = App::new().await;
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Sandbox::start(loopback).await.expect("a sandbox");
        sandbox.accounts().openai(OpenAiAccount {
            api_key: Secret::new(KEY),
            models: vec![MODEL.to_owned()],
        });
        let keys = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(keys.path().join("keyring")).expect("a keyring");
        let openai = ProviderSettings {
            base_url: Some(sandbox.base_url(Provider::OpenAi)),
            ..ProviderSettings::default()
        };
        let settings = Settings {
            kms_endpoint: None,
            public_url: "http://localhost".to_owned(),
            verify_credentials: false,
            return_to: Vec::new(),
            providers: HashMap::from([("openai".to_owned(), openai)]),
            allow: [format!("localhost:{}", sandbox.address().port())]
                .iter()
                .map(|place| place.parse().expect("a place"))
                .collect(),
        };
        let connect = Connect::new(Catalogue::builtin(), KeyProvider::Local(keyring), settings)
            .expect("connect");
        let (published, replies) = mpsc::unbounded_channel();
        let mut registry = Registry::new();
        register(&mut registry, &connect);
        registry.subscribe(
            "test.reply",
            move |_: Access<MessagesSend>, reply: ReplyReady| {
                let published = published.clone();
                async move {
                    published
                        .send(reply)
                        .map_err(|_| Error::invalid("the test is over"))
                }
            },
        );
        app.test
            .db
            .subscribe(registry.subscriptions())
            .expect("installed");
        let tenant = app.test.tenant("acme").await;
        let agent = NewAgent {
            instructions: "You are the assistant of Acme Bakery.".to_owned(),
            provider: provider.to_owned(),
            ..NewAgent::new("Desk", MODEL)
        };
        agents::create(&app.test.enter::<AgentsWrite>(&tenant).await, agent)
            .await
            .expect("an agent");
        Self {
            talk: Talk::open(&app, &tenant).await,
            connect,
            sandbox,
            registry: Arc::new(registry),
            tenant,
            replies,
            _keys: keys,
            app,
        }
    }

    async fn with_key(key: &str) -> Self {
        let scene = Self::new().await;
        scene.store_key(key).await;
        scene
    }

    async fn store_key(&self, key: &str) {
        self.store("openai", &[("api_key", key)]).await;
    }

    async fn store(&self, provider: &str, values: &[(&str, &str)]) {
        let access = self.app.test.enter::<CredentialsWrite>(&self.tenant).await;
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
        let new = NewCredential {
            provider: provider.to_owned(),
            name: "main".to_owned(),
            values: values.collect::<BTreeMap<_, _>>(),
            ..NewCredential::default()
        };
        self.connect
            .create_credential(&access, new)
            .await
            .expect("stored");
    }

    fn work(&self) -> Worker {
        let options = WorkerOptions {
            poll: Duration::from_millis(20),
            backoff: Backoff {
                base: Duration::from_millis(5),
                cap: Duration::from_millis(20),
            },
            ..WorkerOptions::default()
        };
        Worker::start(&self.app.test.db, Arc::clone(&self.registry), options)
    }

    async fn reply(&mut self) -> ReplyReady {
        tokio::time::timeout(PATIENCE, self.replies.recv())
            .await
            .expect("a reply in time")
            .expect("a reply")
    }

    /// The reply jobs, once all of them have come to an end.
    async fn ended(&self) -> Vec<Job> {
        let access = self.app.test.enter::<JobsReplay>(&self.tenant).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut poll = tokio::time::interval(Duration::from_millis(20));
        loop {
            poll.tick().await;
            let mut tx = access.read().await.expect("read");
            let filter = JobFilter {
                kind: Some(JOB.to_owned()),
                ..JobFilter::default()
            };
            let page = jobs::list(&mut tx, &filter, &PageQuery::default())
                .await
                .expect("jobs");
            tx.commit().await.expect("committed");
            let ended = |job: &Job| matches!(job.state, JobState::Done | JobState::Dead);
            if page.data.iter().all(ended) {
                return page.data;
            }
            assert!(tokio::time::Instant::now() < deadline, "{:?}", page.data);
        }
    }

    /// Expects that the only reply job was put aside, and gives its error.
    async fn dead(&self) -> (Job, String) {
        let mut jobs = self.ended().await;
        let job = jobs.pop().expect("a job");
        assert!(jobs.is_empty());
        assert_eq!(job.state, JobState::Dead);
        let error = job.last_error.clone().expect("an error");
        assert!(!error.contains(KEY), "{error}");
        (job, error)
    }

    async fn replay(&self, job: &Job) {
        let access = self.app.test.enter::<JobsReplay>(&self.tenant).await;
        let mut tx = access.begin().await.expect("begun");
        jobs::replay(&mut tx, job.id).await.expect("replayed");
        tx.commit().await.expect("committed");
    }

    async fn agent(&self) -> AgentId {
        let access = self.app.test.enter::<AgentsRead>(&self.tenant).await;
        let page = agents::list(&access, &PageQuery::default()).await;
        page.expect("agents").data[0].id
    }

    fn calls(&self) -> usize {
        self.sandbox.received(Provider::OpenAi).len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_answered_by_the_model() {
    let mut scene = Scene::with_key(KEY).await;
    scene
        .talk
        .say("contact", Some("Good morning"), "received")
        .await;
    scene.talk.say("agent", Some("Good morning!"), "sent").await;
    let event = scene.talk.ask("When do you open?").await;
    let _worker = scene.work();
    let reply = scene.reply().await;
    assert_eq!(reply.conversation, event.conversation);
    assert_eq!(reply.in_reply_to, event.message);
    assert!(reply.text.contains("When do you open?"), "{}", reply.text);
    let received = scene.sandbox.received(Provider::OpenAi);
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].path, "v1/chat/completions");
    assert_eq!(
        received[0].body,
        json!({ "model": MODEL, "messages": [
            { "role": "system", "content": "You are the assistant of Acme Bakery." },
            { "role": "user", "content": "Good morning" },
            { "role": "assistant", "content": "Good morning!" },
            { "role": "user", "content": "When do you open?" },
        ]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_at_the_tenants_own_address_answers_where_that_may_be_called() {
    let mut scene = Scene::of("openai_compatible").await;
    let base_url = scene.sandbox.base_url(Provider::OpenAi);
    let base_url = base_url.replace("127.0.0.1", "localhost");
    let values = [("base_url", base_url.as_str()), ("api_key", KEY)];
    scene.store("openai_compatible", &values).await;
    scene.talk.ask("When do you open?").await;
    let _worker = scene.work();
    let reply = scene.reply().await;
    assert!(reply.text.contains("When do you open?"), "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_address_inside_is_not_called() {
    let scene = Scene::of("openai_compatible").await;
    let base_url = scene.sandbox.base_url(Provider::OpenAi);
    let values = [("base_url", base_url.as_str()), ("api_key", KEY)];
    scene.store("openai_compatible", &values).await;
    scene.talk.ask("When do you open?").await;
    let _worker = scene.work();
    let (_, error) = scene.dead().await;
    assert!(error.contains("[egress] allow"), "{error}");
    assert_eq!(scene.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_messages_in_a_row_get_one_reply() {
    let mut scene = Scene::with_key(KEY).await;
    scene.talk.ask("Hello").await;
    scene.talk.ask("one more thing").await;
    let last = scene.talk.ask("do you deliver?").await;
    let _worker = scene.work();
    assert_eq!(scene.reply().await.in_reply_to, last.message);
    let jobs = scene.ended().await;
    assert_eq!(jobs.len(), 3);
    assert!(jobs.iter().all(|job| job.state == JobState::Done));
    assert_eq!(scene.calls(), 1);
    assert!(scene.replies.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_the_message_waits_for_one() {
    let mut scene = Scene::new().await;
    let event = scene.talk.ask("Hello").await;
    let _worker = scene.work();
    let (job, error) = scene.dead().await;
    assert!(error.contains("no openai credential is set up"), "{error}");
    assert_eq!(job.attempt, 1);
    assert_eq!(scene.calls(), 0);
    scene.store_key(KEY).await;
    scene.replay(&job).await;
    assert_eq!(scene.reply().await.in_reply_to, event.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_told_and_not_tried_again() {
    let mut scene = Scene::with_key(KEY).await;
    let refused = Fault::Unauthorized;
    scene.sandbox.faults().next(Provider::OpenAi, refused, 1);
    let event = scene.talk.ask("Hello").await;
    let _worker = scene.work();
    let (job, error) = scene.dead().await;
    assert!(error.contains("check the openai credential"), "{error}");
    assert_eq!((job.attempt, scene.calls()), (1, 1));
    scene.replay(&job).await;
    assert_eq!(scene.reply().await.in_reply_to, event.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_told() {
    let scene = Scene::with_key(KEY).await;
    let access = scene.app.test.enter::<AgentsWrite>(&scene.tenant).await;
    let agent = scene.agent().await;
    agents::replace(&access, agent, NewAgent::new("Desk", "no-such-model"))
        .await
        .expect("replaced");
    scene.talk.ask("Hello").await;
    let _worker = scene.work();
    let (_, error) = scene.dead().await;
    assert!(
        error.contains("check the agent's model `no-such-model`"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_by_itself_is_tried_again() {
    for fault in [
        Fault::rate_limited(0),
        Fault::ServerError,
        Fault::HalfAnswer,
        Fault::Malformed,
    ] {
        let mut scene = Scene::with_key(KEY).await;
        scene
            .sandbox
            .faults()
            .next(Provider::OpenAi, fault.clone(), 2);
        let event = scene.talk.ask("Hello").await;
        let _worker = scene.work();
        assert_eq!(scene.reply().await.in_reply_to, event.message);
        let jobs = scene.ended().await;
        assert_eq!(
            (jobs.len(), jobs[0].attempt, scene.calls()),
            (1, 3, 3),
            "{fault:?}"
        );
        assert!(scene.replies.try_recv().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_agent_enabled_nobody_is_asked() {
    let mut scene = Scene::with_key(KEY).await;
    let access = scene.app.test.enter::<AgentsWrite>(&scene.tenant).await;
    let agent = scene.agent().await;
    agents::delete(&access, agent).await.expect("deleted");
    scene.talk.ask("Hello").await;
    let _worker = scene.work();
    assert_eq!(scene.ended().await[0].state, JobState::Done);
    assert_eq!(scene.calls(), 0);
    assert!(scene.replies.try_recv().is_err());
}
