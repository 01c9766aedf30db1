//! Whether the API is as its document says: schemathesis reads /openapi.json and sends what a client
//! might and what none should, once with the key of each role and once as the operator. It finds a
//! status that is not documented, an answer that is not of its schema, and every fault of ours.

use std::{path::Path, time::Duration};

use identity::{
    api_keys::{self, NewApiKey},
    tenants::{self, NewTenant},
};
use kernel::{
    Access, Operator,
    access::api_key::Mode,
    permission::{ApiKeysWrite, Roles, TenantsEnter, TenantsWrite},
    secret::Secret,
    testing,
};
use server::{config::Config, program::Program, serve::Node};
use tokio::{net::TcpListener, process::Command};

const DEADLINE: Duration = Duration::from_secs(400);
const TENANT: &str = "judged";
/// What is looked for in every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";

async fn start(data: &Path) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut config = Config::load(data, None).expect("the defaults load");
    config.database.url = Secret::new("");
    config.public_url = format!("http://{address}");
    // Nothing that is enqueued here is to leave for a provider.
    config.worker.concurrency = 0;
    let program = Program::open(config).await.expect("the program opens");
    Node::start_on(program, listener)
        .await
        .expect("the server starts")
}

async fn tenant(program: &Program) -> Access<ApiKeysWrite> {
    let new = NewTenant {
        slug: TENANT.to_owned(),
        name: TENANT.to_owned(),
        plan: None,
        region: None,
        weight: None,
    };
    let operator = Operator::<TenantsWrite>::local(&program.db, "judges");
    tenants::create(&operator, new)
        .await
        .expect("the tenant is created");
    let tenant = program.db.directory().by_slug(TENANT).await;
    let tenant = tenant.expect("the directory answers").expect("it exists");
    let operator = Operator::<TenantsEnter>::local(&program.db, "judges");
    let entered = operator.enter(tenant, "judges").await;
    entered.expect("staff may enter")
}

/// A key that may do what a role may.
async fn key(access: &Access<ApiKeysWrite>, role: &str) -> Secret {
    let new = NewApiKey {
        name: role.to_owned(),
        mode: Mode::Test,
        permissions: None,
        role: Some(role.to_owned()),
        expires_at: None,
    };
    let created = api_keys::create(access, new).await;
    created.expect("the key is created").key
}

/// Runs schemathesis on the paths that match, and fails with what it said.
async fn judge(python: &str, node: &Node, who: &str, token: &Secret, paths: &str, examples: &str) {
    let config = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    // Not among the arguments, which others on the machine can read.
    std::fs::write(
        config.path(),
        format!("[headers]\nAuthorization = \"Bearer {}\"\n", token.expose()),
    )
    .expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(Path::new(python).with_file_name("schemathesis"))
        .arg("--config-file")
        .arg(config.path())
        .arg("run")
        .arg(format!("http://{}/openapi.json", node.address))
        .args(["--include-path-regex", paths, "--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", examples, "--continue-on-failure"])
        .args(["--generation-database", "none", "--seed", "1"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, output)
        .await
        .expect("the judge ends in time")
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "as {who}:\n{said}\n{complained}");
    // An include that matches nothing, or a schema that is not read, must not look like a success.
    let tried = said.lines().any(|line| line.contains(" generated, "));
    assert!(tried, "as {who}, nothing was tried:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_every_role_as_documented() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let data = tempfile::tempdir().expect("a folder");
    let node = start(data.path()).await;
    let access = tenant(node.program()).await;
    let roles = &Roles::builtin().tenant;
    // A key without permissions is not made.
    for role in roles
        .iter()
        .filter(|(_, permissions)| !permissions.is_empty())
        .map(|(role, _)| role)
    {
        let token = key(&access, role).await;
        let examples = if role == "owner" { "10" } else { "2" };
        judge(&python, &node, role, &token, "^/v1/", examples).await;
    }
    let operator = &node.program().operator_token;
    judge(&python, &node, "operator", operator, "^/admin/v1/", "10").await;
    node.stop().await.expect("the server stops");
}
