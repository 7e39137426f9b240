//! `countersign serve`.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::watch;

use super::stop::stop_signal;
use super::{InstanceArgs, instance};
use crate::app::App;
use crate::change_feed::Follower;
use crate::config::{Config, LogFormat};
use crate::http::{Listeners, ServeOptions, bind, router, serve};
use crate::log;

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
    let app = instance::open(&config).await?;
    let listeners = bind(&config.server.listen).await?;
    let stop = stop_signal(Arc::clone(&app)).context("cannot wait for signals")?;
    serve_app(app, listeners, &config, stop).await
}

/// Serves an application until the process is told to stop.
pub(crate) async fn serve_app(
    app: Arc<App>,
    listeners: Listeners,
    config: &Config,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let follower = Follower::start(Arc::clone(&app), config.storage.poll_interval).await?;
    let following = tokio::spawn(follower.run());
    let router = router(&app, config.server.request_timeout);
    let options = ServeOptions { header_timeout: config.server.header_timeout, drain_timeout: config.server.drain_timeout };
    let addresses: Vec<String> =
        listeners.0.iter().filter_map(|listener| listener.local_addr().ok()).map(|address| address.to_string()).collect();
    tracing::info!(listen = addresses.join(","), "ready");
    let drained = serve(listeners, router, options, stop).await;
    following.abort();
    if !drained {
        tracing::warn!(drain_timeout = ?config.server.drain_timeout, "stopped with requests in flight");
    }
    tracing::info!("stopped");
    Ok(())
}
