//! A folder that is removed at the end.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{print, process};

/// A file system in memory, on most machines.
const MEMORY: &str = "/dev/shm";
/// Below it, the disk is used.
const MIN_FREE_MEBIBYTES: u64 = 2_048;

pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    /// Creates it, for this user only.
    pub(crate) fn create(purpose: &str) -> Result<Self> {
        Self::create_below(&std::env::temp_dir(), purpose)
    }

    /// The same in memory if there is room: thousands of files that are soon deleted take a
    /// file system on a disk longer than everything that is done with them.
    pub(crate) fn create_in_memory(purpose: &str) -> Result<Self> {
        let memory = Path::new(MEMORY);
        if free_mebibytes(memory).is_some_and(|free| free >= MIN_FREE_MEBIBYTES) {
            return Self::create_below(memory, purpose);
        }
        Self::create(purpose)
    }

    fn create_below(parent: &Path, purpose: &str) -> Result<Self> {
        let path = parent.join(format!("countersign-{purpose}-{}", random_hex()?));
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

fn free_mebibytes(folder: &Path) -> Option<u64> {
    let said = process::read(Command::new("df").args(["--block-size=M", "--output=avail"]).arg(folder)).ok()?;
    said.lines().last()?.trim().trim_end_matches('M').parse().ok()
}

/// 128 random bits.
pub(crate) fn random_hex() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
