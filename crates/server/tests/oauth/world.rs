//! A node with apps at the providers, a tenant with somebody in it, and browsers that go from one to
//! the other.

use std::{collections::BTreeMap, sync::Mutex};

use kernel::{
    Access,
    id::CredentialId,
    permission::{CredentialsRead, CredentialsUse},
    secret::Secret,
};
use reqwest::{Url, header};
use sandbox::{GithubApp, OAuthClient, Provider, Sandbox};
use serde_json::Value;
use server::{
    config::{self, Config},
    program::Program,
};

use crate::common::{TestNode, tenant};

pub const PROVIDERS: [Provider; 4] = [
    Provider::Slack,
    Provider::Linear,
    Provider::GitHub,
    Provider::GoogleCalendar,
];
pub const CLIENT: &str = "client-of-the-operator";
pub const SECRET: &str = "planted:client secret+1";
pub const APP_ID: u64 = 424_242;
pub const SLUG: &str = "freehold-test";
pub const OWNER: &str = "owner@example.com";

/// The operator's apps at the simulated providers.
pub fn apps(config: &mut Config, sandbox: &Sandbox, key: &GithubApp) {
    let redirect = format!("{}{}", config.public_url, connect::oauth::CALLBACK);
    for provider in PROVIDERS {
        let mut client = OAuthClient::new(provider, CLIENT, SECRET, &redirect);
        let is_github = provider == Provider::GitHub;
        client.github = is_github.then(|| key.clone());
        sandbox.oauth().client(client);
        let settings = config::Provider {
            base_url: Some(sandbox.base_url(provider)),
            handshake_token: None,
            oauth: Some(config::OAuth {
                client_id: CLIENT.to_owned(),
                client_secret: Secret::new(SECRET),
                webhook_secret: Some(Secret::new("app-webhook-secret-0123456789")),
                app_id: is_github.then(|| APP_ID.to_string()),
                app_slug: is_github.then(|| SLUG.to_owned()),
                private_key: is_github.then(|| key.private_key()),
            }),
        };
        config.providers.insert(provider.to_string(), settings);
    }
    config.connections = toml::from_str(r#"return_to = ["https://app.example.com"]"#)
        .expect("the settings are read");
}

pub struct World {
    pub node: TestNode,
    pub key: GithubApp,
}

impl World {
    pub async fn new() -> Self {
        let key = GithubApp::new(APP_ID, SLUG);
        let node = TestNode::configured_with(|config, sandbox| apps(config, sandbox, &key)).await;
        node.bare_tenant("acme").await;
        node.member(OWNER, "Owner", "acme", "owner").await;
        Self { node, key }
    }

    /// Another node of the installation, without a listener.
    pub async fn second(&self) -> Program {
        let key = &self.key;
        self.node
            .second_configured(|config, sandbox| apps(config, sandbox, key))
            .await
    }

    /// Somebody of the tenant's, signed in.
    pub async fn owner(&self) -> Browser<'_> {
        let browser = Browser::new(&self.node);
        let cookie = self.node.sign_in(OWNER).await;
        let (name, value) = cookie.split_once('=').expect("a cookie");
        browser.keep(name, value);
        browser
    }

    pub async fn connections(&self) -> Vec<connect::oauth::Connection> {
        let access: Access<CredentialsRead> = self.node.enter("acme").await;
        connect::oauth::connections(&access, None, None, 100)
            .await
            .expect("they are listed")
    }

    /// The account that is offered at this place of the page of consent.
    pub fn account(&self, provider: Provider, place: usize) -> String {
        self.node.sandbox.oauth().accounts(provider)[place]
            .id
            .clone()
    }

    /// Leaves by the pages and allows what is asked: where the provider sends the browser back to.
    pub async fn allowed(&self, browser: &Browser<'_>, provider: Provider, place: usize) -> String {
        let page = browser.leave(provider, &[]).await;
        let account = self.account(provider, place);
        browser.at_provider(&page, &account, "allow").await
    }

    /// Connects an account by the pages, and says under which credential.
    pub async fn connected(
        &self,
        browser: &Browser<'_>,
        provider: Provider,
        place: usize,
    ) -> CredentialId {
        let back = self.allowed(browser, provider, place).await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        let id = answer.location.rsplit('/').next().expect("an id");
        id.parse().expect("a credential")
    }
}

