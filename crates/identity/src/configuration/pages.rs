//! `/app/{tenant}/settings`: the configuration as a form, and its history. Branding has a page of
//! its own.

use axum::{Router, extract::FromRef, http::Uri, routing::get};
use kernel::{
    Access, Db, Error, Result,
    actors::Names,
    configuration::{Change, Version},
    db::Tenant,
    error::ConflictCode,
    extract::{Fields, Form, Path, Query},
    page::{Page as Rows, PageQuery},
    permission::{Permission, SettingsRead, SettingsWrite},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Confirm, CursorPages, EmptyState, Facts, Flash, Icon, Moment, Notice,
    Page, PageHeader, SeeOther, Tabs, Timeline, Tone,
};

use super::{
    Past,
    form::{self, Values},
};
use crate::configuration;

const SETTINGS: &str = "/settings";
const HISTORY: &str = "/settings/history";

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/settings", get(show).post(save))
        .route("/app/{tenant}/settings/history", get(past))
        .route(
            "/app/{tenant}/settings/history/{version}/restore",
            get(ask_restore).post(restore),
        )
}

fn tabs(tenant: &Tenant, current: &str) -> Tabs {
    Tabs::new("Settings", tenant.href(current))
        .tab("Settings", tenant.href(SETTINGS))
        .tab("History", tenant.href(HISTORY))
}

fn heading(tenant: &Tenant, current: &str) -> Markup {
    html! {
        (PageHeader::new("Settings").about(html! {
            "What this account has chosen for itself. Every change is kept as a version that can be restored."
        }))
        (tabs(tenant, current))
    }
}

async fn show(access: Access<SettingsRead>) -> Result<Page> {
    let version = configuration::get(&access).await?;
    let body = match access.may_give(SettingsWrite::NAME) {
        true => {
            let values = Values::of(&version.configuration)?;
            form_view(
                access.tenant(),
                version.version,
                &values,
                &Refusal::default(),
                None,
            )
        }
        false => facts_view(access.tenant(), &version)?,
    };
    Ok(Page::new("Settings", body))
}

/// For those who may only look.
fn facts_view(tenant: &Tenant, version: &Version) -> Result<Markup> {
    let document = version.configuration.document()?;
    Ok(html! {
        (heading(tenant, SETTINGS))
        div.stack {
            (Notice::new(Tone::Info, "Your role lets you see the settings, not change them"))
            @for section in form::sections() {
                @let facts = section.settings().fold(Facts::new(), |facts, setting| {
                    facts.fact(setting.label, html! { (form::shown(setting, setting.value(&document))) })
                });
                (Card::new(facts.render()).title(section.title).about(section.about))
            }
        }
    })
}

/// What somebody else changed since the form was opened, and who.
type Meanwhile = (String, Vec<Change>);

fn form_view(
    tenant: &Tenant,
    version: i64,
    values: &Values,
    refusal: &Refusal,
    meanwhile: Option<&Meanwhile>,
) -> Markup {
    let body = html! {
        @for section in form::sections() {
            (Card::new(html! {
                div.form {
                    @for setting in section.settings() { (form::field(setting, values, refusal)) }
                }
            }).title(section.title).about(section.about))
        }
    };
    let buttons = html! {
        (Button::primary("Save settings")) (Button::secondary("Discard changes").to(tenant.href(SETTINGS)))
    };
    let form =
        ui::Form::post(tenant.href(SETTINGS), body, buttons).hidden("version", version.to_string());
    let form = form.errors(refusal.all());
    html! {
        (heading(tenant, SETTINGS))
        div.stack {
            @if let Some((author, changes)) = meanwhile {
                (Notice::new(Tone::Warning, format!("{author} changed the settings while you did"))
                    .body(html! {
                        (form::changes(changes))
                        p { "Nothing of yours was saved. Your values are below; saving them now replaces these." }
                    }))
            }
            div.medium { (form) }
        }
    }
}

