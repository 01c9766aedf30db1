//! Passwords: which are taken, and their Argon2id hashes.
//!
//! Parameters are OWASP's (Password Storage Cheat Sheet, "Argon2id": 19 MiB, 2 iterations, 1 lane).
//! A hash takes a blocking thread and one of a few permits, so that a flood of sign-ins takes
//! neither all the memory nor all the threads.

use std::{sync::LazyLock, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use kernel::{Error, Result, secret::Secret};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Email;

const MEMORY_KIB: u32 = 19 * 1024;
const ITERATIONS: u32 = 2;
const LANES: u32 = 1;

const SHORTEST: usize = 10;
const LONGEST: usize = 256;

/// How long a request waits for its turn before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// What people choose most, without what they put behind it: a password that is one of these and a
/// tail of digits and signs is among the first that anybody tries.
const COMMON: &[&str] = &[
    "abc",
    "abcdef",
    "abcdefghij",
    "admin",
    "administrator",
    "asdfghjkl",
    "baseball",
    "changeme",
    "default",
    "dragon",
    "football",
    "freehold",
    "iloveyou",
    "letmein",
    "login",
    "master",
    "monkey",
    "pass",
    "password",
    "passwort",
    "princess",
    "qazwsx",
    "qwer",
    "qwerty",
    "qwertyuiop",
    "secret",
    "starwars",
    "sunshine",
    "superman",
    "test",
    "trustno",
    "welcome",
    "whatever",
    "zaqxsw",
    "zxcvbnm",
];

/// What was found of a presented password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub right: bool,
    /// The stored hash was made with other parameters than today's.
    pub outdated: bool,
}

#[derive(Debug)]
pub(crate) struct Passwords {
    permits: Semaphore,
}

impl Passwords {
    pub fn new() -> Self {
        let at_a_time = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            permits: Semaphore::new(at_a_time),
        }
    }

    pub async fn hash(&self, password: &Secret) -> Result<String> {
        let _turn = self.turn().await?;
        let password = password.clone();
        blocking(move || make(&password)).await?
    }

    /// Compares with a stored hash. Without one the same work is done on a hash that nothing
    /// matches, so that the time does not tell whether there is an account.
    pub async fn verify(&self, password: &Secret, stored: Option<String>) -> Result<Verdict> {
        static NOBODYS: LazyLock<Result<String>> = LazyLock::new(|| make(&Secret::new("nobody's")));
        let _turn = self.turn().await?;
        let password = password.clone();
        blocking(move || {
            let known = stored.is_some();
            let hash = match (&stored, &*NOBODYS) {
                (Some(hash), _) | (None, Ok(hash)) => hash,
                (None, Err(error)) => return Err(Error::internal(NoHash(error.to_string()))),
            };
            let parsed = PasswordHash::new(hash).map_err(refused)?;
            let made_with = Params::try_from(&parsed).map_err(refused)?;
            let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
            let outdated = costs(&made_with) != costs(&params()?);
            let matches = Argon2::default()
                .verify_password(password.expose().as_bytes(), &parsed)
                .is_ok();
            Ok(Verdict {
                right: matches && known,
                outdated,
            })
        })
        .await?
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        match tokio::time::timeout(PATIENCE, self.permits.acquire()).await {
            Ok(permit) => permit.map_err(Error::internal),
            Err(_) => Err(Error::RateLimited { retry_after: 10 }),
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)
}

#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
struct NoHash(String);

fn refused(error: impl std::fmt::Display) -> Error {
    Error::internal(NoHash(error.to_string()))
}

fn params() -> Result<Params> {
    Params::new(MEMORY_KIB, ITERATIONS, LANES, None).map_err(refused)
}

fn make(password: &Secret) -> Result<String> {
    use rand::RngExt;
    let salt: [u8; 16] = rand::rng().random();
    let hash: PasswordHash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?)
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(refused)?;
    Ok(hash.to_string())
}

