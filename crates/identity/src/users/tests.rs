//! What staff do to accounts from their pages.

use kernel::{id::UserId, page::PageQuery, permission::UsersRead, testing::database};

use super::{PlatformRole, UserFilter};
use crate::testing::{App, PASSWORD};

const ADA: &str = "ada@example.com";
const OLIVE: &str = "olive@freehold.example";

#[tokio::test]
async fn a_required_reset_leaves_the_mailbox_alone() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    let ada = app.member("acme", ADA, "owner").await;
    let id = id_of(&app, ADA).await;
    let path = format!("/admin/users/{id}/require-reset");
    assert_eq!(olive.status("GET", &path).await, 200);
    assert_eq!(
        olive.submit(&path, &[]).await,
        (303, format!("/admin/users/{id}"))
    );
    assert_eq!(ada.status("GET", "/v1/me").await, 401);
    assert_eq!(ada.try_sign_in(ADA, PASSWORD).await.0, 401);
    assert!(!app.token_for(ADA).await.is_empty());
    let detail = super::detail(&app.operator::<UsersRead>(), id)
        .await
        .expect("detail");
    assert!(!detail.has_password && detail.sessions == 0);
    assert_eq!(detail.memberships.len(), 1);
}

#[tokio::test]
async fn accounts_are_disabled_and_enabled_but_not_ones_own() {
    let app = App::new(database().await);
    app.tenant("acme").await;
    let olive = app.colleague(OLIVE, PlatformRole::Administrator).await;
    let sam = app
        .colleague("sam@freehold.example", PlatformRole::Support)
        .await;
    let ada = app.member("acme", ADA, "owner").await;
    let (id, own) = (id_of(&app, ADA).await, id_of(&app, OLIVE).await);
    assert_eq!(
        olive
            .submit(&format!("/admin/users/{id}/disable"), &[])
            .await
            .0,
        303
    );
    assert_eq!(ada.status("GET", "/v1/me").await, 401);
    assert_eq!(
        olive
            .submit(&format!("/admin/users/{id}/enable"), &[])
            .await
            .0,
        303
    );
    ada.sign_in(ADA, PASSWORD).await;
    for act in ["disable", "require-reset"] {
        assert_eq!(
            olive
                .submit(&format!("/admin/users/{own}/{act}"), &[])
                .await
                .0,
            303
        );
        assert_eq!(
            sam.submit(&format!("/admin/users/{id}/{act}"), &[]).await.0,
            403
        );
    }
    assert_eq!(olive.status("GET", "/v1/me").await, 200);
}

#[tokio::test]
async fn lists_are_searched_and_filtered() {
    let app = App::new(database().await);
    app.user(ADA).await;
    app.user("bob@example.com").await;
    app.colleague(OLIVE, PlatformRole::Administrator).await;
    let found = async |filter: UserFilter| {
        let page = super::list(&app.operator::<UsersRead>(), &filter, &PageQuery::default()).await;
        let users = page.expect("a page").data.into_iter();
        users.map(|user| user.email).collect::<Vec<_>>()
    };
    let search = UserFilter {
        q: Some("ADA".to_owned()),
        ..UserFilter::default()
    };
    assert_eq!(found(search).await, [ADA]);
    let staff = UserFilter {
        platform_role: Some(PlatformRole::Administrator),
        ..UserFilter::default()
    };
    assert_eq!(found(staff).await, [OLIVE]);
    assert_eq!(found(UserFilter::default()).await.len(), 3);
}

async fn id_of(app: &App, email: &str) -> UserId {
    let id: uuid::Uuid = sqlx::query_scalar("SELECT id FROM control.user WHERE email = $1")
        .bind(email)
        .fetch_one(&mut app.superuser().await)
        .await
        .expect("the account");
    id.into()
}
