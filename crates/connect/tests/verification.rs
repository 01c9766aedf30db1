//! Every provider of the catalogue against the sandbox, on a real database: save, test, use, be
//! refused, recover. What comes of it is the table in docs/providers.md.

mod scenes;
mod tables;

use std::{collections::BTreeMap, fmt::Write as _};

use connect::{
    Call, CallBody,
    catalogue::Reason,
    credentials::{CredentialView, NewCredential, Rotation},
    verify::{Outcome, Verification},
};
use kernel::{
    Error,
    permission::{CredentialsUse, CredentialsWrite},
    secret::Secret,
};
use scenes::{Case, Scene, cases};

async fn create(scene: &Scene, case: &Case) -> CredentialView {
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    let values = case
        .values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    let new = NewCredential {
        provider: case.provider.to_owned(),
        name: case.name.to_owned(),
        values: values.collect(),
        ..NewCredential::default()
    };
    let created = scene.connect.create_credential(&access, new).await;
    created.unwrap_or_else(|error| panic!("{}: {error}", case.provider))
}

async fn replace(scene: &Scene, credential: &CredentialView, field: &str, value: &str) {
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    let rotation = Rotation {
        values: BTreeMap::from([(field.to_owned(), Secret::new(value))]),
        grace_seconds: 0,
    };
    let replaced = scene
        .connect
        .rotate_credential(&access, credential.id, rotation);
    let replaced = replaced.await.expect("is replaced");
    assert_eq!(
        replaced.verification, None,
        "a changed credential is untested"
    );
}

async fn verify(scene: &Scene, credential: &CredentialView) -> Verification {
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    let verified = scene.connect.verify(&access, credential.id).await;
    verified.expect("a refusal is an answer")
}

/// One call with the credential, as a slice makes it.
async fn call(scene: &Scene, case: &Case) -> kernel::Result<()> {
    let Some((method, path)) = &case.call else {
        return Ok(());
    };
    let access = scene.db.enter::<CredentialsUse>(&scene.tenant).await;
    let credential = scene.connect.resolve(&access, case.provider).await?;
    let body = match *method {
        http::Method::POST => CallBody::Json(serde_json::json!({ "query": "{ viewer { id } }" })),
        _ => CallBody::None,
    };
    let call = Call {
        credential: &credential,
        operation: "test.use",
        method: method.clone(),
        path: (*path).to_owned(),
        body,
    };
    scene.connect.call(&access, call).await.map(|_| ())
}

/// The latest request that the sandbox got for the provider was proven to be this account's.
fn assert_used(scene: &Scene, case: &Case) {
    let Some(simulated) = case.simulated else {
        return;
    };
    let received = scene.sandbox.received(simulated);
    let last = received.last().expect("the provider was called");
    assert!(last.status < 300, "{}: {last:?}", case.provider);
    assert_eq!(
        last.account.as_deref(),
        Some(case.account),
        "{}",
        case.provider
    );
}

fn assert_silent(case: &Case, found: &Verification) {
    let told = serde_json::to_string(found).expect("serialises");
    for (field, secret) in case.secrets() {
        assert!(!told.contains(secret), "{}.{field}: {told}", case.provider);
    }
}

