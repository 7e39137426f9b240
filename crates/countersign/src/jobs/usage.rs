//! Adds what was counted to the database, and deletes counters that are too old.

use super::backlog;
use crate::app::App;
use crate::store::StoreError;
use crate::usage::day_of;

/// Rows deleted in one transaction: other writers wait for it.
const DELETED_BATCH: i64 = 1_000;

/// Adds what was counted since the last time; what fails is added the next time.
///
/// # Errors
/// [`StoreError`].
pub async fn write_usage(app: &App) -> Result<(), StoreError> {
    backlog::write_now(app, &app.usage).await
}

/// The same, a little at a time.
pub(super) async fn write_usage_evenly(app: &App) -> Result<(), StoreError> {
    backlog::write_evenly(app, &app.usage).await
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
