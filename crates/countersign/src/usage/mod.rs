//! What clients do: tokens issued, refusals by code, and tokens that they ask for while
//! they still hold them. Counted in memory and added to the database by a job, because
//! a token costs no database write. Likewise verdicts about API keys.

mod counts;
mod habits;
mod interval;
mod key_counts;
mod key_read;
mod read;

pub use counts::{Kind, Tally, UsageCounts, UsageRow};
pub use habits::Habits;
pub use interval::Interval;
pub use key_counts::{KeyUsageCounts, KeyUsageRow, Sums, check_tags};
pub use key_read::{Grouping, KeyUsageQuestion, KeyUsageSum, of_keys};
pub use read::{ClientUsage, of_client};

use countersign_protocol::Timestamp;

const MILLIS_OF_DAY: i64 = 86_400_000;

/// The day of an instant: days since 1970, UTC.
pub fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(MILLIS_OF_DAY)
}

/// When a day began.
pub const fn start_of(day: i64) -> Timestamp {
    Timestamp::from_millis(day.saturating_mul(MILLIS_OF_DAY))
}
