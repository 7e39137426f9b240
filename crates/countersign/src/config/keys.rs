//! `[keys]`: the master key, which encrypts every key in the database.

use std::io;
use std::path::{Path, PathBuf};

use countersign_protocol::Secret;
use countersign_protocol::jose::base64url;

use super::error::{ConfigError, Refusal, shown};
use super::files::{FileContent, Files};
use super::named_file::shell_word;
use super::place::{Layer, Place};
use super::reader::{Reader, SecretSource};
use super::setting::{Fallback, Kind, Section, Setting};
use super::storage::{self, StorageUrl};

/// Bytes of a master key.
pub const MASTER_KEY_LENGTH: usize = 32;

/// The master key.
pub type MasterKeyBytes = Secret<[u8; MASTER_KEY_LENGTH]>;

/// Where the master key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysConfig {
    /// The one source of the master key.
    pub master_key: MasterKeySource,
    /// The file of the master key before it, while it is being replaced.
    pub previous_master_key: Option<MasterKeySource>,
}

/// The one source of the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file, read by [`load_master_key`].
    File {
        /// The file.
        path: PathBuf,
        /// The setting that names it, for errors.
        setting: &'static str,
        /// What named it, for errors.
        place: Place,
    },
    /// The key itself.
    Value(MasterKeyBytes),
}

pub(super) static SECTION: Section = Section {
    name: "keys",
    doc: "The master key, which encrypts every key in the database. Every node uses the same one; without it the database is worthless.",
    settings: &[&MASTER_KEY, &MASTER_KEY_FILE, &PREVIOUS_MASTER_KEY_FILE],
};

static MASTER_KEY: Setting = Setting {
    key: "keys.master_key",
    kind: Kind::Secret { form: "32 bytes in base64url without padding, 43 characters" },
    default: Fallback::Unset,
    doc: "The master key itself, for platforms that hand secrets over in the environment; not accepted in the configuration file. Prefer `keys.master_key_file`.",
};

static MASTER_KEY_FILE: Setting = Setting {
    key: "keys.master_key_file",
    kind: Kind::Path,
    default: Fallback::Derived(
        "`master.key` beside a SQLite database; none with PostgreSQL, where this or `keys.master_key` is required",
    ),
    doc: "File that holds the master key: 32 bytes in base64url without padding; one newline at its end is ignored. \
          `countersign init` creates it. Only its owner may have access to it (mode 0600 or 0400).",
};

static PREVIOUS_MASTER_KEY_FILE: Setting = Setting {
    key: "keys.previous_master_key_file",
    kind: Kind::Path,
    default: Fallback::Unset,
    doc: "File that holds the master key before this one, while it is being replaced: a node that has both opens what either has sealed. \
          Remove it after `countersign master-key rewrap`.",
};

impl KeysConfig {
    pub(super) fn read(reader: &mut Reader<'_>, database: Option<&StorageUrl>) -> Option<Self> {
        let master_key = match reader.secret_source(&MASTER_KEY, &MASTER_KEY_FILE) {
            SecretSource::File(path) => Some(file_source(reader, &MASTER_KEY_FILE, path)),
            SecretSource::Neither => default_source(reader, database?),
            SecretSource::Refused => None,
            SecretSource::Value => value_source(reader),
        };
        let previous_master_key =
            reader.path(&PREVIOUS_MASTER_KEY_FILE).map(|path| file_source(reader, &PREVIOUS_MASTER_KEY_FILE, path));
        Some(Self { master_key: master_key?, previous_master_key })
    }

    /// The file of the master key, where it comes from one.
    pub fn master_key_file(&self) -> Option<&Path> {
        match &self.master_key {
            MasterKeySource::File { path, .. } => Some(path),
            MasterKeySource::Value(_) => None,
        }
    }
}

/// Loads a master key. Separate from loading the configuration, because a key
/// that does not exist yet is no fault of the configuration.
///
/// # Errors
/// A file that is missing, open to others, or holds no key.
pub fn load_master_key(source: &MasterKeySource, files: &dyn Files) -> Result<MasterKeyBytes, ConfigError> {
    match source {
        MasterKeySource::Value(key) => Ok(key.clone()),
        MasterKeySource::File { path, setting, place } => {
            let wrong = |problem: &str| wrong_file(path, setting, place, problem);
            let content = files.read(path).map_err(|error| unreadable(&error, wrong))?;
            read_key(path, &content, wrong)
        }
    }
}

fn file_source(reader: &Reader<'_>, setting: &'static Setting, path: PathBuf) -> MasterKeySource {
    MasterKeySource::File { path, setting: setting.key, place: reader.place(setting) }
}

