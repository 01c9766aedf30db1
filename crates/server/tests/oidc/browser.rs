//! A node that knows the sandbox's identity provider, and browsers that are sent from one to the other.

use std::{collections::BTreeMap, sync::Mutex};

use identity::{
    oidc::CALLBACK,
    people::Email,
    users::{self, NewUser, PlatformRole},
};
use kernel::{Operator, id::UserId, permission::UsersWrite, secret::Secret};
use reqwest::{RequestBuilder, Url, header};
use sandbox::{OidcClient, Provider};
use serde_json::{Value, json};
use server::config::{Config, IdentityProvider};

use crate::common::TestNode;

pub const CLIENT: &str = "freehold";
pub const CLIENT_SECRET: &str = "planted:client secret+1";
pub const PASSWORD: &str = "correct horse battery";
pub const SIMULATED: &str = "/sign-in/oidc/simulated";

/// The node's provider makes accounts and opens existing ones.
pub async fn node() -> TestNode {
    configured(|_| {}).await
}

pub async fn configured(change: impl FnOnce(&mut IdentityProvider)) -> TestNode {
    started(true, change).await
}

/// A node where people do not make accounts by themselves.
pub async fn closed() -> TestNode {
    started(false, |_| {}).await
}

async fn started(sign_up: bool, change: impl FnOnce(&mut IdentityProvider)) -> TestNode {
    let node = TestNode::configured(|config: &mut Config| {
        config.sign_up = sign_up;
        let mut provider = IdentityProvider {
            name: "Simulated".into(),
            issuer: issuer_of(config),
            client_id: CLIENT.into(),
            client_secret: Secret::new(CLIENT_SECRET),
            sign_up: true,
            link: true,
            second_factor: vec!["mfa".into()],
        };
        change(&mut provider);
        let providers = &mut config.sign_in.providers;
        providers.insert("simulated".into(), provider);
    })
    .await;
    node.sandbox.accounts().oidc(OidcClient {
        client_id: CLIENT.into(),
        client_secret: Secret::new(CLIENT_SECRET),
        redirect_uris: vec![format!("{}{CALLBACK}", node.url)],
    });
    node
}

/// Beside the other simulated providers.
fn issuer_of(config: &Config) -> String {
    let other = config.providers["openai"].base_url.as_deref();
    let root = other.and_then(|url| url.strip_suffix("/openai/v1"));
    format!("{}/oidc", root.expect("the sandbox's address"))
}

pub async fn user(node: &TestNode, email: &str, role: Option<PlatformRole>) -> UserId {
    let new = NewUser {
        email: Email::parse(email).expect("an address"),
        name: email.into(),
        password: Secret::new(PASSWORD),
        platform_role: role,
    };
    let operator = Operator::<UsersWrite>::local(&node.program().db, "test");
    let user = users::put(&node.program().people, &operator, new).await;
    user.expect("an account").id
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub text: String,
    pub body: Value,
    pub set_cookies: Vec<String>,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub fn opened_a_session(&self) -> bool {
        self.set_cookies
            .iter()
            .any(|cookie| cookie.starts_with("freehold_session=") && !cookie.contains("Max-Age=0"))
    }
}

/// Somebody's browser: it keeps the node's cookies.
pub struct Browser<'a> {
    node: &'a TestNode,
    cookies: Mutex<BTreeMap<String, String>>,
    accept: &'static str,
}

impl<'a> Browser<'a> {
    pub fn new(node: &'a TestNode) -> Self {
        Self {
            node,
            cookies: Mutex::default(),
            accept: "application/json",
        }
    }

    /// One that asks for pages.
    pub fn with_pages(node: &'a TestNode) -> Self {
        Self {
            accept: "text/html",
            ..Self::new(node)
        }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().expect("cookies").get(name).cloned()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.exchange(request).await
    }

    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.exchange(self.request("POST", path).form(fields)).await
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = match path.starts_with('/') {
            true => format!("{}{path}", self.node.url),
            false => path.to_owned(),
        };
        assert!(url.starts_with(&self.node.url), "{url} is not the node's");
        let cookies = {
            let cookies = self.cookies.lock().expect("cookies");
            let pairs: Vec<String> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join("; ")
        };
        let method = method.parse().expect("a method");
        self.node
            .client
            .request(method, url)
            .header(header::ACCEPT, self.accept)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookies)
    }

    async fn exchange(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the node answers");
        let set_cookies: Vec<String> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text").to_owned())
            .collect();
        for cookie in &set_cookies {
            let pair = cookie.split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            let cookies = &mut self.cookies.lock().expect("cookies");
            match cookie.contains("Max-Age=0") {
                true => cookies.remove(name),
                false => cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        let location = response.headers().get(header::LOCATION);
        let location = location.map_or("", |value| value.to_str().expect("text"));
        let location = location.to_owned();
        let status = response.status().as_u16();
        let text = response.text().await.expect("the body is whole");
        Answer {
            status,
            location,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            set_cookies,
        }
    }

    pub async fn sign_in_with_password(&self, email: &str) {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.send("POST", "/v1/auth/sign-in", Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Follows a link to the provider: where that page is.
    pub async fn leave(&self, path: &str) -> Url {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        let issuer = self.node.sandbox.base_url(Provider::Oidc);
        assert!(answer.location.starts_with(&issuer), "{}", answer.location);
        answer.location.parse().expect("an address")
    }

    /// Signs in at the provider, or says no there: where it sends the browser back to.
    pub async fn at_provider(&self, page: &Url, email: &str, decision: &str) -> String {
        let mut form: Vec<(String, String)> = page.query_pairs().into_owned().collect();
        for (name, value) in [
            ("email", email),
            ("name", "Ada Lovelace"),
            ("decision", decision),
        ] {
            form.push((name.into(), value.into()));
        }
        let mut action = page.clone();
        action.set_query(None);
        let request = self.node.client.post(action).form(&form);
        let answer = request.send().await.expect("the provider answers");
        assert_eq!(answer.status(), 303);
        let to = answer.headers()[header::LOCATION].to_str().expect("text");
        to.to_owned()
    }

    /// The whole way by a link.
    pub async fn sign_in(&self, path: &str, email: &str) -> Answer {
        let page = self.leave(path).await;
        let back = self.at_provider(&page, email, "allow").await;
        self.get(&back).await
    }

    /// The account that the browser is signed in to.
    pub async fn me(&self) -> Answer {
        self.get("/v1/me").await
    }
}

/// The number of accounts.
pub async fn accounts(node: &TestNode) -> i64 {
    node.number("SELECT count(*) FROM control.user").await
}
