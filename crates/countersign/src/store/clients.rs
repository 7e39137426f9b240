//! Clients.

use countersign_protocol::{ClientAuthMethod, ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::clients::Client;

statements! {
    INSERT = "INSERT INTO clients (id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, created_at, updated_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $6)";
    FIND = "SELECT id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, created_at FROM clients WHERE id = $1";
    IDS_AFTER = "SELECT id FROM clients WHERE id > $1 ORDER BY id LIMIT $2";
    TOUCH = "UPDATE clients SET updated_at = $2 WHERE id = $1 RETURNING id";
    DISABLE = "UPDATE clients SET disabled_at = COALESCE(disabled_at, $2), updated_at = $2 WHERE id = $1 RETURNING id";
    ENABLE = "UPDATE clients SET disabled_at = NULL, updated_at = $2 WHERE id = $1 RETURNING id";
}

impl Tx {
    pub(crate) async fn insert_client(&mut self, new: &Client) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.auth_method.as_str().into(),
            new.auth_method_enforced.then_some(new.created_at).into(),
            new.disabled_at.into(),
            new.created_at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether the client exists. Locks its row until commit.
    pub(crate) async fn touch_client(&mut self, id: &ClientId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&TOUCH, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the client exists; it is disabled now.
    pub(crate) async fn disable_client(&mut self, id: &ClientId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DISABLE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the client exists; it is enabled now.
    pub(crate) async fn enable_client(&mut self, id: &ClientId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ENABLE, &[id.as_str().into(), at.into()]).await?.is_some())
    }
}

impl Session {
    /// A client with its credentials and grants.
    pub(crate) async fn find_client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let Some(mut row) = self.query_optional(&FIND, &[id.as_str().into()]).await? else { return Ok(None) };
        let text = row.text()?;
        Ok(Some(Client {
            id: ClientId::try_from(text.as_str()).map_err(|_| corrupt("clients", "id", &text))?,
            name: row.text()?,
            auth_method: ClientAuthMethod::from_name(&row.text()?)
                .ok_or_else(|| corrupt("clients", "token_endpoint_auth_method", &text))?,
            auth_method_enforced: row.optional_time()?.is_some(),
            disabled_at: row.optional_time()?,
            created_at: row.time()?,
            credentials: self.credentials_of(id).await?,
            grants: self.grants_of(id).await?,
        }))
    }

    /// Up to `limit` clients after the id `after`, in the order of their ids.
    pub(crate) async fn clients_after(&mut self, after: &str, limit: usize) -> Result<Vec<Client>, StoreError> {
        let limit = i64::try_from(limit).map_err(StoreError::internal)?;
        let mut clients = Vec::new();
        for mut row in self.query(&IDS_AFTER, &[after.into(), limit.into()]).await? {
            let text = row.text()?;
            let id = ClientId::try_from(text.as_str()).map_err(|_| corrupt("clients", "id", &text))?;
            clients.extend(self.find_client(&id).await?);
        }
        Ok(clients)
    }
}
