//! The accept loop: serves until told to stop, then lets requests in flight finish.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Version;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::server::TlsStream;

use super::impatient::Impatient;
use super::site::Answering;
use super::{Endpoint, Listeners, Site};
use crate::config::{BaseUrl, ServerConfig};
use crate::tls::TlsTerms;

/// Most connections that are open at a time.
const MAX_CONNECTIONS: u32 = 10_000;

/// Largest request line with headers, in bytes: a token of the largest size
/// (16 KiB) and as much again.
const MAX_HEAD_BYTES: u16 = 32 * 1024;

/// Time limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Longest wait for a request's headers, for a new connection's first request, and for
    /// the other end to take something of an answer.
    pub header_timeout: Duration,
    /// Longest wait for requests in flight after the stop.
    pub drain_timeout: Duration,
    /// Longest wait after the stop for another request on a connection without one:
    /// its answer says that the connection ends.
    pub drain_idle: Duration,
}

impl ServeOptions {
    /// As a configuration has them.
    pub(crate) const fn configured(server: &ServerConfig) -> Self {
        Self { header_timeout: server.header_timeout, drain_timeout: server.drain_timeout, drain_idle: server.drain_idle }
    }
}

/// The other end of the connection, in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// The base URLs of the listener that a request arrived at, in its extensions.
#[derive(Clone, Debug)]
pub(super) struct ListenerBases(pub(super) Arc<[BaseUrl]>);

/// A connection, and its place among the open ones.
struct Accepted {
    stream: TcpStream,
    peer: PeerAddress,
    place: OwnedSemaphorePermit,
}

/// What all connections to an endpoint share.
struct Service {
    builder: Builder<TokioExecutor>,
    site: Site,
    bases: Option<ListenerBases>,
    tls: Option<TlsTerms>,
    open: Arc<Semaphore>,
    header_timeout: Duration,
    drain_idle: Duration,
    stop: watch::Receiver<bool>,
}

/// What is known of a connection from its requests.
#[derive(Default)]
struct Seen {
    any: AtomicBool,
    http2: AtomicBool,
}

/// Serves `site` by plain HTTP on every listener until `stop` becomes true, then
/// drains. Returns whether everything in flight finished in time.
pub async fn serve(listeners: Listeners, site: impl Into<Site>, options: ServeOptions, stop: watch::Receiver<bool>) -> bool {
    serve_all(vec![Endpoint { listeners, site: site.into(), bases: None, tls: None }], options, stop).await
}

/// The same for several endpoints, which end together.
pub async fn serve_all(endpoints: Vec<Endpoint>, options: ServeOptions, stop: watch::Receiver<bool>) -> bool {
    let open = Arc::new(Semaphore::new(usize::try_from(MAX_CONNECTIONS).unwrap_or(usize::MAX)));
    let mut loops = Vec::new();
    for Endpoint { listeners, site, bases, tls } in endpoints {
        let service = Arc::new(Service {
            builder: builder(options.header_timeout),
            site,
            bases: bases.map(ListenerBases),
            tls,
            open: Arc::clone(&open),
            header_timeout: options.header_timeout,
            drain_idle: options.drain_idle,
            stop: stop.clone(),
        });
        for listener in listeners.0 {
            loops.push(tokio::spawn(accept_until(stop.clone(), listener, Arc::clone(&service))));
        }
    }
    for accepting in loops {
        // A loop ends only by the stop; a panic in one must not end the others.
        let _ = accepting.await;
    }
    // Every place is free: every connection has ended.
    tokio::time::timeout(options.drain_timeout, open.acquire_many(MAX_CONNECTIONS)).await.is_ok()
}

fn builder(header_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout).max_buf_size(MAX_HEAD_BYTES.into());
    let http2_keep_alive = Some(Duration::from_secs(30));
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(http2_keep_alive).max_header_list_size(MAX_HEAD_BYTES.into());
    builder
}

async fn accept_until(mut stop: watch::Receiver<bool>, listener: TcpListener, service: Arc<Service>) {
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &service.open) => accepted,
            _ = stop.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok(accepted) => {
                tokio::spawn(attend(accepted, Arc::clone(&service)));
            }
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

async fn attend(accepted: Accepted, service: Arc<Service>) {
    let Accepted { stream, peer, place } = accepted;
    // Small responses must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    // Below TLS, whose own buffer is no progress of the other end.
    let stream = Impatient::new(stream, service.header_timeout);
    match &service.tls {
        None => converse(stream, peer, &service).await,
        Some(terms) => {
            let secured = tokio::select! {
                secured = handshake(terms, stream) => secured,
                () = service.idle_after_stop() => None,
            };
            if let Some(stream) = secured {
                converse(stream, peer, &service).await;
            }
        }
    }
    drop(place);
}

impl Service {
    async fn stopped(&self) {
        // An error is an end of the sender: nobody will say stop any more, so it is one.
        let _ = self.stop.clone().wait_for(|stopped| *stopped).await;
    }

    /// Completes when a connection that asks nothing has been waited for after the stop.
    async fn idle_after_stop(&self) {
        self.stopped().await;
        tokio::time::sleep(self.drain_idle).await;
    }
}

