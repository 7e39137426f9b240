//! When credits are refilled: at midnight, UTC, of each day or of one day of the month.

use countersign_protocol::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Refill;

const DAY_MILLIS: i64 = 86_400_000;

/// The midnights that a refill at a given time can be due since, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    /// The last midnight.
    pub(crate) today: i64,
    /// The first of this month.
    pub(crate) month: i64,
    /// How many days this month has.
    pub(crate) month_days: i64,
    /// The first of the month before.
    pub(crate) last_month: i64,
    /// How many days that has.
    pub(crate) last_month_days: i64,
}

impl Period {
    /// When a refill was due last, in milliseconds.
    pub(crate) fn last(&self, refill: Refill) -> i64 {
        let Refill::Monthly { day, .. } = refill else { return self.today };
        let on = |first: i64, days: i64| first + (i64::from(day).min(days) - 1) * DAY_MILLIS;
        let this_month = on(self.month, self.month_days);
        if this_month <= self.today { this_month } else { on(self.last_month, self.last_month_days) }
    }

    /// `None` for a time that no calendar has.
    pub(crate) fn at(now: Timestamp) -> Option<Self> {
        let today = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned(TimeZone::UTC).date();
        let month = today.first_of_month();
        let last_month = month.yesterday().ok()?.first_of_month();
        Some(Self {
            today: midnight(today)?,
            month: midnight(month)?,
            month_days: month.days_in_month().into(),
            last_month: midnight(last_month)?,
            last_month_days: last_month.days_in_month().into(),
        })
    }
}

fn midnight(date: Date) -> Option<i64> {
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_leap_years_are_those_of_the_calendar() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let period = Period::at(Timestamp::from_millis(at("2028-03-31T23:59:59.999Z"))).unwrap();
        let expected = Period {
            today: at("2028-03-31T00:00:00Z"),
            month: at("2028-03-01T00:00:00Z"),
            month_days: 31,
            last_month: at("2028-02-01T00:00:00Z"),
            last_month_days: 29,
        };
        assert_eq!(period, expected);
        let january = Period::at(Timestamp::from_millis(at("2027-01-01T00:00:00Z"))).unwrap();
        assert_eq!((january.last_month, january.last_month_days), (at("2026-12-01T00:00:00Z"), 31));
    }
}
