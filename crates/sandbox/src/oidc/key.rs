//! The issuer's keys: RSA and elliptic curve in turn, so that clients meet both.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256},
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Value, json};

use crate::lock;

/// Keys by number. Making an RSA key takes a while, so one process makes each once.
static KEYS: LazyLock<Mutex<HashMap<u32, SigningKey>>> = LazyLock::new(Mutex::default);

/// A key and the name by which it is published.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    pub id: String,
    pair: Pair,
}

#[derive(Clone, Debug)]
enum Pair {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl SigningKey {
    pub fn number(number: u32) -> Self {
        let keys = &mut *lock(&KEYS);
        keys.entry(number)
            .or_insert_with(|| Self::make(number))
            .clone()
    }

    fn make(number: u32) -> Self {
        let pair = if number.is_multiple_of(2) {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048);
            Pair::Rsa(Arc::new(pair.expect("the machine has memory for a key")))
        } else {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
            Pair::Ec(Arc::new(pair.expect("the machine has memory for a key")))
        };
        Self {
            id: format!("key-{number}"),
            pair,
        }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    /// As a JWK (RFC 7517, RFC 7518 §6).
    pub fn public(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                    "e": text(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 4, then the two coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
        };
        key["kid"] = self.id.clone().into();
        key["use"] = "sig".into();
        key["alg"] = self.algorithm().into();
        key
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("the buffer has the signature's length");
                signature
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&random, message);
                signature
                    .expect("a key of this curve signs")
                    .as_ref()
                    .to_vec()
            }
        }
    }
}
