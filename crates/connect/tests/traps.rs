//! The traps of signatures and timestamps, provider by provider.

mod common;

use common::{
    CURRENT, FORM, JSON, NOW, PREVIOUS, at, get, post, refused, signed, verify, verify_at, webhook,
    with_header,
};
use connect::catalogue::Verifier;
use connect::webhook::{Reason, SignableRequest, generate};
use http::HeaderValue;

fn header(request: &SignableRequest, name: &str) -> String {
    request.headers[name].to_str().expect("text").to_owned()
}

fn set(request: &mut SignableRequest, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("a header value");
    request.headers.insert(name, value);
}

#[test]
fn one_header_name_has_two_encodings() {
    for (hex, base64) in [("whatsapp", "genesys"), ("github", "genesys")] {
        let hex_signed = signed(&webhook(hex), post(JSON, "{}"), "secret");
        let base64_signed = signed(&webhook(base64), post(JSON, "{}"), "secret");
        assert_eq!(verify(&webhook(hex), &hex_signed, "secret"), CURRENT);
        assert_eq!(verify(&webhook(base64), &base64_signed, "secret"), CURRENT);
        assert!(!verify(&webhook(base64), &hex_signed, "secret").is_verified());
        assert_eq!(
            verify(&webhook(hex), &base64_signed, "secret"),
            refused(Reason::MalformedSignature)
        );
    }
}

#[test]
fn whsec_is_literal_for_stripe_and_base64_for_standard_webhooks() {
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let bare = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let stripe = webhook("stripe");
    let request = signed(&stripe, post(JSON, "{}"), secret);
    assert_eq!(verify(&stripe, &request, secret), CURRENT);
    assert_eq!(
        verify(&stripe, &request, bare),
        refused(Reason::SignatureMismatch)
    );
    let resend = webhook("resend");
    let request = signed(&resend, post(JSON, "{}"), secret);
    assert_eq!(verify(&resend, &request, secret), CURRENT);
    assert_eq!(verify(&resend, &request, bare), CURRENT);
}

#[test]
fn a_key_in_base64_may_lack_its_padding_but_must_be_base64() {
    let resend = webhook("resend");
    let request = signed(&resend, post(JSON, "{}"), "whsec_c2VjcmV0IQ==");
    assert_eq!(verify(&resend, &request, "whsec_c2VjcmV0IQ"), CURRENT);
    assert_eq!(
        verify(&resend, &request, "whsec_not base64"),
        refused(Reason::UnusableSecret)
    );
}

#[test]
fn upper_case_hex_is_refused_except_where_the_provider_reads_it() {
    for provider in ["whatsapp", "github", "linear", "slack", "vapi"] {
        let webhook = webhook(provider);
        let way = webhook.verify.iter().find(|way| {
            matches!(way, Verifier::Signature(scheme)
                if scheme.encoding == connect::catalogue::Encoding::Hex)
        });
        let Some(way @ Verifier::Signature(scheme)) = way else {
            panic!("{provider} signs in hex");
        };
        let mut request = post(JSON, "{}");
        way.sign(&mut request, &"secret".to_owned().into(), at(NOW))
            .expect("signs");
        let connect::webhook::Selector::Header(name) = &scheme.at else {
            panic!("{provider} signs in a header");
        };
        let value = request.headers[name].to_str().expect("text").to_owned();
        let hex = value.strip_prefix(&scheme.prefix).expect("the prefix");
        let upper = format!("{}{}", scheme.prefix, hex.to_ascii_uppercase());
        request
            .headers
            .insert(name, HeaderValue::from_str(&upper).expect("a value"));
        assert_eq!(
            verify(&webhook, &request, "secret"),
            refused(Reason::MalformedSignature),
            "{provider}"
        );
    }
    let discord = webhook("discord");
    let pair = generate(&discord.verify[0]).expect("keys");
    let mut request = signed(&discord, post(JSON, "{}"), pair.signing.expose());
    let upper = header(&request, "x-signature-ed25519").to_ascii_uppercase();
    set(&mut request, "x-signature-ed25519", &upper);
    assert_eq!(verify(&discord, &request, pair.verifying.expose()), CURRENT);
}

