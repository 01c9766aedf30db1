//! What the model is shown, from rows of a real database.

use kernel::{
    Access, Db,
    jobs::Registry,
    permission::{AgentsWrite, CredentialsUse},
};

use super::*;
use crate::{
    agents::{self, NewAgent},
    testing::{App, Talk},
};

/// A tenant with an agent, one conversation, and the access that reply jobs have.
struct Scene {
    app: App,
    tenant: kernel::db::Tenant,
    talk: Talk,
    access: Access<CredentialsUse>,
}

impl Scene {
    async fn new(agent: Option<NewAgent>) -> Self {
        let app = App::new().await;
        subscribe(&app.test.db);
        let tenant = app.test.tenant("acme").await;
        let scene = Self {
            talk: Talk::open(&app, &tenant).await,
            access: app.test.enter(&tenant).await,
            tenant,
            app,
        };
        if let Some(agent) = agent {
            scene.agent(agent).await;
        }
        scene
    }

    async fn agent(&self, agent: NewAgent) {
        let access = self.app.test.enter::<AgentsWrite>(&self.tenant).await;
        agents::create(&access, agent).await.expect("an agent");
    }

    async fn read(&self, event: &MessageReceived) -> Option<Asked> {
        read(&self.access, event).await.expect("read")
    }
}

/// Events become jobs that no worker runs.
fn subscribe(db: &Db) {
    let mut registry = Registry::new();
    registry.subscribe(
        super::super::JOB,
        async |_: Access<CredentialsUse>, _: MessageReceived| Ok(()),
    );
    db.subscribe(registry.subscriptions()).expect("installed");
}

fn agent() -> NewAgent {
    NewAgent {
        instructions: "You are Acme.".to_owned(),
        ..NewAgent::new("Desk", "gpt-4o-mini")
    }
}

fn shown(asked: &Asked) -> Vec<(Role, &str)> {
    let history = asked.history.iter();
    history
        .map(|turn| (turn.role, turn.text.as_str()))
        .collect()
}

#[tokio::test]
async fn the_model_is_shown_what_was_said_and_then_the_question() {
    let scene = Scene::new(Some(agent())).await;
    let talk = &scene.talk;
    talk.say("contact", Some("Are you open?"), "received").await;
    talk.say("agent", Some("Until six."), "read").await;
    talk.say("contact", None, "received").await;
    talk.say("contact", Some(" \n"), "received").await;
    talk.say("api", Some("A person adds this."), "sent").await;
    talk.say("agent", Some("Never arrived."), "failed").await;
    let other = Talk::open(&scene.app, &scene.tenant).await;
    other.say("contact", Some("Elsewhere"), "received").await;
    let asked = scene
        .read(&talk.ask("And tomorrow?").await)
        .await
        .expect("asked");
    assert_eq!(
        shown(&asked),
        [
            (Role::User, "Are you open?"),
            (Role::Assistant, "Until six."),
            (Role::Assistant, "A person adds this."),
        ]
    );
    assert_eq!(asked.question, "And tomorrow?");
    assert_eq!(
        (
            asked.provider.as_str(),
            asked.model.as_str(),
            asked.instructions.as_str()
        ),
        ("openai", "gpt-4o-mini", "You are Acme.")
    );
}

#[tokio::test]
async fn only_the_last_messages_are_shown() {
    for (history, expected) in [(0, vec![]), (2, vec!["three", "four"])] {
        let scene = Scene::new(Some(NewAgent { history, ..agent() })).await;
        for text in ["one", "two", "three", "four"] {
            scene.talk.say("contact", Some(text), "received").await;
        }
        let asked = scene
            .read(&scene.talk.ask("five").await)
            .await
            .expect("asked");
        let texts: Vec<&str> = shown(&asked).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, expected);
    }
}

#[tokio::test]
async fn a_late_reply_to_an_earlier_message_stands_before_the_question() {
    let scene = Scene::new(Some(agent())).await;
    let first = scene.talk.ask("First?").await;
    let second = scene.talk.ask("Second?").await;
    scene.talk.set_jobs(&first, "done").await;
    scene
        .talk
        .say("agent", Some("To the first."), "queued")
        .await;
    let asked = scene.read(&second).await.expect("asked");
    assert_eq!(
        shown(&asked),
        [(Role::User, "First?"), (Role::Assistant, "To the first.")]
    );
    assert_eq!(asked.question, "Second?");
}

#[tokio::test]
async fn of_messages_that_wait_only_the_newest_is_answered() {
    let scene = Scene::new(Some(agent())).await;
    let first = scene.talk.ask("Hello").await;
    let second = scene.talk.ask("are you there?").await;
    assert_eq!(scene.read(&first).await, None);
    let asked = scene.read(&second).await.expect("asked");
    assert_eq!(shown(&asked), [(Role::User, "Hello")]);
    // While the newer one waits for another attempt it still stands for both; once it has failed
    // for good, the older one is answered by itself.
    scene.talk.set_jobs(&second, "scheduled").await;
    assert_eq!(scene.read(&first).await, None);
    scene.talk.set_jobs(&second, "dead").await;
    let asked = scene.read(&first).await.expect("asked");
    assert_eq!((asked.question.as_str(), shown(&asked)), ("Hello", vec![]));
}

#[tokio::test]
async fn a_newer_message_that_nobody_answers_silences_nobody() {
    let scene = Scene::new(Some(agent())).await;
    let question = scene.talk.ask("What does it cost?").await;
    scene
        .talk
        .say("contact", Some("caption of a picture"), "received")
        .await;
    let other = Talk::open(&scene.app, &scene.tenant).await;
    other.ask("Elsewhere").await;
    let asked = scene.read(&question).await.expect("asked");
    assert_eq!(asked.question, "What does it cost?");
}

#[tokio::test]
async fn agents_answer_contacts_alone() {
    let scene = Scene::new(Some(agent())).await;
    for (author, text) in [
        ("agent", Some("mine")),
        ("api", Some("a person's")),
        ("contact", None),
        ("contact", Some("  ")),
    ] {
        let event = scene.talk.say(author, text, "received").await;
        assert_eq!(scene.read(&event).await, None, "{author}: {text:?}");
    }
}

#[tokio::test]
async fn the_oldest_enabled_agent_answers() {
    let scene = Scene::new(None).await;
    let event = scene.talk.ask("Hello").await;
    assert_eq!(scene.read(&event).await, None);
    for (name, enabled) in [("off", false), ("first", true), ("second", true)] {
        let agent = NewAgent {
            enabled,
            ..NewAgent::new(name, name)
        };
        scene.agent(agent).await;
    }
    assert_eq!(scene.read(&event).await.expect("asked").model, "first");
}

#[tokio::test]
async fn messages_of_other_tenants_and_conversations_are_not_read() {
    let scene = Scene::new(Some(agent())).await;
    let other = scene.app.test.tenant("other").await;
    let foreign = Talk::open(&scene.app, &other).await.ask("Secret").await;
    assert_eq!(scene.read(&foreign).await, None);
    let elsewhere = Talk::open(&scene.app, &scene.tenant).await;
    let mixed = MessageReceived {
        conversation: scene.talk.id,
        message: elsewhere.ask("Hello").await.message,
    };
    assert_eq!(scene.read(&mixed).await, None);
}
