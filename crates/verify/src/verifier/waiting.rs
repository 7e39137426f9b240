//! What a token waits for, and the looks after the first.

#[cfg(any(feature = "introspection", feature = "api-keys"))]
use countersign_protocol::ErrorCode;

use super::Verifier;
use super::look::{Look, no_keys};
#[cfg(feature = "status")]
use super::status;
#[cfg(feature = "api-keys")]
use crate::api_keys::KeyFlight;
#[cfg(any(feature = "introspection", feature = "api-keys"))]
use crate::decision::Fault;
use crate::decision::Judgement;
use crate::examiner::{EveryCheck, FirstFailure};
#[cfg(feature = "introspection")]
use crate::introspection::Flight;
use crate::keys::Need;
#[cfg(feature = "metrics")]
use crate::metrics::Watch;
use crate::{Denied, Presented, Verified};

/// How many fetches a call waits for: for the first keys, for one that was under
/// way already, for one of its own, and some to spare.
const MAX_WAITS: usize = 6;

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
    Status { issuer: u16, news: tokio::sync::watch::Receiver<u64> },
    /// What the issuer says of a token that is good as far as is known.
    #[cfg(all(feature = "status", feature = "introspection"))]
    Confirmation(Flight, Box<Confirmed>),
}

/// A token that is good as far as is known.
#[cfg(all(feature = "status", feature = "introspection"))]
pub(crate) struct Confirmed {
    pub(super) verified: Verified,
    pub(super) issuer: u16,
    pub(super) staleness_millis: i64,
}

impl Verifier {
    /// The first attempt, which never waits.
    pub(crate) fn attempt(&self, presented: Presented<'_>) -> Attempt {
        #[cfg(feature = "metrics")]
        let watch = Watch::start(self.inner.observer.as_deref());
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
        let watch = Watch::start(self.inner.observer.as_deref());
        let judgement = match pending {
            Pending::Keys { issuer, need } => self.judge_after(token, issuer, need).await,
            #[cfg(feature = "introspection")]
            Pending::Introspection(flight) => self.introspected(flight.land().await),
            #[cfg(feature = "api-keys")]
            Pending::ApiKey(flight) => self.of_key(flight.land().await),
            #[cfg(feature = "status")]
            Pending::Status { issuer, news } => self.judge_after_news(token, issuer, news).await,
            #[cfg(all(feature = "status", feature = "introspection"))]
            Pending::Confirmation(flight, confirmed) => self.confirmed(flight, *confirmed).await,
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
            // It follows no feed.
            #[cfg(feature = "status")]
            Look::Wait(Pending::Status { .. } | Pending::Confirmation(..)) => Err(Fault::NotJudged(ErrorCode::StatusUnknown)),
        }
    }

    pub(super) async fn examine(&self, token: &str) -> (EveryCheck, Judgement<'_>) {
        let mut need = None;
        for _ in 0..MAX_WAITS {
            let mut finished: Vec<_> = self.inner.issuers.iter().map(|issuer| issuer.keys.finished()).collect();
            let mut examiner = EveryCheck::default();
            match self.look(Presented::bearer(token), need, &mut examiner) {
                Look::Judged(judgement) => return (examiner, judgement),
                #[cfg(feature = "introspection")]
                Look::Wait(Pending::Introspection(flight)) => return (examiner, self.introspected(flight.land().await)),
                #[cfg(feature = "api-keys")]
                Look::Wait(Pending::ApiKey(flight)) => return (examiner, self.of_key(flight.land().await)),
                #[cfg(feature = "status")]
                Look::Wait(Pending::Status { issuer, news }) => {
                    if !status::heard(news, tokio::time::Instant::now() + status::MAX_WAIT).await {
                        return (examiner, self.unknown_of(issuer));
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
        (EveryCheck::default(), no_keys(self.inner.issuers.first()))
    }

    pub(super) async fn judge_after(&self, token: &str, issuer: u16, need: Need) -> Judgement<'_> {
        let trusted = self.inner.issuers.get(issuer).unwrap_or_else(|| self.inner.issuers.first());
        // Subscribed before each look: a fetch that ends in between is not missed.
        let mut finished = trusted.keys.finished();
        for _ in 0..MAX_WAITS {
            match self.look(Presented::bearer(token), Some(need), &mut FirstFailure) {
                Look::Judged(judgement) => return judgement,
                #[cfg(feature = "status")]
                Look::Wait(Pending::Status { issuer, news }) => return self.judge_after_news(token, issuer, news).await,
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

    /// The verdict for a caller that does not wait.
    pub(super) fn not_waited(&self, pending: &Pending) -> Judgement<'_> {
        match pending {
            Pending::Keys { issuer, .. } => no_keys(self.inner.issuers.get(*issuer).unwrap_or_else(|| self.inner.issuers.first())),
            #[cfg(feature = "introspection")]
            Pending::Introspection(_) => self.introspected(Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))),
            #[cfg(feature = "api-keys")]
            Pending::ApiKey(_) => self.of_key(Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))),
            #[cfg(feature = "status")]
            Pending::Status { issuer, .. } => self.unknown_of(*issuer),
            #[cfg(all(feature = "status", feature = "introspection"))]
            Pending::Confirmation(_, confirmed) => self.unknown_of(confirmed.issuer),
        }
    }

    #[cfg(feature = "introspection")]
    pub(super) fn introspected(&self, verdict: Result<Verified, Fault>) -> Judgement<'_> {
        let issuer = self.inner.introspector.as_ref().map(|introspector| introspector.issuer());
        Judgement { verdict, issuer, is_remembered: false }
    }

    #[cfg(feature = "api-keys")]
    pub(super) fn of_key(&self, verdict: Result<Verified, Fault>) -> Judgement<'_> {
        let issuer = self.inner.api_keys.as_ref().map(|keys| keys.issuer());
        Judgement { verdict, issuer, is_remembered: false }
    }
}
