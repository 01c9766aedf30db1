//! No secret ever leaves: not into logs, answers, metrics, traces or the database.
//!
//! Canaries stand for every kind of secret. The real binary is driven through success and failure
//! with its log turned all the way up, in both formats, against providers that quote what they are
//! sent; then everything that came out of it is searched, in clear and in the encodings in which
//! secrets travel.

#[path = "../common/mod.rs"]
mod common;

mod failures;
mod planted;
mod quoting;
mod seen;
mod successes;

use std::{path::Path, process::Stdio};

use common::{TestTenant, binary, settings, tenant};
use kernel::{
    permission::ApiKeysWrite,
    postgres::{Embedded, PORT, SUPERUSER},
    secret::Secret,
    testing,
};
use planted::Planted;
use quoting::Quoting;
use sandbox::Sandbox;
use seen::Seen;
use server::program::Program;
use tokio::process::Command;

/// Words of a contact: not a secret, so they are found wherever content is, which shows that the
/// search finds what is there.
pub const CONTROL: &str = "these-words-are-no-secret";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_leaves_by_any_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let sandbox = Sandbox::start(([127, 0, 0, 1], 0).into())
        .await
        .expect("the sandbox starts");
    let quoting = Quoting::start().await;
    let mut planted = Planted::new();
    let acme = planted.tenant("acme");
    let key = set_up(&data, &sandbox, &acme, &mut planted).await;
    planted.read_keyring(&data);

    let seen = Seen::default();
    let mut logs = Vec::new();
    for format in ["text", "json"] {
        let mut environment = planted.settings();
        environment.push(("FREEHOLD_LOG__FORMAT".to_owned(), format.to_owned()));
        environment.push(("FREEHOLD_LOG__FILTER".to_owned(), "trace".to_owned()));

        let mut good = environment.clone();
        good.extend(binary::providers(&sandbox));
        let server = binary::Serving::start(&data, &good).await;
        successes::drive(&server.url, &acme, &key, &planted, &sandbox, &seen).await;
        let mut log = server.process.terminate().await.text();

        let mut bad = environment;
        bad.extend(quoting.settings());
        let server = binary::Serving::start(&data, &bad).await;
        failures::drive(&server.url, &acme, &key, &planted, &quoting, &seen).await;
        successes::look_around(&server.url, &key, &planted, &seen).await;
        let dump = dump(&data).await;
        planted.absent(&format!("the database after {format}"), &dump);
        control_of_the_dump(&dump);
        log += &server.process.terminate().await.text();
        logs.push((format, log));
    }
    for output in cli(&data, &planted).await {
        planted.absent("the command line", &output);
    }
    for (format, log) in &logs {
        // The log tells of what happened; it is not merely empty.
        for happened in ["webhook refused", "job failed for good", "TRACE"] {
            assert!(log.contains(happened), "{format} log: {happened}");
        }
        planted.absent(&format!("the {format} log"), log);
    }
    let answers = seen.text();
    assert!(
        answers.contains(CONTROL),
        "the API shows what contacts wrote"
    );
    planted.absent("the answers", &answers);
    assert!(
        quoting.quoted() > 0,
        "providers were sent credentials to quote"
    );
}

/// Creates the tenant, its credentials and an API key, and plants what that makes.
async fn set_up(
    data: &Path,
    sandbox: &Sandbox,
    acme: &TestTenant,
    planted: &mut Planted,
) -> Secret {
    let program = Program::open(settings(data, sandbox, binary::PUBLIC_URL))
        .await
        .expect("the program opens");
    acme.register(sandbox);
    tenant::create(&program, "acme").await;
    acme.connect(&program).await;
    for (provider, values) in planted.further_credentials() {
        tenant::connect(&program, "acme", provider, &values).await;
    }
    let access = tenant::enter::<ApiKeysWrite>(&program, "acme").await;
    let new = identity::api_keys::NewApiKey {
        name: "canary".to_owned(),
        mode: kernel::access::api_key::Mode::Live,
        permissions: None,
        role: Some("owner".to_owned()),
        expires_at: None,
    };
    let key = identity::api_keys::create(&access, new)
        .await
        .expect("the key is issued")
        .key;
    planted.api_key(&key);
    program.close().await.expect("the program closes");
    key
}

/// All rows of both schemas, as text.
async fn dump(data: &Path) -> String {
    let socket = Embedded::attach(data).expect("the database runs");
    let output = Command::new(testing::bin_dir().await.join("pg_dump"))
        .args([
            "--data-only",
            "--schema=control",
            "--schema=cell",
            "--username",
            SUPERUSER,
        ])
        .args(["--port", &PORT.to_string(), "--host"])
        .arg(socket)
        .arg("freehold")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("pg_dump runs");
    assert!(output.status.success(), "{}", binary::stderr(&output));
    binary::stdout(&output)
}

/// The dump holds what is meant to be there: words in clear, and bodies as hexadecimal bytes.
fn control_of_the_dump(dump: &str) {
    assert!(dump.contains(CONTROL));
    assert!(dump.contains(&hex::encode(CONTROL)));
    for table in [
        "cell.credential_secret",
        "cell.provider_call",
        "cell.inbound_event",
        "cell.job",
    ] {
        let rows = dump
            .split(&format!("COPY {table} "))
            .nth(1)
            .expect("the table is dumped");
        let first = rows.lines().nth(1).expect("a row");
        assert_ne!(first, "\\.", "{table} is empty");
    }
}

/// What the commands print that show credentials and keys.
async fn cli(data: &Path, planted: &Planted) -> Vec<String> {
    let mut outputs = Vec::new();
    for (arguments, input) in [
        (&["credential", "list", "acme"][..], String::new()),
        (
            &["credential", "set", "acme", "stripe"],
            planted.stripe_lines(),
        ),
        (
            &["credential", "set", "acme", "stripe", "secret_key="],
            String::new(),
        ),
        (&["keys", "list", "acme"], String::new()),
        (&["tenant", "list"], String::new()),
        (&["doctor", "--offline"], String::new()),
    ] {
        let mut command = binary::freehold(data);
        command
            .args(arguments)
            .env("FREEHOLD_LOG__FILTER", "trace")
            .envs(planted.settings());
        let output = binary::run(command, &input).await;
        outputs.push(binary::stdout(&output) + &binary::stderr(&output));
    }
    assert!(outputs[0].contains("app_secret"), "{}", outputs[0]);
    assert!(outputs[1].contains("webhook_secret"), "{}", outputs[1]);
    outputs
}
