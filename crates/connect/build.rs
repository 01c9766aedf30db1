//! Rebuilds the crate when a provider file is added or removed: `include_dir!` alone notices only
//! changes to files it has already seen.

fn main() {
    println!("cargo:rerun-if-changed=../../catalogue/providers");
}
