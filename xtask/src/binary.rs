//! Builds the `countersign` program that the tests start.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// Builds it with its default features, as it is shipped, and the examples. Returns a copy: `cargo test`, which
/// builds with all features, replaces the original.
pub(crate) fn build() -> Result<PathBuf> {
    process::run(&mut process::cargo(["build", "--package", "countersign", "--bin", "countersign"]))?;
    if workspace::root().join("crates/countersign/examples").is_dir() {
        process::run(&mut process::cargo(["build", "--package", "countersign", "--examples"]))?;
    }
    let original = workspace::target()?.join("debug/countersign");
    let copy = workspace::scratch()?.join("countersign");
    // Removed first: one that still runs cannot be written to.
    let _ = fs::remove_file(&copy);
    fs::copy(&original, &copy).with_context(|| format!("cannot copy {}", original.display()))?;
    Ok(copy)
}
