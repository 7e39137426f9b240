//! What the budgets refused.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families, Labelled};

static REFUSALS: Description = Description {
    name: "countersign_budget_refusals",
    labels: &["budget"],
    help: "Requests answered with 429, by the budget that was exhausted",
};
static EXHAUSTED: Description = Description {
    name: "countersign_budgets_exhausted",
    labels: &["budget"],
    help: "How often a client or a source address exhausted a budget, at most once a minute each",
};

/// What one budget refused. Clones share their counts.
#[derive(Clone, Debug)]
pub struct BudgetMetrics {
    pub(crate) refusals: Counter,
    pub(crate) exhausted: Counter,
}

/// The series of every budget.
#[derive(Debug)]
pub struct BudgetFamilies {
    refusals: Labelled<Counter>,
    exhausted: Labelled<Counter>,
}

impl BudgetFamilies {
    pub(super) fn new(families: &mut Families) -> Self {
        let budgets =
            Self { refusals: Labelled::new(&REFUSALS, Counter::default), exhausted: Labelled::new(&EXHAUSTED, Counter::default) };
        families.add_labelled(&budgets.refusals);
        families.add_labelled(&budgets.exhausted);
        budgets
    }

    /// The series of one budget.
    pub(crate) fn of(&self, budget: &'static str) -> BudgetMetrics {
        BudgetMetrics { refusals: self.refusals.series(&[budget]), exhausted: self.exhausted.series(&[budget]) }
    }
}
