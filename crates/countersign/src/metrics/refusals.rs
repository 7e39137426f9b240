//! Explanations of refusals.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families, Labelled};

static KEPT: Description = Description {
    name: "countersign_refusals_kept",
    labels: &[],
    help: "Refusals whose explanation was written to the database, for `countersign explain --request`",
};
static NOT_KEPT: Description = Description {
    name: "countersign_refusals_not_kept",
    labels: &["reason"],
    help: "Refusals whose explanation was dropped: `one_caller` (too many of one client or source address), `too_many` (of all together), \
           `not_written` (the database was away)",
};

/// What became of explanations. Clones share their counts.
#[derive(Clone, Debug)]
pub struct RefusalMetrics {
    pub(crate) kept: Counter,
    pub(crate) too_many_of_one: Counter,
    pub(crate) too_many: Counter,
    pub(crate) not_written: Counter,
}

impl RefusalMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let not_kept = Labelled::new(&NOT_KEPT, Counter::default);
        let kept = Counter::default();
        families.add(&KEPT, kept.clone());
        families.add_labelled(&not_kept);
        Self {
            kept,
            too_many_of_one: not_kept.series(&["one_caller"]),
            too_many: not_kept.series(&["too_many"]),
            not_written: not_kept.series(&["not_written"]),
        }
    }
}
