//! Client grants.

use countersign_protocol::{ClientId, Scope};

use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::clients::ClientGrant;
use crate::ids::{ClientGrantId, ResourceServerId};

statements! {
    INSERT = "INSERT INTO client_grants (id, client_id, resource_server_id, scope, token_lifetime_seconds, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6)";
    ANY_FOR = "SELECT id FROM client_grants WHERE resource_server_id = $1 LIMIT 1";
    OF_CLIENT = "SELECT id, resource_server_id, scope, token_lifetime_seconds, version, created_at, COALESCE(updated_at, created_at) \
                 FROM client_grants WHERE client_id = $1 ORDER BY id";
    PAGE_OF_CLIENT = "SELECT id, resource_server_id, scope, token_lifetime_seconds, version, created_at, COALESCE(updated_at, created_at) \
                      FROM client_grants WHERE client_id = $4 AND (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    SCOPES_FOR = "SELECT client_id, scope FROM client_grants WHERE resource_server_id = $1 ORDER BY client_id";
    // The client's row is locked: its grants do not change meanwhile.
    UPDATE = "UPDATE client_grants SET scope = $2, token_lifetime_seconds = $3, updated_at = $4, version = version + 1 \
              WHERE id = $1 RETURNING version";
    DELETE = "DELETE FROM client_grants WHERE id = $1";
}

impl Tx {
    pub(crate) async fn insert_client_grant(&mut self, client: &ClientId, new: &ClientGrant) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            client.as_str().into(),
            new.resource_server_id.as_str().into(),
            new.scope.to_string().into(),
            new.token_lifetime_seconds.into(),
            new.created_at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Writes the new state of a grant of a locked client; returns its version.
    pub(crate) async fn update_client_grant(&mut self, new: &ClientGrant) -> Result<i64, StoreError> {
        let values =
            [new.id.as_str().into(), new.scope.to_string().into(), new.token_lifetime_seconds.into(), new.updated_at.into()];
        let row = self.query_optional(&UPDATE, &values).await?;
        row.ok_or_else(|| StoreError::internal("the grant of a locked client is gone"))?.integer()
    }

    /// Deletes a grant of a locked client.
    pub(crate) async fn delete_client_grant(&mut self, id: &ClientGrantId) -> Result<(), StoreError> {
        self.query(&DELETE, &[id.as_str().into()]).await.map(drop)
    }
}

impl Session {
    /// Whether any client has a grant for this resource server.
    pub(crate) async fn has_grant_for(&mut self, id: &ResourceServerId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_FOR, &[id.as_str().into()]).await?.is_some())
    }

    /// The scope of each client's grant for this resource server.
    pub(crate) async fn granted_scopes(&mut self, id: &ResourceServerId) -> Result<Vec<(String, Scope)>, StoreError> {
        let rows = self.query(&SCOPES_FOR, &[id.as_str().into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let client_id = row.text()?;
                let scope = Scope::parse(&row.text()?).map_err(|_| corrupt("client_grants", "scope", &client_id))?;
                Ok((client_id, scope))
            })
            .collect()
    }

    pub(super) async fn grants_of(&mut self, client: &ClientId) -> Result<Vec<ClientGrant>, StoreError> {
        self.query(&OF_CLIENT, &[client.as_str().into()]).await?.into_iter().map(read).collect()
    }

    /// A piece of the list of a client's grants.
    pub(crate) async fn client_grants_page(&mut self, client: &ClientId, page: &Page) -> Result<Vec<ClientGrant>, StoreError> {
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?, client.as_str().into()];
        self.query(&PAGE_OF_CLIENT, &values).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<ClientGrant, StoreError> {
    let id = row.text()?;
    Ok(ClientGrant {
        resource_server_id: ResourceServerId::from_stored(&row.text()?),
        scope: Scope::parse(&row.text()?).map_err(|_| corrupt("client_grants", "scope", &id))?,
        token_lifetime_seconds: row.optional_integer()?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
        id: ClientGrantId::from_stored(&id),
    })
}
