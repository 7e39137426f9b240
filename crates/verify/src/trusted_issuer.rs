//! What an application says about an issuer whose tokens it takes.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "status")]
use crate::StatusSource;
use countersign_protocol::jose::{Algorithm, Claims};
use countersign_protocol::{Audience, InvalidAudience, InvalidIssuer, Issuer};

/// A check of claims that an application adds.
pub(crate) type Allow = Arc<dyn Fn(&Claims) -> bool + Send + Sync>;

/// An issuer whose tokens a [`Verifier`](crate::Verifier) takes, with its own rules.
/// Each has its own keys: a key of one never verifies a token of another.
///
/// ```
/// use countersign_verify::{Algorithm, TrustedIssuer};
/// let ci = TrustedIssuer::new("https://token.actions.example.com")
///     .audience("deploy")
///     .algorithms([Algorithm::RS256])
///     .accept_untyped_tokens()
///     .allow(|claims| claims.all.get("repository").is_some_and(|name| name == "acme/app"));
/// # let _ = ci;
/// ```
#[derive(Clone)]
#[must_use = "a trusted issuer does nothing until a verifier is made with it"]
pub struct TrustedIssuer {
    pub(crate) issuer: Result<Issuer, InvalidIssuer>,
    pub(crate) audiences: Result<Vec<Audience>, InvalidAudience>,
    pub(crate) keys: KeyLocation,
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    pub(crate) accept_untyped: bool,
    pub(crate) accept_incomplete: bool,
    pub(crate) allow: Option<Allow>,
    #[cfg(feature = "status")]
    pub(crate) status: Option<StatusSource>,
}

/// Where an issuer's keys come from.
#[derive(Clone)]
pub(crate) enum KeyLocation {
    /// The metadata names it.
    Discovered,
    /// At this URL.
    At(String),
    /// This document, for good.
    Given(Vec<u8>),
}

impl TrustedIssuer {
    /// Takes tokens whose `iss` is `issuer`, byte for byte. A text that is no issuer
    /// is an error of [`VerifierBuilder::build`](crate::VerifierBuilder::build).
    pub fn new(issuer: impl fmt::Display) -> Self {
        Self {
            issuer: Issuer::try_from(issuer.to_string().as_str()),
            audiences: Ok(Vec::new()),
            keys: KeyLocation::Discovered,
            algorithms: None,
            accept_untyped: false,
            accept_incomplete: false,
            allow: None,
            #[cfg(feature = "status")]
            status: None,
        }
    }

    /// Tokens of this issuer are for `audience` instead of the verifier's own. Said
    /// more than once, one of them is enough.
    pub fn audience(mut self, audience: impl fmt::Display) -> Self {
        if let Ok(audiences) = &mut self.audiences {
            match Audience::try_from(audience.to_string().as_str()) {
                Ok(audience) => audiences.push(audience),
                Err(invalid) => self.audiences = Err(invalid),
            }
        }
        self
    }

    /// Where the key set is. Without it the issuer's metadata is asked:
    /// `{issuer}/.well-known/openid-configuration`, and if there is none the
    /// document of RFC 8414 section 3.1.
    pub fn jwks_uri(mut self, url: impl Into<String>) -> Self {
        self.keys = KeyLocation::At(url.into());
        self
    }

    /// The key set itself (RFC 7517 section 5), for as long as the verifier lives:
    /// nothing is ever fetched.
    pub fn jwk_set(mut self, document: impl Into<Vec<u8>>) -> Self {
        self.keys = KeyLocation::Given(document.into());
        self
    }

    /// Accepts only these algorithms. By default every asymmetric one is accepted
    /// for the key that is published with it.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
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

    /// Refuses what the issuer has revoked, as its live feed ([`StatusFeed`](crate::StatusFeed)) or its status lists
    /// ([`StatusLists`](crate::StatusLists)) tell.
    #[cfg(feature = "status")]
    pub fn status(mut self, source: impl Into<StatusSource>) -> Self {
        self.status = Some(source.into());
        self
    }

    /// Accepts a token only if `check` says so of its claims, which are verified by
    /// then; any other is refused with 401, [`ErrorCode::ClaimMismatch`](crate::ErrorCode::ClaimMismatch).
    /// The answer must depend on the claims alone: it is remembered with the token.
    pub fn allow(mut self, check: impl Fn(&Claims) -> bool + Send + Sync + 'static) -> Self {
        self.allow = Some(Arc::new(check));
        self
    }
}

impl fmt::Debug for TrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuer").field("issuer", &self.issuer).field("audiences", &self.audiences).finish_non_exhaustive()
    }
}
