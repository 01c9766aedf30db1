//! Two tenants on a database, nodes with caches of their own, and a clock for these.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use connect::{
    Connect, Settings,
    catalogue::Catalogue,
    credentials::NewCredential,
    own_key::{KeyState, NewEncryptionKey, OwnKeyView},
};
use kernel::{
    Access, Db, Result, bus,
    db::Tenant,
    events::EncryptionKeyFailing,
    id::CredentialId,
    jobs::Registry,
    permission::{CredentialsUse, DataKeysWrite, EncryptionKeyWrite, MessagesSend},
    secret::Secret,
    testing::{self, TestDb},
};
use tempfile::TempDir;
use vault::{DataKeyCache, DataKeys, KeyProvider, Keyring};

const PATIENCE: Duration = Duration::from_secs(30);
const PROVIDER: &str = "openai";
const FIELD: &str = "api_key";

pub struct World {
    pub test: TestDb,
    pub acme: Tenant,
    pub globex: Tenant,
    /// What nodes may call beside public addresses.
    open: Vec<SocketAddr>,
    kms: Option<SocketAddr>,
    clock: Arc<Mutex<Instant>>,
    folder: TempDir,
}

impl World {
    pub async fn new(open: &[SocketAddr]) -> Self {
        let test = testing::database().await;
        let mut registry = Registry::new();
        registry.subscribe(
            "test.failing",
            |_: Access<MessagesSend>, _: EncryptionKeyFailing| async { Ok(()) },
        );
        test.db.subscribe(registry.subscriptions()).unwrap();
        Self {
            acme: test.tenant("acme").await,
            globex: test.tenant("globex").await,
            test,
            open: open.to_vec(),
            kms: None,
            clock: Arc::new(Mutex::new(Instant::now())),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With AWS KMS somewhere else than in its regions.
    #[cfg(feature = "aws-kms")]
    pub fn with_kms(mut self, kms: SocketAddr) -> Self {
        self.kms = Some(kms);
        self
    }

    /// Its nodes may call this as well.
    pub fn opening(mut self, address: SocketAddr) -> Self {
        self.open.push(address);
        self
    }

    pub fn keyring(&self) -> Keyring {
        Keyring::open_or_create(self.folder.path().join("keyring.toml")).unwrap()
    }

    /// A node with connections and caches of its own, which hears of what the others do.
    pub async fn node(&self) -> Connect {
        let db = Db::connect(&self.test.server, &HashMap::new())
            .await
            .unwrap();
        let open = self.open.iter().map(|address| {
            let place = address.to_string().parse();
            place.unwrap()
        });
        let settings = Settings {
            return_to: Vec::new(),
            public_url: "http://127.0.0.1:1".to_owned(),
            allow: open.collect(),
            kms_endpoint: self.kms.map(|address| format!("http://{address}")),
            verify_credentials: false,
            providers: HashMap::new(),
        };
        let now = Arc::clone(&self.clock);
        let cache = DataKeyCache::with_clock(move || *now.lock().unwrap());
        let provider = KeyProvider::Local(self.keyring());
        let keys = DataKeys::new(cache);
        let connect = Connect::with_cache(Catalogue::builtin(), provider, settings, keys).unwrap();
        connect.follow(bus::listen(&db));
        connect
    }

    /// Lets time pass for the caches of data keys.
    pub fn advance(&self, by: Duration) {
        *self.clock.lock().unwrap() += by;
    }

    pub async fn create(
        &self,
        node: &Connect,
        tenant: &Tenant,
        value: &str,
    ) -> Result<CredentialId> {
        let new = NewCredential {
            provider: PROVIDER.to_owned(),
            name: value.to_owned(),
            values: BTreeMap::from([(FIELD.to_owned(), Secret::new(value))]),
            ..NewCredential::default()
        };
        let access = self.test.enter(tenant).await;
        Ok(node.create_credential(&access, new).await?.id)
    }

    pub async fn read(&self, node: &Connect, tenant: &Tenant, id: CredentialId) -> Result<String> {
        let access = self.test.enter::<CredentialsUse>(tenant).await;
        let open = node.resolve_id(&access, PROVIDER, id).await?;
        Ok(open.secret(FIELD)?.expose().to_owned())
    }

    /// The code of the error that reading meets.
    pub async fn refusal(&self, node: &Connect, tenant: &Tenant, id: CredentialId) -> &'static str {
        match self.read(node, tenant, id).await {
            Ok(_) => "opens",
            Err(error) => error.code(),
        }
    }

    /// Reads until it is answered so.
    pub async fn until(&self, node: &Connect, tenant: &Tenant, id: CredentialId, code: &str) {
        let begun = Instant::now();
        loop {
            let found = self.refusal(node, tenant, id).await;
            if found == code {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{found}, not {code}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn changing(&self) -> Access<EncryptionKeyWrite> {
        self.test.enter(&self.acme).await
    }

    pub async fn rotating(&self) -> Access<DataKeysWrite> {
        self.test.enter(&self.acme).await
    }

    /// Puts acme's data keys under a key of its own.
    pub async fn set(&self, node: &Connect, new: NewEncryptionKey) -> Result<OwnKeyView> {
        let view = node.set_encryption_key(&self.changing().await, new).await?;
        Ok(view.own.unwrap())
    }

    pub async fn verify(&self, node: &Connect) -> KeyState {
        let access = self.changing().await;
        let found = node.verify_encryption_key(&access).await.unwrap();
        found.own.unwrap().state
    }

    /// The names of the KEKs that wrap acme's data keys.
    pub async fn keks(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT kek FROM cell.data_key WHERE tenant_id = $1 ORDER BY generation")
            .bind(self.acme.id.uuid())
            .fetch_all(&mut self.test.superuser().await)
            .await
            .unwrap()
    }

    /// Which of acme's data keys are not under the key that acme has: there must never be one.
    pub async fn astray(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT count(*) FROM cell.data_key d LEFT JOIN cell.tenant_key k USING (tenant_id)
             WHERE d.tenant_id = $1
                 AND d.kek NOT LIKE coalesce('own:' || k.id || ':%', 'local:%')",
        )
        .bind(self.acme.id.uuid())
        .fetch_one(&mut self.test.superuser().await)
        .await
        .unwrap()
    }

    /// What the audit log says of acme's encryption key, oldest first.
    pub async fn acts(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT action FROM cell.audit_entry
             WHERE tenant_id = $1 AND action LIKE 'encryption_key.%' ORDER BY seq",
        )
        .bind(self.acme.id.uuid())
        .fetch_all(&mut self.test.superuser().await)
        .await
        .unwrap()
    }

    /// How often it was announced that an own key does not work any more.
    pub async fn announced(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM cell.job WHERE kind = 'test.failing'")
            .fetch_one(&mut self.test.superuser().await)
            .await
            .unwrap()
    }

    /// Everything that is at rest in the cell of own keys and of what was done to them.
    pub async fn at_rest(&self) -> String {
        sqlx::query_scalar(
            "SELECT (SELECT string_agg(k::text, ' ') FROM cell.tenant_key k) || ' '
                 || (SELECT string_agg(a::text, ' ') FROM cell.audit_entry a)",
        )
        .fetch_one(&mut self.test.superuser().await)
        .await
        .unwrap()
    }
}
