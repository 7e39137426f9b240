//! Reading resource servers for those who manage them.

use countersign_protocol::ClientId;

use super::ResourceServer;
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::ResourceServerId;
use crate::store::{Page, StoreError};

/// A resource server as it is in the database.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, id: &ResourceServerId) -> Result<ResourceServer, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.find_resource_server(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(id))
}

/// A piece of the list of resource servers, oldest first; only those that `granted_to`
/// has grants for, if given.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, granted_to: Option<ClientId>, page: Page) -> Result<Vec<ResourceServer>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.resource_servers_page(granted_to.as_ref(), &page).await })).await
}

pub(super) fn not_found(id: &ResourceServerId) -> ChangeError {
    ChangeError::NotFound { kind: "resource server", id: id.to_string() }
}
