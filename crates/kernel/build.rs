//! `sqlx::migrate!` reads the migrations while this crate is compiled; Cargo has to know.

#![allow(
    clippy::print_stdout,
    reason = "this is how a build script speaks to Cargo"
)]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
