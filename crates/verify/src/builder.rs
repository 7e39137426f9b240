//! How a verifier is made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ahash::RandomState;
use tokio::runtime::Handle;

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, Clock, InvalidAudience, InvalidIssuer, Issuer};

use crate::keys::{Fetch, KeyCache, KeyCacheSettings, Source};
use crate::policy::Policy;
use crate::token_cache::TokenCache;
use crate::verifier::Inner;
use crate::{SystemClock, Verifier};

/// Leeway unless said otherwise, in seconds.
const DEFAULT_LEEWAY_SECONDS: u8 = 5;
/// Longest leeway: a longer one would turn an expiry into a suggestion.
const MAX_LEEWAY_SECONDS: u8 = 60;
/// Tokens that are remembered unless said otherwise.
const DEFAULT_TOKEN_CACHE_ENTRIES: usize = 10_000;
/// The realm of challenges unless said otherwise.
const DEFAULT_REALM: &str = "api";

/// The settings of a [`Verifier`]; see [`Verifier::builder`].
#[must_use = "a builder does nothing until `build`"]
pub struct VerifierBuilder {
    issuer: Result<Issuer, InvalidIssuer>,
    audience: Result<Audience, InvalidAudience>,
    jwks_uri: Option<String>,
    algorithms: Option<Vec<Algorithm>>,
    leeway_seconds: u8,
    accept_untyped: bool,
    accept_incomplete: bool,
    realm: String,
    token_cache_entries: usize,
    clock: Option<Arc<dyn Clock>>,
    jitter: Option<Box<dyn Fn() -> u32 + Send + Sync>>,
    fetch: Option<Arc<dyn Fetch>>,
    #[cfg(feature = "http")]
    allow_plain_http: bool,
}

/// Why a verifier cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The list of algorithms is empty.
    #[error("no algorithm is allowed")]
    Algorithms,
    /// The audience is no audience.
    #[error("audience: {0}")]
    Audience(InvalidAudience),
    /// Without the feature `http` there is no way to get keys unless one is given.
    #[error("without the feature `http` a verifier needs `fetch`")]
    Fetch,
    /// The HTTP client cannot be made, or may not go where the keys are.
    #[cfg(feature = "http")]
    #[error("keys cannot be fetched: {0}")]
    Http(crate::HttpError),
    /// The issuer is no issuer.
    #[error("issuer: {0}")]
    Issuer(InvalidIssuer),
    /// The leeway is too long.
    #[error("the leeway is at most {MAX_LEEWAY_SECONDS} seconds")]
    Leeway,
}

impl VerifierBuilder {
    pub(crate) fn new(issuer: &impl fmt::Display, audience: &impl fmt::Display) -> Self {
        Self {
            issuer: Issuer::try_from(issuer.to_string().as_str()),
            audience: Audience::try_from(audience.to_string().as_str()),
            jwks_uri: None,
            algorithms: None,
            leeway_seconds: DEFAULT_LEEWAY_SECONDS,
            accept_untyped: false,
            accept_incomplete: false,
            realm: DEFAULT_REALM.to_owned(),
            token_cache_entries: DEFAULT_TOKEN_CACHE_ENTRIES,
            clock: None,
            jitter: None,
            fetch: None,
            #[cfg(feature = "http")]
            allow_plain_http: false,
        }
    }

