//! The official OpenAI SDK for Python against the sandbox: the judge that its shapes are OpenAI's
//! own and not merely ours.

use std::path::Path;

use tokio::process::Command;

use crate::fixture::*;

#[tokio::test]
async fn the_official_sdk_works_against_the_sandbox() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        kernel::testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let sandbox = start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/judges/openai_sdk.py");
    let output = Command::new(python)
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
