//! `/app/{tenant}/roles`: what each role may do, and roles of the tenant's own.

use axum::{Router, extract::FromRef, routing::get};
use kernel::{
    Access, Db, Error, Result,
    db::Tenant,
    extract::{Fields, Form, Path},
    permission::{Permission, RolesRead, RolesWrite},
    refusal::Refusal,
};
use maud::{Markup, Render, html};
use ui::{
    Badge, Button, Card, Checkbox, Column, Confirm, EmptyState, Field, Fieldset, Flash, Icon,
    Notice, Page, PageHeader, SeeOther, Table, Tone,
};

use super::{NewRole, RoleContent, RoleView, words};
use crate::roles;

pub fn pages<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Db: FromRef<S>,
{
    Router::new()
        .route("/app/{tenant}/roles", get(list).post(create))
        .route("/app/{tenant}/roles/new", get(new))
        .route("/app/{tenant}/roles/{role}", get(show).post(replace))
        .route(
            "/app/{tenant}/roles/{role}/delete",
            get(ask_delete).post(delete),
        )
}

async fn list(access: Access<RolesRead>) -> Result<Page> {
    let roles = roles::list(&access).await?;
    let body = list_view(access.tenant(), &roles, access.may_give(RolesWrite::NAME));
    Ok(Page::new("Roles", body))
}

fn list_view(tenant: &Tenant, roles: &[RoleView], may_change: bool) -> Markup {
    let new = || {
        Button::primary("New role")
            .icon(Icon::Plus)
            .to(tenant.href("/roles/new"))
    };
    let header = PageHeader::new("Roles").about(html! {
        "A role is a set of permissions. Who has it may do what it holds, from their next click on."
    });
    let header = match may_change {
        true => header.actions(new().render()),
        false => header,
    };
    let mut empty = EmptyState::new(
        Icon::Shield,
        "No roles of your own yet",
        "The built-in roles below serve most teams. Make one where none of them fits.",
    );
    if may_change {
        empty = empty.action(new().render());
    }
    let own = Table::new("Roles of your own")
        .column(Column::new("Name"))
        .column(Column::new("What it is for"))
        .column(Column::new("Permissions").number())
        .empty(empty);
    let own = roles
        .iter()
        .filter(|role| !role.builtin)
        .fold(own, |table, role| {
            table.linked(
                tenant.href(&format!("/roles/{}", role.name)),
                [
                    html! { (role.name) },
                    html! { (role.description) },
                    html! { (role.permissions.len()) },
                ],
            )
        });
    html! {
        (header)
        div.stack {
            (Card::new(own.render()).title("Your roles").flush())
            (Card::new(matrix(roles).render()).title("What each role may do").flush())
        }
    }
}

/// Permissions down, roles across.
fn matrix(roles: &[RoleView]) -> Table {
    let table = roles.iter().fold(
        Table::new("Roles and their permissions").column(Column::new("Permission")),
        |table, role| table.column(Column::new(&role.name)),
    );
    let permissions = words::groups().into_iter().flat_map(|(_, words)| words);
    permissions.fold(table, |table, (name, label)| {
        let marks = roles.iter().map(|role| {
            let held = role.permissions.iter().any(|held| held == name);
            html! {
                @if held { (Icon::Check) span.visually-hidden { "Yes" } }
                @else { span.muted { "–" span.visually-hidden { "No" } } }
            }
        });
        table.row(std::iter::once(html! { (label) }).chain(marks))
    })
}

/// A role's form: what is entered, and what of it the person may choose.
struct Entered<'a> {
    name: &'a str,
    description: &'a str,
    permissions: Vec<&'a str>,
}

