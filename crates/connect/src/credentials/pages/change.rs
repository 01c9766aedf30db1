//! Replacing what changed of a credential, and disconnecting it.

use axum::extract::State;
use kernel::{
    Access, Result,
    db::Tenant,
    extract::{Fields, Form, Path},
    id::CredentialId,
    permission::CredentialsWrite,
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{Button, Card, Confirm, Field, Flash, Page, PageHeader, SeeOther, Tone};

use super::{LIST, field, field_name, known, provider_name, values};
use crate::{
    Connect,
    catalogue::Provider,
    credentials::{CredentialView, Rotation, read},
};

/// How long replaced secrets go on verifying webhooks: seconds, and words.
pub(super) const GRACES: [(u32, &str); 4] = [
    (0, "Not at all: they are known to others"),
    (3_600, "For an hour"),
    (86_400, "For a day"),
    (604_800, "For a week"),
];
pub(super) const USUAL_GRACE: u32 = 86_400;

pub async fn show(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let provider = known(&connect, &credential.provider)?;
    let body = form(
        access.tenant(),
        provider,
        &credential,
        None,
        &Refusal::default(),
    );
    Ok(Page::new("Replace values", body))
}

pub(super) fn form(
    tenant: &Tenant,
    provider: &Provider,
    credential: &CredentialView,
    entered: Option<&Fields>,
    refusal: &Refusal,
) -> Markup {
    let here = tenant.href(&format!("{LIST}/{}", credential.id));
    let shown = |name: &str| match entered {
        Some(entered) => entered.get(&field_name(name)).to_owned(),
        None => credential.fields.get(name).cloned().unwrap_or_default(),
    };
    let grace = entered.map_or(USUAL_GRACE.to_string(), |entered| {
        entered.get("grace").to_owned()
    });
    let graces = GRACES.map(|(seconds, words)| (seconds.to_string(), words));
    let body = html! {
        @for asked in &provider.credential.fields {
            (field(asked, &shown(&asked.name), refusal).optional())
        }
        @if provider.webhook.is_some() {
            (Field::select("grace", "Webhooks signed with replaced secrets are let in", graces).value(grace)
                .hint("Long enough to change the other side as well."))
        }
    };
    let buttons = html! {
        (Button::primary("Replace")) (Button::secondary("Cancel").to(&here))
    };
    let form = ui::Form::post(format!("{here}/replace"), body, buttons).errors(refusal.all());
    html! {
        div.narrow {
            (PageHeader::new("Replace values").crumb("Credentials", tenant.href(LIST))
                .crumb(format!("{} – {}", provider.name, credential.name), &here)
                .about(html! { "What is left empty or as it is stays as it is." }))
            (Card::new(form.render()))
        }
    }
}

pub async fn replace(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
    Form(entered): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let credential = read::get(&access, id).await?;
    let provider = known(&connect, &credential.provider)?;
    let mut values = values(provider, &entered);
    values.retain(|name, value| {
        credential.fields.get(name).map(String::as_str) != Some(value.expose())
    });
    let rotation = Rotation {
        values,
        grace_seconds: grace(&entered),
    };
    match connect.rotate_credential(&access, id, rotation).await {
        Ok(_) => {
            let to = access.tenant().href(&format!("{LIST}/{id}"));
            let flash = Flash::new(Tone::Success, "The values were replaced.");
            Ok(Ok(SeeOther::new(to).flash(flash)))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let body = form(
                access.tenant(),
                provider,
                &credential,
                Some(&entered),
                &refusal,
            );
            let page = Page::new("Replace values", body);
            Ok(Err(page.status(refusal.status())))
        }
    }
}

/// The grace that was chosen; the usual one where none of them was.
pub(super) fn grace(entered: &Fields) -> u32 {
    let grace = entered.get("grace").parse().ok();
    let known = |seconds: &u32| GRACES.iter().any(|(known, _)| known == seconds);
    grace.filter(known).unwrap_or(USUAL_GRACE)
}

pub async fn ask_delete(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<Page> {
    let credential = read::get(&access, id).await?;
    let name = provider_name(connect.catalogue(), &credential.provider);
    let here = access.tenant().href(&format!("{LIST}/{id}"));
    let confirm = Confirm::new(
        format!("Disconnect {name} – {}?", credential.name),
        html! {
            p { "Its secrets and earlier versions are deleted at once. Messages by it can neither be sent nor received." }
            @if credential.is_default {
                p { "It is the default one: the oldest that is left of its environment takes its place." }
            }
            p { "Conversations stay. To connect it again, its values have to be entered again." }
        },
        format!("{here}/delete"),
        "Disconnect",
    );
    Ok(Page::new("Disconnect", confirm.page(&here)))
}

pub async fn delete(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, id)): Path<(String, CredentialId)>,
) -> Result<SeeOther> {
    let ended = connect.disconnect(&access, id).await?;
    let flash = match ended.detail {
        Some(left) if ended.by_consent => Flash::new(
            Tone::Warning,
            format!("The account was disconnected here; {left}."),
        ),
        _ => Flash::new(Tone::Success, "The account was disconnected."),
    };
    Ok(SeeOther::new(access.tenant().href(LIST)).flash(flash))
}
