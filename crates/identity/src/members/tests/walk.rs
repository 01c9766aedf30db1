//! Random walks: people, two tenants, and everything that changes what somebody may do. After each
//! step every person looks at every page, and what they get is compared with a model that is too
//! simple to be wrong in the same way.

use std::collections::BTreeMap;

use kernel::{
    permission::{MembersWrite, Roles, UsersWrite},
    suspension::SuspensionKind,
    testing::database,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

use crate::{
    members, tenants,
    testing::{App, Browser, PASSWORD},
};

const TENANTS: [&str; 2] = ["acme", "globex"];
const PEOPLE: usize = 3;
const ROLES: [&str; 7] = [
    "owner",
    "admin",
    "developer",
    "agent",
    "viewer",
    "billing",
    "desk",
];

#[derive(Clone, Debug)]
enum Step {
    Join {
        tenant: usize,
        person: usize,
        role: usize,
    },
    SetRole {
        tenant: usize,
        person: usize,
        role: usize,
    },
    Remove {
        tenant: usize,
        person: usize,
    },
    /// Makes the tenant's own role carry this.
    Compose {
        tenant: usize,
        read: bool,
        write: bool,
    },
    Suspend {
        tenant: usize,
        /// Whether members may still read.
        unpaid: bool,
    },
    Activate {
        tenant: usize,
    },
    Disable {
        person: usize,
    },
    Enable {
        person: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (tenant, person, role) = (0..TENANTS.len(), 0..PEOPLE, 0..ROLES.len());
    prop_oneof![
        4 => (tenant.clone(), person.clone(), 0..ROLES.len() - 1)
            .prop_map(|(tenant, person, role)| Step::Join { tenant, person, role }),
        4 => (tenant.clone(), person.clone(), role)
            .prop_map(|(tenant, person, role)| Step::SetRole { tenant, person, role }),
        2 => (tenant.clone(), person.clone())
            .prop_map(|(tenant, person)| Step::Remove { tenant, person }),
        2 => (tenant.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(tenant, read, write)| Step::Compose { tenant, read, write }),
        1 => (tenant.clone(), any::<bool>())
            .prop_map(|(tenant, unpaid)| Step::Suspend { tenant, unpaid }),
        2 => tenant.prop_map(|tenant| Step::Activate { tenant }),
        1 => person.clone().prop_map(|person| Step::Disable { person }),
        2 => person.prop_map(|person| Step::Enable { person }),
    ]
}

/// What should be so.
#[derive(Debug, Default)]
struct Model {
    roles: BTreeMap<(usize, usize), &'static str>,
    desk: BTreeMap<usize, (bool, bool)>,
    /// Whether members of a suspended tenant may still read.
    suspended: [Option<bool>; TENANTS.len()],
    disabled: [bool; PEOPLE],
}

impl Model {
    fn owners(&self, tenant: usize) -> usize {
        let of = |(at, role): (&(usize, usize), &&str)| at.0 == tenant && *role == "owner";
        self.roles
            .iter()
            .filter(|entry| of((entry.0, entry.1)))
            .count()
    }

    fn is_last_owner(&self, at: (usize, usize)) -> bool {
        self.roles.get(&at) == Some(&"owner") && self.owners(at.0) == 1
    }

    /// The status that reading (or, with `write`, changing) a tenant's page answers.
    fn expected(&self, tenant: usize, person: usize, write: bool) -> u16 {
        let Some(role) = self.roles.get(&(tenant, person)) else {
            return 404;
        };
        if self.suspended[tenant].is_some_and(|reads| write || !reads) {
            return 403;
        }
        let wanted = if write {
            "members:write"
        } else {
            "members:read"
        };
        let held = match Roles::builtin().tenant(role) {
            Some(permissions) => permissions.iter().any(|name| name == wanted),
            None => {
                let (reads, writes) = self.desk.get(&tenant).copied().unwrap_or_default();
                if write { writes } else { reads }
            }
        };
        if held { 200 } else { 403 }
    }
}

struct World {
    app: App,
    model: Model,
    people: Vec<kernel::id::UserId>,
}

impl World {
    async fn new() -> Self {
        let app = App::new(database().await);
        for slug in TENANTS {
            app.tenant(slug).await;
        }
        let mut people = Vec::new();
        for person in 0..PEOPLE {
            people.push(app.user(&email(person)).await);
        }
        let mut model = Model::default();
        for tenant in 0..TENANTS.len() {
            compose(&app, tenant, false, false).await;
            model.desk.insert(tenant, (false, false));
        }
        Self { app, model, people }
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Join {
                tenant,
                person,
                role,
            } => {
                let entry = self.tenant(tenant).await;
                let operator = self.app.operator::<UsersWrite>();
                let done = members::put(&operator, &entry, self.people[person], ROLES[role]).await;
                done.expect("staff may put anybody anywhere");
                // Owners stay what they are.
                let at = (tenant, person);
                if self.model.roles.get(&at) != Some(&"owner") {
                    self.model.roles.insert(at, ROLES[role]);
                }
            }
            Step::SetRole {
                tenant,
                person,
                role,
            } => {
                let access = self.app.enter::<MembersWrite>(TENANTS[tenant]).await;
                let done = members::set_role(&access, self.people[person], ROLES[role]).await;
                let at = (tenant, person);
                let outcome = done.map_err(|error| error.code());
                if !self.model.roles.contains_key(&at) {
                    assert_eq!(outcome, Err("not_found"));
                } else if self.model.is_last_owner(at) && ROLES[role] != "owner" {
                    assert_eq!(outcome, Err("last_owner"));
                } else {
                    assert_eq!(outcome, Ok(()));
                    self.model.roles.insert(at, ROLES[role]);
                }
            }
            Step::Remove { tenant, person } => {
                let access = self.app.enter::<MembersWrite>(TENANTS[tenant]).await;
                let done = members::remove(&access, self.people[person]).await;
                let at = (tenant, person);
                let outcome = done.map_err(|error| error.code());
                if !self.model.roles.contains_key(&at) {
                    assert_eq!(outcome, Err("not_found"));
                } else if self.model.is_last_owner(at) {
                    assert_eq!(outcome, Err("last_owner"));
                } else {
                    assert_eq!(outcome, Ok(()));
                    self.model.roles.remove(&at);
                }
            }
            Step::Compose {
                tenant,
                read,
                write,
            } => {
                compose(&self.app, tenant, read, write).await;
                self.model.desk.insert(tenant, (read, write));
            }
            Step::Suspend { tenant, unpaid } => {
                let kind = match unpaid {
                    true => SuspensionKind::Unpaid,
                    false => SuspensionKind::Abuse,
                };
                let operator = self.app.operator();
                let done = tenants::suspend(&operator, TENANTS[tenant], kind, "note").await;
                done.expect("suspended");
                self.model.suspended[tenant] = Some(unpaid);
            }
            Step::Activate { tenant } => {
                let operator = self.app.operator();
                let done = tenants::activate(&operator, TENANTS[tenant]).await;
                done.expect("activated");
                self.model.suspended[tenant] = None;
            }
            Step::Disable { person } | Step::Enable { person } => {
                let disabled = matches!(step, Step::Disable { .. });
                let status = if disabled { "disabled" } else { "active" };
                let path = format!("/admin/v1/users/{}", self.people[person]);
                let body = json!({ "status": status });
                let answer = self.app.staff("PATCH", &path, Some(body)).await;
                assert_eq!(answer.0, 200);
                self.model.disabled[person] = disabled;
            }
        }
    }

    async fn tenant(&self, tenant: usize) -> kernel::db::Tenant {
        let found = self.app.db.directory().by_slug(TENANTS[tenant]).await;
        found.expect("directory").expect("the tenant")
    }

    /// Everybody looks at everything, with a session from before the step where it still holds.
    async fn look(&self, browsers: &[Browser<'_>]) {
        for (person, browser) in browsers.iter().enumerate() {
            if self.model.disabled[person] {
                assert_eq!(browser.status("GET", "/v1/me").await, 401);
                assert_eq!(browser.try_sign_in(&email(person), PASSWORD).await.0, 401);
                continue;
            }
            if browser.status("GET", "/v1/me").await == 401 {
                browser.sign_in(&email(person), PASSWORD).await;
            }
            for (tenant, slug) in TENANTS.iter().enumerate() {
                let path = format!("/app/{slug}/see");
                for (write, method) in [(false, "GET"), (true, "POST")] {
                    let status = browser.status(method, &path).await;
                    let expected = self.model.expected(tenant, person, write);
                    assert_eq!(
                        status, expected,
                        "{method} {path} by {person}: {:?}",
                        self.model
                    );
                }
            }
            let (_, list) = browser.send("GET", "/v1/me/memberships", None).await;
            let seen: BTreeMap<&str, &str> = list["data"]
                .as_array()
                .expect("a list")
                .iter()
                .filter_map(|entry| Some((entry["slug"].as_str()?, entry["role"].as_str()?)))
                .collect();
            let expected: BTreeMap<&str, &str> = (0..TENANTS.len())
                .filter_map(|tenant| {
                    Some((TENANTS[tenant], *self.model.roles.get(&(tenant, person))?))
                })
                .collect();
            assert_eq!(seen, expected);
        }
    }
}

fn email(person: usize) -> String {
    format!("person{person}@example.com")
}

async fn compose(app: &App, tenant: usize, read: bool, write: bool) {
    let access = app.enter(TENANTS[tenant]).await;
    let held = [(read, "members:read"), (write, "members:write")];
    let permissions: Vec<&str> = held
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, name)| *name)
        .collect();
    let content = json!({ "permissions": permissions });
    let content = serde_json::from_value(content).expect("a role");
    if crate::roles::replace(&access, "desk", &content)
        .await
        .is_err()
    {
        let new = json!({ "name": "desk", "permissions": permissions });
        let new = serde_json::from_value(new).expect("a role");
        crate::roles::create(&access, new)
            .await
            .expect("a role is made");
    }
}

#[test]
fn nobody_ever_gets_what_was_not_given_to_them() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = Config {
        cases: 12,
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let walks = prop::collection::vec(step(), 1..14);
    TestRunner::new(config)
        .run(&walks, |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                let cookies = vec![None; PEOPLE];
                let mut kept: Vec<Option<String>> = cookies;
                for step in &steps {
                    world.take(step).await;
                    // Tries are not what is walked here.
                    world.app.execute("DELETE FROM control.attempt").await;
                    let browsers: Vec<Browser<'_>> =
                        (0..PEOPLE).map(|_| world.app.browser()).collect();
                    for (browser, cookie) in browsers.iter().zip(&kept) {
                        browser.set_cookie(cookie.clone());
                    }
                    world.look(&browsers).await;
                    kept = browsers.iter().map(Browser::cookie).collect();
                }
            });
            Ok(())
        })
        .expect("the walks hold");
}
