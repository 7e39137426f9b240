//! `docs/reference/metrics.md`, from the families themselves.

use countersign_protocol::Timestamp;
use prometheus_client::metrics::MetricType;

use super::families::Description;
use super::{Metrics, StoreMetrics};

const INTRODUCTION: &str = "\
<!-- Generated from the help texts; do not edit. -->
# Metrics

`GET /metrics` on the listener that `metrics.listen` sets answers in the OpenMetrics text format 1.0.0. The listener is a \
separate one and asks for no credentials. Times are in seconds. No label has a value that a caller makes up.
";

/// The text of the reference page.
pub fn reference_markdown() -> String {
    let metrics = Metrics::new(&StoreMetrics::default(), Timestamp::from_seconds(0));
    let mut page = INTRODUCTION.to_owned();
    for (description, kind) in metrics.families.documented() {
        page.push_str(&family_markdown(description, *kind));
    }
    page
}

fn family_markdown(description: &Description, kind: MetricType) -> String {
    let (kind, suffix) = match kind {
        MetricType::Counter => ("counter", "_total"),
        MetricType::Gauge => ("gauge", ""),
        MetricType::Histogram => ("histogram", ""),
        MetricType::Info => ("info", "_info"),
        MetricType::Unknown => ("unknown", ""),
    };
    let labels: Vec<String> = description.labels.iter().map(|label| format!("`{label}`")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("; labels {}", labels.join(", ")) };
    let article = if kind == "info" { "An" } else { "A" };
    format!("\n## `{}{suffix}`\n\n{article} {kind}{labels}. {}.\n", description.name, description.help)
}
