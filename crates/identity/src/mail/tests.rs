//! Mail from the outbox, through lettre, to a real server.

use std::time::Duration;

use kernel::{secret::Secret, testing::database};
use sandbox::SmtpSink;
use serde_json::json;

use super::{MailSettings, Sender};
use crate::testing::{App, PASSWORD};

const ADA: &str = "ada@example.com";
const DEADLINE: Duration = Duration::from_secs(20);

async fn sink() -> SmtpSink {
    let sink = SmtpSink::start(([127, 0, 0, 1], 0).into()).await;
    sink.expect("the mail server starts")
}

fn settings(sink: &SmtpSink) -> MailSettings {
    MailSettings {
        smtp_url: Secret::new(sink.url()),
        from: "Freehold <no-reply@example.com>".into(),
    }
}

/// Looks until the number is as it should be.
async fn becomes(app: &App, sql: &'static str, expected: i64) {
    let look = async {
        while app.count(sql).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, look).await;
    assert!(found.is_ok(), "{sql} does not become {expected}");
}

const SENT: &str = "SELECT count(*) FROM control.mail WHERE state = 'sent'";
const DEAD: &str = "SELECT count(*) FROM control.mail WHERE state = 'dead'";

#[tokio::test]
async fn a_link_that_arrives_opens_what_it_is_for() {
    let (app, sink) = (App::new(database().await), sink().await);
    let sender = Sender::start(&app.db, &settings(&sink)).expect("mail is sent");
    let browser = app.browser();
    let body = json!({ "email": ADA });
    browser.send("POST", "/v1/auth/sign-up", Some(body)).await;
    let letter = sink.wait_for(|letter| letter.to == [ADA], DEADLINE).await;
    let letter = letter.expect("the letter arrives");
    assert_eq!(letter.subject, "Finish your sign-up");
    assert_eq!(letter.from, "no-reply@example.com");
    let link = letter.links()[0];
    assert!(
        letter.html.contains(&format!("href=\"{link}\"")),
        "{}",
        letter.html
    );
    let (page, token) = link.split_once("?token=").expect("a token");
    assert_eq!(page, "https://app.example.com/sign-up/complete");
    let body = json!({ "token": token, "name": "Ada", "password": PASSWORD });
    let done = browser
        .send("POST", "/v1/auth/sign-up/finish", Some(body))
        .await;
    assert_eq!(done.0, 201, "{}", done.1);
    becomes(&app, SENT, 1).await;
    let emptied = "SELECT count(*) FROM control.mail WHERE text_body = '' AND html_body = ''";
    assert_eq!(app.count(emptied).await, 1);
    sender.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_now_is_sent_again() {
    let (app, sink) = (App::new(database().await), sink().await);
    sink.refuse("451 later", 2);
    let sender = Sender::start(&app.db, &settings(&sink)).expect("mail is sent");
    let body = json!({ "email": ADA });
    app.browser()
        .send("POST", "/v1/auth/sign-up", Some(body))
        .await;
    for tries in 1..=2_i64 {
        let failed = match tries {
            1 => "SELECT count(*) FROM control.mail WHERE last_error IS NOT NULL AND attempts = 1",
            _ => "SELECT count(*) FROM control.mail WHERE last_error IS NOT NULL AND attempts = 2",
        };
        becomes(&app, failed, 1).await;
        let waits = "SELECT count(*) FROM control.mail WHERE state = 'waiting'
            AND next_at > now() + interval '20 seconds'";
        assert_eq!(app.count(waits).await, 1);
        app.execute("UPDATE control.mail SET next_at = now()").await;
    }
    becomes(&app, SENT, 1).await;
    assert_eq!(sink.letters().len(), 1);
    sender.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_dead_and_says_why() {
    let (app, sink) = (App::new(database().await), sink().await);
    sink.refuse("550 no such mailbox", 1);
    let sender = Sender::start(&app.db, &settings(&sink)).expect("mail is sent");
    let body = json!({ "email": ADA });
    app.browser()
        .send("POST", "/v1/auth/sign-up", Some(body))
        .await;
    becomes(&app, DEAD, 1).await;
    let error = "SELECT count(*) FROM control.mail
        WHERE last_error = 'the server answered 550' AND text_body = ''";
    assert_eq!(app.count(error).await, 1);
    sender.stop().await;
}

#[tokio::test]
async fn two_nodes_send_each_letter_once() {
    let (app, sink) = (App::new(database().await), sink().await);
    for number in 0..20 {
        let body = json!({ "email": format!("somebody{number}@example.com") });
        let answer = app
            .browser()
            .send("POST", "/v1/auth/sign-up", Some(body))
            .await;
        assert_eq!(answer.0, 202);
    }
    let senders = [settings(&sink), settings(&sink)]
        .map(|settings| Sender::start(&app.db, &settings).expect("mail is sent"));
    becomes(&app, SENT, 20).await;
    let mut ids: Vec<String> = sink
        .letters()
        .into_iter()
        .map(|letter| letter.message_id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), sink.letters().len()), (20, 20));
    for sender in senders {
        sender.stop().await;
    }
}

#[tokio::test]
async fn unusable_settings_are_named_without_their_secrets() {
    let app = App::new(database().await);
    for (url, from, key) in [
        (
            "http://user:hunter22@example.com",
            "a@example.com",
            "mail.smtp_url",
        ),
        ("smtp://user:hunter22@example.com", "nobody", "mail.from"),
    ] {
        let settings = MailSettings {
            smtp_url: Secret::new(url),
            from: from.into(),
        };
        let error = Sender::start(&app.db, &settings).expect_err(url);
        assert!(error.to_string().contains(key), "{error}");
        assert!(!format!("{error} {error:?} {settings:?}").contains("hunter22"));
    }
}
