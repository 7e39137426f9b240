//! Writes when, whence and how credentials were used last.

use super::backlog;
use crate::app::App;
use crate::store::StoreError;

/// Writes what has been noted since the last time; what fails stays noted.
///
/// # Errors
/// [`StoreError`].
pub async fn write_credential_uses(app: &App) -> Result<(), StoreError> {
    backlog::write_now(app, &app.credential_uses).await
}

/// The same, a little at a time.
pub(super) async fn write_credential_uses_evenly(app: &App) -> Result<(), StoreError> {
    let dropped = app.credential_uses.take_dropped();
    if dropped > 0 {
        tracing::warn!(dropped, "too many credentials were used at once to note when each was used last");
    }
    backlog::write_evenly(app, &app.credential_uses).await
}
