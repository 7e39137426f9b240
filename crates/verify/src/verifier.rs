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
#[cfg(feature = "status")]
use crate::policy::Refused;
#[cfg(feature = "api-keys")]
use crate::presented::PresentedError;
use crate::resource_metadata::PublishedMetadata;
#[cfg(feature = "status")]
use crate::status::{Checked, Resort};
use crate::token_cache::{Life, Origin, TokenCache};
use crate::{Denied, Presented, Requirements, Verified, VerifierBuilder};
#[cfg(feature = "status")]
use crate::{StatusPolicy, StatusState};

/// How many fetches a call waits for: for the first keys, for one that was under
/// way already, for one of its own, and some to spare.
const MAX_WAITS: usize = 6;
/// How long a token waits for what is known of revocations.
#[cfg(feature = "status")]
const MAX_WAIT_FOR_STATUS: Duration = Duration::from_secs(10);
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
    #[cfg(feature = "status")]
    pub(crate) status_policy: StatusPolicy,
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
    /// What is revoked.
    #[cfg(feature = "status")]
    Status(tokio::sync::watch::Receiver<u64>),
    /// What the issuer says of a token that is good as far as is known.
    #[cfg(all(feature = "status", feature = "introspection"))]
    Confirmation(Flight, Box<Confirmed>),
}

/// A token that is good as far as is known.
#[cfg(all(feature = "status", feature = "introspection"))]
pub(crate) struct Confirmed {
    verified: Verified,
    issuer: u16,
    staleness_millis: i64,
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
            #[cfg(feature = "status")]
            status_policy: StatusPolicy::default(),
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
        #[cfg(feature = "status")]
        if let Some(max) = requirements.max_staleness()
            && !self.hears_within(verified, max)
        {
            return Err(self.deny(Denied::not_judged(ErrorCode::StatusUnknown), Some(verified)));
        }
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
                #[cfg(feature = "status")]
                Look::Wait(Pending::Status(news)) => {
                    if !heard(news, tokio::time::Instant::now() + MAX_WAIT_FOR_STATUS).await {
                        return (examiner, status_unknown(self.0.issuers.first()));
                    }
                }
                #[cfg(all(feature = "status", feature = "introspection"))]
                Look::Wait(Pending::Confirmation(flight, confirmed)) => {
                    return (examiner, self.confirmed(flight, *confirmed).await);
                }
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

    /// Waits until the keys of every issuer are there, and what is known of revocations where
    /// a feed is followed, for readiness probes. Gives up at once when a fetch of keys fails:
    /// the probe comes again.
    ///
    /// # Errors
    /// [`NotReady`] when a fetch fails or takes longer than `timeout`.
    pub async fn ready(&self, timeout: Duration) -> Result<(), NotReady> {
        let all = async {
            for issuer in self.0.issuers.iter() {
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
            match keys.usable(self.0.clock.now()) {
                Usable::Now(_) => return Ok(()),
                Usable::Unavailable => return Err(NotReady),
                Usable::Wait(_) => finished.changed().await.map_err(|_| NotReady)?,
            }
        }
    }

    /// Whether what was heard of the revocations of the token's issuer is so recent.
    #[cfg(feature = "status")]
    fn hears_within(&self, verified: &Verified, max: Duration) -> bool {
        let issuer = self.0.issuers.find(verified.issuer());
        let staleness =
            issuer.and_then(|(_, issuer)| issuer.status.as_ref()).and_then(|status| status.staleness_millis(self.0.clock.now()));
        staleness.is_some_and(|millis| u128::from(millis.unsigned_abs()) <= max.as_millis())
    }

    /// What is known of the revocations of each issuer whose feed is followed.
    #[cfg(feature = "status")]
    pub fn status(&self) -> impl Iterator<Item = (&Issuer, StatusState)> {
        let now = self.0.clock.now();
        let followed = move |issuer: &'_ TrustedKeys| issuer.status.as_ref().and_then(|status| status.state(now));
        self.0.issuers.iter().filter_map(move |issuer| followed(issuer).map(|state| (&issuer.policy.issuer, state)))
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
            #[cfg(feature = "status")]
            Pending::Status(news) => self.judge_after_news(token, news).await,
            #[cfg(all(feature = "status", feature = "introspection"))]
            Pending::Confirmation(flight, confirmed) => self.confirmed(flight, *confirmed).await,
        };
        #[cfg(feature = "metrics")]
        watch.stop(&judgement);
        self.conclude(judgement)
    }

