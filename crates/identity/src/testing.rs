//! This crate's routes on a database of the test's own, requests to them, and browsers that keep
//! their cookie.

use std::{net::SocketAddr, sync::Mutex};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, FromRef},
    http::{Request, StatusCode, header},
    middleware,
    routing::{get, post},
};
use kernel::{
    Access, Db, Operator,
    access::{OperatorToken, Web},
    client::{self, TrustedProxies},
    db::Tenant,
    id::UserId,
    permission::{
        AgentsWrite, MembersRead, MembersWrite, Permission, TenantsEnter, TenantsWrite, UsersWrite,
    },
    secret::Secret,
    testing::TestDb,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use vault::{KeyProvider, Keyring};

use crate::{
    members,
    oidc::Oidc,
    people::{Email, People, Settings},
    tenants::{self, NewTenant, TenantView},
    tokens::Tokens,
    users::{self, NewUser, PlatformRole},
};

pub const TOKEN: &str = "operator-token-of-the-tests";
pub const PASSWORD: &str = "correct horse battery";
const URL: &str = "https://app.example.com";
/// The proxy that every request comes through; it names the browser's address.
const PROXY: &str = "10.0.0.1:443";

#[derive(Clone)]
struct State {
    db: Db,
    token: OperatorToken,
    people: People,
    oidc: Oidc,
    tokens: Tokens,
}

impl FromRef<State> for Oidc {
    fn from_ref(state: &State) -> Self {
        state.oidc.clone()
    }
}

impl FromRef<State> for Tokens {
    fn from_ref(state: &State) -> Self {
        state.tokens.clone()
    }
}

impl FromRef<State> for People {
    fn from_ref(state: &State) -> Self {
        state.people.clone()
    }
}

impl FromRef<State> for Db {
    fn from_ref(state: &State) -> Self {
        state.db.clone()
    }
}

impl FromRef<State> for OperatorToken {
    fn from_ref(state: &State) -> Self {
        state.token.clone()
    }
}

pub struct App {
    pub db: Db,
    pub people: People,
    pub tokens: Tokens,
    test: TestDb,
    /// Holds the keyring.
    _folder: TempDir,
    router: Router,
}

/// Pages of the console, which stand for those that need one permission.
async fn see(access: Access<MembersRead>) -> String {
    access.actor().to_string()
}

async fn change(_: Access<MembersWrite>) {}

async fn write(access: Access<AgentsWrite>) -> String {
    access.actor().to_string()
}

impl App {
    pub fn new(test: TestDb) -> Self {
        Self::configured(test, true, false)
    }

    pub fn configured(test: TestDb, sign_up: bool, staff_second_factor: bool) -> Self {
        let db = test.db.clone();
        let settings = Settings {
            public_url: URL.to_owned(),
            sign_up,
        };
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::open_or_create(folder.path().join("keyring.toml"));
        let keys = KeyProvider::Local(keyring.expect("a keyring"));
        let people = People::new(&db, settings, keys.into()).expect("an address");
        let tokens = Tokens::new(&people);
        let oidc =
            Oidc::new(&people, Vec::new(), &egress::AllowList::default()).expect("no providers");
        let state = State {
            db: db.clone(),
            token: OperatorToken::new(&Secret::new(TOKEN)),
            people: people.clone(),
            oidc: oidc.clone(),
            tokens: tokens.clone(),
        };
        let web = Web::new(URL, staff_second_factor).expect("an address");
        let proxy: SocketAddr = PROXY.parse().expect("an address");
        let proxies: TrustedProxies = proxy.ip().to_string().parse().expect("an address");
        let (router, _) = crate::tenant_routes()
            .merge(crate::operator_routes())
            .split_for_parts();
        let router = router
            .merge(crate::tokens::api::well_known())
            .route("/app/{tenant}/see", get(see).post(change))
            .route("/app/{tenant}/write", post(write))
            .merge(crate::staff_pages())
            .merge(crate::people::pages::pages())
            .layer(Extension(web))
            .layer(middleware::from_fn_with_state(proxies, client::know))
            .layer(Extension(ConnectInfo(proxy)));
        Self {
            db,
            people,
            tokens,
            test,
            _folder: folder,
            router: router.with_state(state),
        }
    }

    /// A connection that sees what no role of the program may.
    pub async fn superuser(&self) -> sqlx::PgConnection {
        self.test.superuser().await
    }

    pub async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql)
            .execute(&mut self.superuser().await)
            .await
            .expect("the statement runs");
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql)
            .fetch_one(&mut self.superuser().await)
            .await
            .expect("the statement counts")
    }

    /// Subjects and texts of what waits to be sent to an address, oldest first.
    pub async fn mail_to(&self, email: &str) -> Vec<(String, String)> {
        sqlx::query_as(
            "SELECT subject, text_body FROM control.mail WHERE lower(recipient) = $1 ORDER BY id",
        )
        .bind(email)
        .fetch_all(&mut self.superuser().await)
        .await
        .expect("mail is read")
    }

    /// The token of the link that was mailed last to an address.
    pub async fn token_for(&self, email: &str) -> String {
        let mail = self.mail_to(email).await;
        let (_, text) = mail.last().expect("mail was sent");
        let (_, rest) = text.split_once("?token=").expect("a link");
        rest.lines().next().expect("a line").to_owned()
    }

    /// An account with [`PASSWORD`].
    pub async fn user(&self, email: &str) -> UserId {
        let new = NewUser {
            email: Email::parse(email).expect("an address"),
            name: email.to_owned(),
            password: Secret::new(PASSWORD),
            platform_role: None,
        };
        users::put(&self.people, &self.operator::<UsersWrite>(), new)
            .await
            .expect("an account")
            .id
    }

    /// An account that belongs to a tenant, signed in.
    pub async fn member(&self, slug: &str, email: &str, role: &str) -> Browser<'_> {
        let user = self.user(email).await;
        let tenant = self.db.directory().by_slug(slug).await.expect("directory");
        let tenant = tenant.expect("the tenant");
        members::put(&self.operator::<UsersWrite>(), &tenant, user, role)
            .await
            .expect("a member");
        let browser = self.browser();
        browser.sign_in(email, PASSWORD).await;
        browser
    }

    /// Makes an account a member of a tenant, or gives a member another role; owners stay owners.
    pub async fn join(&self, slug: &str, email: &str, role: &str) {
        let user: uuid::Uuid = sqlx::query_scalar("SELECT id FROM control.user WHERE email = $1")
            .bind(email)
            .fetch_one(&mut self.superuser().await)
            .await
            .expect("the account");
        let tenant = self.db.directory().by_slug(slug).await.expect("directory");
        let tenant = tenant.expect("the tenant");
        members::put(&self.operator::<UsersWrite>(), &tenant, user.into(), role)
            .await
            .expect("a member");
    }

    /// A member of staff, signed in.
    pub async fn colleague(&self, email: &str, role: PlatformRole) -> Browser<'_> {
        let new = NewUser {
            email: Email::parse(email).expect("an address"),
            name: format!("Staff {email}"),
            password: Secret::new(PASSWORD),
            platform_role: Some(role),
        };
        users::put(&self.people, &self.operator::<UsersWrite>(), new)
            .await
            .expect("an account");
        let browser = self.browser();
        browser.sign_in(email, PASSWORD).await;
        browser
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser {
            app: self,
            cookie: Mutex::default(),
            pending: Mutex::default(),
            address: "192.0.2.1".into(),
        }
    }

    /// Sends a request and reads the answer's JSON, null where it has no body.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.answer(request.body(body).expect("a request")).await;
        read(response).await
    }

    async fn answer(&self, request: Request<Body>) -> axum::response::Response {
        let answer = self.router.clone().oneshot(request).await;
        answer.expect("an answer")
    }

    pub async fn staff(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        self.send(method, path, Some(TOKEN), body).await
    }

    pub fn operator<P: Permission>(&self) -> Operator<P> {
        Operator::local(&self.db, "test")
    }

    pub async fn tenant(&self, slug: &str) -> TenantView {
        let new = NewTenant {
            slug: slug.to_owned(),
            name: slug.to_uppercase(),
            plan: None,
            region: None,
            weight: None,
        };
        tenants::create(&self.operator::<TenantsWrite>(), new)
            .await
            .expect("a tenant")
    }

    pub async fn enter<P: Permission>(&self, slug: &str) -> Access<P> {
        self.operator::<TenantsEnter>()
            .enter(self.known(slug).await, "test")
            .await
            .expect("access")
    }

    pub async fn known(&self, slug: &str) -> Tenant {
        let tenant = self.db.directory().by_slug(slug).await.expect("directory");
        tenant.expect("the tenant")
    }
}

