//! Reports that a key was found in public, in the shape in which GitHub's secret
//! scanning tells its partners. Nothing is read of a report whose signature is not the
//! reporter's.

mod judge;
mod reporter_keys;
mod signature;

pub use judge::{JudgedLeak, LeakLabel, LeakReportError, ReportedLeak, judge};
pub use reporter_keys::{ReporterKeys, ReporterKeysError};

/// What is done about a key that was found in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeakPolicy {
    /// The key is disabled, a client secret revoked; and what [`LeakPolicy::Notify`] does.
    Disable,
    /// An event in the audit log, a line in the log and a count.
    Notify,
}

impl LeakPolicy {
    /// As the setting has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Notify => "notify",
        }
    }
}

/// How reports are taken.
#[derive(Clone, Debug)]
pub struct LeakReports {
    /// Whose reports.
    pub keys: ReporterKeys,
    /// What is done about them.
    pub policy: LeakPolicy,
}
