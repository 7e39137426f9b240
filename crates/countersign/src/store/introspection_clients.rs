//! Which clients may introspect tokens for which resource servers.

use countersign_protocol::{ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::ResourceServerId;

statements! {
    INSERT = "INSERT INTO introspection_clients (client_id, resource_server_id, created_at) VALUES ($1, $2, $3)";
    DELETE = "DELETE FROM introspection_clients WHERE client_id = $1 AND resource_server_id = $2 RETURNING client_id";
    DELETE_OF_CLIENT = "DELETE FROM introspection_clients WHERE client_id = $1 RETURNING client_id";
    DELETE_FOR = "DELETE FROM introspection_clients WHERE resource_server_id = $1";
    OF_CLIENT = "SELECT resource_server_id FROM introspection_clients WHERE client_id = $1 ORDER BY resource_server_id";
    ALL_ROWS = "SELECT client_id, resource_server_id FROM introspection_clients";
}

impl Tx {
    pub(crate) async fn insert_introspection_client(
        &mut self,
        client: &ClientId,
        resource_server: &ResourceServerId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(&INSERT, &[client.as_str().into(), resource_server.as_str().into(), at.into()]).await.map(drop)
    }

    /// Whether the client was allowed to introspect for the resource server.
    pub(crate) async fn delete_introspection_client(
        &mut self,
        client: &ClientId,
        resource_server: &ResourceServerId,
    ) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DELETE, &[client.as_str().into(), resource_server.as_str().into()]).await?.is_some())
    }

    /// Nobody introspects for the resource server any more.
    pub(crate) async fn delete_introspection_for(&mut self, resource_server: &ResourceServerId) -> Result<(), StoreError> {
        self.query(&DELETE_FOR, &[resource_server.as_str().into()]).await.map(drop)
    }

    /// Whether the client was allowed to introspect for anything.
    pub(crate) async fn delete_introspection_of(&mut self, client: &ClientId) -> Result<bool, StoreError> {
        Ok(!self.query(&DELETE_OF_CLIENT, &[client.as_str().into()]).await?.is_empty())
    }
}

impl Session {
    /// The resource servers whose tokens the client may introspect.
    pub(crate) async fn introspected_by(&mut self, client: &ClientId) -> Result<Vec<ResourceServerId>, StoreError> {
        let rows = self.query(&OF_CLIENT, &[client.as_str().into()]).await?;
        rows.into_iter().map(|mut row| Ok(ResourceServerId::from_stored(&row.text()?))).collect()
    }

    pub(crate) async fn introspection_clients(&mut self) -> Result<Vec<(ClientId, ResourceServerId)>, StoreError> {
        let rows = self.query(&ALL_ROWS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let text = row.text()?;
                let client = ClientId::try_from(text.as_str()).map_err(|_| corrupt("introspection_clients", "client_id", &text))?;
                Ok((client, ResourceServerId::from_stored(&row.text()?)))
            })
            .collect()
    }
}
