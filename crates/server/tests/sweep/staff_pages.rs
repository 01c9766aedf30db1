//! The operator console: strangers are sent to sign in, people who are no staff find nothing there,
//! each platform role is refused what it does not hold, and staff of an installation that demands a
//! second factor show theirs first.

use std::collections::BTreeSet;

use axum::{Router, routing::get};
use identity::users::PlatformRole;
use kernel::id::UserId;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    answer::send,
    browser::{Browser, visits},
    common::{OPERATOR_TOKEN, TestNode},
    routes::{filled, paths, routed, router},
};

/// Those who look at every page, and whom the pages are about.
struct Site {
    node: TestNode,
    owner: Browser,
    support: Browser,
    administrator: Browser,
    subject: UserId,
    note: String,
}

impl Site {
    async fn new(second_factor: bool) -> Self {
        let node = TestNode::configured(|config| config.operator.second_factor = second_factor);
        let node = node.await;
        node.bare_tenant("acme").await;
        let subject = node.member("owner@acme.example", "Olive", "acme", "owner");
        let subject = subject.await;
        for (email, role) in [
            ("sam@example.com", PlatformRole::Support),
            ("ada@example.com", PlatformRole::Administrator),
        ] {
            node.account(email, "Staff", Some(role)).await;
        }
        let path = "/admin/v1/tenants/acme/notes";
        let note = json!({ "body": "Called on Monday" });
        let note = send(&node, "POST", path, Some(OPERATOR_TOKEN), Some(&note)).await;
        let cookie = async |email: &str| Some(node.sign_in(email).await);
        Self {
            owner: Browser::new(&node.url, cookie("owner@acme.example").await),
            support: Browser::new(&node.url, cookie("sam@example.com").await),
            administrator: Browser::new(&node.url, cookie("ada@example.com").await),
            subject,
            note: note.body["id"].as_str().expect("an id").to_owned(),
            node,
        }
    }

    /// A page's address. Only what is read is there: no act of this sweep changes anything.
    fn address(&self, method: &str, path: &str) -> String {
        let reads = method == "GET";
        filled(path, |name| match name {
            "tenant" if reads => "acme".to_owned(),
            "tenant" => "nobody".to_owned(),
            "user" if reads => self.subject.to_string(),
            "user" => "usr_01h455vb4pex5vsknk084sn02q".to_owned(),
            "job" => "job_01h455vb4pex5vsknk084sn02q".to_owned(),
            "note" if reads => self.note.clone(),
            "note" => "note_01h455vb4pex5vsknk084sn02q".to_owned(),
            other => panic!("what is a {other}?"),
        })
    }
}

fn is_staffs(path: &str) -> bool {
    (path == "/admin" || path.starts_with("/admin/")) && !path.starts_with("/admin/v1/")
}

/// What everybody gets at each page of staff's, as lines for a reviewed list; and what cannot be
/// right whatever the list says.
async fn looked_at(
    site: &Site,
    paths: &BTreeSet<String>,
    url: &str,
) -> (Vec<String>, BTreeSet<String>) {
    let stranger = Browser::new(url, None);
    let at = |browser: &Browser| browser.at(url);
    let (owner, support, administrator) =
        (at(&site.owner), at(&site.support), at(&site.administrator));
    let (mut lines, mut faults) = (Vec::new(), BTreeSet::new());
    let staffs: Vec<_> = paths.iter().filter(|path| is_staffs(path)).collect();
    assert!(staffs.len() > 15, "{staffs:?}");
    for (method, path) in visits(&stranger, staffs, |path| site.address("GET", path)).await {
        let address = site.address(&method, &path);
        let mut fault = |who: &str, got: &str| {
            faults.insert(format!("{method} {path}: {who} got {got}"));
        };
        let answer = stranger.ask(&method, &address).await;
        if answer.status != 303 || !answer.to.starts_with("/sign-in?next=/admin") {
            fault("a stranger", &answer.line());
        }
        let answer = owner.ask(&method, &address).await;
        if answer.status != 404 {
            fault("a tenant's owner", &answer.line());
        }
        let support = support.ask(&method, &address).await;
        let administrator = administrator.ask(&method, &address).await;
        for (who, answer) in [("support", &support), ("an administrator", &administrator)] {
            let unnamed = answer.status == 403 && answer.missing().is_none();
            if unnamed || answer.status >= 500 || answer.status == 401 {
                fault(who, &answer.line());
            }
        }
        if administrator.status == 403 || method == "GET" && administrator.status != 200 {
            fault("an administrator", &administrator.line());
        }
        lines.push(format!(
            "{method:<5} {path:<45} support {:<24} administrator {}",
            support.line(),
            administrator.line()
        ));
    }
    (lines, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_of_staffs_knows_whom_it_is_for() {
    let site = Site::new(false).await;
    let (lines, faults) = looked_at(&site, &routed(&site.node), &site.node.url).await;
    assert_eq!(faults, BTreeSet::new());
    insta::assert_snapshot!(lines.join("\n"));
    site.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_careless_page_of_staffs_is_noticed() {
    let site = Site::new(false).await;
    let careless = async || "acme, globex, initech";
    let careless: Router = router(&site.node).route("/admin/careless", get(careless));
    let paths = paths(&careless);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(axum::serve(listener, careless).into_future());
    let (_, faults) = looked_at(&site, &paths, &url).await;
    let expected = [
        "GET /admin/careless: a stranger got 200",
        "GET /admin/careless: a tenant's owner got 200",
    ];
    assert_eq!(faults, expected.map(str::to_owned).into());
    server.abort();
    site.node.stop().await;
}

/// With the setting, every page of staff's asks for the second factor of a session that has not
/// shown one, and to those who are no staff there is nothing all the same.
#[tokio::test(flavor = "multi_thread")]
async fn staff_show_their_second_factor_first() {
    let site = Site::new(true).await;
    let stranger = Browser::new(&site.node.url, None);
    let routed = routed(&site.node);
    let staffs = routed.iter().filter(|path| is_staffs(path)).collect();
    let pages = visits(&stranger, staffs, |path| site.address("GET", path)).await;
    let mut faults = Vec::new();
    for (method, path) in &pages {
        let address = site.address(method, path);
        for browser in [&site.support, &site.administrator] {
            let answer = browser.ask(method, &address).await;
            if answer.status != 303 || !answer.to.starts_with("/sign-in/second-factor?next=/admin")
            {
                faults.push(format!("{method} {path}: staff got {}", answer.line()));
            }
        }
        let answer = site.owner.ask(method, &address).await;
        if answer.status != 404 {
            faults.push(format!("{method} {path}: an owner got {}", answer.line()));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    site.node
        .execute("UPDATE control.session SET second_factor_at = now()")
        .await;
    for (_, path) in pages.iter().filter(|(method, _)| method == "GET") {
        let answer = site
            .administrator
            .ask("GET", &site.address("GET", path))
            .await;
        assert_eq!(answer.status, 200, "{path}");
    }
    site.node.stop().await;
}
