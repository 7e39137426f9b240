//! `countersign serve`.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::InstanceArgs;
use crate::config::LogFormat;
use crate::http::bind;
use crate::log;
use crate::startup::{open, serve_app, stop_signal};

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(arguments: ServeArgs) -> anyhow::Result<()> {
    let config = arguments.instance.load()?.config;
    let format = match config.log.format {
        LogFormat::Json => log::Format::Json,
        LogFormat::Text => log::Format::Text,
    };
    log::start(format, config.log.level.as_str());
    let app = open(&config).await?;
    let listeners = bind(&config.server.listen).await?;
    let stop = stop_signal(Arc::clone(&app)).context("cannot wait for signals")?;
    serve_app(app, listeners, &config, stop).await
}
