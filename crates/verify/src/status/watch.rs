//! What a verifier asks about the status of a token.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::jose::Claims;
use countersign_protocol::{ErrorCode, Timestamp};
use tokio::sync::watch;

use super::StatusState;
use super::feed::FeedWatch;
use super::list_watch::ListWatch;

/// Follows what is revoked, for one issuer.
pub(crate) enum StatusWatch {
    Feed(Arc<FeedWatch>),
    Lists(Arc<ListWatch>),
}

/// What is known of a token.
pub(crate) enum Checked {
    /// Nothing known revokes it, and that is so old, in milliseconds.
    Good { staleness_millis: i64 },
    /// It is no good.
    Refused(ErrorCode),
    /// Nothing is known yet; it is worth waiting for the next news.
    Wait(watch::Receiver<u64>),
}

impl StatusWatch {
    /// What is known of a token whose signature was verified.
    pub(crate) fn check(&self, claims: &Claims, key_id: Option<&str>, now: Timestamp) -> Checked {
        match self {
            Self::Feed(feed) => feed.check(claims, key_id, now),
            Self::Lists(lists) => lists.check(claims, now),
        }
    }

    /// How old what is known is, in milliseconds, whatever the token; `None`: that depends
    /// on the token.
    pub(crate) fn staleness_millis(&self, now: Timestamp) -> Option<i64> {
        match self {
            Self::Feed(feed) => Some(feed.mirror().staleness_millis(now)),
            Self::Lists(_) => None,
        }
    }

    /// Whether revocations are heard as they happen, so that a verified token need not be
    /// verified again.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.staleness_millis(now).is_some_and(|millis| super::Freshness::of(millis) == super::Freshness::Fresh)
    }

    /// What is known; `None`: lists are read token by token.
    pub(crate) fn state(&self, now: Timestamp) -> Option<StatusState> {
        match self {
            Self::Feed(feed) => Some(feed.mirror().state(now)),
            Self::Lists(_) => None,
        }
    }

    /// Waits until something is known.
    pub(crate) async fn ready(&self, timeout: Duration) -> bool {
        match self {
            Self::Feed(feed) => feed.ready(timeout).await,
            Self::Lists(_) => true,
        }
    }
}
