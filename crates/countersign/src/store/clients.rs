//! Clients.

use countersign_protocol::{ClientAuthMethod, ClientId, Timestamp};

use super::api_keys::{json, list, networks, parsed, permissions, with_role};
use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::clients::{AssertionAudience, Client, ClientSummary, KeyPolicy};
use crate::ids::OrganizationId;

statements! {
    INSERT = "INSERT INTO clients (id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, organization_id, external_id, \
              metadata, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11, $12, $13, $14)";
    FIND = "SELECT id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, organization_id, external_id, metadata, \
            version, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits FROM clients WHERE id = $1";
    PAGE = "SELECT id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, organization_id, external_id, metadata, \
            version, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits FROM clients WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    PAGE_OF_ORGANIZATION = "SELECT id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, organization_id, external_id, \
            metadata, version, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits FROM clients \
            WHERE organization_id = $4 AND (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    PAGE_OF_EXTERNAL_ID = "SELECT id, name, token_endpoint_auth_method, auth_method_enforced_at, disabled_at, organization_id, external_id, \
            metadata, version, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits FROM clients \
            WHERE external_id = $5 AND (CAST($4 AS TEXT) IS NULL OR organization_id = $4) AND (created_at, id) > ($1, $2) \
            ORDER BY created_at, id LIMIT $3";
    UPDATE = "UPDATE clients SET name = $2, token_endpoint_auth_method = $3, auth_method_enforced_at = $4, organization_id = $5, \
              external_id = $6, metadata = $7, updated_at = $8, assertion_audience = $9, key_permissions = $10, key_roles = $11, key_networks = $12, \
              key_limits = $13, version = version + 1 \
              WHERE id = $1 RETURNING version";
    CREDENTIALS_IN_ORDER = "SELECT id FROM credentials WHERE client_id = $1 ORDER BY id";
    DELETE_CREDENTIAL = "DELETE FROM credentials WHERE id = $1";
    DELETE_SSF_EVENTS = "DELETE FROM ssf_events WHERE stream_id IN (SELECT id FROM ssf_streams WHERE client_id = $1)";
    DELETE_SSF_STREAM = "DELETE FROM ssf_streams WHERE client_id = $1";
    DELETE_GRANTS = "DELETE FROM client_grants WHERE client_id = $1";
    DELETE = "DELETE FROM clients WHERE id = $1";
    ANY_WITH_ROLE = "SELECT id FROM clients WHERE key_roles LIKE $1 ESCAPE '\\' LIMIT 1";
    LOCK = "UPDATE clients SET version = version WHERE id = $1 RETURNING id, name, token_endpoint_auth_method, auth_method_enforced_at, \
            disabled_at, organization_id, external_id, metadata, version, created_at, updated_at, assertion_audience, key_permissions, key_roles, key_networks, key_limits";
    DISABLE = "UPDATE clients SET disabled_at = $2, updated_at = $2, version = version + 1 WHERE id = $1 AND disabled_at IS NULL";
    ENABLE = "UPDATE clients SET disabled_at = NULL, updated_at = $2, version = version + 1 WHERE id = $1 AND disabled_at IS NOT NULL";
}

impl Tx {
    pub(crate) async fn insert_client(&mut self, new: &Client) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.auth_method.as_str().into(),
            new.auth_method_enforced.then_some(new.created_at).into(),
            new.disabled_at.into(),
            new.organization_id.as_ref().map(OrganizationId::as_str).into(),
            new.external_id.as_deref().into(),
            json(&new.metadata)?.into(),
            new.created_at.into(),
            new.assertion_audience.as_str().into(),
            list(&new.key_policy.permissions)?.into(),
            json(&new.key_policy.roles)?.into(),
            list(&new.key_policy.allowed_networks)?.into(),
            json(&new.key_policy.limits)?.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// The client and its grants as they stay until commit, unless this transaction
    /// changes them. Its credentials are not read.
    pub(crate) async fn lock_client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let Some(row) = self.query_optional(&LOCK, &[id.as_str().into()]).await? else { return Ok(None) };
        let mut client = read(row)?;
        client.grants = self.grants_of(id).await?;
        Ok(Some(client))
    }

    /// Disables a locked client, unless it is disabled.
    pub(crate) async fn disable_client(&mut self, id: &ClientId, at: Timestamp) -> Result<(), StoreError> {
        self.query(&DISABLE, &[id.as_str().into(), at.into()]).await.map(drop)
    }

    /// Enables a locked client, unless it is enabled.
    pub(crate) async fn enable_client(&mut self, id: &ClientId, at: Timestamp) -> Result<(), StoreError> {
        self.query(&ENABLE, &[id.as_str().into(), at.into()]).await.map(drop)
    }
}

