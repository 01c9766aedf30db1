//! `/app/{tenant}/team`: the members, and one of them with what may be done about them. And
//! `/app/{tenant}/membership`: a person's own place in the tenant, which every member has.

use axum::{Router, extract::FromRef, http::Uri, routing::get};
use kernel::{
    Access, Db, Error, Result,
    access::{OWNER, Person},
    actors::Names,
    db::Tenant,
    extract::{Form, Path, Query},
    id::UserId,
    page::{Page as Rows, PageQuery},
    permission::{MembersRead, MembersWrite, Permission, TenantRead},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use serde::Deserialize;
use time::OffsetDateTime;
use ui::{
    Badge, Button, Card, Column, Confirm, Copyable, CursorPages, Facts, Field, Flash, Icon, Moment,
    Notice, Page, PageHeader, SeeOther, Table, Tabs, Tone,
};

use super::{Found, MemberView};
use crate::{members, roles};

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/team", get(list))
        .route(
            "/app/{tenant}/team/members/{member}",
            get(show).post(set_role),
        )
        .route(
            "/app/{tenant}/team/members/{member}/remove",
            get(ask_remove).post(remove),
        )
        .route("/app/{tenant}/membership", get(own))
        .route("/app/{tenant}/membership/leave", get(ask_leave).post(leave))
}

/// The two lists of the team.
pub(crate) fn tabs(tenant: &Tenant, current: &str) -> Tabs {
    Tabs::new("Team", tenant.href(current))
        .tab("Members", tenant.href("/team"))
        .tab("Invitations", tenant.href("/team/invitations"))
}

/// The heading above both lists.
pub(crate) fn heading<P: Permission>(access: &Access<P>) -> PageHeader {
    let header = PageHeader::new("Team").about(html! {
        "Who works in this account, and what their role lets them do. "
        a href=(access.tenant().href("/membership")) { "Your own place" }
    });
    if access.may_give(MembersWrite::NAME) {
        let href = access.tenant().href("/team/invitations/new");
        header.actions(html! { (Button::primary("Invite").icon(Icon::Mail).to(href)) })
    } else {
        header
    }
}

async fn list(
    access: Access<MembersRead>,
    uri: Uri,
    Query(query): Query<PageQuery>,
) -> Result<Page> {
    let members = members::list(&access, &query).await?;
    let at = ui::Query::new(uri.path(), uri.query().unwrap_or_default());
    let table = table(access.tenant(), &members, OffsetDateTime::now_utc());
    let pages = CursorPages::new(&at, members.next_cursor.as_deref(), members.data.len());
    let body = html! {
        (heading(&access))
        (tabs(access.tenant(), "/team"))
        (Card::new(table.render()).flush().footer(pages.render()))
    };
    Ok(Page::new("Team", body).command(
        "Invite somebody",
        access.tenant().href("/team/invitations/new"),
    ))
}

fn table(tenant: &Tenant, members: &Rows<MemberView>, now: OffsetDateTime) -> Table {
    let table = Table::new("Members")
        .column(Column::new("Name"))
        .column(Column::new("E-mail"))
        .column(Column::new("Role"))
        .column(Column::new("Joined"))
        .column(Column::new("Account"));
    members.data.iter().fold(table, |table, member| {
        table.linked(
            tenant.href(&format!("/team/members/{}", member.id)),
            [
                html! { (member.name) },
                html! { (member.email) },
                role(&member.role),
                Moment::new(member.created_at, now).render(),
                state(member.disabled),
            ],
        )
    })
}

pub(crate) fn role(name: &str) -> Markup {
    let tone = if name == OWNER {
        Tone::Info
    } else {
        Tone::Neutral
    };
    Badge::new(tone, name).render()
}

fn state(disabled: bool) -> Markup {
    match disabled {
        true => Badge::status(Tone::Warning, "Disabled").render(),
        false => Badge::status(Tone::Success, "Active").render(),
    }
}

async fn show(
    access: Access<MembersRead>,
    Path((_, member)): Path<(String, UserId)>,
) -> Result<Page> {
    member_page(&access, member, &Refusal::default()).await
}

async fn member_page<P: Permission>(
    access: &Access<P>,
    member: UserId,
    refusal: &Refusal,
) -> Result<Page> {
    let found = members::find(access, member).await?;
    let names = Names::of(access, [found.member.created_by.as_str()]).await?;
    let roles = match access.may_give(MembersWrite::NAME) {
        true => roles::givable(access).await?,
        false => Vec::new(),
    };
    let data = MemberPage {
        tenant: access.tenant(),
        let_in_by: names.show(&found.member.created_by),
        is_oneself: access.user() == Some(member),
        may_change: access.may_give(MembersWrite::NAME),
        roles: &roles,
        found: &found,
        refusal,
        now: OffsetDateTime::now_utc(),
    };
    let page = Page::new(&found.member.name, view(&data));
    Ok(page.status(refusal.status()))
}

