//! `countersign dev`.

use std::path::PathBuf;

use clap::Args;

use super::Printer;
use crate::dev::{self, DEFAULT_DATA, DevOptions};

/// Arguments of `dev`.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Port of the server; 0 finds a free one. Another port than 8787 moves the demo API to a free port too
    #[arg(long, default_value_t = dev::DEFAULT_PORT)]
    port: u16,
    /// Also serve https, on port 8443 or, with --port, a free one, with a certificate of a development authority
    #[arg(long)]
    tls: bool,
    /// Folder for the database, the master key and the env file; kept between runs
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Use a temporary folder and delete it at the end
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
    /// Where to write the names and secrets that scripts need [default: dev.env in the data folder]
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: DevArgs, printer: Printer) -> anyhow::Result<()> {
    let options = DevOptions {
        port: arguments.port,
        tls: arguments.tls,
        data: arguments.data,
        ephemeral: arguments.ephemeral,
        env_file: arguments.env_file,
    };
    dev::run(options, |value, text| printer.result(value, text)).await
}
