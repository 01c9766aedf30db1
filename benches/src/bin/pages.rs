//! What each page of the consoles costs the server: time, and statements sent to the database, in
//! an installation of many tenants with long audit logs. Pages are asked one after another, inside
//! this process: nothing of a network or a browser is in the figures.

#![allow(
    clippy::print_stdout,
    reason = "a benchmark's output is what it prints"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use benches::{installation, stats::quantile};
use clap::Parser;
use identity::{
    members,
    people::{Email, sign_in},
    users::{self, NewUser, PlatformRole},
};
use kernel::{Operator, access::Visitor, permission::UsersWrite, secret::Secret};
use server::{
    http::{AppState, Readiness, router},
    program::Program,
};
use sqlx::PgPool;
use tower::ServiceExt;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 10_000)]
    tenants: i32,
    /// Entries in the audit log of one tenant, and in the operators' log.
    #[arg(long, default_value_t = 100_000)]
    entries: i32,
    /// How often each page is asked for.
    #[arg(long, default_value_t = 300)]
    times: usize,
}

const STAFF: &str = "staff@example.com";
const OWNER: &str = "owner@example.com";

/// Who asks, and for what.
const PAGES: [(&str, &str); 25] = [
    (OWNER, "/app"),
    (OWNER, "/account"),
    (OWNER, "/account/security"),
    (OWNER, "/app/bench-0"),
    (OWNER, "/app/bench-0/team"),
    (OWNER, "/app/bench-0/roles"),
    (OWNER, "/app/bench-0/api-keys"),
    (OWNER, "/app/bench-0/credentials"),
    (OWNER, "/app/bench-0/conversations"),
    (OWNER, "/app/bench-0/audit"),
    (OWNER, "/app/bench-0/audit?q=agent.replaced"),
    (OWNER, "/app/bench-0/audit?q=user:usr_7"),
    (OWNER, "/app/bench-0/settings"),
    (OWNER, "/app/bench-0/settings/history"),
    (OWNER, "/app/bench-0/branding"),
    (STAFF, "/admin"),
    (STAFF, "/admin/tenants"),
    (STAFF, "/admin/tenants?sort=name"),
    (STAFF, "/admin/tenants?q=tenant+77"),
    (STAFF, "/admin/tenants/bench-0"),
    (STAFF, "/admin/users"),
    (STAFF, "/admin/audit"),
    (STAFF, "/admin/audit?show=all"),
    (STAFF, "/admin/jobs"),
    (STAFF, "/admin/quarantine"),
];

/// Statements that were sent since it was last set to zero.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let statements = Statements::default();
    let of_sqlx = Targets::new().with_target("sqlx::query", tracing::Level::DEBUG);
    tracing_subscriber::registry()
        .with(statements.clone().with_filter(of_sqlx))
        .init();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    let folder = tempfile::tempdir()?;
    let cluster = installation::cluster(folder.path()).await?;
    let program = installation::program(folder.path()).await?;
    installation::tenants(&program, 1).await?;
    let superuser = installation::superuser(&cluster).await?;

    let staff = signed_in(&program, STAFF, Some(PlatformRole::Administrator)).await?;
    let owner = signed_in(&program, OWNER, None).await?;
    let app = router(AppState::new(&program, Readiness::ready(), metrics)?);
    let cookie = |who| match who {
        STAFF => staff.as_str(),
        _ => owner.as_str(),
    };
    // Once with next to nothing in the database: a page whose statements grow with it shows.
    let mut few = Vec::new();
    for (who, path) in PAGES {
        few.push(count(&app, &statements, path, cookie(who)).await?);
    }
    fill(&superuser, &arguments).await?;
    println!(
        "{} tenants, {} audit entries in one tenant and of the operators'; milliseconds p50 and p99, \
         statements with an empty and with this installation",
        arguments.tenants, arguments.entries
    );
    for ((who, path), few) in PAGES.into_iter().zip(few) {
        let cookie = cookie(who);
        let many = count(&app, &statements, path, cookie).await?;
        let mut times = Vec::with_capacity(arguments.times);
        for _ in 0..arguments.times {
            let begun = Instant::now();
            page(&app, path, cookie).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let (p50, p99) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
        println!("{path:<40} {p50:>7.1} {p99:>7.1} {few:>4} {many:>4}");
    }
    superuser.close().await;
    program.close().await?;
    cluster.stop().await?;
    Ok(())
}

