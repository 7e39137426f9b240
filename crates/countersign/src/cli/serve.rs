//! `countersign serve`.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;

use super::InstanceArgs;
use crate::config::{Loaded, LogFormat, Place};
use crate::dev::DEFAULT_PORT;
use crate::http::{HandedOver, Listeners};
use crate::log;
use crate::startup::{ServerListeners, open, secure_listeners, serve_app, stop_signal};
use crate::traces::Traces;

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    instance: InstanceArgs,
}

pub(super) async fn run(arguments: ServeArgs, handed_over: std::io::Result<HandedOver>) -> anyhow::Result<()> {
    let Loaded { config, provenance } = arguments.instance.load()?;
    let format = match config.log.format {
        LogFormat::Json => log::Format::Json,
        LogFormat::Text => log::Format::Text,
    };
    let traces = Traces::start(&config.traces).context("traces.endpoint cannot be used")?;
    log::start(format, config.log.level.as_str(), traces.as_ref());
    let mut sockets = handed_over.context("a socket that was handed over cannot be used")?;
    let app = open(&config).await?;
    let is_default = provenance.of("server.listen").is_none_or(|origin| origin.place == Place::Default);
    // The default is loopback, on machines without IPv6 too.
    let plain = match is_default {
        false => sockets.bind(&config.server.listen).await?,
        true if sockets.has_any_of(&config.server.listen) => sockets.bind_present(&config.server.listen).await?,
        true => Listeners::loopback(DEFAULT_PORT).await?,
    };
    let secure = match &config.tls {
        Some(tls) => Some(secure_listeners(&app, tls, &config.server, &mut sockets).await?),
        None => None,
    };
    let metrics = sockets.bind(&config.metrics.listen).await?;
    sockets.all_used()?;
    let stop = stop_signal(Arc::clone(&app)).context("cannot wait for signals")?;
    let served = serve_app(app, ServerListeners { plain, secure, metrics }, &config, stop).await;
    if let Some(traces) = traces {
        traces.stop().await;
    }
    served
}
