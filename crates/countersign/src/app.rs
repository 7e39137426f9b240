//! The application: every long-lived component, built once and passed down.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use countersign_protocol::{ClientId, Clock, Timestamp};
use tokio::sync::watch;

use crate::api_keys::{ApiKey, ApiKeyCache, ApiKeyUses, SlowHashes};
use crate::catalog::{self, Catalog, CatalogError};
use crate::clients::{Client, ClientCache, ClientKeySets, CredentialUses};
use crate::config::{BaseUrl, BudgetsConfig, RefusalsConfig, TrustedProxies, UsageConfig};
use crate::counters::{Counters, CountersOptions, Spending, Spends};
use crate::entropy::Entropy;
use crate::ids::{ApiKeyId, SigningKeyId};
use crate::instance::{self, InstanceError};
use crate::leak_reports::LeakReports;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::oauth::{DecoyKeys, LiveTokens, PhantomTokens, ReadTokens};
use crate::outbound::Outbound;
use crate::refusals::Refusals;
use crate::revocation::Revocations;
use crate::sealing::MasterKey;
use crate::signing_keys::{LocalSigners, Signer, Signers};
use crate::status_feed::StatusFeeds;
use crate::status_lists::StatusLists;
use crate::store::{ChangeKind, Store, StoreError, Tx, WorkFuture};
use crate::timer::Timer;
use crate::token_keys::{self, TokenKeys};
use crate::usage::{Habits, KeyUsageCounts, UsageCounts};

/// What an application is built from.
pub struct AppParts {
    /// The database.
    pub store: Store,
    /// Opens what is encrypted at rest.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waits by that clock.
    pub timer: Arc<dyn Timer>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The public base URLs; the first is the default.
    pub bases: Vec<BaseUrl>,
    /// Proxies that are believed when they name the address they were asked from.
    pub trusted_proxies: TrustedProxies,
    /// How far `iat` lies before now, in seconds.
    pub backdate_seconds: i64,
    /// How much of its life a token has left that is handed out once more, in percent.
    pub reuse_min_life_percent: u32,
    /// Most clients held in memory.
    pub client_cache_capacity: usize,
    /// Most secrets of API keys held in memory.
    pub api_key_cache_capacity: usize,
    /// Threads for RSA signatures.
    pub signing_threads: usize,
    /// How much one client and one source address may ask for.
    pub budgets: BudgetsConfig,
    /// How limits of API keys are counted.
    pub counters: CountersOptions,
    /// How many explanations of refusals are kept, and for how long.
    pub refusals: RefusalsConfig,
    /// How long counters of what clients do are kept.
    pub usage: UsageConfig,
    /// Salted hashes of imported API keys that are computed at once.
    pub hash_threads: usize,
    /// How reports of leaked keys are taken; `None`: not at all.
    pub leak_reports: Option<LeakReports>,
    /// Makes HTTP requests.
    pub outbound: Outbound,
}

/// How long the change feed may be unreadable before a node says that it is not ready.
pub const MAX_FEED_SILENCE_SECONDS: i64 = 10;

