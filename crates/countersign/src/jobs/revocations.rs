//! Forgets revocations of tokens that have expired, in the database and in memory.

use crate::app::App;
use crate::change::MAX_TOKEN_LIFETIME_SECONDS;
use crate::config::MAX_BACKDATE_SECONDS;
use crate::revocation::{KEPT_AFTER_EXPIRY_SECONDS, MAX_LEEWAY_SECONDS};
use crate::store::StoreError;

/// Rows deleted in one transaction: other writers wait for it.
const BATCH: i64 = 1_000;

/// Deletes the revoked tokens, and the marks, that are about long expired tokens only.
/// Every node may run it at once.
///
/// # Errors
/// [`StoreError`]; what was deleted until then stays deleted.
pub async fn forget_expired_revocations(app: &App) -> Result<(), StoreError> {
    let expired_before = app.clock.now().plus_seconds(-MAX_LEEWAY_SECONDS - KEPT_AFTER_EXPIRY_SECONDS);
    app.revocations.tokens.forget_expired(expired_before);
    let marked_before = expired_before.plus_seconds(-MAX_TOKEN_LIFETIME_SECONDS - MAX_BACKDATE_SECONDS);
    app.revocations.marks.forget_before(marked_before);
    app.store.write(move |tx| Box::pin(async move { tx.delete_revocation_marks(marked_before).await })).await?;
    app.store.write(move |tx| Box::pin(async move { tx.delete_status_lists(expired_before).await })).await?;
    loop {
        let deleted = app.store.write(move |tx| Box::pin(async move { tx.delete_revoked_tokens(expired_before, BATCH).await }));
        let deleted = deleted.await.map_err(|error: StoreError| error)?;
        if i64::try_from(deleted.value).is_ok_and(|deleted| deleted < BATCH) {
            return Ok(());
        }
    }
}
