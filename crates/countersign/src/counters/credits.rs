//! Credits: how often a key may be used yet. They hang on the key, so all its secrets
//! share them, and are durable: what is spent is spent whatever fails afterwards.

use countersign_protocol::Timestamp;

use super::Period;
use crate::ids::ApiKeyId;
use crate::store::{StoreError, Tx};

/// Most credits that a key can have: what every JSON reader reads exactly.
pub const MAX_CREDITS: i64 = 9_007_199_254_740_991;

/// How credits come back: at midnight, UTC, they are set to an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    /// Each day.
    Daily {
        /// What they are set to.
        amount: i64,
    },
    /// Each month.
    Monthly {
        /// What they are set to.
        amount: i64,
        /// On which day, from 1 to 31; in a shorter month, on its last.
        day: u8,
    },
}

/// The credits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credits {
    /// What is left.
    pub remaining: i64,
    /// How they come back.
    pub refill: Option<Refill>,
}

/// Credits as they are stored: a refill that was due since then is not in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredCredits {
    pub(crate) credits: Credits,
    pub(crate) refilled_at: Timestamp,
}

impl StoredCredits {
    /// What they are at a time.
    pub fn at(&self, now: Timestamp) -> Credits {
        let refill = self.credits.refill.zip(Period::at(now));
        match refill.filter(|(refill, period)| self.refilled_at.as_millis() < period.last(*refill)) {
            Some((refill, _)) => Credits { remaining: refill.columns().0, ..self.credits },
            None => self.credits,
        }
    }
}

impl Credits {
    /// Credits that are just set.
    pub(crate) const fn stored(self, now: Timestamp) -> StoredCredits {
        StoredCredits { credits: self, refilled_at: now }
    }

    /// Whether they can be stored.
    pub(crate) const fn is_within_bounds(&self) -> bool {
        is_amount(self.remaining)
            && match self.refill {
                Some(refill) => refill.is_within_bounds(),
                None => true,
            }
    }
}

/// What came of spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// The key has no credits to count: it is free.
    Unlimited,
    /// They are spent.
    Spent {
        /// What is left.
        remaining: i64,
    },
    /// There are not enough: nothing is spent.
    Exceeded {
        /// What is left.
        remaining: i64,
    },
}

/// A change of a key's credits by a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditsChange {
    /// From now on they are not counted.
    Unlimited,
    /// So many are left; how they come back stays as it is.
    Set(i64),
    /// So many more.
    Increment(i64),
    /// So many less, at least none.
    Decrement(i64),
    /// How they come back. The first time is the next one.
    Refill(Option<Refill>),
}

/// Why credits are not changed.
#[derive(Debug, thiserror::Error)]
pub enum CreditsError {
    /// They are not counted, so there is nothing to change: set them first.
    #[error("the key's credits are unlimited: set them first")]
    Unlimited,
    /// An amount that is negative or more than [`MAX_CREDITS`], or no day of a month.
    #[error("credits are from 0 to {MAX_CREDITS}, and a day of a month is from 1 to 31")]
    OutOfBounds,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Credits as they are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CreditsRow {
    pub(crate) remaining: i64,
    pub(crate) refill_amount: Option<i64>,
    /// 0: each day.
    pub(crate) refill_day: Option<i64>,
}

impl Refill {
    pub(crate) const fn columns(self) -> (i64, i64) {
        match self {
            Self::Daily { amount } => (amount, 0),
            Self::Monthly { amount, day } => (amount, day as i64),
        }
    }

    const fn is_within_bounds(self) -> bool {
        let (amount, day) = self.columns();
        let is_day = match self {
            Self::Daily { .. } => true,
            Self::Monthly { .. } => day >= 1 && day <= 31,
        };
        is_amount(amount) && is_day
    }
}

impl CreditsRow {
    pub(crate) fn credits(self) -> Option<Credits> {
        let refill = match (self.refill_amount, self.refill_day) {
            (Some(amount), Some(0)) => Some(Refill::Daily { amount }),
            (Some(amount), Some(day)) => Some(Refill::Monthly { amount, day: u8::try_from(day).ok()? }),
            (_, None) | (None, _) => None,
        };
        Some(Credits { remaining: self.remaining, refill })
    }
}

const fn is_amount(amount: i64) -> bool {
    amount >= 0 && amount <= MAX_CREDITS
}

/// Changes the credits of a key in a transaction; returns what they are then, `None`:
/// unlimited.
///
/// # Errors
/// [`CreditsError`].
pub(crate) async fn apply(tx: &mut Tx, key: &ApiKeyId, change: CreditsChange, now: Timestamp) -> Result<Option<i64>, CreditsError> {
    if !change.is_within_bounds() {
        return Err(CreditsError::OutOfBounds);
    }
    let period = period(now)?;
    let changed = match change {
        CreditsChange::Unlimited => {
            tx.delete_credits(key).await?;
            return Ok(None);
        }
        CreditsChange::Set(amount) => tx.set_credits(key, amount, now).await?,
        CreditsChange::Increment(amount) => tx.add_credits(key, amount, &period, now).await?,
        CreditsChange::Decrement(amount) => tx.add_credits(key, -amount, &period, now).await?,
        CreditsChange::Refill(refill) => tx.set_refill(key, refill, &period, now).await?,
    };
    match changed {
        Some(remaining) => Ok(Some(remaining)),
        None if tx.find_credits(key, &period).await?.is_some() => Err(CreditsError::OutOfBounds),
        None => Err(CreditsError::Unlimited),
    }
}

impl CreditsChange {
    const fn is_within_bounds(self) -> bool {
        match self {
            Self::Unlimited | Self::Refill(None) => true,
            Self::Set(amount) | Self::Increment(amount) | Self::Decrement(amount) => is_amount(amount),
            Self::Refill(Some(refill)) => refill.is_within_bounds(),
        }
    }
}

pub(super) fn period(now: Timestamp) -> Result<Period, StoreError> {
    Period::at(now).ok_or_else(StoreError::no_such_time)
}