fn fields(entered: &Entered<'_>, may: impl Fn(&str) -> bool, refusal: &Refusal) -> Markup {
    let wrong = |field: &str| refusal.of(field);
    html! {
        (Field::long("description", "What it is for", 2).optional().value(entered.description)
            .max_length(1000).error(wrong("description")))
        @for (title, permissions) in words::groups() {
            (Fieldset::new(title, html! {
                @for (name, label) in permissions {
                    @let held = may(name);
                    @let choice = Checkbox::new("permissions", label).value(name).disabled(!held)
                        .checked(entered.permissions.contains(&name));
                    @if held { (choice) } @else { (choice.hint("You do not hold it yourself.")) }
                }
            }))
        }
        @if let Some(error) = wrong("permissions") { (Notice::new(Tone::Danger, error)) }
    }
}

async fn new(access: Access<RolesWrite>) -> Page {
    let blank = Entered {
        name: "",
        description: "",
        permissions: Vec::new(),
    };
    Page::new("New role", new_view(&access, &blank, &Refusal::default()))
}

fn new_view(access: &Access<RolesWrite>, entered: &Entered<'_>, refusal: &Refusal) -> Markup {
    let tenant = access.tenant();
    let wrong = refusal.of("name");
    let body = html! {
        (Field::text("name", "Name").value(entered.name).max_length(63).error(wrong).autofocus()
            .hint("Small letters, digits, - and _. It cannot be changed later."))
        (fields(entered, |name| access.may_give(name), refusal))
    };
    let buttons = html! {
        (Button::primary("Create the role")) (Button::secondary("Cancel").to(tenant.href("/roles")))
    };
    let form = ui::Form::post(tenant.href("/roles"), body, buttons);
    html! {
        div.narrow {
            (PageHeader::new("New role").crumb("Roles", tenant.href("/roles")))
            (Card::new(form.errors(refusal.all()).render()))
        }
    }
}

