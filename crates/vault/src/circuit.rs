//! A circuit breaker: while a provider does not answer, requests to it fail at once instead of
//! each waiting for a time-out of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open the circuit.
const THRESHOLD: u32 = 3;

/// How long an open circuit refuses, before one request may try again. It bounds how long requests
/// fail after the provider is back.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Circuit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next request may try, once there were too many failures.
    retry_at: Option<Instant>,
}

impl Circuit {
    /// Whether a request may go out now. An open circuit lets one through per pause.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.retry_at {
            Some(at) if now < at => false,
            Some(_) => {
                state.retry_at = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// The provider answered, whatever it said.
    pub(crate) fn answered(&self) {
        *self.state() = State::default();
    }

    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= THRESHOLD {
            state.retry_at = Some(now + PAUSE);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each update is whole by itself, so a poisoned lock guards a usable state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_request_try_per_pause() {
        let circuit = Circuit::default();
        let start = Instant::now();
        for _ in 0..THRESHOLD {
            assert!(circuit.admits(start));
            circuit.failed(start);
        }
        assert!(!circuit.admits(start));
        let later = start + PAUSE;
        assert!(circuit.admits(later), "one may try");
        assert!(
            !circuit.admits(later),
            "the others wait for what becomes of it"
        );
        circuit.failed(later);
        assert!(!circuit.admits(later + PAUSE / 2));
        assert!(circuit.admits(later + PAUSE));
        circuit.answered();
        assert!(circuit.admits(later + PAUSE));
        assert!(circuit.admits(later + PAUSE));
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let circuit = Circuit::default();
        let now = Instant::now();
        for _ in 0..10 {
            circuit.failed(now);
            circuit.failed(now);
            circuit.answered();
        }
        assert!(circuit.admits(now));
    }
}
