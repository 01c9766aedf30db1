//! Recovery codes: ten, for whoever has lost the other factors. Each opens once. They carry 80
//! random bits, so their plain SHA-256 is as good to keep as a slow hash.

use kernel::{
    Result,
    access::{Person, session::digest_of},
    db::PeopleTx,
    id::UserId,
    secret::Secret,
};
use rand::RngExt;
use serde_json::json;

use super::Confirmed;
use crate::{
    mail::{self, Letter},
    people::sessions::noted,
};

const COUNT: usize = 10;
const GROUPS: usize = 4;
const GROUP: usize = 4;
/// Crockford's, without letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Codes that were just made, as they are shown once: `7k2m-…`.
#[derive(Debug)]
pub struct RecoveryCodes(pub Vec<Secret>);

fn generate() -> Secret {
    let mut rng = rand::rng();
    let mut text = String::new();
    for place in 0..GROUPS * GROUP {
        if place > 0 && place % GROUP == 0 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]));
    }
    Secret::new(text)
}

/// What is digested of a code that somebody typed: small letters without dashes and blanks, with the
/// letters that Crockford's alphabet reads as digits.
fn digest(typed: &str) -> Vec<u8> {
    let plain: String = typed
        .chars()
        .filter(|character| character.is_alphanumeric())
        .map(|character| match character.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        })
        .collect();
    digest_of(&plain)
}

/// Makes ten codes in place of whatever there was.
pub(super) async fn replace(tx: &mut PeopleTx, user: UserId) -> Result<RecoveryCodes> {
    forget(tx, user).await?;
    let codes: Vec<Secret> = std::iter::repeat_with(generate).take(COUNT).collect();
    let digests: Vec<Vec<u8>> = codes.iter().map(|code| digest(code.expose())).collect();
    sqlx::query!(
        "INSERT INTO control.recovery_code (user_id, code_sha256)
         SELECT $1, * FROM unnest($2::bytea[])",
        user.uuid(),
        &digests
    )
    .execute(tx.conn())
    .await?;
    Ok(RecoveryCodes(codes))
}

/// Makes codes where there are none: with somebody's first factor.
pub(super) async fn ensure(tx: &mut PeopleTx, user: UserId) -> Result<Option<RecoveryCodes>> {
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "left!" FROM control.recovery_code WHERE user_id = $1"#,
        user.uuid()
    )
    .fetch_one(tx.conn())
    .await?;
    match left {
        0 => replace(tx, user).await.map(Some),
        _ => Ok(None),
    }
}

pub(super) async fn forget(tx: &mut PeopleTx, user: UserId) -> Result<()> {
    sqlx::query!(
        "DELETE FROM control.recovery_code WHERE user_id = $1",
        user.uuid()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Uses a code up. Of several at once, one opens.
pub(super) async fn consume(tx: &mut PeopleTx, user: UserId, typed: &str) -> Result<bool> {
    let used = sqlx::query!(
        "UPDATE control.recovery_code SET used_at = now()
         WHERE user_id = $1 AND code_sha256 = $2 AND used_at IS NULL",
        user.uuid(),
        digest(typed)
    )
    .execute(tx.conn())
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Makes ten new codes; the old ones open nothing any more.
///
/// # Errors
/// `not_found` for people without a second factor.
pub async fn regenerate(confirmed: &Confirmed) -> Result<RecoveryCodes> {
    let person: &Person = confirmed.person();
    let mut tx = person.begin().await?;
    super::require_any(&mut tx, person.id()).await?;
    let codes = replace(&mut tx, person.id()).await?;
    let email = super::address_of(&mut tx, person.id()).await?;
    mail::enqueue(
        &mut tx,
        &email,
        &Letter::factors_changed("New recovery codes were made; the old ones are void."),
    )
    .await?;
    noted(&mut tx, person, "account.recovery_codes_made", json!({})).await?;
    tx.commit().await?;
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_they_are_typed() {
        let code = generate();
        assert_eq!(code.expose().len(), 19);
        let shouted = code.expose().to_uppercase().replace('-', " ");
        assert_eq!(digest(&shouted), digest(code.expose()));
        assert_eq!(digest("OIL0"), digest("0110"));
        assert_ne!(digest("0111"), digest("0110"));
    }
}
