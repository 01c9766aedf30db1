//! People of the tests: accounts, memberships, and the cookie of a browser that has signed in.

use identity::{
    members,
    people::Email,
    users::{self, NewUser, PlatformRole},
};
use kernel::{Operator, id::UserId, permission::UsersWrite, secret::Secret};
use reqwest::header;
use serde_json::json;

use super::TestNode;

pub const PASSWORD: &str = "correct horse battery";

impl TestNode {
    /// An account with the tests' password.
    pub async fn account(&self, email: &str, name: &str, role: Option<PlatformRole>) -> UserId {
        let operator = Operator::<UsersWrite>::local(&self.program().db, "test");
        let new = NewUser {
            email: Email::parse(email).expect("an address"),
            name: name.to_owned(),
            password: Secret::new(PASSWORD),
            platform_role: role,
        };
        let user = users::put(&self.program().people, &operator, new).await;
        user.expect("an account").id
    }

    /// An account that belongs to a tenant in a role.
    pub async fn member(&self, email: &str, name: &str, slug: &str, role: &str) -> UserId {
        let user = self.account(email, name, None).await;
        let operator = Operator::<UsersWrite>::local(&self.program().db, "test");
        members::put(&operator, &self.known(slug).await, user, role)
            .await
            .expect("a member");
        user
    }

    /// The `Set-Cookie` headers of signing in with the tests' password.
    pub async fn set_cookies(&self, email: &str) -> Vec<String> {
        let request = self
            .client
            .post(format!("{}/v1/auth/sign-in", self.url))
            .json(&json!({ "email": email, "password": PASSWORD }));
        let answer = request.send().await.expect("the server answers");
        assert!(answer.status().is_success(), "{}", answer.status());
        let set = answer.headers().get_all(header::SET_COOKIE).iter();
        set.map(|value| value.to_str().expect("text").to_owned())
            .collect()
    }

    /// The session's cookie, as a browser sends it.
    pub async fn sign_in(&self, email: &str) -> String {
        let set = self.set_cookies(email).await;
        let pair = set.first().and_then(|set| set.split(';').next());
        pair.expect("a name and a value").to_owned()
    }
}
