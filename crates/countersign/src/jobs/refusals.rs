//! Writes noted refusals, and deletes those that are too old or too many.

use crate::app::App;
use crate::store::StoreError;

/// Most refusals that one transaction writes.
const BATCH: usize = 200;
/// Rows deleted in one transaction: other writers wait for it.
const DELETED_BATCH: i64 = 1_000;
/// What is dated later than this after now was noted while a clock was wrong. Kept, it
/// would count as the youngest and push out all that comes.
const MAX_AHEAD_SECONDS: i64 = 3_600;

/// Writes what has been noted since the last time. What cannot be written is dropped
/// and counted: while the database is away, every request is refused.
///
/// # Errors
/// [`StoreError`].
pub async fn write_refusals(app: &App) -> Result<(), StoreError> {
    let refusals = &app.refusals;
    let _writing = refusals.writing.lock().await;
    let mut waiting = refusals.take();
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(BATCH));
        let size = waiting.len();
        let batch = waiting;
        let written = app.store.write(move |tx| {
            Box::pin(async move {
                for refusal in &batch {
                    tx.insert_refusal(refusal).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        if let Err(error) = written.await {
            refusals.metrics.not_written.inc_by(u64::try_from(size + rest.len()).unwrap_or(u64::MAX));
            return Err(error);
        }
        refusals.metrics.kept.inc_by(u64::try_from(size).unwrap_or(u64::MAX));
        waiting = rest;
    }
    Ok(())
}

/// Deletes refusals that are older than they may be, and the oldest of too many.
/// Every node may run it at once.
///
/// # Errors
/// [`StoreError`]; what was deleted until then stays deleted.
pub async fn delete_old_refusals(app: &App) -> Result<(), StoreError> {
    let config = app.refusals.config;
    let now = app.clock.now();
    let (before, after) = (now.plus_seconds(-i64::from(config.keep_seconds)), now.plus_seconds(MAX_AHEAD_SECONDS));
    let (all, of_nobody) = (i64::from(config.max_kept), i64::from(config.max_kept / 2));
    loop {
        let deleted = app.store.write(move |tx| {
            Box::pin(async move {
                let old = tx.delete_refusals_before(before, DELETED_BATCH).await?;
                let old = old.max(tx.delete_refusals_after(after, DELETED_BATCH).await?);
                let unknown = tx.delete_refusals_of_nobody_beyond(of_nobody, DELETED_BATCH).await?;
                Ok::<_, StoreError>(old.max(unknown).max(tx.delete_refusals_beyond(all, DELETED_BATCH).await?))
            })
        });
        if deleted.await?.value < DELETED_BATCH {
            return Ok(());
        }
    }
}
