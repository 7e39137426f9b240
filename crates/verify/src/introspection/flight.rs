//! Who is asked when: remembered answers first, and of the same token at most one
//! question under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ahash::RandomState;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use countersign_protocol::{Clock, ErrorCode, Timestamp};

use super::Introspect;
use super::answer::{judge, judge_jwt};
use crate::decision::{Fault, Judgement};
use crate::policy::Policy;
use crate::token_cache::{Life, Origin, TokenCache};
use crate::{Verified, Verifier};

/// How long a refusal is remembered at most, in seconds.
const MAX_REFUSED_SECONDS: i64 = 5;
/// For how long the issuer is not asked again by who can do without, in milliseconds.
#[cfg(feature = "status")]
const FAILED_MILLIS: i64 = 5_000;
/// Most questions under way: tokens that somebody makes up cost the issuer no more.
const MAX_UNDER_WAY: usize = 64;

type Verdict = Result<Verified, Fault>;

/// Asks an issuer about tokens and remembers what it said.
pub(crate) struct Introspector {
    policy: Policy,
    /// Verifies the JWTs that are asked for; `None`: claims are.
    jwt_verifier: Option<Verifier>,
    introspect: Arc<dyn Introspect>,
    clock: Arc<dyn Clock>,
    cache_seconds: i64,
    timeout: Duration,
    jwts: bool,
    active: TokenCache<Verified>,
    /// Apart, so that tokens that somebody makes up do not push out good ones.
    refused: TokenCache<ErrorCode>,
    under_way: Mutex<HashMap<Box<str>, watch::Receiver<Option<Verdict>>, RandomState>>,
    permits: Semaphore,
    /// When it could not be asked last, in milliseconds.
    failed_at: AtomicI64,
    runtime: OnceLock<Handle>,
}

/// What came of asking.
pub(crate) enum Asked<'a> {
    /// It is known already.
    Now(Judgement<'a>),
    /// The issuer is being asked.
    Wait(Flight),
}

/// A question under way.
pub(crate) struct Flight(watch::Receiver<Option<Verdict>>);

impl Flight {
    /// Waits for the answer.
    pub(crate) async fn land(mut self) -> Verdict {
        let landed = self.0.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone());
        // Torn down half-way: nobody was told anything.
        landed.unwrap_or_else(not_judged)
    }
}

const fn not_judged() -> Verdict {
    Err(Fault::NotJudged(ErrorCode::IntrospectionUnavailable))
}

