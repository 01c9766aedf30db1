//! Secrets whose keys were destroyed verify nothing, and stand in nobody's way.

use kernel::permission::DataKeysWrite;
use sandbox::Provider;

use crate::common::{TestNode, TestTenant, tenant::rotate};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_entered_after_the_keys_were_destroyed_verifies() {
    let node = TestNode::start().await;
    let before = node.tenant("acme").await;
    let keys = node.enter::<DataKeysWrite>("acme").await;
    let erased = node.program().connect.erase_keys(&keys, "test").await;
    assert!(erased.expect("they are destroyed").secrets > 0);
    let text = |tenant: &TestTenant| tenant.whatsapp_text(&node.url, "351912345678", "hello");
    // As any webhook that is not verified: whoever sends one learns nothing of the keys.
    assert_eq!(node.send(&text(&before)).await.status, 401);

    let mut after = before.clone();
    after.whatsapp.app_secret = TestTenant::new("acme").whatsapp.app_secret;
    let program = node.program();
    let (field, secret) = ("app_secret", &after.whatsapp.app_secret);
    rotate(program, "acme", Provider::WhatsApp, field, secret).await;
    // The one that it replaced is within its grace, and opens no more.
    assert_eq!(node.send(&text(&after)).await.status, 200);
    assert_eq!(node.send(&text(&before)).await.status, 401);
    node.abandon().await;
}