/// What a call with the credential is proven by now, on this node.
pub async fn token(
    program: &Program,
    provider: Provider,
    id: CredentialId,
) -> kernel::Result<String> {
    let access: Access<CredentialsUse> = tenant::enter(program, "acme").await;
    let connect = &program.connect;
    let credential = connect
        .resolve_id(&access, &provider.to_string(), id)
        .await?;
    let authorization = connect.authorize(&access, &credential).await?;
    let proof = authorization.headers()[header::AUTHORIZATION].to_str();
    Ok(proof.expect("text").to_owned())
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    /// Where the browser is led by the page.
    pub refresh: String,
    pub text: String,
}

/// Somebody's browser: it keeps the node's cookies.
pub struct Browser<'a> {
    node: &'a TestNode,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'a> Browser<'a> {
    pub fn new(node: &'a TestNode) -> Self {
        Self {
            node,
            cookies: Mutex::default(),
        }
    }

    pub fn keep(&self, name: &str, value: &str) {
        let cookies = &mut self.cookies.lock().expect("cookies");
        cookies.insert(name.to_owned(), value.to_owned());
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.exchange("GET", path, &[]).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.exchange("POST", path, form).await
    }

    async fn exchange(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let url = match path.starts_with('/') {
            true => format!("{}{path}", self.node.url),
            false => path.to_owned(),
        };
        assert!(url.starts_with(&self.node.url), "{url} is not the node's");
        let cookies: Vec<String> = {
            let cookies = self.cookies.lock().expect("cookies");
            cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()
        };
        let request = self
            .node
            .client
            .request(method.parse().expect("a method"), url)
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookies.join("; "));
        let request = if method == "POST" {
            request.form(form)
        } else {
            request
        };
        let response = request.send().await.expect("the node answers");
        let text = |name: &str| {
            let value = response.headers().get(name);
            value
                .map_or("", |value| value.to_str().expect("text"))
                .to_owned()
        };
        let (location, refresh) = (text("location"), text("refresh"));
        let set_cookies: Vec<String> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text").to_owned())
            .collect();
        for cookie in &set_cookies {
            let pair = cookie.split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.keep(name, value);
        }
        Answer {
            status: response.status().as_u16(),
            location,
            refresh: refresh
                .strip_prefix("0; url=")
                .unwrap_or_default()
                .to_owned(),
            text: response.text().await.expect("the body is whole"),
        }
    }

    /// Begins in the console: where the provider's page is.
    pub async fn leave(&self, provider: Provider, form: &[(&str, &str)]) -> Url {
        let path = format!("/app/acme/connections/{provider}");
        let answer = self.post(&path, form).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.refresh.parse().expect("an address")
    }

    /// Decides at the provider: where it sends the browser back to.
    pub async fn at_provider(&self, page: &Url, account: &str, decision: &str) -> String {
        let shown = self
            .node
            .client
            .get(page.clone())
            .send()
            .await
            .expect("a page");
        assert_eq!(shown.status(), 200, "{page}");
        let mut form: Vec<(String, String)> = page.query_pairs().into_owned().collect();
        form.push(("account".into(), account.into()));
        form.push(("decision".into(), decision.into()));
        let mut action = page.clone();
        action.set_query(None);
        let request = self.node.client.post(action).form(&form);
        let answer = request.send().await.expect("the provider answers");
        assert_eq!(answer.status(), 303);
        let to = answer.headers()[header::LOCATION].to_str().expect("text");
        to.to_owned()
    }
}

/// What the API says of something, with a key that may do so.
pub async fn api(world: &World, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let key = world
        .node
        .api_key("acme", &["credentials:read", "credentials:write"])
        .await;
    let url = format!("{}{path}", world.node.url);
    let request = world
        .node
        .client
        .request(method.parse().expect("a method"), url);
    let request = request.bearer_auth(key.expose());
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    crate::common::exchange(request).await
}
