//! What clients do, without saying which: their number has no bound.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families};

static NEEDLESS: Description = Description {
    name: "countersign_needless_token_requests",
    labels: &[],
    help: "Tokens asked for by a client that was given one on the same terms by this node and has most of that one's life left; \
           which clients: `countersign client usage`, and the log",
};
static REUSED: Description = Description {
    name: "countersign_tokens_reused",
    labels: &[],
    help: "Live access tokens handed out once more, for resource servers with `reuse_live_tokens`; not among those issued",
};
static NOT_COUNTED: Description = Description {
    name: "countersign_usage_not_counted",
    labels: &[],
    help: "Events that are missing in the usage of clients, because too many clients were active at once or the database was away for long",
};
static KEYS_NOT_COUNTED: Description = Description {
    name: "countersign_key_usage_not_counted",
    labels: &[],
    help: "Counts that are missing in the usage of API keys, because too many keys and tags were in use at once or the database was \
           away for long",
};

/// What clients do. Clones share their counts.
#[derive(Clone, Debug)]
pub struct UsageMetrics {
    pub(crate) needless: Counter,
    pub(crate) reused: Counter,
    pub(crate) not_counted: Counter,
    pub(crate) keys_not_counted: Counter,
}

impl UsageMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let metrics = Self {
            needless: Counter::default(),
            reused: Counter::default(),
            not_counted: Counter::default(),
            keys_not_counted: Counter::default(),
        };
        families.add(&NEEDLESS, metrics.needless.clone());
        families.add(&REUSED, metrics.reused.clone());
        families.add(&NOT_COUNTED, metrics.not_counted.clone());
        families.add(&KEYS_NOT_COUNTED, metrics.keys_not_counted.clone());
        metrics
    }
}
