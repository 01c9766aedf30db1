//! A started sandbox with one account of each kind, and a receiver of webhooks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::Uri};
use http::{HeaderMap, Method, StatusCode};
use kernel::secret::Secret;
use sandbox::{OpenAiAccount, Provider, Sandbox, TelegramAccount, TwilioAccount, WhatsAppAccount};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub const DEADLINE: Duration = Duration::from_secs(10);

pub const WA_TOKEN: &str = "EAAJplanted-access-token";
pub const WA_APP_SECRET: &str = "planted-app-secret";
pub const WA_VERIFY: &str = "planted-verify-token";
pub const PHONE: &str = "106540352242922";
pub const WABA: &str = "102290129340398";
pub const SID: &str = "AC00000000000000000000000000000001";
pub const TWILIO_TOKEN: &str = "planted-auth-token";
pub const TWILIO_NUMBER: &str = "+15005550006";
pub const BOT: &str = "4839574812:AAFplanted-bot-secret";
pub const BOT_SECRET: &str = "planted-webhook-secret";
pub const OPENAI_KEY: &str = "sk-proj-planted-openai-key-0001";
pub const MODEL: &str = "gpt-4o-mini";

pub const SECRETS: &[&str] = &[
    WA_TOKEN,
    WA_APP_SECRET,
    WA_VERIFY,
    TWILIO_TOKEN,
    "AAFplanted-bot-secret",
    BOT_SECRET,
    OPENAI_KEY,
];

pub fn whatsapp_account() -> WhatsAppAccount {
    WhatsAppAccount {
        phone_number_id: PHONE.to_owned(),
        waba_id: WABA.to_owned(),
        access_token: Secret::new(WA_TOKEN),
        app_secret: Secret::new(WA_APP_SECRET),
        verify_token: Secret::new(WA_VERIFY),
        display_phone_number: "15550783881".to_owned(),
    }
}

pub fn twilio_account() -> TwilioAccount {
    TwilioAccount {
        account_sid: SID.to_owned(),
        auth_token: Secret::new(TWILIO_TOKEN),
        phone_number: TWILIO_NUMBER.to_owned(),
    }
}

pub fn telegram_account() -> TelegramAccount {
    TelegramAccount {
        bot_token: Secret::new(BOT),
        secret_token: Secret::new(BOT_SECRET),
        username: "bloom_bot".to_owned(),
    }
}

pub async fn start() -> Sandbox {
    let address = "127.0.0.1:0".parse().expect("is an address");
    let sandbox = Sandbox::start(address).await.expect("binds a free port");
    let accounts = sandbox.accounts();
    accounts.whatsapp(whatsapp_account());
    accounts.twilio(twilio_account());
    accounts.telegram(telegram_account());
    accounts.openai(OpenAiAccount {
        api_key: Secret::new(OPENAI_KEY),
        models: vec![MODEL.to_owned()],
    });
    sandbox
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(DEADLINE)
        .build()
        .expect("a plain client can be built")
}

/// Sends a request and reads its answer as a status and JSON.
pub async fn exchange(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the sandbox answers");
    let status = answer.status().as_u16();
    let body = answer.text().await.expect("the body is whole");
    let json = serde_json::from_str(&body).unwrap_or(Value::String(body));
    (status, json)
}

pub fn send_whatsapp(sandbox: &Sandbox, body: &Value) -> reqwest::RequestBuilder {
    let url = format!("{}/{PHONE}/messages", sandbox.base_url(Provider::WhatsApp));
    client().post(url).bearer_auth(WA_TOKEN).json(body)
}

pub fn send_sms(sandbox: &Sandbox, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let base = sandbox.base_url(Provider::Twilio);
    client()
        .post(format!("{base}/2010-04-01/Accounts/{SID}/Messages.json"))
        .basic_auth(SID, Some(TWILIO_TOKEN))
        .form(form)
}

pub fn bot(sandbox: &Sandbox, method: &str) -> String {
    format!("{}/bot{BOT}/{method}", sandbox.base_url(Provider::Telegram))
}

pub fn chat(sandbox: &Sandbox, body: &Value) -> reqwest::RequestBuilder {
    let base = sandbox.base_url(Provider::OpenAi);
    let url = format!("{base}/chat/completions");
    client().post(url).bearer_auth(OPENAI_KEY).json(body)
}

/// One webhook as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).expect("the header is present");
        value.to_str().expect("the header is text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the webhook is JSON")
    }

    pub fn form(&self) -> Vec<(String, String)> {
        serde_urlencoded::from_bytes(&self.body).expect("the webhook is a form")
    }
}

/// A receiver of webhooks: answers Meta's handshake if it knows the token, refuses the first few
/// POSTs if asked to, and keeps the others' bodies.
pub struct Receiver {
    pub url: String,
    state: Arc<Inbox>,
    server: JoinHandle<()>,
}

struct Inbox {
    arrived: Mutex<Vec<Arrived>>,
    count: watch::Sender<usize>,
    refuse: Mutex<u32>,
}

impl Receiver {
    pub async fn start(refuse: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("is bound");
        let state = Arc::new(Inbox {
            arrived: Mutex::default(),
            count: watch::Sender::new(0),
            refuse: Mutex::new(refuse),
        });
        let router = Router::new()
            .fallback(receive)
            .with_state(Arc::clone(&state));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self {
            url: format!("http://{address}/hooks"),
            state,
            server,
        }
    }

    /// All that arrived, once it is at least so many.
    pub async fn at_least(&self, count: usize) -> Vec<Arrived> {
        let mut arrivals = self.state.count.subscribe();
        let wait = arrivals.wait_for(|arrived| *arrived >= count);
        tokio::time::timeout(DEADLINE, wait)
            .await
            .expect("the webhooks arrive in time")
            .expect("the receiver lives");
        self.state.arrived.lock().expect("no test panicked").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State(inbox): State<Arc<Inbox>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if method == Method::GET {
        let query: Vec<(String, String)> =
            serde_urlencoded::from_str(uri.query().unwrap_or_default()).expect("is a query");
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, v)| v);
        return match (value("hub.verify_token"), value("hub.challenge")) {
            (Some(token), Some(challenge)) if token == WA_VERIFY => {
                (StatusCode::OK, challenge.clone())
            }
            _ => (StatusCode::FORBIDDEN, String::new()),
        };
    }
    let arrived = {
        let mut all = inbox.arrived.lock().expect("no test panicked");
        all.push(Arrived { headers, body });
        all.len()
    };
    inbox.count.send_replace(arrived);
    let mut refuse = inbox.refuse.lock().expect("no test panicked");
    if *refuse > 0 {
        *refuse -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    (StatusCode::OK, String::new())
}
