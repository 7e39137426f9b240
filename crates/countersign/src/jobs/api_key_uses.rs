//! Writes when and whence secrets of API keys were used last.

use super::backlog;
use crate::app::App;
use crate::store::StoreError;

/// Writes what has been noted since the last time; what fails stays noted.
///
/// # Errors
/// [`StoreError`].
pub async fn write_api_key_uses(app: &App) -> Result<(), StoreError> {
    backlog::write_now(app, &app.api_key_uses).await
}

/// The same, a little at a time.
pub(super) async fn write_api_key_uses_evenly(app: &App) -> Result<(), StoreError> {
    backlog::write_evenly(app, &app.api_key_uses).await
}
