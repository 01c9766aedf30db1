//! Rotation and destruction of keys on a real database, by two nodes that each have their caches,
//! their connections and their copy of the keyring in memory.

use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use kernel::{
    Access, Db, Error, bus,
    db::Tenant,
    id::CredentialId,
    permission::{CredentialsUse, CredentialsWrite, DataKeysWrite},
    secret::Secret,
    testing::{self, TestDb},
};
use tempfile::TempDir;
use time::OffsetDateTime;
use vault::{KeyProvider, Keyring};

use super::census::{SEALED, WRAPS};
use crate::{
    Connect, Settings,
    catalogue::Catalogue,
    credentials::{NewCredential, Rotation},
};

const DEADLINE: Duration = Duration::from_secs(60);
const PROVIDER: &str = "openai";
const FIELD: &str = "api_key";

struct World {
    test: TestDb,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self {
            test: testing::database().await,
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn keyring(&self) -> Keyring {
        Keyring::open_or_create(self.folder.path().join("keyring.toml")).expect("a keyring")
    }

    /// A node with connections and caches of its own, which hears of what the others do.
    async fn node(&self) -> Connect {
        let db = Db::connect(&self.test.server, &std::collections::HashMap::new())
            .await
            .expect("the database opens");
        let settings = Settings {
            kms_endpoint: None,
            public_url: "http://127.0.0.1:1".to_owned(),
            allow: Default::default(),
            verify_credentials: false,
            return_to: Vec::new(),
            providers: std::collections::HashMap::new(),
        };
        let provider = KeyProvider::Local(self.keyring());
        let connect =
            Connect::new(Catalogue::builtin(), provider, settings).expect("a node starts");
        connect.follow(bus::listen(&db));
        connect
    }
}

fn value(credential: usize, revision: u64) -> Secret {
    Secret::new(format!("sk-{credential}-{revision}"))
}

/// Which revision of which credential a value is.
fn revision(text: &str, credential: usize) -> u64 {
    text.strip_prefix(&format!("sk-{credential}-"))
        .and_then(|revision| revision.parse().ok())
        .unwrap_or_else(|| panic!("{text} is not of credential {credential}"))
}

async fn create(node: &Connect, access: &Access<CredentialsWrite>, number: usize) -> CredentialId {
    let new = NewCredential {
        provider: PROVIDER.to_owned(),
        name: format!("credential {number}"),
        values: BTreeMap::from([(FIELD.to_owned(), value(number, 0))]),
        ..NewCredential::default()
    };
    let made = node.create_credential(access, new).await;
    made.expect("it is stored").id
}

async fn read(
    node: &Connect,
    access: &Access<CredentialsUse>,
    id: CredentialId,
) -> kernel::Result<String> {
    let open = node.resolve_id(access, PROVIDER, id).await?;
    Ok(open.secret(FIELD)?.expose().to_owned())
}

fn is_erased(outcome: &kernel::Result<String>) -> bool {
    matches!(outcome, Err(error) if error.code() == "keys_erased")
}

#[tokio::test(flavor = "multi_thread")]
async fn destroyed_keys_are_out_of_use_on_every_node() {
    let world = World::new().await;
    let (here, there) = (world.node().await, world.node().await);
    let (acme, globex) = (
        world.test.tenant("acme").await,
        world.test.tenant("globex").await,
    );
    let write: Access<CredentialsWrite> = world.test.enter(&acme).await;
    let id = create(&here, &write, 1).await;
    let other = create(&here, &world.test.enter(&globex).await, 2).await;
    let usage: Access<CredentialsUse> = world.test.enter(&acme).await;
    let others: Access<CredentialsUse> = world.test.enter(&globex).await;
    for node in [&here, &there] {
        read(node, &usage, id).await.expect("it opens");
        read(node, &others, other).await.expect("it opens");
        assert_eq!(node.data_keys().len(), 2);
    }

    let keys: Access<DataKeysWrite> = world.test.enter(&acme).await;
    let erased = here.erase_keys(&keys, "test").await.expect("it is done");
    assert_eq!(
        (erased.generations.as_slice(), erased.secrets),
        ([1].as_slice(), 1)
    );
    assert!(is_erased(&read(&here, &usage, id).await), "here at once");
    let begun = Instant::now();
    while !is_erased(&read(&there, &usage, id).await) {
        assert!(
            begun.elapsed() < DEADLINE,
            "the other node never heard of it"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for node in [&here, &there] {
        read(node, &others, other)
            .await
            .expect("it is that tenant's trouble alone");
    }

    // The old generation never comes back, so that what it sealed can't be mistaken for new.
    let fresh = create(&there, &write, 3).await;
    assert_eq!(
        read(&here, &usage, fresh).await.expect("it opens"),
        "sk-3-0"
    );
    assert!(is_erased(&read(&here, &usage, id).await));
    let census = here.prove_keys(&keys).await.expect("it can be asked");
    assert_eq!(census.secrets, BTreeMap::from([(1, 1), (2, 1)]));
    assert!(census.faults.is_empty(), "{:?}", census.faults);
    assert!(
        here.erase_keys(&keys, "test").await.is_ok(),
        "and once more"
    );
}

/// A credential, and how it is read and written.
type Held = (
    Arc<Access<CredentialsUse>>,
    Arc<Access<CredentialsWrite>>,
    CredentialId,
);

/// What goes on while keys are rotated.
struct Load {
    world: World,
    here: Connect,
    there: Connect,
    credentials: Vec<Held>,
    /// The newest revision of each that was acknowledged.
    written: Vec<AtomicU64>,
    /// One writer of a credential at a time, so that its revisions are in order.
    writing: Vec<tokio::sync::Mutex<()>>,
    stop: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    fn runs(&self) -> bool {
        !self.stop.load(Ordering::Acquire)
    }

    fn fail(&self, what: impl std::fmt::Display) {
        let mut failures = self.failures.lock().expect("no test panics with it");
        failures.push(what.to_string());
    }

    /// Reads on the node that writes see every acknowledged write; on the other, some revision.
    async fn reader(self: Arc<Self>, offset: usize) {
        let mut next = offset;
        while self.runs() {
            next = (next * 31 + 7) % self.credentials.len();
            let (access, _, id) = &self.credentials[next];
            let acknowledged = self.written[next].load(Ordering::Acquire);
            match read(&self.here, access, *id).await {
                Ok(text) if revision(&text, next) >= acknowledged => {}
                Ok(text) => self.fail(format_args!("{text} was read after {acknowledged}")),
                Err(error) => self.fail(format_args!("here, {next}: {error:?}")),
            }
            match read(&self.there, access, *id).await {
                Ok(text) => _ = revision(&text, next),
                Err(error) => self.fail(format_args!("there, {next}: {error:?}")),
            }
            self.reads.fetch_add(2, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }

    async fn writer(self: Arc<Self>, offset: usize) {
        let mut next = offset;
        while self.runs() {
            next = (next * 17 + 5) % self.credentials.len();
            let (_, access, id) = &self.credentials[next];
            let turn = self.writing[next].lock().await;
            let revision = self.written[next].load(Ordering::Acquire) + 1;
            let rotation = Rotation {
                values: BTreeMap::from([(FIELD.to_owned(), value(next, revision))]),
                grace_seconds: 3_600,
            };
            match self.here.rotate_credential(access, *id, rotation).await {
                Ok(_) => self.written[next].store(revision, Ordering::Release),
                // The data key was retired between looking for it and using it: asked again.
                Err(Error::Conflict { .. }) => {}
                Err(error) => self.fail(format_args!("writing {next}: {error:?}")),
            }
            drop(turn);
            self.writes.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }
}

async fn load(tenants: usize, credentials: usize) -> (Arc<Load>, Vec<Tenant>) {
    let world = World::new().await;
    let (here, there) = (world.node().await, world.node().await);
    let mut all = Vec::new();
    let mut made = Vec::new();
    for number in 0..tenants {
        let tenant = world.test.tenant(&format!("tenant-{number}")).await;
        let usage: Arc<Access<CredentialsUse>> = Arc::new(world.test.enter(&tenant).await);
        let write: Arc<Access<CredentialsWrite>> = Arc::new(world.test.enter(&tenant).await);
        made.push(tenant);
        for _ in 0..credentials / tenants {
            let id = create(&here, &write, all.len()).await;
            all.push((Arc::clone(&usage), Arc::clone(&write), id));
        }
    }
    let load = Load {
        world,
        here,
        there,
        written: all.iter().map(|_| AtomicU64::new(0)).collect(),
        writing: all.iter().map(|_| tokio::sync::Mutex::default()).collect(),
        credentials: all,
        stop: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        failures: Mutex::default(),
    };
    (Arc::new(load), made)
}

/// The whole rotation, as `freehold vault` does it; it can be run again after it was broken off.
async fn rotate(
    load: Arc<Load>,
    tenants: Vec<Tenant>,
    begun: OffsetDateTime,
    batches: Arc<AtomicU64>,
) {
    // A process of its own: neither of the nodes.
    let node = load.world.node().await;
    let current = node.keys().current_kek().await.expect("it is there");
    for tenant in &tenants {
        let access: Access<DataKeysWrite> = load.world.test.enter(tenant).await;
        node.rewrap_keys(&access, &current).await.expect("rewraps");
        node.renew_key(&access, begun).await.expect("renews");
        let progress = |_| _ = batches.fetch_add(1, Ordering::AcqRel);
        node.reseal(&access, progress).await.expect("seals anew");
        node.rewrap_keys(&access, &current).await.expect("rewraps");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_under_load_though_the_rotation_is_killed_twice() {
    let (load, tenants) = load(3, 360).await;
    let mut working: Vec<_> = (0..3)
        .map(|number| tokio::spawn(Arc::clone(&load).reader(number)))
        .collect();
    working.extend((0..2).map(|number| tokio::spawn(Arc::clone(&load).writer(number * 50))));

    let keyring = load.world.keyring();
    assert_eq!(keyring.rotate().expect("rotates"), 2);
    let begun = OffsetDateTime::now_utc();
    let batches = Arc::new(AtomicU64::new(0));
    for killed_after in [1, 4] {
        let task = tokio::spawn(rotate(
            Arc::clone(&load),
            tenants.clone(),
            begun,
            Arc::clone(&batches),
        ));
        let waiting = Instant::now();
        while batches.load(Ordering::Acquire) < killed_after {
            assert!(waiting.elapsed() < DEADLINE, "the rotation stands still");
            assert!(!task.is_finished(), "it was over before it could be killed");
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.expect_err("it was killed").is_cancelled());
    }
    rotate(Arc::clone(&load), tenants.clone(), begun, batches).await;

    // The proof, and only then the end of what is old; all of it while reading and writing go on.
    let node = load.world.node().await;
    for tenant in &tenants {
        let access: Access<DataKeysWrite> = load.world.test.enter(tenant).await;
        let census = node.prove_keys(&access).await.expect("it can be asked");
        assert_eq!(census.faults, Vec::<String>::new());
        assert_eq!(census.wraps, BTreeMap::from([("local:v2".to_owned(), 2)]));
        assert_eq!(census.secrets.keys().collect::<Vec<_>>(), [&2]);
        assert!(census.secrets[&2] >= 120, "{:?}", census.secrets);
        assert_eq!(node.retire_keys(&access).await.expect("retires"), [1]);
        assert!(node.retire_keys(&access).await.expect("again").is_empty());
    }
    keyring.retire(&[1]).expect("nothing needs it");
    let reads = load.reads.load(Ordering::Relaxed);
    let waiting = Instant::now();
    while load.reads.load(Ordering::Relaxed) < reads + 1_000 {
        assert!(waiting.elapsed() < DEADLINE, "nobody reads any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    load.stop.store(true, Ordering::Release);
    for task in working {
        task.await.expect("no reader and no writer panics");
    }
    assert_eq!(*load.failures.lock().expect("usable"), Vec::<String>::new());
    assert!(
        load.writes.load(Ordering::Relaxed) > 0,
        "there was something to keep"
    );

    // A node that has never seen the old keys finds every acknowledged write.
    let fresh = load.world.node().await;
    for (number, (access, _, id)) in load.credentials.iter().enumerate() {
        let text = read(&fresh, access, *id).await.expect("it opens");
        let acknowledged = load.written[number].load(Ordering::Acquire);
        assert_eq!(revision(&text, number), acknowledged);
    }
}

#[tokio::test]
async fn a_renewal_that_is_finished_is_not_begun_anew() {
    let world = World::new().await;
    let node = world.node().await;
    let tenant = world.test.tenant("acme").await;
    let keys: Access<DataKeysWrite> = world.test.enter(&tenant).await;
    let begun = OffsetDateTime::now_utc();
    let none = node.renew_key(&keys, begun).await.expect("it can be asked");
    assert_eq!(none, None, "a tenant without secrets needs no key");
    create(&node, &world.test.enter(&tenant).await, 1).await;
    let later = OffsetDateTime::now_utc() + Duration::from_secs(60);
    assert_eq!(node.renew_key(&keys, begun).await.expect("renews"), Some(1));
    assert_eq!(node.renew_key(&keys, later).await.expect("renews"), Some(2));
    assert_eq!(node.reseal(&keys, |_| {}).await.expect("seals"), 1);
    assert_eq!(node.reseal(&keys, |_| {}).await.expect("seals"), 0);
}

/// The keyring is restored from a copy, as docs/keys.md says.
#[tokio::test]
async fn a_keyring_that_was_put_back_from_a_copy_opens_everything() {
    let world = World::new().await;
    let node = world.node().await;
    let tenant = world.test.tenant("acme").await;
    let id = create(&node, &world.test.enter(&tenant).await, 1).await;
    let usage: Access<CredentialsUse> = world.test.enter(&tenant).await;
    let keys: Access<DataKeysWrite> = world.test.enter(&tenant).await;

    let path = world.folder.path().join("keyring.toml");
    let backup = world.folder.path().join("backup.toml");
    std::fs::copy(&path, &backup).expect("a copy");
    std::fs::remove_file(&path).expect("it is lost");
    // Without the file another one would be made, and open nothing.
    let stranger = world.node().await;
    let error = read(&stranger, &usage, id).await.expect_err("another key");
    assert_eq!(error.code(), "internal_error");
    assert_eq!(
        stranger
            .prove_keys(&keys)
            .await
            .expect("asked")
            .faults
            .len(),
        2,
        "the data key, and the secret under it"
    );

    std::fs::copy(&backup, &path).expect("it is put back");
    let restored = world.node().await;
    assert_eq!(read(&restored, &usage, id).await.expect("opens"), "sk-1-0");
    let census = restored.prove_keys(&keys).await.expect("asked");
    assert_eq!(census.faults, Vec::<String>::new());
}

/// Rotation has to know of every table that holds a wrap or a sealed value.
#[tokio::test]
async fn no_table_with_wraps_or_sealed_values_is_forgotten() {
    let test = testing::database().await;
    let mut admin = test.superuser().await;
    for (column, known) in [("kek", WRAPS), ("sealed", SEALED)] {
        let mut tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.columns c
             WHERE table_schema = 'cell' AND column_name = $1 AND EXISTS (
                 SELECT FROM information_schema.columns o
                 WHERE o.table_schema = 'cell' AND o.table_name = c.table_name AND o.data_type = 'bytea'
             ) ORDER BY 1",
        )
        .bind(column)
        .fetch_all(&mut admin)
        .await
        .expect("the catalogue answers");
        tables.sort();
        assert_eq!(tables, known, "tables with a column `{column}`");
    }
}
