//! The verifier: one request in, one verdict out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use countersign_protocol::jose::MAX_TOKEN_BYTES;
use countersign_protocol::{Audience, Clock, ErrorCode, Issuer};

use crate::keys::{KeyCache, Need, UnknownKey, Usable};
use crate::policy::Policy;
use crate::presented::PresentedError;
use crate::token_cache::TokenCache;
use crate::{Denied, Presented, Requirements, Verified, VerifierBuilder};

/// How many fetches a call waits for: for the first keys, for one that was under
/// way already, for one of its own, and some to spare.
const MAX_WAITS: usize = 6;

/// Verifies access tokens of one issuer for one audience. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) policy: Policy,
    pub(crate) realm: String,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) tokens: TokenCache,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A verdict, or the need of keys that are on their way.
pub(crate) enum Attempt {
    Done(Result<Verified, Denied>),
    Wait(Need),
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
        Self(Arc::new(inner))
    }

    /// The issuer whose tokens are accepted.
    pub fn issuer(&self) -> &Issuer {
        &self.0.policy.issuer
    }

    /// The audience for which tokens are accepted.
    pub fn audience(&self) -> &Audience {
        &self.0.policy.audience
    }

    /// Verifies the bearer token of a request, and waits for keys if they have to
    /// be fetched first.
    ///
    /// # Errors
    /// [`Denied`], which is the response to send.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<Verified, Denied> {
        self.verify_token(self.presented(headers)?.token()).await
    }

    /// Verifies the bearer token of a request, and never waits: when keys have to
    /// be fetched first, the fetch is started and the answer is 503. Once the keys
    /// are there (see [`ready`](Self::ready)) that happens only for an unknown key.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_now(&self, headers: &HeaderMap) -> Result<Verified, Denied> {
        self.verify_token_now(self.presented(headers)?.token())
    }

    /// As [`verify`](Self::verify), for a token that came by another way.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub async fn verify_token(&self, token: &str) -> Result<Verified, Denied> {
        match self.attempt(token, None) {
            Attempt::Done(verdict) => verdict,
            Attempt::Wait(need) => self.verify_after(token, need).await,
        }
    }

    /// As [`verify_now`](Self::verify_now), for a token that came by another way.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_token_now(&self, token: &str) -> Result<Verified, Denied> {
        match self.attempt(token, None) {
            Attempt::Done(verdict) => verdict,
            Attempt::Wait(_) => Err(self.not_judged()),
        }
    }

    /// Checks a verified token against what a route asks.
    ///
    /// # Errors
    /// [`Denied`] with status 403 and the scopes that would have been enough.
    pub fn require(&self, verified: &Verified, requirements: &Requirements) -> Result<(), Denied> {
        requirements.check(verified).map_err(|insufficient| {
            tracing::debug!(code = insufficient.code().as_str(), "the token is not enough here");
            Denied::insufficient(&self.0.realm, &insufficient)
        })
    }

    /// Waits until the keys are there, for readiness probes. Gives up at once when
    /// the fetch fails: the probe comes again.
    ///
    /// # Errors
    /// [`NotReady`] when the fetch fails or takes longer than `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        tokio::time::timeout(timeout, self.keys_arrived()).await.unwrap_or(Err(NotReady))
    }

    async fn keys_arrived(&self) -> Result<(), NotReady> {
        let mut finished = self.0.keys.finished();
        loop {
            match self.0.keys.usable(self.0.clock.now()) {
                Usable::Now(_) => return Ok(()),
                Usable::Unavailable => return Err(NotReady),
                Usable::Wait(_) => finished.changed().await.map_err(|_| NotReady)?,
            }
        }
    }

    /// The one token of a request.
    pub(crate) fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, Denied> {
        Presented::from_headers(headers).map_err(|error| self.not_presented(error))
    }

    /// One attempt that never waits. `waited` is the need for which the caller has
    /// waited already.
    pub(crate) fn attempt(&self, token: &str, waited: Option<Need>) -> Attempt {
        let Inner { policy, keys, tokens, clock, .. } = &*self.0;
        if token.len() > MAX_TOKEN_BYTES {
            return self.refused(ErrorCode::TokenTooLarge);
        }
        loop {
            let now = clock.now();
            let usable = keys.usable(now);
            if let Usable::Now(keys) = &usable
                && let Some(verified) = tokens.find(token, now, keys.number())
            {
                return Attempt::Done(Ok(verified));
            }
            let jws = match policy.parse(token) {
                Ok(jws) => jws,
                Err(code) => return self.refused(code),
            };
            let at_hand = match usable {
                Usable::Now(at_hand) => at_hand,
                Usable::Wait(need) => return Attempt::Wait(need),
                Usable::Unavailable => return Attempt::Done(Err(self.not_judged())),
            };
            let key_id = jws.header().key_id.as_deref();
            if let Some(key) = at_hand.find(key_id) {
                return match policy.judge(&jws, key, now) {
                    Ok(verified) => {
                        tokens.insert(token, &verified, now, at_hand.number());
                        Attempt::Done(Ok(verified))
                    }
                    Err(code) => self.refused(code),
                };
            }
            match keys.unknown(key_id, &at_hand, now, waited) {
                UnknownKey::Again => {}
                UnknownKey::Refuse => return self.refused(ErrorCode::UnknownKey),
                UnknownKey::Unavailable => return Attempt::Done(Err(self.not_judged())),
                UnknownKey::Wait(need) => return Attempt::Wait(need),
            }
        }
    }

    /// The attempts after the first: each waits for a fetch to finish.
    pub(crate) async fn verify_after(&self, token: &str, need: Need) -> Result<Verified, Denied> {
        // Subscribed before each look: a fetch that ends in between is not missed.
        let mut finished = self.0.keys.finished();
        for _ in 0..MAX_WAITS {
            if let Attempt::Done(verdict) = self.attempt(token, Some(need)) {
                return verdict;
            }
            if finished.changed().await.is_err() {
                break;
            }
        }
        Err(self.not_judged())
    }

    fn refused(&self, code: ErrorCode) -> Attempt {
        tracing::debug!(code = code.as_str(), "token refused");
        Attempt::Done(Err(Denied::invalid_token(&self.0.realm, code)))
    }

    fn not_presented(&self, error: PresentedError) -> Denied {
        tracing::debug!(code = error.code().as_str(), "no token to judge");
        Denied::presented(&self.0.realm, error)
    }

    fn not_judged(&self) -> Denied {
        tracing::debug!(issuer = self.issuer().as_str(), "no keys to judge a token with");
        Denied::not_judged()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.issuer().as_str())
            .field("audience", &self.audience().as_str())
            .finish_non_exhaustive()
    }
}
