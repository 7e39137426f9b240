//! The only place that makes HTTP requests: bounded in time and size, without
//! redirects, https unless the host is the loopback.
//!
//! Whom the operator configures is reached by [`Outbound`]; whom a user of the API
//! names, by [`Outbound::guarded`] only.

mod acme;
mod addresses;
mod collector;
mod guarded;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use countersign_protocol::Secret;
use countersign_verify::{HttpClient, HttpError, HttpFetch, Limits};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

pub use acme::AcmeHttp;
use addresses::AddressPolicy;
pub use collector::{Collector, CollectorError};
pub use guarded::{Answered, GuardedFetch, GuardedFetchError};

use crate::tls::{public_roots, tls_config};

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    client: HttpClient,
    guarded: GuardedFetch,
    extra_roots: Arc<[CertificateDer<'static>]>,
}

/// Whom the client trusts and where it goes.
#[derive(Clone, Debug, Default)]
pub struct OutboundOptions {
    /// Certificate authorities that are trusted besides Mozilla's.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Whether URLs that users name may lead into private networks and, by plain
    /// http, to the loopback.
    pub allow_private_addresses: bool,
}

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

impl Outbound {
    /// A client with the default limits.
    ///
    /// # Errors
    /// [`rustls::Error`] for a certificate authority that cannot be used.
    pub fn new(options: &OutboundOptions) -> Result<Self, rustls::Error> {
        let tls = trusting(&options.extra_roots)?;
        let addresses = if options.allow_private_addresses { AddressPolicy::PublicAndPrivate } else { AddressPolicy::Public };
        let guarded = GuardedFetch::new(TlsConnector::from(Arc::new(tls.clone())), addresses);
        Ok(Self { client: HttpClient::with_tls(tls), guarded, extra_roots: options.extra_roots.clone().into() })
    }

    /// Fetches keys and metadata for a verifier, from an issuer that the operator chose.
    pub fn fetch(&self) -> HttpFetch {
        HttpFetch::new(self.client.clone())
    }

    /// Talks to the certificate authority that the operator chose, trusting `roots` too.
    ///
    /// # Errors
    /// [`rustls::Error`] for a root that cannot be used.
    pub fn acme(&self, roots: &[CertificateDer<'static>]) -> Result<AcmeHttp, rustls::Error> {
        let roots = [&*self.extra_roots, roots].concat();
        Ok(AcmeHttp(HttpClient::with_tls(trusting(&roots)?)))
    }

    /// Fetches from URLs that users name, such as the `jwks_uri` of a client.
    pub fn guarded(&self) -> GuardedFetch {
        self.guarded.clone()
    }

    /// Sends one request, once, to a server that the operator chose. Any status is an
    /// answer; redirects are not followed.
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`].
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        self.client.send(request, limits).await
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
        self.client.check_url(token_url).map_err(transport)?;
        let response = self.client.send(request, Limits::default()).await.map_err(transport)?;
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

/// Mozilla's roots and `extra_roots`.
fn trusting(extra_roots: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = public_roots();
    for root in extra_roots {
        roots.add(root.clone())?;
    }
    tls_config(roots)
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("guarded", &self.guarded).finish_non_exhaustive()
    }
}