/// The application.
pub struct App {
    /// The database.
    pub store: Store,
    /// Opens what is encrypted at rest.
    pub master_key: MasterKey,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Waits by that clock.
    pub timer: Arc<dyn Timer>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The public base URLs; the first is the default.
    pub bases: Vec<BaseUrl>,
    /// Proxies that are believed when they name the address they were asked from.
    pub trusted_proxies: TrustedProxies,
    /// How far `iat` lies before now, in seconds.
    pub backdate_seconds: i64,
    signers: Arc<dyn Signers>,
    /// What is revoked.
    pub revocations: Revocations,
    /// The places of new tokens in status lists.
    pub status_lists: StatusLists,
    /// What is told of revocations to who follows them.
    pub status_feeds: StatusFeeds,
    /// What is counted and measured.
    pub metrics: Metrics,
    /// How much one client and one source address may ask for.
    pub limits: Limits,
    /// The counters of the limits of API keys.
    pub counters: Counters,
    spends: Spends,
    /// Makes HTTP requests.
    pub outbound: Outbound,
    /// How reports of leaked keys are taken; `None`: not at all.
    pub leak_reports: Option<LeakReports>,
    /// Compares salted hashes of imported API keys.
    pub slow_hashes: SlowHashes,
    /// Keys that clients keep at a URL.
    pub client_keys: ClientKeySets,
    /// Last uses that are not written yet.
    pub credential_uses: CredentialUses,
    /// Last uses of API keys that are not written yet.
    pub api_key_uses: ApiKeyUses,
    /// Why requests were refused, as far as it is not written yet.
    pub refusals: Refusals,
    /// What clients did, as far as it is not written yet.
    pub usage: UsageCounts,
    /// How many days that is kept.
    pub keep_usage_days: u32,
    /// How API keys were used, as far as it is not written yet.
    pub key_usage: KeyUsageCounts,
    /// Who asks for tokens that it still holds.
    pub habits: Habits,
    /// Tokens that are handed out once more.
    pub live_tokens: LiveTokens,
    /// Tried where there is no key to try.
    pub decoy_keys: DecoyKeys,
    /// JWTs that stand for opaque tokens.
    pub phantom_tokens: PhantomTokens,
    /// Tokens of our own that were read lately.
    pub read_tokens: ReadTokens,
    catalog: ArcSwap<Catalog>,
    /// Opened keys, and the lock that keeps an older snapshot from replacing a newer one.
    opened_keys: tokio::sync::Mutex<HashMap<SigningKeyId, Arc<dyn Signer>>>,
    /// Whether the catalog holds keys that this node's master key does not open.
    sealed_out: AtomicBool,
    clients: ClientCache,
    api_keys: ApiKeyCache,
    draining: AtomicBool,
    /// When the change feed was last read to its end, in milliseconds; 0: nobody follows it.
    feed_read_at: AtomicI64,
    /// Up to which change of the feed this node has applied every one; `None`: nobody follows it.
    feed_position: watch::Sender<Option<i64>>,
}

