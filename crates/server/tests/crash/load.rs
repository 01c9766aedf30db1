//! Providers that deliver to a server which comes and goes: each sender repeats a webhook until it
//! is acknowledged, as providers do, and sometimes sends it twice at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::RngExt;
use sandbox::{
    Provider,
    senders::{Outgoing, telegram::Update, twilio::Sms, whatsapp::Message},
};
use tokio::{sync::watch, task::JoinSet};

use crate::common::{DEADLINE, TestTenant, binary::PUBLIC_URL, client};

/// Between two attempts at a webhook that was not acknowledged.
const RETRY: Duration = Duration::from_millis(25);
/// How long a provider waits for an answer before it takes the webhook for lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A webhook that was acknowledged.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub slug: String,
    pub provider: Provider,
    /// The provider's id of the message, or of its delivery.
    pub id: String,
    /// Who wrote, as the provider names them in the reply's address. Everybody writes once.
    pub contact: String,
    pub attempts: u32,
    pub doubled: bool,
}

/// All that was delivered.
#[derive(Debug)]
pub struct Sent(pub Vec<Delivered>);

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeated = self.0.iter().filter(|sent| sent.attempts > 1).count();
        let doubled = self.0.iter().filter(|sent| sent.doubled).count();
        write!(
            f,
            "{} webhooks acknowledged, {repeated} of them after a repetition, {doubled} sent twice at once",
            self.0.len()
        )
    }
}

/// Senders at work.
#[derive(Debug)]
pub struct Load {
    senders: JoinSet<Vec<Delivered>>,
    server: watch::Sender<String>,
    acknowledged: Arc<watch::Sender<u64>>,
    stop: watch::Sender<bool>,
}

/// What a sender shares with the others.
struct Sender {
    tenants: Vec<TestTenant>,
    number: Arc<AtomicU64>,
    server: watch::Receiver<String>,
    acknowledged: Arc<watch::Sender<u64>>,
    stop: watch::Receiver<bool>,
    client: reqwest::Client,
}

impl Load {
    pub fn start(senders: usize, tenants: &[TestTenant], url: &str) -> Self {
        let (server, _) = watch::channel(url.to_owned());
        let (stop, _) = watch::channel(false);
        let acknowledged = Arc::new(watch::Sender::new(0));
        let number = Arc::new(AtomicU64::new(1));
        let mut set = JoinSet::new();
        for _ in 0..senders {
            let sender = Sender {
                tenants: tenants.to_vec(),
                number: Arc::clone(&number),
                server: server.subscribe(),
                acknowledged: Arc::clone(&acknowledged),
                stop: stop.subscribe(),
                client: client(),
            };
            set.spawn(sender.run());
        }
        Self {
            senders: set,
            server,
            acknowledged,
            stop,
        }
    }

    pub fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Waits until so many webhooks were acknowledged in all.
    pub async fn until(&self, count: u64) {
        let mut acknowledged = self.acknowledged.subscribe();
        let reached = acknowledged.wait_for(|reached| *reached >= count);
        tokio::time::timeout(DEADLINE, reached)
            .await
            .expect("webhooks are acknowledged")
            .expect("the senders live");
    }

    pub fn moved_to(&self, url: &str) {
        self.server.send_replace(url.to_owned());
    }

    /// Lets every sender bring its last webhook to its acknowledgement.
    pub async fn finish(mut self) -> Sent {
        self.stop.send_replace(true);
        let mut all = Vec::new();
        let rest = async {
            while let Some(delivered) = self.senders.join_next().await {
                all.extend(delivered.expect("no sender panics"));
            }
        };
        tokio::time::timeout(DEADLINE, rest)
            .await
            .expect("the last webhooks are acknowledged");
        Sent(all)
    }
}

impl Sender {
    async fn run(self) -> Vec<Delivered> {
        let mut delivered = Vec::new();
        while !*self.stop.borrow() {
            let (webhook, mut record) = self.next();
            record.doubled = rand::rng().random_ratio(1, 4);
            while !self.attempt(&webhook, &mut record).await {
                tokio::time::sleep(RETRY).await;
            }
            self.acknowledged.send_modify(|count| *count += 1);
            delivered.push(record);
        }
        delivered
    }

    /// A message of somebody who has not written yet.
    fn next(&self) -> (Outgoing, Delivered) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let tenant = &self.tenants[usize::from(rand::rng().random_ratio(1, 2))];
        let text = format!("message {number}");
        let (provider, webhook, id, contact) = match number % 3 {
            0 => {
                let contact = format!("351{number:09}");
                let message = Message::text(&contact, &text);
                let webhook = tenant.whatsapp_message(PUBLIC_URL, &message);
                (
                    Provider::WhatsApp,
                    webhook,
                    message.wamid().to_owned(),
                    contact,
                )
            }
            1 => {
                let contact = format!("+1415{number:07}");
                let sms = Sms::new(&tenant.twilio, &contact, &text);
                let url = tenant.hook(PUBLIC_URL, Provider::Twilio);
                let webhook = sms.signed(&url, &tenant.twilio.auth_token);
                // Twilio's own name for a delivery, the same for each of its attempts.
                let id = webhook.headers["i-twilio-idempotency-token"]
                    .to_str()
                    .expect("text")
                    .to_owned();
                (Provider::Twilio, webhook, id, contact)
            }
            _ => {
                let contact = 7_000_000 + i64::try_from(number).expect("a small number");
                let update = Update::text(contact, &text).id(contact);
                let url = tenant.hook(PUBLIC_URL, Provider::Telegram);
                let webhook = update.signed(&url, &tenant.telegram.secret_token);
                (
                    Provider::Telegram,
                    webhook,
                    contact.to_string(),
                    contact.to_string(),
                )
            }
        };
        let record = Delivered {
            slug: tenant.slug.clone(),
            provider,
            id,
            contact,
            attempts: 0,
            doubled: false,
        };
        (webhook, record)
    }

    /// Sends once, or twice at once. Whether any of it was acknowledged.
    async fn attempt(&self, webhook: &Outgoing, record: &mut Delivered) -> bool {
        record.attempts += 1;
        let mut webhook = webhook.clone();
        let server = self.server.borrow().clone();
        webhook.url = webhook.url.replacen(PUBLIC_URL, &server, 1);
        if record.doubled {
            let (one, other) = tokio::join!(self.once(&webhook), self.once(&webhook));
            one || other
        } else {
            self.once(&webhook).await
        }
    }

    async fn once(&self, webhook: &Outgoing) -> bool {
        match tokio::time::timeout(PATIENCE, webhook.send(&self.client)).await {
            Ok(Ok(answer)) if answer.is_success() => true,
            // Not committed, and not said to be: the provider tries again.
            Ok(Ok(answer)) => {
                assert!(answer.status >= 500, "{} {}", answer.status, answer.text());
                false
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }
}
