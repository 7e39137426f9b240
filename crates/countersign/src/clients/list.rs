//! Reading clients for those who manage them.

use countersign_protocol::ClientId;

use super::{Client, ClientGrant, ClientSummary};
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::OrganizationId;
use crate::store::{Page, StoreError};

/// A client as it is in the database.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, id: &ClientId) -> Result<Client, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.find_client(&wanted).await }));
    let found = found.await.map_err(|error: StoreError| error)?;
    found.ok_or_else(|| ChangeError::NotFound { kind: "client", id: id.to_string() })
}

/// A piece of the list of clients, oldest first; if given, of one organization alone, and of
/// those that their owners call this.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    app: &App,
    organization: Option<OrganizationId>,
    external_id: Option<String>,
    page: Page,
) -> Result<Vec<ClientSummary>, StoreError> {
    app.store
        .read(move |session| {
            Box::pin(async move { session.clients_page(organization.as_ref(), external_id.as_deref(), &page).await })
        })
        .await
}

/// A piece of the list of a client's grants, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list_grants(app: &App, client_id: &ClientId, page: Page) -> Result<Vec<ClientGrant>, StoreError> {
    let id = client_id.clone();
    app.store.read(move |session| Box::pin(async move { session.client_grants_page(&id, &page).await })).await
}
