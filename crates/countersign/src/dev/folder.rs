//! The data folder: kept, or temporary.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// A folder that exists; a temporary one is deleted with the value.
pub(super) enum DataFolder {
    Kept(PathBuf),
    Temporary(TempDir),
}

/// The folder holds secrets and lies in somebody's checkout. A file that is there
/// already is somebody else's.
fn keep_out_of_git(folder: &Path) -> io::Result<()> {
    match File::create_new(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

impl DataFolder {
    pub(super) fn open(path: &Path, ephemeral: bool) -> anyhow::Result<Self> {
        if ephemeral {
            return Ok(Self::Temporary(tempfile::Builder::new().prefix("countersign-").tempdir()?));
        }
        let cannot = || format!("cannot use {} as the data folder", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(cannot)?;
        keep_out_of_git(path).with_context(cannot)?;
        Ok(Self::Kept(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