    /// Where the key set is. Without it the issuer's metadata is asked
    /// (`{issuer}/.well-known/openid-configuration`).
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.jwks_uri = Some(url.into());
        self
    }

    /// Accepts only these algorithms. By default every asymmetric one is accepted
    /// for the key that is published with it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How far clocks may differ: 0 to 60 seconds, 5 unless said otherwise.
    pub const fn leeway_seconds(mut self, seconds: u8) -> Self {
        self.leeway_seconds = seconds;
        self
    }

    /// Also accepts tokens whose `typ` is absent or `JWT`, as other authorization
    /// servers issue them. They cannot be told from ID tokens by their type; only
    /// the audience tells them apart. Claims beyond `iss`, `aud` and `exp` are not
    /// required of them.
    pub const fn accept_untyped_tokens(mut self) -> Self {
        self.accept_untyped = true;
        self
    }

    /// Also accepts tokens of the type `at+jwt` that lack `client_id`, `sub`, `jti`
    /// or `iat`, which RFC 9068 requires.
    pub const fn accept_incomplete_tokens(mut self) -> Self {
        self.accept_incomplete = true;
        self
    }

    /// The realm that challenges name; `api` unless said otherwise.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// How many verified tokens are remembered for up to 60 seconds; 10,000 unless
    /// said otherwise, 0 for none.
    pub const fn token_cache_entries(mut self, entries: usize) -> Self {
        self.token_cache_entries = entries;
        self
    }

    /// Another clock than the machine's. Keys are then fetched only by use: the
    /// timer that refreshes the keys of an idle verifier knows only real time.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The random numbers that spread the refreshes of many verifiers.
    pub fn jitter(mut self, jitter: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        self.jitter = Some(Box::new(jitter));
        self
    }

    /// Another way to get documents than the HTTP client of this crate. It decides
    /// for itself which URLs are acceptable.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Also fetches over plain http from hosts other than the loopback. Whoever can
    /// change such an answer can sign tokens.
    #[cfg(feature = "http")]
    pub const fn dangerously_allow_plain_http(mut self) -> Self {
        self.allow_plain_http = true;
        self
    }

    /// Makes the verifier. Never waits: inside a tokio runtime the keys are being
    /// fetched when this returns, elsewhere the first use starts the fetch.
    ///
    /// # Errors
    /// [`BuildError`] says which setting is wrong.
    pub fn build(mut self) -> Result<Verifier, BuildError> {
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            return Err(BuildError::Leeway);
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(BuildError::Algorithms);
        }
        let issuer = self.issuer.clone().map_err(BuildError::Issuer)?;
        let audience = self.audience.clone().map_err(BuildError::Audience)?;
        let fetch = self.take_fetch(&issuer)?;
        let is_real_time = self.clock.is_none();
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let keys = KeyCache::new(KeyCacheSettings {
            source: Source::new(fetch, issuer.clone(), self.jwks_uri),
            clock: Arc::clone(&clock),
            jitter: self.jitter.unwrap_or_else(random_numbers),
        });
        if let Ok(runtime) = Handle::try_current() {
            let _ = keys.usable(clock.now());
            if is_real_time {
                runtime.spawn(KeyCache::keep_fresh(Arc::downgrade(&keys)));
            }
        }
        let policy = Policy {
            issuer,
            audience,
            algorithms: self.algorithms,
            leeway_seconds: self.leeway_seconds,
            accept_untyped: self.accept_untyped,
            accept_incomplete: self.accept_incomplete,
        };
        let tokens = TokenCache::new(self.token_cache_entries);
        Ok(Verifier::new(Inner { policy, realm: self.realm, keys, tokens, clock }))
    }

    #[cfg(feature = "http")]
    fn take_fetch(&mut self, issuer: &Issuer) -> Result<Arc<dyn Fetch>, BuildError> {
        if let Some(fetch) = self.fetch.take() {
            return Ok(fetch);
        }
        let mut client = crate::HttpClient::new().map_err(BuildError::Http)?;
        if self.allow_plain_http {
            client = client.dangerously_allow_plain_http();
        }
        client.check_url(self.jwks_uri.as_deref().unwrap_or(issuer.as_str())).map_err(BuildError::Http)?;
        Ok(Arc::new(crate::HttpFetch::new(client)))
    }

    #[cfg(not(feature = "http"))]
    fn take_fetch(&mut self, _issuer: &Issuer) -> Result<Arc<dyn Fetch>, BuildError> {
        self.fetch.take().ok_or(BuildError::Fetch)
    }
}

/// Random numbers that need not be secret: a seeded hash of a counter.
pub(crate) fn random_numbers() -> Box<dyn Fn() -> u32 + Send + Sync> {
    let (hasher, counter) = (RandomState::new(), AtomicU32::new(0));
    Box::new(move || (hasher.hash_one(counter.fetch_add(1, Ordering::Relaxed)) >> 32) as u32)
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").field("issuer", &self.issuer).field("audience", &self.audience).finish_non_exhaustive()
    }
}
