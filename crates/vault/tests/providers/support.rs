//! Servers as child processes, and a gate in front of one that can be cut.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;

const START: Duration = Duration::from_secs(60);

/// Says that a test can't run where it stands. Where `TESTS_REQUIRE_ALL` is set, that fails it.
#[expect(clippy::print_stderr, reason = "a test says when it is skipped")]
pub fn skip(needs: &str) {
    assert!(
        std::env::var_os("TESTS_REQUIRE_ALL").is_none(),
        "needs {needs}, and TESTS_REQUIRE_ALL lets no test be skipped"
    );
    eprintln!("skipped: needs {needs}");
}

/// A server that ends with the test.
pub struct Server {
    pub address: SocketAddr,
    _child: Child,
}

impl Server {
    /// Starts `program` with the arguments that `arguments` makes of a free address, and waits until
    /// it answers with success at `path`.
    pub async fn start(
        program: &std::ffi::OsStr,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        path: &str,
    ) -> Self {
        // Freed here and taken by the server: another program may be quicker, so it is tried again.
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let mut child = Command::new(program)
                .args(arguments(address))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap();
            if answers(&mut child, &format!("http://{address}{path}")).await {
                return Self {
                    address,
                    _child: child,
                };
            }
        }
        panic!("{program:?} did not start");
    }
}

async fn answers(child: &mut Child, url: &str) -> bool {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let answer = reqwest::get(url).await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{url} does not answer");
}

/// Hands connections on to a server, unless it is cut: then it ends those that there are, and every
/// new one at once.
pub struct Gate {
    pub address: SocketAddr,
    open: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
}

impl Gate {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, state) = watch::channel(true);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(hand_on(client, server, state.clone()));
            }
        });
        Self {
            address,
            open,
            connections,
        }
    }

    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    pub fn mend(&self) {
        self.open.send_replace(true);
    }

    /// How many connections were ever attempted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn hand_on(mut client: TcpStream, server: SocketAddr, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        // A sender that is gone ends the connection as well.
        _ = open.wait_for(|open| !open) => {}
    }
}
