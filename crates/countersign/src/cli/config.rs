//! `countersign config`.

use clap::Subcommand;

use super::{InstanceArgs, Printer};
use crate::config::{Disk, load_master_key, reference_markdown};
use crate::startup::check_files;

/// The verbs of `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check every setting, the master key and the certificates, and show where each value comes from
    Check(InstanceArgs),
    /// Print the reference page of every setting
    Reference,
}

pub(super) fn run(command: ConfigCommand, printer: Printer) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check(instance) => check(&instance, printer),
        ConfigCommand::Reference => {
            let page = reference_markdown();
            printer.result(&serde_json::json!({ "markdown": page }), page.trim_end());
            Ok(())
        }
    }
}

fn check(instance: &InstanceArgs, printer: Printer) -> anyhow::Result<()> {
    let loaded = instance.load()?;
    let keys = &loaded.config.keys;
    for source in std::iter::once(&keys.master_key).chain(&keys.previous_master_key) {
        load_master_key(source, &Disk)?;
    }
    check_files(&loaded.config)?;
    let lines: Vec<String> = loaded.provenance.0.iter().map(ToString::to_string).collect();
    printer.result(&serde_json::json!({ "settings": loaded.provenance }), &lines.join("\n"));
    Ok(())
}
