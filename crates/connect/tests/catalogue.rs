//! The catalogue: what ships, how a folder extends it, and which mistakes are refused when read.

mod common;

use std::fs;
use std::path::Path;

use common::{CURRENT, JSON, post, refused, verify, with_header};
use connect::catalogue::{Catalogue, CatalogueError};
use connect::webhook::Reason;

fn load(folder: &Path) -> Result<Catalogue, CatalogueError> {
    Catalogue::builtin().with_folder(folder)
}

fn load_one(name: &str, text: &str) -> Result<Catalogue, CatalogueError> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(name), text).expect("writes");
    load(folder.path())
}

/// A provider that no code knows: n8n's webhook node with header authentication.
const N8N: &str = r#"
id = "n8n"
name = "n8n"
docs = "https://docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook/"

[[credential.fields]]
name = "webhook_token"
label = "Header value"
secret = true
required = true

[webhook]
secret = "webhook_token"
dedup = [{ label = "execution", parts = ["body:executionId"] }]
event_kind = [{ parts = ["body:event"] }]
ack = { status = 200 }
deadline_ms = 10000
max_body = 16777216

[[webhook.verify]]
static_header = { header = "x-n8n-token" }
"#;

#[test]
fn every_provider_of_the_scope_ships() {
    let catalogue = Catalogue::builtin();
    for id in [
        "whatsapp",
        "telegram",
        "twilio",
        "vapi",
        "elevenlabs",
        "resend",
        "genesys",
        "slack",
        "linear",
        "github",
        "stripe",
        "google_calendar",
        "sendgrid",
        "mailgun",
        "postmark",
        "discord",
        "magicline",
        "n8n",
    ] {
        let provider = catalogue.get(id).unwrap_or_else(|| panic!("{id} ships"));
        assert!(provider.webhook.is_some(), "{id}");
    }
    for id in ["openai", "openai_compatible", "anthropic", "smtp"] {
        let provider = catalogue.get(id).unwrap_or_else(|| panic!("{id} ships"));
        assert!(provider.webhook.is_none(), "{id}");
    }
    for provider in catalogue.iter() {
        let id = provider.id.as_str();
        assert!(!provider.sources.is_empty(), "{id} names its sources");
        // An OAuth app of the tenant's own proves itself when an account is connected by it.
        let generic = id == "standard_webhooks" || id.ends_with("_app");
        assert_eq!(provider.verification.is_none(), generic, "{id}");
        assert_eq!(provider.api.is_none(), generic || id == "smtp", "{id}");
        let consent = ["slack", "linear", "github", "google_calendar"].contains(&id);
        assert_eq!(provider.oauth.is_some(), consent, "{id}");
    }
    assert!(catalogue.get("nobody").is_none());
    let ids: Vec<&str> = catalogue
        .iter()
        .map(|provider| provider.id.as_str())
        .collect();
    assert!(ids.is_sorted());
}

