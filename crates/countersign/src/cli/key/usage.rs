//! `countersign key usage`.

use clap::Args;

use crate::cli::Printer;
use crate::cli::api::Path;
use crate::cli::verbs::{self, ListArgs};

/// What a table of sums shows.
const COLUMNS: [&str; 8] = ["started_at", "key_id", "client_id", "resource_server_id", "outcome", "tag", "requests", "credits"];

/// Arguments of `key usage`.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    /// The id of a key; all keys if it is absent
    #[arg(value_name = "KEY_ID")]
    id: Option<String>,
    /// Of keys of this client only
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Of keys for this resource server only, by its id
    #[arg(long, value_name = "ID")]
    resource_server: Option<String>,
    /// Verdicts with this code only, such as RATE_LIMITED
    #[arg(long, value_name = "CODE")]
    outcome: Option<String>,
    /// Of requests with this tag only
    #[arg(long)]
    tag: Option<String>,
    /// How long the time is that a counter is about [default: day]
    #[arg(long, value_parser = ["minute", "hour", "day"])]
    interval: Option<String>,
    /// From this time on, RFC 3339 [default: 60 minutes, 24 hours or 30 days before the end]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until this time, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// What is told apart: time, key, client, resource_server, outcome, tag [default: time,outcome]
    #[arg(long = "by", value_name = "NAMES")]
    group_by: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) async fn run(arguments: &UsageArgs, printer: Printer) -> anyhow::Result<()> {
    let path = Path::of(&["key-usage"])?.narrowed(&[
        ("key_id", arguments.id.as_deref()),
        ("client_id", arguments.client.as_deref()),
        ("resource_server_id", arguments.resource_server.as_deref()),
        ("outcome", arguments.outcome.as_deref()),
        ("tag", arguments.tag.as_deref()),
        ("interval", arguments.interval.as_deref()),
        ("from", arguments.from.as_deref()),
        ("to", arguments.to.as_deref()),
        ("group_by", arguments.group_by.as_deref()),
    ]);
    verbs::list(&arguments.list, &path, &COLUMNS, printer).await
}
