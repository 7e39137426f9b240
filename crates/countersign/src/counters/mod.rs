//! Limits and credits of API keys.
//!
//! A limit counts in windows: all counters of a request take together or none does. They
//! are counted in this process, or, where several nodes share them, in Valkey or
//! PostgreSQL, each time in one round trip and by that server's clock. When it cannot be
//! asked, each limit says itself what happens. Credits are durable, see [`Credits`].

mod credits;
mod memory;
mod options;
mod period;
mod rule;
mod shared;
mod spending;
mod valkey;
mod wanted;

use countersign_protocol::Timestamp;

pub use credits::{Credits, CreditsChange, CreditsError, MAX_CREDITS, Refill, Spending, StoredCredits};
pub(crate) use credits::{CreditsRow, apply as apply_credits};
pub use options::{CountersOptions, SharedCounters, ValkeyAddress};
pub(crate) use period::Period;
pub use rule::{InvalidLimit, LimitRule, MAX_RULES, OnUnreachable};
pub(crate) use spending::Spends;

use crate::metrics::CounterMetrics;
use crate::store::{Store, StoreError};
use memory::Windows;
use shared::Shared;
use wanted::{Wanted, counted};

/// What a request asks of one limit.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Whose counter it is: the id of a key or of a client.
    pub subject: &'a str,
    /// The limit.
    pub rule: &'a LimitRule,
    /// How much the request takes; 0 looks.
    pub cost: u64,
}

/// How one counter stands, in the words of where it is counted.
#[derive(Clone, Copy, Debug)]
struct Standing {
    used: u64,
    ends_at: Timestamp,
    /// Tells this window from the next one.
    window: i64,
    exceeded: bool,
    /// There was room to count it.
    is_counted: bool,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every limit has room, and what was asked is taken.
    Within,
    /// A limit has no room: nothing is taken.
    Exceeded,
    /// It could not be counted, and a limit does not let it pass then: nothing is taken.
    Uncounted,
}

/// Where a request was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedIn {
    /// Where all nodes count.
    Everywhere,
    /// In this process alone, because the shared counters cannot be asked.
    ThisProcess,
    /// Nowhere.
    Nowhere,
}

/// How one limit stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The limit.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u64,
    /// When the window ends; of one that has not begun: would end if it began now.
    pub reset_at: Timestamp,
    /// Whether it had no room for the request.
    pub exceeded: bool,
    /// Where it was counted.
    pub counted: CountedIn,
    window: i64,
}

impl Answer {
    /// How it stands once what the request took is given back.
    pub(crate) fn give_back(&mut self, cost: u64) {
        if self.counted != CountedIn::Nowhere {
            self.remaining = self.remaining.saturating_add(cost).min(self.limit.into());
        }
    }
}

/// The answer to a request: one [`Answer`] for each [`Ask`], in their order.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What came of it.
    pub outcome: Outcome,
    /// How each limit stands.
    pub answers: Vec<Answer>,
}

/// The limits' counters.
pub struct Counters {
    windows: Windows,
    shared: Option<Shared>,
    metrics: CounterMetrics,
}

impl Counters {
    /// Counters with nothing used.
    ///
    /// # Errors
    /// [`StoreError`] when they are to be kept in a database that cannot keep them. Valkey
    /// need not be there yet.
    pub async fn start(options: CountersOptions, store: &Store, metrics: CounterMetrics) -> Result<Self, StoreError> {
        let shared = Shared::start(options.shared, store, options.timeout, options.pause).await?;
        Ok(Self { windows: Windows::new(options.capacity), shared, metrics })
    }

