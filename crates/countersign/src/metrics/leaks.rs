//! Reports of leaked credentials.

use prometheus_client::metrics::counter::Counter;

use super::families::{Description, Families, Labelled};

static LEAKS: Description = Description {
    name: "countersign_leak_reports",
    labels: &["credential"],
    help: "Findings of signed leak reports: `api_key`, `client_secret`, or `none` where there is no such credential",
};

/// What was reported. Clones share their counts.
#[derive(Clone, Debug)]
pub struct LeakMetrics {
    api_keys: Counter,
    client_secrets: Counter,
    nothing: Counter,
}

impl LeakMetrics {
    pub(super) fn new(families: &mut Families) -> Self {
        let leaks = Labelled::new(&LEAKS, Counter::default);
        families.add_labelled(&leaks);
        Self {
            api_keys: leaks.series(&["api_key"]),
            client_secrets: leaks.series(&["client_secret"]),
            nothing: leaks.series(&["none"]),
        }
    }

    /// The count of a kind of credential; `None`: there was none.
    pub(crate) fn of(&self, kind: Option<&'static str>) -> &Counter {
        match kind {
            Some("api_key") => &self.api_keys,
            Some(_) => &self.client_secrets,
            None => &self.nothing,
        }
    }
}
