//! The feed of one authorization server on this node.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use countersign_protocol::Timestamp;
use countersign_protocol::jose::SigningKeyError;
use countersign_protocol::status::{ChainDigest, Contents, Position, Record};
use tokio::sync::watch;

use super::FeedKey;
use super::pending::Pending;
use super::seats::Seat;
use crate::ids::AuthorizationServerId;
use crate::store::Change;

/// Records that are kept for who was cut off: an hour and more of heartbeats.
const KEPT_RECORDS: usize = 1_024;

/// A feed: an hour of records, and news that are not told yet.
#[derive(Debug)]
pub struct Feed {
    /// Whose.
    pub server: AuthorizationServerId,
    /// What signs it.
    pub key: Arc<FeedKey>,
    pending: Mutex<Pending>,
    log: Mutex<Log>,
    head: watch::Sender<Position>,
    /// The tag of the JWK Set that followers know of.
    key_set_tag: Mutex<String>,
    followers: AtomicUsize,
    /// The snapshot that was taken last: the records since then continue it.
    pub(super) snapshot: Arc<tokio::sync::Mutex<Option<TakenSnapshot>>>,
}

#[derive(Debug)]
pub(super) struct TakenSnapshot {
    pub(super) at: Timestamp,
    pub(super) token: Bytes,
}

#[derive(Debug)]
struct Log {
    position: Position,
    digest: ChainDigest,
    as_of: Timestamp,
    kept: VecDeque<Arc<SignedRecord>>,
    last_news: Option<Arc<SignedRecord>>,
}

/// A record as it is sent.
#[derive(Debug)]
pub struct SignedRecord {
    /// Its number.
    pub position: Position,
    /// See [`Record::as_of`].
    pub as_of: Timestamp,
    /// How many things it tells.
    pub news: usize,
    /// The signed JWT.
    pub token: String,
    /// The same as an event of a stream.
    pub event: Bytes,
    /// How many verifiers followed when it was written.
    pub followers: usize,
    /// How many verifiers have said that they apply it.
    pub applied: AtomicUsize,
    /// How long the slowest of them took, in milliseconds.
    pub slowest_millis: AtomicU64,
}

impl SignedRecord {
    /// Notes that a verifier applies it, so long after its time.
    pub fn is_applied(&self, after_millis: u64) {
        self.slowest_millis.fetch_max(after_millis, Ordering::SeqCst);
        self.applied.fetch_add(1, Ordering::SeqCst);
    }
}

/// The records after a position are not there: it is of another feed, or too long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the status feed does not continue from this position: take a snapshot")]
pub struct FeedGone;

/// Where a feed stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) position: Position,
    pub(super) digest: ChainDigest,
    pub(super) as_of: Timestamp,
}

impl Feed {
    pub(super) fn new(server: AuthorizationServerId, key: Arc<FeedKey>, epoch: u64, key_set_tag: String, as_of: Timestamp) -> Self {
        let position = Position { epoch, seq: 0 };
        Self {
            server,
            key,
            pending: Mutex::default(),
            log: Mutex::new(Log { position, digest: ChainDigest::default(), as_of, kept: VecDeque::new(), last_news: None }),
            head: watch::Sender::new(position),
            key_set_tag: Mutex::new(key_set_tag),
            followers: AtomicUsize::new(0),
            snapshot: Arc::default(),
        }
    }

    /// Adds what a change means to followers. Whether it means anything.
    pub(super) fn tell(&self, change: &Change, key_set_tag: Option<&str>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.add(&self.server, change);
        if let Some(tag) = key_set_tag {
            let mut known = self.key_set_tag.lock().unwrap_or_else(PoisonError::into_inner);
            if *known != tag {
                tag.clone_into(&mut known);
                pending.keys_changed();
            }
        }
    }

    /// Writes the records that are due: what is pending, or else a heartbeat if `beats`.
    /// `as_of`: until when this node knows of every change.
    ///
    /// # Errors
    /// [`SigningKeyError`]; what was pending is told by no record, so the feed begins anew.
    pub(super) fn write(&self, as_of: Timestamp, beats: bool) -> Result<(), SigningKeyError> {
        let mut due = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        if due.is_empty() && beats {
            due.push(Contents::default());
        }
        for contents in due {
            self.append(contents, as_of)?;
        }
        Ok(())
    }

    fn append(&self, contents: Contents, as_of: Timestamp) -> Result<(), SigningKeyError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let position = Position { seq: log.position.seq + 1, ..log.position };
        // A clock that was set back makes no follower staler than it is.
        let as_of = as_of.max(log.as_of);
        let news = contents.len();
        let authorization_server = self.server.to_string();
        let record = Record { authorization_server, as_of, position, previous: log.digest, contents };
        let token = record.sign(&self.key.key, self.key.id.as_str())?;
        log.digest = ChainDigest::of(&token);
        (log.position, log.as_of) = (position, as_of);
        let event = format!("id: {position}\ndata: {token}\n\n").into();
        let record = Arc::new(SignedRecord {
            position,
            as_of,
            news,
            token,
            event,
            followers: self.followers(),
            applied: AtomicUsize::new(0),
            slowest_millis: AtomicU64::new(0),
        });
        if news > 0 {
            log.last_news = Some(Arc::clone(&record));
        }
        log.kept.push_back(record);
        if log.kept.len() > KEPT_RECORDS {
            log.kept.pop_front();
        }
        drop(log);
        self.head.send_replace(position);
        Ok(())
    }

    /// The records after `position`.
    ///
    /// # Errors
    /// [`FeedGone`].
    pub fn after(&self, position: Position) -> Result<Vec<Arc<SignedRecord>>, FeedGone> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = log.position.seq.checked_sub(position.seq).ok_or(FeedGone)?;
        let wanted = usize::try_from(behind).map_err(|_| FeedGone)?;
        if log.position.epoch != position.epoch || wanted > log.kept.len() {
            return Err(FeedGone);
        }
        Ok(log.kept.iter().skip(log.kept.len() - wanted).map(Arc::clone).collect())
    }

    /// A record that is kept.
    pub fn record(&self, position: Position) -> Option<Arc<SignedRecord>> {
        let before = Position { seq: position.seq.checked_sub(1)?, ..position };
        self.after(before).ok()?.into_iter().next()
    }

    /// The last record that tells of something.
    pub(super) fn last_news(&self) -> Option<Arc<SignedRecord>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).last_news.clone()
    }

    pub(super) fn head(&self) -> Head {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Head { position: log.position, digest: log.digest, as_of: log.as_of }
    }

    /// Where the feed ends.
    pub fn position(&self) -> Position {
        self.head().position
    }

    /// Wakes who waits for a record: there will be none.
    pub(super) fn end(&self) {
        self.head.send_modify(|_| {});
    }

    /// Hears of each new record, and of the end of the feed.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Counts a follower until what is returned is dropped.
    pub(super) fn follow(self: &Arc<Self>, seat: Seat) -> Following {
        self.followers.fetch_add(1, Ordering::SeqCst);
        Following { feed: Arc::clone(self), _seat: seat }
    }

    /// How many follow this feed by a stream, or wait for its next record.
    pub fn followers(&self) -> usize {
        self.followers.load(Ordering::SeqCst)
    }
}

/// Somebody follows a feed.
#[derive(Debug)]
pub struct Following {
    feed: Arc<Feed>,
    _seat: Seat,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.feed.followers.fetch_sub(1, Ordering::SeqCst);
    }
}
