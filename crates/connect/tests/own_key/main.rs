//! Tenants' own key-encryption keys against the servers that hold them: a Transit server
//! (`TRANSIT_SERVER` names the program, which scripts/transit-server finds or builds) and moto, which
//! simulates AWS KMS (`JUDGES_PYTHON` names a Python that has it). ./check sets both.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[cfg(feature = "aws-kms")]
mod aws;
mod bao;
mod changes;
#[cfg(feature = "aws-kms")]
#[path = "../../../vault/tests/providers/moto.rs"]
mod moto;
mod outages;
mod rotation;
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#[path = "../../../vault/tests/providers/bao.rs"]
mod server;
#[allow(dead_code, reason = "the vault's own tests use all of it")]
#[path = "../../../vault/tests/providers/support.rs"]
mod support;
mod world;
