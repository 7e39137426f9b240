//! Counting decisions, in whatever the application counts with.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_protocol::ErrorCode;
use http::StatusCode;
use tokio::time::Instant;

use crate::decision::{Fault, Judgement};
use crate::{Denied, Method, Verified, Verifier};

/// Hears of every decision of a [`Verifier`](crate::Verifier); given to
/// [`VerifierBuilder::observer`](crate::VerifierBuilder::observer). It is called on
/// the way of each request and must not wait.
pub trait Observer: Send + Sync + 'static {
    /// A decision was made.
    fn decided(&self, decision: &Decision<'_>);
}

/// A decision about a request. It holds nothing that a caller can choose.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decision<'a> {
    /// What was decided.
    pub outcome: Outcome,
    /// Why, unless the token was accepted.
    pub code: Option<ErrorCode>,
    /// The configured issuer whose rules were applied, if one was chosen.
    pub issuer: Option<&'a str>,
    /// How the token was verified, if it was.
    pub method: Option<Method>,
    /// An earlier verdict on the same token was used.
    pub is_remembered: bool,
    /// What it took. Zero for what is decided without a token, and for what is
    /// asked of a token beyond being good.
    pub duration: Duration,
}

/// What was decided. A token that is good and not enough counts twice: as accepted
/// and as insufficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The token is good.
    Accepted,
    /// There is no token, or it is no good.
    Refused,
    /// The token is good and not enough for the route.
    Insufficient,
    /// The token was not judged.
    NotJudged,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::Insufficient, Self::NotJudged];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Insufficient => "insufficient",
            Self::NotJudged => "not_judged",
        }
    }
}

/// Measures one decision, if somebody wants to know.
pub(crate) struct Watch<'a>(Option<(&'a dyn Observer, Instant)>);

impl<'a> Watch<'a> {
    pub(crate) fn start(observer: Option<&'a dyn Observer>) -> Self {
        Self(observer.map(|observer| (observer, Instant::now())))
    }

    pub(crate) fn stop(self, judgement: &Judgement<'_>) {
        let Some((observer, started)) = self.0 else { return };
        let (outcome, code) = match &judgement.verdict {
            Ok(_) => (Outcome::Accepted, None),
            Err(Fault::Refused(refused)) => (Outcome::Refused, Some(refused.code)),
            Err(Fault::NotJudged(code)) => (Outcome::NotJudged, Some(*code)),
            #[cfg(feature = "api-keys")]
            Err(Fault::Exhausted { .. }) => (Outcome::Refused, Some(ErrorCode::KeyExhausted)),
        };
        observer.decided(&Decision {
            outcome,
            code,
            issuer: judgement.issuer,
            method: judgement.verdict.as_ref().ok().map(Verified::method),
            is_remembered: judgement.is_remembered,
            duration: started.elapsed(),
        });
    }
}

/// What is refused without looking at a token, or in spite of a good one.
pub(crate) fn observe_denied(observer: &dyn Observer, denied: &Denied, verified: Option<&Verified>) {
    let outcome = match verified {
        _ if denied.status() == StatusCode::SERVICE_UNAVAILABLE => Outcome::NotJudged,
        Some(_) => Outcome::Insufficient,
        None => Outcome::Refused,
    };
    observer.decided(&Decision {
        outcome,
        code: Some(denied.code()),
        issuer: verified.map(Verified::issuer),
        method: verified.map(Verified::method),
        is_remembered: false,
        duration: Duration::ZERO,
    });
}

/// Upper bounds of the buckets of durations, in microseconds.
const BUCKETS: [u64; 8] = [1, 10, 50, 100, 500, 5_000, 50_000, 500_000];

/// Counts decisions and renders them in the text format of Prometheus. Share it
/// with the verifier: `Arc<Metrics>` is an [`Observer`].
#[derive(Default)]
pub struct Metrics {
    /// One row for each combination that occurred. Labels are configured or from
    /// closed sets, so that there are few.
    rows: ArcSwap<Vec<(Labels, Arc<AtomicU64>)>>,
    growing: Mutex<()>,
    durations: [AtomicU64; BUCKETS.len()],
    nanoseconds: AtomicU64,
    decisions: AtomicU64,
    remembered: AtomicU64,
}

#[derive(Clone, PartialEq, Eq)]
struct Labels {
    outcome: Outcome,
    code: Option<ErrorCode>,
    issuer: Option<Box<str>>,
    method: Option<Method>,
}

impl Labels {
    fn are_of(&self, decision: &Decision<'_>) -> bool {
        (self.outcome, self.code, self.method) == (decision.outcome, decision.code, decision.method)
            && self.issuer.as_deref() == decision.issuer
    }
}

