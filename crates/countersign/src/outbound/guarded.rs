//! Fetching what a URL leads to that a user named, without becoming that user's
//! way into the network (server-side request forgery).

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use countersign_verify::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched, Limits};
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::addresses::AddressPolicy;

/// Longest URL that is tried.
const MAX_URL_BYTES: usize = 2_000;
/// Longest reason of a refusal that is read.
const MAX_REFUSAL_BYTES: usize = 4_096;

/// Gets one document per connection over https: no redirects, no proxy, a limit on
/// time and size. A name is resolved once; unless every address it has is allowed,
/// nothing is connected to, and the connection goes to exactly such an address.
#[derive(Clone)]
pub struct GuardedFetch {
    tls: TlsConnector,
    addresses: AddressPolicy,
    resolver: Arc<dyn Resolve>,
    limits: Limits,
}

/// What came of a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// Why not: the body that came with 400, as far as there is one of a few KiB.
    pub body: Bytes,
}

/// Why a document was not fetched. Its texts name no address that the URL itself
/// does not name.
#[derive(Debug, thiserror::Error)]
pub enum GuardedFetchError {
    /// An address of the host is not of the public internet.
    #[error("the host has an address that is not of the public internet")]
    ForbiddenAddress,
    /// The response is neither the document nor "not modified". Redirects are not followed.
    #[error("the response has the status {0}")]
    Status(StatusCode),
    /// It took too long.
    #[error("no complete response in time")]
    Timeout,
    /// The response body is too large.
    #[error("the response is too large")]
    TooLarge,
    /// The connection, or the name lookup before it, failed.
    #[error("the connection failed")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
    /// Not an https URL without user name and fragment. Plain http is allowed to the
    /// loopback where private addresses are.
    #[error("not an https URL without user name and fragment")]
    Url,
}

/// Looks names up.
pub(super) trait Resolve: Send + Sync {
    /// Every address of `name`.
    fn resolve<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

/// The operating system's resolver.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

impl GuardedFetch {
    pub(super) fn new(tls: TlsConnector, addresses: AddressPolicy) -> Self {
        Self { tls, addresses, resolver: Arc::new(SystemResolver), limits: Limits::default() }
    }

    /// Other limits than 3 seconds and 256 KiB.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether `url` has the form of one that is fetched. What its host resolves to
    /// is checked at each fetch.
    ///
    /// # Errors
    /// [`GuardedFetchError::Url`], and [`GuardedFetchError::ForbiddenAddress`] for an
    /// address in the URL itself.
    pub fn check_url(&self, url: &str) -> Result<(), GuardedFetchError> {
        let target = Target::parse(url, self.addresses)?;
        target.address().map_or(Ok(()), |address| self.check(&[address], &target))
    }

    /// Gets the document at `url`, or hears that the version with `etag` is current.
    ///
    /// # Errors
    /// [`GuardedFetchError`].
    pub async fn get(&self, url: &str, etag: Option<&str>) -> Result<Fetched, GuardedFetchError> {
        let target = Target::parse(url, self.addresses)?;
        tokio::time::timeout(self.limits.timeout, self.exchange(&target, etag)).await.unwrap_or(Err(GuardedFetchError::Timeout))
    }

