//! The verifier: one request in, one verdict out.

mod look;
#[cfg(feature = "status")]
mod status;
mod waiting;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
#[cfg(feature = "api-keys")]
use http::HeaderName;

#[cfg(feature = "status")]
use countersign_protocol::ErrorCode;
use countersign_protocol::{Audience, Clock, Issuer};

use self::look::Look;
pub(crate) use self::waiting::Attempt;
#[cfg(feature = "status")]
use crate::StatusPolicy;
#[cfg(feature = "api-keys")]
use crate::api_keys::KeyWatch;
use crate::decision::{Fault, Judgement, log_denied};
use crate::denied::Challenger;
use crate::examiner::{Aspect, Examiner as _, FirstFailure};
use crate::explanation::Explanation;
#[cfg(feature = "introspection")]
use crate::introspection::Introspector;
use crate::issuers::Issuers;
#[cfg(feature = "introspection")]
use crate::issuers::TrustedKeys;
use crate::keys::{KeyCache, Usable};
#[cfg(feature = "metrics")]
use crate::metrics::{Observer, Watch};
#[cfg(feature = "introspection")]
use crate::policy;
#[cfg(feature = "api-keys")]
use crate::presented::PresentedError;
use crate::resource_metadata::PublishedMetadata;
use crate::token_cache::TokenCache;
use crate::{Denied, Presented, Requirements, Verified, VerifierBuilder};

/// Verifies access tokens for one API. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
    #[cfg(feature = "status")]
    status_policy: StatusPolicy,
}

pub(crate) struct Inner {
    pub(crate) issuers: Issuers,
    pub(crate) audience: Audience,
    pub(crate) challenger: Challenger,
    pub(crate) metadata: Option<PublishedMetadata>,
    pub(crate) tokens: TokenCache<Verified>,
    pub(crate) clock: Arc<dyn Clock>,
    #[cfg(feature = "introspection")]
    pub(crate) introspector: Option<Arc<Introspector>>,
    #[cfg(feature = "api-keys")]
    pub(crate) api_keys: Option<Arc<KeyWatch>>,
    #[cfg(feature = "metrics")]
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

/// The issuer's keys are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the issuer's keys could not be fetched in time")]
pub struct NotReady;

impl Verifier {
    /// A verifier for tokens of `issuer` that are meant for `audience`. Both are
    /// compared byte for byte; a trailing slash matters. Texts that are no issuer
    /// or no audience are an error of [`VerifierBuilder::build`].
    pub fn builder(issuer: impl fmt::Display, audience: impl fmt::Display) -> VerifierBuilder {
        VerifierBuilder::new(&issuer, &audience)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            #[cfg(feature = "status")]
            status_policy: StatusPolicy::default(),
        }
    }

    /// A verifier for tokens that come from elsewhere than requests: it remembers none.
    #[cfg(feature = "introspection")]
    pub(crate) fn of_issuer(policy: policy::Policy, keys: Arc<KeyCache>, audience: Audience, clock: Arc<dyn Clock>) -> Self {
        Self::new(Inner {
            issuers: Issuers::new(
                TrustedKeys {
                    policy,
                    keys,
                    #[cfg(feature = "status")]
                    status: None,
                },
                Box::default(),
            ),
            audience,
            challenger: Challenger { realm: String::new(), metadata_url: None },
            metadata: None,
            tokens: TokenCache::new(0),
            clock,
            introspector: None,
            #[cfg(feature = "api-keys")]
            api_keys: None,
            #[cfg(feature = "metrics")]
            observer: None,
        })
    }

    /// The issuer whose tokens are accepted; of several the first.
    pub fn issuer(&self) -> &Issuer {
        &self.inner.issuers.first().policy.issuer
    }

