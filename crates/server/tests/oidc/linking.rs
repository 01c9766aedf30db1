//! Accounts that exist, and the operator's provider that names their address.

use identity::users::PlatformRole;

use crate::browser::{Browser, SIMULATED, configured, node, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_provider_opens_the_account_with_a_confirmed_address() {
    let node = node().await;
    let ada = user(&node, "ada@acme.example", None).await;
    let browser = Browser::new(&node);
    browser.sign_in(SIMULATED, "ada@acme.example").await;
    assert_eq!(browser.me().await.body["id"], ada.to_string());
    let told = node
        .number(
            "SELECT count(*) FROM control.mail WHERE recipient = 'ada@acme.example'
                 AND subject LIKE '%another way to sign in%'",
        )
        .await;
    assert_eq!(told, 1, "they are told of it");

    // The account does not say that the address is its own, or the provider does not.
    user(&node, "bob@acme.example", None).await;
    node.execute(
        "UPDATE control.user SET email_verified_at = NULL WHERE email = 'bob@acme.example'",
    )
    .await;
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "bob@acme.example")
        .await;
    assert_eq!((answer.status, answer.code()), (403, "sign_in_link_first"));
    user(&node, "eve@acme.example", None).await;
    node.sandbox.oidc().person(sandbox::OidcPerson {
        email_verified: false,
        ..sandbox::OidcPerson::new("eve@acme.example", "Eve")
    });
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "eve@acme.example")
        .await;
    assert_eq!((answer.status, answer.code()), (403, "sign_in_unverified"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_sign_in_to_their_account_first() {
    let node = configured(|provider| {
        provider.link = false;
        provider.sign_up = false;
    })
    .await;
    let ada = user(&node, "ada@acme.example", None).await;
    user(&node, "bob@acme.example", None).await;
    let browser = Browser::new(&node);
    let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
    assert_eq!((answer.status, answer.code()), (403, "sign_in_link_first"));
    // As somebody else is not enough.
    browser.sign_in_with_password("bob@acme.example").await;
    let answer = browser.sign_in(SIMULATED, "ada@acme.example").await;
    assert_eq!(answer.code(), "sign_in_link_first");
    browser.sign_in_with_password("ada@acme.example").await;
    assert_eq!(
        browser.sign_in(SIMULATED, "ada@acme.example").await.status,
        303
    );
    // From then on it is a way in.
    let other = Browser::new(&node);
    other.sign_in(SIMULATED, "ada@acme.example").await;
    assert_eq!(other.me().await.body["id"], ada.to_string());
    // Nobody gets an account by this one.
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "new@acme.example")
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );

    node.execute("UPDATE control.user SET status = 'disabled' WHERE email = 'ada@acme.example'")
        .await;
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "ada@acme.example")
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_from_outside_makes_nobody_staff() {
    let node = node().await;
    user(
        &node,
        "staff@acme.example",
        Some(PlatformRole::Administrator),
    )
    .await;
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "staff@acme.example")
        .await;
    assert_eq!((answer.status, answer.code()), (403, "sign_in_link_first"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accounts_are_made_where_people_do_not_sign_up() {
    let node = crate::browser::closed().await;
    let answer = Browser::new(&node)
        .sign_in(SIMULATED, "new@acme.example")
        .await;
    assert_eq!(
        (answer.status, answer.code()),
        (403, "sign_in_not_admitted")
    );
    node.stop().await;
}
