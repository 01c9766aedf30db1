//! Imports: what maps where, a dry run that is kept to, and a second run that changes nothing.

use super::*;
use crate::credentials::import::{EntryOutcome, Format, Import, Outcome, Report};

const ENV: &str = "\
# accounts
OPENAI_API_KEY=sk-canary-1111111111
export TWILIO_ACCOUNT_SID='AC0123456789abcdef0123456789abcdef'
TWILIO_AUTH_TOKEN=\"canary-twilio-2222\"
TWILIO_PHONE_NUMBER=+15551234567
DATABASE_URL=postgres://canary
WHATSAPP_TOKEN=canary-whatsapp-3333
STRIPE_SECRET_KEY=canary-no-stripe-key
canary4444
";

fn env(text: &str) -> Import {
    import(Format::Env, text)
}

fn import(format: Format, text: &str) -> Import {
    Import {
        format,
        text: Secret::new(text),
        name: "default".to_owned(),
        environment: Environment::Live,
    }
}

async fn run(world: &World, import: &Import, dry_run: bool) -> Report {
    let access = world.write().await;
    let report = world.connect.import_credentials(&access, import, dry_run);
    report.await.expect("it can be read")
}

fn taken(report: &Report) -> Vec<(&str, Outcome)> {
    let credentials = report.credentials.iter();
    credentials
        .map(|taken| (taken.provider.as_str(), taken.outcome))
        .collect()
}

fn entries(report: &Report) -> Vec<(&str, Option<&str>, EntryOutcome)> {
    let entries = report.entries.iter();
    entries
        .map(|entry| (entry.place.as_str(), entry.field.as_deref(), entry.outcome))
        .collect()
}

