//! The verifier: one request in, one verdict out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
#[cfg(feature = "api-keys")]
use http::HeaderName;

use countersign_protocol::jose::{MAX_TOKEN_BYTES, UnverifiedJws};
use countersign_protocol::{Audience, Check, Clock, ErrorCode, Issuer, Timestamp};

#[cfg(feature = "api-keys")]
use crate::api_keys::{Answered, KeyFlight, KeyWatch};
use crate::decision::{Fault, Judgement, log_denied};
use crate::denied::Challenger;
use crate::examiner::{Aspect, EveryCheck, Examiner, FirstFailure};
use crate::explanation::Explanation;
#[cfg(feature = "introspection")]
use crate::introspection::{Asked, Flight, Introspector};
use crate::issuers::{Issuers, TrustedKeys, named_issuer};
use crate::keys::{KeyCache, Need, UnknownKey, Usable};
#[cfg(feature = "metrics")]
use crate::metrics::{Observer, Watch};
use crate::policy;
#[cfg(feature = "api-keys")]
use crate::presented::PresentedError;
use crate::resource_metadata::PublishedMetadata;
use crate::token_cache::{Life, Origin, TokenCache};
use crate::{Denied, Presented, Requirements, Verified, VerifierBuilder};

/// How many fetches a call waits for: for the first keys, for one that was under
/// way already, for one of its own, and some to spare.
const MAX_WAITS: usize = 6;
/// Longest life of a remembered token, in seconds: what revocation may cost at most.
const MAX_REMEMBERED_SECONDS: i64 = 60;

/// Verifies access tokens for one API. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

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

/// A verdict, or something to wait for.
pub(crate) enum Attempt {
    Done(Result<Verified, Denied>),
    Wait(Pending),
}

/// What a token waits for.
pub(crate) enum Pending {
    /// Keys of the issuer with this place.
    Keys { issuer: u16, need: Need },
    /// What the issuer says of the token.
    #[cfg(feature = "introspection")]
    Introspection(Flight),
    /// What the server says of the API key.
    #[cfg(feature = "api-keys")]
    ApiKey(KeyFlight),
}

