//! `/admin/users`: the list, each account, and what staff do to one.

use axum::{
    Router,
    extract::{FromRef, State},
    http::Uri,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::{
    Db, Operator, Result,
    access::OperatorToken,
    extract::Path,
    id::UserId,
    page,
    permission::{Permission, UsersRead, UsersWrite},
};
use maud::{Markup, Render, html};
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Confirm, Copyable, CursorPages, EmptyState, Facts, FilterBar,
    Flash, Icon, Moment, Page, PageHeader, Query, SeeOther, Table, Tone,
};

use super::{PlatformRole, UserChanges, UserDetail, UserFilter, UserStatus, UserView};
use crate::{
    console::{address, number, page_of},
    people::People,
};

const LIST: &str = "/admin/users";

fn page_of_user(user: UserId) -> String {
    format!("{LIST}/{user}")
}

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
    OperatorToken: FromRef<S>,
    People: FromRef<S>,
{
    Router::new()
        .route(LIST, get(list))
        .route("/admin/users/{user}", get(show))
        .route(
            "/admin/users/{user}/disable",
            get(ask_disable).post(disable),
        )
        .route("/admin/users/{user}/enable", post(enable))
        .route(
            "/admin/users/{user}/require-reset",
            get(ask_reset).post(reset),
        )
}

async fn list(operator: Operator<UsersRead>, uri: Uri) -> Result<Page> {
    let query = address(&uri);
    let filter = UserFilter {
        q: query.get("q").map(str::to_owned),
        status: [UserStatus::Active, UserStatus::Disabled]
            .into_iter()
            .find(|status| query.get("status") == Some(status.as_str())),
        platform_role: [PlatformRole::Administrator, PlatformRole::Support]
            .into_iter()
            .find(|role| query.get("role") == Some(role.as_str())),
    };
    let page = super::list(&operator, &filter, &page_of(&query)).await?;
    Ok(Page::new(
        "Users",
        list_view(&query, &page, OffsetDateTime::now_utc()),
    ))
}

fn list_view(query: &Query, page: &page::Page<UserView>, now: OffsetDateTime) -> Markup {
    let empty = EmptyState::new(
        Icon::Search,
        "No account matches",
        "Try fewer words, or clear the filters.",
    );
    let table = page.data.iter().fold(
        Table::new("Users")
            .column(Column::new("Name"))
            .column(Column::new("E-mail"))
            .column(Column::new("Status"))
            .column(Column::new("Staff role"))
            .column(Column::new("Created"))
            .empty(empty),
        |table, user| {
            table.linked(page_of_user(user.id), [
                html! { (user.name) },
                html! { (user.email) @if !user.email_verified { " " (Badge::new(Tone::Neutral, "Not confirmed")) } },
                html! { (state(user)) },
                html! { (role(user)) },
                html! { (Moment::new(user.created_at, now)) },
            ])
        },
    );
    html! {
        (PageHeader::new("Users"))
        div.stack {
            div {
                (FilterBar::new(query)
                    .search("q", "Name or e-mail")
                    .choice("status", "Status", [("active", "Active"), ("disabled", "Disabled")])
                    .choice("role", "Staff", [("administrator", "Administrators"), ("support", "Support")]))
                (Card::new(html! { (table) }).flush().footer(html! {
                (CursorPages::new(query, page.next_cursor.as_deref(), page.data.len()))
            }))
            }
        }
    }
}

fn state(user: &UserView) -> Badge {
    match user.status {
        UserStatus::Active => Badge::status(Tone::Success, "Active"),
        UserStatus::Disabled => Badge::status(Tone::Danger, "Disabled"),
    }
}

fn role(user: &UserView) -> Markup {
    html! {
        @match user.platform_role {
            Some(PlatformRole::Administrator) => (Badge::new(Tone::Info, "Administrator")),
            Some(PlatformRole::Support) => (Badge::new(Tone::Info, "Support")),
            None => span.muted { "None" },
        }
    }
}

async fn show(operator: Operator<UsersRead>, Path(user): Path<UserId>) -> Result<Page> {
    let detail = super::detail(&operator, user).await?;
    // Nobody changes their own account here, so nothing is offered that would be refused.
    let is_own = operator.staff().is_some_and(|staff| staff.user == user);
    let may_write = operator.may(UsersWrite::NAME) && !is_own;
    let body = view(&detail, may_write, OffsetDateTime::now_utc());
    Ok(Page::new(&detail.user.name, body))
}

