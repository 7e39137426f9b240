//! One look at a token, which never waits.

#[cfg(feature = "introspection")]
use std::sync::Arc;

use countersign_protocol::jose::{MAX_TOKEN_BYTES, UnverifiedJws};
use countersign_protocol::{Check, ErrorCode, Timestamp};

use super::waiting::Pending;
use super::{Inner, Verifier};
#[cfg(feature = "api-keys")]
use crate::api_keys::Answered;
use crate::decision::{Fault, Judgement};
use crate::examiner::{Aspect, Examiner};
#[cfg(feature = "introspection")]
use crate::introspection::{Asked, Introspector};
use crate::issuers::{Issuers, TrustedKeys, named_issuer};
use crate::keys::{Need, UnknownKey, Usable};
use crate::policy;
use crate::token_cache::{Life, Origin, TokenCache};
use crate::{Presented, Verified};

/// Longest life of a remembered token, in seconds: what revocation may cost at most.
const MAX_REMEMBERED_SECONDS: i64 = 60;

/// What a look at a token brought.
pub(super) enum Look<'a> {
    Judged(Judgement<'a>),
    Wait(Pending),
}

impl Verifier {
    /// One look at a token, which never waits. `waited` is the need for which the
    /// caller has waited already.
    pub(super) fn look<E: Examiner>(&self, presented: Presented<'_>, waited: Option<Need>, examiner: &mut E) -> Look<'_> {
        let Inner { issuers, tokens, clock, .. } = &*self.inner;
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
        if let Some(keys) = &self.inner.api_keys
            && let Some(form) = keys.claims(token, self.introspects())
        {
            return match keys.ask(presented, form, now) {
                Answered::Now(judgement) => Look::Judged(judgement),
                Answered::Wait(flight) => Look::Wait(Pending::ApiKey(flight)),
            };
        }
        #[cfg(feature = "introspection")]
        if let Some(introspector) = self.inner.introspector.as_ref().filter(|_| is_opaque(token)) {
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
        if self.inner.introspector.as_ref().is_some_and(|introspector| introspector.takes_jwts()) {
            return None;
        }
        self.inner.issuers.only()
    }

    /// A JWT of an issuer whose keys are not trusted.
    #[cfg(feature = "introspection")]
    fn look_at_foreign(&self, token: &str, name: &str, now: Timestamp, examiner: &mut impl Examiner) -> Look<'_> {
        match self.inner.introspector.as_ref().filter(|introspector| introspector.takes_jwts_of(name)) {
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
                    self.inner.tokens.insert(token, verified, life, Origin { issuer: index, key_set: at_hand.number() });
                }
                let judgement = Judgement::new(policy.issuer.as_str(), verdict.map_err(Fault::from));
                return self.with_status(index, judgement, token, now, examiner);
            }
            match keys.unknown(key_id, &at_hand, now, waited) {
                UnknownKey::Again => now = self.inner.clock.now(),
                UnknownKey::Refuse => return judged(examiner.gate(Aspect::Key, Err(ErrorCode::UnknownKey)).map_err(Fault::from)),
                UnknownKey::Unavailable => return Look::Judged(no_keys(trusted)),
                UnknownKey::Wait(need) => return wait(need),
            }
        }
    }

    /// Whether tokens without a form of ours are asked about.
    #[cfg(feature = "api-keys")]
    #[cfg_attr(not(feature = "introspection"), expect(clippy::unused_self, reason = "the same shape as with introspection"))]
    fn introspects(&self) -> bool {
        #[cfg(feature = "introspection")]
        return self.inner.introspector.is_some();
        #[cfg(not(feature = "introspection"))]
        false
    }

    #[cfg(not(feature = "status"))]
    #[expect(clippy::unused_self, reason = "the same shape as with status")]
    fn with_status<'a>(&'a self, _: u16, judgement: Judgement<'a>, _: &str, _: Timestamp, _: &mut impl Examiner) -> Look<'a> {
        Look::Judged(judgement)
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

pub(super) fn no_keys(trusted: &TrustedKeys) -> Judgement<'_> {
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
