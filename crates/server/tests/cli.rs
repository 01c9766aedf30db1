//! The command line, as people and scripts meet it: the real binary on a data folder.

mod common;

use std::path::Path;

use common::{
    binary::{self, Running, Serving, freehold, stderr, stdout},
    client, exchange,
};
use tokio::net::TcpListener;

/// Runs a command to its end: exit status, standard output, standard error.
async fn call(data: &Path, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = freehold(data);
    command.args(arguments);
    let output = binary::run(command, input).await;
    let status = output.status.code().expect("ended by itself");
    (status, stdout(&output), stderr(&output))
}

/// A command that has to succeed.
async fn done(data: &Path, arguments: &[&str], input: &str) -> String {
    let (status, out, err) = call(data, arguments, input).await;
    assert_eq!(status, 0, "{arguments:?}\n{out}\n{err}");
    out
}

/// The names below `Commands:` of a help text.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself() {
    let data = tempfile::tempdir().expect("a folder");
    let mut waiting = vec![Vec::<String>::new()];
    let mut seen = Vec::new();
    while let Some(command) = waiting.pop() {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = done(data.path(), &arguments, "").await;
        assert!(help.contains("Usage: freehold"), "{command:?}\n{help}");
        for name in subcommands(&help) {
            waiting.push([command.clone(), vec![name]].concat());
        }
        seen.push(command.join(" "));
    }
    for known in [
        "serve",
        "demo",
        "webhook verify",
        "credential set",
        "keys revoke",
        "audit verify",
        "migrate status",
        "sandbox send",
        "tenant create",
        "doctor",
    ] {
        assert!(seen.iter().any(|command| command == known), "{known}");
    }
    // Nothing was started for it.
    assert_eq!(
        std::fs::read_dir(data.path()).expect("the folder").count(),
        0
    );
    let (status, _, err) = call(data.path(), &["no-such-command"], "").await;
    assert_eq!(status, 2);
    assert!(err.contains("no-such-command"), "{err}");
}

/// github/docs `content/webhooks/using-webhooks/validating-webhook-deliveries.md`.
const SECRET: &str = "It's a Secret to Everybody\n";
const SIGNED: &str =
    "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

#[tokio::test(flavor = "multi_thread")]
async fn webhook_verify_tells_genuine_refused_and_unusable_apart() {
    let data = tempfile::tempdir().expect("a folder");
    let secret = data.path().join("secret");
    std::fs::write(&secret, SECRET).expect("written");
    let secret = secret.to_str().expect("text");
    let verify = async |provider: &str, body: &str| {
        let arguments = [
            "webhook",
            "verify",
            "--provider",
            provider,
            "--secret-file",
            secret,
            "--header",
            SIGNED,
        ];
        call(data.path(), &arguments, body).await
    };
    let (status, out, _) = verify("github", "Hello, World!").await;
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("verified"), "{out}");
    let (status, out, _) = verify("github", "Hello, World?").await;
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("signature_mismatch"), "{out}");
    let (status, out, _) = verify("nobody", "Hello, World!").await;
    assert_eq!(status, 2, "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_is_made_and_looked_after_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.as_path();
    // Each command brings the private database up and takes it down again.
    let out = done(data, &["migrate", "status"], "").await;
    assert!(out.contains("pending"), "{out}");
    let out = done(data, &["migrate"], "").await;
    assert!(out.contains("applied"), "{out}");
    let out = done(data, &["migrate", "status"], "").await;
    assert!(out.contains("up to date"), "{out}");

    // Beside a running server they use its database.
    let server = Serving::start(data, &[]).await;
    let out = done(data, &["tenant", "list"], "").await;
    assert!(out.contains("no tenants yet"), "{out}");
    let out = done(
        data,
        &["tenant", "create", "acme", "--name", "Acme Ltd"],
        "",
    )
    .await;
    assert!(out.contains("freehold keys create acme"), "{out}");
    let (status, _, err) = call(data, &["tenant", "create", "acme"], "").await;
    assert_eq!(status, 1);
    assert!(err.starts_with("error: ") && err.contains("acme"), "{err}");
    let out = done(data, &["tenant", "list"], "").await;
    assert!(
        out.contains("acme") && out.contains("active") && out.contains("Acme Ltd"),
        "{out}"
    );

    credentials(data).await;
    vault(data).await;
    keys(data, &server.url).await;
    audit(data, folder.path()).await;
    let out = done(data, &["doctor", "--offline"], "").await;
    assert!(out.contains("Nothing is wrong"), "{out}");
    assert!(out.contains("row-level security is forced"), "{out}");
    server.process.terminate().await;
}