fn assert_silent(report: &Report) {
    let shown = serde_json::to_string(report).expect("serialises") + &format!("{report:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[tokio::test]
async fn variables_map_to_fields_as_the_dry_run_says() {
    let world = World::new().await;
    let dry = run(&world, &env(ENV), true).await;
    assert!(dry.dry_run && world.all().await.is_empty());
    assert_eq!(
        taken(&dry),
        [
            ("openai", Outcome::Created),
            ("twilio", Outcome::Created),
            ("whatsapp", Outcome::Refused),
            ("stripe", Outcome::Refused),
        ]
    );
    assert_eq!(
        entries(&dry),
        [
            ("line 2", Some("api_key"), EntryOutcome::New),
            ("line 3", Some("account_sid"), EntryOutcome::New),
            ("line 4", Some("auth_token"), EntryOutcome::New),
            ("line 5", Some("phone_number"), EntryOutcome::New),
            ("line 6", None, EntryOutcome::Ignored),
            ("line 7", Some("access_token"), EntryOutcome::New),
            ("line 8", Some("secret_key"), EntryOutcome::Invalid),
            ("line 9", None, EntryOutcome::Invalid),
        ]
    );
    assert_eq!(dry.entries[0].last4.as_deref(), Some("1111"));
    assert_eq!(dry.entries[1].last4, None, "what is no secret has none");
    assert_eq!(dry.entries[4].source.as_deref(), Some("DATABASE_URL"));
    assert_eq!(dry.entries[7].source, None);
    let reason = dry.credentials[2].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("phone_number_id"), "{reason}");
    assert_silent(&dry);

    let real = run(&world, &env(ENV), false).await;
    assert_eq!(taken(&real), taken(&dry));
    assert_eq!(entries(&real), entries(&dry));
    assert_silent(&real);
    let all = world.all().await;
    assert_eq!(all.len(), 2, "each as a whole or not at all");
    assert_eq!(
        world.secret("openai", all[0].id, "api_key").await,
        "sk-canary-1111111111"
    );

    let again = run(&world, &env(ENV), false).await;
    assert_eq!(
        taken(&again)[..2],
        [
            ("openai", Outcome::Unchanged),
            ("twilio", Outcome::Unchanged)
        ]
    );
    assert_eq!(again.entries[0].outcome, EntryOutcome::Unchanged);
    let versions: Vec<i64> = world.all().await.iter().map(|one| one.version).collect();
    assert_eq!(versions, [1, 1], "a second run changes nothing");

    let changed = ENV.replace("2222", "5555");
    let report = run(&world, &env(&changed), false).await;
    assert_eq!(taken(&report)[1], ("twilio", Outcome::Replaced));
    assert_eq!(report.entries[2].outcome, EntryOutcome::Replaces);
    assert_eq!(report.entries[1].outcome, EntryOutcome::Unchanged);
    let found = world.one(all[1].id).await;
    assert_eq!(found.version, 2);
    let previous = found.secrets.iter().filter(|one| one.slot == "previous");
    assert_eq!(previous.count(), 1, "the replaced secret has its grace");
}

#[tokio::test]
async fn the_environment_of_this_program_is_not_read() {
    let world = World::new().await;
    let path = std::env::var("PATH").expect("tests have a path");
    let report = run(
        &world,
        &env("OPENAI_API_KEY=sk-${PATH}\nSMTP_HOST=$PATH"),
        true,
    )
    .await;
    assert_eq!(report.entries[0].outcome, EntryOutcome::Invalid);
    assert!(
        !serde_json::to_string(&report)
            .expect("serialises")
            .contains(&path)
    );
}

#[tokio::test]
async fn a_table_and_json_say_the_same() {
    let world = World::new().await;
    let table = "provider;name;environment;api_key;account_sid;auth_token;colour\n\
        openai;main;live;sk-canary-1111111111;;;\n\
        twilio;sms;test;;AC0123456789abcdef0123456789abcdef;canary-twilio-2222;blue\n\
        nobody;x;;;;;\n";
    let dry = run(&world, &import(Format::Csv, table), true).await;
    assert_eq!(
        taken(&dry),
        [("openai", Outcome::Created), ("twilio", Outcome::Created)]
    );
    assert_eq!(
        entries(&dry),
        [
            ("column 7", None, EntryOutcome::Ignored),
            ("line 2", Some("api_key"), EntryOutcome::New),
            ("line 3", Some("account_sid"), EntryOutcome::New),
            ("line 3", Some("auth_token"), EntryOutcome::New),
            ("line 3", None, EntryOutcome::Ignored),
            ("line 4", None, EntryOutcome::Invalid),
        ]
    );
    assert_silent(&dry);
    run(&world, &import(Format::Csv, table), false).await;
    let all = world.all().await;
    let told: Vec<_> = all
        .iter()
        .map(|one| (one.provider.as_str(), one.name.as_str(), one.environment))
        .collect();
    assert_eq!(
        told,
        [
            ("openai", "main", Environment::Live),
            ("twilio", "sms", Environment::Test)
        ]
    );

    let json = r#"{"credentials": [
        {"provider": "openai", "name": "main", "values": {"api_key": "sk-canary-1111111111"}},
        {"provider": "twilio", "name": "sms", "environment": "test", "values": {
            "account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "canary-twilio-2222"}}
    ]}"#;
    let report = run(&world, &import(Format::Json, json), false).await;
    assert_eq!(
        taken(&report),
        [
            ("openai", Outcome::Unchanged),
            ("twilio", Outcome::Unchanged)
        ]
    );
    assert_silent(&report);
}

#[tokio::test]
async fn what_is_not_understood_is_not_quoted() {
    let world = World::new().await;
    let access = world.write().await;
    for (format, text) in [
        (Format::Csv, "canary,canary2\n1,2"),
        (Format::Csv, ""),
        (Format::Json, "{\"credentials\": \"canary\"}"),
        (Format::Json, "[{\"provider\": canary}]"),
        (Format::Json, "canary"),
    ] {
        let import = import(format, text);
        let outcome = world.connect.import_credentials(&access, &import, true);
        let error = outcome.await.expect_err("it can't be read");
        let told = format!("{error} {error:?}");
        assert!(!told.contains("canary"), "{told}");
    }
    for (format, text) in [
        (
            Format::Env,
            "canary\ncanary=1\nCANARY canary=2\nc2VjcmV0canary==",
        ),
        (
            Format::Csv,
            "provider,api_key\ncanary,canary\nopenai,sk-1,canary",
        ),
        (
            Format::Json,
            "[{\"provider\": \"canary\"}, \"canary\", {\"provider\": \"openai\", \"Canary\": 1, \"values\": {\"api_key\": [\"canary\"]}}]",
        ),
    ] {
        let mut report = run(&world, &import(format, text), false).await;
        // A variable's name is shown where it is written as such names are.
        for entry in &mut report.entries {
            entry.source = entry
                .source
                .take()
                .filter(|source| source.contains(char::is_lowercase));
        }
        assert_silent(&report);
        assert!(world.all().await.is_empty());
    }
}

#[tokio::test]
async fn two_values_for_one_field_are_refused() {
    let world = World::new().await;
    let text = "OPENAI_API_KEY=sk-1111111111\nOPENAI_API_KEY=sk-2222222222";
    let report = run(&world, &env(text), false).await;
    assert_eq!(taken(&report), [("openai", Outcome::Refused)]);
    assert_eq!(report.entries[1].outcome, EntryOutcome::Invalid);
    assert!(world.all().await.is_empty());
}
