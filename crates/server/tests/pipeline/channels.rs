//! Each channel from webhook to reply, with what is stored on the way.

use crate::common::TestNode;

#[tokio::test(flavor = "multi_thread")]
async fn smoke() {
    let node = TestNode::start().await;
    let acme = node.tenant("acme").await;
    let sent = node
        .send(&acme.whatsapp_text(&node.url, "351912345678", "hello"))
        .await;
    assert!(sent.is_success(), "{sent:?}");
    node.sent_out(|call| crate::common::is_reply(call, sandbox::Provider::WhatsApp))
        .await;
    node.stop().await;
}
