//! The cookies of a session, of a sign-in that waits, and of a message: as narrow as the public
//! address allows, and believed under their own name alone.

use http::header;

use crate::{common::TestNode, site::Answer};

/// Checks one `Set-Cookie`, and gives its name and value.
fn checked(set: &str, secure: bool) -> (String, String) {
    let mut parts = set.split(';').map(str::trim);
    let (name, value) = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .expect(set);
    let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
    let has = |wanted: &str| attributes.iter().any(|found| found == wanted);
    assert!(
        has("path=/") && has("httponly") && has("samesite=lax"),
        "{set}"
    );
    assert!(
        !attributes.iter().any(|found| found.starts_with("domain")),
        "{set}"
    );
    // Browsers refuse the prefix without the attribute, and either of the two by http.
    assert_eq!(has("secure"), secure, "{set}");
    assert_eq!(name.starts_with("__Host-"), secure, "{set}");
    (name.to_owned(), value.to_owned())
}

async fn asked(node: &TestNode, path: &str, cookie: &str) -> Answer {
    let request = node.client.get(format!("{}{path}", node.url));
    Answer::to(request.header(header::COOKIE, cookie)).await
}

async fn sent(node: &TestNode, path: &str) -> Answer {
    let request = node.client.post(format!("{}{path}", node.url));
    Answer::to(request.header("sec-fetch-site", "same-origin")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_narrow_and_go_by_one_name() {
    for (public_url, secure) in [
        ("http://localhost", false),
        ("https://freehold.example", true),
    ] {
        let node = TestNode::configured(|config| config.public_url = public_url.to_owned()).await;
        node.account("ada@example.com", "Ada", None).await;
        let prefix = if secure { "__Host-" } else { "" };

        let session = node.set_cookies("ada@example.com").await;
        let session: Vec<_> = session.iter().map(|set| checked(set, secure)).collect();
        let (name, token) = &session[0];
        assert_eq!(*name, format!("{prefix}freehold_session"));
        assert!(token.len() >= 43, "256 bits");
        for (cookie, status) in [
            (format!("{prefix}freehold_session={token}"), 200),
            (format!("a=b; {prefix}freehold_session={token}; c=d"), 200),
            (
                format!("freehold_session={token}"),
                if secure { 401 } else { 200 },
            ),
            (
                format!("__Host-freehold_session={token}"),
                if secure { 200 } else { 401 },
            ),
            (format!("__host-freehold_session={token}"), 401),
            (format!("{prefix}freehold_sign_in={token}"), 401),
            (format!("{prefix}freehold_session={token}x"), 401),
        ] {
            let answer = asked(&node, "/v1/me", &cookie).await;
            assert_eq!(answer.status, status, "{public_url} {cookie}");
        }

        let waiting = sent(&node, "/sign-in/passkey/options").await;
        assert_eq!(waiting.status, 200, "{}", waiting.text);
        let [waiting] = waiting.set_cookies()[..] else {
            panic!("one cookie: {waiting:?}");
        };
        assert_eq!(
            checked(waiting, secure).0,
            format!("{prefix}freehold_sign_in")
        );

        let out = sent(&node, "/sign-out").await;
        let set = out.set_cookies();
        let set: Vec<_> = set.into_iter().map(|set| checked(set, secure)).collect();
        let flash = set
            .iter()
            .find(|(name, _)| name.ends_with("freehold_flash"));
        let (name, text) = flash.expect("a message");
        let told = asked(&node, "/sign-in", &format!("{name}={text}")).await;
        assert!(told.text.contains("You are signed out."));
        let [cleared] = told.set_cookies()[..] else {
            panic!("one cookie: {:?}", told.set_cookies());
        };
        assert_eq!(checked(cleared, secure).1, "");
        assert!(cleared.contains("Max-Age=0"), "{cleared}");
        // A sibling domain could have written this one.
        let other = if secure { "" } else { "__Host-" };
        let planted = format!("{other}freehold_flash=danger.Call%20us");
        let told = asked(&node, "/sign-in", &planted).await;
        assert!(!told.text.contains("Call us"));
        node.stop().await;
    }
}