impl Metrics {
    fn count(&self, decision: &Decision<'_>) {
        let found = |rows: &Vec<(Labels, Arc<AtomicU64>)>| {
            rows.iter().find(|(labels, _)| labels.are_of(decision)).map(|(_, count)| Arc::clone(count))
        };
        let count = found(&self.rows.load()).unwrap_or_else(|| {
            let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
            found(&self.rows.load()).unwrap_or_else(|| {
                let Decision { outcome, code, issuer, method, .. } = *decision;
                let mut rows = Vec::clone(&self.rows.load());
                let count = Arc::new(AtomicU64::new(0));
                rows.push((Labels { outcome, code, issuer: issuer.map(Into::into), method }, Arc::clone(&count)));
                self.rows.store(Arc::new(rows));
                count
            })
        });
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Everything that was counted, and the age of the keys of `verifier`.
    pub fn render(&self, verifier: &Verifier) -> String {
        let mut text = String::new();
        let _ = self.write(&mut text, verifier);
        text
    }

    fn write(&self, text: &mut String, verifier: &Verifier) -> fmt::Result {
        writeln!(text, "# TYPE countersign_verify_total counter")?;
        let rows = self.rows.load();
        for outcome in Outcome::ALL {
            for (labels, count) in rows.iter().filter(|(labels, _)| labels.outcome == outcome) {
                let (result, code) = (outcome.as_str(), labels.code.map_or("", ErrorCode::as_str));
                let (issuer, method) = (labels.issuer.as_deref().unwrap_or(""), labels.method.map_or("", Method::as_str));
                write!(
                    text,
                    "countersign_verify_total{{result=\"{result}\",code=\"{code}\",issuer=\"{issuer}\",method=\"{method}\"}}"
                )?;
                writeln!(text, " {}", count.load(Ordering::Relaxed))?;
            }
        }
        self.write_durations(text)?;
        writeln!(text, "# TYPE countersign_verify_cache_hits_total counter")?;
        writeln!(text, "countersign_verify_cache_hits_total {}", self.remembered.load(Ordering::Relaxed))?;
        writeln!(text, "# TYPE countersign_verify_jwks_age_seconds gauge")?;
        for (issuer, age) in verifier.key_ages() {
            if let Some(age) = age {
                writeln!(text, "countersign_verify_jwks_age_seconds{{issuer=\"{issuer}\"}} {age}")?;
            }
        }
        #[cfg(feature = "status")]
        write_status(text, verifier)?;
        Ok(())
    }

    fn write_durations(&self, text: &mut String) -> fmt::Result {
        writeln!(text, "# TYPE countersign_verify_duration_seconds histogram")?;
        for (bound, count) in BUCKETS.iter().zip(&self.durations) {
            let (seconds, micros) = (bound / 1_000_000, bound % 1_000_000);
            let count = count.load(Ordering::Relaxed);
            writeln!(text, "countersign_verify_duration_seconds_bucket{{le=\"{seconds}.{micros:06}\"}} {count}")?;
        }
        let decisions = self.decisions.load(Ordering::Relaxed);
        writeln!(text, "countersign_verify_duration_seconds_bucket{{le=\"+Inf\"}} {decisions}")?;
        let sum = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64();
        writeln!(text, "countersign_verify_duration_seconds_sum {sum}")?;
        writeln!(text, "countersign_verify_duration_seconds_count {decisions}")
    }
}

/// What is known of revocations. Nothing is said of what was never heard.
#[cfg(feature = "status")]
fn write_status(text: &mut String, verifier: &Verifier) -> fmt::Result {
    let states: Vec<_> = verifier.status().collect();
    writeln!(text, "# TYPE countersign_verify_status_staleness_seconds gauge")?;
    for (issuer, state) in &states {
        if let Some(staleness) = state.staleness {
            writeln!(text, "countersign_verify_status_staleness_seconds{{issuer=\"{issuer}\"}} {}", staleness.as_secs_f64())?;
        }
    }
    writeln!(text, "# TYPE countersign_verify_status_delay_seconds gauge")?;
    for (issuer, state) in &states {
        if let Some(delay) = state.last_delay {
            writeln!(text, "countersign_verify_status_delay_seconds{{issuer=\"{issuer}\"}} {}", delay.as_secs_f64())?;
        }
    }
    for (name, count) in [("records", 0), ("snapshots", 1)] {
        writeln!(text, "# TYPE countersign_verify_status_{name}_total counter")?;
        for (issuer, state) in &states {
            let value = if count == 0 { state.records } else { state.snapshots };
            writeln!(text, "countersign_verify_status_{name}_total{{issuer=\"{issuer}\"}} {value}")?;
        }
    }
    Ok(())
}

impl Observer for Metrics {
    fn decided(&self, decision: &Decision<'_>) {
        self.count(decision);
        if decision.is_remembered {
            self.remembered.fetch_add(1, Ordering::Relaxed);
        }
        if decision.duration.is_zero() {
            return;
        }
        let nanoseconds = u64::try_from(decision.duration.as_nanos()).unwrap_or(u64::MAX);
        self.decisions.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        for (_, count) in BUCKETS.iter().zip(&self.durations).filter(|(bound, _)| nanoseconds <= **bound * 1_000) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn decided(&self, decision: &Decision<'_>) {
        (**self).decided(decision);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("decisions", &self.decisions).finish_non_exhaustive()
    }
}