impl Tx {
    /// Writes the new state of a client whose row is locked; returns its version.
    pub(crate) async fn update_client(&mut self, new: &Client) -> Result<i64, StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.auth_method.as_str().into(),
            new.auth_method_enforced.then_some(new.updated_at).into(),
            new.organization_id.as_ref().map(OrganizationId::as_str).into(),
            new.external_id.as_deref().into(),
            json(&new.metadata)?.into(),
            new.updated_at.into(),
            new.assertion_audience.as_str().into(),
            list(&new.key_policy.permissions)?.into(),
            json(&new.key_policy.roles)?.into(),
            list(&new.key_policy.allowed_networks)?.into(),
            json(&new.key_policy.limits)?.into(),
        ];
        let row = self.query_optional(&UPDATE, &values).await?;
        row.ok_or_else(|| StoreError::internal("the locked client is gone"))?.integer()
    }

    /// Deletes a locked client with everything that hangs on it.
    pub(crate) async fn delete_client(&mut self, id: &ClientId) -> Result<(), StoreError> {
        // In the order in which their last uses are written: neither waits for the other.
        for mut row in self.query(&CREDENTIALS_IN_ORDER, &[id.as_str().into()]).await? {
            self.query(&DELETE_CREDENTIAL, &[row.text()?.into()]).await?;
        }
        for statement in [&DELETE_GRANTS, &DELETE_SSF_EVENTS, &DELETE_SSF_STREAM, &DELETE] {
            self.query(statement, &[id.as_str().into()]).await?;
        }
        Ok(())
    }
}

impl Session {
    /// A client with its credentials and grants.
    pub(crate) async fn find_client(&mut self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let Some(row) = self.query_optional(&FIND, &[id.as_str().into()]).await? else { return Ok(None) };
        let mut client = read(row)?;
        client.credentials = self.credentials_of(id).await?;
        client.grants = self.grants_of(id).await?;
        Ok(Some(client))
    }

    /// Whether the keys of any client have this role.
    pub(crate) async fn has_client_with_key_role(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ANY_WITH_ROLE, &[with_role(name).into()]).await?.is_some())
    }

    /// A piece of the list of clients, without their credentials and grants.
    pub(crate) async fn clients_page(
        &mut self,
        organization: Option<&OrganizationId>,
        external_id: Option<&str>,
        page: &Page,
    ) -> Result<Vec<ClientSummary>, StoreError> {
        let (time, id, limit) = (page.after_time.into(), page.after_id.as_str().into(), limit(page)?);
        let organization = organization.map(OrganizationId::as_str);
        let rows = match (organization, external_id) {
            (None, None) => self.query(&PAGE, &[time, id, limit]).await?,
            (Some(organization), None) => self.query(&PAGE_OF_ORGANIZATION, &[time, id, limit, organization.into()]).await?,
            (_, Some(external_id)) => {
                self.query(&PAGE_OF_EXTERNAL_ID, &[time, id, limit, organization.into(), external_id.into()]).await?
            }
        };
        rows.into_iter().map(|row| Ok(ClientSummary(read(row)?))).collect()
    }
}

/// A row, without what hangs on it.
fn read(mut row: Row) -> Result<Client, StoreError> {
    let text = row.text()?;
    let bad = |column| corrupt("clients", column, &text);
    Ok(Client {
        id: ClientId::try_from(text.as_str()).map_err(|_| bad("id"))?,
        name: row.text()?,
        auth_method: ClientAuthMethod::from_name(&row.text()?).ok_or_else(|| bad("token_endpoint_auth_method"))?,
        auth_method_enforced: row.optional_time()?.is_some(),
        disabled_at: row.optional_time()?,
        organization_id: row.optional_text()?.map(|id| OrganizationId::from_stored(&id)),
        external_id: row.optional_text()?,
        metadata: serde_json::from_str(&row.text()?).map_err(|_| bad("metadata"))?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
        assertion_audience: match row.optional_text()? {
            None => AssertionAudience::Issuer,
            Some(name) => AssertionAudience::from_name(&name).ok_or_else(|| bad("assertion_audience"))?,
        },
        key_policy: KeyPolicy {
            permissions: permissions(&row.text()?).ok_or_else(|| bad("key_permissions"))?,
            roles: parsed(&row.text()?).ok_or_else(|| bad("key_roles"))?,
            allowed_networks: networks(&row.text()?).ok_or_else(|| bad("key_networks"))?,
            limits: parsed(&row.text()?).ok_or_else(|| bad("key_limits"))?,
        },
        credentials: Vec::new(),
        grants: Vec::new(),
    })
}