/// Why an application cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The snapshot cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The database belongs to another master key, or is not set up.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// What is revoked cannot be read.
    #[error(transparent)]
    Revocations(#[from] StoreError),
    /// The limits cannot be counted where they should be.
    #[error("the limits cannot be counted in this database")]
    Counters(#[source] StoreError),
    /// No thread can be started.
    #[error("no thread can be started")]
    Threads(#[from] std::io::Error),
}

impl App {
    /// Builds the application on a database; sets the database up if it is empty.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(parts: AppParts) -> Result<Arc<Self>, StartError> {
        let metrics = Metrics::new(parts.store.metrics(), parts.clock.now());
        let signers = Arc::new(LocalSigners::start(parts.signing_threads, metrics.signing_wait.clone())?);
        Self::build(parts, signers, metrics).await
    }

    /// The same with signing keys that may be held elsewhere.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_with(parts: AppParts, signers: Arc<dyn Signers>) -> Result<Arc<Self>, StartError> {
        let metrics = Metrics::new(parts.store.metrics(), parts.clock.now());
        Self::build(parts, signers, metrics).await
    }

    async fn build(parts: AppParts, signers: Arc<dyn Signers>, metrics: Metrics) -> Result<Arc<Self>, StartError> {
        instance::prepare(&parts.store, &parts.master_key, parts.clock.now(), parts.entropy.as_ref()).await?;
        let mut opened = HashMap::new();
        token_keys::prepare::<InstanceError>(&parts.store, &parts.master_key, parts.clock.now(), parts.entropy.as_ref()).await?;
        let none = TokenKeys::default();
        let catalog = catalog::load(&parts.store, &parts.master_key, signers.as_ref(), &mut opened, &none, &parts.bases).await?;
        let revocations = Revocations::default();
        revocations.load(&parts.store, parts.clock.now()).await?;
        let client_keys = ClientKeySets::new(parts.outbound.guarded(), Arc::clone(&parts.clock));
        let counters =
            Counters::start(parts.counters, &parts.store, metrics.counters.clone()).await.map_err(StartError::Counters)?;
        Ok(Arc::new(Self {
            counters,
            spends: Spends::default(),
            store: parts.store,
            master_key: parts.master_key,
            clock: parts.clock,
            timer: parts.timer,
            entropy: parts.entropy,
            bases: parts.bases,
            trusted_proxies: parts.trusted_proxies,
            backdate_seconds: parts.backdate_seconds,
            signers,
            revocations,
            status_lists: StatusLists::default(),
            status_feeds: StatusFeeds::default(),
            leak_reports: parts.leak_reports,
            slow_hashes: SlowHashes::new(parts.hash_threads),
            client_keys,
            credential_uses: CredentialUses::default(),
            api_key_uses: ApiKeyUses::default(),
            refusals: Refusals::new(parts.refusals, metrics.explanations.clone()),
            usage: UsageCounts::new(metrics.usage.not_counted.clone()),
            keep_usage_days: parts.usage.keep_days,
            key_usage: KeyUsageCounts::new(parts.usage, metrics.usage.keys_not_counted.clone()),
            habits: Habits::default(),
            live_tokens: LiveTokens::new(parts.reuse_min_life_percent),
            decoy_keys: DecoyKeys::new(),
            phantom_tokens: PhantomTokens::default(),
            read_tokens: ReadTokens::default(),
            outbound: parts.outbound,
            catalog: ArcSwap::from_pointee(catalog),
            opened_keys: tokio::sync::Mutex::new(opened),
            sealed_out: AtomicBool::new(false),
            clients: ClientCache::new(parts.client_cache_capacity, metrics.client_cache.clone()),
            api_keys: ApiKeyCache::new(parts.api_key_cache_capacity, metrics.api_key_cache.clone()),
            limits: Limits::new(parts.budgets, &metrics.budgets),
            metrics,
            draining: AtomicBool::new(false),
            feed_read_at: AtomicI64::new(0),
            feed_position: watch::Sender::new(None),
        }))
    }

    /// The current snapshot.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// A client, from memory or else from the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        self.clients.find(&self.store, id).await
    }

    /// The key with a secret of this lookup, from memory or else from the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn find_api_key(&self, lookup: &str) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.api_keys.find(&self.store, lookup).await
    }

    /// The key with this id, from memory or else from the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn find_api_key_by_id(&self, id: &ApiKeyId) -> Result<Option<Arc<ApiKey>>, StoreError> {
        self.api_keys.find_by_id(&self.store, id).await
    }

    /// The key with a secret of this lookup if it is in memory.
    pub(crate) fn find_api_key_in_memory(&self, lookup: &str) -> Option<Arc<ApiKey>> {
        self.api_keys.find_in_memory(lookup)
    }

    /// How many changes of API keys this node has heard of; see [`App::client_changes`].
    pub(crate) fn api_key_changes(&self) -> u64 {
        self.api_keys.changes()
    }

    /// A client if it is in memory.
    pub fn find_client_in_memory(&self, id: &ClientId) -> Option<Arc<Client>> {
        self.clients.find_in_memory(id)
    }

    /// How many changes of clients this node has heard of. Equal before and after
    /// some work: what was known of a client still holds.
    pub fn client_changes(&self) -> u64 {
        self.clients.changes()
    }

    /// Spends credits of an API key: all of `cost` or nothing; 0 looks. What is spent is
    /// durable, and is not given back.
    ///
    /// # Errors
    /// [`StoreError`]: it is not known to be spent.
    pub async fn spend_credits(&self, key: &ApiKeyId, cost: u64) -> Result<Spending, StoreError> {
        self.spends.spend(&self.store, key, cost, self.clock.now()).await
    }

    /// Runs a change and, once it is committed, applies it to this node's memory
    /// before returning. Other nodes follow the change feed.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError`]; [`StoreError::NotApplied`] when it is
    /// committed and this node goes on as it was before.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (value, applied) = self.commit(work).await?;
        applied?;
        Ok(value)
    }

    /// The same for who has something to do also when the change is not applied.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError`]: nothing is committed.
    pub(crate) async fn commit<T, E, F>(&self, work: F) -> Result<(T, Result<(), StoreError>), E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let committed = self.store.write(work).await?;
        let applied = self.apply_committed(committed.changes).await;
        Ok((committed.value, applied.map_err(StoreError::not_applied)))
    }

    /// Applies changes that cannot be taken back. What is in memory comes first: it
    /// cannot fail. If the rest does, this node's follower goes on trying.
    async fn apply_committed(&self, mut changes: Vec<(ChangeKind, String)>) -> Result<(), CatalogError> {
        changes.sort_by_key(|(kind, _)| *kind == ChangeKind::Catalog);
        let mut applied = Ok(());
        for (kind, object_id) in &changes {
            let this = match self.apply(Some(*kind), object_id).await {
                // The connection broke: the pool makes a new one.
                Err(error) if !error.is_lasting() => self.apply(Some(*kind), object_id).await,
                this => this,
            };
            applied = applied.and(this);
        }
        applied
    }

    /// Forgets or reloads what a change made stale. A change of unknown kind, from
    /// a newer node, makes everything stale.
    ///
    /// # Errors
    /// [`CatalogError`] when it cannot be reloaded: the change is not applied yet.
    pub async fn apply(&self, kind: Option<ChangeKind>, object_id: &str) -> Result<(), CatalogError> {
        match kind {
            Some(ChangeKind::ApiKey) => {
                self.api_keys.apply(object_id);
                Ok(())
            }
            Some(ChangeKind::Client) => {
                match ClientId::try_from(object_id) {
                    Ok(id) => self.clients.invalidate(&id),
                    Err(_) => self.clients.clear(),
                }
                Ok(())
            }
            Some(ChangeKind::Catalog) => self.reload_catalog().await,
            Some(ChangeKind::RevocationMark) if self.revocations.apply_mark(object_id) => Ok(()),
            Some(ChangeKind::RevokedToken) if self.revocations.apply_token(object_id) => Ok(()),
            Some(ChangeKind::RevocationMark | ChangeKind::RevokedToken) | None => self.resync().await,
            // Nothing of it is in memory but in the feed itself.
            Some(ChangeKind::StatusFeedKey) => Ok(()),
        }
    }

    /// Forgets everything and reads it again.
    ///
    /// # Errors
    /// [`CatalogError`] when it cannot be read; the old snapshot serves on.
    pub async fn resync(&self) -> Result<(), CatalogError> {
        self.clients.clear();
        self.api_keys.clear();
        self.revocations.load(&self.store, self.clock.now()).await?;
        self.reload_catalog().await
    }

    async fn reload_catalog(&self) -> Result<(), CatalogError> {
        let mut opened = self.opened_keys.lock().await;
        let before = Arc::clone(&self.catalog().token_keys);
        let loaded = catalog::load(&self.store, &self.master_key, self.signers.as_ref(), &mut opened, &before, &self.bases).await;
        self.sealed_out.store(matches!(loaded, Err(CatalogError::Sealing { .. })), Ordering::SeqCst);
        self.catalog.store(Arc::new(loaded?));
        // What was read belongs to the former snapshot, whose keys must not stay in memory.
        self.read_tokens.clear();
        self.live_tokens.clear();
        Ok(())
    }

    /// Says that this node has applied every change committed until `complete_until`, the
    /// last of them at `position`.
    pub(crate) fn feed_was_read(&self, position: i64, complete_until: Timestamp) {
        self.metrics.node.at_position(position);
        self.feed_read_at.store(self.clock.now().as_millis(), Ordering::SeqCst);
        let moves = |standing: &mut Option<i64>| standing.replace(position) != Some(position);
        self.feed_position.send_if_modified(moves);
        self.status_feeds.complete_at(complete_until);
    }

    /// The position in the change feed up to which this node has applied every change;
    /// `None`: nobody follows the feed.
    pub fn feed_position(&self) -> Option<i64> {
        *self.feed_position.borrow()
    }

    /// Hears of each new [`App::feed_position`].
    pub(crate) fn watch_feed(&self) -> watch::Receiver<Option<i64>> {
        self.feed_position.subscribe()
    }

    /// How long ago this node had applied every change, in milliseconds; 0 when nobody
    /// follows the feed.
    pub fn feed_silence_millis(&self) -> i64 {
        match self.feed_read_at.load(Ordering::SeqCst) {
            0 => 0,
            read_at => self.clock.now().millis_since(Timestamp::from_millis(read_at)),
        }
    }

    /// Whether changes of other nodes may have gone unnoticed for longer than
    /// [`MAX_FEED_SILENCE_SECONDS`].
    pub fn is_behind(&self) -> bool {
        let read_at = self.feed_read_at.load(Ordering::SeqCst);
        read_at != 0 && self.clock.now() > Timestamp::from_millis(read_at).plus_seconds(MAX_FEED_SILENCE_SECONDS)
    }

    /// Whether the database is sealed by another master key than this node's: it serves
    /// the last snapshot that it could open, and changes no longer reach it.
    pub fn is_sealed_out(&self) -> bool {
        self.sealed_out.load(Ordering::SeqCst)
    }

    /// Whether the process is on its way out and should get no new traffic.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Says that the process is on its way out.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }
}
