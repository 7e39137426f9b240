//! `[usage]`: counters of what clients do, and of verdicts about API keys.

use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};
use crate::usage::Interval;

/// How long counters are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageConfig {
    /// Those of what clients do: days, besides the present one.
    pub keep_days: u32,
    /// Those of verdicts in a minute: hours; 0: there are none.
    pub key_minutes_keep_hours: u32,
    /// Those of verdicts in an hour: days; 0: there are none.
    pub key_hours_keep_days: u32,
    /// Those of verdicts on a day: days; 0: there are none.
    pub key_days_keep_days: u32,
}

pub(super) static SECTION: Section = Section {
    name: "usage",
    doc: "Counters of what clients do: tokens issued, refusals by code, tokens asked for again while they live. And of verdicts \
          about API keys: by key, outcome and tag.",
    settings: &[&KEEP_DAYS, &KEY_MINUTES, &KEY_HOURS, &KEY_DAYS],
};

static KEEP_DAYS: Setting = Setting {
    key: "usage.keep_days",
    kind: Kind::Integer { min: 1, max: 3_660, unit: "days" },
    default: Fallback::Value("90"),
    doc: "How many days the counters of a day are kept. The database has a row for each client, credential, resource server, kind of \
          event and day on which there was one.",
};

static KEY_MINUTES: Setting = Setting {
    key: "usage.key_minutes_keep_hours",
    kind: Kind::Integer { min: 0, max: 8_784, unit: "hours" },
    default: Fallback::Value("24"),
    doc: "How long verdicts about API keys are known by the minute. The database has a row for each minute, key and outcome of which \
          there was one, and one more for each tag. 0: they are not counted by the minute.",
};

static KEY_HOURS: Setting = Setting {
    key: "usage.key_hours_keep_days",
    kind: Kind::Integer { min: 0, max: 3_660, unit: "days" },
    default: Fallback::Value("30"),
    doc: "How long they are known by the hour. 0: they are not counted by the hour.",
};

static KEY_DAYS: Setting = Setting {
    key: "usage.key_days_keep_days",
    kind: Kind::Integer { min: 0, max: 3_660, unit: "days" },
    default: Fallback::Value("400"),
    doc: "How long they are known by the day. 0: they are not counted by the day.",
};

impl UsageConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let keep_days = reader.integer(&KEEP_DAYS);
        let key_minutes_keep_hours = reader.integer(&KEY_MINUTES);
        let key_hours_keep_days = reader.integer(&KEY_HOURS);
        let key_days_keep_days = reader.integer(&KEY_DAYS);
        Some(Self {
            keep_days: keep_days?,
            key_minutes_keep_hours: key_minutes_keep_hours?,
            key_hours_keep_days: key_hours_keep_days?,
            key_days_keep_days: key_days_keep_days?,
        })
    }

    /// How long counters of verdicts in such intervals are kept, besides the present one.
    pub fn key_usage_seconds(self, interval: Interval) -> i64 {
        match interval {
            Interval::Minute => i64::from(self.key_minutes_keep_hours) * 3_600,
            Interval::Hour => i64::from(self.key_hours_keep_days) * 86_400,
            Interval::Day => i64::from(self.key_days_keep_days) * 86_400,
        }
    }

    /// Whether verdicts are counted in such intervals.
    pub fn keeps_key_usage(self, interval: Interval) -> bool {
        self.key_usage_seconds(interval) > 0
    }
}

/// As the settings have them by default.
impl Default for UsageConfig {
    fn default() -> Self {
        Self { keep_days: 90, key_minutes_keep_hours: 24, key_hours_keep_days: 30, key_days_keep_days: 400 }
    }
}