    /// Every issuer whose tokens are accepted by their signature.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.inner.issuers.iter().map(|issuer| &issuer.policy.issuer)
    }

    /// The audience for which tokens are accepted, where an issuer has no other.
    pub fn audience(&self) -> &Audience {
        &self.inner.audience
    }

    /// What this API says of itself; see [`VerifierBuilder::resource_metadata`].
    pub fn resource_metadata(&self) -> Option<&PublishedMetadata> {
        self.inner.metadata.as_ref()
    }

    /// Verifies the bearer token of a request, and waits for keys if they have to
    /// be fetched first.
    ///
    /// # Errors
    /// [`Denied`], which is the response to send.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<Verified, Denied> {
        self.verify_presented(self.presented(headers)?).await
    }

    /// As [`verify`](Self::verify), of a request that came from `address`: an API key may be
    /// accepted from some networks only, and is refused where nobody says whence it came.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_from(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Verified, Denied> {
        self.verify_presented(self.presented(headers)?.from(address)).await
    }

    /// Verifies the bearer token of a request, and never waits: when keys have to
    /// be fetched or the issuer has to be asked first, that is started and the
    /// answer is 503. Once the keys are there (see [`ready`](Self::ready)) that
    /// happens only for an unknown key and for tokens that are not signed.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_now(&self, headers: &HeaderMap) -> Result<Verified, Denied> {
        self.verify_presented_now(self.presented(headers)?)
    }

    /// As [`verify`](Self::verify), for a token that came by another way.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_token(&self, token: &str) -> Result<Verified, Denied> {
        self.verify_presented(Presented::bearer(token)).await
    }

    /// As [`verify`](Self::verify), for what came by another way, and whence.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_presented(&self, presented: Presented<'_>) -> Result<Verified, Denied> {
        match self.attempt(presented) {
            Attempt::Done(verdict) => verdict,
            Attempt::Wait(pending) => self.verify_after(presented.token(), pending).await,
        }
    }

    /// As [`verify_now`](Self::verify_now), for a token that came by another way.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_token_now(&self, token: &str) -> Result<Verified, Denied> {
        self.verify_presented_now(Presented::bearer(token))
    }

    /// As [`verify_now`](Self::verify_now), for what came by another way, and whence.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_presented_now(&self, presented: Presented<'_>) -> Result<Verified, Denied> {
        #[cfg(feature = "metrics")]
        let watch = Watch::start(self.inner.observer.as_deref());
        let judgement = match self.look(presented, None, &mut FirstFailure) {
            Look::Judged(judgement) => judgement,
            Look::Wait(pending) => self.not_waited(&pending),
        };
        #[cfg(feature = "metrics")]
        watch.stop(&judgement);
        self.conclude(judgement)
    }

    /// Checks a verified token against what a route asks.
    ///
    /// # Errors
    /// [`Denied`] with status 403 and the scopes that would have been enough.
    pub fn require(&self, verified: &Verified, requirements: &Requirements) -> Result<(), Denied> {
        #[cfg(feature = "status")]
        if let Some(max) = requirements.max_staleness()
            && !self.hears_within(verified, max)
        {
            return Err(self.deny(Denied::not_judged(ErrorCode::StatusUnknown), Some(verified)));
        }
        requirements.check(verified).map_err(|insufficient| {
            let denied = Denied::insufficient(&self.inner.challenger, &insufficient);
            self.deny(denied, Some(verified))
        })
    }

    /// Judges a token by the same checks as [`verify_token`](Self::verify_token), and says
    /// of each how it came out instead of stopping at the first that fails. For people
    /// who ask why a token is refused: nothing is remembered, logged or counted.
    pub async fn explain(&self, token: &str, requirements: &Requirements) -> Explanation {
        let (mut examiner, judgement) = self.examine(token).await;
        if let Some(claims) = examiner.claims.as_ref().filter(|_| !requirements.is_empty()) {
            let asked = requirements.check_claims(claims).map_err(|insufficient| insufficient.code());
            let _ = examiner.check(Aspect::Scope, asked);
        }
        Explanation::new(examiner, &judgement)
    }

    /// Waits until the keys of every issuer are there, and what is known of revocations where
    /// a feed is followed, for readiness probes. Gives up at once when a fetch of keys fails:
    /// the probe comes again.
    ///
    /// # Errors
    /// [`NotReady`] when a fetch fails or takes longer than `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let all = async {
            for issuer in self.inner.issuers.iter() {
                self.keys_arrived(&issuer.keys).await?;
                #[cfg(feature = "status")]
                if let Some(status) = &issuer.status
                    && !status.ready(timeout).await
                {
                    return Err(NotReady);
                }
            }
            Ok(())
        };
        tokio::time::timeout(timeout, all).await.unwrap_or(Err(NotReady))
    }

    async fn keys_arrived(&self, keys: &Arc<KeyCache>) -> Result<(), NotReady> {
        let mut finished = keys.finished();
        loop {
            match keys.usable(self.inner.clock.now()) {
                Usable::Now(_) => return Ok(()),
                Usable::Unavailable => return Err(NotReady),
                Usable::Wait(_) => finished.changed().await.map_err(|_| NotReady)?,
            }
        }
    }

    /// How many seconds ago the keys of each issuer were fetched; `None` for keys
    /// that are not there yet or that were given.
    #[cfg(feature = "metrics")]
    pub fn key_ages(&self) -> impl Iterator<Item = (&Issuer, Option<i64>)> {
        self.inner.issuers.iter().map(|issuer| {
            let now = self.inner.clock.now();
            let age = issuer.keys.fetched_at().map(|at| now.millis_since(at).div_euclid(1000));
            (&issuer.policy.issuer, age)
        })
    }

    /// The one token of a request.
    pub(crate) fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, Denied> {
        let presented = Presented::from_headers(headers);
        #[cfg(feature = "api-keys")]
        let presented = match self.inner.api_keys.as_ref().and_then(|keys| keys.header()) {
            Some(name) => presented_by(headers, name, presented),
            None => presented,
        };
        presented.map_err(|error| self.deny(Denied::presented(&self.inner.challenger, error), None))
    }

    fn conclude(&self, judgement: Judgement<'_>) -> Result<Verified, Denied> {
        judgement.log();
        judgement.verdict.map_err(|fault| match fault {
            Fault::Refused(refused) => Denied::invalid_token(&self.inner.challenger, refused.code),
            Fault::NotJudged(code) => Denied::not_judged(code),
            #[cfg(feature = "api-keys")]
            Fault::Exhausted { retry_after_seconds } => Denied::exhausted(retry_after_seconds),
        })
    }

    fn deny(&self, denied: Denied, verified: Option<&Verified>) -> Denied {
        log_denied(&denied, verified);
        #[cfg(feature = "metrics")]
        if let Some(observer) = &self.inner.observer {
            crate::metrics::observe_denied(&**observer, &denied, verified);
        }
        denied
    }
}

/// The key in a header of its own. Where there is a bearer token too, neither is chosen.
#[cfg(feature = "api-keys")]
fn presented_by<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    bearer: Result<Presented<'a>, PresentedError>,
) -> Result<Presented<'a>, PresentedError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return bearer };
    if values.next().is_some() || !matches!(bearer, Err(PresentedError::Missing)) {
        return Err(PresentedError::Several);
    }
    let key = value.to_str().map_err(|_| PresentedError::Malformed)?.trim_matches([' ', '\t']);
    if key.is_empty() || key.contains([' ', '\t', ',']) {
        return Err(PresentedError::Malformed);
    }
    Ok(Presented::bearer(key))
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer().as_str())
            .field("audience", &self.audience().as_str())
            .finish_non_exhaustive()
    }
}
