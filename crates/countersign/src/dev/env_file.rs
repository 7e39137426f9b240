//! The env file: `NAME=value` lines that a shell, a script or a test reads.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use countersign_protocol::Secret;

/// Names and values; some are secrets.
pub(crate) struct EnvFile(Secret<String>);

impl EnvFile {
    /// Its name in the data folder.
    pub(crate) const NAME: &str = "dev.env";

    pub(super) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let lines: String = pairs.into_iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        Self(Secret::new(lines))
    }

    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        fs::read_to_string(path).map(|text| Self(Secret::new(text)))
    }

    /// The value of `name`.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.expose().lines().filter_map(|line| line.split_once('=')).find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Whether a file of this kind may be written over what is at `path`: nothing,
    /// or an earlier one.
    pub(super) fn may_replace(path: &Path) -> bool {
        match Self::read(path) {
            Ok(existing) => existing.find("BASE_URL").is_some() && existing.find("CLIENT_ID").is_some(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Writes the file, readable by its owner only, all of it or nothing: its
    /// appearance means that everything runs.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let unfinished = tempfile::Builder::new().prefix(".dev.env.").make_in(folder, |path| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(self.0.expose().as_bytes())
        })?;
        unfinished.persist(path).map_err(|error| error.error)
    }
}