    /// Looks again at each news until something is known, or that takes too long: there may
    /// be news that say nothing of this token.
    #[cfg(feature = "status")]
    async fn judge_after_news(&self, token: &str, mut news: tokio::sync::watch::Receiver<u64>) -> Judgement<'_> {
        let until = tokio::time::Instant::now() + MAX_WAIT_FOR_STATUS;
        while heard(news, until).await {
            match self.look(Presented::bearer(token), None, &mut FirstFailure) {
                Look::Judged(judgement) => return judgement,
                Look::Wait(Pending::Status(again)) => news = again,
                Look::Wait(Pending::Keys { issuer, need }) => return Box::pin(self.judge_after(token, issuer, need)).await,
                #[cfg(all(feature = "status", feature = "introspection"))]
                Look::Wait(Pending::Confirmation(flight, confirmed)) => return self.confirmed(flight, *confirmed).await,
                #[cfg(feature = "introspection")]
                Look::Wait(Pending::Introspection(flight)) => return self.introspected(flight.land().await),
                #[cfg(feature = "api-keys")]
                Look::Wait(Pending::ApiKey(flight)) => return self.of_key(flight.land().await),
            }
        }
        status_unknown(self.0.issuers.first())
    }

    /// What the issuer says of a token, or else the policy of who cannot ask.
    #[cfg(all(feature = "status", feature = "introspection"))]
    async fn confirmed(&self, flight: Flight, confirmed: Confirmed) -> Judgement<'_> {
        let Confirmed { verified, issuer, staleness_millis } = confirmed;
        let trusted = self.0.issuers.get(issuer).unwrap_or_else(|| self.0.issuers.first());
        let name = trusted.policy.issuer.as_str();
        match flight.land().await {
            Ok(_) => Judgement::new(name, Ok(verified)),
            Err(Fault::NotJudged(_)) => match StatusPolicy::bounded_by_ttl(staleness_millis, life_millis(&verified)) {
                Resort::Accept => Judgement::new(name, Ok(verified)),
                Resort::Ask | Resort::NotJudged => status_unknown(trusted),
            },
            Err(fault) => Judgement::new(name, Err(fault)),
        }
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
            // It follows no feed.
            #[cfg(feature = "status")]
            Look::Wait(Pending::Status(_) | Pending::Confirmation(..)) => Err(Fault::NotJudged(ErrorCode::StatusUnknown)),
        }
    }

    async fn judge_after(&self, token: &str, issuer: u16, need: Need) -> Judgement<'_> {
        let trusted = self.0.issuers.get(issuer).unwrap_or_else(|| self.0.issuers.first());
        // Subscribed before each look: a fetch that ends in between is not missed.
        let mut finished = trusted.keys.finished();
        for _ in 0..MAX_WAITS {
            match self.look(Presented::bearer(token), Some(need), &mut FirstFailure) {
                Look::Judged(judgement) => return judgement,
                #[cfg(feature = "status")]
                Look::Wait(Pending::Status(news)) => return self.judge_after_news(token, news).await,
                #[cfg(all(feature = "status", feature = "introspection"))]
                Look::Wait(Pending::Confirmation(flight, confirmed)) => return self.confirmed(flight, *confirmed).await,
                Look::Wait(_) => {}
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
            && let Some((index, judgement)) = remembered(issuers, tokens, token, now)
        {
            return self.with_status(index, judgement, token, now, examiner);
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
        let TrustedKeys { policy, keys, .. } = trusted;
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
                    let life = Life::new(now, trusted.remembered_seconds(now), verified.expires_at());
                    self.0.tokens.insert(token, verified, life, Origin { issuer: index, key_set: at_hand.number() });
                }
                let judgement = Judgement::new(policy.issuer.as_str(), verdict.map_err(Fault::from));
                return self.with_status(index, judgement, token, now, examiner);
            }
            match keys.unknown(key_id, &at_hand, now, waited) {
                UnknownKey::Again => now = self.0.clock.now(),
                UnknownKey::Refuse => return judged(examiner.gate(Aspect::Key, Err(ErrorCode::UnknownKey)).map_err(Fault::from)),
                UnknownKey::Unavailable => return Look::Judged(no_keys(trusted)),
                UnknownKey::Wait(need) => return wait(need),
            }
        }
    }

    /// The verdict together with what is known of revocations.
    #[cfg(feature = "status")]
    fn with_status<'a>(
        &'a self,
        index: u16,
        judgement: Judgement<'a>,
        #[cfg_attr(not(feature = "introspection"), expect(unused_variables, reason = "who asks needs it"))] token: &str,
        now: Timestamp,
        examiner: &mut impl Examiner,
    ) -> Look<'a> {
        let Some(trusted) = self.0.issuers.get(index) else { return Look::Judged(judgement) };
        let (Some(status), Ok(verified)) = (&trusted.status, &judgement.verdict) else { return Look::Judged(judgement) };
        let staleness_millis = match status.check(verified.claims(), verified.key_id(), now) {
            Checked::Good { staleness_millis } => staleness_millis,
            Checked::Refused(code) => {
                let _ = examiner.check(Aspect::Revocation, Err(code));
                let refused = Refused { code, claims: Some(Box::new(verified.claims().clone())) };
                return Look::Judged(Judgement { verdict: Err(refused.into()), ..judgement });
            }
            Checked::Wait(news) => return Look::Wait(Pending::Status(news)),
        };
        let _ = examiner.check(Aspect::Revocation, Ok(()));
        match self.0.status_policy.resort(staleness_millis, life_millis(verified)) {
            Resort::Accept => Look::Judged(judgement),
            Resort::NotJudged => Look::Judged(status_unknown(trusted)),
            #[cfg(feature = "introspection")]
            Resort::Ask => self.ask_about(index, judgement, staleness_millis, token, now),
        }
    }

    #[cfg(not(feature = "status"))]
    #[expect(clippy::unused_self, reason = "the same shape as with status")]
    fn with_status<'a>(&'a self, _: u16, judgement: Judgement<'a>, _: &str, _: Timestamp, _: &mut impl Examiner) -> Look<'a> {
        Look::Judged(judgement)
    }

    /// Asks the issuer about a token that is good as far as is known.
    #[cfg(all(feature = "status", feature = "introspection"))]
    fn ask_about<'a>(
        &'a self,
        index: u16,
        judgement: Judgement<'a>,
        staleness_millis: i64,
        token: &str,
        now: Timestamp,
    ) -> Look<'a> {
        let trusted = self.0.issuers.get(index).unwrap_or_else(|| self.0.issuers.first());
        let name = trusted.policy.issuer.as_str();
        // Another issuer knows nothing of it.
        let introspector = self.0.introspector.as_ref().filter(|introspector| introspector.issuer() == name);
        let asked = introspector.map(|introspector| introspector.ask(token, now));
        let Ok(verified) = &judgement.verdict else { return Look::Judged(judgement) };
        match asked {
            Some(Asked::Wait(flight)) => {
                let confirmed = Confirmed { verified: verified.clone(), issuer: index, staleness_millis };
                Look::Wait(Pending::Confirmation(flight, Box::new(confirmed)))
            }
            Some(Asked::Now(Judgement { verdict: Ok(_), .. })) => Look::Judged(judgement),
            Some(Asked::Now(Judgement { verdict: Err(Fault::NotJudged(_)), .. })) | None => {
                let resort = StatusPolicy::bounded_by_ttl(staleness_millis, life_millis(verified));
                Look::Judged(if resort == Resort::Accept { judgement } else { status_unknown(trusted) })
            }
            Some(Asked::Now(Judgement { verdict: Err(fault), .. })) => Look::Judged(Judgement { verdict: Err(fault), ..judgement }),
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
            #[cfg(feature = "status")]
            Pending::Status(_) => status_unknown(self.0.issuers.first()),
            #[cfg(all(feature = "status", feature = "introspection"))]
            Pending::Confirmation(_, confirmed) => {
                status_unknown(self.0.issuers.get(confirmed.issuer).unwrap_or_else(|| self.0.issuers.first()))
            }
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
fn remembered<'a>(
    issuers: &'a Issuers,
    tokens: &TokenCache<Verified>,
    token: &str,
    now: Timestamp,
) -> Option<(u16, Judgement<'a>)> {
    let (mut issuer, mut index) = (None, 0);
    let verified = tokens.find(token, now, |origin| {
        index = origin.issuer;
        issuer = issuers.get(origin.issuer);
        issuer.is_some_and(|issuer| matches!(issuer.keys.usable(now), Usable::Now(keys) if keys.number() == origin.key_set))
    })?;
    let issuer = issuer.map(|issuer| issuer.policy.issuer.as_str());
    Some((index, Judgement { verdict: Ok(verified), issuer, is_remembered: true }))
}

