//! `countersign key verify`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde_json::Value;

use crate::cli::Printer;
use crate::cli::api::{ApiArgs, Path};
use crate::cli::limits::parse_limit_ask;
use crate::cli::profile::read_secret;
use crate::cli::verbs::Members;

/// Arguments of `key verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// `-`: the key is one line of standard input. A key itself is not accepted here
    #[arg(value_name = "-", value_parser = parse_stdin, required_unless_present = "key_file", conflicts_with = "key_file")]
    stdin: Option<()>,
    /// File with the key
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// What it must be allowed, such as "orders.read AND (orders.write OR admin)"
    #[arg(long, value_name = "EXPRESSION")]
    permissions: Option<String>,
    /// The audience of the resource server that it must be for
    #[arg(long)]
    audience: Option<String>,
    /// A limit that it takes from, besides those that apply by themselves; may be repeated
    #[arg(long = "limit", value_name = "NAME[=COST]", value_parser = parse_limit_ask)]
    limits: Option<Vec<Value>>,
    /// How many credits it costs; 0 looks [default: 1]
    #[arg(long, value_name = "COUNT")]
    cost: Option<u64>,
    /// What it is counted under; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Option<Vec<String>>,
    /// The address of whoever presented the key
    #[arg(long)]
    address: Option<IpAddr>,
    #[command(flatten)]
    api: ApiArgs,
}

pub(super) async fn run(arguments: VerifyArgs, printer: Printer) -> anyhow::Result<ExitCode> {
    let key = read_secret(arguments.key_file.as_deref(), printer)?;
    let body = Members::default()
        .with("key", key.expose().clone())
        .given("permissions", arguments.permissions)
        .given("limits", arguments.limits)
        .given("cost", arguments.cost)
        .given("tags", arguments.tags)
        .given("audience", arguments.audience)
        .given("address", arguments.address.map(|address| address.to_string()));
    let reply = arguments.api.connect()?.ask(&Path::of(&["keys", "verify"])?, &body.into_value()).await?;
    printer.object(&reply);
    let is_valid = reply.body.get("valid").and_then(Value::as_bool) == Some(true);
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse_stdin(text: &str) -> anyhow::Result<()> {
    if text != "-" {
        // Not what was given: it is a key most likely.
        bail!(
            "a key in the arguments is in the list of processes, for every user of the machine to read: give `-` and send it on standard input, or use --key-file"
        );
    }
    Ok(())
}
