//! The demo's people: a member of staff, an owner and an agent, with one password that is made at
//! the first start.

use identity::{
    members,
    people::Email,
    users::{self, NewUser, PlatformRole},
};
use kernel::{Operator, permission::UsersWrite, secret::Secret};

use super::accounts::DemoAccounts;
use crate::{
    cli::{find, user},
    program::Program,
};

pub const OWNER: &str = "owner@freehold.example";

/// Address, name, platform role, and role in the first tenant.
const PEOPLE: [(&str, &str, Option<PlatformRole>, Option<&str>); 3] = [
    (
        "operator@freehold.example",
        "Olive Operator",
        Some(PlatformRole::Administrator),
        None,
    ),
    (OWNER, "Owen Owner", None, Some("owner")),
    ("agent@freehold.example", "Agnes Agent", None, Some("agent")),
];

/// Makes them where an earlier start has not, and prints who they are.
pub async fn ensure(program: &Program, mut accounts: DemoAccounts) -> anyhow::Result<DemoAccounts> {
    let password = match accounts.password.take() {
        Some(password) => password,
        None => make(program, &accounts).await?,
    };
    for (email, ..) in PEOPLE {
        println!("✔ person                  {email}, password {password}");
    }
    accounts.password = Some(password);
    accounts.save()?;
    Ok(accounts)
}

async fn make(program: &Program, accounts: &DemoAccounts) -> anyhow::Result<String> {
    let operator = Operator::<UsersWrite>::local(&program.db, &user());
    let password = format!("demo-{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
    let tenant = find(&program.db, &accounts.tenants[0].slug).await?;
    for (email, name, platform_role, role) in PEOPLE {
        let new = NewUser {
            email: Email::parse(email)?,
            name: name.to_owned(),
            password: Secret::new(password.clone()),
            platform_role,
        };
        let account = users::put(&program.people, &operator, new).await?;
        if let Some(role) = role {
            members::put(&operator, &tenant, account.id, role).await?;
        }
    }
    Ok(password)
}
