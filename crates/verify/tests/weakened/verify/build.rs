//! Compiles the sources of another crate with checks that a test can switch off.

use std::{fs, io};

/// The manifest of the crate that the sources belong to.
const MANIFEST: &str = "../../../Cargo.toml";

fn main() -> io::Result<()> {
    let manifest = fs::read_to_string(MANIFEST)?;
    let features: Vec<_> = features(&manifest).map(|name| format!("{name:?}")).collect();
    println!("cargo::rustc-cfg=weakened");
    println!("cargo::rustc-check-cfg=cfg(feature, values({}))", features.join(", "));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={MANIFEST}");
    Ok(())
}

/// Names of the features in `manifest`: the sources ask for each of them, and this
/// package declares only those that the test needs.
fn features(manifest: &str) -> impl Iterator<Item = &str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = ["))
        .map(|(name, _)| name)
}
