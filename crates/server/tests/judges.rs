//! Programs that were written by others, or from our documents alone, against a server as it is
//! installed: a private Postgres, a keyring of its own, HTTP. Webhooks are signed by the providers'
//! own libraries (tests/judges/webhook_sdks.py), an exported audit log is verified by
//! tests/judges/audit_verify.py.

use std::{collections::BTreeMap, path::Path, time::Duration};

use audit::{
    key::VerifierKey,
    note::{Checkpoint, origin},
};
use connect::credentials::{NewCredential, Rotation};
use futures_util::TryStreamExt;
use identity::tenants::{self, NewTenant};
use kernel::{
    Access, Operator,
    permission::{
        AuditRead, CredentialsRead, CredentialsWrite, Permission, TenantsEnter, TenantsWrite,
    },
    secret::Secret,
    testing,
};
use serde_json::{Value, json};
use server::{
    config::Config,
    program::{self, Program},
    serve::Node,
};
use tokio::{net::TcpListener, process::Command};

const DEADLINE: Duration = Duration::from_secs(120);
const TENANT: &str = "acme";
const OTHER_TENANT: &str = "globex";

/// An account at a provider: its fields, and the values of the secret that signs webhooks.
struct Account {
    provider: &'static str,
    signing: &'static str,
    previous: &'static str,
    current: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

/// The accounts of the tenant that is judged. Each secret was rotated once.
const ACCOUNTS: [Account; 5] = [
    Account {
        provider: "twilio",
        signing: "auth_token",
        previous: "0123456789abcdef0123456789abcdef",
        current: "fedcba9876543210fedcba9876543210",
        fields: &[("account_sid", "AC00000000000000000000000000000001")],
    },
    Account {
        provider: "resend",
        signing: "webhook_secret",
        previous: "whsec_cHJldmlvdXMgc2VjcmV0IGF0IHJlc2VuZA==",
        current: "whsec_Y3VycmVudCBzZWNyZXQgYXQgcmVzZW5k+/+/",
        fields: &[("api_key", "re_judged")],
    },
    Account {
        provider: "standard_webhooks",
        signing: "webhook_secret",
        previous: "whsec_cHJldmlvdXMgc3RhbmRhcmQgc2VjcmV0IQ==",
        current: "whsec_Y3VycmVudCBzdGFuZGFyZCBzZWNyZXQhIQ==",
        fields: &[],
    },
    Account {
        provider: "stripe",
        signing: "webhook_secret",
        previous: "whsec_previousSecretAtStripe",
        current: "whsec_currentSecretAtStripe",
        fields: &[("secret_key", "rk_test_judged")],
    },
    Account {
        provider: "slack",
        signing: "signing_secret",
        previous: "00112233445566778899aabbccddeeff",
        current: "ffeeddccbbaa99887766554433221100",
        fields: &[("bot_token", "xoxb-judged"), ("team_id", "T0JUDGED")],
    },
];

/// The other tenant's: connected as well, with secrets and ids that differ.
const OTHER_ACCOUNTS: [(&str, &[(&str, &str)]); 5] = [
    (
        "twilio",
        &[
            ("auth_token", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("account_sid", "AC00000000000000000000000000000002"),
        ],
    ),
    (
        "resend",
        &[
            ("webhook_secret", "whsec_b3RoZXIgc2VjcmV0"),
            ("api_key", "re_other"),
        ],
    ),
    (
        "standard_webhooks",
        &[("webhook_secret", "whsec_b3RoZXIgc2VjcmV0")],
    ),
    (
        "stripe",
        &[
            ("webhook_secret", "whsec_other"),
            ("secret_key", "rk_test_other"),
        ],
    ),
    (
        "slack",
        &[
            ("signing_secret", "11111111111111111111111111111111"),
            ("bot_token", "xoxb-other"),
            ("team_id", "T0OTHER"),
        ],
    ),
];

/// A server without workers: what becomes of the events is not this judge's concern.
async fn start(data: &Path) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut config = Config::load(data, None).expect("the defaults load");
    config.database.url = Secret::new("");
    config.public_url = format!("http://{address}");
    config.worker.concurrency = 0;
    let program = Program::open(config).await.expect("the program opens");
    Node::start_on(program, listener)
        .await
        .expect("the server starts")
}

async fn enter<P: Permission>(program: &Program, slug: &str) -> Access<P> {
    let tenant = program.db.directory().by_slug(slug).await;
    let tenant = tenant
        .expect("the directory answers")
        .expect("the tenant exists");
    let operator = Operator::<TenantsEnter>::local(&program.db, "judges");
    operator
        .enter(tenant, "judges")
        .await
        .expect("staff may enter")
}

async fn tenant(program: &Program, slug: &str) -> Access<CredentialsWrite> {
    let new = NewTenant {
        slug: slug.to_owned(),
        name: slug.to_owned(),
        plan: None,
        region: None,
        weight: None,
    };
    let operator = Operator::<TenantsWrite>::local(&program.db, "judges");
    tenants::create(&operator, new)
        .await
        .expect("the tenant is created");
    enter(program, slug).await
}

fn credential<'a>(
    provider: &str,
    values: impl IntoIterator<Item = &'a (&'a str, &'a str)>,
) -> NewCredential {
    NewCredential {
        provider: provider.to_owned(),
        name: "default".to_owned(),
        values: values
            .into_iter()
            .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
            .collect(),
        ..NewCredential::default()
    }
}

