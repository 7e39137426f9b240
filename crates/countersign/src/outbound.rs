//! The only place that makes HTTP requests: bounded in time and size, without
//! redirects, https unless the host is the loopback.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_protocol::Secret;
use countersign_verify::{HttpClient, HttpError, HttpFetch, Limits};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri};

/// The client.
#[derive(Clone)]
pub struct Outbound(HttpClient);

/// A token request that did not get a token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// The URL or the credentials make no valid request.
    #[error("the request cannot be built: {0}")]
    Request(#[from] http::Error),
    /// The server refused or failed.
    #[error("{url} answered {status}: {body}")]
    Refused {
        /// Whom we asked.
        url: String,
        /// The status.
        status: StatusCode,
        /// The body, as far as it is text.
        body: String,
    },
    /// There was no usable answer.
    #[error("no usable answer from {url}")]
    Transport {
        /// Whom we asked.
        url: String,
        /// Why.
        source: HttpError,
    },
}

/// A collector of OTLP data.
#[derive(Debug)]
pub struct Collector {
    client: HttpClient,
    url: Uri,
    headers: HeaderMap,
}

/// Why a collector did not get what it was sent.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Its URL is none that is ever asked, or there is no usable answer.
    #[error("no usable answer from the collector")]
    Transport(#[from] HttpError),
    /// It refused or failed.
    #[error("the collector answered {0}")]
    Refused(StatusCode),
    /// The process stops.
    #[error("the process stops")]
    Stopped,
}

impl Collector {
    /// A collector at `url`, which gets `headers` with everything.
    ///
    /// # Errors
    /// [`CollectorError::Transport`] for a URL that is none, or plain http beyond the
    /// loopback unless that is allowed.
    pub fn new(url: &str, headers: HeaderMap, allow_plain_http: bool) -> Result<Self, CollectorError> {
        let client = HttpClient::new()?;
        let client = if allow_plain_http { client.dangerously_allow_plain_http() } else { client };
        client.check_url(url)?;
        let url = url.parse().map_err(|_| HttpError::Url)?;
        Ok(Self { client, url, headers })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`CollectorError`].
    pub async fn post(&self, message: Bytes) -> Result<(), CollectorError> {
        let mut request = Request::new(message);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let status = self.client.send(request, Limits::default()).await?.status();
        if status.is_success() { Ok(()) } else { Err(CollectorError::Refused(status)) }
    }
}

impl Outbound {
    /// A client with the default limits.
    ///
    /// # Errors
    /// [`HttpError::Tls`] when TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        HttpClient::new().map(Self)
    }

    /// Fetches keys and metadata for a verifier.
    pub fn fetch(&self) -> HttpFetch {
        HttpFetch::new(self.0.clone())
    }

    /// Asks a token endpoint for a token with `client_secret_basic`
    /// (RFC 6749 section 4.4.2) and returns the response body.
    ///
    /// # Errors
    /// [`NoToken`].
    pub async fn request_token(
        &self,
        token_url: &str,
        client_id: &str,
        client_secret: &Secret<String>,
        form: &[(&str, &str)],
    ) -> Result<Bytes, NoToken> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(token_url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, basic(client_id, client_secret)?)
            .body(Bytes::from(body))?;
        let transport = |source| NoToken::Transport { url: token_url.to_owned(), source };
        self.0.check_url(token_url).map_err(transport)?;
        let response = self.0.send(request, Limits::default()).await.map_err(transport)?;
        let (parts, body) = response.into_parts();
        if parts.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&body).into_owned();
            return Err(NoToken::Refused { url: token_url.to_owned(), status: parts.status, body });
        }
        Ok(body)
    }
}

/// RFC 6749 section 2.3.1: both halves are form-urlencoded before they are joined.
fn basic(client_id: &str, client_secret: &Secret<String>) -> Result<HeaderValue, http::Error> {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = Secret::new(format!("{}:{}", encode(client_id), encode(client_secret.expose())));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.expose())))?;
    value.set_sensitive(true);
    Ok(value)
}