fn view(detail: &UserDetail, may_write: bool, now: OffsetDateTime) -> Markup {
    let user = &detail.user;
    let home = page_of_user(user.id);
    let actions = html! {
        @if may_write {
            @match user.status {
                UserStatus::Active => {
                    (Button::secondary("Require a new password").to(format!("{home}/require-reset")))
                    (Button::danger("Disable").to(format!("{home}/disable")))
                }
                UserStatus::Disabled => {
                    form method="post" action={ (home) "/enable" } { (Button::primary("Enable")) }
                }
            }
        }
    };
    let facts = Facts::new()
        .fact("E-mail", html! {
            (user.email) " "
            @if user.email_verified { (Badge::new(Tone::Success, "Confirmed")) }
            @else { (Badge::new(Tone::Neutral, "Not confirmed")) }
        })
        .fact("Staff role", role(user))
        .fact("Password", html! {
            @if detail.has_password { "Set" } @else { "None: the mailbox alone opens the account" }
        })
        .fact("Sessions", html! { (number(detail.sessions)) })
        .fact("Last seen", html! {
            @match detail.last_seen_at {
                Some(at) => (Moment::new(at, now)),
                None => span.muted { "Not signed in" },
            }
        })
        .fact("Created", html! { (Moment::new(user.created_at, now)) });
    let table = detail.memberships.iter().fold(
        Table::new("Memberships")
            .column(Column::new("Tenant"))
            .column(Column::new("Role"))
            .column(Column::new("Since"))
            .empty(EmptyState::new(
                Icon::Building,
                "No tenants",
                "This person belongs to no tenant.",
            )),
        |table, place| {
            table.linked(
                format!("/admin/tenants/{}", place.slug),
                [
                    html! { (place.name) },
                    html! { (place.role) },
                    html! { (Moment::new(place.since, now)) },
                ],
            )
        },
    );
    html! {
        (PageHeader::new(&user.name).crumb("Users", LIST)
                .about(html! { (Copyable::new("user id", user.id.to_string())) })
                .beside(html! { (state(user)) })
                .actions(actions))
        div.stack {
            div.columns {
                (Card::new(facts.render()).title("Facts"))
                (Card::new(table.render()).title("Tenants").flush())
            }
        }
    }
}

async fn ask_disable(
    _: Operator<UsersWrite>,
    operator: Operator<UsersRead>,
    Path(user): Path<UserId>,
) -> Result<Page> {
    let user = super::get(&operator, user).await?;
    let home = page_of_user(user.id);
    let title = format!("Disable {}", user.name);
    let consequence = html! {
        p { "They are signed out everywhere and can't sign in until the account is enabled again. Their memberships stay." }
    };
    let confirm = Confirm::new(
        &title,
        consequence,
        format!("{home}/disable"),
        "Disable account",
    );
    Ok(Page::new(title, confirm.page(&home)))
}

async fn disable(operator: Operator<UsersWrite>, Path(user): Path<UserId>) -> Result<Response> {
    set(
        &operator,
        user,
        UserStatus::Disabled,
        "The account is disabled.",
    )
    .await
}

async fn enable(operator: Operator<UsersWrite>, Path(user): Path<UserId>) -> Result<Response> {
    set(
        &operator,
        user,
        UserStatus::Active,
        "The account is enabled.",
    )
    .await
}

async fn set(
    operator: &Operator<UsersWrite>,
    user: UserId,
    status: UserStatus,
    done: &str,
) -> Result<Response> {
    let changes = UserChanges {
        status: Some(status),
        platform_role: None,
    };
    after(super::update(operator, user, &changes).await, user, done)
}

/// Back to the account, with what was done or why it was not.
fn after(outcome: Result<UserView>, user: UserId, done: &str) -> Result<Response> {
    let flash = match outcome {
        Ok(_) => Flash::new(Tone::Success, done),
        Err(error) => {
            let refusal = error.refusal()?;
            let sentences: Vec<String> = refusal.all().map(|(_, sentence)| sentence).collect();
            Flash::new(Tone::Danger, sentences.join(". "))
        }
    };
    Ok(SeeOther::new(page_of_user(user))
        .flash(flash)
        .into_response())
}

async fn ask_reset(
    _: Operator<UsersWrite>,
    operator: Operator<UsersRead>,
    Path(user): Path<UserId>,
) -> Result<Page> {
    let user = super::get(&operator, user).await?;
    let home = page_of_user(user.id);
    let consequence = html! {
        p {
            "The password of " strong { (user.name) } " opens nothing any more, they are signed out
            everywhere, and a letter to " (user.email) " lets them set another."
        }
    };
    let confirm = Confirm::new(
        "Require a new password",
        consequence,
        format!("{home}/require-reset"),
        "Require a new password",
    );
    Ok(Page::new("Require a new password", confirm.page(&home)))
}

async fn reset(
    State(people): State<People>,
    operator: Operator<UsersWrite>,
    Path(user): Path<UserId>,
) -> Result<Response> {
    let outcome = super::require_reset(&people, &operator, user).await;
    after(
        outcome,
        user,
        "The password was taken away and a letter is on its way.",
    )
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;
    use crate::users::Place;

    #[test]
    fn an_account_with_a_membership() {
        let now = datetime!(2026-03-02 12:00 UTC);
        let id = uuid::Uuid::from_u128(7);
        let detail = UserDetail {
            user: UserView {
                id: id.into(),
                email: "ada@example.com".to_owned(),
                email_verified: true,
                name: "Ada <Lovelace>".to_owned(),
                status: UserStatus::Active,
                platform_role: None,
                created_at: now - Duration::days(40),
            },
            memberships: vec![Place {
                tenant: id.into(),
                slug: "acme".to_owned(),
                name: "Acme".to_owned(),
                role: "owner".to_owned(),
                since: now - Duration::days(39),
            }],
            sessions: 2,
            last_seen_at: Some(now - Duration::minutes(3)),
            has_password: true,
        };
        insta::assert_snapshot!(view(&detail, true, now).into_string());
        assert!(!view(&detail, false, now).into_string().contains("Disable"));
    }
}
