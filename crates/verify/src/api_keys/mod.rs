//! API keys: asked about at a Countersign server, remembered, and forgotten when the server
//! says that something has changed.

mod feed;
mod http;
mod verdict;
mod watch;

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderName;
use countersign_protocol::{Audience, Clock, Issuer, Secret};

use crate::own_token::Credentials;
use crate::{BuildError, FetchError, HttpClient};

pub use self::http::HttpKeys;
pub(crate) use watch::{Answered, KeyFlight, KeyWatch};

/// Verdicts that are remembered unless said otherwise.
const DEFAULT_CACHE_ENTRIES: usize = 10_000;
/// How long a verdict is remembered at most unless said otherwise.
const DEFAULT_CACHE_SECONDS: u16 = 60;
/// How old a verdict may be while nobody knows what has changed, unless said otherwise.
const DEFAULT_STALE_SECONDS: u16 = 5;
/// How long an answer takes at most unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// What [`AskKeys`] returns: the body of an answer.
pub type AskFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// What is asked about a key.
#[derive(Clone, Copy)]
pub struct KeyQuestion<'a> {
    /// The key, as it was presented.
    pub key: &'a str,
    /// What it must be for.
    pub audience: &'a str,
    /// Where whoever presented it is, if that is known.
    pub address: Option<IpAddr>,
}

/// Asks a Countersign server about API keys. The default asks over HTTP(S).
pub trait AskKeys: Send + Sync + 'static {
    /// The answer of `POST /manage/v1/keys/verify`. An error is whatever is no such answer;
    /// the key then is not judged. It is not asked again: each question may count.
    fn verify<'a>(&'a self, question: KeyQuestion<'a>) -> AskFuture<'a>;

    /// The answer of `GET /manage/v1/keys/changes`, which waits for a change for at most `wait`.
    fn changes(&self, after: Option<i64>, wait: Duration) -> AskFuture<'_>;
}

/// How API keys are verified, beside access tokens.
///
/// A bearer token that has the form of a key is one: its checksum says so, and what fails it
/// is refused without asking anybody. Else the server is asked, and its verdict remembered
/// under a hash of the key for as long as the server allows. A verdict ends earlier when the
/// server says that its key or client has changed, which takes milliseconds. While the server
/// cannot be heard, a verdict is used for [`stale_seconds`](Self::stale_seconds) after it was
/// given, and then asked for anew; a key that cannot be judged is a 503.
///
/// To a handler a key looks like a token: [`Verified`](crate::Verified) names its client, and
/// its permissions are scopes.
///
/// ```no_run
/// use countersign_verify::{ApiKeys, Verifier};
/// # fn main() -> Result<(), countersign_verify::BuildError> {
/// let keys = ApiKeys::new("https://auth.example.com", "orders-api", "the client's secret");
/// let verifier = Verifier::builder("https://auth.example.com/oauth2/default", "https://api.example.com")
///     .api_keys(keys)
///     .build()?;
/// # drop(verifier);
/// # Ok(())
/// # }
/// ```
#[must_use = "API keys are not verified until a verifier is made with this"]
pub struct ApiKeys {
    asked: Way,
    header: Option<HeaderName>,
    imported: bool,
    cache_entries: usize,
    cache_seconds: u16,
    stale_seconds: u16,
    timeout: Duration,
}

enum Way {
    Http { base: String, credentials: Credentials },
    Given(Arc<dyn AskKeys>),
}

impl ApiKeys {
    /// Asks the server at `base_url` (such as `https://auth.example.com`) as a client whose
    /// grant for the management API gives `keys:verify`.
    pub fn new(base_url: impl Into<String>, client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        let credentials = Credentials::Client { id: client_id.into(), secret: Secret::new(client_secret.into()) };
        Self::by(Way::Http { base: base_url.into(), credentials })
    }

    /// The same with an API key of the management API that has the permission `keys:verify`.
    pub fn with_key(base_url: impl Into<String>, key: impl Into<String>) -> Self {
        Self::by(Way::Http { base: base_url.into(), credentials: Credentials::Key(Secret::new(key.into())) })
    }

    /// Asks in another way than over HTTP.
    pub fn with(ask: impl AskKeys) -> Self {
        Self::by(Way::Given(Arc::new(ask)))
    }

    fn by(asked: Way) -> Self {
        Self {
            asked,
            header: None,
            imported: false,
            cache_entries: DEFAULT_CACHE_ENTRIES,
            cache_seconds: DEFAULT_CACHE_SECONDS,
            stale_seconds: DEFAULT_STALE_SECONDS,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Also takes a key from this header, such as `x-api-key`. A request with both is refused.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = Some(name);
        self
    }

    /// Also asks about texts without a checksum: keys that another system made, and whatever
    /// somebody makes up. What has the form of a token is none.
    pub const fn and_imported(mut self) -> Self {
        self.imported = true;
        self
    }

    /// How many verdicts are remembered; 10,000 unless said otherwise, 0 for none.
    pub const fn cache_entries(mut self, entries: usize) -> Self {
        self.cache_entries = entries;
        self
    }

    /// How long a verdict is remembered at most; 60 seconds unless said otherwise. The server
    /// may want less: nothing of a key with limits or credits.
    pub const fn cache_seconds(mut self, seconds: u16) -> Self {
        self.cache_seconds = seconds;
        self
    }

    /// For how long a verdict is used while the server does not say what has changed: 2 to 60
    /// seconds, 5 unless said otherwise.
    pub const fn stale_seconds(mut self, seconds: u16) -> Self {
        self.stale_seconds = seconds;
        self
    }

    /// How long an answer may take; 3 seconds unless said otherwise. Then the key is not
    /// judged: 503.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether this asks over HTTP and needs a client.
    pub(crate) const fn needs_client(&self) -> bool {
        matches!(self.asked, Way::Http { .. })
    }

    pub(crate) fn build(
        self,
        issuer: &Issuer,
        audience: &Audience,
        clock: Arc<dyn Clock>,
        client: Option<&HttpClient>,
    ) -> Result<Arc<KeyWatch>, BuildError> {
        if !(2..=60).contains(&self.stale_seconds) {
            return Err(BuildError::StaleSeconds);
        }
        let ask: Arc<dyn AskKeys> = match (self.asked, client) {
            (Way::Given(ask), _) => ask,
            (Way::Http { base, credentials }, Some(client)) => {
                client.check_url(&base).map_err(BuildError::Http)?;
                Arc::new(HttpKeys::new(client.clone(), &base, credentials, self.timeout).map_err(BuildError::Http)?)
            }
            (Way::Http { .. }, None) => return Err(BuildError::Fetch),
        };
        Ok(Arc::new(KeyWatch::new(watch::Settings {
            ask,
            clock,
            issuer: issuer.clone(),
            audience: audience.clone(),
            header: self.header,
            imported: self.imported,
            cache_entries: self.cache_entries,
            cache_seconds: self.cache_seconds.into(),
            stale_seconds: self.stale_seconds.into(),
            timeout: self.timeout,
        })))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("header", &self.header).field("cache_seconds", &self.cache_seconds).finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyQuestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyQuestion").field("audience", &self.audience).field("address", &self.address).finish_non_exhaustive()
    }
}
