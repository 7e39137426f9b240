//! `countersign key`.

mod create;
mod credits;
mod import;
mod scanner_rules;
mod update;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Printer;
use super::api::{ApiArgs, Path};
use super::verbs::{self, DeleteArgs, ListArgs, Members};
use create::CreateArgs;
use credits::CreditsArgs;
use import::ImportArgs;
use scanner_rules::ScannerRulesArgs;
use update::UpdateArgs;
use usage::UsageArgs;
use verify::VerifyArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  countersign key create \"Acme, production\" --client acme-1 --resource-server https://api.example.com --prefix acme_live --permission orders.read
  countersign key verify - --permissions \"orders.read AND orders.write\" < key.txt
  countersign key list --client acme-1
  countersign key credits key_06rgs5v97tzapyv6r0ykd59rv8 --add 1000
  countersign key usage --client acme-1 --interval hour --by time,key,outcome
  countersign key rotate key_06rgs5v97tzapyv6r0ykd59rv8 --overlap-seconds 86400
  countersign key import keys.csv --client acme-1 --resource-server rs_06rgs5v97tzapyv6r0ykd59rv8 --dry-run
  countersign key scanner-rules --format gitleaks > .gitleaks.toml";

/// What a table of keys shows.
const COLUMNS: [&str; 7] = ["id", "name", "client_id", "prefix", "state", "created_at", "expires_at"];

/// The verbs of `key`.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an API key of a client; the key itself is shown once
    Create(CreateArgs),
    /// List the API keys
    List(NarrowedArgs),
    /// Show what is known of an API key, and of its secrets; never the key itself
    Show(OneArgs),
    /// Change an API key
    Update(UpdateArgs),
    /// Make a new secret for an API key; the old one is accepted on for a while
    Rotate(RotateArgs),
    /// Change how often an API key may be used yet
    Credits(CreditsArgs),
    /// Disable an API key: it is refused until it is enabled
    Disable(OneArgs),
    /// Enable a disabled API key
    Enable(OneArgs),
    /// Revoke an API key for good; it stays in the lists
    Revoke(OneArgs),
    /// Delete an API key with all that is known of it
    Delete(DeleteOneArgs),
    /// Import API keys that another system hashed; what is there already is passed over
    ///
    /// Each key has a hash (`hash`, and `scheme` where its text does not tell), a client
    /// (`client_id`) and a resource server (`resource_server_id`); a salted hash also has the
    /// first characters of the key (`lookup`).
    Import(ImportArgs),
    /// Ask whether an API key is valid, as an API does; exit code 1: it is not
    ///
    /// The key comes from standard input or a file, never from the arguments: those are in
    /// the list of processes, which every user of the machine can read.
    Verify(VerifyArgs),
    /// Sum up how API keys were used: verdicts and spent credits, by the time, key and outcome
    Usage(UsageArgs),
    /// Print rules by which a secret scanner finds the API keys and client secrets in code
    ///
    /// There is one rule for each prefix in use, and one for client secrets (`csec`). What a
    /// rule finds is a candidate: the last 6 characters of a key are a checksum, which no
    /// regular expression can compute.
    ScannerRules(ScannerRulesArgs),
}

/// Arguments of `key list`.
#[derive(Args, Debug)]
pub(crate) struct NarrowedArgs {
    /// Of this client only
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// For this resource server only, by its id
    #[arg(long, value_name = "ID")]
    resource_server: Option<String>,
    /// Only what its owner calls this elsewhere
    #[arg(long, value_name = "TEXT")]
    external_id: Option<String>,
    /// In this state only
    #[arg(long, value_parser = ["active", "disabled", "expired", "revoked"])]
    state: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

/// An API key.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// The id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `key rotate`.
#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// The id of the key; it stays the same
    #[arg(value_name = "KEY_ID")]
    id: String,
    /// How long the old secret is accepted on [default: the server's]
    #[arg(long, value_name = "SECONDS")]
    overlap_seconds: Option<u64>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Arguments of `key delete`.
#[derive(Args, Debug)]
pub(crate) struct DeleteOneArgs {
    /// The id of the key
    #[arg(value_name = "KEY_ID")]
    id: String,
    #[command(flatten)]
    delete: DeleteArgs,
}

pub(super) async fn run(command: KeyCommand, printer: Printer) -> anyhow::Result<ExitCode> {
    let done: anyhow::Result<()> = match command {
        KeyCommand::Create(arguments) => create::run(arguments, printer).await,
        KeyCommand::List(arguments) => list(&arguments, printer).await,
        KeyCommand::Show(one) => show(&one, printer).await,
        KeyCommand::Update(arguments) => update::run(arguments, printer).await,
        KeyCommand::Rotate(arguments) => rotate(&arguments, printer).await,
        KeyCommand::Credits(arguments) => credits::run(&arguments, printer).await,
        KeyCommand::Disable(one) => switch(&one, "disable", printer).await,
        KeyCommand::Enable(one) => switch(&one, "enable", printer).await,
        KeyCommand::Revoke(one) => switch(&one, "revoke", printer).await,
        KeyCommand::Delete(arguments) => {
            let what = format!("key {}", arguments.id);
            verbs::delete(&arguments.delete, &Path::of(&["keys", &arguments.id])?, &what, printer).await
        }
        KeyCommand::Usage(arguments) => usage::run(&arguments, printer).await,
        KeyCommand::ScannerRules(arguments) => scanner_rules::run(&arguments, printer).await,
        // What they find out is their exit code.
        KeyCommand::Import(arguments) => return import::run(arguments, printer).await,
        KeyCommand::Verify(arguments) => return verify::run(arguments, printer).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn list(arguments: &NarrowedArgs, printer: Printer) -> anyhow::Result<()> {
    let path = Path::of(&["keys"])?.narrowed(&[
        ("client_id", arguments.client.as_deref()),
        ("resource_server_id", arguments.resource_server.as_deref()),
        ("external_id", arguments.external_id.as_deref()),
        ("state", arguments.state.as_deref()),
    ]);
    verbs::list(&arguments.list, &path, &COLUMNS, printer).await
}

async fn show(one: &OneArgs, printer: Printer) -> anyhow::Result<()> {
    let reply = one.api.connect()?.get(&Path::of(&["keys", &one.id])?).await?;
    printer.object_with_tables(&reply, &[("secrets", &["id", "start", "state", "created_at", "expires_at", "last_used"])]);
    Ok(())
}

async fn rotate(arguments: &RotateArgs, printer: Printer) -> anyhow::Result<()> {
    let body = Members::default().given("overlap_seconds", arguments.overlap_seconds).into_value();
    let path = Path::of(&["keys", &arguments.id, "rotate"])?;
    let reply = arguments.api.connect()?.post(&path, Some(&body)).await?;
    verbs::created_with(&reply, "key", "rotate it once more", printer)
}

async fn switch(one: &OneArgs, verb: &str, printer: Printer) -> anyhow::Result<()> {
    printer.object(&one.api.connect()?.post(&Path::of(&["keys", &one.id, verb])?, None).await?);
    Ok(())
}
