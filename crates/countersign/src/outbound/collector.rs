//! Sending traces to the collector that the operator chose.

use bytes::Bytes;
use countersign_verify::{HttpClient, HttpError, Limits};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri};

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
