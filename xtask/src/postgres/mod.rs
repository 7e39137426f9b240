//! A PostgreSQL of the tests' own: a new cluster in a temporary folder, on loopback, with password authentication.

mod account;
mod cluster;
mod programs;

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

pub(crate) use account::is_root;
pub(crate) use cluster::{Cluster, free_port};
pub(crate) use programs::{NEEDED, Programs};

/// Runs a command beside a cluster, with the variables that the tests read.
pub(crate) fn with_cluster(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let programs = Programs::find().map_err(|problem| anyhow::anyhow!("{NEEDED}: {problem}"))?;
    let cluster = Cluster::start_in_memory(&programs)?;
    process::run(Command::new(program).args(arguments).envs(cluster.variables()))
}
