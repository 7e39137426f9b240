//! The HTTP client, and the fetching of documents with it.

use std::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
#[cfg(feature = "status")]
use hyper::body::Incoming;
use hyper_rustls::builderstates::WantsSchemes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;

use countersign_protocol::jose::MAX_JWK_SET_BYTES;

use super::source::{Fetch, FetchError, FetchFuture, FetchRequest, Fetched};

/// How often a fetch is tried again.
const RETRIES: u32 = 2;
/// The pause before a fetch is tried again; each is longer by this much.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// An HTTP client for a few calls to servers that are known: https unless the host
/// is the loopback, no redirects, no proxy, no decompression, a limit on time and
/// size. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    allow_plain_http: bool,
}

/// What one call may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from the first byte sent to the last byte received.
    pub timeout: Duration,
    /// Size of the response body.
    pub max_body_bytes: usize,
}

/// 3 seconds, 256 KiB.
impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(3), max_body_bytes: MAX_JWK_SET_BYTES }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Plain http to a host that is not the loopback.
    #[error("plain http is allowed to the loopback only")]
    PlainHttp,
    /// The response is neither the document nor "not modified". Redirects are not followed.
    #[error("the response has the status {0}")]
    Status(StatusCode),
    /// It took too long.
    #[error("no complete response in time")]
    Timeout,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
    /// The response body is too large.
    #[error("the response is too large")]
    TooLarge,
    /// The connection failed.
    #[error("the connection failed")]
    Transport(#[source] Box<dyn Error + Send + Sync>),
    /// Not an absolute http(s) URL, or one with a user name.
    #[error("not an absolute http(s) URL without user name")]
    Url,
}

