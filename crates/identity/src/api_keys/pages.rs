//! `/app/{tenant}/api-keys`: the keys, what each is used for, and their life: issue, rotate, revoke.
//!
//! A new secret stands in the answer to the form itself, because a redirect would have to carry it.

mod views;

use axum::{
    Router,
    extract::{FromRef, RawQuery},
    routing::get,
};
use kernel::{
    Access, Db, Error, Result,
    access::api_key::Mode,
    extract::{Fields, Form, Path, Query},
    id::ApiKeyId,
    page::PageQuery,
    permission::{ApiKeysRead, ApiKeysWrite, Permission},
    refusal::Refusal,
};
use time::{Duration, OffsetDateTime};
use ui::{Flash, Page, SeeOther, Tone};

use super::{
    NewApiKey, Rotation, prefix,
    prefix::Prefix,
    usage::{self, UsageQuery},
};
use crate::{api_keys, roles};

/// A page again because the form was refused, or the way on.
type Sent = Result<std::result::Result<SeeOther, Page>>;

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/api-keys", get(list).post(create))
        .route("/app/{tenant}/api-keys/new", get(new))
        .route(
            "/app/{tenant}/api-keys/prefix",
            get(show_prefix).post(set_prefix),
        )
        .route("/app/{tenant}/api-keys/{key}", get(show))
        .route(
            "/app/{tenant}/api-keys/{key}/rotate",
            get(ask_rotate).post(rotate),
        )
        .route(
            "/app/{tenant}/api-keys/{key}/revoke",
            get(ask_revoke).post(revoke),
        )
}

async fn list(
    access: Access<ApiKeysRead>,
    Query(query): Query<PageQuery>,
    RawQuery(raw): RawQuery,
) -> Result<Page> {
    let keys = api_keys::list(&access, &query).await?;
    let here = ui::Query::new(
        access.tenant().href("/api-keys"),
        raw.as_deref().unwrap_or_default(),
    );
    let body = views::list(
        access.tenant(),
        &keys,
        &here,
        access.may_give(ApiKeysWrite::NAME),
        OffsetDateTime::now_utc(),
    );
    let page = Page::new("API keys", body);
    Ok(match access.may_give(ApiKeysWrite::NAME) {
        true => page.command("New API key", access.tenant().href("/api-keys/new")),
        false => page,
    })
}

async fn new(access: Access<ApiKeysWrite>) -> Result<Page> {
    let roles = roles::all(&access).await?;
    let blank = Fields::default();
    let body = views::new(
        access.tenant(),
        &roles,
        |name| access.may_give(name),
        &blank,
        &Refusal::default(),
    );
    Ok(Page::new("New API key", body))
}

async fn create(access: Access<ApiKeysWrite>, Form(form): Form<Fields>) -> Result<Page> {
    let created = match entered(&form, OffsetDateTime::now_utc()) {
        Ok(new) => api_keys::create(&access, new).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(issued) => {
            let body = views::issued(
                access.tenant(),
                &issued,
                "Your new API key",
                OffsetDateTime::now_utc(),
            );
            Ok(Page::new("Your new API key", body))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let roles = roles::all(&access).await?;
            let body = views::new(
                access.tenant(),
                &roles,
                |name| access.may_give(name),
                &form,
                &refusal,
            );
            Ok(Page::new("New API key", body).status(refusal.status()))
        }
    }
}

/// The key that the form asks for.
fn entered(form: &Fields, now: OffsetDateTime) -> Result<NewApiKey> {
    let mode = match form.get("mode") {
        "live" => Mode::Live,
        "test" => Mode::Test,
        _ => return Err(Error::field("mode", "choose one")),
    };
    let expires_at = match form.get("days") {
        "" => None,
        days => {
            let days: u16 = days
                .parse()
                .map_err(|_| Error::field("days", "choose one"))?;
            Some(now + Duration::days(days.into()))
        }
    };
    let role = form.get("role");
    let permissions: Vec<String> = form.all("permissions").map(str::to_owned).collect();
    if role.is_empty() && permissions.is_empty() {
        return Err(Error::field(
            "role",
            "choose a role, or choose permissions one by one",
        ));
    }
    Ok(NewApiKey {
        name: form.get("name").trim().to_owned(),
        mode,
        role: (!role.is_empty()).then(|| role.to_owned()),
        permissions: role.is_empty().then_some(permissions),
        expires_at,
    })
}

