//! Writes when, whence and how credentials were used last.

use crate::app::App;
use crate::store::StoreError;

/// Most uses that one transaction writes.
const BATCH: usize = 200;

/// Writes what has been noted since the last time; what fails stays noted.
///
/// # Errors
/// [`StoreError`].
pub async fn write_credential_uses(app: &App) -> Result<(), StoreError> {
    let dropped = app.credential_uses.take_dropped();
    if dropped > 0 {
        tracing::warn!(dropped, "too many credentials were used at once to note when each was used last");
    }
    let mut waiting = app.credential_uses.take();
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(BATCH));
        let batch = waiting.clone();
        let written = app.store.write(move |tx| {
            Box::pin(async move {
                for (id, used) in &batch {
                    tx.record_credential_use(id, used).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        match written.await {
            Ok(_) => waiting = rest,
            // A credential was deleted at the same moment. It is not there the next time.
            Err(StoreError::ReferenceGone) => waiting.extend(rest),
            Err(error) => {
                app.credential_uses.give_back(waiting.into_iter().chain(rest));
                return Err(error);
            }
        }
    }
    Ok(())
}
