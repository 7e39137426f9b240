//! `[usage]`: counters of what clients do.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// How long counters of what clients do are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageConfig {
    /// Days, besides the present one.
    pub keep_days: u32,
}

pub(super) static SECTION: Section = Section {
    name: "usage",
    doc: "Counters of what clients do: tokens issued, refusals by code, tokens asked for again while they live.",
    settings: &[&KEEP_DAYS],
};

static KEEP_DAYS: Setting = Setting {
    key: "usage.keep_days",
    kind: Kind::Integer { min: 1, max: 3_660, unit: "days" },
    default: Fallback::Value("90"),
    doc: "How many days the counters of a day are kept. The database has a row for each client, credential, resource server, kind of \
          event and day on which there was one.",
};

impl UsageConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { keep_days: reader.integer(&KEEP_DAYS)? })
    }
}

/// As the settings have them by default.
impl Default for UsageConfig {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}
