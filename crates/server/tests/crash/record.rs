//! What the database holds after the crashes, seen by its superuser, against what was delivered
//! and what reached the providers.

use std::{collections::HashMap, path::Path};

use kernel::postgres::{Embedded, PORT, SUPERUSER};
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Provider, Received, Sandbox};
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

use crate::{
    common::{is_reply, poll},
    load::Sent,
};

/// Kills the database server where it stands.
pub fn kill_database(data: &Path) {
    let lines = std::fs::read_to_string(data.join("postgres/postmaster.pid"));
    let lines = lines.expect("the database runs");
    let pid = lines.lines().next().and_then(|line| line.parse().ok());
    let pid = pid.and_then(Pid::from_raw).expect("its process id");
    kill_process(pid, Signal::KILL).expect("the database server is killed");
}

/// A connection past row-level security.
pub struct Record(PgConnection);

impl Record {
    #[expect(
        clippy::disallowed_methods,
        reason = "no role of the program sees all that this test has to"
    )]
    pub async fn open(data: &Path) -> Self {
        let socket = Embedded::attach(data).expect("the database runs");
        let connection = PgConnectOptions::new_without_pgpass()
            .socket(socket)
            .port(PORT)
            .username(SUPERUSER)
            .database("freehold")
            .connect()
            .await;
        Self(connection.expect("the database answers"))
    }

    /// Passes the time for which jobs belong to processes that were killed. Jobs that the living
    /// one has taken up meanwhile have been started by another worker.
    pub async fn end_leases_of_the_dead(&mut self) {
        sqlx::raw_sql(
            "UPDATE cell.job SET lease_until = now() WHERE state = 'running' AND started_at <
                 (SELECT min(backend_start) FROM pg_stat_activity WHERE usename = 'freehold_worker')",
        )
        .execute(&mut self.0)
        .await
        .expect("leases end");
    }

    /// Waits until no job waits or runs.
    pub async fn settled(&mut self) {
        let settled = poll(async || {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM cell.job WHERE state IN ('scheduled', 'ready', 'running')",
            )
            .fetch_one(&mut self.0)
            .await
            .expect("jobs are counted");
            open == 0
        })
        .await;
        assert!(settled, "jobs are left");
    }

    /// How often each value of a query's only column occurs.
    async fn counts(&mut self, sql: &'static str) -> HashMap<String, usize> {
        let values: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&mut self.0)
            .await
            .expect("values are read");
        let mut counts = HashMap::new();
        for value in values {
            *counts.entry(value).or_default() += 1;
        }
        counts
    }

    /// Everything acknowledged is stored once, became one message, and was answered.
    pub async fn check(&mut self, sent: &Sent, sandbox: &Sandbox) {
        let events = self
            .counts(
                "SELECT t.slug || ' ' || e.provider || ' ' || regexp_replace(e.dedup_key, '^.*:', '')
                 FROM cell.inbound_event e JOIN control.tenant t ON t.id = e.tenant_id",
            )
            .await;
        let messages = self
            .counts(
                "SELECT t.slug || ' ' || m.direction || ' ' || c.address
                 FROM cell.message m JOIN control.tenant t ON t.id = m.tenant_id
                 JOIN cell.conversation v ON v.tenant_id = m.tenant_id AND v.id = m.conversation_id
                 JOIN cell.contact c ON c.tenant_id = v.tenant_id AND c.id = v.contact_id",
            )
            .await;
        let dead = self
            .counts("SELECT kind || ' ' || last_error FROM cell.job WHERE state = 'dead'")
            .await;
        assert_eq!(dead, HashMap::new());
        let answered = answered(sandbox);
        for delivered in &sent.0 {
            let event = format!("{} {} {}", delivered.slug, delivered.provider, delivered.id);
            assert_eq!(events.get(&event), Some(&1), "{delivered:?}");
            let address = match delivered.provider {
                Provider::WhatsApp => format!("+{}", delivered.contact),
                _ => delivered.contact.clone(),
            };
            for direction in ["inbound", "outbound"] {
                let message = format!("{} {direction} {address}", delivered.slug);
                assert_eq!(
                    messages.get(&message),
                    Some(&1),
                    "{direction} {delivered:?}"
                );
            }
            assert!(answered.contains_key(&delivered.contact), "{delivered:?}");
        }
        assert_eq!(events.len(), sent.0.len(), "events that nobody sent");
        assert_eq!(
            messages.len(),
            2 * sent.0.len(),
            "messages that nobody sent"
        );
    }
}

/// Contacts to whom replies were sent, and how many.
fn answered(sandbox: &Sandbox) -> HashMap<String, usize> {
    let mut answered = HashMap::new();
    for call in sandbox.record().all() {
        if let Some(contact) = addressee(&call) {
            *answered.entry(contact).or_default() += 1;
        }
    }
    answered
}

/// To whom a call that the provider took sends a message.
fn addressee(call: &Received) -> Option<String> {
    if call.provider == Provider::OpenAi || !is_reply(call, call.provider) {
        return None;
    }
    let address = [&call.body["to"], &call.body["To"], &call.body["chat_id"]]
        .into_iter()
        .find(|value| !value.is_null())?;
    Some(
        address
            .as_str()
            .map_or_else(|| address.to_string(), str::to_owned),
    )
}

/// How many were answered, and how many more than once: sending is done at least once.
pub fn replies(sent: &Sent, sandbox: &Sandbox) -> String {
    let answered = answered(sandbox);
    let again = answered.values().filter(|count| **count > 1).count();
    format!(
        "{} of {} contacts answered, {again} of them more than once",
        answered.len(),
        sent.0.len()
    )
}
