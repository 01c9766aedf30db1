//! What a tenant may say of its own key-encryption key, and what is refused.

use super::*;

fn transit_key() -> NewTransitKey {
    NewTransitKey {
        address: "https://bao.example.com:8200".to_owned(),
        namespace: None,
        mount: transit(),
        key: "freehold".to_owned(),
        login: LoginKind::Token,
        approle_mount: approle(),
        role_id: None,
        secret: Secret::new("hvs.token"),
    }
}

fn wrong_fields(outcome: Result<(Place, Secret)>) -> Vec<String> {
    match outcome {
        Err(Error::Invalid { fields, .. }) => fields.into_iter().map(|wrong| wrong.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn regions_are_read_from_arns_of_keys_alone() {
    let arn = |region: &str| format!("arn:aws:kms:{region}:123456789012:key/0b1c-22");
    for region in ["eu-central-1", "us-gov-east-1", "ap-southeast-12"] {
        assert_eq!(region_of(&arn(region)), Some(region));
    }
    for region in [
        "",
        "eu",
        "eu-central",
        "evil.example/",
        "eu-central-1.evil.example",
        "EU-central-1",
        "eu--1",
    ] {
        assert_eq!(region_of(&arn(region)), None, "{region}");
    }
    for bad in [
        "alias/freehold",
        "arn:aws:s3:eu-central-1:123456789012:key/0b1c",
        "arn:evil:kms:eu-central-1:123456789012:key/0b1c",
        "arn:aws:kms:eu-central-1:12345:key/0b1c",
        "arn:aws:kms:eu-central-1:123456789012:alias/freehold",
        "arn:aws:kms:eu-central-1:123456789012:key/0b1c:more",
        "arn:aws:kms:eu-central-1:123456789012:key/",
    ] {
        assert_eq!(region_of(bad), None, "{bad}");
    }
}

#[test]
fn an_address_is_an_address_and_nothing_more() {
    for good in [
        "https://bao.example.com",
        "https://bao.example.com:8200/",
        "http://[::1]:8200",
    ] {
        assert!(is_origin(good), "{good}");
    }
    for bad in [
        "",
        "bao.example.com",
        "ftp://bao.example.com",
        "https://bao.example.com/v1",
        "https://bao.example.com?x",
        "https://bao.example.com#x",
        "https://me:pw@bao.example.com",
    ] {
        assert!(!is_origin(bad), "{bad}");
    }
}

#[test]
fn every_wrong_field_is_named() {
    let new = NewTransitKey {
        address: "bao".to_owned(),
        namespace: Some("a b".to_owned()),
        mount: "../sys".to_owned(),
        key: "a/b".to_owned(),
        login: LoginKind::Approle,
        approle_mount: "..".to_owned(),
        secret: Secret::new("two words"),
        ..transit_key()
    };
    assert_eq!(
        wrong_fields(new.checked()),
        [
            "address",
            "namespace",
            "mount",
            "key",
            "approle_mount",
            "role_id",
            "secret"
        ]
    );
    let new = NewAwsKey {
        key: "alias/x".to_owned(),
        access_key_id: "short".to_owned(),
        secret_access_key: Secret::new(""),
    };
    assert_eq!(
        wrong_fields(new.checked()),
        ["key", "access_key_id", "secret_access_key"]
    );
}

#[test]
fn a_place_is_stored_and_read_without_the_secret() {
    let (place, secret) = transit_key().checked().unwrap();
    assert_eq!(secret.expose(), "hvs.token");
    let settings = place.settings().unwrap();
    assert!(!settings.to_string().contains("hvs.token"));
    assert_eq!(Place::stored("transit", settings).unwrap(), place);
    assert!(Place::stored("other", serde_json::json!({})).is_err());
}

#[test]
fn requests_are_read_by_their_provider_and_know_every_field() {
    let read = |value: serde_json::Value| serde_json::from_value::<NewEncryptionKey>(value);
    let good = serde_json::json!({
        "provider": "transit", "address": "https://bao.example.com", "key": "k",
        "login": "approle", "role_id": "r", "secret": "s",
    });
    assert!(matches!(
        read(good.clone()).unwrap(),
        NewEncryptionKey::Transit(new) if new.mount == "transit" && new.approle_mount == "approle"
    ));
    let mut unknown = good;
    unknown["endpoint"] = "http://169.254.169.254".into();
    assert!(read(unknown).is_err());
}