/// Keys are rotated beside the running server; what destroys any asks twice, or waits.
async fn vault(data: &Path) {
    let out = done(data, &["vault", "status"], "").await;
    assert!(out.contains("local:v1"), "{out}");
    let out = done(data, &["vault", "rotate"], "").await;
    assert!(out.contains("local:v2 wraps from now on"), "{out}");
    let out = done(data, &["vault", "rewrap"], "").await;
    assert!(out.contains("were rewrapped"), "{out}");
    let out = done(data, &["vault", "verify"], "").await;
    assert!(out.contains("everything opens"), "{out}");
    let (status, _, err) = call(data, &["vault", "retire"], "").await;
    assert_eq!(status, 1);
    assert!(err.contains("try again in"), "{err}");
    let (status, _, err) = call(data, &["vault", "create-keyring"], "").await;
    assert_eq!(status, 1);
    assert!(err.contains("is there already"), "{err}");
    let erase = [
        "tenant",
        "erase-keys",
        "acme",
        "--confirm",
        "acne",
        "--reason",
        "test",
    ];
    let (status, _, err) = call(data, &erase, "").await;
    assert_eq!(status, 1);
    assert!(err.contains("nothing was destroyed"), "{err}");
    let out = done(data, &["vault", "verify"], "").await;
    assert!(out.contains("everything opens"), "{out}");
}

async fn credentials(data: &Path) {
    let sid = format!("account_sid=AC{}", "0".repeat(32));
    let set = [
        "credential",
        "set",
        "acme",
        "twilio",
        &sid,
        "phone_number=+15551234567",
    ];
    let out = done(data, &set, "the-auth-token-0001\n").await;
    assert!(
        out.contains("…0001") && !out.contains("the-auth-token"),
        "{out}"
    );
    assert!(out.contains("/hooks/acme/twilio"), "{out}");
    // A second time it replaces what is named.
    let token = data.join("token");
    std::fs::write(&token, "the-auth-token-0002\n").expect("written");
    let secret = format!("auth_token={}", token.display());
    done(
        data,
        &["credential", "set", "acme", "twilio", "--secret", &secret],
        "",
    )
    .await;
    let out = done(data, &["credential", "list", "acme"], "").await;
    for part in [
        "version 2",
        "…0002 (current)",
        "…0001 (previous)",
        "+15551234567",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    done(data, &["credential", "delete", "acme", "twilio"], "").await;
    let out = done(data, &["credential", "list", "acme"], "").await;
    assert!(out.contains("no credentials yet"), "{out}");
    let out = done(data, &["credential", "providers"], "").await;
    assert!(
        out.contains("whatsapp") && out.contains("app_secret"),
        "{out}"
    );
    for (arguments, hint) in [
        (["credential", "list", "nobody"], "freehold tenant list"),
        (["credential", "set", "acme"], "Usage"),
    ] {
        let (status, _, err) = call(data, &arguments, "").await;
        assert_ne!(status, 0);
        assert!(err.contains(hint), "{err}");
    }
}

/// What was done before, taken away and verified where no installation is.
async fn audit(data: &Path, folder: &Path) {
    let vkey = done(data, &["audit", "key"], "").await;
    let vkey = vkey.trim_end();
    assert!(vkey.contains("/audit+"), "{vkey}");
    let export = done(data, &["audit", "export", "--tenant", "acme"], "").await;
    assert!(export.contains("credential.created"), "{export}");
    let platform = done(data, &["audit", "export", "--platform"], "").await;
    let notes = done(data, &["audit", "checkpoints", "--tenant", "acme"], "").await;
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let nowhere = folder.join("nowhere");
    let verify = async |export: &str, notes: &str| {
        let (export, notes) = (file("export", export), file("notes", notes));
        let arguments = [
            "audit",
            "verify",
            "--checkpoints",
            &notes,
            "--vkey",
            vkey,
            &export,
        ];
        let (status, out, _) = call(&nowhere, &arguments, "").await;
        (status, out)
    };
    for whole in [&export, &platform] {
        let (status, out) = verify(whole, &notes).await;
        assert_eq!(status, 0, "{out}");
        assert!(out.contains("entries/s") && out.contains("intact"), "{out}");
    }
    let changed = export.replacen("local/", "local/not-", 1);
    let (status, out) = verify(&changed, &notes).await;
    assert_eq!(status, 1, "{out}");
    assert!(
        out.contains("entry 1 (line 1): changed") && out.contains("Next:"),
        "{out}"
    );
    let (_, later) = export.split_once('\n').expect("lines");
    let (status, out) = verify(later, "").await;
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("entry 1: missing"), "{out}");
    let (status, out) = verify("", "").await;
    assert_eq!(status, 2, "{out}");
    let (status, out, _) = call(&nowhere, &["audit", "verify", "/does/not/exist"], "").await;
    assert_eq!(status, 2, "{out}");
    assert!(!nowhere.exists(), "verifying needs no installation");
}