#[test]
fn every_way_accepts_the_previous_secret_and_refuses_empty_ones() {
    for provider in connect::catalogue::Catalogue::builtin().iter() {
        let Some(webhook) = &provider.webhook else {
            continue;
        };
        for way in &webhook.verify {
            let old = generate(way).expect("keys");
            let new = generate(way).expect("keys");
            let mut request = post(JSON, r#"{"type":"x"}"#);
            way.sign(&mut request, &old.signing, at(NOW))
                .expect("signs");
            let (old, new) = (old.verifying.expose(), new.verifying.expose());
            let id = &provider.id;
            let rotated = verify_at(webhook, &request, new, Some(old), at(NOW));
            assert_eq!(rotated, PREVIOUS, "{id}");
            assert_eq!(verify(webhook, &request, old), CURRENT, "{id}");
            assert!(!verify(webhook, &request, new).is_verified(), "{id}");
            for empty in ["", " ", "\n"] {
                let verdict = verify(webhook, &request, empty);
                assert_eq!(verdict, refused(Reason::EmptySecret), "{id}");
                let verdict = verify_at(webhook, &request, new, Some(empty), at(NOW));
                assert!(!verdict.is_verified(), "{id}");
                let verdict = verify_at(webhook, &request, empty, Some(old), at(NOW));
                assert_eq!(verdict, PREVIOUS, "{id}");
            }
        }
    }
}

/// An empty key is a valid HMAC key, so a request signed with it must not pass either.
#[test]
fn nothing_verifies_against_an_empty_secret_even_if_signed_with_one() {
    let request = with_header(
        post(JSON, "x"),
        "x-hub-signature-256",
        // HMAC-SHA256 of "x" under the empty key.
        "sha256=4cbc96099a6467ce002461f10549b4898265ebe6188b45efacc44293516e62c4",
    );
    for secret in ["", " "] {
        assert_eq!(
            verify(&webhook("whatsapp"), &request, secret),
            refused(Reason::EmptySecret)
        );
    }
    let empty_token = with_header(post(JSON, "{}"), "x-telegram-bot-api-secret-token", "");
    assert!(!verify(&webhook("telegram"), &empty_token, "").is_verified());
    let whsec = signed(&webhook("resend"), post(JSON, "{}"), "whsec_c2VjcmV0");
    assert_eq!(
        verify(&webhook("resend"), &whsec, "whsec_"),
        refused(Reason::EmptySecret)
    );
}

#[test]
fn windows_bound_the_past_and_the_future() {
    // Provider, its window in seconds (past, future).
    let cases = [
        ("slack", 300, 300),
        ("stripe", 300, 300),
        ("resend", 300, 300),
        ("elevenlabs", 1800, 300),
        ("linear", 60, 60),
        ("discord", 300, 300),
        ("vapi", 300, 300),
        ("sendgrid", 259_200, 300),
        ("mailgun", 36_000, 300),
    ];
    for (provider, past, future) in cases {
        let webhook = webhook(provider);
        let pair = generate(&webhook.verify[0]).expect("keys");
        let request = signed(&webhook, post(JSON, "{}"), pair.signing.expose());
        let judged = |seconds| {
            let key = pair.verifying.expose();
            verify_at(&webhook, &request, key, None, at(NOW + seconds))
        };
        assert_eq!(judged(past), CURRENT, "{provider}");
        assert_eq!(judged(past + 1), refused(Reason::TooOld), "{provider}");
        assert_eq!(judged(-future), CURRENT, "{provider}");
        assert_eq!(
            judged(-future - 1),
            refused(Reason::TooFarAhead),
            "{provider}"
        );
    }
}

#[test]
fn a_stale_request_with_a_wrong_signature_is_a_mismatch() {
    let slack = webhook("slack");
    let request = signed(&slack, post(JSON, "{}"), "secret");
    assert_eq!(
        verify_at(&slack, &request, "other", None, at(NOW + 9_999)),
        refused(Reason::SignatureMismatch)
    );
}

#[test]
fn a_timestamp_is_digits_and_nothing_else() {
    let slack = webhook("slack");
    let request = signed(&slack, post(JSON, "{}"), "secret");
    for malformed in [
        "soon",
        "-1700000000",
        "+1700000000",
        "1.7e9",
        "0x10",
        "99999999999999999999",
        "1700000000 0",
    ] {
        let mut request = request.clone();
        set(&mut request, "x-slack-request-timestamp", malformed);
        assert_eq!(
            verify(&slack, &request, "secret"),
            refused(Reason::MalformedTimestamp),
            "{malformed}"
        );
    }
    let mut missing = request.clone();
    missing.headers.remove("x-slack-request-timestamp");
    assert_eq!(
        verify(&slack, &missing, "secret"),
        refused(Reason::MissingTimestamp)
    );
    let mut later = request;
    set(&mut later, "x-slack-request-timestamp", "1700000001");
    assert_eq!(
        verify(&slack, &later, "secret"),
        refused(Reason::SignatureMismatch)
    );
}

#[test]
fn linears_unsigned_timestamp_header_counts_for_nothing() {
    let linear = webhook("linear");
    let way = &linear.verify[0];
    let Verifier::Signature(scheme) = way else {
        panic!("linear signs");
    };
    // Signed over a body without `webhookTimestamp`, as an old or foreign sender would.
    let mut bare = scheme.clone();
    bare.timestamp = None;
    let mut request = post(JSON, r#"{"action":"create"}"#);
    Verifier::Signature(bare)
        .sign(&mut request, &"secret".to_owned().into(), at(NOW))
        .expect("signs");
    let request = with_header(request, "linear-timestamp", "1700000000000");
    assert_eq!(
        verify(&linear, &request, "secret"),
        refused(Reason::MissingTimestamp)
    );
}

#[test]
fn one_header_may_hold_several_signatures() {
    let stripe = webhook("stripe");
    let request = signed(&stripe, post(JSON, "{}"), "secret");
    let good = header(&request, "stripe-signature");
    let (time, good) = good.split_once(',').expect("t and v1");
    let wrong = format!("v1={}", "0".repeat(64));
    for (value, expected) in [
        (format!("{time},{wrong},{good}"), CURRENT),
        (format!("{time},{good},{wrong}"), CURRENT),
        (format!("{time},v1=unreadable,{good}"), CURRENT),
        (format!("{time}, {good}"), CURRENT),
        (format!("{good},{time}"), CURRENT),
        (
            format!("{time},{wrong}"),
            refused(Reason::SignatureMismatch),
        ),
        // Only the scheme v1 counts: v0 is Stripe's test scheme.
        (
            format!("{time},{}", good.replace("v1", "v0")),
            refused(Reason::MalformedSignature),
        ),
        (time.to_owned(), refused(Reason::MalformedSignature)),
        (good.to_owned(), refused(Reason::MissingTimestamp)),
        (format!("t=x,{good}"), refused(Reason::MalformedTimestamp)),
        (format!("t=,{good}"), refused(Reason::MalformedTimestamp)),
        (
            format!("{time},t=1,{good}"),
            refused(Reason::MalformedTimestamp),
        ),
        (
            format!("{time}{}", format!(",{good}").repeat(17)),
            refused(Reason::MalformedSignature),
        ),
    ] {
        let mut request = request.clone();
        set(&mut request, "stripe-signature", &value);
        assert_eq!(verify(&stripe, &request, "secret"), expected, "{value}");
    }

    let resend = webhook("resend");
    let request = signed(&resend, post(JSON, "{}"), "whsec_c2VjcmV0");
    let good = header(&request, "svix-signature");
    let other = signed(&resend, post(JSON, "{}"), "whsec_b3RoZXI=");
    let other = header(&other, "svix-signature");
    for (value, expected) in [
        (format!("{other} {good}"), CURRENT),
        (format!("v1a,AAAA v2,zzz {good}"), CURRENT),
        (
            good.replace("v1,", "v1a,"),
            refused(Reason::MalformedSignature),
        ),
        (good.replace("v1,", ""), refused(Reason::MalformedSignature)),
    ] {
        let mut request = request.clone();
        set(&mut request, "svix-signature", &value);
        assert_eq!(
            verify(&resend, &request, "whsec_c2VjcmV0"),
            expected,
            "{value}"
        );
    }
}

#[test]
fn a_message_id_without_dots_is_needed_where_it_is_signed() {
    let resend = webhook("resend");
    let request = signed(&resend, post(JSON, "{}"), "whsec_c2VjcmV0");
    let mut missing = request.clone();
    missing.headers.remove("svix-id");
    assert_eq!(
        verify(&resend, &missing, "whsec_c2VjcmV0"),
        refused(Reason::MissingId)
    );
    let dotted = with_header(post(JSON, "{}"), "svix-id", "msg.1");
    let dotted = signed(&resend, dotted, "whsec_c2VjcmV0");
    assert_eq!(
        verify(&resend, &dotted, "whsec_c2VjcmV0"),
        refused(Reason::MalformedId)
    );
}

#[test]
fn a_repeated_header_is_refused() {
    let cases = [
        ("whatsapp", "x-hub-signature-256", "secret"),
        ("slack", "x-slack-request-timestamp", "secret"),
        ("resend", "svix-id", "whsec_c2VjcmV0"),
        ("telegram", "x-telegram-bot-api-secret-token", "secret"),
        ("postmark", "authorization", "user:password"),
        ("twilio", "x-twilio-signature", "secret"),
    ];
    for (provider, name, secret) in cases {
        let webhook = webhook(provider);
        let request = signed(&webhook, post(JSON, "{}"), secret);
        assert_eq!(verify(&webhook, &request, secret), CURRENT, "{provider}");
        let same = header(&request, name);
        let repeated = with_header(request, name, &same);
        assert_eq!(
            verify(&webhook, &repeated, secret),
            refused(Reason::RepeatedHeader),
            "{provider}"
        );
    }
}

#[test]
fn a_request_without_any_signature_is_refused() {
    for provider in connect::catalogue::Catalogue::builtin().iter() {
        if let Some(webhook) = &provider.webhook {
            for request in [
                post(JSON, "{}"),
                post(FORM, "a=b"),
                get("https://h.example/"),
            ] {
                assert_eq!(
                    verify(webhook, &request, "secret"),
                    refused(Reason::MissingSignature),
                    "{}",
                    provider.id
                );
            }
        }
    }
}

#[test]
fn vapi_is_read_in_each_way_it_can_be_set_up() {
    let vapi = webhook("vapi");
    let body = r#"{"message":{"type":"hang"}}"#;
    let bearer = with_header(post(JSON, body), "authorization", "Bearer secret");
    assert_eq!(verify(&vapi, &bearer, "secret"), CURRENT);
    let legacy = with_header(post(JSON, body), "x-vapi-secret", "secret");
    assert_eq!(verify(&vapi, &legacy, "secret"), CURRENT);
    let basic = with_header(post(JSON, body), "authorization", "Basic secret");
    assert_eq!(
        verify(&vapi, &basic, "secret"),
        refused(Reason::MalformedSignature)
    );
    // The strongest way present decides: a wrong signature is not saved by a right token.
    let both = with_header(legacy, "x-signature", &"0".repeat(64));
    let both = with_header(both, "x-timestamp", "1700000000");
    assert_eq!(
        verify(&vapi, &both, "secret"),
        refused(Reason::SignatureMismatch)
    );
}

/// Routes forward mail with attachments as multipart forms, which hold the triple as fields.
#[test]
fn mailgun_is_also_read_from_multipart_forms() {
    let mailgun = webhook("mailgun");
    let form = signed(&mailgun, post(FORM, "recipient=a"), "key");
    let fields = String::from_utf8(form.body).expect("text");
    let multipart = |fields: &str| {
        let parts: String = fields
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
            })
            .collect();
        post(
            "multipart/form-data; boundary=b",
            &format!("{parts}--b--\r\n"),
        )
    };
    assert_eq!(verify(&mailgun, &multipart(&fields), "key"), CURRENT);
    assert_eq!(
        verify(&mailgun, &multipart(&fields), "other"),
        refused(Reason::SignatureMismatch)
    );
    // A second, contradicting field leaves no single signature to check.
    let twice = format!("{fields}&signature=00");
    assert_eq!(
        verify(&mailgun, &multipart(&twice), "key"),
        refused(Reason::MissingSignature)
    );
}

