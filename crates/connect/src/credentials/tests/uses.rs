//! Who used which credential, and when.

use time::{OffsetDateTime, macros::datetime};

use super::{Environment, World, openai};
use crate::uses::{PROXY, Uses};

const FIRST: OffsetDateTime = datetime!(2026-03-01 12:10 UTC);
const SAME_HOUR: OffsetDateTime = datetime!(2026-03-01 12:59 UTC);
const NEXT_HOUR: OffsetDateTime = datetime!(2026-03-01 13:01 UTC);

#[tokio::test]
async fn a_callers_uses_are_written_once_an_hour_with_the_time_of_the_first() {
    let world = World::new().await;
    let made = world.create(openai("main", Environment::Live)).await;
    let access = world.usage().await;
    let used = async |uses: &Uses, purpose, now| {
        let recorded = uses
            .record_at(&access, "openai", made.id, purpose, now)
            .await;
        recorded.expect("it is recorded");
        let used = world.one(made.id).await.last_used;
        used.expect("it was used")
    };
    let uses = Uses::new();
    let first = used(&uses, PROXY, FIRST).await;
    assert_eq!((first.at, first.purpose.as_str()), (FIRST, PROXY));
    assert_eq!(first.by, access.actor().to_string());
    // Neither this node nor another writes again.
    assert_eq!(used(&uses, PROXY, SAME_HOUR).await, first);
    assert_eq!(used(&Uses::new(), PROXY, SAME_HOUR).await, first);
    assert_eq!(world.acts("credential.used").await.len(), 1);

    assert_eq!(used(&uses, PROXY, NEXT_HOUR).await.at, NEXT_HOUR);
    assert_eq!(world.acts("credential.used").await.len(), 2);
    // Another purpose is a use of its own, and what the program itself does is in no log.
    let sent = used(&uses, "messages.send", NEXT_HOUR + time::Duration::MINUTE).await;
    assert_eq!(sent.purpose, "messages.send");
    assert_eq!(world.acts("credential.used").await.len(), 2);
}
