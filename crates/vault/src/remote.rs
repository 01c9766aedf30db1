//! What calls to any provider over a network have in common: few and short attempts, and a circuit
//! that spares a provider in trouble, and those who wait for it.

use std::time::{Duration, Instant};

use crate::circuit::Circuit;
use crate::provider::{Failure, ProviderError};

/// How long one attempt may take altogether.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(2);

/// What is waited, give or take a half, before the second and the third attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// Makes a call up to three times, as long as its failure may pass and the circuit is closed.
pub(crate) async fn attempt<T, F>(
    circuit: &Circuit,
    provider: &str,
    call: impl Fn() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<T, ProviderError>>,
{
    let mut pauses = PAUSES.into_iter();
    loop {
        if !circuit.admits(Instant::now()) {
            return Err(ProviderError::Unreachable {
                provider: provider.to_owned(),
                cause: None,
            });
        }
        let outcome = call().await;
        match &outcome {
            Err(ProviderError::Unreachable { .. }) => circuit.failed(Instant::now()),
            _ => circuit.answered(),
        }
        let passing = matches!(&outcome, Err(error) if error.failure() == Failure::Passing);
        let Some(pause) = pauses.next().filter(|_| passing) else {
            return outcome;
        };
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
    }
}

/// The unreachable provider, with the cause for the log.
pub(crate) fn unreachable(
    provider: String,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> ProviderError {
    ProviderError::Unreachable {
        provider,
        cause: Some(Box::new(cause)),
    }
}
