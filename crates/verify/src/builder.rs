//! How a verifier is made.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ahash::RandomState;
use tokio::runtime::Handle;

use countersign_protocol::jose::{Algorithm, Claims, JwkSetError};
use countersign_protocol::{Audience, Clock, InvalidAudience, InvalidIssuer, InvalidProtectedResource};

#[cfg(feature = "api-keys")]
use crate::ApiKeys;
#[cfg(feature = "introspection")]
use crate::Introspection;
#[cfg(feature = "metrics")]
use crate::Observer;
use crate::denied::Challenger;
use crate::issuers::{Issuers, TrustedKeys};
use crate::keys::{Fetch, FetchError, FetchFuture, FetchRequest, KeyCache, KeyCacheSettings, Source};
use crate::policy::Policy;
use crate::token_cache::TokenCache;
use crate::trusted_issuer::{KeyLocation, TrustedIssuer};
use crate::verifier::Inner;
use crate::{Method, ResourceMetadata, SystemClock, Verifier};
#[cfg(feature = "status")]
use crate::{StatusPolicy, StatusSource};

/// Most issuers of one verifier.
const MAX_ISSUERS: usize = 1_000;
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
    first: TrustedIssuer,
    others: Vec<TrustedIssuer>,
    audience: Result<Audience, InvalidAudience>,
    leeway_seconds: u8,
    realm: String,
    metadata: Option<ResourceMetadata>,
    token_cache_entries: usize,
    clock: Option<Arc<dyn Clock>>,
    jitter: Option<Arc<dyn Fn() -> u32 + Send + Sync>>,
    fetch: Option<Arc<dyn Fetch>>,
    #[cfg(feature = "status")]
    status_policy: StatusPolicy,
    #[cfg(feature = "http")]
    allow_plain_http: bool,
    #[cfg(feature = "introspection")]
    introspection: Option<Introspection>,
    #[cfg(feature = "api-keys")]
    api_keys: Option<ApiKeys>,
    #[cfg(feature = "metrics")]
    observer: Option<Arc<dyn Observer>>,
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
    /// [`Introspection::as_jwt`](crate::Introspection::as_jwt) of an issuer that is not trusted by its keys.
    #[cfg(feature = "introspection")]
    #[error("introspection as JWT: the issuer is not one whose keys are trusted")]
    IntrospectionKeys,
    /// The issuer is no issuer.
    #[error("issuer: {0}")]
    Issuer(InvalidIssuer),
    /// An issuer is named twice, or there are more than 1,000.
    #[error("an issuer is named twice, or there are too many")]
    Issuers,
    /// The key set that was given is none.
    #[error("the key set of an issuer: {0}")]
    Keys(JwkSetError),
    /// The leeway is too long.
    #[error("the leeway is at most {MAX_LEEWAY_SECONDS} seconds")]
    Leeway,
    /// [`StatusPolicy::FailClosed`] with less than 15 seconds, or [`StatusPolicy`]
    /// `Introspect` without an introspection.
    #[cfg(feature = "status")]
    #[error("status policy: `FailClosed` takes 15 seconds and more, `Introspect` needs an introspection")]
    StatusPolicy,
    /// The resource of the metadata is no URL.
    #[error("resource metadata: {0}")]
    Resource(InvalidProtectedResource),
    /// [`ApiKeys::stale_seconds`](crate::ApiKeys::stale_seconds) is out of bounds.
    #[cfg(feature = "api-keys")]
    #[error("API keys: a verdict is used for 2 to 60 seconds without hearing of changes")]
    StaleSeconds,
}

impl VerifierBuilder {
    pub(crate) fn new(issuer: &impl fmt::Display, audience: &impl fmt::Display) -> Self {
        Self {
            first: TrustedIssuer::new(issuer),
            others: Vec::new(),
            audience: Audience::try_from(audience.to_string().as_str()),
            leeway_seconds: DEFAULT_LEEWAY_SECONDS,
            realm: DEFAULT_REALM.to_owned(),
            metadata: None,
            token_cache_entries: DEFAULT_TOKEN_CACHE_ENTRIES,
            clock: None,
            jitter: None,
            fetch: None,
            #[cfg(feature = "status")]
            status_policy: StatusPolicy::default(),
            #[cfg(feature = "http")]
            allow_plain_http: false,
            #[cfg(feature = "introspection")]
            introspection: None,
            #[cfg(feature = "api-keys")]
            api_keys: None,
            #[cfg(feature = "metrics")]
            observer: None,
        }
    }