/// What the page of a member is made of.
struct MemberPage<'a> {
    tenant: &'a Tenant,
    found: &'a Found,
    let_in_by: String,
    is_oneself: bool,
    may_change: bool,
    /// Those that the reader may give.
    roles: &'a [String],
    refusal: &'a Refusal,
    now: OffsetDateTime,
}

impl MemberPage<'_> {
    /// Why nothing can be done about this member, in the reader's terms.
    fn obstacle(&self) -> Option<(&'static str, &'static str)> {
        let member = &self.found.member;
        if !self.may_change {
            return Some((
                "Your role does not let you change members",
                "Ask an owner or an administrator of the account.",
            ));
        }
        if self.found.is_only_owner {
            return Some((
                "The account's only owner",
                "An account always has an owner. Make somebody else an owner first; then this role can be changed or the member removed.",
            ));
        }
        let is_beyond = self.found.role_exists && !self.roles.contains(&member.role);
        match (is_beyond, member.role == OWNER) {
            (true, true) => Some((
                "Owners are changed by owners alone",
                "Ask an owner of the account.",
            )),
            (true, false) => Some((
                "This role holds permissions that yours does not",
                "Nobody gives or takes more than they hold themselves.",
            )),
            _ => None,
        }
    }
}

fn view(data: &MemberPage<'_>) -> Markup {
    let member = &data.found.member;
    let here = data.tenant.href(&format!("/team/members/{}", member.id));
    let about = Facts::new()
        .fact("E-mail", html! { (member.email) })
        .fact("Role", role(&member.role))
        .fact("Joined", Moment::new(member.created_at, data.now).render())
        .fact("Let in by", html! { (data.let_in_by) })
        .fact("Account", state(member.disabled))
        .fact(
            "Id",
            Copyable::new("member id", member.id.to_string()).render(),
        );
    let obstacle = data.obstacle();
    html! {
        (PageHeader::new(&member.name).crumb("Team", data.tenant.href("/team"))
            .beside(html! { @if data.is_oneself { (Badge::new(Tone::Neutral, "You")) } }))
        div.columns {
            (Card::new(about.render()).title("Member"))
            div.stack {
                @match obstacle {
                    Some((title, text)) => (Notice::new(Tone::Info, title).body(html! { (text) })),
                    None => {
                        (Card::new(role_form(data, &here)).title("Role")
                            .about("Holds from their next click on."))
                        (Card::new(html! {
                            div.actions { (Button::danger("Remove from the team").to(format!("{here}/remove"))) }
                        }).title("Remove").about("They lose access at once. Their account stays theirs."))
                    }
                }
            }
        }
    }
}

fn role_form(data: &MemberPage<'_>, here: &str) -> Markup {
    let options = data.roles.iter().map(|role| (role.clone(), role.clone()));
    let field = Field::select("role", "Role", options)
        .value(&data.found.member.role)
        .error(data.refusal.of("role"));
    let form = ui::Form::post(
        here,
        field.render(),
        Button::primary("Change role").render(),
    );
    form.errors(data.refusal.all()).render()
}

#[derive(Debug, Deserialize)]
struct RoleChoice {
    role: String,
}

