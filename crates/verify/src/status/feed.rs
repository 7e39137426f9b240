//! The feed of an authorization server, as verifiers ask it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_protocol::jose::Claims;
use countersign_protocol::{Clock, Timestamp};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Freshness;
use super::follower::{Follower, follow};
use super::mirror::Mirror;
use super::transport::FollowStatus;
use super::watch::Checked;
use crate::keys::KeyCache;

/// A feed that is followed for as long as somebody holds this.
pub(crate) struct FeedWatch {
    follower: Arc<Follower>,
    task: Mutex<Option<AbortHandle>>,
}

impl FeedWatch {
    /// `server` is the id of the authorization server whose feed it is.
    pub(super) fn new(transport: Arc<dyn FollowStatus>, clock: Arc<dyn Clock>, server: &str, file: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self { follower: Arc::new(Follower::new(transport, clock, server, file)), task: Mutex::default() })
    }

    /// Also asks for these keys anew when the feed says that they are others.
    pub(super) fn serves(&self, keys: &Arc<KeyCache>) {
        self.follower.serves(keys);
        self.start();
    }

    pub(super) fn mirror(&self) -> &Mirror {
        self.follower.mirror()
    }

    pub(super) fn check(&self, claims: &Claims, key_id: Option<&str>, now: Timestamp) -> Checked {
        if let Some(checked) = self.known(claims, key_id, now) {
            if let Checked::Good { staleness_millis } = checked
                && Freshness::of(staleness_millis) != Freshness::Fresh
            {
                self.start();
            }
            return checked;
        }
        let news = self.follower.news();
        self.start();
        // It may have come in between.
        self.known(claims, key_id, now).unwrap_or(Checked::Wait(news))
    }

    fn known(&self, claims: &Claims, key_id: Option<&str>, now: Timestamp) -> Option<Checked> {
        // What a file told may be old news: the issuer is asked first.
        if !self.follower.has_asked() {
            return None;
        }
        Some(match self.mirror().check(claims, key_id, self.follower.server())? {
            Ok(()) => Checked::Good { staleness_millis: self.mirror().staleness_millis(now) },
            Err(code) => Checked::Refused(code),
        })
    }

    pub(super) async fn ready(&self, timeout: Duration) -> bool {
        let mut news = self.follower.news();
        self.start();
        let is_ready = || self.follower.has_asked() && !self.mirror().is_empty();
        let arrived = async {
            while !is_ready() {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(timeout, arrived).await.is_ok() && is_ready()
    }

    /// Follows from now on, inside the runtime of the caller; nothing happens if it does already.
    fn start(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // It ends with the runtime that it was started in.
        if task.as_ref().is_none_or(AbortHandle::is_finished) {
            *task = Some(runtime.spawn(follow(Arc::clone(&self.follower))).abort_handle());
        }
    }
}

impl Drop for FeedWatch {
    fn drop(&mut self) {
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

impl fmt::Debug for FeedWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedWatch").field("mirror", self.mirror()).finish_non_exhaustive()
    }
}