async fn connect_accounts(program: &Program) {
    let access = tenant(program, TENANT).await;
    for account in &ACCOUNTS {
        let first = (account.signing, account.previous);
        let values = account.fields.iter().chain([&first]);
        let created = program
            .connect
            .create_credential(&access, credential(account.provider, values))
            .await
            .expect("the account is connected");
        let rotation = Rotation {
            values: [(account.signing.to_owned(), Secret::new(account.current))].into(),
            grace_seconds: 3600,
        };
        program
            .connect
            .rotate_credential(&access, created.id, rotation)
            .await
            .expect("the secret is rotated");
    }
    let access = tenant(program, OTHER_TENANT).await;
    for (provider, values) in OTHER_ACCOUNTS {
        program
            .connect
            .create_credential(&access, credential(provider, values))
            .await
            .expect("the other account is connected");
    }
}

/// What the judge is told.
fn accounts() -> Value {
    let accounts: BTreeMap<&str, Value> = ACCOUNTS
        .iter()
        .map(|account| {
            let mut told: BTreeMap<&str, Value> = account
                .fields
                .iter()
                .map(|(name, value)| (*name, json!(value)))
                .collect();
            let secrets = json!({ "current": account.current, "previous": account.previous });
            told.insert("secrets", secrets);
            (account.provider, json!(told))
        })
        .collect();
    json!({ "tenant": TENANT, "other_tenant": OTHER_TENANT, "accounts": accounts })
}

/// How many events of each provider a tenant has.
async fn stored(program: &Program, slug: &str) -> BTreeMap<String, i64> {
    let access = enter::<CredentialsRead>(program, slug).await;
    let mut tx = access.read().await.expect("begins");
    let counts: Vec<(String, i64)> =
        sqlx::query_as("SELECT provider, count(*) FROM cell.inbound_event GROUP BY provider")
            .fetch_all(tx.conn())
            .await
            .expect("reads");
    tx.commit().await.expect("ends");
    counts.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_own_libraries_are_understood_and_forgeries_refused() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let data = tempfile::tempdir().expect("a folder");
    let node = start(data.path()).await;
    connect_accounts(node.program()).await;

    let told = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(told.path(), accounts().to_string()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/webhook_sdks.py");
    let output = Command::new(python)
        .arg(script)
        .env("JUDGED_URL", format!("http://{}", node.address))
        .env("JUDGED_ACCOUNTS", told.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, output)
        .await
        .expect("the judge ends")
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");

    // What was acknowledged is stored, once each; what was refused is not.
    let accepted: BTreeMap<String, i64> = said
        .lines()
        .filter_map(|line| line.strip_prefix("accepted ")?.split_once(' '))
        .map(|(provider, count)| (provider.to_owned(), count.parse().expect("a number")))
        .collect();
    assert_eq!(accepted.len(), ACCOUNTS.len(), "{said}");
    assert_eq!(stored(node.program(), TENANT).await, accepted);
    assert_eq!(stored(node.program(), OTHER_TENANT).await, BTreeMap::new());
    node.stop().await.expect("the server stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_written_from_the_documents_agrees_on_an_audit_log() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let data = tempfile::tempdir().expect("a folder");
    let node = start(data.path()).await;
    connect_accounts(node.program()).await;
    let access = enter::<AuditRead>(node.program(), TENANT).await;
    let tenant = access.tenant().id.to_string();
    let lines = audit::api::lines(access, 0).await.expect("begins");
    let export: Vec<_> = lines.try_collect().await.expect("is read to its end");
    let export = export.concat();

    let key = program::audit_key(&node.program().config).expect("the key opens");
    let vkey = key.verifier().to_string();
    let none = None::<(&[u8], &VerifierKey)>;
    let report = audit::verify::verify(&*export, none).expect("reads");
    assert!(report.is_intact(), "{:?}", report.faults);
    let checkpoint = Checkpoint {
        origin: origin(key.verifier(), &tenant),
        size: report.last,
        hash: report.head,
    };
    let notes = data.path().join("notes");
    // Twice, and between them one of another log, as in a sink that takes all of them.
    let note = checkpoint.sign(&key);
    let origin = origin(key.verifier(), "platform");
    let other = Checkpoint {
        origin,
        ..checkpoint
    };
    std::fs::write(&notes, format!("{note}{}{note}", other.sign(&key))).expect("written");

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/audit_verify.py");
    let judge = async |export: &[u8]| {
        let file = data.path().join("export.jsonl");
        std::fs::write(&file, export).expect("written");
        let output = Command::new(&python)
            .arg(&script)
            .args([&file, &notes])
            .arg(&vkey)
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(DEADLINE, output)
            .await
            .expect("the judge ends")
            .expect("the judge runs");
        let complained = String::from_utf8_lossy(&output.stderr);
        assert_eq!(complained, "");
        let said = String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned();
        (output.status.code(), said)
    };
    let agreed = format!("{tenant} {} {} 1", report.last, report.head);
    assert_eq!(judge(&export).await, (Some(0), agreed));
    let text = std::str::from_utf8(&export).expect("text");
    let changed = text.replacen("credential.rotated", "credential.deleted", 1);
    assert_ne!(changed, text);
    let place = text
        .lines()
        .position(|line| line.contains("credential.rotated"));
    let place = place.expect("a rotation") + 1;
    let expected = format!("entry {place} was changed");
    assert_eq!(judge(changed.as_bytes()).await, (Some(1), expected));
    let last = text.trim_end().rfind('\n').expect("several lines") + 1;
    let number = report.last;
    let expected = format!("entries {number} to {number} are missing at the end");
    assert_eq!(judge(&export[..last]).await, (Some(1), expected));
    node.stop().await.expect("the server stops");
}
