//! Builds the `countersign` program that the tests start.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{process, workspace};

/// Builds it together with the tests, so that their dependencies are compiled once. Returns a copy: a later build may
/// replace the original while it runs.
pub(crate) fn build() -> Result<PathBuf> {
    process::run(&mut process::cargo(["test", "--workspace", "--all-features", "--no-run"]))?;
    let original = workspace::target()?.join("debug/countersign");
    let copy = workspace::scratch()?.join("countersign");
    // Removed first: one that still runs cannot be written to.
    let _ = fs::remove_file(&copy);
    fs::copy(&original, &copy).with_context(|| format!("cannot copy {}", original.display()))?;
    Ok(copy)
}