impl Introspector {
    pub(super) fn new(
        (policy, jwt_verifier): (Policy, Option<Verifier>),
        introspect: Arc<dyn Introspect>,
        clock: Arc<dyn Clock>,
        (cache_entries, cache_seconds): (usize, i64),
        timeout: Duration,
        jwts: bool,
    ) -> Self {
        Self {
            policy,
            jwt_verifier,
            introspect,
            clock,
            cache_seconds,
            timeout,
            jwts,
            active: TokenCache::new(cache_entries),
            refused: TokenCache::new(cache_entries),
            under_way: Mutex::default(),
            permits: Semaphore::new(MAX_UNDER_WAY),
            failed_at: AtomicI64::new(i64::MIN),
            runtime: OnceLock::new(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.policy.issuer.as_str()
    }

    /// Whether JWTs are asked about at all.
    pub(crate) const fn takes_jwts(&self) -> bool {
        self.jwts
    }

    /// Whether JWTs that name `issuer` are asked about.
    pub(crate) fn takes_jwts_of(&self, issuer: &str) -> bool {
        self.jwts && self.issuer() == issuer
    }

    /// Whether the issuer could not be asked a moment ago: who can do without its answer does
    /// not wait for it again.
    #[cfg(feature = "status")]
    pub(crate) fn has_just_failed(&self, now: Timestamp) -> bool {
        let since = now.as_millis().saturating_sub(self.failed_at.load(Ordering::Relaxed));
        (0..FAILED_MILLIS).contains(&since)
    }

    fn has_failed(&self) -> Verdict {
        self.failed_at.store(self.clock.now().as_millis(), Ordering::Relaxed);
        not_judged()
    }

    /// What is remembered of `token`, else a question under way.
    pub(crate) fn ask(self: &Arc<Self>, token: &str, now: Timestamp) -> Asked<'_> {
        if let Some(judgement) = self.remembered(token, now) {
            return Asked::Now(judgement);
        }
        if !is_token68(token) {
            return Asked::Now(Judgement::new(self.issuer(), Err(ErrorCode::TokenMalformed.into())));
        }
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(token) {
            return Asked::Wait(Flight(flight.clone()));
        }
        // An answer that came since the first look is remembered before it leaves the list.
        if let Some(judgement) = self.remembered(token, now) {
            return Asked::Now(judgement);
        }
        let Some(runtime) = self.runtime() else { return Asked::Now(Judgement::new(self.issuer(), not_judged())) };
        let (sender, receiver) = watch::channel(None);
        under_way.insert(token.into(), receiver.clone());
        let question = Question { introspector: Arc::clone(self), token: token.into() };
        // A task of its own: a caller that goes away does not end it.
        runtime.spawn(async move {
            let verdict = question.introspector.answer(&question.token).await;
            drop(question);
            let _ = sender.send(Some(verdict));
        });
        Asked::Wait(Flight(receiver))
    }

    fn remembered(&self, token: &str, now: Timestamp) -> Option<Judgement<'_>> {
        let active = self.active.find(token, now, |_| true).map(Ok);
        let known = active.or_else(|| self.refused.find(token, now, |_| true).map(|code| Err(code.into())))?;
        Some(Judgement { is_remembered: true, ..Judgement::new(self.issuer(), known) })
    }

    async fn answer(&self, token: &str) -> Verdict {
        let asking = async {
            let _permit = self.permits.acquire().await;
            self.introspect.introspect(token).await
        };
        let issuer = self.issuer();
        let body = match tokio::time::timeout(self.timeout, asking).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                tracing::warn!(issuer, %error, "the issuer could not be asked about a token");
                return self.has_failed();
            }
            Err(_) => {
                tracing::warn!(issuer, "the issuer did not answer in time about a token");
                return self.has_failed();
            }
        };
        let asked_at = self.clock.now();
        let verdict = match &self.jwt_verifier {
            Some(verifier) => judge_jwt(verifier, &body).await,
            None => judge(&self.policy, &body, asked_at, asked_at.plus_seconds(self.cache_seconds)),
        };
        // Waiting for keys must not lengthen the life of an answer.
        self.remember(token, &verdict, asked_at);
        verdict
    }

    fn remember(&self, token: &str, verdict: &Verdict, now: Timestamp) {
        match verdict {
            Ok(verified) => {
                let life = Life::new(now, self.cache_seconds, verified.expires_at());
                self.active.insert(token, verified, life, Origin::default());
            }
            Err(Fault::Refused(refused)) => {
                let seconds = self.cache_seconds.min(MAX_REFUSED_SECONDS);
                self.refused.insert(token, &refused.code, Life::new(now, seconds, now.plus_seconds(seconds)), Origin::default());
            }
            #[cfg(feature = "api-keys")]
            Err(Fault::Exhausted { .. }) => {}
            Err(Fault::NotJudged(_)) => {}
        }
    }

    /// The runtime of the caller, else the one of an earlier caller.
    fn runtime(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(runtime) => {
                let _ = self.runtime.set(runtime.clone());
                Some(runtime)
            }
            Err(_) => self.runtime.get().cloned(),
        }
    }
}

/// A question in the list of those under way; however it ends, it leaves the list.
struct Question {
    introspector: Arc<Introspector>,
    token: Box<str>,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.introspector.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}

/// RFC 6750 section 2.1: whatever else was presented, no issuer has issued it.
fn is_token68(token: &str) -> bool {
    let characters = token.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !characters.is_empty() && characters.bytes().all(legal)
}