    /// Takes from every limit what is asked of it, or nothing from any.
    pub async fn take(&self, asks: &[Ask<'_>], now: Timestamp) -> Taken {
        let counted = counted(asks);
        let answers = self.take_counted(&counted.wanted, now).await;
        let of = |(ask, place): (&Ask<'_>, &usize)| {
            let (standing, counted) = answers.1.get(*place)?;
            let limit = u64::from(ask.rule.limit);
            Some(Answer {
                limit: ask.rule.limit,
                remaining: limit.saturating_sub(standing.used),
                reset_at: standing.ends_at,
                exceeded: standing.exceeded,
                counted: *counted,
                window: standing.window,
            })
        };
        Taken { outcome: answers.0, answers: asks.iter().zip(&counted.places).filter_map(of).collect() }
    }

    /// Gives back what `take` took for the same asks, because the request is refused for
    /// another reason. Windows that have ended since stay as they are.
    pub async fn give_back(&self, asks: &[Ask<'_>], taken: &Taken) {
        if taken.outcome != Outcome::Within {
            return;
        }
        let counted = counted(asks);
        let mut shared = Vec::new();
        for (place, wanted) in counted.wanted.iter().enumerate() {
            let index = counted.places.iter().position(|of| *of == place);
            let Some(answer) = index.and_then(|index| taken.answers.get(index)).filter(|_| wanted.cost > 0) else { continue };
            match (answer.counted, &self.shared) {
                (CountedIn::Everywhere, Some(_)) => shared.push((*wanted, answer.window)),
                (CountedIn::Everywhere, None) | (CountedIn::ThisProcess, _) => self.windows.give_back(wanted, answer.window),
                (CountedIn::Nowhere, _) => {}
            }
        }
        if let Some(counters) = self.shared.as_ref().filter(|_| !shared.is_empty())
            && !Box::pin(counters.give_back(&shared)).await
        {
            self.metrics.unreachable.inc();
        }
    }

    async fn take_counted(&self, wanted: &[Wanted<'_>], now: Timestamp) -> (Outcome, Vec<(Standing, CountedIn)>) {
        let Some(shared) = &self.shared else { return self.take_here(wanted, now, CountedIn::Everywhere) };
        if wanted.is_empty() {
            return (Outcome::Within, Vec::new());
        }
        // On the heap: who counts in memory does not carry it along, and it is large.
        let Some((taken, standings)) = Box::pin(shared.take(wanted, now)).await else {
            self.metrics.unreachable.inc();
            return self.take_apart(wanted, now);
        };
        let outcome = if taken { Outcome::Within } else { Outcome::Exceeded };
        (outcome, standings.into_iter().map(|standing| (standing, CountedIn::Everywhere)).collect())
    }

    fn take_here(&self, wanted: &[Wanted<'_>], now: Timestamp, counted: CountedIn) -> (Outcome, Vec<(Standing, CountedIn)>) {
        let (taken, standings) = self.windows.take(wanted, now);
        let exceeded = standings.iter().any(|standing| standing.exceeded);
        for (wanted, _) in wanted.iter().zip(&standings).filter(|(_, standing)| !standing.is_counted) {
            self.metrics.full.inc();
            self.metrics.uncounted(wanted.rule.on_unreachable);
        }
        let outcome = match (taken, exceeded) {
            (true, _) => Outcome::Within,
            (false, true) => Outcome::Exceeded,
            (false, false) => Outcome::Uncounted,
        };
        let place = |standing: Standing| (standing, if standing.is_counted { counted } else { CountedIn::Nowhere });
        (outcome, standings.into_iter().map(place).collect())
    }

    /// What each limit says about counters that cannot be asked.
    fn take_apart(&self, wanted: &[Wanted<'_>], now: Timestamp) -> (Outcome, Vec<(Standing, CountedIn)>) {
        for wanted in wanted {
            self.metrics.uncounted(wanted.rule.on_unreachable);
        }
        let unknown = |wanted: &Wanted<'_>| {
            let ends_at = now.plus_millis(wanted.rule.millis());
            (Standing { used: 0, ends_at, window: 0, exceeded: false, is_counted: false }, CountedIn::Nowhere)
        };
        if wanted.iter().any(|wanted| wanted.rule.on_unreachable == OnUnreachable::Deny) {
            return (Outcome::Uncounted, wanted.iter().map(unknown).collect());
        }
        let local: Vec<Wanted<'_>> =
            wanted.iter().filter(|wanted| wanted.rule.on_unreachable == OnUnreachable::Local).copied().collect();
        let (outcome, standings) = self.take_here(&local, now, CountedIn::ThisProcess);
        let mut standings = standings.into_iter();
        let of = |wanted: &Wanted<'_>| match wanted.rule.on_unreachable {
            OnUnreachable::Local => standings.next().unwrap_or_else(|| unknown(wanted)),
            OnUnreachable::Allow | OnUnreachable::Deny => unknown(wanted),
        };
        (outcome, wanted.iter().map(of).collect())
    }
}