/// What a look at a token brought.
enum Look<'a> {
    Judged(Judgement<'a>),
    Wait(Pending),
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

    /// A verifier for tokens that come from elsewhere than requests: it remembers none.
    #[cfg(feature = "introspection")]
    pub(crate) fn of_issuer(policy: policy::Policy, keys: Arc<KeyCache>, audience: Audience, clock: Arc<dyn Clock>) -> Self {
        Self::new(Inner {
            issuers: Issuers::new(TrustedKeys { policy, keys }, Box::default()),
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
        &self.0.issuers.first().policy.issuer
    }

    /// Every issuer whose tokens are accepted by their signature.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.0.issuers.iter().map(|issuer| &issuer.policy.issuer)
    }

    /// The audience for which tokens are accepted, where an issuer has no other.
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// What this API says of itself; see [`VerifierBuilder::resource_metadata`].
    pub fn resource_metadata(&self) -> Option<&PublishedMetadata> {
        self.0.metadata.as_ref()
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
        let watch = Watch::start(self.0.observer.as_deref());
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
        requirements.check(verified).map_err(|insufficient| {
            let denied = Denied::insufficient(&self.0.challenger, &insufficient);
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

    async fn examine(&self, token: &str) -> (EveryCheck, Judgement<'_>) {
        let mut need = None;
        for _ in 0..MAX_WAITS {
            let mut finished: Vec<_> = self.0.issuers.iter().map(|issuer| issuer.keys.finished()).collect();
            let mut examiner = EveryCheck::default();
            match self.look(Presented::bearer(token), need, &mut examiner) {
                Look::Judged(judgement) => return (examiner, judgement),
                #[cfg(feature = "introspection")]
                Look::Wait(Pending::Introspection(flight)) => return (examiner, self.introspected(flight.land().await)),
                #[cfg(feature = "api-keys")]
                Look::Wait(Pending::ApiKey(flight)) => return (examiner, self.of_key(flight.land().await)),
                Look::Wait(Pending::Keys { issuer, need: waited }) => {
                    need = Some(need.unwrap_or(waited));
                    if let Some(finished) = finished.get_mut(usize::from(issuer)) {
                        let _ = finished.changed().await;
                    }
                }
            }
        }
        (EveryCheck::default(), no_keys(self.0.issuers.first()))
    }

    /// Waits until the keys of every issuer are there, for readiness probes. Gives
    /// up at once when a fetch fails: the probe comes again.
    ///
    /// # Errors
    /// [`NotReady`] when a fetch fails or takes longer than `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let all = async {
            for issuer in self.0.issuers.iter() {
                self.keys_arrived(&issuer.keys).await?;
            }
            Ok(())
        };
        tokio::time::timeout(timeout, all).await.unwrap_or(Err(NotReady))
    }

    async fn keys_arrived(&self, keys: &Arc<KeyCache>) -> Result<(), NotReady> {
        let mut finished = keys.finished();
        loop {
            match keys.usable(self.0.clock.now()) {
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
        self.0.issuers.iter().map(|issuer| {
            let now = self.0.clock.now();
            let age = issuer.keys.fetched_at().map(|at| now.millis_since(at).div_euclid(1000));
            (&issuer.policy.issuer, age)
        })
    }

    /// The one token of a request.
    pub(crate) fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Presented<'a>, Denied> {
        let presented = Presented::from_headers(headers);
        #[cfg(feature = "api-keys")]
        let presented = match self.0.api_keys.as_ref().and_then(|keys| keys.header()) {
            Some(name) => presented_by(headers, name, presented),
            None => presented,
        };
        presented.map_err(|error| self.deny(Denied::presented(&self.0.challenger, error), None))
    }

    /// The first attempt, which never waits.
    pub(crate) fn attempt(&self, presented: Presented<'_>) -> Attempt {
        #[cfg(feature = "metrics")]
        let watch = Watch::start(self.0.observer.as_deref());
        match self.look(presented, None, &mut FirstFailure) {
            Look::Judged(judgement) => {
                #[cfg(feature = "metrics")]
                watch.stop(&judgement);
                Attempt::Done(self.conclude(judgement))
            }
            Look::Wait(pending) => Attempt::Wait(pending),
        }
    }

    /// The attempts after the first: each waits for something to finish.
    pub(crate) async fn verify_after(&self, token: &str, pending: Pending) -> Result<Verified, Denied> {
        #[cfg(feature = "metrics")]
        let watch = Watch::start(self.0.observer.as_deref());
        let judgement = match pending {
            Pending::Keys { issuer, need } => self.judge_after(token, issuer, need).await,
            #[cfg(feature = "introspection")]
            Pending::Introspection(flight) => self.introspected(flight.land().await),
            #[cfg(feature = "api-keys")]
            Pending::ApiKey(flight) => self.of_key(flight.land().await),
        };
        #[cfg(feature = "metrics")]
        watch.stop(&judgement);
        self.conclude(judgement)
    }

    /// The verdict alone, for who asks on behalf of another token.
    #[cfg(feature = "introspection")]
    pub(crate) async fn verdict(&self, token: &str) -> Result<Verified, Fault> {
        match self.look(Presented::bearer(token), None, &mut FirstFailure) {
            Look::Judged(judgement) => judgement.verdict,
            Look::Wait(Pending::Keys { issuer, need }) => self.judge_after(token, issuer, need).await.verdict,
            Look::Wait(Pending::Introspection(flight)) => flight.land().await,
            #[cfg(feature = "api-keys")]
            Look::Wait(Pending::ApiKey(flight)) => flight.land().await,
        }
    }

    async fn judge_after(&self, token: &str, issuer: u16, need: Need) -> Judgement<'_> {
        let trusted = self.0.issuers.get(issuer).unwrap_or_else(|| self.0.issuers.first());
        // Subscribed before each look: a fetch that ends in between is not missed.
        let mut finished = trusted.keys.finished();
        for _ in 0..MAX_WAITS {
            if let Look::Judged(judgement) = self.look(Presented::bearer(token), Some(need), &mut FirstFailure) {
                return judgement;
            }
            if finished.changed().await.is_err() {
                break;
            }
        }
        no_keys(trusted)
    }

    /// One look at a token, which never waits. `waited` is the need for which the
    /// caller has waited already.
    fn look<E: Examiner>(&self, presented: Presented<'_>, waited: Option<Need>, examiner: &mut E) -> Look<'_> {
        let Inner { issuers, tokens, clock, .. } = &*self.0;
        let token = presented.token();
        let is_too_large = Check::Size.is_on() && token.len() > MAX_TOKEN_BYTES;
        let size = if is_too_large { Err(ErrorCode::TokenTooLarge) } else { Ok(()) };
        if let Err(code) = examiner.gate(Aspect::Format, size) {
            return Look::refused(code);
        }
        let now = clock.now();
        if E::USES_MEMORY
            && let Some(judgement) = remembered(issuers, tokens, token, now)
        {
            return Look::Judged(judgement);
        }
        #[cfg(feature = "api-keys")]
        if let Some(keys) = &self.0.api_keys
            && let Some(form) = keys.claims(token, self.introspects())
        {
            return match keys.ask(presented, form, now) {
                Answered::Now(judgement) => Look::Judged(judgement),
                Answered::Wait(flight) => Look::Wait(Pending::ApiKey(flight)),
            };
        }
        #[cfg(feature = "introspection")]
        if let Some(introspector) = self.0.introspector.as_ref().filter(|_| is_opaque(token)) {
            return ask(introspector, token, now);
        }
        let jws = match policy::parse(token, examiner) {
            Ok(jws) => jws,
            Err(code) => return Look::refused(code),
        };
        let (index, trusted) = match self.only_issuer() {
            Some(only) => (0, only),
            None => match examiner.gate(Aspect::Issuer, named_issuer(&jws)) {
                Ok(name) => match issuers.find(&name) {
                    Some(found) => found,
                    None => return self.look_at_foreign(token, &name, now, examiner),
                },
                Err(code) => return Look::refused(code),
            },
        };
        if let Err(code) = trusted.policy.check_header(jws.header(), examiner) {
            return Look::Judged(Judgement::new(trusted.policy.issuer.as_str(), Err(code.into())));
        }
        self.judge(token, &jws, (index, trusted), (now, waited), examiner)
    }

    /// The issuer, if there is only one: a token need not be looked into to choose.
    fn only_issuer(&self) -> Option<&TrustedKeys> {
        #[cfg(feature = "introspection")]
        if self.0.introspector.as_ref().is_some_and(|introspector| introspector.takes_jwts()) {
            return None;
        }
        self.0.issuers.only()
    }

    /// A JWT of an issuer whose keys are not trusted.
    #[cfg(feature = "introspection")]
    fn look_at_foreign(&self, token: &str, name: &str, now: Timestamp, examiner: &mut impl Examiner) -> Look<'_> {
        match self.0.introspector.as_ref().filter(|introspector| introspector.takes_jwts_of(name)) {
            Some(introspector) => ask(introspector, token, now),
            None => Look::foreign(examiner),
        }
    }

    #[cfg(not(feature = "introspection"))]
    #[expect(clippy::unused_self, reason = "the same shape as with introspection")]
    fn look_at_foreign(&self, _token: &str, _name: &str, _now: Timestamp, examiner: &mut impl Examiner) -> Look<'_> {
        Look::foreign(examiner)
    }

    /// Judges a token by the keys of its issuer.
    fn judge<'a, E: Examiner>(
        &'a self,
        token: &str,
        jws: &UnverifiedJws<'_>,
        (index, trusted): (u16, &'a TrustedKeys),
        (mut now, waited): (Timestamp, Option<Need>),
        examiner: &mut E,
    ) -> Look<'a> {
        let TrustedKeys { policy, keys } = trusted;
        let judged = |verdict| Look::Judged(Judgement::new(policy.issuer.as_str(), verdict));
        let wait = |need| Look::Wait(Pending::Keys { issuer: index, need });
        let key_id = jws.header().key_id.as_deref();
        loop {
            let at_hand = match keys.usable(now) {
                Usable::Now(at_hand) => at_hand,
                Usable::Wait(need) => return wait(need),
                Usable::Unavailable => return Look::Judged(no_keys(trusted)),
            };
            let key = at_hand.find(key_id);
            #[cfg(weakened)]
            let key = key.or_else(|| if Check::KeyId.is_on() { None } else { at_hand.find_by_algorithm(jws.header().algorithm) });
            if let Some(key) = key {
                let _ = examiner.check(Aspect::Key, Ok(()));
                let verdict = policy.judge(jws, key, now, examiner);
                if let (true, Ok(verified)) = (E::USES_MEMORY, &verdict) {
                    let life = Life::new(now, MAX_REMEMBERED_SECONDS, verified.expires_at());
                    self.0.tokens.insert(token, verified, life, Origin { issuer: index, key_set: at_hand.number() });
                }
                return judged(verdict.map_err(Fault::from));
            }
            match keys.unknown(key_id, &at_hand, now, waited) {
                UnknownKey::Again => now = self.0.clock.now(),
                UnknownKey::Refuse => return judged(examiner.gate(Aspect::Key, Err(ErrorCode::UnknownKey)).map_err(Fault::from)),
                UnknownKey::Unavailable => return Look::Judged(no_keys(trusted)),
                UnknownKey::Wait(need) => return wait(need),
            }
        }
    }

    /// The verdict for a caller that does not wait.
    fn not_waited(&self, pending: &Pending) -> Judgement<'_> {
        match pending {
            Pending::Keys { issuer, .. } => no_keys(self.0.issuers.get(*issuer).unwrap_or_else(|| self.0.issuers.first())),
            #[cfg(feature = "introspection")]
            Pending::Introspection(_) => self.introspected(Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))),
            #[cfg(feature = "api-keys")]
            Pending::ApiKey(_) => self.of_key(Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))),
        }
    }

    #[cfg(feature = "introspection")]
    fn introspected(&self, verdict: Result<Verified, Fault>) -> Judgement<'_> {
        let issuer = self.0.introspector.as_ref().map(|introspector| introspector.issuer());
        Judgement { verdict, issuer, is_remembered: false }
    }

    /// Whether tokens without a form of ours are asked about.
    #[cfg(feature = "api-keys")]
    #[cfg_attr(not(feature = "introspection"), expect(clippy::unused_self, reason = "the same shape as with introspection"))]
    fn introspects(&self) -> bool {
        #[cfg(feature = "introspection")]
        return self.0.introspector.is_some();
        #[cfg(not(feature = "introspection"))]
        false
    }

    #[cfg(feature = "api-keys")]
    fn of_key(&self, verdict: Result<Verified, Fault>) -> Judgement<'_> {
        let issuer = self.0.api_keys.as_ref().map(|keys| keys.issuer());
        Judgement { verdict, issuer, is_remembered: false }
    }

    fn conclude(&self, judgement: Judgement<'_>) -> Result<Verified, Denied> {
        judgement.log();
        judgement.verdict.map_err(|fault| match fault {
            Fault::Refused(refused) => Denied::invalid_token(&self.0.challenger, refused.code),
            Fault::NotJudged(code) => Denied::not_judged(code),
            #[cfg(feature = "api-keys")]
            Fault::Exhausted { retry_after_seconds } => Denied::exhausted(retry_after_seconds),
        })
    }

    fn deny(&self, denied: Denied, verified: Option<&Verified>) -> Denied {
        log_denied(&denied, verified);
        #[cfg(feature = "metrics")]
        if let Some(observer) = &self.0.observer {
            crate::metrics::observe_denied(&**observer, &denied, verified);
        }
        denied
    }
}

