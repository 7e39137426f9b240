//! `[signing_keys]`: the life of signing keys.

use std::time::Duration;

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// How signing keys are looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeysConfig {
    /// How often a node looks for keys that are due.
    pub check_interval: Duration,
}

pub(super) static SECTION: Section = Section {
    name: "signing_keys",
    doc: "How signing keys are looked after. How long a key signs is a property of each authorization server.",
    settings: &[&CHECK_INTERVAL],
};

static CHECK_INTERVAL: Setting = Setting {
    key: "signing_keys.check_interval_seconds",
    kind: Kind::Integer { min: 1, max: 3_600, unit: "seconds" },
    default: Fallback::Value("60"),
    doc: "How often a node looks for signing keys that are due to be published, to sign, or to be retired. Every node looks; each step happens once.",
};

impl SigningKeysConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { check_interval: Duration::from_secs(reader.integer(&CHECK_INTERVAL)?) })
    }
}