async fn keys(data: &Path, url: &str) {
    let create = [
        "keys", "create", "acme", "--role", "viewer", "--mode", "test", "--name", "reports",
    ];
    let out = done(data, &create, "").await;
    let key = out
        .lines()
        .find(|line| line.starts_with("fh_test_"))
        .expect("the key");
    let id = out
        .split_whitespace()
        .find(|word| word.starts_with("key_"))
        .expect("its id");
    let id = id.trim_end_matches(';');
    let read = async || {
        let request = client().get(format!("{url}/v1/conversations"));
        exchange(request.bearer_auth(key)).await.0
    };
    assert_eq!(read().await, 200);
    let out = done(data, &["keys", "list", "acme"], "").await;
    assert!(
        out.contains(id) && out.contains("reports") && out.contains("valid"),
        "{out}"
    );
    assert!(!out.contains(key), "{out}");
    done(data, &["keys", "revoke", "acme", id], "").await;
    assert_eq!(read().await, 401);
    let out = done(data, &["keys", "list", "acme"], "").await;
    assert!(out.contains("revoked"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_stops_the_start_and_is_named() {
    let data = tempfile::tempdir().expect("a folder");
    for (name, value, key) in [
        ("FREEHOLD_LISTEN", "nonsense", "listen"),
        ("FREEHOLD_LOG__FORMAT", "xml", "log.format"),
        ("FREEHOLD_NO_SUCH_KEY", "1", "no_such_key"),
    ] {
        let mut command = freehold(data.path());
        command.arg("serve").env(name, value);
        let output = binary::run(command, "").await;
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(key), "{}", stderr(&output));
    }
}

/// The demo, and a message sent to it from another terminal.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_the_whole_way_and_takes_further_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("demo");
    // The demo's webhooks go to its public URL, so its port has to be known beforehand.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let demo = || {
        let mut command = freehold(&data);
        command.arg("demo").env("FREEHOLD_LISTEN", &address);
        command
    };
    let mut running = Running::start(demo());
    running.line("It stays up.").await;
    let said = running.said.text();
    for provider in ["whatsapp", "twilio", "telegram"] {
        assert!(said.contains(&format!("── {provider} → ")), "{said}");
    }
    assert_eq!(
        said.matches("the reply reached the provider").count(),
        3,
        "{said}"
    );

    for (channel, tampered, answered) in [
        ("whatsapp", false, "answered 200"),
        ("twilio", false, "answered 200"),
        ("telegram", false, "answered 200"),
        ("whatsapp", true, "answered 401"),
        ("telegram", true, "answered 401"),
    ] {
        let mut command = freehold(&data);
        command.env("FREEHOLD_LISTEN", &address);
        command.args(["sandbox", "send", channel, "--tenant", "ironworks"]);
        command.args(tampered.then_some("--tampered"));
        let output = binary::run(command, "").await;
        assert!(
            stdout(&output).contains(answered),
            "{channel}: {}",
            stdout(&output)
        );
    }
    running.terminate().await;

    // The next start goes on with the same data.
    let mut command = demo();
    command.arg("--once");
    let output = binary::run(command, "").await;
    assert!(
        output.status.success(),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert_eq!(
        stdout(&output)
            .matches("the reply reached the provider")
            .count(),
        3
    );
}
