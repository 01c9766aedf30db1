//! Twilio's rule: URL spellings, form parameters, and bodies that only a hash in the URL covers.

mod common;

use common::{CURRENT, FORM, JSON, at, get, post, refused, signed, verify, webhook, with_header};
use connect::webhook::{Reason, SignableRequest};

fn moved(request: &SignableRequest, url: &str) -> SignableRequest {
    SignableRequest {
        url: url.to_owned(),
        ..request.clone()
    }
}

fn form(url: &str, body: &str) -> SignableRequest {
    moved(&post(FORM, body), url)
}

#[test]
fn all_four_spellings_of_a_url_verify() {
    let twilio = webhook("twilio");
    let configured = "https://h.example/a?q=it's";
    for as_signed in [
        "https://h.example/a?q=it's",
        "https://h.example:443/a?q=it's",
        "https://h.example/a?q=it%27s",
        "https://h.example:443/a?q=it%27s",
    ] {
        let request = signed(&twilio, form(as_signed, "CallSid=CA1"), "token");
        let received = moved(&request, configured);
        assert_eq!(verify(&twilio, &received, "token"), CURRENT, "{as_signed}");
    }
    let request = signed(&twilio, form("https://h.example/a", "CallSid=CA1"), "token");
    assert_eq!(
        verify(
            &twilio,
            &moved(&request, "https://h.example:8443/a"),
            "token"
        ),
        CURRENT,
        "a port of our own may be missing from what was signed"
    );
    for other in [
        "https://h.example/b",
        "http://h.example/a",
        "https://evil.example/a",
        "https://h.example/a?x=1",
        "https://h.example/a/",
    ] {
        assert_eq!(
            verify(&twilio, &moved(&request, other), "token"),
            refused(Reason::SignatureMismatch),
            "{other}"
        );
    }
}

#[test]
fn parameters_are_signed_sorted_and_without_duplicates() {
    let twilio = webhook("twilio");
    let request = signed(&twilio, form("https://h.example/a", "B=2&A=z&A=b"), "token");
    for same in ["A=b&A=z&B=2", "A=z&A=b&A=b&B=2", "%41=b&A=z&B=2"] {
        let mut received = request.clone();
        received.body = same.as_bytes().to_vec();
        assert_eq!(verify(&twilio, &received, "token"), CURRENT, "{same}");
    }
    for (changed, reason) in [
        ("A=b&B=2", Reason::SignatureMismatch),
        ("A=b&A=z&B=3", Reason::SignatureMismatch),
        ("A=b&A=z&B=2&C=", Reason::SignatureMismatch),
        ("A=b&A=z&B2", Reason::MalformedBody),
        ("A=%ff&B=2", Reason::MalformedBody),
        ("", Reason::BodyNotCovered),
    ] {
        let mut received = request.clone();
        received.body = changed.as_bytes().to_vec();
        assert_eq!(
            verify(&twilio, &received, "token"),
            refused(reason),
            "{changed}"
        );
    }
}

#[test]
fn a_body_that_is_no_form_needs_its_hash_in_the_url() {
    let twilio = webhook("twilio");
    let request = signed(&twilio, post(JSON, r#"{"a":1}"#), "token");
    assert!(request.url.contains("bodySHA256="));
    assert_eq!(verify(&twilio, &request, "token"), CURRENT);

    let mut other_body = request.clone();
    other_body.body = br#"{"a":2}"#.to_vec();
    assert_eq!(
        verify(&twilio, &other_body, "token"),
        refused(Reason::BodyHashMismatch)
    );

    let without = moved(&request, "https://hooks.example.com/hooks/acme/provider");
    assert_eq!(
        verify(&twilio, &without, "token"),
        refused(Reason::BodyNotCovered)
    );

    let twice = moved(&request, &format!("{}&bodySHA256=00", request.url));
    assert_eq!(
        verify(&twilio, &twice, "token"),
        refused(Reason::BodyNotCovered)
    );
}

/// The signature of a GET or of a hashed body covers the URL alone, so it must not be reusable
/// with a body of one's own.
#[test]
fn a_signature_over_a_url_alone_admits_no_other_body() {
    let twilio = webhook("twilio");
    let asked = signed(&twilio, get("https://h.example/a?CallSid=CA1"), "token");
    assert_eq!(verify(&twilio, &asked, "token"), CURRENT);
    let mut with_body = asked.clone();
    with_body.body = b"Body=pay".to_vec();
    assert_eq!(
        verify(&twilio, &with_body, "token"),
        refused(Reason::BodyNotCovered)
    );
    let mut empty_form = asked;
    empty_form.method = http::Method::POST;
    let empty_form = with_header(empty_form, "content-type", FORM);
    assert_eq!(
        verify(&twilio, &empty_form, "token"),
        refused(Reason::BodyNotCovered)
    );

    let hashed = signed(&twilio, post(JSON, "{}"), "token");
    let mut as_form = hashed;
    as_form
        .headers
        .insert("content-type", FORM.parse().expect("a value"));
    as_form.body = Vec::new();
    assert_eq!(
        verify(&twilio, &as_form, "token"),
        refused(Reason::BodyHashMismatch)
    );
}

#[test]
fn a_media_stream_is_signed_like_a_get_over_its_wss_url() {
    let twilio = webhook("twilio");
    let upgrade = signed(&twilio, get("wss://h.example/voice/acme/stream"), "token");
    assert_eq!(verify(&twilio, &upgrade, "token"), CURRENT);
    let as_https = moved(&upgrade, "https://h.example/voice/acme/stream");
    assert_eq!(
        verify(&twilio, &as_https, "token"),
        refused(Reason::SignatureMismatch)
    );
}

#[test]
fn a_get_is_read_from_its_query() {
    let twilio = webhook("twilio");
    let request =
        get("https://h.example/a?MessageSid=SM1&SmsStatus=received&AccountSid=AC1&To=%2B1");
    let children = twilio.split(&request.as_request(at(0))).expect("splits");
    assert_eq!(children[0].event_kind, "message.received");
    assert_eq!(children[0].dedup_key, "message:SM1:received");
}
