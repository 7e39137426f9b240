//! Disabling, enabling and revoking a key.

use super::locked::{self, LockedKey, lock};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::ApiKeyId;

#[derive(Clone, Copy)]
enum Change {
    Disable,
    Enable,
    Revoke,
}

/// Disables a key: it is refused until it is enabled again. Doing it twice changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn disable(app: &App, by: &Actor, id: &ApiKeyId) -> Result<(), ChangeError> {
    change(app, by, id, Change::Disable).await
}

/// Enables a disabled key. Doing it twice changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::State`] for a revoked key,
/// [`ChangeError::ExceedsCaller`].
pub async fn enable(app: &App, by: &Actor, id: &ApiKeyId) -> Result<(), ChangeError> {
    change(app, by, id, Change::Enable).await
}

/// Revokes a key for good. Doing it twice changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn revoke(app: &App, by: &Actor, id: &ApiKeyId) -> Result<(), ChangeError> {
    change(app, by, id, Change::Revoke).await
}

async fn change(app: &App, by: &Actor, id: &ApiKeyId, change: Change) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let action = match change {
        Change::Disable => "api_key.disabled",
        Change::Enable => "api_key.enabled",
        Change::Revoke => "api_key.revoked",
    };
    let event = by.event(action, "api_key", id.as_str());
    let (by, id) = (by.clone(), id.clone());
    app.write(move |tx| {
        Box::pin(async move {
            let LockedKey { key, client } = lock(tx, &by, &id).await?;
            let is_changed = match change {
                Change::Disable => tx.disable_api_key(&id, now).await?,
                Change::Enable if key.revoked_at.is_some() => {
                    return Err(ChangeError::State("the key is revoked: create another".to_owned()));
                }
                Change::Enable => tx.enable_api_key(&id, now).await?,
                Change::Revoke => tx.revoke_api_key(&id, now).await?,
            };
            if is_changed {
                let event = event.with_detail("client_id", key.client_id.as_str());
                tx.record_event(event.in_organization(client.client.owner()), now);
                locked::record_change(tx, &key, now);
            }
            Ok(())
        })
    })
    .await
}