impl TrustedKeys {
    /// For how long a verified token is remembered: for good while its revocation would be heard.
    #[cfg_attr(not(feature = "status"), expect(clippy::unused_self, reason = "the same shape as with status"))]
    fn remembered_seconds(
        &self,
        #[cfg_attr(not(feature = "status"), expect(unused_variables, reason = "the same"))] now: Timestamp,
    ) -> i64 {
        #[cfg(feature = "status")]
        if self.status.as_ref().is_some_and(|status| status.is_live(now)) {
            return i64::MAX / 1_000;
        }
        MAX_REMEMBERED_SECONDS
    }
}

/// Waits for news, but not for ever. Whether there were some.
#[cfg(feature = "status")]
async fn heard(mut news: tokio::sync::watch::Receiver<u64>, until: tokio::time::Instant) -> bool {
    matches!(tokio::time::timeout_at(until, news.changed()).await, Ok(Ok(())))
}

#[cfg(feature = "status")]
fn status_unknown(trusted: &TrustedKeys) -> Judgement<'_> {
    Judgement::new(trusted.policy.issuer.as_str(), Err(Fault::NotJudged(ErrorCode::StatusUnknown)))
}

/// From `iat` to `exp`; a token that does not say when it was issued lives for ever.
#[cfg(feature = "status")]
fn life_millis(verified: &Verified) -> i64 {
    let claims = verified.claims();
    claims.issued_at.map_or(i64::MAX, |issued_at| claims.expires_at.millis_since(issued_at))
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