    /// Sends `body` to `url`.
    ///
    /// # Errors
    /// [`GuardedFetchError`].
    pub async fn post(
        &self,
        url: &str,
        content_type: &'static str,
        authorization: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Answered, GuardedFetchError> {
        let target = Target::parse(url, self.addresses)?;
        let mut request = target.request(Method::POST, body)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(mut authorization) = authorization {
            authorization.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let exchange = async {
            let (response, _driver) = self.send(&target, request).await?;
            let (head, body) = response.into_parts();
            let body = match head.status {
                StatusCode::BAD_REQUEST => Limited::new(body, MAX_REFUSAL_BYTES).collect().await.ok(),
                _ => None,
            };
            Ok(Answered { status: head.status, body: body.map(Collected::to_bytes).unwrap_or_default() })
        };
        tokio::time::timeout(self.limits.timeout, exchange).await.unwrap_or(Err(GuardedFetchError::Timeout))
    }

    async fn exchange(&self, target: &Target, etag: Option<&str>) -> Result<Fetched, GuardedFetchError> {
        let mut request = target.request(Method::GET, Bytes::new())?;
        if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            request.headers_mut().insert(IF_NONE_MATCH, etag);
        }
        let (response, _driver) = self.send(target, request).await?;
        self.read(response).await
    }

    /// The response, and what drives its connection: dropped, it ends it.
    async fn send(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, JoinSet<()>), GuardedFetchError> {
        let tcp = TcpStream::connect(&*self.checked_addresses(target).await?).await.map_err(transport)?;
        match &target.server_name {
            Some(name) => {
                let tls = self.tls.connect(name.clone(), tcp).await.map_err(transport)?;
                ask(tls, request).await
            }
            None => ask(tcp, request).await,
        }
    }

    /// Resolves once: who answers differently the second time is not asked again.
    async fn checked_addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, GuardedFetchError> {
        let addresses = match (target.address(), &target.host) {
            (Some(address), _) => vec![address],
            (None, Host::Domain(name)) => self.resolver.resolve(name).await.map_err(transport)?,
            (None, _) => Vec::new(),
        };
        self.check(&addresses, target)?;
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
    }

    fn check(&self, addresses: &[IpAddr], target: &Target) -> Result<(), GuardedFetchError> {
        let is_allowed = |address: &IpAddr| {
            self.addresses.allows(*address) && (target.server_name.is_some() || address.to_canonical().is_loopback())
        };
        if addresses.is_empty() {
            return Err(transport(io::Error::from(io::ErrorKind::AddrNotAvailable)));
        }
        if addresses.iter().all(is_allowed) { Ok(()) } else { Err(GuardedFetchError::ForbiddenAddress) }
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Fetched, GuardedFetchError> {
        let (head, body) = response.into_parts();
        let cache_control = joined(&head.headers, &CACHE_CONTROL);
        match head.status {
            StatusCode::OK => {
                let body = Limited::new(body, self.limits.max_body_bytes).collect().await.map_err(|error| {
                    if error.is::<LengthLimitError>() { GuardedFetchError::TooLarge } else { GuardedFetchError::Transport(error) }
                })?;
                let etag = head.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
                Ok(Fetched::Document { body: body.to_bytes().to_vec(), etag, cache_control })
            }
            StatusCode::NOT_MODIFIED => Ok(Fetched::NotModified { cache_control }),
            other => Err(GuardedFetchError::Status(other)),
        }
    }
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, JoinSet<()>), GuardedFetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(transport)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let response = sender.send_request(request).await.map_err(transport)?;
    Ok((response, driver))
}

impl Fetch for GuardedFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move { self.get(request.url, request.etag).await.map_err(FetchError::new) })
    }
}

/// A URL in parts, its form checked.
struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
    /// None: plain http, to the loopback.
    server_name: Option<ServerName<'static>>,
}

impl Target {
    fn parse(text: &str, addresses: AddressPolicy) -> Result<Self, GuardedFetchError> {
        let refused = || GuardedFetchError::Url;
        // What a URL parser silently drops, another one may read.
        if text.len() > MAX_URL_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err(refused());
        }
        let url = Url::parse(text).map_err(|_| refused())?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(refused());
        }
        let host = url.host().ok_or_else(refused)?.to_owned();
        let server_name = match url.scheme() {
            "https" => Some(server_name(&host).ok_or_else(refused)?),
            "http" if addresses == AddressPolicy::PublicAndPrivate => None,
            _ => return Err(refused()),
        };
        let port = url.port_or_known_default().ok_or_else(refused)?;
        Ok(Self { url, host, port, server_name })
    }

    fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, GuardedFetchError> {
        let path = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        };
        let host = self.url.port().map_or_else(|| self.host.to_string(), |port| format!("{}:{port}", self.host));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION"))))
            .header(CONNECTION, HeaderValue::from_static("close"));
        request.body(Full::new(body)).map_err(transport)
    }
}

fn server_name(host: &Host<String>) -> Option<ServerName<'static>> {
    match host {
        Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(IpAddr::from(*address))),
        Host::Ipv6(address) => Some(ServerName::from(IpAddr::from(*address))),
    }
}

fn transport(error: impl Into<Box<dyn Error + Send + Sync>>) -> GuardedFetchError {
    GuardedFetchError::Transport(error.into())
}

/// The values of a header that is a list (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

impl fmt::Debug for GuardedFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedFetch").field("addresses", &self.addresses).field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "guarded_tests.rs"]
mod tests;
