//! Serving an application until the process is told to stop.

use std::sync::Arc;

use anyhow::bail;
use tokio::sync::watch;

use super::service_manager::{self, State};
use super::tls::SecureListeners;
use crate::app::App;
use crate::change_feed::Follower;
use crate::config::{Config, ProcessEnvironment};
use crate::http::{Endpoint, Listeners, ServeOptions, SiteOptions, challenge_router, metrics_router, serve, serve_all, site};
use crate::jobs::{Jobs, rotate_signing_keys};
use crate::status_feed;

/// The sockets of a server.
pub struct ServerListeners {
    /// Plain HTTP.
    pub(crate) plain: Listeners,
    /// TLS.
    pub(crate) secure: Option<SecureListeners>,
    /// Plain HTTP for scrapes alone.
    pub(crate) metrics: Listeners,
}

impl ServerListeners {
    /// Plain HTTP alone, without metrics.
    pub const fn without_tls(plain: Listeners) -> Self {
        Self { plain, secure: None, metrics: Listeners(Vec::new()) }
    }
}

/// Serves an application, and its metrics on listeners of their own, until the process
/// is told to stop.
///
/// # Errors
/// When the change feed cannot be read at the start, or a listener or job fails.
pub async fn serve_app(
    app: Arc<App>,
    listeners: ServerListeners,
    config: &Config,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let follower = Follower::start(Arc::clone(&app), config.storage.poll_interval).await?;
    let mut jobs = Jobs::start(Arc::clone(&app), &config.credentials);
    // Without it this node would serve what other nodes have revoked.
    jobs.add("the change feed is not followed", follower.run());
    jobs.add("the status feed is not written", status_feed::run(Arc::clone(&app)));
    jobs.add("what verifiers have applied is not written", status_feed::keep_written(Arc::clone(&app)));
    let rotating = rotate_signing_keys::run(Arc::clone(&app), config.signing_keys.check_interval);
    jobs.add("signing keys are not looked after", rotating);
    let options = ServeOptions::configured(&config.server);
    let ServerListeners { plain, mut secure, metrics } = listeners;
    if let Some(keeping) = secure.as_mut().and_then(|secure| secure.keeping.take()) {
        jobs.add("the TLS certificate is not kept current", keeping);
    }
    let (listen, tls_listen) = (plain.addresses(), secure.as_ref().map(|secure| secure.listeners.addresses()));
    let are_metrics_served = !metrics.0.is_empty();
    let scraped = are_metrics_served.then(|| metrics.addresses());
    let endpoints = endpoints(&app, plain, secure, config);
    // Not among the endpoints: who fills their connections does not hide that.
    let ending = watch::Sender::new(false);
    let mut serving_metrics = tokio::spawn(serve(metrics, metrics_router(&app), options, ending.subscribe()));
    tracing::info!(listen, tls_listen, metrics = scraped, "ready");
    service_manager::tell(&ProcessEnvironment, State::Ready);
    let mut serving = std::pin::pin!(serve_all(endpoints, options, ending.subscribe()));
    let mut stop = stop;
    let failure = tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => None,
        failure = jobs.ended() => Some(failure),
        _ = &mut serving => bail!("no listener accepts connections any more"),
        ended = &mut serving_metrics, if are_metrics_served => Some(format!("metrics are not served any more: {ended:?}")),
    };
    // Also where something has failed: requests in flight are answered.
    if let Some(failure) = &failure {
        tracing::error!(failure, "stopping");
    }
    service_manager::tell(&ProcessEnvironment, State::Stopping);
    // A stream would never end by itself.
    app.status_feeds.close();
    ending.send_replace(true);
    let drained = serving.await;
    jobs.stop().await;
    if !serving_metrics.is_finished() {
        let _ = serving_metrics.await;
    }
    if let Err(error) = app.store.settle().await {
        tracing::warn!(error = %crate::log::chain(&error), "the database file needs its write-ahead log beside it");
    }
    if !drained {
        tracing::warn!(drain_timeout = ?config.server.drain_timeout, "stopped with requests in flight");
    }
    tracing::info!("stopped");
    failure.map_or(Ok(()), |failure| bail!("{failure}"))
}

fn endpoints(app: &Arc<App>, plain: Listeners, secure: Option<SecureListeners>, config: &Config) -> Vec<Endpoint> {
    let site = site(app, SiteOptions { request_timeout: config.server.request_timeout, decoder: config.server.decoder });
    let Some(SecureListeners { listeners, bases, other_bases, terms, challenges, keeping: _ }) = secure else {
        return vec![Endpoint { listeners: plain, site, bases: None, tls: None }];
    };
    let mut endpoints = Vec::new();
    let site = match challenges {
        Some(challenges) => {
            let only = challenge_router(app);
            endpoints.push(Endpoint { listeners: challenges, site: only.clone().into(), bases: None, tls: None });
            site.after(only)
        }
        None => site,
    };
    endpoints.push(Endpoint { listeners: plain, site: site.clone(), bases: Some(other_bases), tls: None });
    endpoints.push(Endpoint { listeners, site, bases: Some(bases), tls: Some(terms) });
    endpoints
}
