//! Keys are replaced by the clock as well: every serving node looks, and one of them does it.

use std::{fmt, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::Tokens;

const LOOK: Duration = Duration::from_secs(60 * 60);

/// Looks after the signing keys. Dropping it ends that.
pub struct KeySchedule {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl fmt::Debug for KeySchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySchedule")
    }
}

impl KeySchedule {
    /// Makes the first key, and later ones when they are due.
    pub fn start(tokens: &Tokens) -> Self {
        let tokens = tokens.clone();
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            loop {
                match tokens.rotate_if_due().await {
                    Ok(true) => tracing::info!("another key signs tokens from now on"),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(cause = ?error, "signing keys can't be looked after");
                    }
                }
                // A change, and the sender's end, are both a reason to end.
                if tokio::time::timeout(LOOK, stopped.changed()).await.is_ok() {
                    return;
                }
            }
        });
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(cause = ?error, "looking after the signing keys broke");
        }
    }
}
