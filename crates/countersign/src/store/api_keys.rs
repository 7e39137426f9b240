//! API keys.

use countersign_protocol::{ClientId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::many::many_rows;
use super::statement::statements;
use super::value::{Row, Value};
use super::{Session, StoreError, Tx};
use crate::api_keys::{ApiKey, ApiKeyFilter, ApiKeyState, Permission};
use crate::config::Network;
use crate::counters::{CreditsRow, StoredCredits};
use crate::ids::{ApiKeyId, OrganizationId, ResourceServerId};

pub(super) const INSERT_INTO: &str = "INSERT INTO api_keys (id, client_id, resource_server_id, name, prefix, external_id, metadata, \
                                      permissions, roles, allowed_networks, expires_at, disabled_at, revoked_at, version, created_at, \
                                      created_by, updated_at, limits) VALUES ";
pub(super) const COLUMNS: usize = 18;

/// Everything of keys but their secrets, with their credits.
macro_rules! selected {
    () => {
        "SELECT id, client_id, resource_server_id, name, prefix, external_id, metadata, permissions, roles, allowed_networks, \
         expires_at, disabled_at, revoked_at, version, created_at, created_by, updated_at, limits, remaining, refill_amount, \
         refill_day, refilled_at FROM api_keys LEFT JOIN api_key_credits ON key_id = id "
    };
}

/// What the pages of the list have in common.
macro_rules! filtered {
    () => {
        "AND (CAST($4 AS TEXT) IS NULL OR resource_server_id = $4) \
         AND (CAST($6 AS TEXT) IS NULL OR CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN disabled_at IS NOT NULL \
         THEN 'disabled' WHEN expires_at <= $7 THEN 'expired' ELSE 'active' END = $6) \
         AND (CAST($8 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM clients WHERE clients.id = api_keys.client_id \
         AND organization_id = $8)) ORDER BY created_at, id LIMIT $3"
    };
}

statements! {
    INSERT = many_rows!(INSERT_INTO, COLUMNS, 1, "");
    OWNER = "SELECT client_id FROM api_keys WHERE id = $1";
    FIND = concat!(selected!(), "WHERE id = $1");
    BY_LOOKUP = concat!(selected!(), "WHERE id = (SELECT api_key_secrets.key_id FROM api_key_secrets WHERE lookup = $1)");
    PAGE = concat!(selected!(), "WHERE (created_at, id) > ($1, $2) \
            AND (CAST($5 AS TEXT) IS NULL OR external_id = $5) ", filtered!());
    PAGE_OF_CLIENT = concat!(selected!(), "WHERE (created_at, id) > ($1, $2) AND client_id = $9 \
            AND (CAST($5 AS TEXT) IS NULL OR external_id = $5) ", filtered!());
    PAGE_OF_EXTERNAL_ID = concat!(selected!(), "WHERE (created_at, id) > ($1, $2) AND external_id = $5 ", filtered!());
    PREFIXES = "SELECT DISTINCT prefix FROM api_keys WHERE CAST($1 AS TEXT) IS NULL \
                OR EXISTS (SELECT 1 FROM clients WHERE clients.id = api_keys.client_id AND organization_id = $1) ORDER BY prefix";
    ANY_FOR = "SELECT id FROM api_keys WHERE resource_server_id = $1 LIMIT 1";
    PERMISSIONS_OF_CLIENT_FOR = "SELECT permissions FROM api_keys WHERE client_id = $1 AND resource_server_id = $2 AND revoked_at IS NULL";
    // Names are of characters that JSON does not escape.
    ANY_WITH_ROLE = "SELECT id FROM api_keys WHERE roles LIKE $1 ESCAPE '\\' LIMIT 1";
    // The client's row is locked: its keys do not change meanwhile.
    UPDATE = "UPDATE api_keys SET name = $2, external_id = $3, metadata = $4, permissions = $5, roles = $6, allowed_networks = $7, \
              expires_at = $8, updated_at = $9, client_id = $10, limits = $11, version = version + 1 WHERE id = $1 AND revoked_at IS NULL RETURNING version";
    TOUCH = "UPDATE api_keys SET updated_at = $2, version = version + 1 WHERE id = $1 AND revoked_at IS NULL RETURNING version";
    DISABLE = "UPDATE api_keys SET disabled_at = $2, updated_at = $2, version = version + 1 \
               WHERE id = $1 AND disabled_at IS NULL AND revoked_at IS NULL RETURNING id";
    ENABLE = "UPDATE api_keys SET disabled_at = NULL, updated_at = $2, version = version + 1 \
              WHERE id = $1 AND disabled_at IS NOT NULL AND revoked_at IS NULL RETURNING id";
    REVOKE = "UPDATE api_keys SET revoked_at = $2, updated_at = $2, version = version + 1 \
              WHERE id = $1 AND revoked_at IS NULL RETURNING id";
    DELETE = "DELETE FROM api_keys WHERE id = $1";
    DELETE_FOR = "DELETE FROM api_keys WHERE resource_server_id = $1 RETURNING id";
    DELETE_OF_CLIENT = "DELETE FROM api_keys WHERE client_id = $1 RETURNING id";
}

impl Tx {
    pub(crate) async fn insert_api_key(&mut self, new: &ApiKey) -> Result<(), StoreError> {
        self.query(&INSERT, &values(new)?).await.map(drop)
    }

    /// Writes the new state of a key of a locked client; returns its version, or `None`
    /// for a key that is gone or revoked.
    pub(crate) async fn update_api_key(&mut self, new: &ApiKey) -> Result<Option<i64>, StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.external_id.as_deref().into(),
            json(&new.metadata)?.into(),
            list(&new.permissions)?.into(),
            json(&new.roles)?.into(),
            list(&new.allowed_networks)?.into(),
            new.expires_at.into(),
            new.updated_at.into(),
            new.client_id.as_str().into(),
            json(&new.limits)?.into(),
        ];
        self.query_optional(&UPDATE, &values).await?.map(|mut row| row.integer()).transpose()
    }

    /// Counts a change of a key that is not revoked; returns its version.
    pub(crate) async fn touch_api_key(&mut self, id: &ApiKeyId, at: Timestamp) -> Result<Option<i64>, StoreError> {
        self.query_optional(&TOUCH, &[id.as_str().into(), at.into()]).await?.map(|mut row| row.integer()).transpose()
    }

    /// Deletes every key for a resource server; whether there was any.
    pub(crate) async fn delete_api_keys_for(&mut self, id: &ResourceServerId) -> Result<bool, StoreError> {
        Ok(!self.query(&DELETE_FOR, &[id.as_str().into()]).await?.is_empty())
    }

    /// Whether the key was enabled.
    pub(crate) async fn disable_api_key(&mut self, id: &ApiKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DISABLE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the key was disabled.
    pub(crate) async fn enable_api_key(&mut self, id: &ApiKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ENABLE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the key was not revoked.
    pub(crate) async fn revoke_api_key(&mut self, id: &ApiKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&REVOKE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Deletes a key of a locked client, with its secrets.
    pub(crate) async fn delete_api_key(&mut self, id: &ApiKeyId) -> Result<(), StoreError> {
        self.query(&DELETE, &[id.as_str().into()]).await.map(drop)
    }

    /// Deletes every key of a locked client; whether there was one.
    pub(crate) async fn delete_api_keys_of(&mut self, client: &ClientId) -> Result<bool, StoreError> {
        Ok(!self.query(&DELETE_OF_CLIENT, &[client.as_str().into()]).await?.is_empty())
    }
}

impl Session {
    /// The client that a key belongs to.
    pub(crate) async fn owner_of_api_key(&mut self, id: &ApiKeyId) -> Result<Option<ClientId>, StoreError> {
        let Some(mut row) = self.query_optional(&OWNER, &[id.as_str().into()]).await? else { return Ok(None) };
        let owner = row.text()?;
        ClientId::try_from(owner.as_str()).map(Some).map_err(|_| corrupt("api_keys", "client_id", id.as_str()))
    }

    pub(crate) async fn find_api_key(&mut self, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = self.query_optional(&FIND, &[id.as_str().into()]).await?;
        self.with_secrets(row).await
    }

    /// The key that a secret with this lookup belongs to.
    pub(crate) async fn find_api_key_by_lookup(&mut self, lookup: &str) -> Result<Option<ApiKey>, StoreError> {
        let row = self.query_optional(&BY_LOOKUP, &[lookup.into()]).await?;
        self.with_secrets(row).await
    }

    async fn with_secrets(&mut self, row: Option<Row>) -> Result<Option<ApiKey>, StoreError> {
        let Some(mut key) = row.map(read).transpose()? else { return Ok(None) };
        key.secrets = self.api_key_secrets_of(&key.id).await?;
        Ok(Some(key))
    }

    /// A piece of the list of keys, with their secrets.
    pub(crate) async fn api_keys_page(
        &mut self,
        filter: &ApiKeyFilter,
        page: &Page,
        now: Timestamp,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let mut values = vec![
            page.after_time.into(),
            page.after_id.as_str().into(),
            limit(page)?,
            filter.resource_server_id.as_deref().into(),
            filter.external_id.as_deref().into(),
            filter.state.map(ApiKeyState::as_str).into(),
            now.into(),
            filter.organization.as_ref().map(OrganizationId::as_str).into(),
        ];
        let statement = match (&filter.client_id, &filter.external_id) {
            (Some(client), _) => {
                values.push(client.as_str().into());
                &PAGE_OF_CLIENT
            }
            (None, Some(_)) => &PAGE_OF_EXTERNAL_ID,
            (None, None) => &PAGE,
        };
        let mut keys = Vec::new();
        for row in self.query(statement, &values).await? {
            keys.extend(self.with_secrets(Some(row)).await?);
        }
        Ok(keys)
    }

    /// What keys begin with, each once.
    pub(crate) async fn api_key_prefixes(&mut self, organization: Option<&OrganizationId>) -> Result<Vec<String>, StoreError> {
        let rows = self.query(&PREFIXES, &[organization.map(OrganizationId::as_str).into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }

    /// Whether any key is for this resource server.
    pub(crate) async fn has_api_key_for(&mut self, id: &ResourceServerId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_FOR, &[id.as_str().into()]).await?.is_some())
    }

    /// What the keys of a client for a resource server may do, all together, roles aside.
    pub(crate) async fn permissions_of_keys_for(
        &mut self,
        client: &ClientId,
        resource_server: &ResourceServerId,
    ) -> Result<Vec<Permission>, StoreError> {
        let mut all = Vec::new();
        for mut row in self.query(&PERMISSIONS_OF_CLIENT_FOR, &[client.as_str().into(), resource_server.as_str().into()]).await? {
            all.extend(permissions(&row.text()?).ok_or_else(|| corrupt("api_keys", "permissions", client.as_str()))?);
        }
        Ok(all)
    }

    /// Whether any key has this role.
    pub(crate) async fn has_api_key_with_role(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_WITH_ROLE, &[with_role(name).into()]).await?.is_some())
    }
}

