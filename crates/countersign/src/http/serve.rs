//! The accept loop: serves until told to stop, then lets requests in flight finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

use super::Listeners;

/// Most connections that are open at a time.
const MAX_CONNECTIONS: usize = 10_000;

/// Time limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Longest wait for a request's headers, and for a new connection's first request.
    pub header_timeout: Duration,
    /// Longest wait for requests in flight after the stop.
    pub drain_timeout: Duration,
}

/// The other end of the connection, in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// A connection, and its place among the open ones.
struct Accepted {
    stream: TcpStream,
    peer: PeerAddress,
    place: OwnedSemaphorePermit,
}

/// What all connections share.
struct Limits {
    graceful: GracefulShutdown,
    open: Arc<Semaphore>,
    header_timeout: Duration,
}

/// Serves `router` on every listener until `stop` becomes true, then drains.
/// Returns whether everything in flight finished in time.
pub async fn serve(listeners: Listeners, router: Router, options: ServeOptions, stop: watch::Receiver<bool>) -> bool {
    let limits = Arc::new(Limits {
        graceful: GracefulShutdown::new(),
        open: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        header_timeout: options.header_timeout,
    });
    let loops: Vec<_> = listeners
        .0
        .into_iter()
        .map(|listener| tokio::spawn(accept_until(stop.clone(), listener, router.clone(), Arc::clone(&limits))))
        .collect();
    for accepting in loops {
        // A loop ends only by the stop; a panic in one must not end the others.
        let _ = accepting.await;
    }
    match Arc::try_unwrap(limits) {
        Ok(limits) => tokio::time::timeout(options.drain_timeout, limits.graceful.shutdown()).await.is_ok(),
        Err(_) => false,
    }
}

async fn accept_until(mut stop: watch::Receiver<bool>, listener: TcpListener, router: Router, limits: Arc<Limits>) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &limits.open) => accepted,
            _ = stop.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok(accepted) => serve_connection(accepted, &builder, router.clone(), &limits),
            Err(error) => {
                // Out of file descriptors, mostly: some will be free again soon.
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Waits for a place first: who finds none waits in the kernel's queue.
async fn accept(listener: &TcpListener, open: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(open).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok(Accepted { stream, peer: PeerAddress(peer), place })
}

fn serve_connection(accepted: Accepted, builder: &Builder<TokioExecutor>, router: Router, limits: &Limits) {
    let Accepted { stream, peer, place } = accepted;
    // Small responses must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let service = router.map_request(move |mut request: hyper::Request<Incoming>| {
        seen.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(peer);
        request.map(axum::body::Body::new)
    });
    let service = TowerToHyperService::new(service.map_err(|never: Infallible| never));
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let watched = limits.graceful.watch(connection);
    let header_timeout = limits.header_timeout;
    tokio::spawn(async move {
        let _place = place;
        let mut watched = std::pin::pin!(watched);
        // hyper's own timer starts with the first byte, and only for HTTP/1.
        let ended = match tokio::time::timeout(header_timeout, &mut watched).await {
            Ok(ended) => ended,
            Err(_) if asked.load(Ordering::Relaxed) => watched.await,
            Err(_) => return,
        };
        if let Err(error) = ended {
            tracing::debug!(error = %error, "a connection ended early");
        }
    });
}
