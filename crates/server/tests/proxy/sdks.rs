//! Providers' own libraries, with their base URL and key changed to the proxy's and nothing else.
//! What each exercises is told by docs/proxy.md, whose table has to be what the judges print.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::{self, Next},
};
use base64::prelude::{BASE64_STANDARD, Engine};
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use kernel::{secret::Secret, testing};
use sandbox::{Provider, ServiceAccount};
use serde_json::json;
use server::config;
use tokio::{net::TcpListener, process::Command};

use crate::common::{DEADLINE, TestNode, TestTenant};

/// The tenant's account at a provider, as it is entered.
struct Account {
    provider: Provider,
    /// The field by whose value the provider knows the account, and the value.
    proof: (&'static str, &'static str),
    /// Further fields.
    values: &'static [(&'static str, &'static str)],
    /// What the provider knows beside.
    facts: &'static [(&'static str, &'static str)],
}

/// As the sandbox's record shows the accounts.
const ID: &str = "acme-1";

const ACCOUNTS: &[Account] = &[
    Account {
        provider: Provider::Slack,
        proof: ("bot_token", "xoxb-acme-0123456789"),
        values: &[
            ("signing_secret", "00112233445566778899aabbccddeeff"),
            ("team_id", "T0ACME01"),
        ],
        facts: &[],
    },
    Account {
        provider: Provider::GitHub,
        proof: ("access_token", "github_pat_acme0123456789"),
        values: &[("webhook_secret", "hook-acme-0123456789")],
        facts: &[("repository", "acme/site")],
    },
    Account {
        provider: Provider::Stripe,
        proof: ("secret_key", "rk_test_acme0123456789"),
        values: &[("webhook_secret", "whsec_acme0123456789")],
        facts: &[],
    },
    Account {
        provider: Provider::GoogleCalendar,
        proof: ("client_secret", "GOCSPX-acme-0123456789"),
        values: &[
            ("client_id", ID),
            ("refresh_token", "1//acme-0123456789"),
            ("channel_token", "channel-acme-0123456789"),
        ],
        facts: &[("email", "ana@example.com")],
    },
    Account {
        provider: Provider::Vapi,
        proof: ("api_key", "vapi-acme-0123456789"),
        values: &[
            ("webhook_secret", "hook-acme-0123456789"),
            ("org_id", "3c4d5e6f-7081-4293-84a5-b6c7d8e9f001"),
            ("assistant_id", "8a9b0c1d-2e3f-4a5b-8c6d-7e8f9a0b1c2d"),
        ],
        facts: &[("phone_number_id", "1f2e3d4c-5b6a-4978-8695-a4b3c2d1e0f9")],
    },
    Account {
        provider: Provider::ElevenLabs,
        proof: ("api_key", "sk_acme0123456789"),
        values: &[("webhook_secret", "wsec_acme0123456789")],
        facts: &[],
    },
    Account {
        provider: Provider::Resend,
        proof: ("api_key", "re_acme_0123456789"),
        values: &[("webhook_secret", "whsec_YWNtZSBhdCByZXNlbmQsIHdlYmhvb2tz")],
        facts: &[],
    },
    Account {
        provider: Provider::SendGrid,
        proof: ("api_key", "SG.acme.0123456789"),
        // A public key, as every secret of webhooks here is only there to be entered.
        values: &[(
            "verification_key",
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7wCT9RM50rZuu6apwNU8xeKlNyHC9YMcYnLj+qXwneS3Y4RYhOf6eqRUXxXWZRrb3H9AZac7944anxVKnyuO5w==",
        )],
        facts: &[],
    },
    Account {
        provider: Provider::Anthropic,
        proof: ("api_key", "sk-ant-acme-0123456789"),
        values: &[],
        facts: &[],
    },
];

/// In the table's order. Those of OpenAI and Twilio are with every tenant of the tests.
const JUDGED: [Provider; 11] = [
    Provider::Anthropic,
    Provider::ElevenLabs,
    Provider::GoogleCalendar,
    Provider::OpenAi,
    Provider::GitHub,
    Provider::Resend,
    Provider::SendGrid,
    Provider::Slack,
    Provider::Stripe,
    Provider::Twilio,
    Provider::Vapi,
];

impl Account {
    fn open(&self, node: &TestNode) {
        let account = ServiceAccount::new(self.provider, ID, self.proof.1);
        let known = self.values.iter().chain(self.facts);
        let account = known.fold(account, |account, (name, value)| account.fact(name, value));
        node.sandbox.accounts().service(account);
    }

