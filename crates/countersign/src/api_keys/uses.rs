//! When and whence secrets of keys were used last: in memory until a job writes it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_protocol::Timestamp;

use super::{ApiKey, ApiKeySecret};
use crate::jobs::backlog::Backlog;
use crate::limits::{Instant, Rate, Table};
use crate::store::{StoreError, Tx};

/// Parts of the map that are locked one by one.
const SHARDS: usize = 16;
/// Most secrets of a part whose use waits to be written.
const MAX_PENDING: usize = 16_384;
/// A key gets one line about its former secret in this time, in seconds.
const WARN_EVERY_SECONDS: i64 = 3_600;
/// Keys that are remembered for that.
const WARNED: usize = 8_192;

/// The latest use of each secret that is not written yet.
pub struct ApiKeyUses {
    pending: [Mutex<HashMap<String, Use>>; SHARDS],
    /// What is to be written next.
    unwritten: Mutex<BTreeMap<String, Use>>,
    writing: tokio::sync::Mutex<()>,
    warned: Option<Table>,
}

/// One use of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub used_at: Timestamp,
    /// Where the end caller was, if that was told.
    pub source: Option<IpAddr>,
}

impl Default for ApiKeyUses {
    fn default() -> Self {
        let once = Rate::new(1, WARN_EVERY_SECONDS, 1);
        Self {
            pending: Default::default(),
            unwritten: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            warned: once.map(|rate| Table::new(rate, WARNED)),
        }
    }
}

impl ApiKeyUses {
    /// Notes that a secret was accepted; tells of one whose successor is there already.
    pub(super) fn record(&self, key: &ApiKey, secret: &ApiKeySecret, used: Use) {
        self.note(&secret.id, used);
        let Some(rotated_at) = secret.rotated_at else { return };
        let is_news = |warned: &Table| warned.take(&key.id.as_str(), Instant::of(used.used_at)).is_ok();
        if self.warned.as_ref().is_some_and(is_news) {
            tracing::warn!(
                key_id = key.id.as_str(),
                secret_id = secret.id.as_str(),
                client.id = key.client_id.as_str(),
                rotated_seconds_ago = used.used_at.as_seconds() - rotated_at.as_seconds(),
                ends_in_seconds = secret.expires_at.map(|end| end.as_seconds() - used.used_at.as_seconds()),
                "an API key was rotated and its former secret is still used: its owner should take the new one before the former ends"
            );
        }
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<String, Use>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, secret_id: &str, used: Use) {
        let Some(shard) = self.pending.get(shard_of(secret_id)) else { return };
        let mut pending = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = pending.get_mut(secret_id) {
            if known.used_at <= used.used_at {
                *known = used;
            }
        } else if pending.len() < MAX_PENDING {
            pending.insert(secret_id.to_owned(), used);
        }
    }
}

/// The latest use of each counts.
fn put(waiting: &mut BTreeMap<String, Use>, rows: impl IntoIterator<Item = (String, Use)>) {
    for (secret_id, used) in rows {
        if let Some(known) = waiting.get_mut(&secret_id) {
            if known.used_at <= used.used_at {
                *known = used;
            }
        } else if waiting.len() < SHARDS * MAX_PENDING {
            waiting.insert(secret_id, used);
        }
    }
}

/// The end of an id is random.
fn shard_of(secret_id: &str) -> usize {
    usize::from(secret_id.bytes().next_back().unwrap_or_default()) % SHARDS
}

impl Backlog for ApiKeyUses {
    type Row = (String, Use);

    const PARTS: usize = SHARDS;

    fn gather(&self, part: usize) -> usize {
        let pending =
            self.pending.get(part).map(|shard| std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner)));
        let mut waiting = self.unwritten();
        put(&mut waiting, pending.into_iter().flatten());
        waiting.len()
    }

    fn take(&self, most: usize) -> Vec<Self::Row> {
        let mut waiting = self.unwritten();
        std::iter::from_fn(|| waiting.pop_first()).take(most).collect()
    }

    fn give_back(&self, rows: Vec<Self::Row>) {
        put(&mut self.unwritten(), rows);
    }

    fn writing(&self) -> &tokio::sync::Mutex<()> {
        &self.writing
    }

    async fn write(tx: &mut Tx, (secret_id, used): &Self::Row) -> Result<(), StoreError> {
        tx.record_api_key_use(secret_id, used).await
    }
}
