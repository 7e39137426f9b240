//! Limits of API keys that could not be counted.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families, Labelled};
use crate::counters::OnUnreachable;

static UNCOUNTED: Description = Description {
    name: "countersign_limits_uncounted",
    labels: &["on_unreachable"],
    help: "Limits that could not be counted where they should be, by what they say then: `deny` refused the request, `allow` let it pass, \
           `local` counted it in this process",
};
static UNREACHABLE: Description = Description {
    name: "countersign_counters_unreachable",
    labels: &[],
    help: "Requests whose shared counters could not be asked, in time or at all",
};
static FULL: Description = Description {
    name: "countersign_counters_full",
    labels: &[],
    help: "Limits that could not be counted because `counters.capacity` windows were running",
};

/// Limits that could not be counted. Clones share their counts.
#[derive(Clone, Debug)]
pub struct CounterMetrics {
    deny: Counter,
    allow: Counter,
    local: Counter,
    pub(crate) unreachable: Counter,
    pub(crate) full: Counter,
}

impl CounterMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let uncounted = Labelled::new(&UNCOUNTED, Counter::default);
        families.add_labelled(&uncounted);
        let metrics = Self {
            deny: uncounted.series(&["deny"]),
            allow: uncounted.series(&["allow"]),
            local: uncounted.series(&["local"]),
            unreachable: Counter::default(),
            full: Counter::default(),
        };
        families.add(&UNREACHABLE, metrics.unreachable.clone());
        families.add(&FULL, metrics.full.clone());
        metrics
    }

    pub(crate) fn uncounted(&self, setting: OnUnreachable) {
        match setting {
            OnUnreachable::Deny => self.deny.inc(),
            OnUnreachable::Allow => self.allow.inc(),
            OnUnreachable::Local => self.local.inc(),
        };
    }
}
