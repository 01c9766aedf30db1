//! Versions against a database: writing, racing, restoring, paging; the API; and logos.

use futures_util::future::join_all;
use kernel::{
    Access,
    configuration::Configuration,
    error::ConflictCode,
    page::PageQuery,
    permission::{ApiKeysWrite, SettingsRead, SettingsWrite},
    testing,
};
use serde_json::{Value, json};

use super::{get, history, replace, restore};
use crate::{
    api_keys::{self, NewApiKey},
    branding::{self, Image},
    testing::App,
};

async fn app() -> (App, Access<SettingsWrite>, Access<SettingsRead>) {
    let app = App::new(testing::database().await);
    app.tenant("acme").await;
    let writing = app.enter("acme").await;
    let reading = app.enter("acme").await;
    (app, writing, reading)
}

fn with_limit(messages_per_minute: u32) -> Configuration {
    let mut configuration = Configuration::default();
    configuration.limits.messages_per_minute = messages_per_minute;
    configuration
}

fn conflict(error: kernel::Error) -> Option<ConflictCode> {
    error.refusal().expect("a refusal").conflict()
}

#[tokio::test]
async fn each_change_is_a_version_and_none_is_lost() {
    let (app, writing, reading) = app().await;
    let defaults = get(&reading).await.expect("defaults");
    assert_eq!((defaults.version, defaults.author), (0, None));

    let first = replace(&writing, 0, &with_limit(7)).await.expect("written");
    assert_eq!(first.version, 1);
    let same = replace(&writing, 1, &with_limit(7))
        .await
        .expect("as it is");
    assert_eq!(same.version, 1, "what changes nothing makes no version");
    let stale = replace(&writing, 0, &with_limit(8)).await;
    assert_eq!(
        conflict(stale.expect_err("refused")),
        Some(ConflictCode::ChangedMeanwhile)
    );
    let ahead = replace(&writing, 9, &with_limit(8)).await;
    assert_eq!(
        conflict(ahead.expect_err("refused")),
        Some(ConflictCode::ChangedMeanwhile)
    );
    let wrong = replace(&writing, 1, &with_limit(0)).await;
    assert_eq!(wrong.expect_err("refused").code(), "invalid_request");

    replace(&writing, 1, &with_limit(8)).await.expect("written");
    let restored = restore(&writing, 2, 1).await.expect("restored");
    assert_eq!(restored.version, 3);
    assert_eq!(restored.configuration, with_limit(7));
    let defaults = restore(&writing, 3, 0).await.expect("restored");
    assert_eq!(defaults.configuration, Configuration::default());
    let unknown = restore(&writing, 4, 99).await.expect_err("refused");
    assert_eq!(unknown.code(), "not_found");
    assert_eq!(
        app.count("SELECT count(*) FROM cell.audit_entry WHERE action = 'configuration.changed'")
            .await,
        4
    );
}

#[tokio::test]
async fn of_writers_at_once_one_is_told_yes() {
    let (app, writing, reading) = app().await;
    let writers = (1..=8).map(|number| replace_with(&writing, number));
    let outcomes = join_all(writers).await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(won, 1, "{outcomes:?}");
    for lost in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(conflict(lost), Some(ConflictCode::ChangedMeanwhile));
    }
    assert_eq!(get(&reading).await.expect("current").version, 1);
    drop(app);
}

async fn replace_with(access: &Access<SettingsWrite>, number: u32) -> kernel::Result<i64> {
    let version = replace(access, 0, &with_limit(number)).await?;
    Ok(version.version)
}

#[tokio::test]
async fn the_history_tells_changes_across_its_pages() {
    let (_app, writing, reading) = app().await;
    for number in 1..=5 {
        replace(&writing, i64::from(number) - 1, &with_limit(number))
            .await
            .expect("written");
    }
    let mut query = PageQuery {
        cursor: None,
        limit: Some(2),
    };
    let mut told = Vec::new();
    loop {
        let page = history(&reading, &query).await.expect("a page");
        for past in &page.data {
            let change = &past.changes[0];
            told.push((
                past.version.version,
                change.before.clone(),
                change.after.clone(),
            ));
        }
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    let expected = [(5, 4, 5), (4, 3, 4), (3, 2, 3), (2, 1, 2), (1, 600, 1)];
    let expected = expected.map(|(version, before, after)| (version, json!(before), json!(after)));
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_api_reads_and_replaces_one_tenants_own() {
    let (app, ..) = app().await;
    app.tenant("globex").await;
    let key = async |slug: &str| {
        let access = app.enter::<ApiKeysWrite>(slug).await;
        let new = NewApiKey {
            name: "test".to_owned(),
            mode: kernel::access::api_key::Mode::Test,
            permissions: None,
            role: Some("owner".to_owned()),
            expires_at: None,
        };
        let issued = api_keys::create(&access, new).await.expect("a key");
        issued.key.expose().to_owned()
    };
    let (acme, globex) = (key("acme").await, key("globex").await);
    let put = async |body: Value| app.send("PUT", "/v1/config", Some(&acme), Some(body)).await;
    let (status, answer) =
        put(json!({ "version": 0, "configuration": { "features": { "media": false } } })).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["version"], 1);
    assert_eq!(answer["configuration"]["features"]["media"], false);
    assert_eq!(
        answer["configuration"]["limits"]["messages_per_minute"],
        600
    );
    let (status, answer) = put(json!({ "version": 0, "configuration": {} })).await;
    assert_eq!(
        (status.as_u16(), &answer["code"]),
        (409, &json!("changed_meanwhile"))
    );
    for wrong in [
        json!({ "limits": { "messages_per_minute": 0 } }),
        json!({ "limits": { "unknown": 1 } }),
        json!({ "branding": { "logo": "0".repeat(64) } }),
    ] {
        let (status, answer) = put(json!({ "version": 1, "configuration": wrong })).await;
        assert_eq!(status, 422, "{answer}");
    }
    let read = async |key: &str, path: &str| app.send("GET", path, Some(key), None).await.1;
    assert_eq!(read(&acme, "/v1/config").await["version"], 1);
    assert_eq!(read(&globex, "/v1/config").await["version"], 0);
    let past = read(&acme, "/v1/config/history").await;
    assert_eq!(past["data"][0]["version"], 1);
    assert_eq!(read(&globex, "/v1/config/history").await["data"], json!([]));
}

fn image(number: u32) -> Image {
    let bytes = [&b"\x89PNG\r\n\x1a\n"[..], &number.to_be_bytes()].concat();
    Image::recognise(bytes).expect("a picture")
}

#[tokio::test]
async fn old_logos_go_and_restoring_without_them_keeps_the_present_one() {
    let (app, writing, reading) = app().await;
    for number in 0..52 {
        branding::change_logo(&writing, i64::from(number), image(number))
            .await
            .expect("a logo");
    }
    assert_eq!(app.count("SELECT count(*) FROM cell.tenant_logo").await, 50);
    let now = get(&reading).await.expect("current").configuration;
    assert_eq!(now.branding.logo, Some(image(51).digest()));

    let restored = restore(&writing, 52, 1).await.expect("restored");
    assert_eq!(restored.version, 52, "its logo is gone, so nothing changed");
    let restored = restore(&writing, 52, 40).await.expect("restored");
    assert_eq!(
        restored.configuration.branding.logo,
        Some(image(39).digest())
    );
    let brand = branding::brand(&reading).await.expect("a brand");
    let address = format!("/app/acme/branding/logo/{}", image(39).digest());
    assert_eq!(brand.logo.as_deref(), Some(address.as_str()));
}
