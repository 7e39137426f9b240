//! `countersign refusal`.

use clap::{Args, Subcommand};

use super::Printer;
use super::api::Path;
use super::verbs::{self, ListArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign refusal list
  countersign refusal list --client partner-billing --code CS-2001
  countersign explain --request 8UqfKxwnQ0yEJ8Zb";

/// The verbs of `refusal`.
#[derive(Debug, Subcommand)]
pub(crate) enum RefusalCommand {
    /// List refused requests, oldest first
    List(NarrowedArgs),
}

/// Arguments of `refusal list`.
#[derive(Args, Debug)]
pub(crate) struct NarrowedArgs {
    /// Of this client only
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// With this code only
    #[arg(long, value_name = "CS-NNNN")]
    code: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) async fn run(command: RefusalCommand, printer: Printer) -> anyhow::Result<()> {
    let RefusalCommand::List(arguments) = command;
    let narrowing = [("client_id", arguments.client.as_deref()), ("code", arguments.code.as_deref())];
    let path = Path::of(&["refusals"])?.narrowed(&narrowing);
    let columns = ["request_id", "occurred_at", "route", "status", "code", "client_id", "source_address"];
    verbs::list(&arguments.list, &path, &columns, printer).await
}
