//! Adds verdicts about API keys to the database, and deletes counters that are too old.

use super::backlog;
use crate::app::App;
use crate::store::StoreError;
use crate::usage::Interval;

/// Rows deleted in one transaction: other writers wait for it.
const DELETED_BATCH: i64 = 1_000;

/// Adds what was counted since the last time; what fails is added the next time.
///
/// # Errors
/// [`StoreError`].
pub async fn write_key_usage(app: &App) -> Result<(), StoreError> {
    let written = backlog::write_now(app, &app.key_usage).await;
    tell_of_lost(app);
    written
}

/// The same, a little at a time.
pub(super) async fn write_key_usage_evenly(app: &App) -> Result<(), StoreError> {
    let written = backlog::write_evenly(app, &app.key_usage).await;
    tell_of_lost(app);
    written
}

fn tell_of_lost(app: &App) {
    let lost = app.key_usage.take_not_counted();
    if lost > 0 {
        tracing::warn!(counts = lost, "the usage of API keys lacks some counts: too many keys and tags wait to be written");
    }
}

/// Deletes counters of intervals that are too long ago. Every node may run it at once.
///
/// # Errors
/// [`StoreError`]; what was deleted until then stays deleted.
pub async fn delete_old_key_usage(app: &App) -> Result<(), StoreError> {
    for interval in Interval::ALL {
        let kept = app.key_usage.kept().key_usage_seconds(interval);
        let before = interval.start_of(app.clock.now()).plus_seconds(-kept);
        loop {
            let deleted = app
                .store
                .write(move |tx| Box::pin(async move { tx.delete_key_usage_before(interval, before, DELETED_BATCH).await }));
            if deleted.await.map_err(|error: StoreError| error)?.value < DELETED_BATCH {
                break;
            }
        }
    }
    Ok(())
}
