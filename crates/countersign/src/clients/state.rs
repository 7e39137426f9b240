//! Disabling and enabling a client.

use countersign_protocol::ClientId;

use crate::app::App;
use crate::audit::Actor;
use crate::change::ChangeError;
use crate::management::{LockedClient, lock_client};
use crate::store::ChangeKind;

/// Disables a client: it gets no token until it is enabled again. Doing it twice
/// changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn disable(app: &App, by: &Actor, client_id: &ClientId) -> Result<(), ChangeError> {
    set_disabled(app, by, client_id, true).await
}

/// Enables a disabled client. Doing it twice changes nothing.
///
/// # Errors
/// [`ChangeError::NotFound`], [`ChangeError::ExceedsCaller`].
pub async fn enable(app: &App, by: &Actor, client_id: &ClientId) -> Result<(), ChangeError> {
    set_disabled(app, by, client_id, false).await
}

async fn set_disabled(app: &App, by: &Actor, client_id: &ClientId, disabled: bool) -> Result<(), ChangeError> {
    let now = app.clock.now();
    let id = client_id.clone();
    let event = by.event(if disabled { "client.disabled" } else { "client.enabled" }, "client", id.as_str());
    let by = by.clone();
    app.write(move |tx| {
        Box::pin(async move {
            let LockedClient { client, authority } = lock_client(tx, &by, &id).await?;
            if disabled {
                authority.check_not_own_end(&id)?;
                tx.disable_client(&id, now).await?;
            } else {
                tx.enable_client(&id, now).await?;
            }
            tx.record_event(event.in_organization(client.owner()), now);
            tx.record_change(ChangeKind::Client, id.as_str(), now);
            Ok(())
        })
    })
    .await
}
