//! What an event is called: its kind, keys and identifiers for every provider, routing, and the
//! tenant assertion.

mod common;

use common::{FORM, JSON, get, meta_batch, one, pairs, post, view, webhook, with_header};
use connect::webhook::{Assertion, SignableRequest, assert_tenant};
use serde_json::{Value, json};

/// Provider, request, kind, dedup key, ordering key, identifiers.
type Case = (
    &'static str,
    SignableRequest,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [(&'static str, &'static str)],
);

fn cases() -> Vec<Case> {
    let github = with_header(
        post(
            JSON,
            r#"{"action":"opened","repository":{"id":5},"issue":{"number":9},"installation":{"id":77}}"#,
        ),
        "x-github-event",
        "issues",
    );
    let github = with_header(github, "x-github-delivery", "72d3162e");
    let github_form = with_header(
        post(
            FORM,
            "payload=%7B%22action%22%3A%22opened%22%2C%22repository%22%3A%7B%22id%22%3A5%7D%7D",
        ),
        "x-github-event",
        "issues",
    );
    let github_form = with_header(github_form, "x-github-delivery", "72d3162f");
    let calendar = with_header(post(JSON, ""), "x-goog-channel-id", "chan");
    let calendar = with_header(calendar, "x-goog-message-number", "3");
    let calendar = with_header(calendar, "x-goog-resource-id", "res");
    let calendar = with_header(calendar, "x-goog-resource-state", "exists");
    let twilio_retry = with_header(
        post(
            FORM,
            "MessageSid=SM1&SmsSid=SM1&SmsStatus=received&AccountSid=AC1&From=%2B49170&To=%2B1555",
        ),
        "i-twilio-idempotency-token",
        "tok-1",
    );
    vec![
        (
            "telegram",
            post(
                JSON,
                r#"{"update_id":10000,"message":{"chat":{"id":-5},"text":"x"}}"#,
            ),
            "message",
            "update:10000",
            Some("-5"),
            &[],
        ),
        (
            "telegram",
            post(JSON, r#"{"update_id":10001,"something_new":{}}"#),
            "something_new",
            "update:10001",
            None,
            &[],
        ),
        (
            "twilio",
            twilio_retry,
            "message.received",
            "token:tok-1",
            Some("+1555:+49170"),
            &[("account_sid", "AC1"), ("phone_number", "+1555")],
        ),
        // The same conversation as above, although the direction is the other one.
        (
            "twilio",
            post(
                FORM,
                "MessageSid=SM2&MessageStatus=delivered&AccountSid=AC1&From=%2B1555&To=%2B49170",
            ),
            "message.delivered",
            "message:SM2:delivered",
            Some("+1555:+49170"),
            &[("account_sid", "AC1")],
        ),
        (
            "vapi",
            post(
                JSON,
                r#"{"message":{"type":"end-of-call-report","call":{"id":"c-1","assistantId":"a-1","orgId":"o-1"}}}"#,
            ),
            "end-of-call-report",
            "report:c-1",
            Some("c-1"),
            &[("assistant_id", "a-1"), ("org_id", "o-1")],
        ),
        (
            "elevenlabs",
            post(
                JSON,
                r#"{"type":"post_call_transcription","event_timestamp":17,"data":{"agent_id":"ag","conversation_id":"co"}}"#,
            ),
            "post_call_transcription",
            "event:post_call_transcription:co:17",
            Some("co"),
            &[("agent_id", "ag")],
        ),
        (
            "resend",
            with_header(
                post(JSON, r#"{"type":"email.bounced","data":{"email_id":"em"}}"#),
                "svix-id",
                "msg_1",
            ),
            "email.bounced",
            "id:msg_1",
            Some("em"),
            &[],
        ),
        (
            "genesys",
            post(
                JSON,
                r#"{"id":"b4","channel":{"from":{"id":"int"},"to":{"id":"+1"}},"type":"Text"}"#,
            ),
            "message.Text",
            "message:b4:Text",
            Some("int:+1"),
            &[("integration_id", "int")],
        ),
        (
            "slack",
            post(
                JSON,
                r#"{"type":"event_callback","event_id":"Ev1","team_id":"T1","api_app_id":"A1","event":{"type":"message","channel":"C1"}}"#,
            ),
            "message",
            "event:Ev1",
            Some("C1"),
            &[("team_id", "T1"), ("app_id", "A1")],
        ),
        (
            "slack",
            post(
                FORM,
                "command=%2Fhelp&trigger_id=1.2&team_id=T1&api_app_id=A1&channel_id=C1",
            ),
            "command./help",
            "trigger:1.2",
            Some("C1"),
            &[("team_id", "T1"), ("app_id", "A1")],
        ),
        (
            "slack",
            post(
                FORM,
                "payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%229%22%2C%22team%22%3A%7B%22id%22%3A%22T1%22%7D%2C%22api_app_id%22%3A%22A1%22%7D",
            ),
            "interaction.block_actions",
            "trigger:9",
            None,
            &[("team_id", "T1"), ("app_id", "A1")],
        ),
        (
            "linear",
            with_header(
                post(
                    JSON,
                    r#"{"type":"Issue","action":"create","data":{"id":"i1"},"organizationId":"o1"}"#,
                ),
                "linear-delivery",
                "d-1",
            ),
            "Issue.create",
            "delivery:d-1",
            Some("i1"),
            &[("organization_id", "o1")],
        ),
        (
            "github",
            github,
            "issues.opened",
            "delivery:72d3162e",
            Some("5:9"),
            &[("installation_id", "77")],
        ),
        (
            "github",
            github_form,
            "issues.opened",
            "delivery:72d3162f",
            Some("5"),
            &[],
        ),
        (
            "stripe",
            post(
                JSON,
                r#"{"id":"evt_1","type":"invoice.paid","account":"acct_1"}"#,
            ),
            "invoice.paid",
            "event:evt_1",
            None,
            &[("account_id", "acct_1")],
        ),
        (
            "google_calendar",
            calendar,
            "exists",
            "notice:chan:3",
            Some("chan"),
            &[("channel_id", "chan"), ("resource_id", "res")],
        ),
        (
            "mailgun",
            post(
                JSON,
                r#"{"signature":{"token":"tk"},"event-data":{"event":"failed","id":"e"}}"#,
            ),
            "event.failed",
            "token:tk",
            None,
            &[],
        ),
        (
            "mailgun",
            post(FORM, "token=tk2&recipient=a%40b&Message-Id=%3Cm%3E"),
            "inbound",
            "token:tk2",
            Some("<m>"),
            &[],
        ),
        (
            "postmark",
            post(JSON, r#"{"MessageID":"mid","FromFull":{}}"#),
            "Inbound",
            "inbound:mid",
            Some("mid"),
            &[],
        ),
        (
            "discord",
            post(
                JSON,
                r#"{"id":"77","type":2,"application_id":"app","channel_id":"ch"}"#,
            ),
            "interaction.2",
            "interaction:77",
            Some("ch"),
            &[("application_id", "app")],
        ),
    ]
}

#[test]
fn every_provider_has_kinds_keys_and_identifiers() {
    for (provider, request, kind, dedup, ordering, identifiers) in cases() {
        let child = one(provider, &request);
        assert_eq!(child.event_kind, kind, "{provider}");
        assert_eq!(child.dedup_key, dedup, "{provider}");
        assert_eq!(child.ordering_key.as_deref(), ordering, "{provider}");
        assert_eq!(child.identifiers, pairs(identifiers), "{provider}");
        assert_eq!(child.payload, request.body, "{provider}");
    }
}

#[test]
fn without_an_id_the_hash_of_the_body_alone_is_the_dedup_key() {
    let body = r#"{"type":1,"event":{"type":"ENTITLEMENT_CREATE"}}"#;
    let first = with_header(post(JSON, body), "x-signature-timestamp", "1");
    let again = with_header(post(JSON, body), "x-signature-timestamp", "2");
    let key = one("discord", &first).dedup_key;
    assert_eq!(key, one("discord", &again).dedup_key);
    assert_eq!(
        key,
        "sha256:8e6b3b1b541aa12ea594a60f2e7a2481d25aed4475954f72933bc607ee3c71c1"
    );
    assert_ne!(key, one("discord", &post(JSON, "{}")).dedup_key);
}

#[test]
fn repeated_questions_of_one_call_are_different_events() {
    let digit = |digit: &str| {
        let body = format!("CallSid=CA1&CallStatus=in-progress&Digits={digit}&AccountSid=AC1");
        one("twilio", &post(FORM, &body)).dedup_key
    };
    assert_ne!(digit("1"), digit("2"));
    assert_eq!(digit("1"), digit("1"));
}

#[test]
fn keys_of_hostile_values_stay_short_and_distinct() {
    let key = |id: &str| {
        let body = json!({"id": id, "type": "x"}).to_string();
        one("stripe", &post(JSON, &body)).dedup_key
    };
    assert!(key(&"a".repeat(100_000)).len() < 200);
    assert_ne!(key(&"a".repeat(1_000)), key(&"a".repeat(1_001)));
    assert!(!key("a\u{0}b").contains('\u{0}'));
    let genesys = |id: &str, kind: &str| {
        let body = json!({"id": id, "type": kind}).to_string();
        one("genesys", &post(JSON, &body)).dedup_key
    };
    assert_ne!(genesys("a:b", "c"), genesys("a", "b:c"));
    let odd = json!({"id": "e", "type": "a\n\u{1b}[31mb c"}).to_string();
    assert_eq!(one("stripe", &post(JSON, &odd)).event_kind, "a[31mbc");
}

#[test]
fn a_request_is_routed_by_its_own_ids() {
    let whatsapp = webhook("whatsapp");
    let request = post(JSON, &meta_batch().to_string());
    assert_eq!(
        whatsapp.route(&view(&request)).expect("routes"),
        pairs(&[
            ("phone_number_id", "PN1"),
            ("phone_number_id", "PN2"),
            ("waba_id", "WABA1"),
            ("waba_id", "WABA2")
        ])
    );
    let entries: Vec<Value> = (0..1_000).map(|n| json!({"id": n})).collect();
    let flood = post(JSON, &json!({"entry": entries}).to_string());
    assert!(whatsapp.route(&view(&flood)).expect("routes").len() <= 16);
    let none = get("https://h.example/");
    assert!(
        webhook("telegram")
            .route(&view(&none))
            .expect("routes")
            .is_empty()
    );
}

#[test]
fn the_tenant_assertion_refuses_foreign_ids_and_ignores_unregistered_kinds() {
    let own = pairs(&[("team_id", "T1"), ("team_id", "T2"), ("app_id", "A1")]);
    let check = |payload: &[(&str, &str)]| assert_tenant(&pairs(payload), &own);
    assert_eq!(check(&[("team_id", "T2")]), Assertion::Owned);
    assert_eq!(
        check(&[("team_id", "T1"), ("other", "x")]),
        Assertion::Owned
    );
    assert_eq!(check(&[("other", "x")]), Assertion::Unidentified);
    assert_eq!(check(&[]), Assertion::Unidentified);
    for payload in [
        &[("team_id", "T1"), ("app_id", "A9")][..],
        &[("app_id", "A9"), ("team_id", "T1")],
        &[("team_id", "T1"), ("app_id", "A1"), ("app_id", "A9")],
    ] {
        assert_eq!(
            check(payload),
            Assertion::Foreign {
                kind: "app_id".to_owned(),
                value: "A9".to_owned()
            }
        );
    }
}

#[test]
fn acknowledgements_are_fixed() {
    let ack = |provider: &str| {
        let ack = webhook(provider).ack();
        (ack.status, ack.content_type, ack.body)
    };
    assert_eq!(ack("telegram"), (200, None, String::new()));
    let twiml = Some("text/xml; charset=utf-8".to_owned());
    assert_eq!(
        ack("twilio"),
        (200, twiml, "<Response></Response>".to_owned())
    );
    let json = Some("application/json".to_owned());
    assert_eq!(ack("vapi"), (200, json, "{}".to_owned()));
    assert_eq!(ack("slack"), (200, None, String::new()));
    assert_eq!(ack("discord"), (204, None, String::new()));
}