/// A pattern of lists that hold a role.
pub(super) fn with_role(name: &str) -> String {
    format!("%\"{}\"%", name.replace('_', "\\_"))
}

/// The values of [`INSERT_INTO`].
pub(super) fn values(new: &ApiKey) -> Result<[Value; COLUMNS], StoreError> {
    Ok([
        new.id.as_str().into(),
        new.client_id.as_str().into(),
        new.resource_server_id.as_str().into(),
        new.name.as_str().into(),
        new.prefix.as_str().into(),
        new.external_id.as_deref().into(),
        json(&new.metadata)?.into(),
        list(&new.permissions)?.into(),
        json(&new.roles)?.into(),
        list(&new.allowed_networks)?.into(),
        new.expires_at.into(),
        new.disabled_at.into(),
        new.revoked_at.into(),
        new.version.into(),
        new.created_at.into(),
        new.created_by.as_str().into(),
        new.updated_at.into(),
        json(&new.limits)?.into(),
    ])
}

/// The columns of credits; `Some(None)`: they are damaged.
fn credits(row: &mut Row) -> Result<Option<Option<StoredCredits>>, StoreError> {
    let (remaining, refill_amount, refill_day) = (row.optional_integer()?, row.optional_integer()?, row.optional_integer()?);
    let refilled_at = row.optional_time()?;
    let Some((remaining, refilled_at)) = remaining.zip(refilled_at) else { return Ok(None) };
    let stored = CreditsRow { remaining, refill_amount, refill_day }.credits();
    Ok(Some(stored.map(|credits| StoredCredits { credits, refilled_at })))
}

pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::internal)
}

/// A list of what has a text of its own.
pub(super) fn list<T: ToString>(items: &[T]) -> Result<String, StoreError> {
    json(&items.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Reads [`list`] of permissions; `None`: it is damaged.
pub(super) fn permissions(text: &str) -> Option<Vec<Permission>> {
    let names: Vec<String> = serde_json::from_str(text).ok()?;
    names.iter().map(|name| Permission::parse(name).ok()).collect()
}

pub(super) fn networks(text: &str) -> Option<Vec<Network>> {
    let texts: Vec<String> = serde_json::from_str(text).ok()?;
    texts.iter().map(|text| Network::from_text(text)).collect()
}

/// A row, without its secrets.
fn read(mut row: Row) -> Result<ApiKey, StoreError> {
    let id = row.text()?;
    let bad = |column| corrupt("api_keys", column, &id);
    Ok(ApiKey {
        client_id: ClientId::try_from(row.text()?.as_str()).map_err(|_| bad("client_id"))?,
        resource_server_id: ResourceServerId::from_stored(&row.text()?),
        name: row.text()?,
        prefix: row.text()?,
        external_id: row.optional_text()?,
        metadata: parsed(&row.text()?).ok_or_else(|| bad("metadata"))?,
        permissions: permissions(&row.text()?).ok_or_else(|| bad("permissions"))?,
        roles: parsed(&row.text()?).ok_or_else(|| bad("roles"))?,
        allowed_networks: networks(&row.text()?).ok_or_else(|| bad("allowed_networks"))?,
        expires_at: row.optional_time()?,
        disabled_at: row.optional_time()?,
        revoked_at: row.optional_time()?,
        version: row.integer()?,
        created_at: row.time()?,
        created_by: row.text()?,
        updated_at: row.time()?,
        limits: parsed(&row.text()?).ok_or_else(|| bad("limits"))?,
        credits: credits(&mut row)?.map(|credits| credits.ok_or_else(|| bad("refill_day"))).transpose()?,
        secrets: Vec::new(),
        id: ApiKeyId::from_stored(&id),
    })
}

pub(super) fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
