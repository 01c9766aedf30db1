//! Acknowledged means committed: a server under load is killed again and again, and whatever it
//! answered 2xx is there afterwards, once.
//!
//! The server is the real binary on a Postgres of its own that flushes to disk. What provider and
//! contacts see is held in this process, which survives.

#[path = "../common/mod.rs"]
mod common;

mod load;
mod record;

use std::time::Duration;

use common::{TestTenant, binary, settings, tenant};
use load::Load;
use rand::RngExt;
use sandbox::Sandbox;
use server::program::Program;

/// Rounds in the suite; FREEHOLD_CRASH_ROUNDS asks for more.
const ROUNDS: u32 = 3;
const SENDERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_being_killed() {
    let rounds = std::env::var("FREEHOLD_CRASH_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("the sandbox starts");

    let tenants = [TestTenant::new("acme"), TestTenant::new("globex")];
    let program = Program::open(settings(&data, &sandbox, binary::PUBLIC_URL))
        .await
        .expect("the program opens");
    for tenant in &tenants {
        tenant.register(&sandbox);
        tenant::create(&program, &tenant.slug).await;
        tenant.connect(&program).await;
    }
    program.close().await.expect("the program closes");

    let mut environment = binary::providers(&sandbox);
    environment.push(("FREEHOLD_LOG__FILTER".to_owned(), "error".to_owned()));
    let mut server = binary::Serving::start(&data, &environment).await;
    let load = Load::start(SENDERS, &tenants, &server.url);
    for round in 0..rounds {
        // Anywhere between an idle start and a full queue; and now and then in the very start.
        let acknowledged = load.acknowledged();
        let events = rand::rng().random_range(1..60);
        load.until(acknowledged + events).await;
        let pause = Duration::from_micros(rand::rng().random_range(0..20_000));
        tokio::time::sleep(pause).await;
        // Every other time the database falls with it, so that it has to replay its log.
        if round % 2 == 1 {
            record::kill_database(&data);
        }
        server.process.kill().await;
        server = binary::Serving::start(&data, &environment).await;
        load.moved_to(&server.url);
    }
    let sent = load.finish().await;

    let mut record = record::Record::open(&data).await;
    // The leases of those that were killed would keep their jobs for a minute.
    record.end_leases_of_the_dead().await;
    record.settled().await;
    record.check(&sent, &sandbox).await;
    let said = server.process.terminate().await;
    assert!(!said.text().contains("panicked"), "{}", said.text());

    println!(
        "{rounds} kills: {sent}; {}",
        record::replies(&sent, &sandbox)
    );
}