async fn create(
    access: Access<RolesWrite>,
    Form(form): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let new = NewRole {
        name: form.get("name").trim().to_owned(),
        description: form.get("description").to_owned(),
        permissions: form.all("permissions").map(str::to_owned).collect(),
    };
    match roles::create(&access, new).await {
        Ok(role) => {
            let text = format!("The role {} exists now.", role.name);
            let to = SeeOther::new(access.tenant().href("/roles"));
            Ok(Ok(to.flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?.about("name");
            let entered = Entered {
                name: form.get("name"),
                description: form.get("description"),
                permissions: form.all("permissions").collect(),
            };
            let body = new_view(&access, &entered, &refusal);
            Ok(Err(Page::new("New role", body).status(refusal.status())))
        }
    }
}

async fn show(access: Access<RolesRead>, Path((_, name)): Path<(String, String)>) -> Result<Page> {
    let role = own_role(&access, &name).await?;
    let entered = Entered {
        name: &role.name,
        description: &role.description,
        permissions: role.permissions.iter().map(String::as_str).collect(),
    };
    let body = role_view(&access, &role, &entered, &Refusal::default());
    Ok(Page::new(&role.name, body))
}

async fn own_role<P: Permission>(access: &Access<P>, name: &str) -> Result<RoleView> {
    let roles = roles::all(access).await?;
    roles
        .into_iter()
        .find(|role| role.name == name && !role.builtin)
        .ok_or(Error::NotFound("role"))
}

fn role_view<P: Permission>(
    access: &Access<P>,
    role: &RoleView,
    entered: &Entered<'_>,
    refusal: &Refusal,
) -> Markup {
    let tenant = access.tenant();
    let here = tenant.href(&format!("/roles/{}", role.name));
    let beyond = role.permissions.iter().any(|name| !access.may_give(name));
    let obstacle = match (access.may_give(RolesWrite::NAME), beyond) {
        (false, _) => Some("Your role does not let you change roles"),
        (true, true) => {
            Some("This role holds permissions that yours does not, so you cannot change it")
        }
        (true, false) => None,
    };
    let may = |name: &str| obstacle.is_none() && access.may_give(name);
    let fields = fields(entered, may, refusal);
    html! {
        div.narrow {
            (PageHeader::new(&role.name).crumb("Roles", tenant.href("/roles"))
                .beside(html! { (Badge::new(Tone::Neutral, "Your own")) }))
            div.stack {
                @match obstacle {
                    Some(title) => {
                        (Notice::new(Tone::Info, title))
                        (Card::new(listed(&role.permissions).render()).title("Permissions").flush())
                    }
                    None => {
                        @let buttons = html! {
                            (Button::primary("Save changes"))
                            (Button::secondary("Cancel").to(tenant.href("/roles")))
                        };
                        (Card::new(ui::Form::post(&here, fields, buttons).errors(refusal.all()).render()))
                        (Card::new(html! {
                            div.actions { (Button::danger("Delete the role").to(format!("{here}/delete"))) }
                        }).title("Delete").about("Only a role that nobody has, and nobody is invited to, can go."))
                    }
                }
            }
        }
    }
}

/// Permissions in words, for those who may only look.
fn listed(permissions: &[String]) -> Table {
    let words: Vec<words::Words> = words::groups()
        .into_iter()
        .flat_map(|(_, words)| words)
        .collect();
    let table = Table::new("Permissions").column(Column::new("Permission"));
    permissions.iter().fold(table, |table, name| {
        let known = words.iter().find(|(known, _)| known == name);
        let label = known.map_or(name.as_str(), |(_, label)| label);
        table.row([html! { (label) }])
    })
}

async fn replace(
    access: Access<RolesWrite>,
    Path((_, name)): Path<(String, String)>,
    Form(form): Form<Fields>,
) -> Result<std::result::Result<SeeOther, Page>> {
    let content = RoleContent {
        description: form.get("description").to_owned(),
        permissions: form.all("permissions").map(str::to_owned).collect(),
    };
    match roles::replace(&access, &name, &content).await {
        Ok(role) => {
            let text = format!("The role {} was changed for all who have it.", role.name);
            let to = SeeOther::new(access.tenant().href("/roles"));
            Ok(Ok(to.flash(Flash::new(Tone::Success, text))))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let role = own_role(&access, &name).await?;
            let entered = Entered {
                name: &role.name,
                description: form.get("description"),
                permissions: form.all("permissions").collect(),
            };
            let body = role_view(&access, &role, &entered, &refusal);
            Ok(Err(Page::new(&role.name, body).status(refusal.status())))
        }
    }
}

async fn ask_delete(
    access: Access<RolesWrite>,
    Path((_, name)): Path<(String, String)>,
) -> Result<Page> {
    let role = own_role(&access, &name).await?;
    Ok(Page::new(
        "Delete a role",
        question(access.tenant(), &role.name, &Refusal::default()),
    ))
}

fn question(tenant: &Tenant, name: &str, refusal: &Refusal) -> Markup {
    let here = tenant.href(&format!("/roles/{name}"));
    let confirm = Confirm::new(
        format!("Delete the role {name}?"),
        html! {
            @for (_, sentence) in refusal.all() {
                (Notice::new(Tone::Danger, sentence).body(html! {
                    "First give those members and providers another role, and revoke the invitations. "
                    a href=(tenant.href("/team")) { "Team" }
                }))
            }
            p { "Nobody can be given this role any more." }
        },
        format!("{here}/delete"),
        "Delete the role",
    );
    confirm.page(&here)
}

async fn delete(
    access: Access<RolesWrite>,
    Path((_, name)): Path<(String, String)>,
) -> Result<std::result::Result<SeeOther, Page>> {
    match roles::remove(&access, &name).await {
        Ok(()) => {
            let flash = Flash::new(Tone::Success, format!("The role {name} is gone."));
            Ok(Ok(
                SeeOther::new(access.tenant().href("/roles")).flash(flash)
            ))
        }
        Err(error) => {
            let refusal = error.refusal()?;
            let body = question(access.tenant(), &name, &refusal);
            Ok(Err(
                Page::new("Delete a role", body).status(refusal.status())
            ))
        }
    }
}
