//! The issuer's keys at hand, and when to ask for them again.
//!
//! Readers load one snapshot and never wait. Fetches are started by use: a reader
//! that finds the keys due starts one and goes on with the keys it has. At most
//! one fetch is under way; whoever needs its outcome waits for it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::runtime::Handle;
use tokio::sync::watch;

use countersign_protocol::jose::{JwkSet, JwkSetError, VerificationKey};
use countersign_protocol::{Clock, Timestamp};

use super::freshness::{Freshness, Validity, is_within};
use super::source::{Answer, Source, SourceError, Version};
use super::unknown::UnknownKeys;

/// How long keys past their time are used while a fetch is under way that was
/// started in time.
const GRACE_SECONDS: i64 = 30;
/// Bounds of the pause between two looks of the timer.
const TIMER_MIN_MILLIS: i64 = 1_000;
const TIMER_MAX_MILLIS: i64 = 60_000;

pub(crate) struct KeyCache {
    source: Source,
    /// The keys were given for good: nothing is ever fetched.
    is_given: bool,
    clock: Arc<dyn Clock>,
    jitter: Arc<dyn Fn() -> u32 + Send + Sync>,
    snapshot: ArcSwap<Snapshot>,
    /// Twice the number of the last finished fetch, plus one while the next is
    /// under way: one atomic step tells whether the right to fetch is still there.
    flight: AtomicU64,
    /// When the last fetch was started.
    started_at: AtomicI64,
    finished: watch::Sender<()>,
    unknown: Mutex<UnknownKeys>,
    runtime: OnceLock<Handle>,
}

/// What a cache is made of.
pub(crate) struct KeyCacheSettings {
    pub(crate) source: Source,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jitter: Arc<dyn Fn() -> u32 + Send + Sync>,
}

/// The state between two fetches.
struct Snapshot {
    keys: Arc<KeySet>,
    version: Option<Version>,
    /// The number of the last finished fetch.
    fetch: u64,
    validity: Validity,
}

/// The keys of one document. The set with the number 0 is empty.
#[derive(Default)]
pub(crate) struct KeySet {
    /// The fetch that brought the document: a new number for other keys only.
    number: u64,
    document: Vec<u8>,
    set: JwkSet,
}

/// Whether there are keys to use.
pub(crate) enum Usable {
    Now(Keys),
    Wait(Need),
    Unavailable,
}

/// What to say about a key id that is not in the set.
pub(crate) enum UnknownKey {
    /// Another set arrived meanwhile: look again.
    Again,
    /// The issuer does not have it.
    Refuse,
    /// The issuer could not be asked.
    Unavailable,
    /// The issuer is being asked.
    Wait(Need),
}

/// The number of the first fetch that was started after a need arose: its answer
/// is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need(u64);

/// Keys to use, held without a lock.
pub(crate) struct Keys(Guard<Arc<Snapshot>>);

impl Keys {
    /// The key a token names.
    pub(crate) fn find(&self, key_id: Option<&str>) -> Option<&VerificationKey> {
        self.0.keys.set.find(key_id)
    }

    /// All of them.
    pub(crate) fn set(&self) -> &JwkSet {
        &self.0.keys.set
    }

    #[cfg(weakened)]
    pub(crate) fn find_by_algorithm(&self, algorithm: countersign_protocol::jose::Algorithm) -> Option<&VerificationKey> {
        self.0.keys.set.find_by_algorithm(algorithm)
    }

    /// The number of the set.
    pub(crate) fn number(&self) -> u64 {
        self.0.keys.number
    }
}

/// What came of the wish to start a fetch.
enum Start {
    /// One is under way now.
    UnderWay(Need),
    /// One finished since the caller looked.
    Changed,
    /// There is no runtime to start one on.
    NoRuntime,
}

impl KeyCache {
    pub(crate) fn new(settings: KeyCacheSettings) -> Arc<Self> {
        Self::with(settings, false, Snapshot { keys: Arc::default(), version: None, fetch: 0, validity: Validity::NOTHING })
    }

    /// A cache of keys that were given for good.
    pub(crate) fn given(settings: KeyCacheSettings, document: Vec<u8>) -> Result<Arc<Self>, JwkSetError> {
        let set = JwkSet::parse(&document)?;
        let keys = Arc::new(KeySet { number: 1, document, set });
        Ok(Self::with(settings, true, Snapshot { keys, version: None, fetch: 0, validity: Validity::FOR_GOOD }))
    }

