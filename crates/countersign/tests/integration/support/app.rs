//! The application under test: one node on a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign::app::{App, AppParts, StartError};
use countersign::config::{BaseUrl, BudgetsConfig, RefusalsConfig, TrustedProxies, UsageConfig};
use countersign::counters::CountersOptions;
use countersign::entropy::SeededEntropy;
use countersign::http::{Site, SiteOptions, metrics_router, site};
use countersign::leak_reports::{LeakPolicy, LeakReports, ReporterKeys};
use countersign::outbound::{Outbound, OutboundOptions};
use countersign::sealing::MasterKey;
use countersign::store::Store;
use countersign_protocol::{ManualClock, Secret, Timestamp};
use http::Method;

use super::{CapturedLog, Database, Engine, RemoteSigners, Request, Scrape, TestTimer};

/// What a test may want different.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) bases: &'static [&'static str],
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) budgets: BudgetsConfig,
    pub(crate) counters: CountersOptions,
    pub(crate) refusals: RefusalsConfig,
    pub(crate) usage: UsageConfig,
    pub(crate) backdate_seconds: i64,
    pub(crate) client_cache_capacity: usize,
    pub(crate) api_key_cache_capacity: usize,
    pub(crate) store_timeout: Duration,
    pub(crate) listen: bool,
    /// What is done about reports of leaked keys, and where the keys of the reporter are.
    pub(crate) leak_reports: Option<(LeakPolicy, String)>,
    /// Where the signing keys are held; `None`: in the process.
    pub(crate) signers: Option<RemoteSigners>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            bases: &["https://as.test"],
            trusted_proxies: TrustedProxies::default(),
            // None: the clock stands still, and some tests fail often.
            budgets: BudgetsConfig::default(),
            counters: CountersOptions::default(),
            refusals: RefusalsConfig::default(),
            usage: UsageConfig::default(),
            backdate_seconds: 0,
            client_cache_capacity: 1_000,
            api_key_cache_capacity: 1_000,
            store_timeout: Duration::from_secs(20),
            listen: false,
            leak_reports: None,
            signers: None,
        }
    }
}

/// A node.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) timer: Arc<TestTimer>,
    site: Site,
    setup: Setup,
    // Last: the database goes when every node is gone.
    pub(crate) database: Arc<Database>,
}

impl TestApp {
    /// A node on an empty database.
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, Setup::default()).await
    }

    pub(crate) async fn start_with(engine: Engine, setup: Setup) -> Self {
        CapturedLog::prepare();
        let database = Arc::new(Database::with_schema(engine).await);
        // Not a whole second: rounding shows.
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_750)));
        Self::try_start(database, clock, setup, master_key(1)).await.unwrap()
    }

    pub(crate) async fn try_start(
        database: Arc<Database>,
        clock: Arc<ManualClock>,
        setup: Setup,
        master_key: MasterKey,
    ) -> Result<Self, StartError> {
        // Nodes of one database must not make the same ids.
        static SEED: AtomicU64 = AtomicU64::new(1);
        let store = Store::open(database.options(setup.store_timeout, setup.listen)).await.unwrap();
        let timer = Arc::new(TestTimer::new(Arc::clone(&clock)));
        let outbound = Outbound::new(&OutboundOptions { allow_private_addresses: true, ..OutboundOptions::default() }).unwrap();
        let leak_reports = setup.leak_reports.as_ref().map(|(policy, url)| {
            let keys = ReporterKeys::at(url, outbound.fetch(), clock.clone()).unwrap();
            LeakReports { keys, policy: *policy }
        });
        let parts = AppParts {
            store,
            master_key,
            clock: clock.clone(),
            timer: timer.clone(),
            entropy: Arc::new(SeededEntropy::new(SEED.fetch_add(1, Ordering::Relaxed))),
            bases: setup.bases.iter().map(|base| BaseUrl::from_text(base).unwrap()).collect(),
            trusted_proxies: setup.trusted_proxies.clone(),
            budgets: setup.budgets,
            counters: setup.counters.clone(),
            refusals: setup.refusals,
            usage: setup.usage,
            backdate_seconds: setup.backdate_seconds,
            reuse_min_life_percent: 50,
            client_cache_capacity: setup.client_cache_capacity,
            api_key_cache_capacity: setup.api_key_cache_capacity,
            signing_threads: 1,
            hash_threads: 2,
            leak_reports,
            outbound,
        };
        let app = match &setup.signers {
            Some(signers) => App::start_with(parts, Arc::new(signers.clone())).await?,
            None => App::start(parts).await?,
        };
        Ok(Self { site: site(&app, served(Duration::from_secs(30))), app, clock, timer, setup, database })
    }

    /// Another node of the same instance, on the same clock.
    pub(crate) async fn second_node(&self) -> Self {
        let (database, clock) = (Arc::clone(&self.database), Arc::clone(&self.clock));
        Self::try_start(database, clock, self.setup.clone(), master_key(1)).await.unwrap()
    }

    /// A request to the same node through a router that soon loses patience. Only
    /// for what must run into that: on a busy machine, any request may.
    pub(crate) fn impatient_post(&self, uri: &str) -> Request {
        Request::new(site(&self.app, served(Duration::from_millis(50))), Method::POST, uri)
    }

    /// The text of a scrape.
    pub(crate) async fn scrape(&self) -> Scrape {
        Scrape::of(metrics_router(&self.app)).await
    }

    /// The time of its clock, in milliseconds.
    pub(crate) fn clock_millis(&self) -> i64 {
        self.app.clock.now().as_millis()
    }

    pub(crate) fn request(&self, method: Method, uri: &str) -> Request {
        Request::new(self.site.clone(), method, uri)
    }

    pub(crate) fn get(&self, uri: &str) -> Request {
        self.request(Method::GET, uri)
    }

    pub(crate) fn post(&self, uri: &str) -> Request {
        self.request(Method::POST, uri)
    }
}

const fn served(request_timeout: Duration) -> SiteOptions {
    SiteOptions { request_timeout, decoder: true }
}

pub(crate) fn master_key(byte: u8) -> MasterKey {
    MasterKey::new(&Secret::new(vec![byte; 32])).unwrap()
}
