//! For how long a verdict holds: for a service that follows what changes about keys, and for
//! a caller that has used up what it may.

use countersign_protocol::Timestamp;

use super::{Verdict, VerdictCode};

/// The longest time for a key that is valid.
const MAX_SECONDS: i64 = 60;
/// The longest time for one that is not: it may be created, enabled, or moved here.
const MAX_REFUSED_SECONDS: i64 = 5;
/// When somebody may have given credits to a key that has none left.
const CREDITS_RETRY_SECONDS: u64 = 60;

impl Verdict {
    /// Seconds from `now`; 0: it holds for this one question. What is counted is asked for
    /// each time.
    pub fn max_age_seconds(&self, now: Timestamp) -> i64 {
        match self.code {
            VerdictCode::Valid if self.is_counted() => 0,
            VerdictCode::Valid => {
                let left = self.ends_at().map(|end| end.as_seconds() - now.as_seconds());
                left.map_or(MAX_SECONDS, |left| left.clamp(0, MAX_SECONDS))
            }
            VerdictCode::RateLimited | VerdictCode::UsageExceeded => 0,
            VerdictCode::NotFound
            | VerdictCode::Revoked
            | VerdictCode::Disabled
            | VerdictCode::Expired
            | VerdictCode::Forbidden
            | VerdictCode::InsufficientPermissions => MAX_REFUSED_SECONDS,
        }
    }

    /// Seconds after `now` from which a key that has used up a limit is worth another try; for
    /// credits nobody knows. 0: it is not for want of time.
    pub fn retry_after_seconds(&self, now: Timestamp) -> u64 {
        let exceeded = self.limits.iter().filter(|standing| standing.answer.exceeded);
        let millis = exceeded.map(|standing| standing.answer.reset_at.millis_since(now)).max();
        match self.code {
            VerdictCode::RateLimited => u64::try_from(millis.unwrap_or_default()).unwrap_or_default().div_ceil(1_000).max(1),
            VerdictCode::UsageExceeded => CREDITS_RETRY_SECONDS,
            VerdictCode::Valid
            | VerdictCode::NotFound
            | VerdictCode::Revoked
            | VerdictCode::Disabled
            | VerdictCode::Expired
            | VerdictCode::Forbidden
            | VerdictCode::InsufficientPermissions => 0,
        }
    }

    /// Whether each question takes something.
    fn is_counted(&self) -> bool {
        !self.limits.is_empty() || self.key.as_ref().is_some_and(|key| key.credits.is_some())
    }

    /// When the key or the secret that was presented ends, whichever is first.
    fn ends_at(&self) -> Option<Timestamp> {
        let key = self.key.as_ref()?;
        let secret = key.secrets.iter().find(|secret| Some(&secret.id) == self.secret_id.as_ref());
        [key.expires_at, secret.and_then(|secret| secret.expires_at)].into_iter().flatten().min()
    }
}
