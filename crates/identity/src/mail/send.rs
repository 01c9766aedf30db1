//! Sends what waits in `control.mail`, by SMTP. Any number of nodes may; a letter is leased to one
//! of them at a time. A letter that was handed over and not written down as sent, because the node
//! died in between, is sent again under the same `Message-ID`.

use std::{fmt, sync::Arc, time::Duration};

use kernel::{
    Db, Error, Result,
    db::{PeopleTx, Whose},
    id::MailId,
    secret::Secret,
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
};
use tokio::{sync::watch, task::JoinHandle};

/// How long a server may take over one letter. Shorter than the lease.
const PATIENCE: Duration = Duration::from_secs(30);
/// Other nodes' letters, and those whose time to be tried again has come, are found this late.
const POLL: Duration = Duration::from_secs(5);
/// Tries before a letter is given up: over about a day.
const TRIES: i32 = 12;

/// How mail leaves.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// `smtp://`, or `smtps://` for TLS from the beginning; `smtp://…?tls=required` for STARTTLS.
    /// User and password stand in the URL.
    pub smtp_url: Secret,
    /// As in `Freehold <no-reply@example.com>`.
    pub from: String,
}

/// The way out of this node. Dropping it ends the sending.
pub struct Sender {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}

impl Sender {
    /// Begins to send.
    ///
    /// # Errors
    /// `invalid_request` for settings that cannot be used.
    pub fn start(db: &Db, settings: &MailSettings) -> Result<Self> {
        let outbox = Arc::new(Outbox::new(db, settings)?);
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(outbox, stopped));
        Ok(Self { stop, task })
    }

    /// Finishes the letter that is under way and ends.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(PATIENCE, self.task).await.is_err() {
            tracing::warn!("a letter was still under way and is sent again later");
        }
    }
}

async fn run(outbox: Arc<Outbox>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        match outbox.send_one().await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(cause = ?error, "mail could not be looked for"),
        }
        tokio::select! {
            () = outbox.db.mail_waiting() => {}
            () = tokio::time::sleep(POLL) => {}
            // An error means that the sender is gone, which is an end as well.
            _ = stopped.changed() => {}
        }
        if stopped.has_changed().is_err() {
            return;
        }
    }
}

/// A letter that this node has leased.
struct Leased {
    id: MailId,
    attempts: i32,
    recipient: String,
    subject: String,
    text: String,
    html: String,
}

struct Outbox {
    db: Db,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Outbox {
    fn new(db: &Db, settings: &MailSettings) -> Result<Self> {
        let from = settings.from.parse().map_err(|_| {
            Error::field(
                "mail.from",
                "must be a name and an address, as in `Freehold <no-reply@example.com>`",
            )
        })?;
        // The cause would quote the URL, and with it the password.
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(settings.smtp_url.expose())
            .map_err(|_| Error::field("mail.smtp_url", "must be an smtp:// or smtps:// URL"))?
            .timeout(Some(PATIENCE))
            .build();
        Ok(Self {
            db: db.clone(),
            from,
            transport,
        })
    }

    /// Sends the letter whose turn it is. `false` when none waits.
    async fn send_one(&self) -> Result<bool> {
        let Some(letter) = self.lease().await? else {
            return Ok(false);
        };
        match self.hand_over(&letter).await {
            Ok(()) => self.sent(letter.id).await?,
            Err((reason, last)) => {
                tracing::warn!(mail = %letter.id, reason, "a letter was not taken");
                self.put_back(&letter, &reason, last).await?;
            }
        }
        Ok(true)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the outbox is nobody's: letters are sent on behalf of the platform"
    )]
    async fn begin(&self) -> Result<PeopleTx> {
        PeopleTx::begin(&self.db, Whose::nobody()).await
    }

    /// Takes a letter for twice as long as handing it over may take.
    async fn lease(&self) -> Result<Option<Leased>> {
        let mut tx = self.begin().await?;
        let row = sqlx::query!(
            "UPDATE control.mail SET attempts = attempts + 1, next_at = now() + interval '1 minute',
                 last_error = NULL
             WHERE id = (SELECT id FROM control.mail WHERE state = 'waiting' AND next_at <= now()
                 ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id, attempts, recipient, subject, text_body, html_body"
        )
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(row.map(|row| Leased {
            id: row.id.into(),
            attempts: row.attempts,
            recipient: row.recipient,
            subject: row.subject,
            text: row.text_body,
            html: row.html_body,
        }))
    }

    /// Why it was not taken, and whether trying again is useless. The reason is the server's status
    /// alone: its text may repeat what we sent.
    async fn hand_over(&self, letter: &Leased) -> std::result::Result<(), (String, bool)> {
        let message = self
            .message(letter)
            .map_err(|error| (error.to_string(), true))?;
        match self.transport.send(message).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let reason = match error.status() {
                    Some(status) => format!("the server answered {status}"),
                    None if error.is_timeout() => "the server did not answer in time".to_owned(),
                    None if error.is_tls() => "TLS could not be established".to_owned(),
                    None => "the server could not be reached".to_owned(),
                };
                Err((reason, error.is_permanent()))
            }
        }
    }

    fn message(&self, letter: &Leased) -> anyhow::Result<Message> {
        Ok(Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, letter.recipient.parse()?))
            .subject(&letter.subject)
            .message_id(Some(format!(
                "<{}@{}>",
                letter.id,
                self.from.email.domain()
            )))
            .date_now()
            .multipart(MultiPart::alternative_plain_html(
                letter.text.clone(),
                letter.html.clone(),
            ))?)
    }

    async fn sent(&self, id: MailId) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE control.mail SET state = 'sent', sent_at = now(), text_body = '', html_body = '',
                 last_error = NULL
             WHERE id = $1",
            id.uuid()
        )
        .execute(tx.conn())
        .await?;
        tx.commit().await
    }

    /// Pauses grow from half a minute to four hours; then, or when the server refused for good,
    /// the letter is dead and its link with it.
    async fn put_back(&self, letter: &Leased, reason: &str, last: bool) -> Result<()> {
        let mut tx = self.begin().await?;
        if last || letter.attempts >= TRIES {
            sqlx::query!(
                "UPDATE control.mail SET state = 'dead', last_error = $2, text_body = '', html_body = ''
                 WHERE id = $1",
                letter.id.uuid(),
                reason
            )
            .execute(tx.conn())
            .await?;
        } else {
            let pause = f64::from(30 * 2_i32.pow(letter.attempts.clamp(1, 10).unsigned_abs() - 1))
                .min(14_400.0);
            sqlx::query!(
                "UPDATE control.mail SET last_error = $2, next_at = now() + make_interval(secs => $3)
                 WHERE id = $1",
                letter.id.uuid(),
                reason,
                pause
            )
            .execute(tx.conn())
            .await?;
        }
        tx.commit().await
    }
}
