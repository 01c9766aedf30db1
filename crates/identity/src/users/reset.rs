//! Taking an account's password away, after which only its mailbox opens it.

use kernel::{Error, Operator, Result, id::UserId, permission::UsersWrite};
use serde_json::json;

use super::{UserStatus, UserView, read, require_other};
use crate::{
    mail::{self, Letter},
    people::{
        Email, People,
        mailbox::{self, Purpose},
        sessions,
    },
};

/// Takes the password away, ends every session, and mails a link by which to set another.
pub async fn require_reset(
    people: &People,
    operator: &Operator<UsersWrite>,
    user: UserId,
) -> Result<UserView> {
    require_other(operator, user)?;
    let detail = json!({ "user": user });
    let mut tx = operator.people("user.reset_required", None, detail).await?;
    let view = read(&mut tx, user).await?;
    if view.status == UserStatus::Disabled {
        return Err(Error::invalid("the account is disabled; enable it first"));
    }
    sqlx::query!(
        "UPDATE control.user SET password_hash = NULL, updated_at = now() WHERE id = $1",
        user.uuid()
    )
    .execute(tx.conn())
    .await?;
    sessions::end_all(&mut tx, user, None).await?;
    let email = Email::parse(&view.email)?;
    let token = mailbox::issue(&mut tx, Purpose::Reset, Some(user), &email).await?;
    let link = people.link("/reset", token.expose());
    mail::enqueue(&mut tx, &email, &Letter::reset_required(&link)).await?;
    tx.commit().await?;
    Ok(view)
}
