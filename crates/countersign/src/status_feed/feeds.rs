//! The feeds of this node.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use countersign_protocol::jose::{SigningKeyError, base64url};
use countersign_protocol::{ClientId, Timestamp};
use tokio::sync::{Notify, watch};

use super::feed::Following;
use super::seats::{SeatError, Seats};
use super::{Feed, FeedKey, NodeFollowers, SignedRecord};
use crate::app::App;
use crate::catalog::LoadedAuthorizationServer;
use crate::entropy::random;
use crate::ids::AuthorizationServerId;
use crate::sealing::SealingError;
use crate::store::{Change, ChangeKind, StoreError};

/// Why a feed cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// This node may not know what was revoked.
    #[error("the change feed was not read for too long, or nobody follows it")]
    Behind,
    /// The key that signs it cannot be opened.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// The key that signs it cannot be used.
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The feeds that somebody has asked this node for.
#[derive(Debug)]
pub struct StatusFeeds {
    feeds: RwLock<HashMap<AuthorizationServerId, Arc<Feed>>>,
    /// How often a key that signs one was replaced.
    replaced_keys: AtomicU64,
    /// Until when this node knows of every change, in milliseconds.
    complete_until: AtomicI64,
    /// Whether something was told that nobody was woken for.
    has_news: AtomicBool,
    pub(super) news: Notify,
    /// The change of the database up to which the feeds tell.
    written_change: AtomicI64,
    /// What verifiers have applied is another.
    pub(super) applied: Notify,
    node_id: OnceLock<String>,
    closed: watch::Sender<bool>,
    seats: Arc<Seats>,
}

impl Default for StatusFeeds {
    fn default() -> Self {
        let closed = watch::Sender::new(false);
        Self {
            feeds: RwLock::default(),
            replaced_keys: AtomicU64::new(0),
            complete_until: AtomicI64::new(0),
            has_news: AtomicBool::new(false),
            news: Notify::new(),
            written_change: AtomicI64::new(0),
            applied: Notify::new(),
            node_id: OnceLock::new(),
            closed,
            seats: Arc::default(),
        }
    }
}

impl StatusFeeds {
    /// The feed of an authorization server; it begins when it is asked for first.
    ///
    /// # Errors
    /// [`FeedError`].
    pub async fn of(&self, app: &App, server: &LoadedAuthorizationServer) -> Result<Arc<Feed>, FeedError> {
        if app.feed_position().is_none() || app.is_behind() {
            return Err(FeedError::Behind);
        }
        loop {
            if let Some(feed) = self.find(&server.id) {
                return Ok(feed);
            }
            let replaced_keys = self.replaced_keys.load(Ordering::SeqCst);
            let key = FeedKey::of(app, &server.id).await?;
            let epoch = u64::from_be_bytes(random::<8>(app.entropy.as_ref()));
            let tag = server.keys.document().etag.clone();
            let feed = Arc::new(Feed::new(server.id.clone(), key, epoch, tag, self.complete_until()));
            let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
            // The key may have been replaced since it was read, before there was a feed to end.
            if self.replaced_keys.load(Ordering::SeqCst) == replaced_keys {
                return Ok(Arc::clone(feeds.entry(server.id.clone()).or_insert(feed)));
            }
        }
    }

