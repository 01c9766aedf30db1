//! `/app/{tenant}/integrations/{provider}`: what to do at the provider, step by step, the form for
//! what was found there, and whether it works by now. What the page looks like is in `view`.

mod view;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
};
use kernel::{
    Access, Result,
    db::Tenant,
    extract::{Fields, Form, Path},
    permission::{CredentialsRead, CredentialsWrite, Permission},
    refusal::Refusal,
};
use maud::Render;
use time::OffsetDateTime;
use ui::{Flash, Page, Query, SeeOther, Tone};

pub(super) use view::{Guide, Token};

use super::LIST;
use crate::{
    Connect,
    catalogue::Provider,
    credentials::pages::{
        field_name, known,
        new::{NewForm, asked, proposed},
    },
    integrations::read::one,
};

pub async fn show(
    access: Access<CredentialsRead>,
    State(connect): State<Connect>,
    Path((_, provider)): Path<(String, String)>,
    uri: Uri,
) -> Result<Page> {
    let provider = known(&connect, &provider)?;
    let integration = one(&access, provider).await?;
    let may_change = access.may_give(CredentialsWrite::NAME);
    let query = Query::new(uri.path(), uri.query().unwrap_or_default());
    let another = integration.credentials.is_empty() || query.get("new").is_some();
    // The name of the first account is taken.
    let number = integration.total + 1;
    let entered = match number {
        1 => Fields::default(),
        _ => Fields::from(vec![("name".to_owned(), format!("account {number}"))]),
    };
    let refusal = Refusal::default();
    let form = match may_change && another {
        true => Some(new_form(
            &connect,
            access.tenant(),
            provider,
            &entered,
            &refusal,
        )?),
        false => None,
    };
    let token = form
        .as_ref()
        .map_or(Token::Kept, |form| Token::Proposed(&form.proposal));
    let guide = Guide {
        tenant: access.tenant(),
        integration: &integration,
        webhook_url: connect.hook_url(&access.tenant().slug, &provider.id),
        redirect_url: connect.redirect_uri(),
        token,
        form: form.as_ref(),
        may_change,
        now: OffsetDateTime::now_utc(),
    };
    Ok(Page::new(&provider.name, guide.render()))
}

/// Stores what was entered. Where the tenant made a secret up, the page that follows shows it once
/// more, because most providers take it only when this side knows it.
pub async fn connect_account(
    access: Access<CredentialsWrite>,
    State(connect): State<Connect>,
    Path((_, provider)): Path<(String, String)>,
    Form(entered): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let provider = known(&connect, &provider)?;
    let made = connect
        .create_credential(&access, asked(provider, &entered))
        .await;
    let is_made = made.is_ok();
    let refusal = match made {
        Ok(_) => Refusal::default(),
        Err(error) => error.refusal()?.about("name"),
    };
    let setup = provider.setup.as_ref();
    let made_up = setup.and_then(|setup| setup.made_up.as_ref());
    let secret = made_up
        .map(|made_up| entered.get(&field_name(&made_up.field)).trim())
        .filter(|secret| !secret.is_empty());
    if is_made && secret.is_none() {
        let to = access.tenant().href(&format!("{LIST}/{}", provider.id));
        let text = format!("{} is connected.", provider.name);
        return Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))));
    }
    let integration = one(&access, provider).await?;
    let form = match is_made {
        true => None,
        false => Some(new_form(
            &connect,
            access.tenant(),
            provider,
            &entered,
            &refusal,
        )?),
    };
    let token = match (&form, secret) {
        (Some(form), _) => Token::Proposed(&form.proposal),
        (None, Some(secret)) => Token::Saved(secret),
        (None, None) => Token::Kept,
    };
    let guide = Guide {
        tenant: access.tenant(),
        integration: &integration,
        webhook_url: connect.hook_url(&access.tenant().slug, &provider.id),
        redirect_url: connect.redirect_uri(),
        token,
        form: form.as_ref(),
        may_change: true,
        now: OffsetDateTime::now_utc(),
    };
    let status = match is_made {
        true => StatusCode::CREATED,
        false => refusal.status(),
    };
    Ok(Err(Page::new(&provider.name, guide.render()).status(status)))
}

fn new_form<'a>(
    connect: &Connect,
    tenant: &'a Tenant,
    provider: &'a Provider,
    entered: &'a Fields,
    refusal: &'a Refusal,
) -> Result<NewForm<'a>> {
    Ok(NewForm {
        tenant,
        provider,
        hook_url: connect.hook_url(&tenant.slug, &provider.id),
        entered,
        proposal: proposed(provider, entered)?,
        refusal,
    })
}