    /// Also takes the tokens of another issuer, by its own rules. Which issuer's
    /// rules and keys apply is what the token says it is; the keys of that issuer
    /// then prove it.
    pub fn issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.others.push(issuer);
        self
    }

    /// Changes the first issuer, the one that [`Verifier::builder`] named.
    pub(crate) fn first_issuer(mut self, change: impl FnOnce(TrustedIssuer) -> TrustedIssuer) -> Self {
        self.first = change(self.first);
        self
    }

    /// As [`TrustedIssuer::jwks_uri`], for the first issuer.
    pub fn jwks_uri(self, url: impl Into<String>) -> Self {
        self.first_issuer(|first| first.jwks_uri(url))
    }

    /// As [`TrustedIssuer::jwk_set`], for the first issuer.
    pub fn jwk_set(self, document: impl Into<Vec<u8>>) -> Self {
        self.first_issuer(|first| first.jwk_set(document))
    }

    /// As [`TrustedIssuer::algorithms`], for the first issuer.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.first_issuer(|first| first.algorithms(algorithms))
    }

    /// As [`TrustedIssuer::accept_untyped_tokens`], for the first issuer.
    pub fn accept_untyped_tokens(self) -> Self {
        self.first_issuer(TrustedIssuer::accept_untyped_tokens)
    }

    /// As [`TrustedIssuer::accept_incomplete_tokens`], for the first issuer.
    pub fn accept_incomplete_tokens(self) -> Self {
        self.first_issuer(TrustedIssuer::accept_incomplete_tokens)
    }

    /// As [`TrustedIssuer::status`], for the first issuer.
    #[cfg(feature = "status")]
    pub fn status(self, source: impl Into<StatusSource>) -> Self {
        self.first_issuer(|first| first.status(source))
    }

    /// What is done with good tokens while it is not known what is revoked;
    /// [`StatusPolicy::BoundedByTtl`] unless said otherwise.
    #[cfg(feature = "status")]
    pub const fn status_policy(mut self, policy: StatusPolicy) -> Self {
        self.status_policy = policy;
        self
    }

    /// As [`TrustedIssuer::allow`], for the first issuer.
    pub fn allow(self, check: impl Fn(&Claims) -> bool + Send + Sync + 'static) -> Self {
        self.first_issuer(|first| first.allow(check))
    }

    /// Says in every challenge where the API says what it takes, and makes the
    /// document that is there (RFC 9728).
    pub fn resource_metadata(mut self, metadata: ResourceMetadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Asks an issuer about tokens that are no JWT.
    #[cfg(feature = "introspection")]
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Also takes API keys.
    #[cfg(feature = "api-keys")]
    pub fn api_keys(mut self, api_keys: ApiKeys) -> Self {
        self.api_keys = Some(api_keys);
        self
    }

    /// Tells `observer` of every decision, instead of the one told before.
    #[cfg(feature = "metrics")]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// How far clocks may differ: 0 to 60 seconds, 5 unless said otherwise.
    pub const fn leeway_seconds(mut self, seconds: u8) -> Self {
        self.leeway_seconds = seconds;
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
        self.jitter = Some(Arc::new(jitter));
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
        #[cfg(feature = "status")]
        if !self.status_policy.is_sound(self.can_ask()) {
            return Err(BuildError::StatusPolicy);
        }
        let audience = self.audience.clone().map_err(BuildError::Audience)?;
        let mut trusted = vec![self.first.clone()];
        trusted.append(&mut self.others);
        check_issuers(&trusted)?;
        let way = self.way(&trusted)?;
        let is_real_time = self.clock.is_none();
        let clock = self.clock.take().unwrap_or_else(|| Arc::new(SystemClock));
        let jitter = self.jitter.take().unwrap_or_else(random_numbers);
        let leeway_seconds = self.leeway_seconds;
        let make = |issuer| Making { audience: &audience, leeway_seconds, way: &way, clock: &clock, jitter: &jitter }.make(issuer);
        let mut made = trusted.into_iter().map(make).collect::<Result<Vec<_>, _>>()?;
        let first = made.remove(0);
        let issuers = Issuers::new(first, made.into_boxed_slice());

        #[cfg(feature = "introspection")]
        let introspector = match self.introspection.take() {
            Some(asked) => Some(asked.build(&audience, leeway_seconds, Arc::clone(&clock), way.client.as_ref(), &issuers)?),
            None => None,
        };
        #[cfg(feature = "api-keys")]
        let api_keys = match self.api_keys.take() {
            Some(keys) => Some(keys.build(&issuers.first().policy.issuer, &audience, Arc::clone(&clock), way.client.as_ref())?),
            None => None,
        };
        #[cfg_attr(not(feature = "introspection"), expect(unused_mut, reason = "introspection adds an issuer"))]
        let mut named: Vec<String> = issuers.iter().map(|issuer| issuer.policy.issuer.to_string()).collect();
        #[cfg(feature = "introspection")]
        if let Some(issuer) = introspector.as_ref().map(|own| own.issuer().to_owned()).filter(|own| !named.contains(own)) {
            named.push(issuer);
        }
        let metadata = self.metadata.take().map(|metadata| metadata.publish(named)).transpose().map_err(BuildError::Resource)?;
        start_fetching(&issuers, &*clock, is_real_time);
        let verifier = Verifier::new(Inner {
            issuers,
            audience,
            challenger: Challenger { realm: self.realm, metadata_url: metadata.as_ref().map(|own| own.url().to_owned()) },
            metadata,
            tokens: TokenCache::new(self.token_cache_entries),
            clock,
            #[cfg(feature = "introspection")]
            introspector,
            #[cfg(feature = "api-keys")]
            api_keys,
            #[cfg(feature = "metrics")]
            observer: self.observer,
        });
        #[cfg(feature = "status")]
        let verifier = verifier.with_status_policy(self.status_policy)?;
        Ok(verifier)
    }

    #[cfg(all(feature = "status", feature = "introspection"))]
    const fn can_ask(&self) -> bool {
        self.introspection.is_some()
    }

    #[cfg(all(feature = "status", not(feature = "introspection")))]
    #[expect(clippy::unused_self, reason = "the same shape as with introspection")]
    const fn can_ask(&self) -> bool {
        false
    }

    /// How to reach the issuers; checks that it leads to each of them.
    #[cfg(feature = "http")]
    fn way(&mut self, trusted: &[TrustedIssuer]) -> Result<Way, BuildError> {
        let asks = trusted.iter().any(|issuer| !matches!(issuer.keys, KeyLocation::Given(_)));
        let needs_fetch = self.fetch.is_none() && asks;
        #[cfg_attr(
            not(any(feature = "introspection", feature = "api-keys", feature = "status")),
            expect(unused_mut, reason = "others ask too")
        )]
        let mut needs_client = needs_fetch;
        #[cfg(feature = "introspection")]
        {
            needs_client |= self.introspection.as_ref().is_some_and(Introspection::needs_client);
        }
        #[cfg(feature = "api-keys")]
        {
            needs_client |= self.api_keys.as_ref().is_some_and(ApiKeys::needs_client);
        }
        #[cfg(feature = "status")]
        {
            needs_client |= trusted.iter().any(|issuer| issuer.status.is_some());
        }
        let client = if needs_client { Some(self.client()?) } else { None };
        let Some(client) = client.as_ref().filter(|_| needs_fetch) else {
            return Ok(Way { fetch: self.fetch.take().unwrap_or_else(|| Arc::new(NoFetch)), client });
        };
        for issuer in trusted {
            match (&issuer.keys, &issuer.issuer) {
                (KeyLocation::At(url), _) => client.check_url(url).map_err(BuildError::Http)?,
                (KeyLocation::Discovered, Ok(issuer)) => client.check_url(issuer.as_str()).map_err(BuildError::Http)?,
                (KeyLocation::Discovered | KeyLocation::Given(_), _) => {}
            }
        }
        Ok(Way { fetch: Arc::new(crate::HttpFetch::new(client.clone())), client: Some(client.clone()) })
    }

    #[cfg(feature = "http")]
    fn client(&self) -> Result<crate::HttpClient, BuildError> {
        let client = crate::HttpClient::new().map_err(BuildError::Http)?;
        Ok(if self.allow_plain_http { client.dangerously_allow_plain_http() } else { client })
    }

    #[cfg(not(feature = "http"))]
    fn way(&mut self, trusted: &[TrustedIssuer]) -> Result<Way, BuildError> {
        let asks = trusted.iter().any(|issuer| !matches!(issuer.keys, KeyLocation::Given(_)));
        match self.fetch.take() {
            Some(fetch) => Ok(Way { fetch }),
            None if asks => Err(BuildError::Fetch),
            None => Ok(Way { fetch: Arc::new(NoFetch) }),
        }
    }
}

