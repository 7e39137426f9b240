//! Credits of API keys.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::value::Value;
use super::{Session, StoreError, Tx};
use crate::counters::{CreditsRow, MAX_CREDITS, Period, Refill};
use crate::ids::ApiKeyId;

/// Whether a refill is due, as a CASE condition: none since the last midnight, or since
/// the day of this month or of the last. $2 today, $3 $4 this month and its days, $5 $6
/// the last month and its days.
macro_rules! due {
    () => {
        "refill_day IS NOT NULL AND refilled_at < CASE \
         WHEN refill_day = 0 THEN $2 \
         WHEN $3 + (CASE WHEN refill_day < $4 THEN refill_day ELSE $4 END - 1) * 86400000 <= $2 \
         THEN $3 + (CASE WHEN refill_day < $4 THEN refill_day ELSE $4 END - 1) * 86400000 \
         ELSE $5 + (CASE WHEN refill_day < $6 THEN refill_day ELSE $6 END - 1) * 86400000 END"
    };
}

/// What is left with a refill that is due.
macro_rules! left {
    () => {
        concat!("CASE WHEN ", due!(), " THEN refill_amount ELSE remaining END")
    };
}

statements! {
    FIND = concat!("SELECT ", left!(), ", refill_amount, refill_day FROM api_key_credits WHERE key_id = $1");
    SPEND = concat!("UPDATE api_key_credits SET remaining = ", left!(), " - $7, refilled_at = CASE WHEN ", due!(),
                    " THEN $8 ELSE refilled_at END WHERE key_id = $1 AND ", left!(), " >= $7 RETURNING remaining");
    ADD = concat!("UPDATE api_key_credits SET remaining = CASE WHEN ", left!(), " + $7 < 0 THEN 0 ELSE ", left!(), " + $7 END, \
                   refilled_at = CASE WHEN ", due!(), " THEN $8 ELSE refilled_at END WHERE key_id = $1 AND ", left!(),
                  " + $7 <= $9 RETURNING remaining");
    SET = "INSERT INTO api_key_credits (key_id, remaining, refilled_at) VALUES ($1, $2, $3) \
           ON CONFLICT (key_id) DO UPDATE SET remaining = excluded.remaining, refilled_at = excluded.refilled_at RETURNING remaining";
    SET_REFILL = concat!("UPDATE api_key_credits SET remaining = ", left!(), ", refill_amount = $7, refill_day = $8, refilled_at = $9 \
                          WHERE key_id = $1 RETURNING remaining");
    DELETE = "DELETE FROM api_key_credits WHERE key_id = $1";
}

fn values<const N: usize>(key: &ApiKeyId, period: &Period, more: [Value; N]) -> Vec<Value> {
    let Period { today, month, month_days, last_month, last_month_days } = *period;
    let mut values = vec![key.as_str().into()];
    values.extend([today, month, month_days, last_month, last_month_days].map(Value::from));
    values.extend(more);
    values
}

impl Tx {
    /// Spends credits, refilled before if that is due; returns what is left, or `None` when
    /// there are too few or they are not counted.
    pub(crate) async fn spend_credits(
        &mut self,
        key: &ApiKeyId,
        cost: i64,
        period: &Period,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let row = self.query_optional(&SPEND, &values(key, period, [cost.into(), now.into()])).await?;
        row.map(|mut row| row.integer()).transpose()
    }

    /// Adds credits, or takes them down to none; `None` when they are not counted or would
    /// be too many.
    pub(crate) async fn add_credits(
        &mut self,
        key: &ApiKeyId,
        amount: i64,
        period: &Period,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let row = self.query_optional(&ADD, &values(key, period, [amount.into(), now.into(), MAX_CREDITS.into()])).await?;
        row.map(|mut row| row.integer()).transpose()
    }

    /// Counts credits from now on, so many.
    pub(crate) async fn set_credits(&mut self, key: &ApiKeyId, amount: i64, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let row = self.query_optional(&SET, &[key.as_str().into(), amount.into(), now.into()]).await?;
        row.map(|mut row| row.integer()).transpose()
    }

    /// Says how credits come back; `None` when they are not counted.
    pub(crate) async fn set_refill(
        &mut self,
        key: &ApiKeyId,
        refill: Option<Refill>,
        period: &Period,
        now: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let (amount, day) = refill.map(Refill::columns).unzip();
        let row = self.query_optional(&SET_REFILL, &values(key, period, [amount.into(), day.into(), now.into()])).await?;
        row.map(|mut row| row.integer()).transpose()
    }

    /// Counts credits no longer.
    pub(crate) async fn delete_credits(&mut self, key: &ApiKeyId) -> Result<(), StoreError> {
        self.query(&DELETE, &[key.as_str().into()]).await.map(drop)
    }
}

impl Session {
    /// Credits with a refill that is due; `None`: they are not counted.
    pub(crate) async fn find_credits(&mut self, key: &ApiKeyId, period: &Period) -> Result<Option<CreditsRow>, StoreError> {
        let row = self.query_optional(&FIND, &values(key, period, [])).await?;
        row.map(|mut row| {
            Ok(CreditsRow {
                remaining: row.integer()?,
                refill_amount: row.optional_integer()?,
                refill_day: row.optional_integer()?,
            })
        })
        .transpose()
    }
}
