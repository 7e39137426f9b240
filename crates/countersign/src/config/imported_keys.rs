//! `[imported_keys]`: API keys that another system hashed.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// How API keys are compared that another system hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedKeysConfig {
    /// Salted hashes that are computed at once.
    pub hash_threads: usize,
}

pub(super) static SECTION: Section = Section {
    name: "imported_keys",
    doc: "API keys that another system hashed, until each was used once: from then on it has a hash of our own.",
    settings: &[&HASH_THREADS],
};

static HASH_THREADS: Setting = Setting {
    key: "imported_keys.hash_threads",
    kind: Kind::Integer { min: 1, max: 64, unit: "threads" },
    default: Fallback::Value("2"),
    doc: "How many salted hashes (bcrypt, Argon2, scrypt) are computed at once; each may take half a second and 128 MiB. 64 more wait; \
          beyond that the answer is 503.",
};

impl ImportedKeysConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { hash_threads: reader.integer(&HASH_THREADS)? })
    }
}

/// As the settings have it by default.
impl Default for ImportedKeysConfig {
    fn default() -> Self {
        Self { hash_threads: 2 }
    }
}
