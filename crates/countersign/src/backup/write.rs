//! Taking a backup, while the instance serves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use countersign_protocol::Timestamp;
use countersign_protocol::jose::base64url;
use serde::Serialize;

use super::format::{BackupError, Footer, Header, Line};
use crate::instance;
use crate::store::{Store, StoreError};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub rows: u64,
}

/// Writes a backup to a file, which appears under its name only when it is whole.
/// `progress` hears of every table.
///
/// # Errors
/// [`BackupError`]; no file is left then.
pub async fn write(
    store: &Store,
    now: Timestamp,
    path: &Path,
    progress: impl FnMut(&str) + Send + 'static,
) -> Result<Written, BackupError> {
    let partial = path.with_extension("partial");
    let written = write_partial(store, now, &partial, progress).await;
    let renamed = written.and_then(|written| {
        fs::rename(&partial, path).map_err(|source| BackupError::File { action: "write", path: path.to_owned(), source })?;
        Ok(written)
    });
    if renamed.is_err() {
        // Why it failed matters more than what is left of it.
        let _ = fs::remove_file(&partial);
    }
    renamed
}

async fn write_partial(
    store: &Store,
    now: Timestamp,
    partial: &Path,
    mut progress: impl FnMut(&str) + Send + 'static,
) -> Result<Written, BackupError> {
    let check = store.read(|session| Box::pin(async move { session.find_fact(instance::KEY_CHECK).await }));
    let check = check.await.map_err(|error: StoreError| error)?.ok_or(BackupError::NotSetUp)?;
    let mut file = HashedFile::create(partial)?;
    file.line(&Header::new(now, Store::newest_schema(), check))?;
    let file = Arc::new(Mutex::new(file));
    let shared = Arc::clone(&file);
    let dumped = store.dump(move |part| {
        let mut file = shared.lock().unwrap_or_else(PoisonError::into_inner);
        for line in Line::lines_of(part) {
            if let Line::Table { name, .. } = &line {
                progress(name);
            }
            file.line(&line)?;
        }
        Ok::<_, BackupError>(())
    });
    dumped.await?;
    file.lock().unwrap_or_else(PoisonError::into_inner).finish()
}

/// A file that knows the hash of what was written to it.
struct HashedFile {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Context,
    rows: u64,
}

impl HashedFile {
    fn create(path: &Path) -> Result<Self, BackupError> {
        let created = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let file = created.map_err(|source| BackupError::File { action: "create", path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), hash: Context::new(&SHA256), rows: 0 })
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), BackupError> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| self.failed(error.into()))?;
        bytes.push(b'\n');
        self.rows += u64::from(bytes.starts_with(b"{\"row\""));
        self.hash.update(&bytes);
        self.file.write_all(&bytes).map_err(|source| self.failed(source))
    }

    fn finish(&mut self) -> Result<Written, BackupError> {
        let sha256 = base64url::encode(self.hash.clone().finish().as_ref());
        let rows = self.rows;
        self.line(&Line::End(Footer { rows, sha256 }))?;
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|source| self.failed(source))?;
        Ok(Written { rows })
    }

    fn failed(&self, source: io::Error) -> BackupError {
        BackupError::File { action: "write", path: self.path.clone(), source }
    }
}
