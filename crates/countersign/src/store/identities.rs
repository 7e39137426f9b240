//! Clients that are found by what their owner calls them.

use countersign_protocol::ClientId;

use super::keyset::{Page, limit};
use super::statement::statements;
use super::{Session, StoreError};
use crate::clients::{Client, ClientSummary};
use crate::ids::OrganizationId;

statements! {
    BY_EXTERNAL_ID = "SELECT id FROM clients WHERE external_id = $1 AND (organization_id = $2 \
                      OR (organization_id IS NULL AND CAST($2 AS TEXT) IS NULL)) ORDER BY created_at, id LIMIT 1";
    PAGE = "SELECT id FROM clients WHERE external_id IS NOT NULL AND (created_at, id) > ($1, $2) AND (organization_id = $4 \
            OR (organization_id IS NULL AND CAST($4 AS TEXT) IS NULL)) ORDER BY created_at, id LIMIT $3";
    ANY_KEY_OF = "SELECT id FROM api_keys WHERE client_id = $1 LIMIT 1";
}

impl Session {
    /// The oldest client of exactly this organization, or of none, with this external id.
    pub(crate) async fn find_identity(
        &mut self,
        organization: Option<&OrganizationId>,
        external_id: &str,
    ) -> Result<Option<Client>, StoreError> {
        let values = [external_id.into(), organization.map(OrganizationId::as_str).into()];
        let Some(mut row) = self.query_optional(&BY_EXTERNAL_ID, &values).await? else { return Ok(None) };
        self.client_of_row(row.text()?).await
    }

    /// A piece of the list of clients that have an external id.
    pub(crate) async fn identities_page(
        &mut self,
        organization: Option<&OrganizationId>,
        page: &Page,
    ) -> Result<Vec<ClientSummary>, StoreError> {
        let organization = organization.map(OrganizationId::as_str).into();
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?, organization];
        let mut clients = Vec::new();
        for mut row in self.query(&PAGE, &values).await? {
            clients.extend(self.client_of_row(row.text()?).await?.map(ClientSummary));
        }
        Ok(clients)
    }

    /// Whether a client has any API key.
    pub(crate) async fn has_api_key(&mut self, client: &ClientId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_KEY_OF, &[client.as_str().into()]).await?.is_some())
    }

    async fn client_of_row(&mut self, id: String) -> Result<Option<Client>, StoreError> {
        match ClientId::try_from(id.as_str()) {
            Ok(id) => self.find_client(&id).await,
            Err(_) => Err(super::authorization_servers::corrupt("clients", "id", &id)),
        }
    }
}
