//! A server to call and a source of addresses that says what the test wants.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use egress::{Egress, LookUp, Names};
use http::{Method, StatusCode, header};
use tokio::net::TcpListener;
use url::Url;

const DEADLINE: Duration = Duration::from_secs(20);

pub fn egress(allow: &[&str]) -> Egress {
    let places = allow.iter().map(|text| text.parse().expect("a place"));
    Egress::new(places.collect()).expect("a client")
}

/// One without an allow-list, made once.
pub fn shared() -> &'static Egress {
    static SHARED: LazyLock<Egress> = LazyLock::new(|| egress(&[]));
    &SHARED
}

pub async fn send(egress: &Egress, url: &str) -> reqwest::Result<reqwest::Response> {
    let url = Url::parse(url).expect("a URL");
    let request = egress.request(Method::GET, url).expect("is admitted");
    request.timeout(DEADLINE).send().await
}

/// Answers look-ups one after the other; the last answer for all that follow.
pub struct FakeNames {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl FakeNames {
    pub fn of(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|addresses| {
            let parsed = addresses
                .iter()
                .map(|text| text.parse().expect("an address"));
            parsed.collect()
        });
        Arc::new(Self {
            answers: answers.collect(),
            asked: AtomicUsize::new(0),
        })
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Names for FakeNames {
    fn look_up(&self, _host: &str) -> LookUp {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }
}

/// `/redirect?<location>` redirects, `/bytes?<n>` answers so many, everything else nothing.
pub struct Server {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    connections: Arc<Mutex<usize>>,
}

struct Counting(TcpListener, Arc<Mutex<usize>>);

impl axum::serve::Listener for Counting {
    type Io = tokio::net::TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = axum::serve::Listener::accept(&mut self.0).await;
        *self.1.lock().expect("not poisoned") += 1;
        accepted
    }

    fn local_addr(&self) -> tokio::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let calls = Arc::new(AtomicUsize::new(0));
        let connections = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        let router = Router::new().fallback(move |request: Request| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { answer(&request) }
        });
        let listener = Counting(listener, Arc::clone(&connections));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            address,
            calls,
            connections,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn place(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Waits until so many connections were accepted, and that there are no more.
    pub async fn connected(&self, count: usize) {
        let look = async {
            while *self.connections.lock().expect("not poisoned") < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, look)
            .await
            .expect("is connected to");
        assert_eq!(*self.connections.lock().expect("not poisoned"), count);
    }
}

fn answer(request: &Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let answer = Response::builder();
    let answer = match request.uri().path() {
        "/redirect" => answer
            .status(StatusCode::FOUND)
            .header(header::LOCATION, query)
            .body(Body::empty()),
        "/bytes" => answer.body(vec![b'x'; query.parse().expect("a number")].into()),
        _ => answer.body(Body::empty()),
    };
    answer.expect("an answer")
}