/// The wait for a turn counts too: who does not get one in time is not served.
async fn handshake(terms: &TlsTerms, stream: Impatient<TcpStream>) -> Option<TlsStream<Impatient<TcpStream>>> {
    let securing = async {
        let _turn = terms.handshakes.acquire().await.map_err(io::Error::other)?;
        terms.acceptor.accept(stream).await
    };
    match tokio::time::timeout(terms.handshake_timeout, securing).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: PeerAddress, service: &Arc<Service>) {
    let seen = Arc::new(Seen::default());
    let conversation = Conversation { service: Arc::clone(service), peer, seen: Arc::clone(&seen) };
    let stream = TokioIo::new(stream);
    let connection = service.builder.serve_connection(stream, conversation).into_owned();
    let mut connection = std::pin::pin!(connection);
    // hyper's own timer starts with the first byte, and only for HTTP/1.
    let asks_nothing = async {
        tokio::time::sleep(service.header_timeout).await;
        if seen.any.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = asks_nothing => return,
        () = may_end(service, &seen) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// Completes when a connection may be told to end. HTTP/2 has a frame for it (GOAWAY,
/// RFC 9113 section 6.8) that loses nothing. HTTP/1 has a header on an answer: closed
/// without one, a connection may end just as a request arrives.
async fn may_end(service: &Service, seen: &Seen) {
    service.stopped().await;
    if !seen.http2.load(Ordering::Relaxed) {
        tokio::time::sleep(service.drain_idle).await;
    }
}

/// The requests of one connection.
struct Conversation {
    service: Arc<Service>,
    peer: PeerAddress,
    seen: Arc<Seen>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Conversation {
    type Response = Response;
    type Error = Infallible;
    type Future = Parting;

    fn call(&self, request: hyper::Request<Incoming>) -> Parting {
        let is_http2 = request.version() == Version::HTTP_2;
        self.seen.http2.store(is_http2, Ordering::Relaxed);
        self.seen.any.store(true, Ordering::Relaxed);
        let Service { site, bases, .. } = &*self.service;
        let answering = site.answer(request.map(Body::new), Some(self.peer), bases.clone());
        Parting { answering, service: (!is_http2).then(|| Arc::clone(&self.service)) }
    }
}

/// An answer that says, after the stop, that the connection ends.
struct Parting {
    answering: Answering,
    /// None for HTTP/2, where answers do not say it.
    service: Option<Arc<Service>>,
}

impl Future for Parting {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = std::task::ready!(self.answering.as_mut().poll(context));
        if let (Ok(response), Some(service)) = (&mut answer, &self.service)
            && *service.stop.borrow()
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use countersign_protocol::{Clock as _, Secret};
    use countersign_verify::SystemClock;
    use rcgen::generate_simple_self_signed;
    use rustls::pki_types::ServerName;
    use tokio::io::AsyncWriteExt as _;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls::{Certificate, CurrentCertificate, server_config, tls_config};

    struct TlsServer {
        port: u16,
        handshakes: Arc<Semaphore>,
        connector: TlsConnector,
        _stop: watch::Sender<bool>,
    }

    impl TlsServer {
        async fn start(at_a_time: usize, handshake_timeout: Duration) -> Self {
            let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = Secret::new(made.signing_key.serialize_pem());
            let current = Arc::new(CurrentCertificate::default());
            current.replace(Certificate::from_pem(&made.cert.pem(), &key, SystemClock.now()).unwrap());
            let handshakes = Arc::new(Semaphore::new(at_a_time));
            let acceptor = server_config(current).unwrap().into();
            let tls = Some(TlsTerms { acceptor, handshakes: Arc::clone(&handshakes), handshake_timeout });
            let listeners = Listeners::loopback(0).await.unwrap();
            let port = listeners.port().unwrap();
            let (stop, stopped) = watch::channel(false);
            let options = ServeOptions {
                header_timeout: Duration::from_secs(60),
                drain_timeout: Duration::from_secs(1),
                drain_idle: Duration::ZERO,
            };
            tokio::spawn(serve_all(vec![Endpoint { listeners, site: Router::new().into(), bases: None, tls }], options, stopped));
            let mut roots = rustls::RootCertStore::empty();
            roots.add(made.cert.der().clone()).unwrap();
            let connector = TlsConnector::from(Arc::new(tls_config(roots).unwrap()));
            Self { port, handshakes, connector, _stop: stop }
        }

        async fn connect(&self) -> io::Result<()> {
            let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
            self.connector.connect(ServerName::try_from("localhost").unwrap(), tcp).await.map(drop)
        }
    }

    #[tokio::test]
    async fn who_gets_no_turn_for_a_handshake_in_time_is_closed() {
        let server = TlsServer::start(1, Duration::from_millis(50)).await;
        let turn = Arc::clone(&server.handshakes).acquire_owned().await.unwrap();
        server.connect().await.unwrap_err();
        drop(turn);
        let server = TlsServer::start(1, Duration::from_secs(60)).await;
        server.connect().await.unwrap();
    }

    #[tokio::test]
    async fn a_handshake_has_its_turn_until_it_ends() {
        let server = TlsServer::start(1, Duration::from_secs(60)).await;
        let mut silent = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        silent.write_all(b"\x16").await.unwrap();
        while server.handshakes.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        drop(silent);
        // Only when the first has ended is there a turn for this one.
        server.connect().await.unwrap();
        while server.handshakes.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
    }
}
