//! The views with fixed data.

use std::collections::BTreeMap;

use kernel::{
    db::TenantStatus,
    id::{CellId, CredentialId, TenantId},
};
use time::{Duration, macros::datetime};
use uuid::Uuid;

use crate::{
    catalogue::Reason,
    verify::{self, Verification},
};

use super::{super::SecretView, detail::Detail, new::NewForm, state::LastCall, *};

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

fn credential() -> CredentialView {
    let secret = |field: &str, slot: &str, ends: &str, valid_until| SecretView {
        field: field.to_owned(),
        slot: slot.to_owned(),
        last4: Some(ends.to_owned()),
        valid_until,
    };
    CredentialView {
        id: CredentialId::from(Uuid::nil()),
        provider: "whatsapp".to_owned(),
        name: "main <line>".to_owned(),
        fields: BTreeMap::from([("phone_number_id".to_owned(), "123456789".to_owned())]),
        secrets: vec![
            secret("access_token", "current", "a1b2", None),
            secret(
                "app_secret",
                "previous",
                "c3d4",
                Some(NOW + Duration::hours(5)),
            ),
            secret("verify_token", "current", "e5f6", None),
        ],
        verification: Some(Verification {
            outcome: verify::Outcome::Refused,
            reason: Some(Reason::InvalidCredential),
            detail: "WhatsApp Cloud API: answered 401: <gone>".to_owned(),
            advice: Some("Make a new access token.".to_owned()),
            scopes: vec!["messaging".to_owned()],
            expires_at: Some(NOW + Duration::days(20)),
            checked_at: NOW - Duration::hours(2),
        }),
        version: 2,
        created_at: datetime!(2026-03-01 12:00 UTC),
        updated_at: datetime!(2026-03-13 12:00 UTC),
    }
}

fn state(outcome: Outcome) -> ProviderState {
    ProviderState {
        provider: "whatsapp".to_owned(),
        endpoint_open: Some(true),
        last_call: Some(LastCall {
            at: NOW - Duration::minutes(5),
            outcome,
        }),
    }
}

fn lines(markup: Markup) -> String {
    markup.into_string().replace("><", ">\n<")
}

#[test]
fn the_list() {
    let catalogue = Catalogue::builtin();
    let found = Rows {
        data: vec![credential()],
        next_cursor: None,
    };
    let page = ListPage {
        tenant: &tenant(),
        at: &ui::Query::new("/app/acme/credentials", ""),
        found: &found,
        states: &[state(Outcome::Accepted)],
        catalogue: &catalogue,
        may_change: true,
        now: NOW,
    };
    insta::assert_snapshot!(lines(list_view(&page)));
}

#[test]
fn a_credential_that_is_refused() {
    let catalogue = Catalogue::builtin();
    let detail = Detail {
        connection: None,
        tenant: &tenant(),
        credential: &credential(),
        provider: catalogue.get("whatsapp"),
        state: Some(&state(Outcome::Refused)),
        hook_url: "https://hooks.example.com/hooks/acme/whatsapp".to_owned(),
        may_change: true,
        now: NOW,
    };
    insta::assert_snapshot!(lines(detail.render()));
}

#[test]
fn what_a_provider_asks_for_becomes_a_form() {
    let catalogue = Catalogue::builtin();
    let form = NewForm {
        tenant: &tenant(),
        provider: catalogue.get("whatsapp").expect("in the catalogue"),
        hook_url: "https://hooks.example.com/hooks/acme/whatsapp".to_owned(),
        entered: &Fields::default(),
        proposal: "0123456789abcdef".to_owned(),
        refusal: &Refusal::default(),
    };
    insta::assert_snapshot!(lines(form.render()));
}

#[test]
fn a_refused_form_keeps_what_is_no_secret() {
    let catalogue = Catalogue::builtin();
    let entered = Fields::from(vec![
        ("name".to_owned(), "second".to_owned()),
        ("values.waba_id".to_owned(), "not digits".to_owned()),
        (
            "values.access_token".to_owned(),
            "planted-secret".to_owned(),
        ),
        ("values.verify_token".to_owned(), "planted-token".to_owned()),
    ]);
    let error = Error::field("values.waba_id", "must be digits");
    let form = NewForm {
        tenant: &tenant(),
        provider: catalogue.get("whatsapp").expect("in the catalogue"),
        hook_url: String::new(),
        entered: &entered,
        proposal: "0123456789abcdef".to_owned(),
        refusal: &error.refusal().expect("a refusal"),
    };
    let html = lines(form.render());
    assert!(html.contains("value=\"second\"") && html.contains("value=\"not digits\""));
    assert!(html.contains("Must be digits"), "{html}");
    assert!(!html.contains("planted"), "{html}");
}

#[test]
fn replacing_shows_no_secret_and_asks_for_none() {
    let catalogue = Catalogue::builtin();
    let provider = catalogue.get("whatsapp").expect("in the catalogue");
    let html = lines(change::form(
        &tenant(),
        provider,
        &credential(),
        None,
        &Refusal::default(),
    ));
    assert!(html.contains("value=\"123456789\""), "{html}");
    assert!(!html.contains("a1b2"), "{html}");
    // The choice of the grace is the only field that must be made.
    assert_eq!(html.matches(" required").count(), 1, "{html}");
}