async fn save(
    access: Access<SettingsWrite>,
    Form(fields): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let seen = seen_version(&fields)?;
    let values = Values::entered(&fields);
    match change(&access, seen, &values).await {
        Ok(version) => {
            let text = match version.version == seen {
                true => "Nothing was changed.".to_owned(),
                false => format!("The settings were saved as version {}.", version.version),
            };
            let to = SeeOther::new(access.tenant().href(SETTINGS));
            Ok(Ok(to.flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let now = current(&access).await?;
            let meanwhile = match refusal.conflict() {
                Some(ConflictCode::ChangedMeanwhile) => Some(since(&access, seen, &now).await?),
                _ => None,
            };
            let status = refusal.status();
            // What the other one changed is told instead of the conflict's own words.
            let (version, told) = match &meanwhile {
                Some(_) => (now.version, Refusal::default()),
                None => (seen, refusal),
            };
            let tenant = access.tenant();
            let body = form_view(tenant, version, &values, &told, meanwhile.as_ref());
            Ok(Err(Page::new("Settings", body).status(status)))
        }
    }
}

fn seen_version(fields: &Fields) -> Result<i64> {
    let version = fields.get("version").parse();
    version.map_err(|_| Error::field("version", "must be the version that was seen"))
}

/// What the form does not show, branding, is taken from the version that was seen: if that no
/// longer holds, writing refuses.
async fn change(access: &Access<SettingsWrite>, seen: i64, values: &Values) -> Result<Version> {
    let mut tx = access.read().await?;
    let before = kernel::configuration::at(&mut tx, seen).await?;
    tx.commit().await?;
    let configuration = values.over(&before.configuration)?;
    configuration::replace(access, seen, &configuration).await
}

async fn current<P: Permission>(access: &Access<P>) -> Result<Version> {
    let mut tx = access.read().await?;
    let version = kernel::configuration::current(&mut tx).await?;
    tx.commit().await?;
    Ok(version)
}

/// Who changed what since a version.
async fn since(
    access: &Access<SettingsWrite>,
    seen: i64,
    now: &Version,
) -> Result<(String, Vec<Change>)> {
    let mut tx = access.read().await?;
    let before = kernel::configuration::at(&mut tx, seen).await?;
    tx.commit().await?;
    let author = now.author.as_deref().unwrap_or_default();
    let names = Names::of(access, [author]).await?;
    let changes = before.configuration.changes_to(&now.configuration)?;
    Ok((names.show(author), changes))
}

async fn past(
    access: Access<SettingsRead>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let past = configuration::history(&access, &query).await?;
    let authors = past
        .data
        .iter()
        .filter_map(|past| past.version.author.as_deref());
    let names = Names::of(&access, authors).await?;
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    let view = HistoryPage {
        tenant: access.tenant(),
        past: &past,
        names: &names,
        is_first_page: query.cursor.is_none(),
        may_change: access.may_give(SettingsWrite::NAME),
        now: OffsetDateTime::now_utc(),
    };
    let pages = CursorPages::new(&at, past.next_cursor.as_deref(), past.data.len());
    Ok(Page::new(
        "History of the settings",
        history_view(&view, &pages),
    ))
}

struct HistoryPage<'a> {
    tenant: &'a Tenant,
    past: &'a Rows<Past>,
    names: &'a Names,
    is_first_page: bool,
    may_change: bool,
    now: OffsetDateTime,
}

fn history_view(page: &HistoryPage<'_>, pages: &CursorPages) -> Markup {
    let events = page.past.data.iter().enumerate();
    let timeline = events.fold(Timeline::new(), |timeline, (index, past)| {
        let version = &past.version;
        let author = version.author.as_deref().unwrap_or_default();
        let holds = page.is_first_page && index == 0;
        let at = version.created_at.unwrap_or(page.now);
        let title = html! {
            b { (page.names.show(author)) } " wrote version " (version.version) " "
            @if holds { (Badge::new(Tone::Success, "Holds now")) }
        };
        let detail = html! {
            (form::changes(&past.changes))
            @if page.may_change && !holds { (restore_button(page.tenant, version.version)) }
        };
        timeline.event(
            Tone::Neutral,
            Icon::Settings,
            Moment::new(at, page.now),
            title,
            Some(detail),
        )
    });
    let ends_here = page.past.next_cursor.is_none();
    html! {
        (heading(page.tenant, HISTORY))
        @if page.past.data.is_empty() {
            (Card::new(EmptyState::new(Icon::Clock, "The defaults hold",
                "As soon as somebody changes a setting, who did and what stands here.")
                .action(html! { (Button::secondary("To the settings").to(page.tenant.href(SETTINGS))) })
                .render()).flush())
        } @else {
            (Card::new(html! { div.stack {
                (timeline)
                @if ends_here && page.may_change {
                    p.muted { "Before that, the defaults held. " (restore_button(page.tenant, 0)) }
                }
            } }).footer(pages.render()))
        }
    }
}

fn restore_button(tenant: &Tenant, version: i64) -> Markup {
    let label = match version {
        0 => "Restore the defaults".to_owned(),
        version => format!("Restore version {version}"),
    };
    let href = tenant.href(&format!("{HISTORY}/{version}/restore"));
    Button::secondary(label).small().to(href).render()
}

async fn ask_restore(
    access: Access<SettingsWrite>,
    Path((_, version)): Path<(String, i64)>,
) -> Result<Page> {
    let mut tx = access.read().await?;
    let now = kernel::configuration::current(&mut tx).await?;
    let then = kernel::configuration::at(&mut tx, version).await?;
    tx.commit().await?;
    let changes = now.configuration.changes_to(&then.configuration)?;
    Ok(Page::new(
        "Restore settings",
        question(access.tenant(), now.version, version, &changes),
    ))
}

fn question(tenant: &Tenant, now: i64, version: i64, changes: &[Change]) -> Markup {
    let title = match version {
        0 => "Restore the defaults?".to_owned(),
        version => format!("Restore version {version}?"),
    };
    let confirm = Confirm::new(
        title,
        html! {
            @if changes.is_empty() { p { "It sets nothing differently from what holds now." } }
            @else { p { "This changes:" } (form::changes(changes)) }
            p { "It becomes a new version; none is lost." }
        },
        tenant.href(&format!("{HISTORY}/{version}/restore")),
        "Restore",
    );
    confirm
        .hidden("version", now.to_string())
        .page(&tenant.href(HISTORY))
}

async fn restore(
    access: Access<SettingsWrite>,
    Path((_, version)): Path<(String, i64)>,
    Form(fields): Form<Fields>,
) -> Result<SeeOther> {
    let seen = seen_version(&fields)?;
    let flash = match configuration::restore(&access, seen, version).await {
        Ok(made) => Flash::new(
            Tone::Success,
            format!("Version {} holds now.", made.version),
        ),
        Err(error) => {
            error.refusal()?;
            let text = "Somebody changed the settings meanwhile; nothing was restored.";
            Flash::new(Tone::Warning, text)
        }
    };
    Ok(SeeOther::new(access.tenant().href(HISTORY)).flash(flash))
}

#[cfg(test)]
mod tests {
    use kernel::{
        configuration::Configuration,
        db::TenantStatus,
        id::{CellId, TenantId},
    };
    use time::macros::datetime;

    use super::*;

    fn tenant() -> Tenant {
        Tenant {
            id: TenantId::from(uuid::Uuid::nil()),
            slug: "acme".to_owned(),
            status: TenantStatus::Active,
            suspension: None,
            cell: CellId::from(uuid::Uuid::nil()),
            epoch: 1,
        }
    }

    fn lines(markup: Markup) -> String {
        markup.into_string().replace("><", ">\n<")
    }

    #[test]
    fn the_form_of_the_defaults() {
        let values = Values::of(&Configuration::default()).expect("values");
        insta::assert_snapshot!(lines(form_view(
            &tenant(),
            0,
            &values,
            &Refusal::default(),
            None
        )));
    }

    #[test]
    fn a_conflict_shows_what_the_other_did_and_keeps_what_one_entered() {
        let mut theirs = Configuration::default();
        theirs.limits.messages_per_minute = 5;
        let mut mine = Configuration::default();
        mine.features.media = false;
        mine.limits.messages_per_minute = 700;
        let changes = Configuration::default().changes_to(&theirs);
        let meanwhile = ("Ada".to_owned(), changes.expect("changes"));
        let values = Values::of(&mine).expect("values");
        let html = lines(form_view(
            &tenant(),
            4,
            &values,
            &Refusal::default(),
            Some(&meanwhile),
        ));
        for told in [
            "Ada changed the settings",
            "600 messages → <b>5 messages</b>",
            "name=\"version\" value=\"4\"",
            "value=\"700\"",
        ] {
            assert!(html.contains(told), "{told}: {html}");
        }
    }

    #[test]
    fn the_history_tells_what_each_version_changed() {
        let mut configuration = Configuration::default();
        configuration.retention.messages_days = 30;
        let changes = Configuration::default().changes_to(&configuration);
        let past = Rows {
            data: vec![Past {
                version: Version {
                    version: 1,
                    author: Some("staff:operator_token".to_owned()),
                    created_at: Some(datetime!(2026-03-13 12:00 UTC)),
                    configuration,
                },
                changes: changes.expect("changes"),
            }],
            next_cursor: None,
        };
        let page = HistoryPage {
            tenant: &tenant(),
            past: &past,
            names: &Names::default(),
            is_first_page: true,
            may_change: true,
            now: datetime!(2026-03-14 12:00 UTC),
        };
        let pages = CursorPages::new(&ui::Query::new("/app/acme/settings/history", ""), None, 1);
        insta::assert_snapshot!(lines(history_view(&page, &pages)));
    }
}
