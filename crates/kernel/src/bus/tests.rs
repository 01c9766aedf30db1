//! What one node hears of another's changes, in each way.

use std::time::Duration;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Change, listen};
use crate::{
    Access,
    db::{Db, Tenant},
    permission::CredentialsWrite,
    testing::{self, TestDb},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// The next change that is about somebody.
async fn next(changes: &mut Receiver<Change>) -> Change {
    let next = async {
        loop {
            match changes.recv().await {
                Ok(Change::Unknown) | Err(RecvError::Lagged(_)) => {}
                Ok(change) => return change,
                Err(RecvError::Closed) => panic!("nobody tells of changes any more"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("the change is heard of")
}

/// Waits until somebody listens to announcements: then anything may have changed before.
async fn listening(changes: &mut Receiver<Change>) {
    let heard = async { while !matches!(changes.recv().await, Ok(Change::Unknown)) {} };
    tokio::time::timeout(PATIENCE, heard)
        .await
        .expect("somebody listens");
}

async fn change(access: &Access<CredentialsWrite>, keys: bool) {
    let mut tx = access.begin().await.expect("begins");
    match keys {
        true => tx.announce_keys().await.expect("announces"),
        false => tx.announce_credentials().await.expect("announces"),
    }
    tx.commit().await.expect("commits");
}

async fn taken_back(access: &Access<CredentialsWrite>) {
    let mut tx = access.begin().await.expect("begins");
    tx.announce_keys().await.expect("announces");
    drop(tx);
}

async fn scene() -> (TestDb, Tenant, Access<CredentialsWrite>, Db) {
    let test = testing::database().await;
    let tenant = test.tenant("acme").await;
    let access = test.enter(&tenant).await;
    let other = node(&test).await;
    (test, tenant, access, other)
}

/// Another node on the same database.
async fn node(test: &TestDb) -> Db {
    Db::connect(&test.server, &std::collections::HashMap::new())
        .await
        .expect("a node starts")
}

#[tokio::test]
async fn another_node_hears_what_was_committed() {
    let (_test, tenant, access, other) = scene().await;
    let mut changes = listen(&other);
    listening(&mut changes).await;
    taken_back(&access).await;
    for keys in [false, true, true] {
        change(&access, keys).await;
        let expected = match keys {
            true => Change::Keys(tenant.id),
            false => Change::Credentials(tenant.id),
        };
        assert_eq!(next(&mut changes).await, expected);
    }
}

#[tokio::test]
async fn what_nobody_announced_is_found_by_looking() {
    let (test, tenant, access, other) = scene().await;
    let mut changes = listen(&other);
    listening(&mut changes).await;
    change(&access, false).await;
    assert_eq!(next(&mut changes).await, Change::Credentials(tenant.id));
    // As a node leaves it whose announcement got lost on the way.
    sqlx::query("UPDATE cell.change SET version = version + 1, changed_at = clock_timestamp()")
        .execute(&mut test.superuser().await)
        .await
        .expect("it is written down");
    assert_eq!(next(&mut changes).await, Change::Credentials(tenant.id));
}

#[cfg(feature = "redis")]
mod by_redis {
    use std::{
        net::TcpListener,
        process::{Child, Command, Stdio},
    };

    use futures_util::StreamExt;

    use super::*;
    use crate::{
        bus::{Redis, RedisError},
        secret::Secret,
    };

    const PASSWORD: &str = "correct horse";

    /// A Redis of the test's own. It ends with the test.
    struct Server {
        child: Child,
        port: u16,
        folder: tempfile::TempDir,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    impl Server {
        /// `None` where this machine has no Redis.
        async fn start() -> Option<Self> {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let port = free.local_addr().expect("it has a number").port();
            drop(free);
            let folder = tempfile::tempdir().expect("a folder");
            let Ok(child) = run(port, folder.path()) else {
                testing::skip("redis-server");
                return None;
            };
            let mut server = Self {
                child,
                port,
                folder,
            };
            server.answers().await;
            Some(server)
        }

        fn stop(&mut self) {
            self.child.kill().expect("it is ours to stop");
            self.child.wait().expect("it has ended");
        }

        async fn restart(&mut self) {
            self.child = run(self.port, self.folder.path()).expect("it runs again");
            self.answers().await;
        }

        fn url(&self, password: &str) -> Secret {
            let password = password.replace(' ', "%20");
            format!("redis://:{password}@127.0.0.1:{}", self.port).into()
        }

        fn open(&self) -> Redis {
            Redis::open(&self.url(PASSWORD)).expect("the address is one")
        }

        async fn answers(&mut self) {
            let redis = self.open();
            let answer = async {
                while redis.ping().await.is_err() {
                    let ended = self.child.try_wait().expect("it is ours to ask");
                    assert!(ended.is_none(), "redis-server ended: {ended:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, answer)
                .await
                .expect("it answers");
        }
    }

    fn run(port: u16, folder: &std::path::Path) -> std::io::Result<Child> {
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--requirepass", PASSWORD, "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
    }

    #[tokio::test]
    async fn what_was_committed_is_published_on_the_tenants_channel() {
        let Some(redis) = Server::start().await else {
            return;
        };
        let (test, tenant, access, other) = scene().await;
        for node in [&test.db, &other] {
            node.announce_by(redis.open()).expect("is said once");
        }
        let client = redis::Client::open(redis.url(PASSWORD).expose()).expect("an address");
        let mut listener = client.get_async_pubsub().await.expect("connects");
        listener.psubscribe("*").await.expect("listens");
        let mut messages = listener.on_message();
        let mut changes = listen(&other);
        listening(&mut changes).await;

        taken_back(&access).await;
        change(&access, true).await;
        assert_eq!(next(&mut changes).await, Change::Keys(tenant.id));
        let message = tokio::time::timeout(PATIENCE, messages.next()).await;
        let message = message.expect("in time").expect("a message");
        let channel = format!("t{}:keys", tenant.id.uuid());
        assert_eq!(message.get_channel_name(), channel);
        assert_eq!(message.get_payload::<i64>().expect("a number"), 1);
    }

    #[tokio::test]
    async fn without_its_redis_nothing_is_lost_and_with_it_again_all_is_as_before() {
        let Some(mut redis) = Server::start().await else {
            return;
        };
        let (test, tenant, access, other) = scene().await;
        for node in [&test.db, &other] {
            node.announce_by(redis.open()).expect("is said once");
        }
        let mut changes = listen(&other);
        listening(&mut changes).await;
        redis.stop();
        change(&access, false).await;
        assert_eq!(next(&mut changes).await, Change::Credentials(tenant.id));
        redis.restart().await;
        listening(&mut changes).await;
        change(&access, true).await;
        assert_eq!(next(&mut changes).await, Change::Keys(tenant.id));
    }

    #[tokio::test]
    async fn a_wrong_password_and_no_address_are_told_without_showing_them() {
        let Some(redis) = Server::start().await else {
            return;
        };
        let wrong = Redis::open(&redis.url("wrong")).expect("the address is one");
        assert_eq!(wrong.ping().await, Err(RedisError::Denied));
        let none =
            Redis::open(&Secret::new("https://:secret@example.com")).expect_err("is refused");
        assert_eq!(none, RedisError::Address);
        assert!(!none.to_string().contains("secret"));
    }
}
