//! The keys at one URL, for whoever verifies something else than access tokens.

use std::fmt;
use std::sync::Arc;

use countersign_protocol::jose::JwkSet;
use countersign_protocol::{Clock, Issuer};

use super::cache::{KeyCache, KeyCacheSettings, UnknownKey, Usable};
use super::source::{Fetch, Source};
use crate::builder::random_numbers;

/// How many fetches a call waits for, as a verifier does.
const MAX_WAITS: usize = 6;

/// The JWK Set at one URL, kept as a [`Verifier`](crate::Verifier) keeps the keys of its
/// issuer: fetched by use, at most one fetch at a time, and at most one in 30 seconds
/// for the sake of unknown key ids. Cheap to clone.
#[derive(Clone)]
pub struct RemoteKeys {
    cache: Arc<KeyCache>,
    clock: Arc<dyn Clock>,
}

/// The keys cannot be had: nothing was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys could not be fetched")]
pub struct KeysUnavailable;

impl RemoteKeys {
    /// The keys that `owner` (it appears in the log) publishes at `url`. Nothing is
    /// fetched yet.
    pub fn new(fetch: Arc<dyn Fetch>, owner: Issuer, url: String, clock: Arc<dyn Clock>) -> Self {
        let source = Source::new(fetch, owner, Some(url));
        let cache = KeyCache::new(KeyCacheSettings { source, clock: Arc::clone(&clock), jitter: random_numbers() });
        Self { cache, clock }
    }

    /// Asks `judge` with the set at hand, and again with a newer one while it says
    /// `None`: that the set lacks the key `key_id`. `None`: the newest set lacks it too.
    ///
    /// # Errors
    /// [`KeysUnavailable`].
    pub async fn judge<T>(
        &self,
        key_id: Option<&str>,
        mut judge: impl FnMut(&JwkSet) -> Option<T>,
    ) -> Result<Option<T>, KeysUnavailable> {
        // Subscribed before each look: a fetch that ends in between is not missed.
        let mut finished = self.cache.finished();
        let mut waited = None;
        for _ in 0..MAX_WAITS {
            let now = self.clock.now();
            let need = match self.cache.usable(now) {
                Usable::Unavailable => return Err(KeysUnavailable),
                Usable::Wait(need) => need,
                Usable::Now(keys) => {
                    if let Some(verdict) = judge(keys.set()) {
                        return Ok(Some(verdict));
                    }
                    match self.cache.unknown(key_id, &keys, now, waited) {
                        UnknownKey::Again => continue,
                        UnknownKey::Refuse => return Ok(None),
                        UnknownKey::Unavailable => return Err(KeysUnavailable),
                        UnknownKey::Wait(need) => need,
                    }
                }
            };
            waited.get_or_insert(need);
            finished.changed().await.map_err(|_| KeysUnavailable)?;
        }
        Err(KeysUnavailable)
    }

    /// Asks `judge` with the set at hand and fetches nothing. `None`: there is none that
    /// may be used now, or it lacks the key.
    pub fn judge_at_hand<T>(&self, judge: impl FnOnce(&JwkSet) -> Option<T>) -> Option<T> {
        judge(self.cache.at_hand(self.clock.now())?.set())
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").finish_non_exhaustive()
    }
}