#[test]
fn every_reason_of_every_provider_has_advice_of_its_own() {
    let mut missing = Vec::new();
    for provider in Catalogue::builtin().iter() {
        let Some(described) = &provider.verification else {
            continue;
        };
        for reason in described.reasons() {
            let advice = described.advice.get(&reason);
            if advice.is_none_or(|text| text.trim().len() < 20) {
                missing.push(format!("{}: {}", provider.id, reason.as_str()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_provider_tells_people_what_to_do_there() {
    for provider in Catalogue::builtin().iter() {
        let id = provider.id.as_str();
        let setup = provider.setup.as_ref();
        let setup = setup.unwrap_or_else(|| panic!("{id} has steps"));
        for field in &provider.credential.fields {
            let told = setup.steps.iter().any(|s| s.fields.contains(&field.name));
            assert!(
                told || !field.required,
                "{id}: no step says where {} is found",
                field.name
            );
        }
        if let Some(made_up) = &setup.made_up {
            let field = provider.credential.field(&made_up.field);
            let value = made_up.value("00112233445566778899aabbccddeeff");
            assert!(field.is_some_and(|field| field.accepts(&value)), "{id}");
        }
    }
}

#[test]
fn steps_that_lead_nowhere_are_refused() {
    let steps = |more: &str| N8N.replace("[webhook]\n", &format!("{more}\n[webhook]\n"));
    let whole = r#"
[setup]
made_up = { field = "webhook_token", form = "{random}" }

[[setup.steps]]
text = "Enter {webhook_url} and {verify_token}."
fields = ["webhook_token"]
"#;
    load_one("n8n.toml", &steps(whole)).expect("loads");
    for (from, to, named) in [
        ("{webhook_url}", "{webhok_url}", "setup.steps[0]"),
        ("{verify_token}", "{redirect_url}", "setup.steps[0]"),
        ("{webhook_url} and ", "", "setup.steps"),
        (
            r#"["webhook_token"]"#,
            r#"["token"]"#,
            "setup.steps[0].fields",
        ),
        (r#"fields = ["webhook_token"]"#, "", "setup.steps"),
        (r#""{random}""#, r#""fixed""#, "setup.made_up.form"),
        (
            r#"field = "webhook_token""#,
            r#"field = "x""#,
            "setup.made_up.field",
        ),
        (
            "[setup]",
            "[setup]\nconsole = \"http://x\"",
            "setup.console",
        ),
        ("text =", "texts =", "texts"),
    ] {
        let text = steps(whole).replace(from, to);
        let error = load_one("n8n.toml", &text).expect_err(to).to_string();
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn credential_fields_say_what_is_secret_and_what_a_value_looks_like() {
    let catalogue = Catalogue::builtin();
    let whatsapp = &catalogue.get("whatsapp").expect("ships").credential;
    let secrets: Vec<&str> = whatsapp
        .fields
        .iter()
        .filter(|field| field.secret)
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(secrets, ["access_token", "app_secret", "verify_token"]);
    let number = whatsapp.field("phone_number_id").expect("is a field");
    assert_eq!(number.identifies.as_deref(), Some("phone_number_id"));
    assert!(number.accepts("106540352242922"));
    assert!(!number.accepts("+49 170"));
    assert!(!number.accepts(""));
    let twilio = &catalogue.get("twilio").expect("ships").credential;
    let optional = twilio.field("phone_number").expect("is a field");
    assert!(optional.accepts("") && optional.accepts("+15551234567"));
    assert!(!optional.accepts("5551234567"));
    // A pattern covers the whole value: a line break does not end it.
    assert!(!optional.accepts("+15551234567\nx"));
}

#[test]
fn a_pattern_covers_the_whole_value_even_with_alternatives() {
    let either = N8N.replace("secret = true\n", "secret = true\npattern = '^ab|cd$'\n");
    let catalogue = load_one("n8n.toml", &either).expect("loads");
    let field = &catalogue.get("n8n").expect("is there").credential.fields[0];
    assert!(field.accepts("ab") && field.accepts("cd"));
    assert!(!field.accepts("abx") && !field.accepts("xcd"));
}

#[test]
fn a_new_provider_is_one_file() {
    let catalogue = load_one("n8n.toml", N8N).expect("loads");
    let provider = catalogue.get("n8n").expect("is there");
    let webhook = provider.webhook.as_ref().expect("has webhooks");
    let request = post(JSON, r#"{"executionId":"7","event":"done"}"#);
    let request = with_header(request, "x-n8n-token", "secret");
    assert_eq!(verify(webhook, &request, "secret"), CURRENT);
    assert_eq!(
        verify(webhook, &request, "other"),
        refused(Reason::TokenMismatch)
    );
    let children = webhook.split(&common::view(&request)).expect("splits");
    assert_eq!(children[0].dedup_key, "execution:7");
    assert_eq!(children[0].event_kind, "done");
    assert!(catalogue.get("whatsapp").is_some(), "the others stay");
}

#[test]
fn a_file_with_a_known_id_replaces_the_provider() {
    let github = N8N.replace("id = \"n8n\"", "id = \"github\"");
    let catalogue = load_one("github.toml", &github).expect("loads");
    assert_eq!(catalogue.get("github").expect("is there").name, "n8n");
}

#[test]
fn a_mistake_names_its_file_and_key() {
    let signature = |lines: &str| {
        N8N.replace(
            "static_header = { header = \"x-n8n-token\" }",
            &format!("[webhook.verify.signature]\nalgorithm = \"hmac_sha256\"\nencoding = \"hex\"\nkey = \"utf8\"\nat = \"header:x-s\"\n{lines}"),
        )
    };
    let changed = |from: &str, to: &str| {
        assert!(N8N.contains(from), "{from}");
        N8N.replace(from, to)
    };
    let site = "[[credential.fields]]\nname = \"site\"\nlabel = \"Site\"\n";
    let with_api =
        |lines: &str| changed("[webhook]\n", &format!("{site}[api]\n{lines}\n[webhook]\n"));
    let test = |lines: &str| {
        format!("[verification]\nproves = \"It works.\"\n[verification.check.request]\n{lines}\n")
    };
    let api = |line: &str| format!("{line}\nauth = [\"none\"]");
    let cases = [
        (changed("deadline_ms", "dead_line"), "dead_line"),
        (changed("deadline_ms = 10000", ""), "deadline_ms"),
        (
            changed("deadline_ms = 10000", "deadline_ms = 0"),
            "webhook.deadline_ms",
        ),
        (
            changed("deadline_ms = 10000", "deadline_ms = \"soon\""),
            "deadline_ms",
        ),
        (
            changed("secret = \"webhook_token\"", "secret = \"other\""),
            "webhook.secret",
        ),
        (changed("id = \"n8n\"", "id = \"m8m\""), "id"),
        (changed("id = \"n8n\"", "id = \"N8N\""), "id"),
        (
            changed("static_header = { header", "static_hedder = { header"),
            "static_hedder",
        ),
        (
            changed("{ header = ", "{ prefiks = \"\", header = "),
            "prefiks",
        ),
        (changed("\"x-n8n-token\"", "\"x n8n\""), "x n8n"),
        (
            changed("status = 200", "status = 500"),
            "webhook.ack.status",
        ),
        (
            changed("body:executionId", "boddy:executionId"),
            "boddy:executionId",
        ),
        (changed("body:executionId", "body:a..b"), "a..b"),
        (
            changed("{ label = \"execution\", parts", "{ parts"),
            "webhook.dedup[0]",
        ),
        (changed("secret = true\n", "pattern = 'x'\n"), "pattern"),
        (changed("secret = true\n", "pattern = '^($'\n"), "pattern"),
        (
            changed("secret = true\n", "identifies = \"x\"\n"),
            "credential.fields[0].identifies",
        ),
        (
            changed("[webhook]\n", "[webhook]\nroute = [\"team\"]\n"),
            "webhook.route[0]",
        ),
        (
            changed(
                "[webhook]\n",
                "[api]\nbase_url = \"https://h/\"\nauth = [\"none\"]\n[webhook]\n",
            ),
            "api.base_url",
        ),
        (with_api(&api("base_url = \"http://h\"")), "api.base_url"),
        (
            with_api(&api("base_url = \"https://{other}\"")),
            "api.base_url",
        ),
        (
            with_api(&api("base_url = \"https://{webhook_token}.h\"")),
            "api.base_url",
        ),
        // The tenant's own text would be the host.
        (with_api(&api("base_url = \"https://api.{site}\"")), "site"),
        (
            with_api(&api("base_url = \"https://h/{site}\"")),
            "api.base_url",
        ),
        (
            with_api(&api("base_url = \"https://{site}@h\"")),
            "api.base_url",
        ),
        (
            with_api(&api("base_url = \"https://h\"\ntenant_host = true")),
            "api.base_url",
        ),
        (with_api("base_url = \"https://h\"\nauth = []"), "api.auth"),
        (
            with_api("base_url = \"https://h\"\nauth = [{ bearer = { secret = \"site\" } }]"),
            "api.auth[0]",
        ),
        (
            with_api("base_url = \"https://h\"\nauth = [{ bearer = { token = \"site\" } }]"),
            "token",
        ),
        (
            with_api(
                "base_url = \"https://h\"\nauth = [\"none\"]\nheaders = { x-a = \"{webhook_token}\" }",
            ),
            "api.headers.x-a",
        ),
        (
            with_api(
                "base_url = \"https://h\"\nauth = [\"none\"]\nretry = { after = [{ at = \"hash\", form = \"seconds\" }] }",
            ),
            "api.retry",
        ),
        (
            with_api(&format!(
                "{}\n{}",
                api("base_url = \"https://h\""),
                test("path = \"a\"")
            )),
            "verification.check.request.path",
        ),
        (
            with_api(&format!(
                "{}\n{}",
                api("base_url = \"https://h\""),
                test("path = \"/{webhook_token}\"")
            )),
            "verification.check.request.path",
        ),
        (
            with_api(&format!(
                "{}\n{}",
                api("base_url = \"https://h\""),
                test("path = \"/\"\nbody = \"{}\"")
            )),
            "verification.check.request.body",
        ),
        (
            with_api(&format!(
                "{}\n{}",
                api("base_url = \"https://h\""),
                test(
                    "path = \"/\"\nexpect = [{ at = \"body:id\", otherwise = \"wrong_account\" }]"
                )
            )),
            "verification.check.request.expect[0]",
        ),
        (
            with_api(&format!(
                "{}\n{}",
                api("base_url = \"https://h\""),
                test("path = \"/\"\nrefusals = [{ when = {}, reason = \"not_found\" }]")
            )),
            "verification.check.request.refusals[0]",
        ),
        (
            changed(
                "secret = true\n",
                "choices = [{ value = \"a\", label = \"A\" }]\ndefault = \"b\"\n",
            ),
            "credential.fields[0].default",
        ),
        (
            changed("secret = true\n", "secret = true\ndefault = \"b\"\n"),
            "credential.fields[0]",
        ),
        (
            format!(
                "{N8N}[[webhook.handshake]]\nsigned = false\nwhen = [{{ at = \"body:a\" }}]\nrespond = {{ status = 200 }}\necho = \"body:a\"\n"
            ),
            "webhook.handshake[0].echo",
        ),
        (signature("signed = \"{nonce}\""), "nonce"),
        (
            signature("signed = \"{timestamp}.{body}\""),
            "webhook.verify[0].signature.timestamp",
        ),
        (
            signature("signed = \"{id}.{body}\""),
            "webhook.verify[0].signature.id",
        ),
        // A time outside the signature protects nothing.
        (
            signature(
                "signed = \"{body}\"\ntimestamp = { at = \"header:x-t\", unit = \"seconds\", past = 1, future = 1 }",
            ),
            "webhook.verify[0].signature.timestamp",
        ),
        (
            signature(
                "signed = \"{timestamp}{body}\"\ntimestamp = { list_item = \"t\", unit = \"seconds\", past = 1, future = 1 }",
            ),
            "webhook.verify[0].signature.timestamp",
        ),
        ("id = ".to_owned(), "id"),
    ];
    for (text, key) in cases {
        let error = load_one("n8n.toml", &text).expect_err(key).to_string();
        assert!(error.contains("n8n.toml"), "{error}");
        assert!(error.contains(key), "`{key}` is missing in: {error}");
    }
}

#[test]
fn a_missing_folder_is_an_error_that_names_it() {
    let error = load(Path::new("/nonexistent/providers")).expect_err("fails");
    assert!(error.to_string().contains("/nonexistent/providers"));
}

/// A file of environment variables names no provider, so each name is to be of one field alone.
#[test]
fn every_variable_is_one_fields() {
    let catalogue = Catalogue::builtin();
    let mut known = std::collections::BTreeMap::new();
    for provider in catalogue.iter() {
        for field in &provider.credential.fields {
            for name in &field.env {
                let place = format!("{}.{}", provider.id, field.name);
                let before = known.insert(name.clone(), place.clone());
                assert_eq!(before, None, "{name} is {place} as well");
            }
        }
    }
    assert_eq!(known["OPENAI_API_KEY"], "openai.api_key");
    assert!(known.len() > 60, "{}", known.len());
}

#[test]
fn a_variable_is_written_as_variables_are() {
    let text = BROKEN_VARIABLES;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("acme.toml"), text).expect("is written");
    let error = Catalogue::builtin().with_folder(folder.path());
    let error = error.expect_err("it is refused").to_string();
    assert!(error.contains("credential.fields[0].env"), "{error}");
}

const BROKEN_VARIABLES: &str = r#"
id = "acme"
name = "Acme"
docs = "https://example.com"
[[credential.fields]]
name = "key"
label = "Key"
env = ["acme-key"]
"#;
