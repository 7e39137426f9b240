//! A folder that is removed at the end.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::print;

pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates it, for this user only.
    pub(crate) fn create(purpose: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("countersign-{purpose}-{}", random_hex()?));
        DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            print::error(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}

/// 128 random bits.
pub(crate) fn random_hex() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