/// How issuers are reached.
struct Way {
    fetch: Arc<dyn Fetch>,
    #[cfg(feature = "http")]
    #[cfg_attr(
        not(any(feature = "introspection", feature = "api-keys", feature = "status")),
        expect(dead_code, reason = "introspection asks with it")
    )]
    client: Option<crate::HttpClient>,
}

/// Stands where nothing is ever fetched.
struct NoFetch;

impl Fetch for NoFetch {
    fn fetch<'a>(&'a self, _: FetchRequest<'a>) -> FetchFuture<'a> {
        Box::pin(async { Err(FetchError::new("every key set was given")) })
    }
}

fn check_issuers(trusted: &[TrustedIssuer]) -> Result<(), BuildError> {
    if trusted.iter().any(|issuer| issuer.algorithms.as_ref().is_some_and(Vec::is_empty)) {
        return Err(BuildError::Algorithms);
    }
    let mut named = HashSet::new();
    for issuer in trusted {
        let text = issuer.issuer.as_ref().map_err(|invalid| BuildError::Issuer(*invalid))?.as_str();
        if !named.insert(text) {
            return Err(BuildError::Issuers);
        }
    }
    if trusted.len() > MAX_ISSUERS { Err(BuildError::Issuers) } else { Ok(()) }
}

