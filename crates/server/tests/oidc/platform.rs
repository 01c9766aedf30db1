//! The operator's provider, as it is meant to be used.

use crate::browser::{Browser, SIMULATED, accounts, node};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_an_account_and_finds_it_again() {
    let node = node().await;
    let browser = Browser::new(&node);
    let answer = browser.sign_in(SIMULATED, "Ada@acme.example").await;
    assert_eq!(
        (answer.status, answer.location.as_str()),
        (303, "/app"),
        "{}",
        answer.text
    );
    let me = browser.me().await;
    assert_eq!(me.body["email"], "Ada@acme.example");
    assert_eq!(me.body["name"], "Ada Lovelace");
    assert_eq!(me.body["email_verified"], true);
    assert_eq!(me.body["has_password"], false);

    // Elsewhere, and with another address at the provider: it is the subject that counts.
    node.sandbox.oidc().person(sandbox::OidcPerson {
        subject: "sub-ada@acme.example".into(),
        ..sandbox::OidcPerson::new("lovelace@acme.example", "Ada")
    });
    let other = Browser::new(&node);
    other.sign_in(SIMULATED, "lovelace@acme.example").await;
    assert_eq!(other.me().await.body["id"], me.body["id"]);
    assert_eq!(accounts(&node).await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_go_where_they_wanted_on_this_host_alone() {
    let node = node().await;
    for (wanted, next) in [
        ("/account?x=1", "/account?x=1"),
        ("//evil.example", "/app"),
        ("/\\evil.example", "/app"),
        ("https://evil.example", "/app"),
        ("/a\r\nset-cookie: x=y", "/app"),
    ] {
        let browser = Browser::new(&node);
        let mut query = reqwest::Url::parse("http://x").expect("an address");
        query.query_pairs_mut().append_pair("next", wanted);
        let path = format!("{SIMULATED}?{}", query.query().expect("a query"));
        let answer = browser.sign_in(&path, "ada@acme.example").await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (303, next),
            "{wanted:?}"
        );
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_are_out_of_reach_of_scripts_and_end_soon() {
    let node = node().await;
    let browser = Browser::new(&node);
    let answer = browser.get(SIMULATED).await;
    let [cookie] = &answer.set_cookies[..] else {
        panic!("one cookie: {:?}", answer.set_cookies);
    };
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{cookie}"
    );
    // What comes back in addresses and what the cookie holds are two things.
    let handle = browser.cookie("freehold_oidc").expect("a handle");
    assert!(!answer.location.contains(&handle));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_do_not_disturb_each_other() {
    let node = node().await;
    let browser = Browser::new(&node);
    let (one, two) = (
        browser.leave(SIMULATED).await,
        browser.leave(SIMULATED).await,
    );
    let second = browser.at_provider(&two, "ada@acme.example", "allow").await;
    let first = browser.at_provider(&one, "ada@acme.example", "allow").await;
    for back in [first, second] {
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    // The second ended the session of the first, which nobody has any more.
    let open = "SELECT count(*) FROM control.session WHERE revoked_at IS NULL";
    assert_eq!(node.number(open).await, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_may_change_its_key() {
    let node = node().await;
    for _ in 0..3 {
        let browser = Browser::new(&node);
        let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        node.sandbox.oidc().rotate();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_counts_where_the_operator_says_so() {
    let node = node().await;
    for (email, amr, counted) in [
        ("ada@acme.example", "pwd", 0),
        ("bob@acme.example", "mfa", 1),
    ] {
        node.sandbox.oidc().person(sandbox::OidcPerson {
            amr: vec![amr.into()],
            ..sandbox::OidcPerson::new(email, "Somebody")
        });
        Browser::new(&node).sign_in(SIMULATED, email).await;
        let found = node
            .number("SELECT count(*) FROM control.session WHERE second_factor_at IS NOT NULL")
            .await;
        assert_eq!(found, counted, "{amr}");
    }
    node.stop().await;
}
