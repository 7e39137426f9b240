//! `[refusals]`: how many explanations of refusals are kept, and for how long.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// How many explanations of refusals are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalsConfig {
    /// Most that one node notes in a second; 0: none.
    pub max_per_second: u32,
    /// Most that the database keeps.
    pub max_kept: u32,
    /// How long each is kept, in seconds.
    pub keep_seconds: u32,
}

pub(super) static SECTION: Section = Section {
    name: "refusals",
    doc: "Why requests were refused, for `countersign explain --request`: what the answer did not say. Beyond these bounds \
          explanations are dropped and counted in `countersign_refusals_not_kept_total`; the refusals themselves are in the log.",
    settings: &[&PER_SECOND, &KEPT, &KEEP],
};

static PER_SECOND: Setting = Setting {
    key: "refusals.max_per_second",
    kind: Kind::Integer { min: 0, max: 10_000, unit: "refusals" },
    default: Fallback::Value("50"),
    doc: "Most explanations that one node notes in a second; 0 notes none. Refusals of callers that were not authenticated have at \
          most half of it, and each client or source address at most 2 a second and 20 at once: a flood hides nobody else.",
};

static KEPT: Setting = Setting {
    key: "refusals.max_kept",
    kind: Kind::Integer { min: 100, max: 10_000_000, unit: "refusals" },
    default: Fallback::Value("100000"),
    doc: "Most explanations that the database keeps, and what comes in within a minute; then the oldest go. At most half of them are \
          of callers that were not authenticated.",
};

static KEEP: Setting = Setting {
    key: "refusals.keep_seconds",
    kind: Kind::Integer { min: 60, max: 31_536_000, unit: "seconds" },
    default: Fallback::Value("604800"),
    doc: "How long an explanation is kept.",
};

impl RefusalsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let max_per_second = reader.integer(&PER_SECOND);
        let max_kept = reader.integer(&KEPT);
        let keep_seconds = reader.integer(&KEEP);
        Some(Self { max_per_second: max_per_second?, max_kept: max_kept?, keep_seconds: keep_seconds? })
    }
}

/// As the settings have them by default.
impl Default for RefusalsConfig {
    fn default() -> Self {
        Self { max_per_second: 50, max_kept: 100_000, keep_seconds: 604_800 }
    }
}
