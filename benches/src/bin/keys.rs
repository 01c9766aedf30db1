//! What it costs to find out who asks: an API key, a browser's session, a client's signed token. Each
//! is read from the database with every request; and how long a revocation takes to be seen by a
//! second node.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use axum::{
    extract::FromRequestParts,
    http::{Request, header, request::Parts},
};
use benches::{
    installation,
    node::{family, postmaster, processor_time},
    stats::quantile,
};
use clap::Parser;
use identity::{
    api_keys::{self, NewApiKey},
    members,
    people::{Email, sign_in},
    tokens,
    users::{self, NewUser},
};
use kernel::{
    Access, Db, Operator,
    access::{Person, Visitor, Web, api_key::Mode},
    permission::{AgentsRead, ApiKeysWrite, UsersWrite},
    secret::Secret,
};
use server::program::Program;
use tokio::task::JoinSet;

#[derive(Parser)]
struct Arguments {
    /// Verifications one after another.
    #[arg(long, default_value_t = 20_000)]
    single: usize,
    /// Verifications of several clients at once.
    #[arg(long, default_value_t = 40_000)]
    together: usize,
    #[arg(long, default_value_t = 8)]
    clients: usize,
    /// Keys that are revoked on one node while another is asked.
    #[arg(long, default_value_t = 200)]
    revocations: usize,
}

/// What a request shows.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Key,
    Session,
    Token,
}

/// Requests of one kind, and whom they are shown to.
#[derive(Clone)]
struct Shown {
    kind: Kind,
    header: (header::HeaderName, String),
    web: Web,
    db: Db,
}

impl Shown {
    fn parts(&self) -> anyhow::Result<Parts> {
        let (name, value) = &self.header;
        let mut parts = Request::builder()
            .uri("/v1/agents")
            .header(name, value)
            .body(())?
            .into_parts()
            .0;
        parts.extensions.insert(self.web.clone());
        Ok(parts)
    }