/// What the issuers of one verifier have in common.
struct Making<'a> {
    audience: &'a Audience,
    leeway_seconds: u8,
    way: &'a Way,
    clock: &'a Arc<dyn Clock>,
    jitter: &'a Arc<dyn Fn() -> u32 + Send + Sync>,
}

impl Making<'_> {
    fn make(&self, trusted: TrustedIssuer) -> Result<TrustedKeys, BuildError> {
        let issuer = trusted.issuer.map_err(BuildError::Issuer)?;
        let mut audiences = trusted.audiences.map_err(BuildError::Audience)?;
        if audiences.is_empty() {
            audiences.push(self.audience.clone());
        }
        let settings = |url| KeyCacheSettings {
            source: Source::new(Arc::clone(&self.way.fetch), issuer.clone(), url),
            clock: Arc::clone(self.clock),
            jitter: Arc::clone(self.jitter),
        };
        let keys = match trusted.keys {
            KeyLocation::Discovered => KeyCache::new(settings(None)),
            KeyLocation::At(url) => KeyCache::new(settings(Some(url))),
            KeyLocation::Given(document) => KeyCache::given(settings(None), document).map_err(BuildError::Keys)?,
        };
        #[cfg(feature = "status")]
        let status = trusted.status.as_ref();
        #[cfg(feature = "status")]
        let status = status.map(|source| source.watch(issuer.as_str(), self.clock, self.way.client.as_ref(), &keys)).transpose()?;
        let policy = Policy {
            issuer,
            audiences: audiences.into_boxed_slice(),
            algorithms: trusted.algorithms,
            leeway_seconds: self.leeway_seconds,
            accept_untyped: trusted.accept_untyped,
            accept_incomplete: trusted.accept_incomplete,
            allow: trusted.allow,
            method: Method::Jwt,
        };
        Ok(TrustedKeys {
            policy,
            keys,
            #[cfg(feature = "status")]
            status,
        })
    }
}

fn start_fetching(issuers: &Issuers, clock: &dyn Clock, is_real_time: bool) {
    let Ok(runtime) = Handle::try_current() else { return };
    for issuer in issuers.iter() {
        let _ = issuer.keys.usable(clock.now());
        if is_real_time {
            runtime.spawn(KeyCache::keep_fresh(Arc::downgrade(&issuer.keys)));
        }
    }
}

/// Random numbers that need not be secret: a seeded hash of a counter.
pub(crate) fn random_numbers() -> Arc<dyn Fn() -> u32 + Send + Sync> {
    let (hasher, counter) = (RandomState::new(), AtomicU32::new(0));
    Arc::new(move || (hasher.hash_one(counter.fetch_add(1, Ordering::Relaxed)) >> 32) as u32)
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("issuer", &self.first.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
