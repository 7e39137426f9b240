//! Reading a backup: first all of it, to know that it is whole, then to use it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use countersign_protocol::jose::base64url;

use super::format::{BackupError, Header, Line};

/// A backup that is being read.
pub(super) struct Reader {
    path: PathBuf,
    lines: BufReader<File>,
    hash: Context,
    rows: u64,
}

/// Reads a whole backup and says what it is.
///
/// # Errors
/// [`BackupError`] unless it is whole.
pub fn inspect(path: &Path) -> Result<Header, BackupError> {
    let (header, mut reader) = Reader::open(path)?;
    while reader.next()?.is_some() {}
    Ok(header)
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<(Header, Self), BackupError> {
        let file = File::open(path).map_err(|source| BackupError::File { action: "read", path: path.to_owned(), source })?;
        let mut reader = Self { path: path.to_owned(), lines: BufReader::new(file), hash: Context::new(&SHA256), rows: 0 };
        let first = reader.line()?.unwrap_or_default();
        let header: Option<Header> = serde_json::from_slice(&first).ok();
        let header = header.filter(Header::is_ours).ok_or_else(|| reader.broken("it does not begin like one"))?;
        reader.hash.update(&first);
        Ok((header, reader))
    }

    /// The next line before the end; `None` at the end, if everything fits.
    pub(super) fn next(&mut self) -> Result<Option<Line>, BackupError> {
        let bytes = self.line()?.ok_or_else(|| self.broken("it ends too early"))?;
        let line: Line = serde_json::from_slice(&bytes).map_err(|error| self.broken(&error.to_string()))?;
        if let Line::End(footer) = &line {
            let hash = base64url::encode(self.hash.clone().finish().as_ref());
            if footer.rows != self.rows || footer.sha256 != hash {
                return Err(self.broken("it was changed: its hash does not fit"));
            }
            return Ok(None);
        }
        self.rows += u64::from(matches!(line, Line::Row(_)));
        self.hash.update(&bytes);
        Ok(Some(line))
    }

    pub(super) fn broken(&self, reason: &str) -> BackupError {
        BackupError::Broken { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let mut bytes = Vec::new();
        let read = self.lines.read_until(b'\n', &mut bytes);
        read.map_err(|source| BackupError::File { action: "read", path: self.path.clone(), source })?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}
