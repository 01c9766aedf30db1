//! The views with fixed data.

use std::collections::BTreeMap;

use kernel::{
    actors::Names,
    db::{Tenant, TenantStatus},
    id::{CellId, CredentialId, TenantId, UserId},
    page::Page as Rows,
};
use time::{Duration, OffsetDateTime, macros::datetime};
use uuid::Uuid;

use crate::{
    catalogue::Reason,
    verify::{self, Verification},
};

use super::{detail::Detail, list::ListPage, new::NewForm, *};
use crate::credentials::{
    CredentialView, LastUse, SecretView, VersionReason, VersionView,
    import::{Entry, EntryOutcome, Outcome as ImportOutcome, Report, Taken},
    model::VersionSecret,
    state::LastCall,
};

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
        environment: Environment::Live,
        is_default: true,
        owner: Some(owner()),
        expires_at: Some(NOW + Duration::days(10)),
        entered_expiry: Some(NOW + Duration::days(10)),
        last_used: Some(LastUse {
            at: NOW - Duration::hours(3),
            by: "api_key:key_1".to_owned(),
            purpose: "proxy".to_owned(),
        }),
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

fn owner() -> UserId {
    UserId::from(Uuid::nil())
}

fn versions() -> Vec<VersionView> {
    let version = |version, reason, restored_from, last4: &str| VersionView {
        version,
        current: version == 2,
        created_by: "api_key:key_1".to_owned(),
        created_at: NOW - Duration::days(1),
        reason,
        restored_from,
        changed: vec!["access_token".to_owned(), "gone_field".to_owned()],
        fields: BTreeMap::new(),
        secrets: vec![VersionSecret {
            field: "access_token".to_owned(),
            last4: Some(last4.to_owned()),
        }],
    };
    vec![
        version(2, VersionReason::Restored, Some(1), "a1b2"),
        version(1, VersionReason::Created, None, "a1b2"),
    ]
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
        data: vec![
            credential(),
            CredentialView {
                environment: Environment::Test,
                name: "trial".to_owned(),
                is_default: false,
                expires_at: None,
                last_used: None,
                verification: None,
                ..credential()
            },
        ],
        next_cursor: None,
    };
    let page = ListPage {
        tenant: &tenant(),
        at: &ui::Query::new("/app/acme/credentials", ""),
        found: &found,
        states: &[state(Outcome::Accepted)],
        names: &Names::default(),
        catalogue: &catalogue,
        may_change: true,
        now: NOW,
    };
    insta::assert_snapshot!(lines(page.render()));
}

#[test]
fn a_credential_that_is_refused() {
    let catalogue = Catalogue::builtin();
    let detail = Detail {
        connection: None,
        tenant: &tenant(),
        credential: &credential(),
        versions: &versions(),
        names: &Names::default(),
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
    // What was made up stays the same: it may stand at the provider already.
    let shown = Fields::from(vec![("proposal".to_owned(), "0123".to_owned())]);
    let kept = new::proposed(form.provider, &shown);
    assert_eq!(kept.expect("a proposal"), "0123");
    assert!(
        html.contains("name=\"proposal\" value=\"0123456789abcdef\""),
        "{html}"
    );
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

#[test]
fn a_preview_shows_where_each_value_goes_and_none_of_them() {
    let catalogue = Catalogue::builtin();
    let entry = |place: &str, field: Option<&str>, outcome, reason: Option<&str>| Entry {
        place: place.to_owned(),
        source: field.map(|_| "OPENAI_API_KEY".to_owned()),
        outcome,
        provider: field.map(|_| "openai".to_owned()),
        field: field.map(str::to_owned),
        name: field.map(|_| "default".to_owned()),
        environment: field.map(|_| Environment::Live),
        reason: reason.map(str::to_owned),
        last4: field.map(|_| "a1b2".to_owned()),
    };
    let report = Report {
        dry_run: true,
        credentials: vec![Taken {
            id: None,
            provider: "openai".to_owned(),
            name: "default".to_owned(),
            environment: Environment::Live,
            outcome: ImportOutcome::Created,
            reason: None,
        }],
        entries: vec![
            entry("line 1", Some("api_key"), EntryOutcome::New, None),
            entry(
                "line 2",
                None,
                EntryOutcome::Invalid,
                Some("is not <right>"),
            ),
        ],
    };
    let html = lines(import::previewed(&tenant(), &catalogue, &report, "sealed"));
    insta::assert_snapshot!(html);
}
