//! The official OpenAI SDK for Python against the sandbox: the judge that its shapes are OpenAI's
//! own and not merely ours.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use crate::fixture::*;

/// A Python with the `openai` package: the one that `OPENAI_SDK_PYTHON` names, else the usual one.
fn python() -> String {
    std::env::var("OPENAI_SDK_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test says when it is skipped")]
async fn the_official_sdk_works_against_the_sandbox() {
    let probe = Command::new(python())
        .args(["-c", "import openai"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: needs a Python with the openai package (OPENAI_SDK_PYTHON)");
        return;
    }
    let sandbox = start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/openai_sdk.py");
    let output = Command::new(python())
        .arg(script)
        .env(
            "OPENAI_BASE_URL",
            sandbox.base_url(sandbox::Provider::OpenAi),
        )
        .env("OPENAI_API_KEY", OPENAI_KEY)
        .env("OPENAI_MODEL", MODEL)
        .env("SANDBOX_URL", sandbox.url())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE * 12, output)
        .await
        .expect("the script ends")
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(said.contains("ok      request_shape"), "{said}");
}