async fn set_role(
    access: Access<MembersWrite>,
    Path((_, member)): Path<(String, UserId)>,
    Form(choice): Form<RoleChoice>,
) -> Result<std::result::Result<SeeOther, Page>> {
    match members::set_role(&access, member, &choice.role).await {
        Ok(()) => {
            let to = access.tenant().href(&format!("/team/members/{member}"));
            let text = format!("The role is {} now.", choice.role);
            Ok(Ok(SeeOther::new(to).flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            member_page(&access, member, &refusal).await.map(Err)
        }
    }
}

async fn ask_remove(
    access: Access<MembersWrite>,
    Path((_, member)): Path<(String, UserId)>,
) -> Result<Page> {
    let found = members::find(&access, member).await?;
    let here = access.tenant().href(&format!("/team/members/{member}"));
    let name = &found.member.name;
    let confirm = Confirm::new(
        format!("Remove {name} from the team?"),
        html! {
            p { (name) " (" (found.member.email) ") loses access to this account at once." }
            p { "What they did stays in the audit log. They can be invited again." }
        },
        format!("{here}/remove"),
        "Remove from the team",
    );
    Ok(Page::new("Remove a member", confirm.page(&here)))
}

async fn remove(
    access: Access<MembersWrite>,
    Path((_, member)): Path<(String, UserId)>,
) -> Result<std::result::Result<SeeOther, Page>> {
    match members::remove(&access, member).await {
        Ok(()) => {
            let to = match access.user() == Some(member) {
                true => "/app".to_owned(),
                false => access.tenant().href("/team"),
            };
            let flash = Flash::new(Tone::Success, "The member was removed.");
            Ok(Ok(SeeOther::new(to).flash(flash)))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            member_page(&access, member, &refusal).await.map(Err)
        }
    }
}

async fn own(access: Access<TenantRead>) -> Result<Page> {
    let member = access.user().ok_or(Error::NotFound("member"))?;
    let found = members::find(&access, member).await?;
    let body = own_view(access.tenant(), &found, |permission| {
        access.may_give(permission)
    });
    Ok(Page::new("Your place in the team", body))
}

fn own_view(tenant: &Tenant, found: &Found, may: impl Fn(&str) -> bool) -> Markup {
    let groups = roles::words::groups();
    let held = |permissions: &[(&str, &str)]| {
        let labels: Vec<String> = permissions
            .iter()
            .filter(|(name, _)| may(name))
            .map(|(_, label)| (*label).to_owned())
            .collect();
        labels.join(", ")
    };
    let facts = groups.iter().fold(Facts::new(), |facts, (title, members)| {
        let held = held(members);
        facts.maybe(*title, (!held.is_empty()).then_some(held.as_str()))
    });
    html! {
        (PageHeader::new("Your place in the team").beside(role(&found.member.role))
            .about(html! { "What your role lets you do in this account." }))
        div.stack {
            (Card::new(facts.render()).title("What you may do"))
            @if found.is_only_owner {
                (Notice::new(Tone::Info, "You are the account's only owner")
                    .body(html! { "An account always has an owner. Make somebody else an owner before you leave." }))
            } @else {
                (Card::new(html! {
                    div.actions { (Button::danger("Leave this account").to(tenant.href("/membership/leave"))) }
                }).title("Leave").about("You lose access at once; somebody has to invite you to come back."))
            }
        }
    }
}

async fn ask_leave(access: Access<TenantRead>) -> Page {
    let tenant = access.tenant();
    let confirm = Confirm::new(
        "Leave this account?",
        html! {
            p { "You lose access to " b { (tenant.slug) } " at once." }
            p { "Your own account stays. Somebody of the team has to invite you to come back." }
        },
        tenant.href("/membership/leave"),
        "Leave this account",
    );
    Page::new("Leave", confirm.page(&tenant.href("/membership")))
}

/// Asks for no access: people leave a suspended tenant as well.
async fn leave(person: Person, Path(slug): Path<String>) -> Result<SeeOther> {
    let tenant = person.db().directory().by_slug(&slug).await?;
    let tenant = tenant.ok_or(Error::NotFound("tenant"))?;
    let (to, flash) = match members::leave(&person, tenant.id).await {
        Ok(()) => (
            "/app".to_owned(),
            Flash::new(Tone::Success, "You have left the account."),
        ),
        Err(error) => {
            error.refusal()?;
            let text = "You are the only owner. Make somebody else an owner first.";
            (tenant.href("/membership"), Flash::new(Tone::Danger, text))
        }
    };
    Ok(SeeOther::new(to).flash(flash))
}

#[cfg(test)]
mod tests {
    use kernel::{
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

    fn found(role: &str) -> Found {
        Found {
            member: MemberView {
                id: UserId::from(uuid::Uuid::nil()),
                name: "Ada <Lovelace>".to_owned(),
                email: "ada@example.com".to_owned(),
                role: role.to_owned(),
                disabled: false,
                created_by: "staff:operator_token".to_owned(),
                created_at: datetime!(2026-03-01 12:00 UTC),
            },
            is_only_owner: false,
            role_exists: true,
        }
    }

    fn page(found: &Found, roles: &[&str]) -> String {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let data = MemberPage {
            tenant: &tenant(),
            found,
            let_in_by: "Support staff".to_owned(),
            is_oneself: false,
            may_change: true,
            roles: &roles,
            refusal: &Refusal::default(),
            now: datetime!(2026-03-14 12:00 UTC),
        };
        view(&data).into_string().replace("><", ">\n<")
    }

    #[test]
    fn a_member_whose_role_may_change() {
        insta::assert_snapshot!(page(&found("agent"), &["admin", "agent"]));
    }

    #[test]
    fn obstacles_are_explained_and_take_the_buttons_place() {
        let mut only = found(OWNER);
        only.is_only_owner = true;
        for (found, roles, words) in [
            (&only, &[OWNER, "agent"][..], "only owner"),
            (&found(OWNER), &["agent"][..], "changed by owners alone"),
            (
                &found("admin"),
                &["agent"][..],
                "permissions that yours does not",
            ),
        ] {
            let html = page(found, roles);
            assert!(html.contains(words), "{html}");
            assert!(!html.contains("Change role"), "{html}");
            assert!(!html.contains("/remove"), "{html}");
        }
    }

    #[test]
    fn ones_own_place() {
        let html = own_view(&tenant(), &found("agent"), |permission| {
            permission.starts_with("conversations")
        });
        insta::assert_snapshot!(html.into_string().replace("><", ">\n<"));
    }
}