impl HttpClient {
    /// A client that trusts Mozilla's roots.
    ///
    /// # Errors
    /// [`HttpError::Tls`].
    pub fn new() -> Result<Self, HttpError> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(Arc::new(aws_lc_rs::default_provider()))
            .map_err(|error| HttpError::Tls(error.into()))?;
        Ok(Self::over(connector))
    }

    /// A client with a TLS configuration of your own, such as one that trusts a
    /// private certificate authority. The ALPN protocols are set here.
    #[must_use]
    pub fn with_tls(mut config: ClientConfig) -> Self {
        config.alpn_protocols.clear();
        Self::over(HttpsConnectorBuilder::new().with_tls_config(config))
    }

    fn over(builder: HttpsConnectorBuilder<WantsSchemes>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = builder.https_or_http().enable_all_versions().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(2)
            .build(connector);
        Self { client, allow_plain_http: false }
    }

    /// Also speaks plain http to hosts other than the loopback.
    #[must_use]
    pub const fn dangerously_allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Whether this client would go to `url`.
    ///
    /// # Errors
    /// [`HttpError::Url`] or [`HttpError::PlainHttp`].
    pub fn check_url(&self, url: &str) -> Result<(), HttpError> {
        self.check(&url.parse().map_err(|_| HttpError::Url)?)
    }

    fn check(&self, url: &Uri) -> Result<(), HttpError> {
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or(HttpError::Url)?;
        match url.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if self.allow_plain_http || is_loopback(authority.host()) => Ok(()),
            Some("http") => Err(HttpError::PlainHttp),
            Some(_) | None => Err(HttpError::Url),
        }
    }

    /// Sends one request, once, and leaves the body of the response to be read as it comes.
    #[cfg(feature = "status")]
    pub(crate) async fn open(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Incoming>, HttpError> {
        self.check(request.uri())?;
        let response = tokio::time::timeout(timeout, self.client.request(request.map(Full::new))).await;
        response.map_err(|_| HttpError::Timeout)?.map_err(|error| HttpError::Transport(error.into()))
    }

    /// Sends one request, once, and reads the whole response. A status other than
    /// 200 is no error here.
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`].
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        self.check(request.uri())?;
        let exchange = async {
            let response = self.client.request(request.map(Full::new)).await;
            let (head, body) = response.map_err(|error| HttpError::Transport(error.into()))?.into_parts();
            let body = Limited::new(body, limits.max_body_bytes)
                .collect()
                .await
                .map_err(|error| if error.is::<LengthLimitError>() { HttpError::TooLarge } else { HttpError::Transport(error) })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(limits.timeout, exchange).await.unwrap_or(Err(HttpError::Timeout))
    }
}

/// Whether a URL's host is this machine whatever the network says.
fn is_loopback(host: &str) -> bool {
    let is_v6 = |text: &str| text.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).is_some_and(is_v6)
}

/// Gets documents with an [`HttpClient`]; two more tries when the server or the
/// connection fails.
#[derive(Clone, Debug)]
pub struct HttpFetch {
    client: HttpClient,
    limits: Limits,
}

impl HttpFetch {
    /// Fetches with `client` and the default [`Limits`].
    pub fn new(client: HttpClient) -> Self {
        Self { client, limits: Limits::default() }
    }

    /// Other limits.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    async fn get_with_retries(&self, asked: FetchRequest<'_>) -> Result<Fetched, HttpError> {
        let mut retry = 0;
        loop {
            match self.get(asked).await {
                Err(error) if retry < RETRIES && is_worth_a_retry(&error) => {
                    retry += 1;
                    tokio::time::sleep(RETRY_PAUSE * retry).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn get(&self, asked: FetchRequest<'_>) -> Result<Fetched, HttpError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = asked.url.parse().map_err(|_| HttpError::Url)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("countersign-verify/", env!("CARGO_PKG_VERSION"))));
        if let Some(etag) = asked.etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        let response = self.client.send(request, self.limits).await?;
        let cache_control = joined(response.headers(), &CACHE_CONTROL);
        match response.status() {
            StatusCode::OK => {
                let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
                Ok(Fetched::Document { body: response.into_body().to_vec(), etag, cache_control })
            }
            StatusCode::NOT_MODIFIED => Ok(Fetched::NotModified { cache_control }),
            other => Err(HttpError::Status(other)),
        }
    }
}

impl Fetch for HttpFetch {
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            self.get_with_retries(request).await.map_err(|error| {
                let is_absent = matches!(&error, HttpError::Status(status) if status.is_client_error());
                if is_absent { FetchError::absent(error) } else { FetchError::new(error) }
            })
        })
    }
}

/// Another try may help where the fault is a passing one.
fn is_worth_a_retry(error: &HttpError) -> bool {
    match error {
        HttpError::Status(status) => status.is_server_error(),
        HttpError::Timeout | HttpError::Transport(_) => true,
        HttpError::PlainHttp | HttpError::Tls(_) | HttpError::TooLarge | HttpError::Url => false,
    }
}

/// The values of a header that is a list (RFC 9110 section 5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("allow_plain_http", &self.allow_plain_http).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_the_loopback_only() {
        let client = HttpClient::new().unwrap();
        for url in [
            "https://as.test/",
            "http://localhost:8787/x",
            "http://LOCALHOST",
            "http://127.0.0.1",
            "http://127.9.9.9:1/",
            "http://[::1]:80/",
        ] {
            assert!(client.check_url(url).is_ok(), "{url}");
        }
        for url in [
            "http://as.test/",
            "http://10.0.0.7/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost.as.test/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0.0.0.0/",
        ] {
            assert!(matches!(client.check_url(url), Err(HttpError::PlainHttp)), "{url}");
            assert!(client.clone().dangerously_allow_plain_http().check_url(url).is_ok(), "{url}");
        }
        for url in
            ["", "/keys", "as.test", "ftp://as.test/", "file:///etc/passwd", "https://user@as.test/", "http://127.0.0.1@as.test/"]
        {
            assert!(matches!(client.check_url(url), Err(HttpError::Url)), "{url}");
        }
    }
}
