//! Client grants.

use countersign_protocol::{ClientId, Scope, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::clients::ClientGrant;
use crate::ids::{ClientGrantId, ResourceServerId};

statements! {
    INSERT = "INSERT INTO client_grants (id, client_id, resource_server_id, scope, token_lifetime_seconds, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6)";
    ANY_FOR = "SELECT id FROM client_grants WHERE resource_server_id = $1 LIMIT 1";
    OF_CLIENT = "SELECT id, resource_server_id, scope, token_lifetime_seconds FROM client_grants WHERE client_id = $1 ORDER BY id";
}

impl Tx {
    pub(crate) async fn insert_client_grant(
        &mut self,
        client: &ClientId,
        new: &ClientGrant,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            client.as_str().into(),
            new.resource_server_id.as_str().into(),
            new.scope.to_string().into(),
            new.token_lifetime_seconds.into(),
            at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }
}

impl Session {
    /// Whether any client has a grant for this resource server.
    pub(crate) async fn has_grant_for(&mut self, id: &ResourceServerId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_FOR, &[id.as_str().into()]).await?.is_some())
    }

    pub(super) async fn grants_of(&mut self, client: &ClientId) -> Result<Vec<ClientGrant>, StoreError> {
        let rows = self.query(&OF_CLIENT, &[client.as_str().into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let id = row.text()?;
                Ok(ClientGrant {
                    resource_server_id: ResourceServerId::from_stored(&row.text()?),
                    scope: Scope::parse(&row.text()?).map_err(|_| corrupt("client_grants", "scope", &id))?,
                    token_lifetime_seconds: row.optional_integer()?,
                    id: ClientGrantId::from_stored(&id),
                })
            })
            .collect()
    }
}
