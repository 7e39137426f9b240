//! `[credentials]`: what holds for the credentials of clients.

use super::error::Refusal;
use super::reader::Reader;
use super::setting::{Fallback, Kind, Section, Setting};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Longest time before the end of a credential at which a warning makes sense, in days.
const MAX_WARNING_DAYS: i64 = 365;

/// What holds for the credentials of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialsConfig {
    /// How long before the end of a credential a warning is given, in seconds.
    pub expiry_warning_seconds: Vec<i64>,
}

pub(super) static SECTION: Section =
    Section { name: "credentials", doc: "What holds for the credentials of clients.", settings: &[&EXPIRY_WARNINGS] };

static EXPIRY_WARNINGS: Setting = Setting {
    key: "credentials.expiry_warnings",
    kind: Kind::List { of: "numbers of days from `1d` to `365d`" },
    default: Fallback::List(&["14d", "3d", "1d"]),
    doc: "How long before the end of a credential that was not rotated a warning is given: an event `credential.expiring` in the audit log and a line in the log, \
          once for each credential and each of these times.",
};

impl CredentialsConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { expiry_warning_seconds: reader.list(&EXPIRY_WARNINGS, parse_days)? })
    }
}

fn parse_days(text: &str) -> Result<i64, Refusal> {
    let days = text.strip_suffix('d').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let days = days.and_then(|digits| digits.parse::<i64>().ok()).filter(|days| (1..=MAX_WARNING_DAYS).contains(days));
    days.map(|days| days * DAY).ok_or_else(|| Refusal::new("is no number of days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_at_most_a_year() {
        assert_eq!(parse_days("14d").unwrap(), 14 * 86_400);
        for text in ["", "d", "0d", "366d", "14", "1.5d", "-1d", "+1d", "1h", "99999999999999999999d"] {
            assert!(parse_days(text).is_err(), "{text}");
        }
    }
}