impl Look<'_> {
    fn foreign(examiner: &mut impl Examiner) -> Self {
        let refused: Result<(), ErrorCode> = examiner.gate(Aspect::Issuer, Err(ErrorCode::IssuerMismatch));
        Self::Judged(Judgement::without_issuer(refused.err().unwrap_or(ErrorCode::IssuerMismatch)))
    }

    fn refused(code: ErrorCode) -> Self {
        Self::Judged(Judgement::without_issuer(code))
    }
}

/// A token that was verified a moment ago, by a key that is still in use.
fn remembered<'a>(issuers: &'a Issuers, tokens: &TokenCache<Verified>, token: &str, now: Timestamp) -> Option<Judgement<'a>> {
    let mut issuer = None;
    let verified = tokens.find(token, now, |origin| {
        issuer = issuers.get(origin.issuer);
        issuer.is_some_and(|issuer| matches!(issuer.keys.usable(now), Usable::Now(keys) if keys.number() == origin.key_set))
    })?;
    Some(Judgement { verdict: Ok(verified), issuer: issuer.map(|issuer| issuer.policy.issuer.as_str()), is_remembered: true })
}

fn no_keys(trusted: &TrustedKeys) -> Judgement<'_> {
    Judgement::new(trusted.policy.issuer.as_str(), Err(Fault::NotJudged(ErrorCode::KeysUnavailable)))
}

/// Whether a token is no JWT by its shape: not three parts.
#[cfg(feature = "introspection")]
fn is_opaque(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() != 2
}

#[cfg(feature = "introspection")]
fn ask<'a>(introspector: &'a Arc<Introspector>, token: &str, now: Timestamp) -> Look<'a> {
    match introspector.ask(token, now) {
        Asked::Now(judgement) => Look::Judged(judgement),
        Asked::Wait(flight) => Look::Wait(Pending::Introspection(flight)),
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
