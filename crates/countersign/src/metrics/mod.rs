//! Metrics: every family, in one typed struct. What a request counts is found without
//! a lock; no label has a value that a caller makes up.

mod budgets;
mod by_name;
mod counters;
mod expiry;
mod families;
mod histogram;
mod leaks;
mod node;
mod reference;
mod refusals;
mod requests;
mod status_feed;
mod store;
mod tokens;
mod usage;

use std::fmt;

use countersign_protocol::Timestamp;
use prometheus_client::metrics::counter::Counter;

pub use budgets::{BudgetFamilies, BudgetMetrics};
pub use counters::CounterMetrics;
pub use expiry::{Ending, Expiring, ExpiryMetrics, Within};
pub use histogram::Histogram;
pub use leaks::LeakMetrics;
pub use node::NodeMetrics;
pub use reference::reference_markdown;
pub use refusals::RefusalMetrics;
pub use requests::RequestMetrics;
pub use status_feed::StatusFeedMetrics;
pub use store::StoreMetrics;
pub use tokens::TokenMetrics;
pub use usage::UsageMetrics;

use families::{Description, Families, Labelled};

/// The media type of a scrape.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

static LOOKUPS: Description = Description {
    name: "countersign_client_cache_lookups",
    labels: &["result"],
    help: "Lookups of clients: `hit` in memory, `miss` read from the database",
};
static KEY_LOOKUPS: Description = Description {
    name: "countersign_api_key_cache_lookups",
    labels: &["result"],
    help: "Lookups of secrets of API keys: `hit` in memory, `miss` read from the database",
};
static SIGNING_WAIT: Description = Description {
    name: "countersign_signing_queue_wait_seconds",
    labels: &[],
    help: "How long an RSA signature waited for a signing thread",
};

/// Every metric of the application.
#[derive(Debug)]
pub struct Metrics {
    /// The node itself.
    pub node: NodeMetrics,
    /// Requests.
    pub requests: RequestMetrics,
    /// Tokens.
    pub tokens: TokenMetrics,
    /// Budgets.
    pub budgets: BudgetFamilies,
    /// Limits that could not be counted.
    pub counters: CounterMetrics,
    /// Explanations of refusals.
    pub explanations: RefusalMetrics,
    /// What clients do.
    pub usage: UsageMetrics,
    /// Reports of leaked credentials.
    pub leaks: LeakMetrics,
    /// The status feed.
    pub status_feed: StatusFeedMetrics,
    /// What expires soon.
    pub expiry: ExpiryMetrics,
    /// Lookups of clients.
    pub client_cache: LookupMetrics,
    /// Lookups of secrets of API keys.
    pub api_key_cache: LookupMetrics,
    /// How long signatures waited for a thread.
    pub signing_wait: Histogram,
    families: Families,
}

/// Lookups of one kind of object. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct LookupMetrics {
    pub(crate) hits: Counter,
    pub(crate) misses: Counter,
}

impl Metrics {
    /// Metrics of a node that started at `started`, with those of its store.
    pub fn new(store: &StoreMetrics, started: Timestamp) -> Self {
        let mut families = Families::default();
        let node = NodeMetrics::new(&mut families, started);
        let requests = RequestMetrics::new(&mut families);
        let tokens = TokenMetrics::new(&mut families);
        let budgets = BudgetFamilies::new(&mut families);
        let counters = CounterMetrics::new(&mut families);
        let explanations = RefusalMetrics::new(&mut families);
        let usage = UsageMetrics::new(&mut families);
        let leaks = LeakMetrics::new(&mut families);
        let status_feed = StatusFeedMetrics::new(&mut families);
        let lookups = Labelled::new(&LOOKUPS, Counter::default);
        families.add_labelled(&lookups);
        let key_lookups = Labelled::new(&KEY_LOOKUPS, Counter::default);
        families.add_labelled(&key_lookups);
        let signing_wait = Histogram::of_durations();
        families.add(&SIGNING_WAIT, signing_wait.clone());
        store.register(&mut families);
        let expiry = ExpiryMetrics::new(&mut families);
        let of = |lookups: &Labelled<Counter>| LookupMetrics { hits: lookups.series(&["hit"]), misses: lookups.series(&["miss"]) };
        let (client_cache, api_key_cache) = (of(&lookups), of(&key_lookups));
        Self {
            node,
            requests,
            tokens,
            budgets,
            counters,
            explanations,
            usage,
            leaks,
            status_feed,
            expiry,
            client_cache,
            api_key_cache,
            signing_wait,
            families,
        }
    }

    /// The scrape, [`MEDIA_TYPE`]. `feed_silence_millis` is how long ago this node had
    /// applied every change.
    ///
    /// # Errors
    /// None that is known: writing to memory does not fail.
    pub fn scrape(&self, feed_silence_millis: i64) -> Result<String, fmt::Error> {
        self.node.behind_by(feed_silence_millis);
        self.families.encode()
    }
}