    fn find(&self, server: &AuthorizationServerId) -> Option<Arc<Feed>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).get(server).map(Arc::clone)
    }

    /// Every feed there is.
    pub fn all(&self) -> Vec<Arc<Feed>> {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    /// Tells followers of a change that this node has applied to its memory.
    pub(crate) fn tell(&self, app: &App, change: &Change) {
        if change.kind.is_none() {
            // A newer node knows what that means to followers; this one read everything anew.
            return self.begin_anew();
        }
        if change.kind == Some(ChangeKind::StatusFeedKey) {
            return self.replace_key(&change.object_id);
        }
        for feed in self.all() {
            let server =
                (change.kind == Some(ChangeKind::Catalog)).then(|| app.catalog().authorization_server(&feed.server).cloned());
            feed.tell(change, server.flatten().map(|server| server.keys.document().etag.clone()).as_deref());
        }
        self.has_news.store(true, Ordering::SeqCst);
    }

    /// What was told no longer says everything: whoever follows takes a snapshot.
    pub(crate) fn begin_anew(&self) {
        let ended = std::mem::take(&mut *self.feeds.write().unwrap_or_else(PoisonError::into_inner));
        ended.values().for_each(|feed| feed.end());
    }

    /// What the former key signed is worth nothing any more: whoever follows takes a snapshot.
    fn replace_key(&self, server: &str) {
        let ended = {
            let mut feeds = self.feeds.write().unwrap_or_else(PoisonError::into_inner);
            self.replaced_keys.fetch_add(1, Ordering::SeqCst);
            AuthorizationServerId::parse(server).and_then(|server| feeds.remove(&server))
        };
        ended.inspect(|feed| feed.end());
    }

    /// One feed begins anew.
    pub(super) fn drop_feed(&self, feed: &Feed) {
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).remove(&feed.server);
        feed.end();
    }

    /// Whether it is still the one that is written.
    pub fn writes(&self, feed: &Arc<Feed>) -> bool {
        self.find(&feed.server).is_some_and(|current| Arc::ptr_eq(&current, feed))
    }

    /// Says that this node has applied every change that was committed until `time`. What
    /// was told goes out now: it is as old as can be known.
    pub(crate) fn complete_at(&self, time: Timestamp) {
        self.complete_until.store(time.as_millis(), Ordering::SeqCst);
        if self.has_news.swap(false, Ordering::SeqCst) {
            self.news.notify_one();
        }
    }

    /// Until when this node knows of every change.
    pub fn complete_until(&self) -> Timestamp {
        Timestamp::from_millis(self.complete_until.load(Ordering::SeqCst))
    }

    /// Ends every stream: the process is on its way out.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Hears of [`StatusFeeds::close`].
    pub(crate) fn watch_close(&self) -> watch::Receiver<bool> {
        self.closed.subscribe()
    }

    /// Counts a verifier of `client` that follows a feed, until what is returned is dropped.
    ///
    /// # Errors
    /// [`SeatError`].
    pub(crate) fn follow(&self, feed: &Arc<Feed>, client: &ClientId) -> Result<Following, SeatError> {
        Ok(feed.follow(self.seats.take(client)?))
    }

    /// Somebody begins to follow: that is said before anything is revoked.
    pub(crate) fn is_followed(&self) {
        self.applied.notify_one();
    }

    /// A verifier says that it applies a record.
    pub(crate) fn is_applied(&self, record: &SignedRecord, after_millis: u64) {
        record.is_applied(after_millis);
        self.applied.notify_one();
    }

    /// What this node's followers have applied; `None`: it has none, and had none lately.
    pub(super) fn tally(&self, app: &App) -> Option<NodeFollowers> {
        let feeds = self.all();
        let news: Vec<_> = feeds.iter().filter_map(|feed| feed.last_news()).collect();
        let told: usize = news.iter().map(|record| record.followers).sum();
        let followers = told.max(feeds.iter().map(|feed| feed.followers()).sum());
        if followers == 0 {
            return None;
        }
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let applied: usize = news.iter().map(|record| record.applied.load(Ordering::SeqCst).min(record.followers)).sum();
        // Who was told of nothing has nothing to apply.
        let applied = if news.is_empty() { followers } else { applied };
        let slowest = news.iter().map(|record| record.slowest_millis.load(Ordering::SeqCst)).max().unwrap_or_default();
        let new_id = || base64url::encode(&random::<12>(app.entropy.as_ref()));
        Some(NodeFollowers {
            node_id: self.node_id.get_or_init(new_id).clone(),
            change: self.written_change.load(Ordering::SeqCst),
            followers: count(followers),
            applied: count(applied),
            slowest_millis: i64::try_from(slowest).unwrap_or(i64::MAX),
            written_at: app.clock.now(),
        })
    }

    /// Writes what is due of every feed: what is pending, or else a heartbeat if `beats`. All changes up to `change` have
    /// been told.
    pub fn write(&self, change: i64, beats: bool) {
        let as_of = self.complete_until();
        for feed in self.all() {
            if let Err(error) = feed.write(as_of, beats) {
                tracing::error!(%error, authorization_server = %feed.server, "a record of the status feed is not signed; it begins anew");
                self.drop_feed(&feed);
            }
        }
        if self.written_change.swap(change, Ordering::SeqCst) != change {
            self.applied.notify_one();
        }
    }
}
