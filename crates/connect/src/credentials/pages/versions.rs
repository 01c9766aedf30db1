//! What a credential was before, going back to it, and ending the grace of replaced secrets.

use axum::extract::State;
use kernel::{
    Access, Error, Result,
    actors::Names,
    extract::{Fields, Form, Path},
    id::CredentialId,
    permission::CredentialsWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Confirm, Field, Flash, Moment, Page, PageHeader, SeeOther, Table,
    Tone,
};

use super::{
    LIST,
    change::{GRACES, USUAL_GRACE, grace},
    masked, provider_name,
};
use crate::{
    Connect,
    catalogue::Provider,
    credentials::{CredentialView, VersionReason, VersionView, read, versions},
};

/// The card of a credential's own page. `here` is that page's address, where its reader may go back.
pub(super) fn card(
    found: &[VersionView],
    provider: Option<&Provider>,
    names: &Names,
    here: Option<&str>,
    now: OffsetDateTime,
) -> Markup {
    let table = Table::new("Versions")
        .column(Column::new("Version").number())
        .column(Column::new("Made"))
        .column(Column::new("Changed"))
        .column(Column::new("Secrets"));
    let table = match here {
        Some(_) => table.column(Column::new("Go back").untitled()),
        None => table,
    };
    let table = found.iter().fold(table, |table, version| {
        let cells = [
            html! { (version.version) },
            html! {
                (Moment::new(version.created_at, now)) " "
                span.muted { (how(version)) " by " (who(&version.created_by, names)) }
            },
            html! {
                @if version.changed.is_empty() { span.muted { "Not known" } }
                (version.changed.iter().map(|name| label(provider, name)).collect::<Vec<_>>().join(", "))
            },
            html! { @for secret in &version.secrets {
                (masked(secret.last4.as_deref())) " "
            } },
        ];
        let last = here.map(|here| html! {
            @if version.current { (Badge::new(Tone::Success, "In use")) }
            @else {
                (Button::secondary("Restore").small().to(format!("{here}/versions/{}/restore", version.version)))
            }
        });
        table.row(cells.into_iter().chain(last))
    });
    Card::new(table.render())
        .title("Versions")
        .about("The newest ten. Going back makes a new version with the values of an earlier one.")
        .flush()
        .render()
}

fn how(version: &VersionView) -> String {
    match (version.reason, version.restored_from) {
        (VersionReason::Created, _) => "connected".to_owned(),
        (VersionReason::Rotated, _) => "replaced".to_owned(),
        (VersionReason::Imported, _) => "imported".to_owned(),
        (VersionReason::Restored, from) => {
            format!("restored from version {}", from.unwrap_or_default())
        }
    }
}

fn who(actor: &str, names: &Names) -> String {
    match actor {
        // From before versions were kept.
        "unknown" => "somebody".to_owned(),
        actor => names.show(actor),
    }
}

fn label<'a>(provider: Option<&'a Provider>, field: &'a str) -> &'a str {
    let known = provider.and_then(|provider| provider.credential.field(field));
    known.map_or(field, |field| &field.label)
}

pub async fn ask_restore(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id, version)): Path<(String, CredentialId, i64)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let found = find(&access, id, version).await?;
    let usual = USUAL_GRACE.to_string();
    let body = question(
        &access,
        &connect,
        &credential,
        &found,
        &usual,
        &Refusal::default(),
    );
    Ok(Page::new("Restore a version", body))
}

async fn find(
    access: &Access<CredentialsWrite>,
    id: CredentialId,
    version: i64,
) -> Result<VersionView> {
    let found = versions::versions(access, id).await?.into_iter();
    let mut found = found.filter(|one| one.version == version);
    found.next().ok_or(Error::NotFound("version"))
}

fn question(
    access: &Access<CredentialsWrite>,
    connect: &Connect,
    credential: &CredentialView,
    version: &VersionView,
    chosen: &str,
    refusal: &Refusal,
) -> Markup {
    let tenant = access.tenant();
    let provider = connect.catalogue().get(&credential.provider);
    let here = tenant.href(&format!("{LIST}/{}", credential.id));
    let name = provider_name(connect.catalogue(), &credential.provider);
    let graces = GRACES.map(|(seconds, words)| (seconds.to_string(), words));
    let body = html! {
        div.prose {
            p { "A new version is made with the values that version " (version.version) " had. It is in use at once." }
            @if !version.secrets.is_empty() {
                p { "Its secrets: "
                    @for secret in &version.secrets {
                        (label(provider, &secret.field)) " " (masked(secret.last4.as_deref())) " "
                    }
                }
            }
        }
        @if provider.is_some_and(|provider| provider.webhook.is_some()) {
            (Field::select("grace", "Webhooks signed with the secrets of now are let in", graces).value(chosen)
                .hint("Long enough to change the other side as well."))
        }
    };
    let buttons = html! {
        (Button::danger("Restore this version")) (Button::secondary("Cancel").to(&here))
    };
    let action = format!("{here}/versions/{}/restore", version.version);
    let form = ui::Form::post(action, body, buttons).errors(refusal.all());
    html! {
        div.narrow {
            (PageHeader::new(format!("Restore version {}?", version.version))
                .crumb("Credentials", tenant.href(LIST))
                .crumb(format!("{name} – {}", credential.name), &here))
            (Card::new(form.render()))
        }
    }
}

pub async fn restore(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id, version)): Path<(String, CredentialId, i64)>,
    Form(entered): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let restored = connect.restore_credential(&access, id, version, grace(&entered));
    match restored.await {
        Ok(restored) => {
            let to = access.tenant().href(&format!("{LIST}/{id}"));
            let text = format!(
                "Version {} has the values of version {version}.",
                restored.version
            );
            Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let credential = read::get(&access, id).await?;
            let found = find(&access, id, version).await?;
            let chosen = entered.get("grace");
            let body = question(&access, &connect, &credential, &found, chosen, &refusal);
            let page = Page::new("Restore a version", body);
            Ok(Err(page.status(refusal.status())))
        }
    }
}

pub async fn ask_end_grace(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let name = provider_name(connect.catalogue(), &credential.provider);
    let here = access.tenant().href(&format!("{LIST}/{id}"));
    let confirm = Confirm::new(
        "Refuse the replaced secrets from now on?",
        html! {
            p { "Webhooks of " (name) " that are signed with a secret that was replaced are refused at once." }
            p { "Check first that the new one is entered there." }
        },
        format!("{here}/previous"),
        "Refuse them",
    );
    Ok(Page::new("End the grace", confirm.page(&here)))
}

pub async fn end_grace(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<SeeOther> {
    connect.end_grace(&access, id).await?;
    let flash = Flash::new(Tone::Success, "Replaced secrets are accepted no more.");
    Ok(SeeOther::new(access.tenant().href(&format!("{LIST}/{id}"))).flash(flash))
}
