//! Reading files, behind a trait so that tests need no disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use countersign_protocol::Secret;

/// Largest file that is read: a configuration or a secret is never larger.
const MAX_BYTES: u64 = 1 << 20;

/// A source of small text files.
pub trait Files {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Whatever the file system says; `InvalidData` for a file that is too large or not UTF-8.
    fn read(&self, path: &Path) -> io::Result<FileContent>;
}

/// A file that was read. Any of them may hold a secret.
#[derive(Debug)]
pub struct FileContent {
    /// Its text.
    pub text: Secret<String>,
    /// Its permission bits, where the platform has them.
    pub unix_mode: Option<u32>,
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        // Mode and content come from the same open file, so that a file which is
        // swapped in between cannot be read under the mode of another.
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is larger than 1 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8"))?;
        Ok(FileContent { text: Secret::new(text), unix_mode: unix_mode(&metadata) })
    }
}

impl FileContent {
    /// The text without one trailing newline, which most editors add.
    pub(super) fn without_newline(&self) -> &str {
        let text = self.text.expose();
        text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)
    }
}

#[cfg(unix)]
fn unix_mode(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn unix_mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_dropped() {
        for (text, value) in [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("", "")] {
            let content = FileContent { text: Secret::new(text.to_owned()), unix_mode: None };
            assert_eq!(content.without_newline(), value, "{text:?}");
        }
    }

    #[test]
    fn an_oversized_or_binary_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for bytes in [vec![b'a'; (1 << 20) + 1], vec![0xff]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Disk.read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
