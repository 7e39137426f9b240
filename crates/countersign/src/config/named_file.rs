//! Files that settings name and that are read when the server starts.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::{ConfigError, shown};
use super::files::{FileContent, Files};
use super::place::Place;

/// A file that a setting names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The setting.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What named it, for errors.
    pub place: Place,
}

impl NamedFile {
    /// An error about this file. `problem` is a predicate whose subject is the file.
    pub fn wrong(&self, problem: impl Into<Box<str>>) -> ConfigError {
        let error = ConfigError::new(self.key, self.place.clone(), problem);
        ConfigError { value: Some(shown(&self.path.to_string_lossy())), ..error }
    }

    /// The file's content.
    ///
    /// # Errors
    /// A file that is not there or cannot be read.
    pub fn read(&self, files: &dyn Files) -> Result<FileContent, ConfigError> {
        files.read(&self.path).map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            self.wrong(if is_missing { "does not exist".to_owned() } else { format!("cannot be read: {error}") })
        })
    }

    /// The same for a file that only its owner may have access to.
    ///
    /// # Errors
    /// A file that is not there, cannot be read, or is open to other users.
    pub fn read_private(&self, files: &dyn Files) -> Result<FileContent, ConfigError> {
        let content = self.read(files)?;
        match content.unix_mode.filter(|mode| mode & 0o077 != 0) {
            Some(mode) => Err(self
                .wrong(format!("is open to other users (mode {mode:04o})"))
                .with_fix(format!("run chmod 600 {}", shell_word(&self.path)))),
            None => Ok(content),
        }
    }

    /// The certificates in a PEM file, at least one.
    ///
    /// # Errors
    /// A file that is not there, cannot be read, or is not PEM with a certificate in it.
    pub fn read_certificates(&self, files: &dyn Files) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
        let content = self.read(files)?;
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content.text.expose().as_bytes()).collect();
        match parsed {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.wrong("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")),
            Err(error) => Err(self.wrong(format!("is not valid PEM: {error}"))),
        }
    }
}

/// A path as a word for a POSIX shell.
pub(super) fn shell_word(path: &Path) -> String {
    let text = shown(&path.to_string_lossy());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if is_plain { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(shell_word(Path::new("/a/b.key")), "/a/b.key");
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