fn said(found: &Verification) -> &'static str {
    match (found.outcome, found.reason) {
        (Outcome::Good, None) => "good",
        (_, Some(reason)) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_provider_is_saved_tested_used_refused_and_recovers() {
    let mut scene = Scene::new().await;
    let mut table = String::from(
        "| Provider | Saved, tested | Used | Wrong secret | Mended | Revoked there | Given back |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let cases = cases();
    let with_test: Vec<String> = scene
        .catalogue()
        .iter()
        .filter(|provider| provider.verification.is_some())
        .map(|provider| provider.id.clone())
        .collect();
    let covered: Vec<&str> = cases.iter().map(|case| case.provider).collect();
    assert_eq!(
        covered, with_test,
        "a case for every provider that can be tested, in order"
    );
    for case in &cases {
        // One each, because a tenant may test only so much in a minute.
        let slug = case.provider.replace('_', "-");
        scene.tenant = scene.db.tenant(&slug).await;
        let credential = create(&scene, case).await;
        let good = verify(&scene, &credential).await;
        assert_eq!(good.outcome, Outcome::Good, "{}: {good:?}", case.provider);
        assert!(!good.detail.is_empty() && good.advice.is_none());
        let used = call(&scene, case).await;
        assert!(used.is_ok(), "{}: {used:?}", case.provider);
        assert_used(&scene, case);

        replace(&scene, &credential, case.secret, case.wrong).await;
        let wrong = verify(&scene, &credential).await;
        assert_eq!(
            wrong.outcome,
            Outcome::Refused,
            "{}: {wrong:?}",
            case.provider
        );
        assert_eq!(
            wrong.reason,
            Some(Reason::InvalidCredential),
            "{}: {wrong:?}",
            case.provider
        );
        assert!(wrong.advice.is_some(), "{}", case.provider);
        assert_silent(case, &wrong);
        assert!(!wrong.detail.contains(case.wrong), "{}", wrong.detail);
        if case.call.is_some() {
            let refused = call(&scene, case).await;
            let slack = case.provider == "slack";
            assert!(
                slack || matches!(refused, Err(Error::Provider { .. })),
                "{refused:?}"
            );
        }

        replace(&scene, &credential, case.secret, case.right()).await;
        let mended = verify(&scene, &credential).await;
        assert_eq!(
            mended.outcome,
            Outcome::Good,
            "{}: {mended:?}",
            case.provider
        );

        case.revoke(&scene, true);
        let revoked = verify(&scene, &credential).await;
        assert_eq!(
            revoked.outcome,
            Outcome::Refused,
            "{}: {revoked:?}",
            case.provider
        );
        assert_silent(case, &revoked);
        case.revoke(&scene, false);
        let restored = verify(&scene, &credential).await;
        assert_eq!(
            restored.outcome,
            Outcome::Good,
            "{}: {restored:?}",
            case.provider
        );
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            case.provider,
            said(&good),
            if case.call.is_some() { "yes" } else { "–" },
            said(&wrong),
            said(&mended),
            said(&revoked),
            said(&restored),
        )
        .expect("a string takes everything");
    }
    tables::compare("verification", &table);
}

#[tokio::test]
async fn what_was_good_and_is_refused_is_announced_once_and_audited() {
    let mut scene = Scene::new().await;
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.provider == "stripe")
        .expect("is covered");
    let credential = create(&scene, case).await;
    assert_eq!(verify(&scene, &credential).await.outcome, Outcome::Good);
    case.revoke(&scene, true);
    for _ in 0..2 {
        assert_eq!(verify(&scene, &credential).await.outcome, Outcome::Refused);
    }
    let refused = scene.refused().await;
    assert_eq!(refused.credential, credential.id);
    assert_eq!(
        (refused.provider.as_str(), refused.reason.as_str()),
        ("stripe", "invalid_credential")
    );
    assert!(!refused.advice.is_empty());
    case.revoke(&scene, false);
    assert_eq!(verify(&scene, &credential).await.outcome, Outcome::Good);
    assert_eq!(
        scene.acts(credential.id).await,
        [
            "credential.created",
            "credential.refused",
            "credential.recovered"
        ]
    );
}

#[tokio::test]
async fn an_outage_says_nothing_about_the_credential() {
    let scene = Scene::new().await;
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.provider == "vapi")
        .expect("is covered");
    let credential = create(&scene, case).await;
    assert_eq!(verify(&scene, &credential).await.outcome, Outcome::Good);
    let simulated = case.simulated.expect("is simulated");
    for (fault, reason) in [
        (sandbox::Fault::ServerError, Reason::ProviderUnavailable),
        (sandbox::Fault::rate_limited(7), Reason::RateLimited),
        (sandbox::Fault::HalfAnswer, Reason::ProviderUnavailable),
        (sandbox::Fault::Malformed, Reason::UnexpectedAnswer),
    ] {
        scene.sandbox.faults().next(simulated, fault.clone(), 1);
        let found = verify(&scene, &credential).await;
        assert_eq!(
            (found.outcome, found.reason),
            (Outcome::Unknown, Some(reason)),
            "{fault:?}"
        );
    }
    assert_eq!(scene.acts(credential.id).await, ["credential.created"]);
}

#[tokio::test]
async fn another_tenant_s_credential_is_none_and_tests_are_limited() {
    let scene = Scene::new().await;
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.provider == "vapi")
        .expect("is covered");
    let credential = create(&scene, case).await;
    let other = scene.db.tenant("other").await;
    let access = scene.db.enter::<CredentialsWrite>(&other).await;
    let refused = scene.connect.verify(&access, credential.id).await;
    assert!(
        matches!(refused, Err(Error::NotFound("credential"))),
        "{refused:?}"
    );
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    for _ in 0..30 {
        scene
            .connect
            .verify(&access, credential.id)
            .await
            .expect("is tested");
    }
    let limited = scene.connect.verify(&access, credential.id).await;
    assert!(
        matches!(limited, Err(Error::RateLimited { .. })),
        "{limited:?}"
    );
    // What counts against the limit is kept, and of what is older the newest.
    assert_eq!(scene.kept(credential.id).await, 30);
    scene.age().await;
    scene
        .connect
        .verify(&access, credential.id)
        .await
        .expect("a minute has passed");
    assert_eq!(scene.kept(credential.id).await, 20);
}

#[tokio::test]
async fn a_saved_credential_is_tested_by_a_job_and_daily() {
    let scene = Scene::automatic().await;
    let all = cases();
    let case = all
        .iter()
        .find(|case| case.provider == "resend")
        .expect("is covered");
    let credential = create(&scene, case).await;
    let found = scene.tested(credential.id).await;
    assert_eq!(found.outcome, Outcome::Good);
    assert_eq!(
        scene.schedules().await,
        [format!("verify/{}", credential.id)]
    );
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    scene
        .connect
        .delete_credential(&access, credential.id)
        .await
        .expect("is removed");
    assert!(scene.schedules().await.is_empty());
}
