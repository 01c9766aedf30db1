//! Providers that ask for patience, and those that fail for a moment.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use http::Method;

use crate::provider::{FakeProvider, PROXY, get, mark, node, ok, request, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_for_the_provider_without_asking_it_again() {
    let provider = FakeProvider::start(|seen| {
        if seen.header("x-limited").is_some() {
            let answer = status(429).header("retry-after", "30");
            return answer.body(Body::from("slow down")).expect("an answer");
        }
        ok("{}")
    })
    .await;
    let (node, acme, key) = node(&provider.base_url()).await;
    node.tenant("globex").await;
    let others = node.api_key("globex", &["proxy:use"]).await;
    let path = format!("{PROXY}/models");
    let first = get(&node, &path, &key)
        .header("x-limited", "1")
        .send()
        .await;
    let first = first.expect("an answer");
    // The provider's own answer, and at once: half a minute is too long to keep a caller waiting.
    assert_eq!((first.status().as_u16(), mark(&first)), (429, None));
    assert_eq!(first.text().await.expect("a body"), "slow down");
    let second = get(&node, &path, &key).send().await.expect("an answer");
    assert_eq!(second.status(), 429);
    assert_eq!(mark(&second), Some("rate_limited"));
    let wait: u64 = second.headers()["retry-after"]
        .to_str()
        .expect("text")
        .parse()
        .expect("a number");
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(provider.seen().len(), 1);
    // Neither another tenant nor another provider has to wait.
    let others = get(&node, &path, &others).send().await.expect("an answer");
    assert_eq!(others.status(), 200);
    let account = format!("2010-04-01/Accounts/{}.json", acme.twilio.account_sid);
    let twilio = get(&node, &format!("/v1/proxy/twilio/{account}"), &key)
        .send()
        .await;
    assert_eq!(twilio.expect("an answer").status(), 200);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_repeated_is_and_what_may_not_is_not() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    // Every other request fails.
    let provider = FakeProvider::start(|_| {
        if CALLS.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
            return ok("{}");
        }
        let answer = status(503).header("retry-after", "0");
        answer.body(Body::empty()).expect("an answer")
    })
    .await;
    let (node, _, key) = node(&provider.base_url()).await;
    let path = format!("{PROXY}/things");
    let body = "small enough to be kept";
    for (method, expected, calls) in [
        (Method::GET, 200, 2),
        (Method::PUT, 200, 2),
        (Method::DELETE, 200, 2),
        (Method::POST, 503, 1),
    ] {
        let before = provider.seen().len();
        let asked = request(&node, method.clone(), &path, &key).body(body);
        let answer = asked.send().await.expect("an answer");
        assert_eq!(answer.status(), expected, "{method}");
        assert_eq!(mark(&answer), None);
        let seen = &provider.seen()[before..];
        assert_eq!(seen.len(), calls, "{method}");
        assert!(seen.iter().all(|seen| seen.body == body));
    }
    // What goes through as it comes can't be sent again.
    CALLS.store(0, Ordering::SeqCst);
    let before = provider.seen().len();
    let large = vec![b'x'; 100 * 1024];
    let asked = request(&node, Method::PUT, &path, &key).body(large);
    assert_eq!(asked.send().await.expect("an answer").status(), 503);
    assert_eq!(provider.seen().len() - before, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_not_there_is_told_of_without_its_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (node, _, key) = node(&format!("http://{address}")).await;
    let answer = get(&node, &format!("{PROXY}/models"), &key).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 502);
    assert_eq!(mark(&answer), Some("provider_error"));
    let text = answer.text().await.expect("a body");
    assert!(text.contains("can't be reached"), "{text}");
    assert!(!text.contains(&address.port().to_string()), "{text}");
    node.stop().await;
}
