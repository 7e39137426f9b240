//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The suite of third-party client libraries.
pub(crate) fn clients() -> PathBuf {
    root().join("tests/clients")
}

/// Cargo's target folder: this program runs from `{target}/{profile}/xtask`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of xtask itself")?;
    let target = program.parent().and_then(Path::parent).context("xtask is not in a target folder")?;
    Ok(target.to_owned())
}

/// A folder under the target folder for what the tasks themselves write.
pub(crate) fn scratch() -> Result<PathBuf> {
    let folder = target()?.join("xtask");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