    fn with(settings: KeyCacheSettings, is_given: bool, snapshot: Snapshot) -> Arc<Self> {
        let KeyCacheSettings { source, clock, jitter } = settings;
        Arc::new(Self {
            source,
            is_given,
            clock,
            jitter,
            snapshot: ArcSwap::from_pointee(snapshot),
            flight: AtomicU64::new(0),
            started_at: AtomicI64::new(0),
            finished: watch::Sender::new(()),
            unknown: Mutex::default(),
            runtime: OnceLock::new(),
        })
    }

    /// Hears of every fetch that finishes from now on. Subscribe before you look.
    pub(crate) fn finished(&self) -> watch::Receiver<()> {
        self.finished.subscribe()
    }

    /// When the issuer last gave keys or said that they are the current ones.
    #[cfg(feature = "metrics")]
    pub(crate) fn fetched_at(&self) -> Option<Timestamp> {
        self.snapshot.load().validity.fetched_at
    }

    /// The keys, if they may be used now. Starts no fetch.
    pub(crate) fn at_hand(&self, now: Timestamp) -> Option<Keys> {
        let snapshot = self.snapshot.load();
        match snapshot.validity.at(now) {
            Freshness::Fresh | Freshness::Due => Some(Keys(snapshot)),
            Freshness::Overdue | Freshness::Gone { .. } => None,
        }
    }

    /// The keys, if they may be used now. Starts a fetch when one is due.
    pub(crate) fn usable(self: &Arc<Self>, now: Timestamp) -> Usable {
        loop {
            let snapshot = self.snapshot.load();
            let is_under_way = || self.under_way().is_some();
            match snapshot.validity.at(now) {
                Freshness::Fresh => return Usable::Now(Keys(snapshot)),
                Freshness::Due if is_under_way() => return Usable::Now(Keys(snapshot)),
                Freshness::Due => match self.start(now, snapshot.fetch) {
                    Start::UnderWay(_) | Start::NoRuntime => return Usable::Now(Keys(snapshot)),
                    Start::Changed => {}
                },
                Freshness::Overdue if is_under_way() && self.is_in_grace(&snapshot, now) => return Usable::Now(Keys(snapshot)),
                Freshness::Gone { retry: false } if !is_under_way() => return Usable::Unavailable,
                Freshness::Overdue | Freshness::Gone { .. } => match self.start(now, snapshot.fetch) {
                    Start::UnderWay(need) => return Usable::Wait(need),
                    Start::NoRuntime => return Usable::Unavailable,
                    Start::Changed => {}
                },
            }
        }
    }

    /// What to say about `key_id`, which `keys` does not have. `waited` is the need
    /// for which the caller has waited already.
    pub(crate) fn unknown(self: &Arc<Self>, key_id: Option<&str>, keys: &Keys, now: Timestamp, waited: Option<Need>) -> UnknownKey {
        // Without a key id another fetch could not name a key either.
        let Some(key_id) = key_id.filter(|_| !self.is_given) else { return UnknownKey::Refuse };
        let snapshot = &*keys.0;
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.contains(key_id, now) {
            return UnknownKey::Refuse;
        }
        if let Some(number) = self.under_way() {
            return UnknownKey::Wait(self.need_at(now, number));
        }
        if self.snapshot.load().fetch != snapshot.fetch {
            return UnknownKey::Again;
        }
        // A set that was fetched since the caller came is news: a fetch for this key id.
        let is_news = waited.is_some_and(|Need(first)| snapshot.fetch >= first);
        if is_news && !unknown.is_cooling_down(now) {
            unknown.cool_down(now);
        }
        if unknown.is_cooling_down(now) {
            if snapshot.validity.failed_at.is_some() {
                return UnknownKey::Unavailable;
            }
            if waited.is_some() {
                unknown.insert(key_id, now);
            }
            return UnknownKey::Refuse;
        }
        match self.start(now, snapshot.fetch) {
            Start::UnderWay(need) => {
                unknown.cool_down(now);
                UnknownKey::Wait(need)
            }
            Start::Changed => UnknownKey::Again,
            Start::NoRuntime => UnknownKey::Unavailable,
        }
    }

