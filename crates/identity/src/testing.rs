//! This crate's routes on a database of the test's own, and requests to them.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, StatusCode, header},
};
use kernel::{
    Access, Db, Operator,
    access::OperatorToken,
    permission::{Permission, TenantsEnter, TenantsWrite},
    secret::Secret,
    testing::TestDb,
};
use serde_json::Value;
use tower::ServiceExt;

use crate::tenants::{self, NewTenant, TenantView};

pub const TOKEN: &str = "operator-token-of-the-tests";

#[derive(Clone)]
struct State {
    db: Db,
    token: OperatorToken,
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
    router: Router,
}

impl App {
    pub fn new(TestDb { db, .. }: TestDb) -> Self {
        let state = State {
            db: db.clone(),
            token: OperatorToken::new(&Secret::new(TOKEN)),
        };
        let (router, _) = crate::tenant_routes()
            .merge(crate::operator_routes())
            .split_for_parts();
        Self {
            db,
            router: router.with_state(state),
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
        let request = request.body(body).expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("an answer");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 1 << 20)
            .await
            .expect("a body");
        if bytes.is_empty() {
            return (status, Value::Null);
        }
        (status, serde_json::from_slice(&bytes).expect("JSON"))
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
        let tenant = self.db.directory().by_slug(slug).await.expect("directory");
        self.operator::<TenantsEnter>()
            .enter(tenant.expect("the tenant"), "test")
            .await
            .expect("access")
    }
}
