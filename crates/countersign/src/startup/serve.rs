//! Serving an application until the process is told to stop.

use std::sync::Arc;

use anyhow::bail;
use tokio::sync::watch;

use crate::app::App;
use crate::change_feed::Follower;
use crate::config::Config;
use crate::http::{Listeners, ServeOptions, metrics_router, router, serve};
use crate::jobs;

/// Serves an application, and its metrics on listeners of their own, until the process
/// is told to stop.
pub(crate) async fn serve_app(
    app: Arc<App>,
    listeners: Listeners,
    metrics: Listeners,
    config: &Config,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let follower = Follower::start(Arc::clone(&app), config.storage.poll_interval).await?;
    let mut following = tokio::spawn(follower.run());
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), jobs::INTERVAL));
    let router = router(&app, config.server.request_timeout);
    let options = ServeOptions { header_timeout: config.server.header_timeout, drain_timeout: config.server.drain_timeout };
    let metrics_addresses = metrics.to_string();
    let serving_metrics = tokio::spawn(serve(metrics, metrics_router(&app), options, stop.clone()));
    tracing::info!(listen = %listeners, metrics = (!metrics_addresses.is_empty()).then_some(metrics_addresses), "ready");
    let drained = tokio::select! {
        drained = serve(listeners, router, options, stop) => drained,
        // It never ends by itself: without it this node would serve what other
        // nodes have revoked.
        ended = &mut following => bail!("the change feed is not followed any more: {ended:?}"),
    };
    following.abort();
    jobs.abort();
    // It was told to stop at the same moment.
    let _ = serving_metrics.await;
    if let Err(error) = app.store.settle().await {
        tracing::warn!(error = %crate::log::chain(&error), "the database file needs its write-ahead log beside it");
    }
    if !drained {
        tracing::warn!(drain_timeout = ?config.server.drain_timeout, "stopped with requests in flight");
    }
    tracing::info!("stopped");
    Ok(())
}
