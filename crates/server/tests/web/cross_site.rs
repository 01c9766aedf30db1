//! Requests that another site makes a browser send: every one that could change something is
//! refused, with a session's cookie and without, and changes nothing.

use std::collections::BTreeMap;

use http::{Method, header};
use reqwest::RequestBuilder;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::{
    common::TestNode,
    routes::{Plane, documented},
    site::{Answer, Site},
};

/// How browsers say that a request is another site's: today's, and those that know `Origin` alone.
const FOREIGN: [(&str, &str); 4] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://evil.example"),
    ("origin", "null"),
];

/// An operation that could change something, and whose cookie opens it.
struct Change {
    method: Method,
    path: String,
    cookie: Option<String>,
}

impl Change {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// As a form of no fields or, where the API is meant, as JSON of none.
    fn request(&self, site: &Site, cookie: Option<&String>) -> RequestBuilder {
        let (kind, body) = match self.path.starts_with("/v1/") {
            true => ("application/json", "{}"),
            false => ("application/x-www-form-urlencoded", "x=y"),
        };
        let request = site
            .request(self.method.clone(), &self.path)
            .header(header::CONTENT_TYPE, kind)
            .body(body);
        match cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }
}

/// Every unsafe method of every page, and of the API as far as it takes a session or strangers.
async fn changes(site: &Site) -> Vec<Change> {
    let mut found = Vec::new();
    for path in site.paths() {
        if path.starts_with("/hooks/") {
            continue;
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let address = site.address(&path);
            let answer = Answer::to(site.browser(method.clone(), &address, None)).await;
            if answer.status == 405 {
                continue;
            }
            let is_door = ["/sign-", "/forgot", "/reset", "/verify", "/invitation"]
                .iter()
                .any(|door| path.starts_with(door));
            let cookie = match path.starts_with("/admin") {
                true => Some(site.administrator.clone()),
                false => Some(site.owner.clone()).filter(|_| !is_door),
            };
            found.push(Change {
                method,
                path: address,
                cookie,
            });
        }
    }
    let unsafe_ones = documented().into_iter().filter(|known| {
        known.method != "GET" && matches!(known.plane, Plane::Person | Plane::Stranger)
    });
    found.extend(unsafe_ones.map(|known| Change {
        method: known.method.parse().expect("a method"),
        path: site.address(&known.path),
        cookie: Some(site.owner.clone()).filter(|_| known.plane == Plane::Person),
    }));
    // Those that end the sessions of these tests come last: staff may disable the owner.
    found.sort_by_key(|change| {
        let path = &change.path;
        (path.ends_with("/sign-out"), path.starts_with("/admin"))
    });
    assert!(found.len() > 70, "{}", found.len());
    found
}

/// A digest of each table, without the times at which something was last seen.
async fn digests(node: &TestNode) -> BTreeMap<String, Option<i64>> {
    let mut superuser = node.db.superuser().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'
             AND relnamespace IN ('control'::regnamespace, 'cell'::regnamespace)",
    )
    .fetch_all(&mut superuser)
    .await
    .expect("tables are listed");
    assert!(tables.len() > 30, "{tables:?}");
    let mut found = BTreeMap::new();
    // What the node does by itself: leases, checkpoints of the logs, usage of keys.
    let by_itself = [
        "lease",
        "audit_checkpoint",
        "audit_progress",
        "api_key_usage",
        "audit_head",
    ];
    for table in tables {
        if by_itself.iter().any(|name| table.contains(name)) {
            continue;
        }
        let sql = format!(
            "SELECT hashtextextended(string_agg(line, ' ' ORDER BY line), 0) FROM
                 (SELECT (to_jsonb(t) - 'last_seen_at' - 'last_used_at')::text AS line FROM {table} t) AS lines"
        );
        let digest = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut superuser)
            .await
            .expect("the table is read");
        found.insert(table, digest);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_requests_change_nothing() {
    let site = Site::new().await;
    let changes = changes(&site).await;
    site.node.settled().await;
    let before = digests(&site.node).await;
    let mut faults = Vec::new();
    for change in &changes {
        for (name, value) in FOREIGN {
            let foreign = |request: RequestBuilder| Answer::to(request.header(name, value));
            let answer = foreign(change.request(&site, change.cookie.as_ref())).await;
            let refused = answer.status == 403 && answer.code() == "cross_origin";
            if !refused || !answer.set_cookies().is_empty() {
                faults.push(format!(
                    "{} with {name}: {value}: {}",
                    change.name(),
                    answer.text
                ));
            }
            // As browsers send it that keep the cookie back, which they do as it is SameSite=Lax.
            let answer = foreign(change.request(&site, None)).await;
            let refused = matches!(answer.code().as_str(), "cross_origin" | "unauthenticated");
            if !refused || !answer.set_cookies().is_empty() {
                faults.push(format!(
                    "{} without a cookie: {}",
                    change.name(),
                    answer.text
                ));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    let after = digests(&site.node).await;
    let changed: Vec<_> = before
        .iter()
        .filter(|(table, digest)| after[*table] != **digest)
        .collect();
    assert!(changed.is_empty(), "{changed:?}");

    // A browser's own: refused for what it says, if at all, never for where it comes from.
    for change in &changes {
        for (name, value) in [
            ("sec-fetch-site", "same-origin"),
            ("origin", &site.node.url),
        ] {
            let request = change.request(&site, change.cookie.as_ref());
            let answer = Answer::to(request.header(name, value)).await;
            let code = answer.code();
            let ended = change.path.ends_with("/sign-out") || change.cookie.is_none();
            if code == "cross_origin" || code == "unauthenticated" && !ended {
                faults.push(format!("{} with {name}: {value}: {code}", change.name()));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
    site.node.stop().await;
}

/// What another site's page cannot have, no site's page can misuse.
#[tokio::test(flavor = "multi_thread")]
async fn keys_work_wherever_they_are_sent_from() {
    let node = TestNode::start().await;
    node.bare_tenant("acme").await;
    let key = node.api_key("acme", &["agents:write"]).await;
    for (number, (name, value)) in FOREIGN.into_iter().enumerate() {
        let body = json!({ "name": format!("agent {number}"), "model": "gpt-4o-mini" });
        let request = node
            .client
            .post(format!("{}/v1/agents", node.url))
            .bearer_auth(key.expose())
            .header(name, value)
            .json(&body);
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, 201, "{name}: {value}: {}", answer.text);
    }
    node.stop().await;
}