/// An account with a browser's cookie; the owner of the tenant, where it is no staff.
async fn signed_in(
    program: &Program,
    email: &str,
    platform_role: Option<PlatformRole>,
) -> anyhow::Result<String> {
    let (email, password) = (Email::parse(email)?, Secret::new("correct horse battery"));
    let operator = Operator::<UsersWrite>::local(&program.db, "bench");
    let new = NewUser {
        email: email.clone(),
        name: "Ada".to_owned(),
        password: password.clone(),
        platform_role,
    };
    let user = users::put(&program.people, &operator, new).await?.id;
    if platform_role.is_none() {
        let tenant = program.db.directory().by_slug("bench-0").await?;
        members::put(&operator, &tenant.context("was made")?, user, "owner").await?;
    }
    let visitor = Visitor::default();
    let answer = sign_in::sign_in(&program.people, &visitor, &email, &password).await?;
    let sign_in::SignIn::Done(session) = answer else {
        anyhow::bail!("the sign-in was refused");
    };
    // Name and value, without the attributes that browsers keep to themselves.
    let cookie = program.web()?.cookie(&session.token)?.to_str()?.to_owned();
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn page(app: &Router, path: &str, cookie: &str) -> anyhow::Result<()> {
    let request = Request::builder()
        .uri(path)
        .header(header::ACCEPT, "text/html")
        .header(header::COOKIE, cookie)
        .body(Body::empty())?;
    let response = app.clone().oneshot(request).await?;
    let status = response.status();
    to_bytes(response.into_body(), usize::MAX).await?;
    // With one tenant, the list of tenants goes straight on.
    anyhow::ensure!(
        status.is_success() || status.is_redirection() && path == "/app",
        "{path} answers {status}"
    );
    Ok(())
}

/// How many statements a page sends, once what it caches is there.
async fn count(
    app: &Router,
    statements: &Statements,
    path: &str,
    cookie: &str,
) -> anyhow::Result<usize> {
    page(app, path, cookie).await?;
    statements.0.store(0, Ordering::Relaxed);
    page(app, path, cookie).await?;
    Ok(statements.0.load(Ordering::Relaxed))
}

/// Tenants with an owner each, and two long logs. Straight into the tables: nothing here is what is
/// measured.
async fn fill(superuser: &PgPool, arguments: &Arguments) -> anyhow::Result<()> {
    let (tenants, entries) = (arguments.tenants, arguments.entries);
    for statement in [
        format!(
            "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id, created_at)
             SELECT gen_random_uuid(), 'tenant-' || n, 'Tenant ' || n, 'standard', 'local', 'active',
                 c.id, now() - n * interval '1 hour'
             FROM generate_series(1, {tenants}) n, control.cell c;"
        ),
        "INSERT INTO cell.tenancy (tenant_id, epoch)
         SELECT id, epoch FROM control.tenant ON CONFLICT DO NOTHING"
            .to_owned(),
        "INSERT INTO cell.job_lane (tenant_id)
         SELECT id FROM control.tenant ON CONFLICT DO NOTHING"
            .to_owned(),
        format!(
            "INSERT INTO control.user (id, email, email_as_typed, name)
             SELECT gen_random_uuid(), 'u' || n || '@example.com', 'u' || n || '@example.com', 'User ' || n
             FROM generate_series(1, {tenants}) n"
        ),
        "INSERT INTO control.membership (tenant_id, user_id, role, created_by)
         SELECT t.id, u.id, 'owner', 'bench' FROM control.tenant t
         JOIN control.user u ON u.name = 'User ' || substr(t.slug, 8)"
            .to_owned(),
        format!(
            "INSERT INTO cell.audit_entry (tenant_id, id, at, actor, action, target, correlation_id)
             SELECT t.id, gen_random_uuid(), now() - n * interval '1 minute', 'user:usr_' || n % 50,
                 (ARRAY['agent.created', 'agent.replaced', 'message.sent', 'role.changed'])[n % 4 + 1],
                 'msg_' || n, gen_random_uuid()
             FROM generate_series(1, {entries}) n, control.tenant t WHERE t.slug = 'bench-0'"
        ),
        format!(
            "INSERT INTO control.operator_audit (id, at, actor, action, tenant_id, detail, correlation_id)
             SELECT gen_random_uuid(), now() - n * interval '1 minute', 'staff:usr_' || n % 20,
                 CASE WHEN n % 100 = 0 THEN 'tenant.changed' ELSE 'tenant.viewed' END, t.id, '{{}}',
                 gen_random_uuid()
             FROM generate_series(1, {entries}) n, control.tenant t WHERE t.slug = 'bench-0'"
        ),
        "VACUUM ANALYZE".to_owned(),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(superuser)
            .await?;
    }
    Ok(())
}
