//! The registry together with what the reference says of each family.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::registry::{Metric, Registry, Unit};

/// What a family of series is.
#[derive(Debug)]
pub(super) struct Description {
    /// The name that its series begin with.
    pub(super) name: &'static str,
    /// What tells its series apart.
    pub(super) labels: &'static [&'static str],
    /// What it says, without a full stop: the scrape's HELP, which adds one.
    pub(super) help: &'static str,
}

/// Series told apart by the labels of their description. Clones share their series.
#[derive(Clone, Debug)]
pub(super) struct Labelled<M, C = fn() -> M> {
    description: &'static Description,
    series: Family<Vec<(&'static str, String)>, M, C>,
}

/// Families that are scraped together.
#[derive(Debug, Default)]
pub(super) struct Families {
    registry: Registry,
    documented: Vec<(&'static Description, MetricType)>,
}

/// The suffix of names that are in seconds.
const SECONDS: &str = "_seconds";

impl<M: Clone> Labelled<M> {
    pub(super) fn new(description: &'static Description, make: fn() -> M) -> Self {
        Self { description, series: Family::new_with_constructor(make) }
    }

    /// The series with these values of the labels, in the description's order. It
    /// takes a lock: whoever counts often keeps it.
    pub(super) fn series(&self, values: &[&str]) -> M
    where
        fn() -> M: MetricConstructor<M>,
    {
        let labels = self.description.labels.iter().zip(values).map(|(label, value)| (*label, (*value).to_owned())).collect();
        self.series.get_or_create_owned(&labels)
    }
}

impl Families {
    pub(super) fn add(&mut self, description: &'static Description, metric: impl Metric) {
        self.documented.push((description, metric.metric_type()));
        match description.name.strip_suffix(SECONDS) {
            Some(name) => self.registry.register_with_unit(name, description.help, Unit::Seconds, metric),
            None => self.registry.register(description.name, description.help, metric),
        }
    }

    pub(super) fn add_labelled<M>(&mut self, labelled: &Labelled<M>)
    where
        Family<Vec<(&'static str, String)>, M, fn() -> M>: Metric + Clone,
    {
        self.add(labelled.description, labelled.series.clone());
    }

    /// The scrape: OpenMetrics text 1.0.0.
    pub(super) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(super) fn documented(&self) -> &[(&'static Description, MetricType)] {
        &self.documented
    }
}
