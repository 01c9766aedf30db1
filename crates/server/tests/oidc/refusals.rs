//! What does not sign anybody in, each with its stable code, and nothing left behind.

use futures_util::future::join_all;
use sandbox::OidcFault;

use crate::{
    browser::{Browser, SIMULATED, accounts, configured, node},
    common::TestNode,
};

async fn nothing_happened(node: &TestNode, what: &str) {
    assert_eq!(accounts(node).await, 0, "{what}");
    let sessions = node.number("SELECT count(*) FROM control.session").await;
    assert_eq!(sessions, 0, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_provider_is_refused() {
    let node = node().await;
    let browser = Browser::new(&node);
    // The faults strike a provider whose key is known as well as one that is asked first.
    for (fault, status, code) in [
        (OidcFault::Denied, 403, "sign_in_denied"),
        (OidcFault::OtherIssuerAnswers, 403, "sign_in_invalid"),
        (OidcFault::NoIssuerAnswers, 403, "sign_in_invalid"),
        (OidcFault::WrongNonce, 403, "sign_in_invalid"),
        (OidcFault::NoNonce, 403, "sign_in_invalid"),
        (OidcFault::WrongIssuer, 403, "sign_in_invalid"),
        (OidcFault::WrongAudience, 403, "sign_in_invalid"),
        (OidcFault::ExtraAudience, 403, "sign_in_invalid"),
        (OidcFault::WrongParty, 403, "sign_in_invalid"),
        (OidcFault::Expired, 403, "sign_in_invalid"),
        (OidcFault::Old, 403, "sign_in_invalid"),
        (OidcFault::BadSignature, 403, "sign_in_invalid"),
        (OidcFault::UnknownKey, 403, "sign_in_invalid"),
        (OidcFault::AlgNone, 403, "sign_in_invalid"),
        (OidcFault::AlgHs256, 403, "sign_in_invalid"),
    ] {
        node.sandbox.oidc().plan(fault);
        let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
        assert_eq!((answer.status, answer.code()), (status, code), "{fault:?}");
        assert!(!answer.opened_a_session(), "{fault:?}");
        nothing_happened(&node, &format!("{fault:?}")).await;
    }
    let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
    assert_eq!(answer.status, 303, "it was the faults: {}", answer.text);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_is_told_as_such() {
    let node = node().await;
    let browser = Browser::new(&node);
    let page = browser.leave(SIMULATED).await;
    let back = browser
        .at_provider(&page, "ada@acme.example", "allow")
        .await;
    node.sandbox
        .faults()
        .next(sandbox::Provider::Oidc, sandbox::Fault::ServerError, 1);
    let answer = browser.get(&back).await;
    assert_eq!((answer.status, answer.code()), (502, "provider_error"));
    nothing_happened(&node, "the token endpoint").await;
    node.stop().await;

    let node = configured(|provider| provider.issuer = "http://127.0.0.1:1".into()).await;
    let answer = Browser::new(&node).get(SIMULATED).await;
    assert_eq!((answer.status, answer.code()), (502, "provider_error"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn saying_no_is_met_kindly() {
    let node = node().await;
    let browser = Browser::with_pages(&node);
    let page = browser.leave(SIMULATED).await;
    let back = browser.at_provider(&page, "ada@acme.example", "deny").await;
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 403);
    for part in [
        "The sign-in was cancelled",
        "sign_in_denied",
        "href=\"/sign-in\"",
    ] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    // It is over: the provider can't come back with a code after all.
    let answer = browser.get(&back).await;
    assert!(answer.text.contains("sign_in_stale"), "{}", answer.text);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_is_for_one_browser_once() {
    let node = node().await;
    let browser = Browser::new(&node);
    let page = browser.leave(SIMULATED).await;
    let back = browser
        .at_provider(&page, "ada@acme.example", "allow")
        .await;
    // Somebody who was sent the address, with and without a sign-in of their own under way.
    let other = Browser::new(&node);
    assert_eq!(other.get(&back).await.code(), "sign_in_stale");
    other.leave(SIMULATED).await;
    assert_eq!(other.get(&back).await.code(), "sign_in_stale");
    nothing_happened(&node, "another browser").await;
    // They have not used it up either. Of many at once, one is let in.
    let answers = join_all((0..8).map(|_| browser.get(&back))).await;
    let let_in = answers.iter().filter(|answer| answer.status == 303).count();
    let stale = answers
        .iter()
        .filter(|answer| answer.code() == "sign_in_stale");
    assert_eq!((let_in, stale.count()), (1, 7));
    assert_eq!(browser.get(&back).await.code(), "sign_in_stale");

    // The code alone, used or not, in a way back of one's own.
    let code = |address: &str| {
        let url: reqwest::Url = address.parse().expect("an address");
        let mut pairs = url.query_pairs();
        pairs
            .find(|(name, _)| name == "code")
            .expect("a code")
            .1
            .into_owned()
    };
    let page = browser.leave(SIMULATED).await;
    let fresh = browser
        .at_provider(&page, "ada@acme.example", "allow")
        .await;
    for stolen in [code(&back), code(&fresh)] {
        let page = other.leave(SIMULATED).await;
        let own = other.at_provider(&page, "eve@acme.example", "allow").await;
        let injected = own.replace(&code(&own), &stolen);
        let answer = other.get(&injected).await;
        assert_eq!(answer.code(), "provider_error", "{}", answer.text);
        assert!(!answer.opened_a_session());
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_back_after_ten_minutes_or_from_nowhere() {
    let node = node().await;
    let browser = Browser::new(&node);
    let page = browser.leave(SIMULATED).await;
    let back = browser
        .at_provider(&page, "ada@acme.example", "allow")
        .await;
    node.execute("UPDATE control.sign_in_flow SET expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(browser.get(&back).await.code(), "sign_in_stale");
    for query in [
        "",
        "?code=x",
        "?state=x&code=x",
        "?error=access_denied",
        "?error=x&state=y",
    ] {
        let answer = browser.get(&format!("/sign-in/oidc/callback{query}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (403, "sign_in_stale"),
            "{query}"
        );
    }
    // Leaving sweeps up what nobody came back from.
    browser.leave(SIMULATED).await;
    assert_eq!(
        node.number("SELECT count(*) FROM control.sign_in_flow")
            .await,
        1
    );
    for unknown in ["/sign-in/oidc/other", "/sign-in/oidc/acme/staff"] {
        assert_eq!(browser.get(unknown).await.status, 404, "{unknown}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trying_is_counted_by_network() {
    let node = node().await;
    let browser = Browser::new(&node);
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(browser.get(SIMULATED).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 30);
    assert_eq!(statuses.last(), Some(&429));
    node.stop().await;
}
