//! Files and layers for tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use countersign_protocol::Secret;

use super::{ConfigErrors, ConfigFile, FileContent, Files, Loaded, Sources, load};

/// A master key: 32 times the byte 7.
pub(super) const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

pub(super) struct MemoryFiles(BTreeMap<PathBuf, (String, u32)>);

impl MemoryFiles {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn with_mode(mut self, path: &str, text: &str, mode: u32) -> Self {
        self.0.insert(PathBuf::from(path), (text.to_owned(), mode));
        self
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let (text, mode) = self.0.get(path).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))?;
        Ok(FileContent { text: Secret::new(text.clone()), unix_mode: Some(*mode) })
    }
}

/// The layers of one load. The file is `etc/countersign.toml`.
#[derive(Default)]
pub(super) struct Layers {
    file: Option<String>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    other_files: Vec<(String, String)>,
}

impl Layers {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn file(self, text: &str) -> Self {
        Self { file: Some(text.to_owned()), ..self }
    }

    pub(super) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn other_file(mut self, path: &str, text: &str) -> Self {
        self.other_files.push((path.to_owned(), text.to_owned()));
        self
    }

    pub(super) fn load(&self) -> Result<Loaded, ConfigErrors> {
        let path = "etc/countersign.toml";
        let files = self.other_files.iter().fold(MemoryFiles::new(), |files, (path, text)| files.with_mode(path, text, 0o600));
        let files = self.file.iter().fold(files, |files, text| files.with_mode(path, text, 0o644));
        let file = ConfigFile::IfPresent(Path::new(path));
        load(&Sources { file, environment: &self.environment, flags: &self.flags, files: &files })
    }

    /// The errors, one text each.
    pub(super) fn errors(&self) -> Vec<String> {
        self.load().unwrap_err().0.iter().map(ToString::to_string).collect()
    }
}
