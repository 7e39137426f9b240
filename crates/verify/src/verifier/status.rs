//! What is known of revocations, and what is done with good tokens while it is not.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{ErrorCode, Issuer, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Verifier;
use super::look::Look;
#[cfg(feature = "introspection")]
use super::waiting::Confirmed;
use super::waiting::Pending;
use crate::decision::{Fault, Judgement};
use crate::examiner::{Aspect, Examiner, FirstFailure};
#[cfg(feature = "introspection")]
use crate::introspection::{Asked, Flight};
use crate::issuers::TrustedKeys;
use crate::policy::Refused;
use crate::status::{Checked, Resort};
use crate::{BuildError, Presented, StatusPolicy, StatusState, Verified};

/// How long a token waits for what is known of revocations.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(10);

impl Verifier {
    /// This verifier with another policy, for routes that ask for more or less than the others: it
    /// shares keys, remembered tokens and what is known of revocations with this one.
    ///
    /// # Errors
    /// [`BuildError::StatusPolicy`], as of [`VerifierBuilder::build`](crate::VerifierBuilder::build).
    pub fn with_status_policy(&self, policy: StatusPolicy) -> Result<Self, BuildError> {
        #[cfg(feature = "introspection")]
        let can_ask = self.inner.introspector.is_some();
        #[cfg(not(feature = "introspection"))]
        let can_ask = false;
        if !policy.is_sound(can_ask) {
            return Err(BuildError::StatusPolicy);
        }
        Ok(Self { inner: Arc::clone(&self.inner), status_policy: policy })
    }

    /// What is known of the revocations of each issuer whose feed is followed.
    pub fn status(&self) -> impl Iterator<Item = (&Issuer, StatusState)> {
        let now = self.inner.clock.now();
        let followed = move |issuer: &'_ TrustedKeys| issuer.status.as_ref().and_then(|status| status.state(now));
        self.inner.issuers.iter().filter_map(move |issuer| followed(issuer).map(|state| (&issuer.policy.issuer, state)))
    }

    /// Whether what was heard of the revocations of the token's issuer is so recent.
    pub(super) fn hears_within(&self, verified: &Verified, max: Duration) -> bool {
        let issuer = self.inner.issuers.find(verified.issuer());
        let Some(status) = issuer.and_then(|(_, issuer)| issuer.status.as_ref()) else { return false };
        match status.check(verified.claims(), verified.key_id(), self.inner.clock.now()) {
            Checked::Good { staleness_millis } => u128::from(staleness_millis.unsigned_abs()) <= max.as_millis(),
            Checked::Refused(_) | Checked::Wait(_) => false,
        }
    }

