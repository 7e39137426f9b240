//! `countersign explain`.

use clap::Args;

use super::Printer;
use super::api::ApiArgs;
use super::explain_request;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign explain --request 8UqfKxwnQ0yEJ8Zb
  countersign refusal list --client partner-billing";

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The id of a refused request: the header `X-Request-Id` of the answer
    #[arg(long, value_name = "ID", required = true)]
    request: String,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(arguments: ExplainArgs, printer: Printer) -> anyhow::Result<()> {
    explain_request::run(&arguments.api.connect()?, &arguments.request, printer).await
}
