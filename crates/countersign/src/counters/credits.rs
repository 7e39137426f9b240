//! Credits: how often a key may be used yet. They hang on the key, so all its secrets
//! share them, and are durable: what is spent is spent whatever fails afterwards.

use countersign_protocol::Timestamp;

use super::Period;
use crate::app::App;
use crate::audit::Actor;
use crate::ids::ApiKeyId;
use crate::store::{StoreError, Tx};

/// Most credits that a key can have: what every JSON reader reads exactly.
pub const MAX_CREDITS: i64 = 9_007_199_254_740_991;
/// As it is called in the audit log.
const CHANGED: &str = "api_key.credits_changed";

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
    /// There is no such key.
    #[error("there is no such key")]
    NotFound,
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
    fn credits(self) -> Option<Credits> {
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

/// The credits of a key; `None`: unlimited.
///
/// # Errors
/// [`StoreError`].
pub async fn find_credits(app: &App, key: &ApiKeyId) -> Result<Option<Credits>, StoreError> {
    let (key, period) = (key.clone(), period(app.clock.now())?);
    let row = app.store.read(move |session| Box::pin(async move { session.find_credits(&key, &period).await })).await?;
    let corrupt = || StoreError::Corrupt { table: "api_key_credits", column: "refill_day", id: String::new() };
    row.map(|row| row.credits().ok_or_else(corrupt)).transpose()
}

/// Changes the credits of a key; returns what they are then, `None`: unlimited.
///
/// # Errors
/// [`CreditsError`].
pub async fn change_credits(app: &App, by: &Actor, key: &ApiKeyId, change: CreditsChange) -> Result<Option<i64>, CreditsError> {
    let is_valid = match change {
        CreditsChange::Unlimited | CreditsChange::Refill(None) => true,
        CreditsChange::Set(amount) | CreditsChange::Increment(amount) | CreditsChange::Decrement(amount) => is_amount(amount),
        CreditsChange::Refill(Some(refill)) => refill.is_within_bounds(),
    };
    if !is_valid {
        return Err(CreditsError::OutOfBounds);
    }
    let now = app.clock.now();
    let period = period(now)?;
    let event = by.event(CHANGED, "api_key", key.as_str());
    let key = key.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let remaining = apply(tx, &key, change, &period, now).await?;
            let credits = remaining.map_or_else(|| "unlimited".to_owned(), |remaining| remaining.to_string());
            tx.record_event(event.with_detail("credits", credits), now);
            Ok(remaining)
        })
    })
    .await
}

async fn apply(
    tx: &mut Tx,
    key: &ApiKeyId,
    change: CreditsChange,
    period: &Period,
    now: Timestamp,
) -> Result<Option<i64>, CreditsError> {
    if tx.owner_of_api_key(key).await?.is_none() {
        return Err(CreditsError::NotFound);
    }
    let changed = match change {
        CreditsChange::Unlimited => {
            tx.delete_credits(key).await?;
            return Ok(None);
        }
        CreditsChange::Set(amount) => tx.set_credits(key, amount, now).await?,
        CreditsChange::Increment(amount) => tx.add_credits(key, amount, period, now).await?,
        CreditsChange::Decrement(amount) => tx.add_credits(key, -amount, period, now).await?,
        CreditsChange::Refill(refill) => tx.set_refill(key, refill, period, now).await?,
    };
    match changed {
        Some(remaining) => Ok(Some(remaining)),
        None if tx.find_credits(key, period).await?.is_some() => Err(CreditsError::OutOfBounds),
        None => Err(CreditsError::Unlimited),
    }
}

pub(super) fn period(now: Timestamp) -> Result<Period, StoreError> {
    Period::at(now).ok_or_else(StoreError::no_such_time)
}
