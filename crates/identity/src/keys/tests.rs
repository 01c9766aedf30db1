//! The control database's wraps on a real database.

use std::collections::BTreeMap;

use kernel::{Operator, permission::KeysRotate, testing};

use super::{WRAPS, count, prove, rewrap};
use crate::{people::factors::authenticator, testing::App, tokens::Urgency};

#[tokio::test]
async fn wraps_move_under_the_new_key_and_are_proved_to_open() {
    let app = App::new(testing::database().await);
    app.tokens
        .rotate(&app.operator(), Urgency::AtOnce)
        .await
        .expect("a signing key is made");
    let user = app.user("ada@example.com").await;
    let secret = authenticator::seal(&app.people, user, b"a secret of twenty b")
        .await
        .expect("seals");
    sqlx::query(
        "INSERT INTO control.totp (user_id, secret, kek, wrapped_key) VALUES ($1, $2, $3, $4)",
    )
    .bind(user.uuid())
    .bind(secret.secret)
    .bind(secret.key.kek)
    .bind(secret.key.bytes)
    .execute(&mut app.superuser().await)
    .await
    .expect("it is stored");

    let operator: Operator<KeysRotate> = app.operator();
    let counted = count(&app.people, &operator).await.expect("counts");
    assert_eq!(counted.wraps, BTreeMap::from([("local:v1".to_owned(), 2)]));
    let keys = app.people.keys();
    let keyring = keys.keyring().expect("there is one");
    keyring.rotate().expect("rotates");
    let current = keys.current_kek().await.expect("it is there");
    for expected in [2, 0] {
        let moved = rewrap(&app.people, &operator, &current).await;
        assert_eq!(moved.expect("rewraps"), expected);
    }
    let proof = prove(&app.people, &operator).await.expect("can be asked");
    assert_eq!(proof.wraps, BTreeMap::from([("local:v2".to_owned(), 2)]));
    assert_eq!(proof.faults, Vec::<String>::new());
    keyring.retire(&[1]).expect("nothing needs it");
    app.tokens
        .rotate(&app.operator(), Urgency::AtOnce)
        .await
        .expect("the next signing key is made");
    let proof = prove(&app.people, &operator).await.expect("can be asked");
    assert_eq!((proof.wraps.len(), proof.faults.len()), (1, 0));

    app.execute("UPDATE control.totp SET secret = set_byte(secret, 80, get_byte(secret, 80) # 1)")
        .await;
    let proof = prove(&app.people, &operator).await.expect("can be asked");
    assert_eq!(proof.faults.len(), 1, "{:?}", proof.faults);
    assert!(
        proof.faults[0].contains("authenticator"),
        "{:?}",
        proof.faults
    );
}

/// Rotation has to know of every table that holds a wrap.
#[tokio::test]
async fn no_table_with_wraps_is_forgotten() {
    let test = testing::database().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'control' AND column_name = 'kek' ORDER BY 1",
    )
    .fetch_all(&mut test.superuser().await)
    .await
    .expect("the catalogue answers");
    assert_eq!(tables, WRAPS);
}