/// Nothing separates Mailgun's time from its token, so a moved digit signs the same text. The
/// window is what refuses it.
#[test]
fn digits_cannot_move_between_mailguns_time_and_token() {
    let mailgun = webhook("mailgun");
    let form = signed(&mailgun, post(FORM, "token=1234abcd"), "key");
    let text = String::from_utf8(form.body.clone()).expect("text");
    for (token, time, expected) in [
        ("token=1234abcd", "timestamp=1700000000", CURRENT),
        (
            "token=234abcd",
            "timestamp=17000000001",
            refused(Reason::TooFarAhead),
        ),
        (
            "token=01234abcd",
            "timestamp=170000000",
            refused(Reason::TooOld),
        ),
    ] {
        let mut moved = form.clone();
        let body = text
            .replace("token=1234abcd", token)
            .replace("timestamp=1700000000", time);
        moved.body = body.into_bytes();
        assert_eq!(verify(&mailgun, &moved, "key"), expected, "{time}");
    }
}

#[test]
fn an_unusable_public_key_is_told_from_a_wrong_one() {
    for (provider, key) in [("discord", "00ff"), ("sendgrid", "AAAA"), ("discord", "zz")] {
        let webhook = webhook(provider);
        let pair = generate(&webhook.verify[0]).expect("keys");
        let request = signed(&webhook, post(JSON, "[]"), pair.signing.expose());
        assert_eq!(
            verify(&webhook, &request, key),
            refused(Reason::UnusableSecret),
            "{provider}"
        );
    }
}

#[test]
fn static_secrets_are_named_for_redaction() {
    let names = |provider| -> Vec<String> {
        let webhook = webhook(provider);
        webhook.secret_headers().map(ToString::to_string).collect()
    };
    assert_eq!(names("telegram"), ["x-telegram-bot-api-secret-token"]);
    assert_eq!(names("google_calendar"), ["x-goog-channel-token"]);
    assert_eq!(names("postmark"), ["authorization"]);
    assert_eq!(names("vapi"), ["x-vapi-secret", "authorization"]);
    assert!(names("whatsapp").is_empty());
}

#[test]
fn reasons_have_distinct_codes_and_whole_sentences() {
    let codes: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|r| r.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        assert!(reason.explain().ends_with('.'), "{}", reason.code());
    }
}
