//! Refusals that whoever may asks for.

use std::sync::Arc;

use super::RecordedRefusal;
use crate::app::App;
use crate::ids::OrganizationId;
use crate::jobs::{to_the_end, write_refusals};
use crate::store::{Page, StoreError};

/// Which refusals of a list.
#[derive(Clone, Debug, Default)]
pub struct RefusalFilter {
    /// Of clients of this organization only.
    pub organization: Option<OrganizationId>,
    /// Of this client only.
    pub client_id: Option<String>,
    /// With this code only.
    pub code: Option<String>,
}

/// The refusal of a request; with `organization`, only if it is of a client that
/// belongs to it. What this node has noted is written first; what another node has
/// noted is there a second later.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    app: &Arc<App>,
    request_id: &str,
    organization: Option<OrganizationId>,
) -> Result<Option<RecordedRefusal>, StoreError> {
    write_noted(app).await?;
    let id = request_id.to_owned();
    app.store.read(move |session| Box::pin(async move { session.find_refusal(&id, organization.as_ref()).await })).await
}

/// A piece of the list of refusals, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn list(app: &Arc<App>, filter: RefusalFilter, page: Page) -> Result<Vec<RecordedRefusal>, StoreError> {
    write_noted(app).await?;
    app.store.read(move |session| Box::pin(async move { session.list_refusals(&filter, &page).await })).await
}

async fn write_noted(app: &Arc<App>) -> Result<(), StoreError> {
    let writer = Arc::clone(app);
    to_the_end(async move { write_refusals(&writer).await }).await
}
