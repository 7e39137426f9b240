//! Saying early enough that a certificate expires.

use countersign_protocol::Timestamp;

use crate::log::rfc3339;

/// From when before the expiry on.
const WARN_BEFORE_SECONDS: i64 = 14 * DAY;
const DAY: i64 = 24 * 60 * 60;

/// Warns once a day while the certificate is about to expire, or has.
#[derive(Debug, Default)]
pub(crate) struct ExpiryNotice {
    warned_at: Option<Timestamp>,
}

impl ExpiryNotice {
    /// Looks at the certificate's last moment, and warns where that is due.
    pub(crate) fn look(&mut self, not_after: Option<Timestamp>, now: Timestamp) {
        let Some(not_after) = not_after.filter(|not_after| self.is_due(*not_after, now)) else { return };
        self.warned_at = Some(now);
        let days = not_after.millis_since(now) / 1_000 / DAY;
        if now > not_after {
            tracing::error!(expired_at = rfc3339(not_after), "the TLS certificate has expired: clients refuse it");
        } else {
            tracing::warn!(expires_at = rfc3339(not_after), days_left = days, "the TLS certificate expires soon");
        }
    }

    fn is_due(&self, not_after: Timestamp, now: Timestamp) -> bool {
        let warned_lately = self.warned_at.is_some_and(|warned_at| now < warned_at.plus_seconds(DAY));
        now > not_after.plus_seconds(-WARN_BEFORE_SECONDS) && !warned_lately
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_comes_two_weeks_before_and_once_a_day() {
        let not_after = Timestamp::from_seconds(1_800_000_000);
        let mut notice = ExpiryNotice::default();
        let before = |days: i64| not_after.plus_seconds(-days * DAY);
        assert!(!notice.is_due(not_after, before(14)));
        assert!(notice.is_due(not_after, before(13)));
        notice.look(Some(not_after), before(13));
        assert!(!notice.is_due(not_after, before(13).plus_seconds(DAY - 1)));
        assert!(notice.is_due(not_after, before(12)));
        assert!(notice.is_due(not_after, not_after.plus_seconds(1)));
    }
}
