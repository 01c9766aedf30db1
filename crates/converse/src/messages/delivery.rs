//! What providers report of messages that we sent: statuses arrive late, twice, out of order, and
//! sometimes before the sending itself is recorded.

use kernel::{Result, Tx};

use super::Status;
use crate::channels::{Channel, Delivery};

impl Status {
    /// The statuses that a report of this one may replace. Reports only move forward; a failure is
    /// final unless the message arrived after all.
    pub(crate) fn replaces(self) -> &'static [&'static str] {
        match self {
            Self::Sent => &["queued", "sending"],
            Self::Delivered => &["queued", "sending", "sent", "failed"],
            Self::Read => &["queued", "sending", "sent", "failed", "delivered"],
            Self::Failed => &["queued", "sending", "sent"],
            Self::Received | Self::Queued | Self::Sending => &[],
        }
    }
}

/// Whom a report is about, besides the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Between<'a> {
    pub channel: Channel,
    pub account: &'a str,
    pub address: &'a str,
}

impl Delivery {
    /// Records the report. `false` when it may be of a message that is being sent at this moment,
    /// whose id is not yet known; then it is worth another look.
    pub(crate) async fn settle(&self, tx: &mut Tx, between: Between<'_>) -> Result<bool> {
        if self.record(tx, between.channel).await? {
            return Ok(true);
        }
        let sending = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT 1 FROM cell.contact c
                   JOIN cell.conversation v ON v.contact_id = c.id
                   JOIN cell.message m ON m.conversation_id = v.id
                   WHERE c.channel = $1 AND c.address = $2 AND v.account = $3
                     AND m.status = 'sending' AND m.external_id IS NULL) AS "sending!""#,
            between.channel.as_str(),
            between.address,
            between.account
        )
        .fetch_one(tx.conn())
        .await?;
        // The sending may have been recorded between the first look and the second.
        Ok(self.record(tx, between.channel).await? || !sending)
    }

    async fn record(&self, tx: &mut Tx, channel: Channel) -> Result<bool> {
        let known = sqlx::query_scalar!(
            r#"WITH known AS (
                   SELECT m.id FROM cell.message m
                   JOIN cell.conversation v ON v.id = m.conversation_id
                   WHERE m.external_id = $1 AND m.direction = 'outbound' AND v.channel = $2
               ), moved AS (
                   UPDATE cell.message m SET status = $3, error = $4, updated_at = now()
                   FROM known WHERE m.id = known.id AND m.status = ANY($5)
               )
               SELECT count(*) AS "known!" FROM known"#,
            self.external_id,
            channel.as_str(),
            self.status.as_str(),
            self.error,
            self.status.replaces() as &[&str],
        )
        .fetch_one(tx.conn())
        .await?;
        if known > 0 {
            return Ok(true);
        }
        let Some(message) = self.message else {
            return Ok(false);
        };
        // The provider has the message although its answer never reached us. With its id recorded
        // the next attempt does not send it again.
        let adopted = sqlx::query!(
            "UPDATE cell.message SET external_id = $2, updated_at = now(),
                 status = CASE WHEN status = ANY($5) THEN $3 ELSE status END,
                 error = CASE WHEN status = ANY($5) THEN $4 ELSE error END
             WHERE id = $1 AND direction = 'outbound' AND external_id IS NULL",
            message.uuid(),
            self.external_id,
            self.status.as_str(),
            self.error,
            self.status.replaces() as &[&str],
        )
        .execute(tx.conn())
        .await?;
        Ok(adopted.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a message ends after reports in this order.
    fn after(reports: &[Status]) -> Status {
        reports.iter().fold(Status::Sent, |now, next| {
            if next.replaces().contains(&now.as_str()) {
                *next
            } else {
                now
            }
        })
    }

    #[test]
    fn reports_only_move_forward() {
        use Status::{Delivered, Failed, Read, Sent};
        for (reports, end) in [
            (&[Sent, Delivered, Read][..], Read),
            (&[Read, Delivered, Sent], Read),
            (&[Delivered, Sent, Delivered], Delivered),
            (&[Failed, Sent], Failed),
            (&[Failed, Delivered], Delivered),
            (&[Delivered, Failed], Delivered),
            (&[Failed, Failed], Failed),
        ] {
            assert_eq!(after(reports), end, "{reports:?}");
        }
    }
}
