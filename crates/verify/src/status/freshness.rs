//! How old what is known of revocations is.

use std::time::Duration;

use super::policy::{EXPIRED_MILLIS, FRESH_MILLIS};

/// How well it is known what is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was heard last is at most 15 seconds old, and nothing is missing before it.
    Fresh,
    /// It is older.
    Stale,
    /// It is more than 15 minutes old, or nothing was ever heard.
    Expired,
}

impl Freshness {
    pub(super) const fn of(staleness_millis: i64) -> Self {
        if staleness_millis <= FRESH_MILLIS {
            Self::Fresh
        } else if staleness_millis <= EXPIRED_MILLIS {
            Self::Stale
        } else {
            Self::Expired
        }
    }

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// What a verifier knows of the revocations of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusState {
    /// How well.
    pub freshness: Freshness,
    /// How old what was heard last is; `None`: nothing was heard yet.
    pub staleness: Option<Duration>,
    /// Records applied since the start.
    pub records: u64,
    /// How often everything was read anew: once at the start, and after each gap.
    pub snapshots: u64,
    /// How long after its time the last record with news was applied.
    pub last_delay: Option<Duration>,
}
