//! For how long a service may remember a verdict that follows what changes about keys.

use countersign_protocol::Timestamp;

use super::{Verdict, VerdictCode};

/// The longest time for a key that is valid.
const MAX_SECONDS: i64 = 60;
/// The longest time for one that is not: it may be created, enabled, or moved here.
const MAX_REFUSED_SECONDS: i64 = 5;

impl Verdict {
    /// Seconds from `now`; 0: it holds for this one question. What is counted is asked for
    /// each time.
    pub fn max_age_seconds(&self, now: Timestamp) -> i64 {
        match self.code {
            VerdictCode::Valid => {
                let left = self.ends_at().map(|end| end.as_seconds() - now.as_seconds());
                left.map_or(MAX_SECONDS, |left| left.clamp(0, MAX_SECONDS))
            }
            VerdictCode::NotFound
            | VerdictCode::Revoked
            | VerdictCode::Disabled
            | VerdictCode::Expired
            | VerdictCode::Forbidden
            | VerdictCode::InsufficientPermissions => MAX_REFUSED_SECONDS,
        }
    }

    /// Whether another address might get another verdict.
    pub fn is_for_address(&self) -> bool {
        self.key.as_ref().is_some_and(|key| !key.allowed_networks.is_empty())
    }

    /// When the key or the secret that was presented ends, whichever is first.
    fn ends_at(&self) -> Option<Timestamp> {
        let key = self.key.as_ref()?;
        let secret = key.secrets.iter().find(|secret| Some(&secret.id) == self.secret_id.as_ref());
        [key.expires_at, secret.and_then(|secret| secret.expires_at)].into_iter().flatten().min()
    }
}
