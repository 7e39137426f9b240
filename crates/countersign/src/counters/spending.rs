//! Spending credits: what is asked while a commit runs is committed together next, and
//! spends of one key are one statement. So a busy key costs a commit for many requests,
//! not one for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_protocol::Timestamp;
use tokio::sync::oneshot;

use super::Spending;
use super::credits::period;
use crate::ids::ApiKeyId;
use crate::store::{Store, StoreError, Tx};

/// Most spends that one transaction makes.
const BATCH: usize = 512;

/// Spends that wait for their commit. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Spends(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Somebody writes.
    is_written: bool,
}

struct Waiting {
    key: ApiKeyId,
    cost: i64,
    now: Timestamp,
    reply: oneshot::Sender<Result<Spending, StoreError>>,
}

/// A spend without who waits for it.
type Spend = (ApiKeyId, i64);

impl Spends {
    /// Spends credits of a key: all of `cost` or nothing. 0 looks, and writes nothing.
    /// What is spent is durable before this returns, and is not given back.
    pub(crate) async fn spend(&self, store: &Store, key: &ApiKeyId, cost: u64, now: Timestamp) -> Result<Spending, StoreError> {
        // More than anybody has is refused, whatever it is.
        let cost = i64::try_from(cost).unwrap_or(i64::MAX).min(super::MAX_CREDITS + 1);
        if cost == 0 {
            return look(store, key, now).await;
        }
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { key: key.clone(), cost, now, reply };
        let must_write = {
            let mut queue = self.queue();
            queue.waiting.push(waiting);
            !std::mem::replace(&mut queue.is_written, true)
        };
        if must_write {
            // A task of its own: who waits may go away, and others wait for the same commit.
            tokio::spawn(self.clone().write(store.clone()));
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::spend_lost()))
    }

    async fn write(self, store: Store) {
        while let Some(batch) = self.next_batch() {
            // Who has gone away spends nothing.
            let batch: Vec<Waiting> = batch.into_iter().filter(|waiting| !waiting.reply.is_closed()).collect();
            write_batch(&store, batch).await;
        }
    }

    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue();
        if queue.waiting.is_empty() {
            queue.is_written = false;
            return None;
        }
        let most = queue.waiting.len().min(BATCH);
        Some(queue.waiting.drain(..most).collect())
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look(store: &Store, key: &ApiKeyId, now: Timestamp) -> Result<Spending, StoreError> {
    let (key, period) = (key.clone(), period(now)?);
    let row = store.read(move |session| Box::pin(async move { session.find_credits(&key, &period).await })).await?;
    Ok(row.map_or(Spending::Unlimited, |row| Spending::Spent { remaining: row.remaining }))
}

async fn write_batch(store: &Store, batch: Vec<Waiting>) {
    let Some(now) = batch.iter().map(|waiting| waiting.now).max() else { return };
    let spends: Vec<Spend> = batch.iter().map(|waiting| (waiting.key.clone(), waiting.cost)).collect();
    let written = store.write(move |tx| Box::pin(async move { spend_all(tx, &spends, now).await })).await;
    match written {
        Ok(committed) => {
            for (waiting, spending) in batch.into_iter().zip(committed.value) {
                // Who has gone away since has spent.
                let _ = waiting.reply.send(Ok(spending));
            }
        }
        Err(error) => {
            for waiting in batch {
                let _ = waiting.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Keys in one order for all nodes: none waits for who waits for it.
async fn spend_all(tx: &mut Tx, spends: &[Spend], now: Timestamp) -> Result<Vec<Spending>, StoreError> {
    let period = period(now)?;
    let mut of_keys: BTreeMap<&str, Vec<(usize, &Spend)>> = BTreeMap::new();
    for (index, spend) in spends.iter().enumerate() {
        of_keys.entry(spend.0.as_str()).or_default().push((index, spend));
    }
    let mut answers = vec![Spending::Unlimited; spends.len()];
    for group in of_keys.values() {
        let Some((_, (key, _))) = group.first() else { continue };
        let costs: Vec<i64> = group.iter().map(|(_, (_, cost))| *cost).collect();
        let spendings = spend_of_key(tx, key, &costs, &period, now).await?;
        for ((index, _), spending) in group.iter().zip(spendings) {
            if let Some(answer) = answers.get_mut(*index) {
                *answer = spending;
            }
        }
    }
    Ok(answers)
}

/// All at once if there is enough for all; else one after the other.
async fn spend_of_key(
    tx: &mut Tx,
    key: &ApiKeyId,
    costs: &[i64],
    period: &super::Period,
    now: Timestamp,
) -> Result<Vec<Spending>, StoreError> {
    let total = costs.iter().try_fold(0_i64, |sum, cost| sum.checked_add(*cost));
    if let (Some(total), true) = (total, costs.len() > 1)
        && let Some(remaining) = tx.spend_credits(key, total, period, now).await?
    {
        let mut left = remaining.saturating_add(total);
        let spent = costs.iter().map(|cost| {
            left = left.saturating_sub(*cost);
            Spending::Spent { remaining: left }
        });
        return Ok(spent.collect());
    }
    let mut spendings = Vec::with_capacity(costs.len());
    let mut known = None;
    for cost in costs {
        // What one was refused for, the next need not ask again.
        let spending = match known {
            Some(Spending::Unlimited) => Spending::Unlimited,
            Some(Spending::Exceeded { remaining }) if remaining < *cost => Spending::Exceeded { remaining },
            Some(_) | None => spend_one(tx, key, *cost, period, now).await?,
        };
        known = Some(spending);
        spendings.push(spending);
    }
    Ok(spendings)
}

async fn spend_one(tx: &mut Tx, key: &ApiKeyId, cost: i64, period: &super::Period, now: Timestamp) -> Result<Spending, StoreError> {
    if let Some(remaining) = tx.spend_credits(key, cost, period, now).await? {
        return Ok(Spending::Spent { remaining });
    }
    let row = tx.find_credits(key, period).await?;
    Ok(row.map_or(Spending::Unlimited, |row| Spending::Exceeded { remaining: row.remaining }))
}