    /// The verdict together with what is known of revocations.
    pub(super) fn with_status<'a>(
        &'a self,
        index: u16,
        judgement: Judgement<'a>,
        #[cfg_attr(not(feature = "introspection"), expect(unused_variables, reason = "who asks needs it"))] token: &str,
        now: Timestamp,
        examiner: &mut impl Examiner,
    ) -> Look<'a> {
        let Some(trusted) = self.inner.issuers.get(index) else { return Look::Judged(judgement) };
        let (Some(status), Ok(verified)) = (&trusted.status, &judgement.verdict) else { return Look::Judged(judgement) };
        let staleness_millis = match status.check(verified.claims(), verified.key_id(), now) {
            Checked::Good { staleness_millis } => staleness_millis,
            Checked::Refused(code) => {
                let _ = examiner.check(Aspect::Revocation, Err(code));
                let refused = Refused { code, claims: Some(Box::new(verified.claims().clone())) };
                return Look::Judged(Judgement { verdict: Err(refused.into()), ..judgement });
            }
            Checked::Wait(news) => return Look::Wait(Pending::Status { issuer: index, news }),
        };
        let _ = examiner.check(Aspect::Revocation, Ok(()));
        match self.status_policy.resort(staleness_millis, life_millis(verified)) {
            Resort::Accept => Look::Judged(judgement),
            Resort::NotJudged => Look::Judged(status_unknown(trusted)),
            #[cfg(feature = "introspection")]
            Resort::Ask => self.ask_about(index, judgement, staleness_millis, token, now),
        }
    }

    /// Asks the issuer about a token that is good as far as is known.
    #[cfg(feature = "introspection")]
    fn ask_about<'a>(
        &'a self,
        index: u16,
        judgement: Judgement<'a>,
        staleness_millis: i64,
        token: &str,
        now: Timestamp,
    ) -> Look<'a> {
        let trusted = self.inner.issuers.get(index).unwrap_or_else(|| self.inner.issuers.first());
        let name = trusted.policy.issuer.as_str();
        // Another issuer knows nothing of it.
        let introspector = self.inner.introspector.as_ref().filter(|introspector| introspector.issuer() == name);
        // An issuer that does not answer is not waited for token by token.
        let introspector = introspector.filter(|introspector| !introspector.has_just_failed(now));
        let asked = introspector.map(|introspector| introspector.ask(token, now));
        let Ok(verified) = &judgement.verdict else { return Look::Judged(judgement) };
        match asked {
            Some(Asked::Wait(flight)) => {
                let confirmed = Confirmed { verified: verified.clone(), issuer: index, staleness_millis };
                Look::Wait(Pending::Confirmation(flight, Box::new(confirmed)))
            }
            Some(Asked::Now(Judgement { verdict: Ok(_), .. })) => Look::Judged(judgement),
            Some(Asked::Now(Judgement { verdict: Err(fault), .. })) if is_dead(&fault) => {
                Look::Judged(Judgement { verdict: Err(fault), ..judgement })
            }
            Some(Asked::Now(Judgement { verdict: Err(_), .. })) | None => {
                let resort = StatusPolicy::bounded_by_ttl(staleness_millis, life_millis(verified));
                Look::Judged(if resort == Resort::Accept { judgement } else { status_unknown(trusted) })
            }
        }
    }

    /// Looks again at each news until something is known, or that takes too long: there may
    /// be news that say nothing of this token.
    pub(super) async fn judge_after_news(&self, token: &str, issuer: u16, mut news: watch::Receiver<u64>) -> Judgement<'_> {
        let until = Instant::now() + MAX_WAIT;
        while heard(news, until).await {
            match self.look(Presented::bearer(token), None, &mut FirstFailure) {
                Look::Judged(judgement) => return judgement,
                Look::Wait(Pending::Status { news: again, .. }) => news = again,
                Look::Wait(Pending::Keys { issuer, need }) => return Box::pin(self.judge_after(token, issuer, need)).await,
                #[cfg(feature = "introspection")]
                Look::Wait(Pending::Confirmation(flight, confirmed)) => return self.confirmed(flight, *confirmed).await,
                #[cfg(feature = "introspection")]
                Look::Wait(Pending::Introspection(flight)) => return self.introspected(flight.land().await),
                #[cfg(feature = "api-keys")]
                Look::Wait(Pending::ApiKey(flight)) => return self.of_key(flight.land().await),
            }
        }
        self.unknown_of(issuer)
    }

    /// The verdict while nothing is known of the revocations of the issuer with this place.
    pub(super) fn unknown_of(&self, issuer: u16) -> Judgement<'_> {
        status_unknown(self.inner.issuers.get(issuer).unwrap_or_else(|| self.inner.issuers.first()))
    }

    /// What the issuer says of a token, or else the policy of who cannot ask.
    #[cfg(feature = "introspection")]
    pub(super) async fn confirmed(&self, flight: Flight, confirmed: Confirmed) -> Judgement<'_> {
        let Confirmed { verified, issuer, staleness_millis } = confirmed;
        let trusted = self.inner.issuers.get(issuer).unwrap_or_else(|| self.inner.issuers.first());
        let name = trusted.policy.issuer.as_str();
        match flight.land().await {
            Ok(_) => Judgement::new(name, Ok(verified)),
            Err(fault) if is_dead(&fault) => Judgement::new(name, Err(fault)),
            Err(_) => match StatusPolicy::bounded_by_ttl(staleness_millis, life_millis(&verified)) {
                Resort::Accept => Judgement::new(name, Ok(verified)),
                Resort::Ask | Resort::NotJudged => status_unknown(trusted),
            },
        }
    }
}

/// Whether the issuer said that it does not know the token any more. Whatever else its answer
/// lacks, as one about another audience, says nothing of a token that was found good here.
#[cfg(feature = "introspection")]
fn is_dead(fault: &Fault) -> bool {
    matches!(fault, Fault::Refused(Refused { code: ErrorCode::TokenInactive, .. }))
}

/// Waits for news, but not for ever. Whether there were some.
pub(super) async fn heard(mut news: watch::Receiver<u64>, until: Instant) -> bool {
    matches!(tokio::time::timeout_at(until, news.changed()).await, Ok(Ok(())))
}

fn status_unknown(trusted: &TrustedKeys) -> Judgement<'_> {
    Judgement::new(trusted.policy.issuer.as_str(), Err(Fault::NotJudged(ErrorCode::StatusUnknown)))
}

/// From `iat` to `exp`; a token that does not say when it was issued lives for ever.
fn life_millis(verified: &Verified) -> i64 {
    let claims = verified.claims();
    claims.issued_at.map_or(i64::MAX, |issued_at| claims.expires_at.millis_since(issued_at))
}
