//! Reading keys for those who manage them.

use super::locked::not_found;
use super::{ApiKey, ApiKeyState};
use crate::app::App;
use crate::change::ChangeError;
use crate::ids::{ApiKeyId, OrganizationId};
use crate::store::{Page, StoreError};

/// Which keys; what is `None` does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyFilter {
    /// Of clients of this organization.
    pub organization: Option<OrganizationId>,
    /// Of this client.
    pub client_id: Option<String>,
    /// For this resource server.
    pub resource_server_id: Option<String>,
    /// With this external id.
    pub external_id: Option<String>,
    /// In this state.
    pub state: Option<ApiKeyState>,
}

/// A key as it is in the database.
///
/// # Errors
/// [`ChangeError::NotFound`].
pub async fn find(app: &App, id: &ApiKeyId) -> Result<ApiKey, ChangeError> {
    let wanted = id.clone();
    let found = app.store.read(move |session| Box::pin(async move { session.find_api_key(&wanted).await }));
    found.await.map_err(|error: StoreError| error)?.ok_or_else(|| not_found(id))
}

/// A piece of the list of keys, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &App, filter: ApiKeyFilter, page: Page) -> Result<Vec<ApiKey>, StoreError> {
    let now = app.clock.now();
    app.store.read(move |session| Box::pin(async move { session.api_keys_page(&filter, &page, now).await })).await
}

/// What keys begin with, each once; of clients of one organization alone if given.
///
/// # Errors
/// [`StoreError`].
pub async fn prefixes(app: &App, organization: Option<OrganizationId>) -> Result<Vec<String>, StoreError> {
    app.store.read(move |session| Box::pin(async move { session.api_key_prefixes(organization.as_ref()).await })).await
}
