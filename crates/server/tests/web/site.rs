//! A node with a tenant that has something of everything, people of each kind, and requests as
//! browsers send them.

use std::collections::BTreeSet;

use http::{HeaderMap, Method, StatusCode, header};
use identity::users::PlatformRole;
use kernel::{id::UserId, permission, secret::Secret};
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::{
    common::{TestNode, TestTenant},
    objects::{self, Objects},
    routes::{FALLBACK, documented, filled, routed},
};

pub struct Site {
    pub node: TestNode,
    /// May do everything that a key can in `acme`.
    pub key: Secret,
    pub things: Objects,
    /// A tenant's owner, one of its members who may see little, and an administrator.
    pub owner: String,
    pub clerk: String,
    pub administrator: String,
    pub owner_id: UserId,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn to(request: RequestBuilder) -> Self {
        let answer = Self::attempt(request).await;
        answer.expect("the server answers")
    }

    /// Nothing where the server ended the connection before it had read the request, as it may when
    /// the body does not interest it.
    pub async fn attempt(request: RequestBuilder) -> Option<Self> {
        let answer = request.send().await.ok()?;
        Some(Self {
            status: answer.status(),
            headers: answer.headers().clone(),
            text: answer.text().await.ok()?,
        })
    }

    /// A header's value; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    pub fn is_page(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    /// The code of a problem document.
    pub fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        set.map(|value| value.to_str().expect("text")).collect()
    }
}

/// Every permission that a key may carry.
pub fn all_permissions() -> Vec<&'static str> {
    let internal = |name: &&str| permission::INTERNAL.contains(name);
    let all = permission::TENANT.iter().copied();
    all.filter(|name| !internal(name)).collect()
}

impl Site {
    pub async fn new() -> Self {
        Self::with_tenant().await.0
    }

    /// And the accounts of its tenant's at the simulated providers.
    pub async fn with_tenant() -> (Self, TestTenant) {
        let node = TestNode::start().await;
        let acme = node.tenant("acme").await;
        let key = node.api_key("acme", &all_permissions()).await;
        let things = objects::of(&node, &acme, &key).await;
        let owner_id = node.member("owner@acme.example", "Olive", "acme", "owner");
        let owner_id = owner_id.await;
        node.member("clerk@acme.example", "Clark", "acme", "billing")
            .await;
        let role = Some(PlatformRole::Administrator);
        node.account("ada@example.com", "Ada", role).await;
        let site = Self {
            owner: node.sign_in("owner@acme.example").await,
            clerk: node.sign_in("clerk@acme.example").await,
            administrator: node.sign_in("ada@example.com").await,
            key,
            things,
            owner_id,
            node,
        };
        (site, acme)
    }

    /// Who looks at pages: a name, and a cookie where they are signed in.
    pub fn visitors(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("a stranger", None),
            ("an owner", Some(&self.owner)),
            ("a clerk", Some(&self.clerk)),
            ("an administrator", Some(&self.administrator)),
        ]
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let address = format!("{}{path}", self.node.url);
        self.node.client.request(method, address)
    }

    /// As a browser that follows a link of this host, or sends one of its forms.
    pub fn browser(&self, method: Method, path: &str, cookie: Option<&str>) -> RequestBuilder {
        let request = self
            .request(method, path)
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
            .header("sec-fetch-site", "same-origin");
        match cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    pub async fn visit(&self, path: &str, cookie: Option<&str>) -> Answer {
        Answer::to(self.browser(Method::GET, path, cookie)).await
    }

    /// A path with real things in place of its parameters.
    pub fn address(&self, path: &str) -> String {
        filled(path, |name| match name {
            "tenant" => "acme".to_owned(),
            "user" => self.owner_id.to_string(),
            // The defaults, which were never changed.
            "version" => "0".to_owned(),
            name => self.things.get(name).cloned().unwrap_or("none".to_owned()),
        })
    }

    /// The paths outside the API, by the router.
    pub fn paths(&self) -> Vec<String> {
        let documented: BTreeSet<String> =
            documented().into_iter().map(|known| known.path).collect();
        let paths = routed(&self.node).into_iter();
        let paths: Vec<String> = paths
            .filter(|path| !documented.contains(path) && !FALLBACK.contains(&path.as_str()))
            .collect();
        assert!(paths.len() > 60, "{paths:?}");
        paths
    }

    /// Every answer that is a page, for every visitor, with what it is.
    pub async fn pages(&self) -> Vec<(String, Answer)> {
        let mut found = Vec::new();
        let mut paths = self.paths();
        paths.extend(["/", "/app/nobody", "/nowhere"].map(str::to_owned));
        for path in paths {
            for (who, cookie) in self.visitors() {
                let answer = self.visit(&self.address(&path), cookie).await;
                if answer.is_page() {
                    found.push((format!("{path} for {who}"), answer));
                }
            }
        }
        assert!(found.len() > 150, "{} pages", found.len());
        found
    }
}
