//! What the store does.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families, Labelled};
use super::histogram::Histogram;
use crate::store::StoreError;

static OPERATIONS: Description = Description {
    name: "countersign_store_operation_duration_seconds",
    labels: &["operation"],
    help: "Time of a unit of work on the database with the wait for its turn, `read` or `write`",
};
static STATEMENTS: Description =
    Description { name: "countersign_store_statements", labels: &["operation"], help: "SQL statements run" };
static FAILURES: Description = Description {
    name: "countersign_store_failures",
    labels: &["kind"],
    help: "Statements, connections and waits that failed: `unavailable` (the database), `internal` (a fault of ours)",
};
static GROUPS: Description = Description {
    name: "countersign_store_commit_group_size",
    labels: &[],
    help: "Units of work that one commit made durable; always 1 on PostgreSQL",
};

/// What the store does. It is made with the store, before there is an application.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    durations: Labelled<Histogram>,
    statements: Labelled<Counter>,
    failures: Labelled<Counter>,
    pub(crate) reading: Histogram,
    pub(crate) writing: Histogram,
    pub(crate) statements_read: Counter,
    pub(crate) statements_written: Counter,
    unavailable: Counter,
    internal: Counter,
    groups: Histogram,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        let durations = Labelled::new(&OPERATIONS, Histogram::of_durations);
        let statements = Labelled::new(&STATEMENTS, Counter::default);
        let failures = Labelled::new(&FAILURES, Counter::default);
        Self {
            reading: durations.series(&["read"]),
            writing: durations.series(&["write"]),
            statements_read: statements.series(&["read"]),
            statements_written: statements.series(&["write"]),
            unavailable: failures.series(&["unavailable"]),
            internal: failures.series(&["internal"]),
            groups: Histogram::of_sizes(),
            durations,
            statements,
            failures,
        }
    }
}

impl StoreMetrics {
    pub(super) fn register(&self, families: &mut Families) {
        families.add_labelled(&self.durations);
        families.add_labelled(&self.statements);
        families.add_labelled(&self.failures);
        families.add(&GROUPS, self.groups.clone());
    }

    /// Counts what the database did not do, or did wrong. That a row exists, or that an
    /// old one is broken, is neither.
    pub(crate) fn failed(&self, error: &StoreError) {
        match error {
            StoreError::Unavailable(_) => self.unavailable.inc(),
            StoreError::Internal(_) => self.internal.inc(),
            StoreError::Corrupt { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::NotApplied(_)
            | StoreError::ReferenceGone
            | StoreError::Repeated
            | StoreError::UniqueViolation => 0,
        };
    }

    /// Counts a commit of `units` units of work.
    pub(crate) fn committed(&self, units: usize) {
        self.groups.count(u64::try_from(units).unwrap_or(u64::MAX));
    }
}