/// Refuses passwords that are guessed first.
pub(crate) fn check(password: &Secret, email: &Email) -> Result<()> {
    let text = password.expose();
    let length = text.chars().count();
    let problem = if !(SHORTEST..=LONGEST).contains(&length) {
        Some(format!("must have from {SHORTEST} to {LONGEST} characters"))
    } else if is_common(text) {
        Some("is among the first that anybody tries; a few words in a row are better".to_owned())
    } else if resembles(text, email) {
        Some("must not be the e-mail address".to_owned())
    } else {
        None
    };
    problem.map_or(Ok(()), |problem| Err(Error::field("password", problem)))
}

fn is_common(text: &str) -> bool {
    let lower = text.to_lowercase();
    let stem = lower.trim_matches(|character: char| !character.is_alphabetic());
    let mut kinds: Vec<char> = lower.chars().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let repeated = |word: &str| !word.is_empty() && lower.replace(word, "").is_empty();
    let climbs = lower
        .as_bytes()
        .windows(2)
        .filter(|pair| pair[1].wrapping_sub(pair[0]) == 1 || pair[0].wrapping_sub(pair[1]) == 1)
        .count();
    kinds.len() < 4
        || stem.is_empty() && lower.chars().all(|character| character.is_ascii_digit())
        || climbs + 2 >= lower.len()
        || COMMON.contains(&stem)
        || COMMON.iter().any(|word| repeated(word))
}

fn resembles(text: &str, email: &Email) -> bool {
    let lower = text.to_lowercase();
    let local = email.normal().split('@').next().unwrap_or_default();
    let stem = lower.trim_end_matches(|character: char| !character.is_alphabetic());
    lower == email.normal() || lower == local || stem == local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email() -> Email {
        Email::parse("ada.lovelace@example.com").expect("an address")
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        let long = "x7!".repeat(86);
        for refused in [
            "short",
            "ninechars",
            "password123",
            "Password!2024",
            "passwordpassword",
            "1234567890",
            "0987654321",
            "7391846205",
            "aaaaaaaaaaaa",
            "abababababab",
            "abcdefghijkl",
            "Qwertyuiop1!",
            "ada.lovelace@example.com",
            "Ada.Lovelace1",
            &long,
        ] {
            let error = check(&Secret::new(refused), &email()).expect_err(refused);
            assert_eq!(error.code(), "invalid_request");
            assert!(!error.to_string().contains(refused));
        }
        for taken in [
            "correct horse battery",
            "tr0ub4dor&three",
            "pässwörter sind schön",
        ] {
            assert!(check(&Secret::new(taken), &email()).is_ok(), "{taken}");
        }
    }

    #[tokio::test]
    async fn hashes_are_salted_and_match_their_password_alone() {
        let passwords = Passwords::new();
        let password = Secret::new("correct horse battery");
        let hash = passwords.hash(&password).await.expect("hashed");
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert_ne!(hash, passwords.hash(&password).await.expect("hashed"));
        let verdict = async |text: &str, hash: Option<&str>| {
            let stored = hash.map(str::to_owned);
            let verdict = passwords.verify(&Secret::new(text), stored).await;
            verdict.expect("verified")
        };
        let right = verdict("correct horse battery", Some(&hash)).await;
        assert_eq!((right.right, right.outdated), (true, false));
        assert!(!verdict("correct horse batterz", Some(&hash)).await.right);
        // Not even the password of the hash that stands in for a missing one.
        assert!(!verdict("nobody's", None).await.right);
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8 * 1024, 1, 1, None).expect("parameters"),
        );
        let hash: PasswordHash = weak
            .hash_password_with_salt(b"correct horse battery", b"0123456789abcdef")
            .expect("hashed");
        let verdict = Passwords::new()
            .verify(
                &Secret::new("correct horse battery"),
                Some(hash.to_string()),
            )
            .await
            .expect("verified");
        assert_eq!((verdict.right, verdict.outdated), (true, true));
    }
}