async fn read(response: axum::response::Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    if bytes.is_empty() {
        return (status, Value::Null);
    }
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, value)
}

/// What a browser shows: a page without its frame, or where it is sent.
pub struct Seen {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

impl Seen {
    async fn of(mut response: axum::response::Response) -> Self {
        let page = ui::Page::take(&mut response);
        let status = response.status().as_u16();
        let location = response.headers().get(header::LOCATION);
        let location = location.map(|to| to.to_str().expect("text").to_owned());
        let frame = ui::Bare {
            product: String::new(),
            brand: ui::Brand::default(),
            home: "/".to_owned(),
            theme: ui::Theme::System,
            flashes: Vec::new(),
        };
        let body = match page {
            Some(page) => frame.render(&page, "nonce").into_string(),
            None => {
                let bytes = to_bytes(response.into_body(), 1 << 20).await;
                String::from_utf8(bytes.expect("a body").to_vec()).expect("text")
            }
        };
        Self {
            status,
            location,
            body,
        }
    }
}

/// Somebody's browser: it keeps the session's cookie, and says that its requests are its own.
pub struct Browser<'a> {
    app: &'a App,
    cookie: Mutex<Option<String>>,
    pending: Mutex<Option<String>>,
    pub address: String,
}

impl Browser<'_> {
    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().expect("a cookie").clone()
    }

    /// The cookie of a sign-in that waits.
    pub fn pending(&self) -> Option<String> {
        self.pending.lock().expect("a cookie").clone()
    }

    pub fn set_cookie(&self, cookie: Option<String>) {
        *self.cookie.lock().expect("a cookie") = cookie;
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.send_from("same-origin", method, path, body).await
    }

    /// As a page of `site` makes the browser send it.
    pub async fn send_from(
        &self,
        site: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let body = body.map(|body| ("application/json", body.to_string()));
        read(self.exchange(site, method, path, body).await).await
    }

    /// Sends a page's form.
    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        let body = Some(("application/x-www-form-urlencoded", body));
        Seen::of(self.exchange("same-origin", "POST", path, body).await).await
    }

    pub async fn page(&self, path: &str) -> Seen {
        Seen::of(self.exchange("same-origin", "GET", path, None).await).await
    }

    async fn exchange(
        &self,
        site: &str,
        method: &str,
        path: &str,
        body: Option<(&str, String)>,
    ) -> axum::response::Response {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("sec-fetch-site", site)
            .header("x-forwarded-for", &self.address)
            .header(header::USER_AGENT, "test browser");
        for cookie in [self.cookie(), self.pending()].into_iter().flatten() {
            request = request.header(header::COOKIE, cookie);
        }
        let body = match body {
            Some((kind, body)) => {
                request = request.header(header::CONTENT_TYPE, kind);
                Body::from(body)
            }
            None => Body::empty(),
        };
        let response = self
            .app
            .answer(request.body(body).expect("a request"))
            .await;
        for set in response.headers().get_all(header::SET_COOKIE) {
            let set = set.to_str().expect("text");
            assert!(set.contains("; Secure; HttpOnly; SameSite=Lax"), "{set}");
            let pair = set.split(';').next().expect("a pair").to_owned();
            let value = (!pair.ends_with('=')).then_some(pair);
            if set.starts_with("__Host-freehold_session=") {
                self.set_cookie(value);
            } else {
                assert!(set.starts_with("__Host-freehold_sign_in="), "{set}");
                *self.pending.lock().expect("a cookie") = value;
            }
        }
        response
    }

    /// Submits a form: the answer's status, and where it leads.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let encoded: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                let value: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
                format!("{name}={value}")
            })
            .collect();
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", &self.address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, self.cookie().unwrap_or_default())
            .body(Body::from(encoded.join("&")));
        let response = self.app.answer(request.expect("a request")).await;
        let to = response.headers().get(header::LOCATION);
        let to = to.map_or("", |to| to.to_str().expect("text")).to_owned();
        (response.status().as_u16(), to)
    }

    pub async fn sign_in(&self, email: &str, password: &str) {
        let (status, answer) = self.try_sign_in(email, password).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub async fn try_sign_in(&self, email: &str, password: &str) -> (StatusCode, Value) {
        let body = json!({ "email": email, "password": password });
        self.send("POST", "/v1/auth/sign-in", Some(body)).await
    }

    /// The status of an answer to a request without a body.
    pub async fn status(&self, method: &str, path: &str) -> u16 {
        self.send(method, path, None).await.0.as_u16()
    }
}
