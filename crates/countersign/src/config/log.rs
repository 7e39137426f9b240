//! `[log]`: what is logged and how.

use super::error::Refusal;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Form of a line.
    pub format: LogFormat,
    /// Least important lines that are logged.
    pub level: LogLevel,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed that should not.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// Everything.
    Trace,
}

pub(super) static SECTION: Section =
    Section { name: "log", doc: "What is logged, to standard error.", settings: &[&FORMAT, &LEVEL] };

static FORMAT: Setting = Setting {
    key: "log.format",
    kind: Kind::Choice(&["json", "text"]),
    default: Fallback::Value("json"),
    doc: "Form of a log line: one JSON object, or text for people.",
};

static LEVEL: Setting = Setting {
    key: "log.level",
    kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
    default: Fallback::Value("info"),
    doc: "The least important lines that are logged.",
};

impl LogConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let format = reader.value(&FORMAT, LogFormat::parse);
        let level = reader.value(&LEVEL, LogLevel::parse);
        Some(Self { format: format?, level: level? })
    }
}

impl LogFormat {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(Refusal::new("is not a log format")),
        }
    }
}

impl LogLevel {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let levels = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        levels.into_iter().find(|level| level.as_str() == text).ok_or_else(|| Refusal::new("is not a log level"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_choice_is_accepted() {
        let Kind::Choice(formats) = FORMAT.kind else { panic!() };
        let Kind::Choice(levels) = LEVEL.kind else { panic!() };
        assert!(formats.iter().all(|word| LogFormat::parse(word).is_ok()));
        assert!(levels.iter().all(|word| LogLevel::parse(word).is_ok()));
    }
}
