//! `countersign master-key`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use countersign_protocol::Clock as _;
use countersign_verify::SystemClock;
use serde_json::json;

use super::{InstanceArgs, Printer};
use crate::audit::Actor;
use crate::config::{MasterKeySource, Place};
use crate::entropy::SystemEntropy;
use crate::master_key_file;
use crate::rewrap::{Rewrapped, rewrap};
use crate::startup::{configured_master_key, load_master_key, open_store};

/// The verbs of `master-key`.
#[derive(Debug, Subcommand)]
pub(crate) enum MasterKeyCommand {
    /// Create a file with a new master key, readable by its owner only
    Create(CreateArgs),
    /// Seal everything in the database with a new master key
    Rewrap(RewrapArgs),
}

/// Arguments of `master-key create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// The file; it must not exist
    file: PathBuf,
}

/// Arguments of `master-key rewrap`.
#[derive(Args, Debug)]
pub(crate) struct RewrapArgs {
    /// The file of the new master key
    #[arg(long, value_name = "FILE")]
    new_master_key_file: PathBuf,
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(command: MasterKeyCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        MasterKeyCommand::Create(CreateArgs { file }) => {
            let shown = file.display().to_string();
            if !master_key_file::create_if_missing(&file, &SystemEntropy).with_context(|| format!("cannot create {shown}"))? {
                bail!("{shown} exists");
            }
            printer.result(&json!({ "master_key_file": shown }), &format!("created {shown}"));
        }
        MasterKeyCommand::Rewrap(arguments) => {
            let config = arguments.instance.load()?.config;
            let path = arguments.new_master_key_file;
            if !path.exists() {
                bail!("{0} does not exist: make it with `countersign master-key create {0}`", path.display());
            }
            let place = Place::WholeFile { path: path.display().to_string() };
            let new = load_master_key(&MasterKeySource::File { path, setting: "new_master_key_file", place })?;
            let old = configured_master_key(&config.keys)?;
            let store = open_store(&config).await?;
            let outcome = rewrap(&store, &Actor::command_line(), &old, &new, SystemClock.now()).await?;
            store.settle().await?;
            let (values, text) = match outcome {
                Rewrapped::Already => (0, "the new master key had sealed everything before".to_owned()),
                Rewrapped::Values(values) => (values, format!("sealed {values} values with the new master key")),
            };
            printer.result(&json!({ "sealed_values": values }), &text);
        }
    }
    Ok(())
}