    /// As the handlers' extractors do it: whether access was given.
    async fn verify(&self) -> anyhow::Result<bool> {
        let mut parts = self.parts()?;
        let answer = match self.kind {
            Kind::Key | Kind::Token => {
                Access::<AgentsRead>::from_request_parts(&mut parts, &self.db)
                    .await
                    .map(drop)
            }
            Kind::Session => Person::from_request_parts(&mut parts, &self.db)
                .await
                .map(drop),
        };
        match answer {
            Ok(()) => Ok(true),
            Err(error) if error.code() == "unauthenticated" => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Counting hits and misses is part of the cost, as in the running program.
    metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    let other = installation::program(folder.path()).await?;
    let postmaster = postmaster(folder.path())?;
    let shown = prepare(&program).await?;

    println!("microseconds, p50 and p99; verifications per second of processor time");
    for shown in &shown {
        measure(shown, &arguments, postmaster).await?;
    }
    revocations(&program, &other, arguments.revocations).await?;
    other.close().await?;
    program.close().await?;
    cluster.stop().await?;
    Ok(())
}

async fn prepare(program: &Program) -> anyhow::Result<[Shown; 3]> {
    let tenant = &installation::tenants(program, 1).await?[0].slug;
    let web = program.web()?;
    let shown = |kind, name, value| Shown {
        kind,
        header: (name, value),
        web: web.clone(),
        db: program.db.clone(),
    };
    let key = issue(program).await?.1;
    let (email, password) = (
        Email::parse("ada@example.com")?,
        Secret::new("correct horse battery"),
    );
    let operator = Operator::<UsersWrite>::local(&program.db, "bench");
    let new = NewUser {
        email: email.clone(),
        name: "Ada".to_owned(),
        password: password.clone(),
        platform_role: None,
    };
    let user = users::put(&program.people, &operator, new).await?.id;
    let directory = program.db.directory();
    let known = directory.by_slug(tenant).await?.context("was made")?;
    members::put(&operator, &known, user, "viewer").await?;
    let visitor = Visitor::default();
    let signed_in = sign_in::sign_in(&program.people, &visitor, &email, &password).await?;
    let sign_in::SignIn::Done(session) = signed_in else {
        anyhow::bail!("the sign-in was refused");
    };
    let token = tokens::sign_in(&program.tokens, &visitor, &email, &password, tenant).await?;
    let token = token.context("the sign-in was refused")?.access_token;
    // Name and value, without the attributes that browsers keep to themselves.
    let cookie = web.cookie(&session.token)?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let bearer = |text: &Secret| format!("Bearer {}", text.expose());
    Ok([
        shown(Kind::Key, header::AUTHORIZATION, bearer(&key)),
        shown(Kind::Session, header::COOKIE, cookie),
        shown(Kind::Token, header::AUTHORIZATION, bearer(&token)),
    ])
}

async fn issue(program: &Program) -> anyhow::Result<(kernel::id::ApiKeyId, Secret)> {
    let access = installation::enter::<ApiKeysWrite>(&program.db, "bench-0").await?;
    let new = NewApiKey {
        name: "bench".to_owned(),
        mode: Mode::Test,
        permissions: None,
        role: Some("viewer".to_owned()),
        expires_at: None,
    };
    let issued = api_keys::create(&access, new).await?;
    Ok((issued.api_key.id, issued.key))
}

async fn measure(shown: &Shown, arguments: &Arguments, postmaster: u32) -> anyhow::Result<()> {
    verifications(shown, 1_000).await?;
    let mut single = verifications(shown, arguments.single).await?;
    let (p50, p99) = (quantile(&mut single, 0.5), quantile(&mut single, 0.99));
    println!("{:?}:", shown.kind);
    println!("  one after another                    {p50:>7.1} {p99:>7.1}");

    let before = processors(postmaster)?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..arguments.clients {
        let (shown, count) = (shown.clone(), arguments.together / arguments.clients);
        tasks.spawn(async move { verifications(&shown, count).await });
    }
    let mut together = Vec::new();
    while let Some(latencies) = tasks.join_next().await {
        together.extend(latencies??);
    }
    let (elapsed, after) = (begun.elapsed(), processors(postmaster)?);
    let count = together.len() as f64;
    let (p50, p99) = (quantile(&mut together, 0.5), quantile(&mut together, 0.99));
    println!(
        "  {} clients at once                    {p50:>7.1} {p99:>7.1}",
        arguments.clients
    );
    println!(
        "  per second, by the clock             {:>7.0}",
        count / elapsed.as_secs_f64()
    );
    let (own, postgres) = (after.0 - before.0, after.1 - before.1);
    println!(
        "  per second of a processor            {:>7.0}   ({:.1} us Freehold, {:.1} us Postgres)",
        count / (own + postgres).as_secs_f64(),
        own.as_secs_f64() * 1e6 / count,
        postgres.as_secs_f64() * 1e6 / count
    );
    Ok(())
}

async fn verifications(shown: &Shown, count: usize) -> anyhow::Result<Vec<f64>> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        anyhow::ensure!(shown.verify().await?, "{:?} was refused", shown.kind);
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok(latencies)
}

/// What this process and Postgres have used so far.
fn processors(postmaster: u32) -> anyhow::Result<(Duration, Duration)> {
    let mut postgres = Duration::ZERO;
    for pid in family(postmaster)? {
        // A process may end while it is looked at.
        postgres += processor_time(pid).unwrap_or_default();
    }
    Ok((processor_time(std::process::id())?, postgres))
}

/// Revokes on one node while the other is asked without a pause, and takes the time from the moment
/// that the revocation is acknowledged to the other's first refusal.
async fn revocations(program: &Program, other: &Program, count: usize) -> anyhow::Result<()> {
    let (mut delays, mut late) = (Vec::new(), 0);
    for _ in 0..count {
        let (id, key) = issue(program).await?;
        let shown = Arc::new(Shown {
            kind: Kind::Key,
            header: (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
            web: other.web()?,
            db: other.db.clone(),
        });
        anyhow::ensure!(shown.verify().await?, "the other node knows the key");
        let asking = tokio::spawn(async move {
            let mut accepted = None;
            loop {
                let begun = Instant::now();
                match shown.verify().await? {
                    true => accepted = Some(begun),
                    false => return anyhow::Ok((accepted, Instant::now())),
                }
            }
        });
        let access = installation::enter::<ApiKeysWrite>(&program.db, "bench-0").await?;
        api_keys::revoke(&access, id).await?;
        let acknowledged = Instant::now();
        let (accepted, refused) = asking.await??;
        late += usize::from(accepted.is_some_and(|begun| begun > acknowledged));
        let delay = refused.saturating_duration_since(acknowledged);
        delays.push(delay.as_secs_f64() * 1e6);
    }
    let (p50, p99) = (quantile(&mut delays, 0.5), quantile(&mut delays, 0.99));
    let longest = quantile(&mut delays, 1.0);
    println!("{count} revocations, until the other node refused:");
    println!("  p50, p99, longest                    {p50:>7.1} {p99:>7.1} {longest:>7.1}");
    println!("  asked after the acknowledgement and still accepted: {late}");
    Ok(())
}
