//! Asking the issuer about a token (RFC 7662): for tokens that say nothing by
//! themselves.

mod answer;
mod flight;
mod http;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::jose::Claims;
use countersign_protocol::{Audience, Clock, InvalidIssuer, Issuer, Secret};

use crate::issuers::Issuers;
use crate::policy::Policy;
use crate::trusted_issuer::Allow;
use crate::{BuildError, FetchError, HttpClient, Method, Verifier};

pub(crate) use flight::{Asked, Flight, Introspector};
pub use http::HttpIntrospection;

/// Answers that are remembered unless said otherwise.
const DEFAULT_CACHE_ENTRIES: usize = 10_000;
/// How long an answer is remembered at most unless said otherwise.
const DEFAULT_CACHE_SECONDS: u16 = 30;
/// How long an answer takes at most unless said otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// What [`Introspect::introspect`] returns.
pub type IntrospectFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// Asks an issuer about a token. The default asks over HTTP(S).
pub trait Introspect: Send + Sync + 'static {
    /// The body of the introspection response (RFC 7662 section 2.2). An error is
    /// whatever is no such response; the token then is not judged. For
    /// [`Introspection::as_jwt`] the JWT that stands for the token, or nothing.
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectFuture<'a>;
}

/// How the issuer is asked about tokens that are no JWT, and about the JWTs of
/// issuers without trusted keys if [`and_jwts`](Self::and_jwts) says so.
///
/// An active token must name the verifier's audience. Answers are remembered, so
/// that a revoked token is accepted for at most [`cache_seconds`](Self::cache_seconds)
/// longer; of the same token at most one question is under way.
///
/// ```no_run
/// use countersign_verify::{Introspection, Verifier};
/// # fn main() -> Result<(), countersign_verify::BuildError> {
/// let issuer = "https://auth.example.com";
/// let introspection = Introspection::new(issuer, "https://auth.example.com/introspect", "users-api", "the client's secret");
/// let verifier = Verifier::builder(issuer, "https://api.example.com").introspection(introspection).build()?;
/// # drop(verifier);
/// # Ok(())
/// # }
/// ```
#[must_use = "introspection does nothing until a verifier is made with it"]
pub struct Introspection {
    issuer: Result<Issuer, InvalidIssuer>,
    asked: Way,
    jwts: bool,
    as_jwt: bool,
    cache_entries: usize,
    cache_seconds: u16,
    timeout: Duration,
    allow: Option<Allow>,
}

enum Way {
    Http { url: String, client_id: String, client_secret: Secret<String> },
    Given(Arc<dyn Introspect>),
}

impl Introspection {
    /// Asks `url`, authenticated by `client_secret_basic` (RFC 6749 section 2.3.1).
    /// `issuer` is whose tokens these are: an answer that names another is refused.
    pub fn new(
        issuer: impl fmt::Display,
        url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        let client_secret = Secret::new(client_secret.into());
        Self::by(issuer, Way::Http { url: url.into(), client_id: client_id.into(), client_secret })
    }

    /// Asks in another way than over HTTP.
    pub fn with(issuer: impl fmt::Display, introspect: impl Introspect) -> Self {
        Self::by(issuer, Way::Given(Arc::new(introspect)))
    }

    fn by(issuer: impl fmt::Display, asked: Way) -> Self {
        Self {
            issuer: Issuer::try_from(issuer.to_string().as_str()),
            asked,
            jwts: false,
            as_jwt: false,
            cache_entries: DEFAULT_CACHE_ENTRIES,
            cache_seconds: DEFAULT_CACHE_SECONDS,
            timeout: DEFAULT_TIMEOUT,
            allow: None,
        }
    }

    /// Also asks about JWTs that name this issuer, unless it is trusted by its keys.
    pub const fn and_jwts(mut self) -> Self {
        self.jwts = true;
        self
    }

    /// Asks for a JWT that stands for the token (`Accept: application/jwt`, answered with 204
    /// for one that is not active), and verifies it as any other, with the keys of the
    /// issuer: what is accepted is what the issuer has signed. The issuer must be one that
    /// the verifier trusts by its keys. An answer that the issuer did not sign judges
    /// nothing: 503.
    pub const fn as_jwt(mut self) -> Self {
        self.as_jwt = true;
        self
    }

    /// How many answers are remembered; 10,000 unless said otherwise, 0 for none.
    pub const fn cache_entries(mut self, entries: usize) -> Self {
        self.cache_entries = entries;
        self
    }

    /// How long the answer that a token is active is remembered at most; 30 seconds
    /// unless said otherwise, and never beyond its `exp`. That a token is not active
    /// is remembered for at most 5 seconds.
    pub const fn cache_seconds(mut self, seconds: u16) -> Self {
        self.cache_seconds = seconds;
        self
    }

    /// How long an answer may take; 3 seconds unless said otherwise. Then the token
    /// is not judged: 503.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Accepts a token only if `check` says so of the members of the answer.
    pub fn allow(mut self, check: impl Fn(&Claims) -> bool + Send + Sync + 'static) -> Self {
        self.allow = Some(Arc::new(check));
        self
    }

    /// Whether this asks over HTTP and needs a client.
    pub(crate) const fn needs_client(&self) -> bool {
        matches!(self.asked, Way::Http { .. })
    }

    pub(crate) fn build(
        self,
        audience: &Audience,
        leeway_seconds: u8,
        clock: Arc<dyn Clock>,
        client: Option<&HttpClient>,
        trusted: &Issuers,
    ) -> Result<Arc<Introspector>, BuildError> {
        let issuer = self.issuer.map_err(BuildError::Issuer)?;
        let keys = match trusted.find(issuer.as_str()) {
            Some((_, found)) if self.as_jwt => Some(found),
            None if self.as_jwt => return Err(BuildError::IntrospectionKeys),
            _ => None,
        };
        let introspect = match (self.asked, client) {
            (Way::Given(introspect), _) => introspect,
            (Way::Http { url, client_id, client_secret }, Some(client)) => {
                client.check_url(&url).map_err(BuildError::Http)?;
                let asking = HttpIntrospection::new(client.clone(), &url, &client_id, &client_secret, self.timeout);
                let asking = asking.map_err(BuildError::Http)?;
                Arc::new(if self.as_jwt { asking.as_jwt() } else { asking })
            }
            (Way::Http { .. }, None) => return Err(BuildError::Fetch),
        };
        let policy = Policy {
            issuer,
            audiences: Box::new([audience.clone()]),
            algorithms: keys.and_then(|own| own.policy.algorithms.clone()),
            leeway_seconds,
            accept_untyped: false,
            accept_incomplete: false,
            allow: self.allow,
            method: Method::Introspection,
        };
        let jwt_verifier =
            keys.map(|own| Verifier::of_issuer(policy.clone(), Arc::clone(&own.keys), audience.clone(), Arc::clone(&clock)));
        let (entries, seconds) = (self.cache_entries, i64::from(self.cache_seconds));
        Ok(Arc::new(Introspector::new((policy, jwt_verifier), introspect, clock, (entries, seconds), self.timeout, self.jwts)))
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
