//! Mail to people. What is to be sent is written into `control.mail` by the transaction that it
//! belongs to, so a letter exists exactly if its act does; [`send`] takes it from there.

mod letter;
mod send;
#[cfg(test)]
mod tests;

use kernel::{Result, db::PeopleTx, id::MailId, telemetry};

pub(crate) use letter::Letter;
pub use send::{MailSettings, Sender};

use crate::people::Email;

/// Puts a letter into the outbox.
pub(crate) async fn enqueue(tx: &mut PeopleTx, to: &Email, letter: &Letter) -> Result<()> {
    sqlx::query!(
        "INSERT INTO control.mail (id, recipient, subject, text_body, html_body, correlation_id)
         VALUES ($1, $2, $3, $4, $5, $6)",
        MailId::new().uuid(),
        to.typed(),
        letter.subject,
        letter.text(),
        letter.html(),
        telemetry::correlation().uuid()
    )
    .execute(tx.conn())
    .await?;
    tx.mark_mail();
    Ok(())
}
