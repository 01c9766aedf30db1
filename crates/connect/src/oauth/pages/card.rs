//! What a credential's page says of a connection: whose account it is, what it may do, until when.

use kernel::db::Tenant;
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{Badge, Button, Card, Facts, Moment, Notice, Tone};

use crate::oauth::{Connection, Way};

/// `may_change` is whether the reader may connect it again.
pub fn card(
    tenant: &Tenant,
    connection: &Connection,
    may_change: bool,
    now: OffsetDateTime,
) -> Markup {
    let is_active = connection.status == "active";
    let facts = Facts::new()
        .fact(
            "Account",
            html! { (connection.account_name) " " span.muted { (connection.account_id) } },
        )
        .fact(
            "State",
            html! {
                @match is_active {
                    true => (Badge::status(Tone::Success, "Connected")),
                    false => (Badge::status(Tone::Danger, "Has to be connected again")),
                }
            },
        )
        .fact(
            "May",
            html! { @for scope in &connection.scopes { code { (scope) } " " } },
        )
        .fact(
            "By",
            html! {
                @match (connection.way, connection.own_app) {
                    (Way::Installation, _) => "an installation of the app",
                    (Way::Code, true) => "an app of your own",
                    (Way::Code, false) => "this service's app",
                }
                ", " (Moment::new(connection.connected_at, now)) ", "
                span.muted { (connection.connected_by) }
            },
        )
        .fact(
            "Token",
            html! {
                @match connection.expires_at {
                    Some(until) => { "renewed before it ends, " (Moment::new(until, now)) },
                    None => "lasts until it is taken back",
                }
            },
        );
    let card = Card::new(html! {
        @if let Some(error) = &connection.last_error {
            (Notice::new(if is_active { Tone::Warning } else { Tone::Danger }, "The last renewal failed")
                .body(html! { "The provider " (error) "." }))
        }
        (facts)
    })
    .title("Connection");
    match may_change {
        true => card.footer(again(tenant, connection)).render(),
        false => card.render(),
    }
}

fn again(tenant: &Tenant, connection: &Connection) -> Markup {
    let to = tenant.href(&format!("/connections/{}", connection.provider));
    html! {
        form method="post" action=(to) {
            input type="hidden" name="credential" value=(connection.credential);
            @if connection.way == Way::Installation { input type="hidden" name="way" value="installation"; }
            (Button::secondary("Connect again").small())
        }
    }
}
