//! `countersign metrics`.

use clap::Subcommand;

use super::Printer;
use crate::metrics::reference_markdown;

/// The verbs of `metrics`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum MetricsCommand {
    /// Print the reference page of every metric
    Reference,
}

pub(super) fn run(command: MetricsCommand, printer: Printer) {
    match command {
        MetricsCommand::Reference => {
            let page = reference_markdown();
            printer.result(&serde_json::json!({ "markdown": page }), page.trim_end());
        }
    }
}