    /// Stores it as tenants do.
    async fn connect(&self, node: &TestNode, key: &Secret) {
        let values = self.values.iter().chain([&self.proof]);
        let values: serde_json::Map<_, _> = values
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let body = json!({ "provider": self.provider, "values": values });
        let (status, answer) = node.post("/v1/credentials", key, &body).await;
        assert_eq!(status, 201, "{answer}");
    }
}

/// The sandbox again, at another address, with everything kept as it was sent: the sandbox's own
/// record leaves out what may be a secret.
#[derive(Clone, Default)]
struct Tap {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    async fn note(self, request: Request, next: Next) -> axum::response::Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a whole body");
        let authorization = parts.headers.get(AUTHORIZATION);
        let pair = authorization
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        let pair = String::from_utf8_lossy(pair.as_deref().unwrap_or_default()).into_owned();
        let text = String::from_utf8_lossy(&body);
        let seen = format!("{} {:?} {pair} {text}", parts.uri, parts.headers);
        self.seen.lock().expect("not poisoned").push(seen);
        next.run(Request::from_parts(parts, Body::from(body))).await
    }

    fn with(&self, text: &str) -> usize {
        let seen = self.seen.lock().expect("not poisoned");
        seen.iter().filter(|seen| seen.contains(text)).count()
    }
}

/// A node whose providers are behind the tap.
async fn node(tap: &Tap) -> TestNode {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let node = TestNode::configured(|config| {
        for provider in JUDGED {
            let below = match provider {
                Provider::OpenAi => "/v1",
                _ => "",
            };
            let settings = config::Provider {
                base_url: Some(format!("http://{address}/{provider}{below}")),
                ..config::Provider::default()
            };
            config.providers.insert(provider.to_string(), settings);
        }
    })
    .await;
    let tap = tap.clone();
    let router = node
        .sandbox
        .router()
        .layer(middleware::from_fn(move |request, next| {
            tap.clone().note(request, next)
        }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    node
}

/// Runs one judge, and returns its row of the table, or what it complains of.
async fn judged(
    python: &str,
    node: &TestNode,
    acme: &TestTenant,
    key: &Secret,
    provider: Provider,
) -> Result<String, String> {
    let account = match provider {
        Provider::OpenAi => acme.openai.api_key.last4().expect("a long key"),
        Provider::Twilio => acme.twilio.account_sid.clone(),
        _ => ID.to_owned(),
    };
    let output = Command::new(python)
        .arg(root().join(format!("tests/judges/{provider}_proxy.py")))
        .env("PROXY_URL", format!("{}/v1/proxy/{provider}", node.url))
        .env("FREEHOLD_KEY", key.expose())
        .env("PROVIDER", provider.as_str())
        .env("ACCOUNT", account)
        .env("FROM_NUMBER", &acme.twilio.phone_number)
        .env("SANDBOX_URL", node.sandbox.url())
        .env("NO_PROXY", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE * 8, output)
        .await
        .expect("the judge ends")
        .expect("the judge runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let row = said.lines().find_map(|line| line.strip_prefix("row "));
    match row.filter(|_| output.status.success()) {
        Some(row) => Ok(row.to_owned()),
        None => Err(format!("{provider}: {said}\n{complained}")),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of the table of libraries in docs/proxy.md.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/proxy.md")).expect("the page");
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with("| library"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_providers_libraries_work_through_the_proxy_as_its_page_says() {
    let Ok(python) = std::env::var("JUDGES_PYTHON") else {
        testing::skip("JUDGES_PYTHON, a Python with tests/judges/requirements.txt");
        return;
    };
    let tap = Tap::default();
    let node = node(&tap).await;
    let acme = node.tenant("acme").await;
    let writer = node.api_key("acme", &["credentials:write"]).await;
    for account in ACCOUNTS {
        account.open(&node);
        account.connect(&node, &writer).await;
    }
    let key = node.api_key("acme", &["proxy:use"]).await;
    let judges = JUDGED.map(|provider| judged(&python, &node, &acme, &key, provider));
    let (rows, failures): (Vec<_>, Vec<_>) =
        join_all(judges).await.into_iter().partition(Result::is_ok);
    let failures: Vec<String> = failures.into_iter().filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let rows: Vec<String> = rows.into_iter().filter_map(Result::ok).collect();

    assert_eq!(tap.with(key.expose()), 0, "a provider saw the key");
    let proofs = ACCOUNTS.iter().map(|account| account.proof.1);
    let proofs = proofs.chain([
        acme.openai.api_key.expose(),
        acme.twilio.auth_token.expose(),
    ]);
    for proof in proofs {
        assert!(tap.with(proof) > 0, "{} was never sent", &proof[..4]);
    }
    assert_eq!(
        documented(),
        rows,
        "docs/proxy.md has to say:\n{}",
        rows.join("\n")
    );
    node.stop().await;
}
