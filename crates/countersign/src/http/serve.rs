//! The accept loop: serves until told to stop, then lets requests in flight finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use super::Listeners;

/// Time limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Longest wait for a request's headers.
    pub header_timeout: Duration,
    /// Longest wait for requests in flight after the stop.
    pub drain_timeout: Duration,
}

/// The other end of the connection, in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

/// Serves `router` on every listener until `stop` becomes true, then drains.
/// Returns whether everything in flight finished in time.
pub async fn serve(listeners: Listeners, router: Router, options: ServeOptions, stop: watch::Receiver<bool>) -> bool {
    let graceful = Arc::new(GracefulShutdown::new());
    let loops: Vec<_> = listeners
        .0
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, router.clone(), options, Arc::clone(&graceful), stop.clone())))
        .collect();
    for accepting in loops {
        // A loop ends only by the stop; a panic in one must not end the others.
        let _ = accepting.await;
    }
    match Arc::try_unwrap(graceful) {
        Ok(graceful) => tokio::time::timeout(options.drain_timeout, graceful.shutdown()).await.is_ok(),
        Err(_) => false,
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    graceful: Arc<GracefulShutdown>,
    mut stop: watch::Receiver<bool>,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(options.header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok((stream, peer)) => serve_connection(stream, PeerAddress(peer), &builder, router.clone(), &graceful),
            Err(error) => {
                // Out of file descriptors, mostly: some will be free again soon.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn serve_connection(
    stream: TcpStream,
    peer: PeerAddress,
    builder: &Builder<TokioExecutor>,
    router: Router,
    graceful: &GracefulShutdown,
) {
    // Small responses must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let service = TowerToHyperService::new(service.map_err(|never: Infallible| never));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}
