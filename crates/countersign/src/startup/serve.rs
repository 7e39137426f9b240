//! Serving an application until the process is told to stop.

use std::sync::Arc;

use anyhow::bail;
use tokio::sync::watch;

use crate::app::App;
use crate::change_feed::Follower;
use crate::config::Config;
use crate::http::{Listeners, ServeOptions, router, serve};
use crate::jobs::{self, rotate_signing_keys};

/// Serves an application until the process is told to stop.
///
/// # Errors
/// When the change feed cannot be read at the start, or a listener or job fails.
pub async fn serve_app(app: Arc<App>, listeners: Listeners, config: &Config, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let follower = Follower::start(Arc::clone(&app), config.storage.poll_interval).await?;
    let mut following = tokio::spawn(follower.run());
    let mut rotating = tokio::spawn(rotate_signing_keys::run(Arc::clone(&app), config.signing_keys.check_interval));
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), jobs::INTERVAL));
    let router = router(&app, config.server.request_timeout);
    let options = ServeOptions { header_timeout: config.server.header_timeout, drain_timeout: config.server.drain_timeout };
    let addresses: Vec<String> =
        listeners.0.iter().filter_map(|listener| listener.local_addr().ok()).map(|address| address.to_string()).collect();
    tracing::info!(listen = addresses.join(","), "ready");
    let drained = tokio::select! {
        drained = serve(listeners, router, options, stop) => drained,
        // It never ends by itself: without it this node would serve what other
        // nodes have revoked.
        ended = &mut following => bail!("the change feed is not followed any more: {ended:?}"),
        ended = &mut rotating => bail!("signing keys are not looked after any more: {ended:?}"),
    };
    following.abort();
    rotating.abort();
    jobs.abort();
    if let Err(error) = app.store.settle().await {
        tracing::warn!(error = %crate::log::chain(&error), "the database file needs its write-ahead log beside it");
    }
    if !drained {
        tracing::warn!(drain_timeout = ?config.server.drain_timeout, "stopped with requests in flight");
    }
    tracing::info!("stopped");
    Ok(())
}
