//! Deletes ids of assertions that are refused by their time alone.

use crate::app::App;
use crate::store::StoreError;

/// How long an id is kept beyond its time: a clock that was ahead and is set back must
/// not let an assertion in again.
const MARGIN_SECONDS: i64 = 3_600;

/// Deletes what is old enough.
///
/// # Errors
/// [`StoreError`].
pub async fn delete_used_jtis(app: &App) -> Result<(), StoreError> {
    let before = app.clock.now().plus_seconds(-MARGIN_SECONDS);
    loop {
        let deleted = app.store.write(move |tx| Box::pin(async move { tx.delete_used_jtis(before).await }));
        if !deleted.await?.value {
            return Ok(());
        }
    }
}
