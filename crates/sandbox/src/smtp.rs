//! A mail server that keeps what it is given: the protocol of RFC 5321 as far as a client that only
//! submits mail needs it, strict about order, line ends and lengths. Nothing it takes leaves it.

mod mailbox;
mod session;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

pub use mailbox::Letter;
use mailbox::Mailbox;

/// A running mail server on loopback. Dropping it ends it.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    mailbox: Arc<Mailbox>,
    server: JoinHandle<()>,
}

impl SmtpSink {
    /// Binds the address (port 0 for a free one) and begins to take mail.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mailbox = Arc::new(Mailbox::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&mailbox)));
        Ok(Self {
            address,
            mailbox,
            server,
        })
    }

    /// What a client takes as its server's URL.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it was given, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.mailbox.letters()
    }

    /// Lets a user sign in with this password, instead of the one before; `None` lets nobody of the
    /// name in any more. A server without users offers no sign-in.
    pub fn user(&self, name: &str, password: Option<&str>) {
        self.mailbox.user(name, password);
    }

    /// Refuses the next letters with this reply, as in `451 try again later`.
    pub fn refuse(&self, reply: &str, times: usize) {
        self.mailbox.refuse(reply, times);
    }

    /// The first letter that satisfies the predicate, waiting up to `within` for it.
    pub async fn wait_for(
        &self,
        predicate: impl Fn(&Letter) -> bool,
        within: Duration,
    ) -> Option<Letter> {
        self.mailbox.wait_for(predicate, within).await
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, mailbox: Arc<Mailbox>) {
    let mut sessions = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while sessions.try_join_next().is_some() {}
                sessions.spawn(session::run(stream, Arc::clone(&mailbox)));
            }
            Err(error) => {
                tracing::warn!(%error, "the mail server stopped taking connections");
                return;
            }
        }
    }
}
