//! A cluster of its own with Freehold's database in it, and tenants who have accounts at WhatsApp
//! and Twilio.

use std::path::Path;

use anyhow::Context;
use connect::credentials::NewCredential;
use identity::tenants::{self, NewTenant};
use kernel::{
    Access, Db, Operator,
    db::Server,
    permission::{CredentialsWrite, Permission, TenantsEnter, TenantsWrite},
    postgres::{Embedded, Options},
    secret::Secret,
};
use rand::RngExt;
use sandbox::{TwilioAccount, WhatsAppAccount};
use server::{config::Config, program::Program};
use sqlx::{PgPool, postgres::PgConnectOptions};

/// The program's database inside a cluster of its own.
pub const DATABASE: &str = "freehold";

/// A tenant and its accounts.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub slug: String,
    pub whatsapp: WhatsAppAccount,
    pub twilio: TwilioAccount,
}

/// Starts a cluster with Postgres' own settings, `fsync` among them, in a data folder where the
/// program then finds it running.
pub async fn cluster(data: &Path) -> anyhow::Result<Embedded> {
    let cluster = Embedded::start(&Options {
        data: data.to_owned(),
        bin: None,
        settings: Vec::new(),
    })
    .await?;
    Server::from_socket(
        cluster.socket_dir(),
        cluster.port(),
        cluster.superuser(),
        DATABASE,
    )
    .ensure_database(DATABASE)
    .await?;
    Ok(cluster)
}

/// Connections that row-level security does not bind, for counting and cleaning up.
pub async fn superuser(cluster: &Embedded) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(cluster.socket_dir())
        .port(cluster.port())
        .username(cluster.superuser())
        .database(DATABASE);
    Ok(PgPool::connect_with(options).await?)
}

/// The program on a data folder, inside this process.
pub async fn program(data: &Path) -> anyhow::Result<Program> {
    Program::open(Config::load(data, None)?).await
}

/// Makes tenants as the operator would, and connects their accounts.
pub async fn tenants(program: &Program, count: usize) -> anyhow::Result<Vec<Tenant>> {
    let operator = Operator::<TenantsWrite>::local(&program.db, "bench");
    let mut made = Vec::with_capacity(count);
    for number in 0..count {
        let tenant = Tenant::random(format!("bench-{number}"));
        tenants::create(&operator, bare(&tenant.slug)).await?;
        let access = enter::<CredentialsWrite>(&program.db, &tenant.slug).await?;
        for (provider, values) in tenant.credentials() {
            let new = NewCredential {
                provider: provider.to_owned(),
                name: "default".to_owned(),
                values: values
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), Secret::new(value)))
                    .collect(),
                ..NewCredential::default()
            };
            program.connect.create_credential(&access, new).await?;
        }
        made.push(tenant);
    }
    Ok(made)
}

/// Makes tenants who have nothing yet. Their names.
pub async fn bare_tenants(program: &Program, count: usize) -> anyhow::Result<Vec<String>> {
    let operator = Operator::<TenantsWrite>::local(&program.db, "bench");
    let mut made = Vec::with_capacity(count);
    for number in 0..count {
        let slug = format!("bench-{number}");
        tenants::create(&operator, bare(&slug)).await?;
        made.push(slug);
    }
    Ok(made)
}

fn bare(slug: &str) -> NewTenant {
    NewTenant {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        plan: None,
        region: None,
        weight: None,
    }
}

pub async fn enter<P: Permission>(db: &Db, slug: &str) -> anyhow::Result<Access<P>> {
    let tenant = db
        .directory()
        .by_slug(slug)
        .await?
        .with_context(|| format!("tenant {slug} was made"))?;
    Ok(Operator::<TenantsEnter>::local(db, "bench")
        .enter(tenant, "benchmark")
        .await?)
}

impl Tenant {
    fn random(slug: String) -> Self {
        Self {
            slug,
            whatsapp: WhatsAppAccount {
                phone_number_id: digits(15),
                waba_id: digits(15),
                access_token: Secret::new(format!("EAA{}", hex(60))),
                app_secret: Secret::new(hex(32)),
                verify_token: Secret::new(hex(32)),
                display_phone_number: format!("1555{}", digits(7)),
            },
            twilio: TwilioAccount {
                account_sid: format!("AC{}", hex(32)),
                auth_token: Secret::new(hex(32)),
                phone_number: format!("+1555{}", digits(7)),
            },
        }
    }

    fn credentials(&self) -> [(&'static str, Vec<(&'static str, String)>); 2] {
        let (whatsapp, twilio) = (&self.whatsapp, &self.twilio);
        let whatsapp = vec![
            ("phone_number_id", whatsapp.phone_number_id.clone()),
            ("waba_id", whatsapp.waba_id.clone()),
            ("access_token", whatsapp.access_token.expose().to_owned()),
            ("app_secret", whatsapp.app_secret.expose().to_owned()),
            ("verify_token", whatsapp.verify_token.expose().to_owned()),
        ];
        let twilio = vec![
            ("account_sid", twilio.account_sid.clone()),
            ("auth_token", twilio.auth_token.expose().to_owned()),
            ("phone_number", twilio.phone_number.clone()),
        ];
        [("whatsapp", whatsapp), ("twilio", twilio)]
    }
}

/// A digit string that does not begin with zero.
pub fn digits(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|place| char::from(b'0' + rng.random_range(u8::from(place == 0)..10)))
        .collect()
}

fn hex(length: usize) -> String {
    let mut rng = rand::rng();
    (0..length)
        .map(|_| char::from(b"0123456789abcdef"[rng.random_range(0..16)]))
        .collect()
}
