//! Handshakes: what is answered before, after and without verification.

mod common;

use common::{FORM, JSON, get, post, view, webhook};
use connect::webhook::{FixedResponse, Handshake, Secrets};
use kernel::secret::Secret;

fn respond(status: u16, content_type: Option<&str>, body: &str) -> Handshake {
    Handshake::Respond(FixedResponse {
        status,
        content_type: content_type.map(str::to_owned),
        body: body.to_owned(),
    })
}

fn meta(query: &str, current: &str, previous: Option<&str>) -> Handshake {
    let request = get(&format!("https://h.example/hooks/acme/whatsapp?{query}"));
    let current = Secret::new(current);
    let previous = previous.map(Secret::new);
    let secrets = Secrets {
        current: &current,
        previous: previous.as_ref(),
    };
    webhook("whatsapp").handshake_unsigned(&view(&request), Some(&secrets))
}

const CHALLENGE: &str = "hub.mode=subscribe&hub.verify_token=let%20me+in&hub.challenge=1158201444";

#[test]
fn meta_is_answered_the_bare_challenge_for_the_right_token() {
    let answer = respond(200, Some("text/plain; charset=utf-8"), "1158201444");
    assert_eq!(meta(CHALLENGE, "let me in", None), answer);
    assert_eq!(meta(CHALLENGE, "new", Some("let me in")), answer);
    assert_eq!(
        webhook("whatsapp").verify_token_field(),
        Some("verify_token")
    );
}

#[test]
fn meta_is_answered_nothing_otherwise() {
    assert_eq!(meta(CHALLENGE, "other", None), Handshake::None);
    let wrong = CHALLENGE.replace("let%20me+in", "let%20me+out");
    assert_eq!(
        meta(&wrong, "let me in", Some("let me in")),
        Handshake::None
    );
    assert_eq!(meta(CHALLENGE, "", None), Handshake::None);
    assert_eq!(meta(CHALLENGE, "other", Some("")), Handshake::None);
    for query in [
        "hub.mode=subscribe&hub.verify_token=&hub.challenge=1",
        "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=unsubscribe&hub.verify_token=t&hub.challenge=1",
        "hub.verify_token=t&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=t",
        "hub.mode=subscribe&hub.verify_token=t&hub.verify_token=u&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=t&hub.challenge=%3Cscript%3E%20x",
        "",
    ] {
        assert_eq!(meta(query, "t", None), Handshake::None, "{query}");
        assert_eq!(meta(query, "", None), Handshake::None, "{query}");
    }
    let request = get(&format!("https://h.example/?{CHALLENGE}"));
    let whatsapp = webhook("whatsapp");
    assert_eq!(
        whatsapp.handshake_unsigned(&view(&request), None),
        Handshake::None
    );
    // Signed handshakes are others: a challenge must not be answered without its token.
    assert_eq!(whatsapp.handshake_signed(&view(&request)), Handshake::None);
    let mut posted = request;
    posted.method = http::Method::POST;
    let token = Secret::new("let me in");
    let secrets = Secrets {
        current: &token,
        previous: None,
    };
    assert_eq!(
        whatsapp.handshake_unsigned(&view(&posted), Some(&secrets)),
        Handshake::None
    );
}

#[test]
fn slacks_url_verification_is_answered_only_as_a_signed_request() {
    let slack = webhook("slack");
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","token":"t"}"#;
    let request = post(JSON, body);
    assert_eq!(
        slack.handshake_unsigned(&view(&request), None),
        Handshake::None
    );
    assert_eq!(
        slack.handshake_signed(&view(&request)),
        respond(
            200,
            Some("text/plain; charset=utf-8"),
            "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
        )
    );
    let message = post(JSON, r#"{"type":"event_callback","challenge":"x"}"#);
    assert_eq!(slack.handshake_signed(&view(&message)), Handshake::None);
}

#[test]
fn slacks_certificate_check_gets_an_empty_answer_and_nothing_else() {
    let slack = webhook("slack");
    for request in [
        post(FORM, "ssl_check=1&token=abc"),
        get("https://h.example/hooks/acme/slack?ssl_check=1&token=abc"),
    ] {
        assert_eq!(
            slack.handshake_unsigned(&view(&request), None),
            respond(200, None, "")
        );
    }
    let command = post(FORM, "command=%2Fhelp&ssl_check=0");
    assert_eq!(
        slack.handshake_unsigned(&view(&command), None),
        Handshake::None
    );
}

#[test]
fn discords_two_pings_differ_from_its_events() {
    let discord = webhook("discord");
    let signed = |body| discord.handshake_signed(&view(&post(JSON, body)));
    assert_eq!(
        signed(r#"{"id":"7","application_id":"1","type":1,"version":1}"#),
        respond(200, Some("application/json"), r#"{"type":1}"#)
    );
    assert_eq!(
        signed(r#"{"version":1,"application_id":"1","type":0}"#),
        respond(204, None, "")
    );
    for event in [
        r#"{"version":1,"application_id":"1","type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}"#,
        r#"{"id":"7","type":2,"data":{}}"#,
        "not json",
    ] {
        assert_eq!(signed(event), Handshake::None, "{event}");
    }
    let ping = post(JSON, r#"{"type":1}"#);
    assert_eq!(
        discord.handshake_unsigned(&view(&ping), None),
        Handshake::None
    );
}