    /// Looks after the keys while nobody uses them, until the cache is dropped.
    pub(crate) async fn keep_fresh(cache: Weak<Self>) {
        while let Some(pause) = cache.upgrade().map(|cache| cache.until_due()) {
            tokio::time::sleep(pause).await;
            if let Some(cache) = cache.upgrade() {
                let _ = cache.usable(cache.clock.now());
            }
        }
    }

    fn until_due(&self) -> Duration {
        let due = self.snapshot.load().validity.refresh_at.millis_since(self.clock.now());
        Duration::from_millis(due.clamp(TIMER_MIN_MILLIS, TIMER_MAX_MILLIS).unsigned_abs())
    }

    /// The fetch under way was started before the keys' time was over.
    fn is_in_grace(&self, snapshot: &Snapshot, now: Timestamp) -> bool {
        let started_at = Timestamp::from_millis(self.started_at.load(Ordering::Acquire));
        started_at < snapshot.validity.fresh_until && is_within(now, started_at, GRACE_SECONDS)
    }

    /// The number of the fetch under way.
    fn under_way(&self) -> Option<u64> {
        let flight = self.flight.load(Ordering::Acquire);
        (flight % 2 == 1).then_some(flight / 2 + 1)
    }

    /// The need of a caller that came at `now` and finds a fetch under way: the
    /// fetch is news if it was started since, be it by the same caller.
    fn need_at(&self, now: Timestamp, number: u64) -> Need {
        let is_news = self.started_at.load(Ordering::Acquire) >= now.as_millis();
        Need(if is_news { number } else { number + 1 })
    }

    /// Starts a fetch unless one is under way or one finished since the caller saw
    /// the fetch number `seen`.
    fn start(self: &Arc<Self>, now: Timestamp, seen: u64) -> Start {
        let Some(runtime) = self.runtime() else { return Start::NoRuntime };
        match self.flight.compare_exchange(seen * 2, seen * 2 + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {
                self.started_at.store(now.as_millis(), Ordering::Release);
                let flight = Flight { cache: Arc::clone(self), number: seen + 1, has_landed: false };
                // A task of its own: a caller that goes away does not end it.
                runtime.spawn(flight.run());
                Start::UnderWay(Need(seen + 1))
            }
            Err(flight) if flight % 2 == 1 => Start::UnderWay(self.need_at(now, flight / 2 + 1)),
            Err(_) => Start::Changed,
        }
    }

    /// Asks the issuer, whose keys are others since, as it says: what is under way may bring
    /// the former ones.
    #[cfg(feature = "status")]
    pub(crate) async fn refresh(self: &Arc<Self>) {
        if self.is_given {
            return;
        }
        // Subscribed before the look: a fetch that ends in between is not missed.
        let mut finished = self.finished();
        if self.under_way().is_some() {
            let _ = finished.changed().await;
        }
        let seen = self.snapshot.load().fetch;
        let _ = self.start(self.clock.now(), seen);
    }

