//! The views with fixed data.

use kernel::{
    db::TenantStatus,
    extract::Fields,
    id::{CellId, TenantId},
    refusal::Refusal,
};
use time::{Duration, macros::datetime};
use uuid::Uuid;

use super::{form::KeyForm, *};
use crate::own_key::{AwsView, KeyFailure, TransitView};

const NOW: OffsetDateTime = datetime!(2026-03-14 12:00 UTC);

fn tenant() -> Tenant {
    Tenant {
        id: TenantId::from(Uuid::nil()),
        slug: "acme".to_owned(),
        status: TenantStatus::Active,
        suspension: None,
        cell: CellId::from(Uuid::nil()),
        epoch: 1,
    }
}

fn own(failure: Option<KeyFailure>) -> OwnKeyView {
    OwnKeyView {
        provider: Holder::Transit,
        transit: Some(TransitView {
            address: "https://bao.acme.example".to_owned(),
            namespace: Some("team".to_owned()),
            mount: "transit".to_owned(),
            key: "freehold".to_owned(),
            login: LoginKind::Approle,
            approle_mount: Some("approle".to_owned()),
            role_id: Some("<role>".to_owned()),
        }),
        aws: None,
        state: KeyState::of(failure),
        failure,
        failing_since: failure.map(|_| NOW - Duration::hours(2)),
        advice: failure.map(|failure| failure.advice(Holder::Transit).to_owned()),
        verified_at: NOW - Duration::days(1),
        created_by: "user:usr_1".to_owned(),
        created_at: datetime!(2026-03-01 12:00 UTC),
        updated_at: datetime!(2026-03-02 12:00 UTC),
        version: 2,
    }
}

fn overview(own: Option<OwnKeyView>, may_change: bool) -> String {
    let overview = Overview {
        tenant: &tenant(),
        found: &EncryptionKeyView { own },
        may_change,
        aws: true,
        now: NOW,
    };
    lines(overview.render())
}

fn lines(markup: Markup) -> String {
    markup.into_string().replace('>', ">\n")
}

#[test]
fn overview_without_a_key() {
    let text = overview(None, false);
    assert!(text.contains("The installation&#39;s key") || text.contains("The installation's key"));
    assert!(!text.contains("/transit"), "readers set nothing");
    assert!(overview(None, true).contains("/app/acme/encryption-key/transit"));
}

#[test]
fn overview_of_a_key_that_works() {
    insta::assert_snapshot!(overview(Some(own(None)), true));
    let reader = overview(Some(own(None)), false);
    assert!(!reader.contains("<form") && !reader.contains("/remove"));
}

#[test]
fn overview_says_what_is_wrong_and_what_to_do() {
    for failure in KeyFailure::ALL {
        let text = overview(Some(own(Some(failure))), true);
        let advice = kernel::refusal::sentence(failure.advice(Holder::Transit));
        assert!(text.contains(&advice), "{failure:?}: {text}");
    }
}

#[test]
fn overview_of_a_key_in_aws() {
    let own = OwnKeyView {
        provider: Holder::Aws,
        transit: None,
        aws: Some(AwsView {
            key: "arn:aws:kms:eu-central-1:123456789012:key/1".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
        }),
        ..own(None)
    };
    let text = overview(Some(own), false);
    assert!(text.contains("AKIAEXAMPLE") && text.contains("AWS KMS"));
}

#[test]
fn a_refused_form_keeps_what_was_entered_but_for_the_secret() {
    let entered = serde_json::json!([
        ["address", "https://bao.example"],
        ["mount", ""],
        ["key", "k"],
        ["login", "token"],
        ["secret", "hvs.x"],
    ]);
    let entered: Fields = serde_json::from_value(entered).expect("pairs");
    let refusal = Error::field("mount", "may hold letters").refusal();
    let refusal = refusal.expect("a refusal");
    let form = KeyForm {
        tenant: &tenant(),
        entered: &entered,
        refusal: &refusal,
    };
    let text = lines(form.transit());
    assert!(text.contains("https://bao.example"));
    assert!(text.contains("May hold letters"));
    assert!(!text.contains("hvs.x"), "{text}");
}

#[test]
fn forms() {
    let form = KeyForm {
        tenant: &tenant(),
        entered: &Fields::default(),
        refusal: &Refusal::default(),
    };
    insta::assert_snapshot!(lines(form.transit()));
    insta::assert_snapshot!(lines(form.aws()));
}
