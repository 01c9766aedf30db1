//! Where calls go and what proves them, for the shapes that the catalogue has.

use std::collections::BTreeMap;

use kernel::id::CredentialId;

use super::*;
use crate::catalogue::Catalogue;

fn credential(provider: &str, fields: &[(&str, &str)], secrets: &[(&str, &str)]) -> OpenCredential {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let secrets = owned(secrets)
        .into_iter()
        .map(|(name, value)| (name, Secret::new(value)))
        .collect();
    OpenCredential::new(
        CredentialId::new(),
        provider,
        crate::credentials::Environment::Live,
        owned(fields),
        secrets,
    )
}

fn provider(id: &str) -> Provider {
    Catalogue::builtin().get(id).expect("ships").clone()
}

fn base(id: &str, fields: &[(&str, &str)]) -> Result<String> {
    let provider = provider(id);
    let api = provider.api.as_ref().expect("has an API");
    base_url(&provider, api, &credential(id, fields, &[]))
}

#[test]
fn a_region_chooses_among_the_provider_s_own_hosts() {
    let genesys = base("genesys", &[("host", "mypurecloud.de")]).expect("is a host");
    assert_eq!(genesys, "https://api.mypurecloud.de");
    for host in [
        "evil.example/x",
        "a@b",
        "a:1",
        "",
        ".de",
        "a b",
        "ä.de",
        "a#",
        "a?",
    ] {
        assert!(base("genesys", &[("host", host)]).is_err(), "{host}");
    }
    assert_eq!(
        base("mailgun", &[]).expect("has a default"),
        "https://api.mailgun.net"
    );
    let eu = base("mailgun", &[("host", "api.eu.mailgun.net")]).expect("is a host");
    assert_eq!(eu, "https://api.eu.mailgun.net");
}

#[test]
fn a_tenant_s_own_address_is_nothing_but_an_address() {
    let own = |url| base("openai_compatible", &[("base_url", url)]);
    assert_eq!(
        own("https://llm.example.com/v1/").expect("is a URL"),
        "https://llm.example.com/v1"
    );
    for url in [
        "https://user@llm.example.com/v1",
        "https://llm.example.com/v1?x=1",
        "https://llm.example.com/v1#x",
        "file:///etc/passwd",
        "llm.example.com",
    ] {
        assert!(own(url).is_err(), "{url}");
    }
}

#[test]
fn the_first_way_whose_fields_are_there_is_taken() {
    let linear = provider("linear");
    let api = linear.api.as_ref().expect("has an API");
    let key = credential("linear", &[], &[("api_key", "lin_api_1")]);
    assert!(matches!(way(api, &key), Some(Auth::Header(_))));
    let both = credential("linear", &[], &[("api_key", "a"), ("access_token", "b")]);
    assert!(matches!(way(api, &both), Some(Auth::Bearer(_))));
    let none = credential("linear", &[], &[("webhook_secret", "c")]);
    assert!(way(api, &none).is_none());
    assert_eq!(
        lacking(&linear, api).to_string(),
        "the Linear credential has no access_token, and no api_key; complete it under credentials"
    );
}

#[test]
fn a_path_s_values_stay_in_their_segment() {
    let template = FieldTemplate::try_from("/a/{id}/b".to_owned()).expect("is a template");
    let path = |id| path(&template, &credential("x", &[("id", id)], &[]));
    assert_eq!(path("1:2").expect("is one"), "/a/1:2/b");
    assert_eq!(path("../c?d#e").expect("is one"), "/a/..%2Fc%3Fd%23e/b");
    assert!(path("..").is_err() && path(".").is_err() && path("").is_err());
}

#[test]
fn optional_headers_are_left_out_and_broken_ones_refused() {
    let openai = provider("openai");
    let api = openai.api.as_ref().expect("has an API");
    let headers = |fields| constant_headers(api, &credential("openai", fields, &[]));
    assert!(headers(&[]).expect("are headers").is_empty());
    let one = headers(&[("organization", "org-1")]).expect("are headers");
    assert_eq!(one["openai-organization"], "org-1");
    assert!(headers(&[("organization", "a\nb")]).is_err());
}

#[test]
fn what_was_sent_is_not_quoted_in_any_form() {
    let mut authorization = Authorization::hiding(&[Secret::new("12:a/b")]);
    // printf 'AC1:12:a/b' | base64
    authorization.secrets.push(Secret::new("QUMxOjEyOmEvYg=="));
    let text = "`Basic QUMxOjEyOmEvYg==` and `12:a/b` and `12%3Aa%2Fb` are wrong";
    assert_eq!(
        authorization.redact(text),
        "`Basic …` and `…` and `…` are wrong"
    );
    authorization
        .prove(header::AUTHORIZATION, &Secret::new("Bearer x"))
        .expect("is a header");
    assert!(authorization.headers[header::AUTHORIZATION].is_sensitive());
    assert!(
        authorization
            .prove(header::AUTHORIZATION, &Secret::new("a\nb"))
            .is_err()
    );
}
