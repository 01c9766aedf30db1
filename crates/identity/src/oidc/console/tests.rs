//! The views with fixed data.

use kernel::{
    Error,
    db::TenantStatus,
    error::FieldError,
    id::{CellId, TenantId},
};
use time::macros::datetime;
use uuid::Uuid;

use super::*;

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

fn provider() -> ProviderView {
    ProviderView {
        id: IdentityProviderId::from(Uuid::nil()),
        name: "staff".to_owned(),
        label: "Acme <staff>".to_owned(),
        issuer: "https://login.acme.example".to_owned(),
        client_id: "freehold".to_owned(),
        domains: vec!["acme.example".to_owned(), "acme.test".to_owned()],
        role: "agent".to_owned(),
        enabled: true,
        vouches_for_owners: false,
        sign_in_path: "/sign-in/oidc/acme/staff".to_owned(),
        redirect_uri: "https://app.example.com/sign-in/oidc/callback".to_owned(),
        created_by: "user:u".to_owned(),
        created_at: datetime!(2026-11-21 10:00 UTC),
    }
}

fn lines(markup: Markup) -> String {
    markup.into_string().replace("><", ">\n<")
}

#[test]
fn the_list() {
    let mut closed = provider();
    closed.enabled = false;
    closed.domains.clear();
    insta::assert_snapshot!(lines(list_view(&tenant(), &[provider(), closed], true)));
}

#[test]
fn an_empty_list_offers_a_beginning_to_those_who_may() {
    let begins = |may_change| {
        let html = list_view(&tenant(), &[], may_change).into_string();
        html.matches("/app/acme/sign-in/new").count()
    };
    assert_eq!((begins(true), begins(false)), (1, 0));
}

#[test]
fn a_refused_form_keeps_everything_but_the_secret() {
    let form = serde_json::json!([
        ["name", "staff"],
        ["label", "Acme"],
        ["issuer", "http://idp"],
        ["client_id", "c"],
        ["client_secret", "planted"],
        ["domains", "a.example b.example"],
        ["role", "agent"],
    ]);
    let form: Fields = serde_json::from_value(form).expect("a form");
    let entered = Entered::sent(&form);
    assert!(!entered.enabled);
    let content = entered.content(None);
    assert_eq!(content.domains, ["a.example", "b.example"]);
    let refusal = Error::Invalid {
        detail: String::new(),
        fields: vec![FieldError {
            field: "issuer".to_owned(),
            message: "must be an https:// address".to_owned(),
        }],
    };
    let refusal = refusal.refusal().expect("a refusal");
    let roles = ["owner", "agent", "viewer"].map(str::to_owned);
    let html = lines(new_view(
        &tenant(),
        "https://app.example.com/sign-in/oidc/callback",
        &roles,
        &entered,
        &refusal,
    ));
    assert!(!html.contains("planted"));
    insta::assert_snapshot!(html);
}

#[test]
fn those_who_may_only_look_get_no_form() {
    let address = "https://app.example.com/sign-in/oidc/acme/staff";
    let html = facts_view(&tenant(), &provider(), address).into_string();
    assert!(!html.contains("<form"));
    assert!(html.contains("Acme &lt;staff&gt;"));
    assert!(html.contains(address));
}
