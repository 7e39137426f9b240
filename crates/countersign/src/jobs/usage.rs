//! Adds what was counted to the database, and deletes counters that are too old.

use crate::app::App;
use crate::store::StoreError;
use crate::usage::day_of;

/// Most counters that one transaction writes.
const BATCH: usize = 200;
/// Rows deleted in one transaction: other writers wait for it.
const DELETED_BATCH: i64 = 1_000;

/// Adds what was counted since the last time; what fails is added the next time.
///
/// # Errors
/// [`StoreError`].
pub async fn write_usage(app: &App) -> Result<(), StoreError> {
    let _writing = app.usage.writing.lock().await;
    let mut waiting = app.usage.take();
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(BATCH));
        let batch = waiting.clone();
        let written = app.store.write(move |tx| {
            Box::pin(async move {
                for row in &batch {
                    tx.add_client_usage(row).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        match written.await {
            Ok(_) => waiting = rest,
            // A client was deleted at the same moment. It is not there the next time.
            Err(StoreError::ReferenceGone) => waiting.extend(rest),
            Err(error) => {
                app.usage.give_back(waiting.into_iter().chain(rest));
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Deletes counters of days that are too long ago. Every node may run it at once.
///
/// # Errors
/// [`StoreError`]; what was deleted until then stays deleted.
pub async fn delete_old_usage(app: &App) -> Result<(), StoreError> {
    let before = day_of(app.clock.now()) - i64::from(app.keep_usage_days);
    loop {
        let deleted =
            app.store.write(move |tx| Box::pin(async move { tx.delete_client_usage_before(before, DELETED_BATCH).await }));
        if deleted.await.map_err(|error: StoreError| error)?.value < DELETED_BATCH {
            return Ok(());
        }
    }
}
