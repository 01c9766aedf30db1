//! Which proof each provider takes, which headers it demands, and what it tells an account about
//! itself. Sources are those of the catalogue's files: each provider's API reference.

use http::Method;
use serde_json::{Value, json};

use super::{ServiceAccount, anthropic};
use crate::provider::Provider;

pub(super) enum Proof {
    /// `Authorization: Bearer`.
    Bearer,
    /// HTTP Basic with a user that is always the same.
    Basic { user: &'static str },
    Header {
        name: &'static str,
        prefix: &'static str,
    },
    /// A bearer token that the provider granted for something else.
    Granted,
}

pub(super) struct Door {
    pub proof: Proof,
    /// Headers that every call must carry, and the values that are taken.
    pub demanded: &'static [(&'static str, &'static [&'static str])],
    /// Headers that every answer carries.
    pub tells: &'static [(&'static str, &'static str)],
    pub routes: Vec<Route>,
}

pub(super) struct Route {
    pub method: Method,
    /// Below the base URL, without the first slash; `{name}` is a fact of the account.
    pub path: &'static str,
    /// The query parameters that may occur.
    pub parameters: &'static [&'static str],
    /// Whether a body in JSON is needed.
    pub json: bool,
    pub answer: fn(&ServiceAccount) -> Value,
}

fn get(
    path: &'static str,
    parameters: &'static [&'static str],
    answer: fn(&ServiceAccount) -> Value,
) -> Route {
    Route {
        method: Method::GET,
        path,
        parameters,
        json: false,
        answer,
    }
}

fn door(proof: Proof, route: Route) -> Door {
    Door {
        routes: vec![route],
        ..closed(proof)
    }
}

/// All that is behind it is in the provider's own module.
fn closed(proof: Proof) -> Door {
    Door {
        proof,
        demanded: &[],
        tells: &[],
        routes: Vec::new(),
    }
}

/// `None` for the providers that have modules of their own.
pub(super) fn of(provider: Provider) -> Option<Door> {
    Some(match provider {
        Provider::WhatsApp
        | Provider::Twilio
        | Provider::Telegram
        | Provider::OpenAi
        | Provider::Oidc => {
            return None;
        }
        Provider::Vapi => closed(Proof::Bearer),
        Provider::ElevenLabs => door(
            header("xi-api-key"),
            get(
                "v1/user",
                &[],
                |account| json!({ "user_id": account.id, "subscription": { "tier": "creator" } }),
            ),
        ),
        Provider::Resend => door(
            Proof::Bearer,
            get(
                "domains",
                &["limit", "after", "before"],
                |_| json!({ "object": "list", "has_more": false, "data": [] }),
            ),
        ),
        Provider::SendGrid => door(
            Proof::Bearer,
            get(
                "v3/scopes",
                &[],
                |_| json!({ "scopes": ["mail.send", "alerts.read"] }),
            ),
        ),
        Provider::Mailgun => door(
            Proof::Basic { user: "api" },
            get(
                "v4/domains/{domain}",
                &["h:extended"],
                |account| json!({ "domain": { "name": account.says("domain"), "state": "active" } }),
            ),
        ),
        Provider::Postmark => Door {
            demanded: &[("accept", &["application/json"])],
            ..door(
                header("x-postmark-server-token"),
                get(
                    "server",
                    &[],
                    |account| json!({ "ID": 1, "Name": account.id, "DeliveryType": "Live" }),
                ),
            )
        },
        Provider::GoogleCalendar => closed(Proof::Granted),
        Provider::Genesys => door(
            Proof::Granted,
            get("api/v2/tokens/me", &[], |account| {
                json!({
                    "organization": { "id": account.says("organization_id"), "name": "Sandbox" },
                    "authorizedScope": ["*"],
                    "OAuthClient": { "id": account.id },
                })
            }),
        ),
        Provider::Slack => Door {
            tells: &[("x-oauth-scopes", "chat:write,users:read")],
            ..door(
                Proof::Bearer,
                Route {
                    method: Method::POST,
                    ..get("auth.test", &[], |account| {
                        json!({
                            "ok": true,
                            "url": "https://sandbox.slack.com/",
                            "team_id": account.says("team_id"),
                            "user_id": "U00000001",
                            "bot_id": "B00000001",
                        })
                    })
                },
            )
        },
        Provider::Linear => door(
            header("authorization"),
            Route {
                method: Method::POST,
                json: true,
                ..get("graphql", &[], |account| {
                    json!({ "data": {
                        "viewer": { "id": account.id },
                        "organization": {
                            "id": account.says("organization_id"),
                            "urlKey": "sandbox",
                        },
                    } })
                })
            },
        ),
        Provider::GitHub => Door {
            demanded: &[("x-github-api-version", &["2022-11-28"])],
            tells: &[
                ("x-oauth-scopes", "repo, read:org"),
                (
                    "github-authentication-token-expiration",
                    "2027-05-06 22:00:00 UTC",
                ),
            ],
            ..door(
                Proof::Bearer,
                get(
                    "rate_limit",
                    &[],
                    |_| json!({ "resources": {}, "rate": { "limit": 5000, "remaining": 4999 } }),
                ),
            )
        },
        Provider::Anthropic => Door {
            demanded: &[("anthropic-version", &["2023-06-01", anthropic::LATEST])],
            ..door(
                header("x-api-key"),
                get(
                    "v1/models",
                    &["limit", "before_id", "after_id"],
                    |_| json!({ "data": [{ "type": "model", "id": "claude-sandbox" }], "has_more": false }),
                ),
            )
        },
        Provider::Magicline => door(
            header("x-api-key"),
            get(
                "v1/studios/information",
                &[],
                |account| json!({ "name": account.says("tenant_name") }),
            ),
        ),
        Provider::Stripe => door(
            Proof::Bearer,
            get(
                "v1/account",
                &[],
                |account| json!({ "id": account.id, "object": "account", "charges_enabled": true }),
            ),
        ),
        Provider::N8n => door(
            header("x-n8n-api-key"),
            get(
                "workflows",
                &["limit", "cursor", "active"],
                |_| json!({ "data": [], "nextCursor": null }),
            ),
        ),
        Provider::Discord => door(
            Proof::Header {
                name: "authorization",
                prefix: "Bot ",
            },
            get("applications/@me", &[], |account| {
                json!({
                    "id": account.says("application_id"),
                    "name": "sandbox",
                    "verify_key": account.says("public_key"),
                })
            }),
        ),
    })
}

fn header(name: &'static str) -> Proof {
    Proof::Header { name, prefix: "" }
}