    /// The runtime of the caller, else the one of an earlier caller.
    fn runtime(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(runtime) => {
                let _ = self.runtime.set(runtime.clone());
                Some(runtime)
            }
            Err(_) => self.runtime.get().cloned(),
        }
    }

    /// Asks the issuer; the next snapshot.
    async fn fetch(&self, number: u64) -> Snapshot {
        let before = self.snapshot.load_full();
        let answer = self.source.key_set(before.version.as_ref()).await;
        let now = self.clock.now();
        match answer.map_err(NoKeys::from).and_then(|answer| before.after(answer, number, now, (self.jitter)())) {
            Ok(next) => {
                let skipped = next.keys.set.skipped();
                if skipped > 0 {
                    tracing::warn!(
                        issuer = self.source.issuer().as_str(),
                        skipped,
                        "the issuer publishes keys that cannot be used"
                    );
                }
                next
            }
            Err(error) => {
                tracing::warn!(issuer = self.source.issuer().as_str(), %error, "the issuer's keys could not be fetched");
                before.failed(number, now)
            }
        }
    }
}

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("{0}")]
    Set(#[from] JwkSetError),
    #[error("{0}")]
    Source(#[from] SourceError),
}

impl Snapshot {
    fn after(&self, answer: Answer, number: u64, now: Timestamp, roll: u32) -> Result<Self, NoKeys> {
        let (keys, version, cache_control) = match answer {
            Answer::NotModified { cache_control } => (Arc::clone(&self.keys), self.version.clone(), cache_control),
            // The same document: what was verified with its keys stays verified.
            Answer::Document { body, version, cache_control } if self.keys.number > 0 && self.keys.document == body => {
                (Arc::clone(&self.keys), version, cache_control)
            }
            Answer::Document { body, version, cache_control } => {
                let set = JwkSet::parse(&body)?;
                (Arc::new(KeySet { number, document: body, set }), version, cache_control)
            }
        };
        let validity = Validity::renewed(cache_control.as_deref(), now, roll);
        Ok(Self { keys, version, fetch: number, validity })
    }

    fn failed(&self, number: u64, now: Timestamp) -> Self {
        let (keys, version) = (Arc::clone(&self.keys), self.version.clone());
        Self { keys, version, fetch: number, validity: self.validity.failed(now) }
    }
}

/// A fetch under way. However it ends, the next may start and whoever waits hears
/// of it; one that is torn down half-way counts as failed.
struct Flight {
    cache: Arc<KeyCache>,
    number: u64,
    has_landed: bool,
}

impl Flight {
    async fn run(mut self) {
        let next = self.cache.fetch(self.number).await;
        self.cache.snapshot.store(Arc::new(next));
        self.has_landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let cache = &self.cache;
        if !self.has_landed {
            let failed = cache.snapshot.load().failed(self.number, cache.clock.now());
            cache.snapshot.store(Arc::new(failed));
        }
        cache.flight.store(self.number * 2, Ordering::Release);
        cache.finished.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use countersign_protocol::jose::{Algorithm, SigningKey};
    use countersign_protocol::{Issuer, ManualClock};

    use super::*;
    use crate::keys::{Fetch, FetchFuture, FetchRequest, Fetched};

    struct Counting {
        keys: Vec<u8>,
        fetches: Arc<AtomicUsize>,
    }

    impl Fetch for Counting {
        fn fetch<'a>(&'a self, _request: FetchRequest<'a>) -> FetchFuture<'a> {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let document = Fetched::Document { body: self.keys.clone(), etag: None, cache_control: None };
            Box::pin(async move { Ok(document) })
        }
    }

    fn cache(clock: &Arc<ManualClock>) -> (Arc<KeyCache>, Arc<AtomicUsize>) {
        let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &SigningKey::generate(Algorithm::EdDSA).unwrap()).unwrap();
        let keys = serde_json::json!({ "keys": [serde_json::to_value(key.public_jwk("k1")).unwrap()] });
        let fetches = Arc::new(AtomicUsize::new(0));
        let fetch = Arc::new(Counting { keys: keys.to_string().into_bytes(), fetches: Arc::clone(&fetches) });
        let issuer = Issuer::try_from("https://as.test").unwrap();
        let source = Source::new(fetch, issuer, Some("https://as.test/keys".to_owned()));
        let clock: Arc<ManualClock> = Arc::clone(clock);
        (KeyCache::new(KeyCacheSettings { source, clock, jitter: Arc::new(|| 100) }), fetches)
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_fetches_and_refreshes_without_any_request() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000)));
        let (cache, fetches) = cache(&clock);
        let timer = tokio::spawn(KeyCache::keep_fresh(Arc::downgrade(&cache)));
        // Paused time jumps to whichever timer is next; ours is never more than a minute away.
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        clock.advance_seconds(479);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
        clock.advance_seconds(1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
        // It ends with the cache.
        drop(cache);
        timer.await.unwrap();
    }

    #[cfg(feature = "status")]
    #[tokio::test]
    async fn a_refresh_is_not_content_with_what_was_asked_before() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000)));
        let (cache, fetches) = cache(&clock);
        assert!(matches!(cache.usable(clock.now()), Usable::Wait(_)));
        let mut finished = cache.finished();
        cache.refresh().await;
        finished.borrow_and_update();
        finished.changed().await.unwrap();
        assert_eq!(fetches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn the_same_document_keeps_its_number_and_another_does_not() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_800_000_000)));
        let (cache, _) = cache(&clock);
        let next = cache.fetch(1).await;
        assert_eq!((next.fetch, next.keys.number), (1, 1));
        cache.snapshot.store(Arc::new(next));
        let same = cache.fetch(2).await;
        assert_eq!((same.fetch, same.keys.number), (2, 1));
        let mut other = same.keys.document.clone();
        other.push(b' ');
        let answer = Answer::Document { body: other, version: None, cache_control: None };
        assert_eq!(same.after(answer, 3, clock.now(), 0).unwrap().keys.number, 3);
    }
}
