//! `countersign backup` and `countersign restore`.

use std::path::PathBuf;

use clap::Args;
use countersign_protocol::Clock as _;
use countersign_verify::SystemClock;
use serde_json::json;

use super::{InstanceArgs, Printer};
use crate::backup::{self, Exposed};
use crate::log::rfc3339;
use crate::startup::{configured_master_key, connect_options};
use crate::store::Store;

/// Arguments of `backup`.
#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The file to write, readable by its owner alone; an older one is replaced
    file: PathBuf,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    instance: InstanceArgs,
}

/// Takes a backup, while the instance may serve.
pub(super) async fn backup(arguments: BackupArgs, printer: Printer) -> anyhow::Result<()> {
    let config = arguments.instance.load()?.config;
    let store = Store::open(connect_options(&config.storage)?).await?;
    let notes = printer;
    let now = SystemClock.now();
    let written = backup::write(&store, now, &arguments.file, move |table| notes.note(&format!("backing up {table}"))).await?;
    let file = arguments.file.display().to_string();
    printer.result(
        &json!({ "file": file, "rows": written.rows, "taken_at": rfc3339(now) }),
        &format!("{file}: {} rows", written.rows),
    );
    printer.note("Keep the master key apart from it: the backup does not hold it, and is useless without.");
    Ok(())
}

/// Restores a backup into an empty database.
pub(super) async fn restore(arguments: RestoreArgs, printer: Printer) -> anyhow::Result<()> {
    let config = arguments.instance.load()?.config;
    let master_key = configured_master_key(&config.keys)?;
    let notes = printer;
    let progress = move |table: &str| notes.note(&format!("restoring {table}"));
    let options = connect_options(&config.storage)?;
    let exposed = backup::restore(options, &master_key, &arguments.file, SystemClock.now(), progress).await?;
    let Exposed { from, until } = exposed;
    let (from, until) = (rfc3339(from), rfc3339(until));
    printer.result(
        &json!({ "restored": arguments.file.display().to_string(), "exposed_from": from, "exposed_until": until }),
        &format!("restored {}", arguments.file.display()),
    );
    printer.note(&format!(
        "What was revoked, disabled, rotated or deleted between {from} and {until} is accepted again.\n\
         Do it again, or revoke everything issued until now: `countersign revoke all`."
    ));
    Ok(())
}
