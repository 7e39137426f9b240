//! Disabling, enabling and revoking a key, and with it the tokens that it was exchanged for.

use std::sync::Arc;

use super::locked::{self, LockedKey, lock};
use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::ids::ApiKeyId;
use crate::revocation::outlast;

#[derive(Clone, Copy)]
enum Change {
    Disable,
    Enable,
    Revoke,
}

/// Disables a key: it is refused until it is enabled again, and the tokens that it was
/// exchanged for are dead for good. Doing it twice revokes its tokens again.
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

/// Revokes a key for good, and the tokens that it was exchanged for. Doing it twice revokes
/// its tokens again.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn revoke(app: &App, by: &Actor, id: &ApiKeyId) -> Result<(), ChangeError> {
    change(app, by, id, Change::Revoke).await
}

async fn change(app: &App, by: &Actor, id: &ApiKeyId, change: Change) -> Result<(), ChangeError> {
    let action = match change {
        Change::Disable => "api_key.disabled",
        Change::Enable => "api_key.enabled",
        Change::Revoke => "api_key.revoked",
    };
    let event = by.event(action, "api_key", id.as_str());
    let (by, id, clock) = (by.clone(), id.clone(), Arc::clone(&app.clock));
    let written = app.commit(move |tx| {
        Box::pin(async move {
            let LockedKey { key, client } = lock(tx, &by, &id).await?;
            let now = clock.now();
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
            // Also where nothing has changed: whoever was first may not have been able to
            // move the mark behind the last token.
            let marks = match change {
                Change::Enable => Vec::new(),
                Change::Disable | Change::Revoke => locked::mark(tx, &key, now).await?,
            };
            Ok(((), marks))
        })
    });
    outlast(app, written).await
}
