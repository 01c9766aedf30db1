//! The views with fixed data.

use kernel::{
    db::TenantStatus,
    extract::Fields,
    id::{CellId, CredentialId, TenantId},
    refusal::Refusal,
};
use time::{Duration, macros::datetime};
use uuid::Uuid;

use super::{
    super::{Connected, Inbound},
    guide::{Guide, Token},
    *,
};
use crate::{
    catalogue::{Catalogue, Provider, Reason},
    credentials::pages::new::NewForm,
};

const NOW: OffsetDateTime = datetime!(2026-03-14 12:00 UTC);
const HOOK: &str = "https://hooks.example.com/hooks/acme/whatsapp";

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

fn account(number: u128, health: Health) -> Connected {
    let is_good = matches!(health, Health::Healthy | Health::Ending);
    Connected {
        id: CredentialId::from(Uuid::from_u128(number)),
        name: format!("line <{number}>"),
        health,
        reason: (!is_good).then_some(Reason::InvalidCredential),
        detail: Some("WhatsApp Cloud API: answered 401: <gone>".to_owned()),
        advice: (!is_good).then(|| "Make a new access token.".to_owned()),
        checked_at: Some(NOW - Duration::hours(1)),
        since: (!is_good).then_some(NOW - Duration::days(2)),
        worked_before: true,
        expires_at: Some(NOW + Duration::days(9)),
        last_used_at: Some(NOW - Duration::hours(4)),
        connected_at: NOW - Duration::days(30),
    }
}

fn provider<'a>(catalogue: &'a Catalogue, id: &str) -> &'a Provider {
    catalogue.get(id).expect("in the catalogue")
}

fn integration(provider: &Provider, credentials: Vec<Connected>) -> Integration<'_> {
    Integration {
        provider,
        total: i64::try_from(credentials.len()).expect("few"),
        credentials,
        inbound: Inbound {
            is_open: Some(true),
            last_received_at: None,
        },
        last_called_at: Some(NOW - Duration::minutes(5)),
    }
}

fn lines(markup: Markup) -> String {
    markup.into_string().replace("><", ">\n<")
}

fn overview(found: &[Integration<'_>], query: &str) -> String {
    let view = Overview {
        tenant: &tenant(),
        query: &Query::new("/app/acme/integrations", query),
        found,
        may_change: true,
        now: NOW,
    };
    lines(view.render())
}

#[test]
fn those_that_need_somebody_stand_on_top() {
    let catalogue = Catalogue::builtin();
    let of = |id| provider(&catalogue, id);
    let found = [
        integration(of("openai"), vec![account(1, Health::Healthy)]),
        integration(
            of("whatsapp"),
            vec![account(2, Health::Healthy), account(3, Health::Refused)],
        ),
        integration(of("stripe"), vec![account(4, Health::Ending)]),
        integration(of("slack"), Vec::new()),
    ];
    insta::assert_snapshot!(overview(&found, ""));
}

#[test]
fn filters_leave_what_fits() {
    let catalogue = Catalogue::builtin();
    let of = |id| provider(&catalogue, id);
    let found = [
        integration(of("openai"), vec![account(1, Health::Healthy)]),
        integration(of("twilio"), vec![account(2, Health::Refused)]),
        integration(of("slack"), Vec::new()),
    ];
    let links = |query: &str| {
        let html = overview(&found, query);
        ["openai", "twilio", "slack"]
            .into_iter()
            .filter(|id| html.contains(&format!("href=\"/app/acme/integrations/{id}\"")))
            .collect::<Vec<_>>()
    };
    assert_eq!(links(""), ["openai", "twilio", "slack"]);
    assert_eq!(links("q=OPEN"), ["openai"]);
    assert_eq!(links("category=messaging"), ["twilio", "slack"]);
    assert_eq!(links("state=attention"), ["twilio"]);
    assert_eq!(links("state=connected"), ["openai", "twilio"]);
    assert_eq!(links("state=available"), ["slack"]);
    assert!(overview(&found, "q=nothing").contains("Nothing that is connected fits"));
    assert!(overview(&found[2..], "").contains("Nothing is connected"));
}

fn guide(integration: &Integration<'_>, token: Token<'_>, form: Option<&NewForm<'_>>) -> String {
    let guide = Guide {
        tenant: &tenant(),
        integration,
        webhook_url: HOOK.to_owned(),
        redirect_url: "https://hooks.example.com/oauth/callback".to_owned(),
        token,
        form,
        may_change: true,
        now: NOW,
    };
    lines(guide.render())
}

#[test]
fn steps_hold_what_is_the_tenants_own() {
    let catalogue = Catalogue::builtin();
    let whatsapp = provider(&catalogue, "whatsapp");
    let tenant = tenant();
    let form = NewForm {
        tenant: &tenant,
        provider: whatsapp,
        hook_url: HOOK.to_owned(),
        entered: &Fields::default(),
        proposal: "0123456789abcdef".to_owned(),
        refusal: &Refusal::default(),
    };
    let new = integration(whatsapp, Vec::new());
    insta::assert_snapshot!(guide(&new, Token::Proposed(&form.proposal), Some(&form)));
}

#[test]
fn what_was_connected_is_checked() {
    let catalogue = Catalogue::builtin();
    let whatsapp = provider(&catalogue, "whatsapp");
    let connected = integration(whatsapp, vec![account(3, Health::Refused)]);
    let html = guide(&connected, Token::Kept, None);
    assert!(html.contains("data-live=\"/app/acme/integrations/whatsapp\""));
    assert!(html.contains("the value that you entered here"));
    insta::assert_snapshot!(html);

    let came = Integration {
        inbound: Inbound {
            is_open: Some(true),
            last_received_at: Some(NOW - Duration::minutes(3)),
        },
        ..connected
    };
    let html = guide(&came, Token::Kept, None);
    assert!(html.contains("Arrived") && !html.contains("data-live"));
}

#[test]
fn a_made_up_secret_is_shown_once_and_only_where_it_was_saved() {
    let catalogue = Catalogue::builtin();
    let whatsapp = provider(&catalogue, "whatsapp");
    let connected = integration(whatsapp, vec![account(1, Health::Healthy)]);
    let html = guide(&connected, Token::Saved("just-saved"), None);
    assert!(html.contains("Copy this verify token now"));
    assert!(html.contains("just-saved"));
    assert!(!guide(&connected, Token::Kept, None).contains("just-saved"));
}

#[test]
fn every_providers_page_is_drawn() {
    let catalogue = Catalogue::builtin();
    for provider in catalogue.iter() {
        let html = guide(&integration(provider, Vec::new()), Token::Kept, None);
        let setup = provider.setup.as_ref().expect("has steps");
        assert_eq!(
            html.matches("<ol class=\"steps\">").count(),
            1,
            "{}",
            provider.id
        );
        let steps = html.matches("class=\"step-at\"").count();
        let places = setup.steps.iter().filter(|step| step.at.is_some()).count();
        assert_eq!(steps, places, "{}", provider.id);
        assert!(!html.contains('{'), "{}: {html}", provider.id);
    }
}