/// The configuration file is shared, copied and committed too easily to hold the
/// key to everything.
fn value_source(reader: &mut Reader<'_>) -> Option<MasterKeySource> {
    let place = reader.place(&MASTER_KEY);
    if place.layer() == Layer::File {
        let error = ConfigError::new(MASTER_KEY.key, place, "must not stand in the configuration file");
        let fix = format!("set {}, or {} in the environment", MASTER_KEY_FILE.key, MASTER_KEY.variable());
        reader.refuse(error.with_fix(fix));
        return None;
    }
    reader.value(&MASTER_KEY, parse_refusing).map(MasterKeySource::Value)
}

fn default_source(reader: &mut Reader<'_>, database: &StorageUrl) -> Option<MasterKeySource> {
    match database {
        StorageUrl::Sqlite { path } => {
            let path = path.with_file_name("master.key");
            reader.derive(&MASTER_KEY_FILE, &path.to_string_lossy());
            Some(MasterKeySource::File { path, setting: MASTER_KEY_FILE.key, place: Place::Default })
        }
        StorageUrl::Postgres { .. } => {
            let fix =
                format!("name a file that holds the same key on every node, or set {} in the environment", MASTER_KEY.variable());
            let error = ConfigError::of(&MASTER_KEY_FILE, &reader.place(&storage::URL), "is required with PostgreSQL");
            reader.refuse(error.with_fix(fix));
            None
        }
    }
}

fn read_key(path: &Path, content: &FileContent, wrong: impl Fn(&str) -> ConfigError) -> Result<MasterKeyBytes, ConfigError> {
    if let Some(mode) = content.unix_mode.filter(|mode| mode & 0o077 != 0) {
        let error = wrong(&format!("is open to other users (mode {mode:04o})"));
        return Err(error.with_fix(format!("run chmod 600 {}", shell_word(path))));
    }
    parse(content.without_newline())
        .ok_or_else(|| ConfigError { accepted: Some(MASTER_KEY.kind.accepted().into()), ..wrong("holds no master key") })
}

fn unreadable(error: &io::Error, wrong: impl Fn(&str) -> ConfigError) -> ConfigError {
    if error.kind() == io::ErrorKind::NotFound {
        return wrong("does not exist")
            .with_fix("run countersign init for a new database; an existing one needs the key that it was created with");
    }
    wrong(&format!("cannot be read: {error}"))
}

fn wrong_file(path: &Path, setting: &'static str, place: &Place, problem: &str) -> ConfigError {
    let error = ConfigError::new(setting, place.clone(), problem);
    ConfigError { value: Some(shown(&path.to_string_lossy())), ..error }
}

fn parse_refusing(text: &str) -> Result<MasterKeyBytes, Refusal> {
    parse(text).ok_or_else(|| Refusal::new("is no master key"))
}

fn parse(text: &str) -> Option<MasterKeyBytes> {
    let bytes = Secret::new(base64url::decode(text)?);
    bytes.expose().as_slice().try_into().ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{KEY, MemoryFiles};
    use super::*;

    fn from_file() -> MasterKeySource {
        MasterKeySource::File { path: PathBuf::from("/etc/cs/master.key"), setting: MASTER_KEY_FILE.key, place: Place::Default }
    }

    fn load_with(mode: u32, text: &str) -> Result<MasterKeyBytes, ConfigError> {
        load_master_key(&from_file(), &MemoryFiles::new().with_mode("/etc/cs/master.key", text, mode))
    }

    #[test]
    fn a_key_file_of_the_owner_alone_is_loaded() {
        for mode in [0o600, 0o400] {
            assert_eq!(load_with(mode, &format!("{KEY}\n")).unwrap().expose(), &[7; 32]);
        }
    }

    #[test]
    fn a_key_file_that_others_may_touch_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o610] {
            assert!(load_with(mode, KEY).is_err(), "{mode:o}");
        }
        assert_eq!(
            load_with(0o644, KEY).unwrap_err().to_string(),
            "default: keys.master_key_file: `/etc/cs/master.key` is open to other users (mode 0644)\n  fix: run chmod 600 /etc/cs/master.key"
        );
    }

    #[test]
    fn a_file_without_a_key_is_refused_without_repeating_it() {
        for text in ["", "hunter2", &format!("{KEY}="), &format!(" {KEY}"), &format!("{KEY}\n\n"), "AAAA"] {
            let error = load_with(0o600, text).unwrap_err();
            assert_eq!(&*error.problem, "holds no master key");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_missing_file_points_to_init() {
        let error = load_master_key(&from_file(), &MemoryFiles::new()).unwrap_err();
        assert_eq!(&*error.problem, "does not exist");
        assert!(error.fix.unwrap().starts_with("run countersign init"));
    }
}
