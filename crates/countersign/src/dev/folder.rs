//! The data folder: kept, or temporary.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// A folder that exists; a temporary one is deleted with the value.
pub(super) enum DataFolder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl DataFolder {
    pub(super) fn open(path: &Path, ephemeral: bool) -> anyhow::Result<Self> {
        if ephemeral {
            return Ok(Self::Temporary(tempfile::Builder::new().prefix("countersign-").tempdir()?));
        }
        let cannot = || format!("cannot use {} as the data folder", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(cannot)?;
        // The folder holds secrets and lies in somebody's checkout.
        fs::write(path.join(".gitignore"), "*\n").with_context(cannot)?;
        Ok(Self::Kept(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
