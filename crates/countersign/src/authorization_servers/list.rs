//! Reading authorization servers for those who manage them.

use countersign_protocol::ClientId;

use super::{AuthorizationServer, Mount};
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::AuthorizationServerId;
use crate::store::{Page, StoreError};

/// An authorization server as it is in the database.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, id: &AuthorizationServerId) -> Result<AuthorizationServer, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.find_authorization_server(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(id))
}

/// A piece of the list of authorization servers, oldest first; only those for whose
/// resource servers `granted_to` has grants, if given.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, granted_to: Option<ClientId>, page: Page) -> Result<Vec<AuthorizationServer>, StoreError> {
    app.store
        .read(move |session| Box::pin(async move { session.authorization_servers_page(granted_to.as_ref(), &page).await }))
        .await
}

/// A piece of the list of an authorization server's mounts, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list_mounts(app: &App, id: &AuthorizationServerId, page: Page) -> Result<Vec<Mount>, StoreError> {
    let id = id.clone();
    app.store.read(move |session| Box::pin(async move { session.mounts_page(&id, &page).await })).await
}

pub(super) fn not_found(id: &AuthorizationServerId) -> ChangeError {
    ChangeError::NotFound { kind: "authorization server", id: id.to_string() }
}
