//! Every provider that sends webhooks: its secret is replaced with a grace, and webhooks signed with
//! the old one and with the new one arrive, until the grace ends. What comes of it is the second table
//! of docs/providers.md.

#[allow(dead_code, reason = "the tests of verification use all of it")]
mod scenes;
mod tables;

use std::{collections::BTreeMap, fmt::Write as _};

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use axum::{Router, body::Body, extract::FromRef};
use base64::{Engine, engine::general_purpose::STANDARD};
use connect::{
    Connect,
    catalogue::{Provider, Webhook},
    credentials::{CredentialView, NewCredential, Rotation},
    inbound,
    webhook::{SignableRequest, sign},
};
use http::{HeaderMap, HeaderValue, Method, header};
use kernel::{Db, permission::CredentialsWrite, secret::Secret};
use scenes::{Scene, cases};
use time::OffsetDateTime;
use tower::ServiceExt;

const GRACE_SECONDS: u32 = 3600;

/// A secret as the tenant stores it, and what the provider signs with: the same but for those whose
/// webhooks are verified by a public key.
struct Pair {
    stored: String,
    signs: String,
}

/// The `number`th secret of a provider, in the form that its secrets have.
fn secret(provider: &str, number: u8) -> Pair {
    let same = |text: String| Pair {
        stored: text.clone(),
        signs: text,
    };
    match provider {
        "discord" => {
            let seed = [number; 32];
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed");
            Pair {
                stored: hex::encode(pair.public_key()),
                signs: hex::encode(seed),
            }
        }
        "sendgrid" => {
            let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
            let private = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
            let private = private.expect("a key pair");
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref()).expect("a key pair");
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("is encoded");
            Pair {
                stored: STANDARD.encode(public.as_ref()),
                signs: STANDARD.encode(private.as_ref()),
            }
        }
        "resend" | "standard_webhooks" | "stripe" | "vapi" => {
            same(format!("whsec_{}", STANDARD.encode([number; 24])))
        }
        "postmark" => same(format!("hook:password-{number}")),
        _ => same(format!("secret-{number}-of-the-webhooks")),
    }
}

/// What a provider requires beside the secret, in a form that its patterns let through.
fn other_values(provider: &Provider) -> BTreeMap<String, Secret> {
    let all = cases();
    let case = all.iter().find(|case| case.provider == provider.id);
    let known = case.map_or_else(Vec::new, |case| case.values.clone());
    known
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Secret::new(value)))
        .collect()
}

async fn connected(scene: &Scene, provider: &Provider, webhook: &Webhook) -> CredentialView {
    let mut values = other_values(provider);
    let first = secret(&provider.id, 1).stored;
    values.insert(webhook.secret.clone(), Secret::new(first));
    if provider.id == "n8n" {
        for (name, value) in [
            ("base_url", "https://n8n.example.com"),
            ("api_key", "n8n-key-1"),
        ] {
            values.insert(name.to_owned(), Secret::new(value));
        }
    }
    let new = NewCredential {
        provider: provider.id.clone(),
        name: "main".to_owned(),
        values,
        ..NewCredential::default()
    };
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    let made = scene.connect.create_credential(&access, new).await;
    made.unwrap_or_else(|error| panic!("{}: {error}", provider.id))
}

async fn replace(scene: &Scene, made: &CredentialView, field: &str, value: &str) {
    let rotation = Rotation {
        values: BTreeMap::from([(field.to_owned(), Secret::new(value))]),
        grace_seconds: GRACE_SECONDS,
    };
    let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
    let replaced = scene.connect.rotate_credential(&access, made.id, rotation);
    replaced.await.expect("is replaced");
}

#[derive(Clone)]
struct App {
    connect: Connect,
    db: Db,
}

impl FromRef<App> for Connect {
    fn from_ref(app: &App) -> Self {
        app.connect.clone()
    }
}

impl FromRef<App> for Db {
    fn from_ref(app: &App) -> Self {
        app.db.clone()
    }
}

/// Sends a webhook signed with this, and says whether it was taken.
async fn deliver(scene: &Scene, provider: &Provider, webhook: &Webhook, signs: &str) -> bool {
    let path = format!("/hooks/{}/{}", scene.tenant.slug, provider.id);
    let form = provider.id == "twilio";
    let (content_type, body) = match form {
        true => (
            "application/x-www-form-urlencoded",
            "MessageSid=SM1&Body=hello",
        ),
        false => ("application/json", r#"{"type":"test"}"#),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let mut request = SignableRequest {
        method: Method::POST,
        url: format!("{}{path}", scene.connect.settings().public_url),
        headers,
        body: body.as_bytes().to_vec(),
    };
    let now = OffsetDateTime::now_utc();
    sign(webhook, &mut request, &Secret::new(signs), now)
        .unwrap_or_else(|error| panic!("{}: {error}", provider.id));
    let mut sent = http::Request::post(path.as_str())
        .body(Body::from(request.body))
        .expect("a request");
    *sent.headers_mut() = request.headers;
    let app = App {
        connect: scene.connect.clone(),
        db: scene.db.db.clone(),
    };
    let routes: Router = inbound::routes().with_state(app);
    let answer = routes.oneshot(sent).await.expect("an answer");
    let taken = answer.status().is_success();
    assert!(
        taken || answer.status() == http::StatusCode::UNAUTHORIZED,
        "{}: {}",
        provider.id,
        answer.status()
    );
    taken
}

#[tokio::test]
async fn old_and_new_secrets_verify_until_the_grace_ends() {
    let mut scene = Scene::new().await;
    let mut table = String::from(
        "| Provider | Before | Replaced: old | Replaced: new | A stranger's | Grace over: old | Grace over: new |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let catalogue = scene.catalogue().clone();
    let mut covered = 0;
    for provider in catalogue.iter() {
        let Some(webhook) = &provider.webhook else {
            continue;
        };
        covered += 1;
        scene.tenant = scene.db.tenant(&provider.id.replace('_', "-")).await;
        let made = connected(&scene, provider, webhook).await;
        let [old, new, foreign] = [1, 2, 3].map(|number| secret(&provider.id, number));
        // ECDSA's keys are made at random, so the first is stored anew with its private half at hand.
        if provider.id == "sendgrid" {
            replace(&scene, &made, &webhook.secret, &old.stored).await;
        }
        let before = deliver(&scene, provider, webhook, &old.signs).await;
        replace(&scene, &made, &webhook.secret, &new.stored).await;
        let replaced_old = deliver(&scene, provider, webhook, &old.signs).await;
        let replaced_new = deliver(&scene, provider, webhook, &new.signs).await;
        let stranger = deliver(&scene, provider, webhook, &foreign.signs).await;
        let access = scene.db.enter::<CredentialsWrite>(&scene.tenant).await;
        let ended = scene.connect.end_grace(&access, made.id).await;
        ended.expect("the grace ends");
        let over_old = deliver(&scene, provider, webhook, &old.signs).await;
        let over_new = deliver(&scene, provider, webhook, &new.signs).await;
        let found = [
            before,
            replaced_old,
            replaced_new,
            stranger,
            over_old,
            over_new,
        ];
        let expected = [true, true, true, false, false, true];
        assert_eq!(found, expected, "{}", provider.id);
        let words = found.map(|taken| if taken { "taken" } else { "refused" });
        writeln!(table, "| `{}` | {} |", provider.id, words.join(" | ")).expect("a string");
    }
    assert!(covered >= 19, "{covered} providers send webhooks");
    tables::compare("secret rotation", &table);
}
