//! Serving an application until the process is told to stop.

use std::sync::Arc;

use anyhow::bail;
use tokio::sync::watch;

use super::tls::SecureListeners;
use crate::app::App;
use crate::change_feed::Follower;
use crate::config::Config;
use crate::http::{Endpoint, Listeners, ServeOptions, router, serve_all};
use crate::jobs;

/// The sockets of a server.
pub(crate) struct ServerListeners {
    /// Plain HTTP.
    pub(crate) plain: Listeners,
    /// TLS.
    pub(crate) secure: Option<SecureListeners>,
}

/// Serves an application until the process is told to stop.
pub(crate) async fn serve_app(
    app: Arc<App>,
    listeners: ServerListeners,
    config: &Config,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let follower = Follower::start(Arc::clone(&app), config.storage.poll_interval).await?;
    let mut following = tokio::spawn(follower.run());
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), jobs::INTERVAL));
    let options = ServeOptions { header_timeout: config.server.header_timeout, drain_timeout: config.server.drain_timeout };
    let endpoints = endpoints(&app, listeners, config);
    let drained = tokio::select! {
        drained = serve_all(endpoints, options, stop) => drained,
        // It never ends by itself: without it this node would serve what other
        // nodes have revoked.
        ended = &mut following => bail!("the change feed is not followed any more: {ended:?}"),
    };
    following.abort();
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

fn endpoints(app: &Arc<App>, listeners: ServerListeners, config: &Config) -> Vec<Endpoint> {
    let router = router(app, config.server.request_timeout);
    let ServerListeners { plain, secure } = listeners;
    let plain_addresses = plain.addresses();
    // Without TLS, every base of the application is that of the plain listeners.
    let own_bases = secure.as_ref().map(|secure| secure.other_bases.clone());
    let mut endpoints = vec![Endpoint { listeners: plain, router: router.clone(), bases: own_bases, tls: None }];
    match secure {
        Some(secure) => {
            let SecureListeners { listeners, bases, terms, .. } = secure;
            tracing::info!(listen = plain_addresses, tls_listen = listeners.addresses(), "ready");
            endpoints.push(Endpoint { listeners, router, bases: Some(bases), tls: Some(terms) });
        }
        None => tracing::info!(listen = plain_addresses, "ready"),
    }
    endpoints
}