async fn show(
    access: Access<ApiKeysRead>,
    Path((_, key)): Path<(String, ApiKeyId)>,
) -> Result<Page> {
    let view = api_keys::find(&access, key).await?;
    let usage = usage::of(&access, key, &UsageQuery { days: None }).await?;
    let body = views::show(
        access.tenant(),
        &view,
        &usage.data,
        access.may_give(ApiKeysWrite::NAME),
        OffsetDateTime::now_utc(),
    );
    Ok(Page::new(&view.name, body))
}

async fn ask_rotate(
    access: Access<ApiKeysWrite>,
    Path((_, key)): Path<(String, ApiKeyId)>,
) -> Result<Page> {
    let view = api_keys::find(&access, key).await?;
    let body = views::rotate(access.tenant(), &view, &Refusal::default());
    Ok(Page::new("Rotate an API key", body))
}

async fn rotate(
    access: Access<ApiKeysWrite>,
    Path((_, key)): Path<(String, ApiKeyId)>,
    Form(form): Form<Fields>,
) -> Result<Page> {
    let rotated = match form.get("grace_seconds").parse() {
        Ok(grace_seconds) => api_keys::rotate(&access, key, &Rotation { grace_seconds }).await,
        Err(_) => Err(Error::field("grace_seconds", "choose one")),
    };
    match rotated {
        Ok(issued) => {
            let body = views::issued(
                access.tenant(),
                &issued,
                "The key's new secret",
                OffsetDateTime::now_utc(),
            );
            Ok(Page::new("The key's new secret", body))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let view = api_keys::find(&access, key).await?;
            let body = views::rotate(access.tenant(), &view, &refusal);
            Ok(Page::new("Rotate an API key", body).status(refusal.status()))
        }
    }
}

async fn ask_revoke(
    access: Access<ApiKeysWrite>,
    Path((_, key)): Path<(String, ApiKeyId)>,
) -> Result<Page> {
    let view = api_keys::find(&access, key).await?;
    let body = views::revoke(access.tenant(), &view);
    Ok(Page::new("Revoke an API key", body))
}

async fn revoke(
    access: Access<ApiKeysWrite>,
    Path((_, key)): Path<(String, ApiKeyId)>,
) -> Result<SeeOther> {
    api_keys::revoke(&access, key).await?;
    let flash = Flash::new(
        Tone::Success,
        "The key is revoked: its next request is refused.",
    );
    Ok(SeeOther::new(access.tenant().href("/api-keys")).flash(flash))
}

async fn show_prefix(access: Access<ApiKeysWrite>) -> Result<Page> {
    let current = prefix::show(&access).await?;
    let body = views::prefix(access.tenant(), &current.prefix, &Refusal::default());
    Ok(Page::new("Prefix of API keys", body))
}

async fn set_prefix(access: Access<ApiKeysWrite>, Form(form): Form<Fields>) -> Sent {
    let prefix = form.get("prefix").trim().to_owned();
    match prefix::set(&access, Prefix { prefix }).await {
        Ok(set) => {
            let text = format!("New keys begin with {}_ from now on.", set.prefix);
            let to = SeeOther::new(access.tenant().href("/api-keys"));
            Ok(Ok(to.flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let body = views::prefix(access.tenant(), form.get("prefix"), &refusal);
            Ok(Err(
                Page::new("Prefix of API keys", body).status(refusal.status())
            ))
        }
    }
}
