//! From an issuer to the document with its keys.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde_json::Value;

use countersign_protocol::Issuer;
use countersign_protocol::jose::MAX_JWK_SET_BYTES;
use countersign_protocol::jose::json::strict_object;

/// What [`Fetch::fetch`] returns.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

/// Gets documents: metadata and key sets. The default, with the feature `http`,
/// gets them over HTTP(S).
///
/// A fetch must end within a bounded time: everyone waits for the one that is
/// under way.
pub trait Fetch: Send + Sync + 'static {
    /// Gets one document.
    fn fetch<'a>(&'a self, request: FetchRequest<'a>) -> FetchFuture<'a>;
}

/// A document to get.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// Where it is.
    pub url: &'a str,
    /// The `ETag` of the version at hand, for `If-None-Match`.
    pub etag: Option<&'a str>,
}

/// The answer to a [`FetchRequest`].
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The document (status 200).
    Document {
        /// Its bytes.
        body: Vec<u8>,
        /// Its `ETag`.
        etag: Option<String>,
        /// Its `Cache-Control`.
        cache_control: Option<String>,
    },
    /// The version at hand is the current one (status 304).
    NotModified {
        /// The `Cache-Control` of the answer.
        cache_control: Option<String>,
    },
}

/// Why a document could not be got. It is logged and never shown to a caller.
#[derive(Debug)]
pub struct FetchError {
    cause: Box<dyn Error + Send + Sync>,
    is_absent: bool,
}

impl FetchError {
    /// From any error, or from a text.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_absent: false }
    }

    /// The server answered that it has no such document (status 4xx). Metadata is
    /// then looked for at its other place.
    pub fn absent(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: cause.into(), is_absent: true }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        let mut cause = self.cause.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for FetchError {}

/// An issuer and the way to its keys.
pub(crate) struct Source {
    fetch: Arc<dyn Fetch>,
    issuer: Issuer,
    /// The URL the application named.
    named: Option<String>,
    /// The URL that the metadata named, until a fetch from it fails.
    discovered: ArcSwapOption<String>,
}

/// Why there is no new key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("{0}")]
    Fetch(FetchError),
    #[error("`jwks_uri` is http although the issuer is https")]
    InsecureKeys,
    #[error("the metadata is of another issuer")]
    IssuerOfMetadata,
    #[error("the metadata is no JSON object with `issuer` and `jwks_uri`")]
    Metadata,
    #[error("\"not modified\" without a version to compare with")]
    NotModified,
    #[error("the document is larger than {MAX_JWK_SET_BYTES} bytes")]
    TooLarge,
}

/// The version of the key set at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) url: String,
    pub(crate) etag: String,
}

/// What came of asking for the key set.
pub(crate) enum Answer {
    Document { body: Vec<u8>, version: Option<Version>, cache_control: Option<String> },
    NotModified { cache_control: Option<String> },
}

impl Source {
    pub(crate) fn new(fetch: Arc<dyn Fetch>, issuer: Issuer, named: Option<String>) -> Self {
        Self { fetch, issuer, named, discovered: ArcSwapOption::empty() }
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Asks for the key set.
    pub(crate) async fn key_set(&self, at_hand: Option<&Version>) -> Result<Answer, SourceError> {
        let url = match &self.named {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let answer = self.key_set_at(url, at_hand).await;
        if answer.is_err() {
            self.discovered.store(None);
        }
        answer
    }

    async fn key_set_at(&self, url: String, at_hand: Option<&Version>) -> Result<Answer, SourceError> {
        let etag = at_hand.filter(|version| version.url == url).map(|version| version.etag.as_str());
        match self.fetch.fetch(FetchRequest { url: &url, etag }).await.map_err(SourceError::Fetch)? {
            Fetched::Document { body, .. } if body.len() > MAX_JWK_SET_BYTES => Err(SourceError::TooLarge),
            Fetched::Document { body, etag, cache_control } => {
                let version = etag.map(|etag| Version { url, etag });
                Ok(Answer::Document { body, version, cache_control })
            }
            Fetched::NotModified { cache_control } if etag.is_some() => Ok(Answer::NotModified { cache_control }),
            Fetched::NotModified { .. } => Err(SourceError::NotModified),
        }
    }

    /// The URL of the key set according to the issuer's metadata: OpenID Connect
    /// Discovery 1.0 section 4, else RFC 8414 section 3.
    async fn discover(&self) -> Result<String, SourceError> {
        if let Some(url) = self.discovered.load_full() {
            return Ok((*url).clone());
        }
        let url = self.issuer.endpoint(".well-known/openid-configuration");
        let fetched = match self.fetch.fetch(FetchRequest { url: &url, etag: None }).await {
            Err(error) if error.is_absent => {
                let url = self.issuer.well_known("oauth-authorization-server");
                self.fetch.fetch(FetchRequest { url: &url, etag: None }).await
            }
            outcome => outcome,
        };
        let fetched = fetched.map_err(SourceError::Fetch)?;
        let Fetched::Document { body, .. } = fetched else { return Err(SourceError::NotModified) };
        if body.len() > MAX_JWK_SET_BYTES {
            return Err(SourceError::TooLarge);
        }
        let metadata = strict_object(&body).map_err(|_| SourceError::Metadata)?;
        let text = |name: &str| metadata.get(name).and_then(Value::as_str).ok_or(SourceError::Metadata);
        // Section 4.3, and RFC 8414 section 3.3: identical, or the metadata is not this issuer's.
        if text("issuer")? != self.issuer.as_str() {
            return Err(SourceError::IssuerOfMetadata);
        }
        let keys = text("jwks_uri")?;
        if self.issuer.is_https() && !keys.starts_with("https://") {
            return Err(SourceError::InsecureKeys);
        }
        self.discovered.store(Some(Arc::new(keys.to_owned())));
        Ok(keys.to_owned())
    }
}
