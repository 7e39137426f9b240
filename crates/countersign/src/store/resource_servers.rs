//! Resource servers.

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientId, ScopeToken, Timestamp};
use serde::{Deserialize, Serialize};

use super::authorization_servers::corrupt;
use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::ids::{AuthorizationServerId, ResourceServerId};
use crate::resource_servers::{Profile, ResourceServer, ScopeDefinition, TokenFormat};

statements! {
    INSERT = "INSERT INTO resource_servers (id, authorization_server_id, audience, name, profile, signing_alg, \
              token_lifetime_seconds, scopes, created_at, updated_at, token_format, reuse_live_tokens) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10, $11)";
    ALL_ROWS = "SELECT id, authorization_server_id, audience, name, profile, signing_alg, token_format, reuse_live_tokens, token_lifetime_seconds, scopes, version, \
                created_at, updated_at FROM resource_servers ORDER BY id";
    FIND = "SELECT id, authorization_server_id, audience, name, profile, signing_alg, token_format, reuse_live_tokens, token_lifetime_seconds, scopes, version, \
            created_at, updated_at FROM resource_servers WHERE id = $1";
    PAGE = "SELECT id, authorization_server_id, audience, name, profile, signing_alg, token_format, reuse_live_tokens, token_lifetime_seconds, scopes, version, \
            created_at, updated_at FROM resource_servers WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    PAGE_GRANTED_TO = "SELECT id, authorization_server_id, audience, name, profile, signing_alg, token_format, reuse_live_tokens, token_lifetime_seconds, scopes, version, \
                       created_at, updated_at FROM resource_servers WHERE (created_at, id) > ($1, $2) \
                       AND id IN (SELECT resource_server_id FROM client_grants WHERE client_id = $4) ORDER BY created_at, id LIMIT $3";
    LOCK = "UPDATE resource_servers SET version = version WHERE id = $1 \
            RETURNING id, authorization_server_id, audience, name, profile, signing_alg, token_format, reuse_live_tokens, token_lifetime_seconds, scopes, version, \
            created_at, updated_at";
    UPDATE = "UPDATE resource_servers SET name = $2, profile = $3, signing_alg = $4, token_lifetime_seconds = $5, scopes = $6, \
              updated_at = $7, token_format = $8, reuse_live_tokens = $9, version = version + 1 WHERE id = $1 RETURNING version";
    DELETE = "DELETE FROM resource_servers WHERE id = $1";
    SET_AUDIENCE_AND_SCOPES = "UPDATE resource_servers SET audience = $2, scopes = $3, updated_at = $4, version = version + 1 WHERE id = $1";
}

/// The JSON of the `scopes` column.
#[derive(Serialize, Deserialize)]
struct StoredScope {
    scope: String,
    description: String,
}

impl Tx {
    pub(crate) async fn insert_resource_server(&mut self, new: &ResourceServer) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            new.authorization_server_id.as_str().into(),
            new.audience.as_str().into(),
            new.name.as_str().into(),
            new.profile.as_str().into(),
            new.signing_alg.map(Algorithm::as_str).into(),
            new.token_lifetime_seconds.into(),
            scopes_text(&new.scopes)?.into(),
            new.created_at.into(),
            new.token_format.as_str().into(),
            i64::from(new.reuse_live_tokens).into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// The resource server as it stays until commit, unless this transaction changes it.
    pub(crate) async fn lock_resource_server(&mut self, id: &ResourceServerId) -> Result<Option<ResourceServer>, StoreError> {
        self.query_optional(&LOCK, &[id.as_str().into()]).await?.map(read).transpose()
    }

    /// Writes the new state of a row that is locked; returns its version.
    pub(crate) async fn update_resource_server(&mut self, new: &ResourceServer) -> Result<i64, StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.profile.as_str().into(),
            new.signing_alg.map(Algorithm::as_str).into(),
            new.token_lifetime_seconds.into(),
            scopes_text(&new.scopes)?.into(),
            new.updated_at.into(),
            new.token_format.as_str().into(),
            i64::from(new.reuse_live_tokens).into(),
        ];
        let row = self.query_optional(&UPDATE, &values).await?;
        row.ok_or_else(|| StoreError::internal("the locked resource server is gone"))?.integer()
    }

    /// Deletes a resource server that no grant names.
    pub(crate) async fn delete_resource_server(&mut self, id: &ResourceServerId) -> Result<(), StoreError> {
        self.query(&DELETE, &[id.as_str().into()]).await.map(drop)
    }

    pub(crate) async fn set_audience_and_scopes(&mut self, new: &ResourceServer, at: Timestamp) -> Result<(), StoreError> {
        let values = [new.id.as_str().into(), new.audience.as_str().into(), scopes_text(&new.scopes)?.into(), at.into()];
        self.query(&SET_AUDIENCE_AND_SCOPES, &values).await.map(drop)
    }
}

fn scopes_text(scopes: &[ScopeDefinition]) -> Result<String, StoreError> {
    let stored = |definition: &ScopeDefinition| StoredScope {
        scope: definition.scope.to_string(),
        description: definition.description.clone(),
    };
    serde_json::to_string(&scopes.iter().map(stored).collect::<Vec<_>>()).map_err(StoreError::internal)
}

impl Session {
    pub(crate) async fn resource_servers(&mut self) -> Result<Vec<ResourceServer>, StoreError> {
        self.query(&ALL_ROWS, &[]).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn find_resource_server(&mut self, id: &ResourceServerId) -> Result<Option<ResourceServer>, StoreError> {
        self.query_optional(&FIND, &[id.as_str().into()]).await?.map(read).transpose()
    }

    /// A piece of the list; only those that `granted_to` has grants for, if given.
    pub(crate) async fn resource_servers_page(
        &mut self,
        granted_to: Option<&ClientId>,
        page: &Page,
    ) -> Result<Vec<ResourceServer>, StoreError> {
        let (time, id, limit) = (page.after_time.into(), page.after_id.as_str().into(), limit(page)?);
        let rows = match granted_to {
            None => self.query(&PAGE, &[time, id, limit]).await?,
            Some(client) => self.query(&PAGE_GRANTED_TO, &[time, id, limit, client.as_str().into()]).await?,
        };
        rows.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<ResourceServer, StoreError> {
    let id = row.text()?;
    let bad = |column| corrupt("resource_servers", column, &id);
    Ok(ResourceServer {
        id: ResourceServerId::from_stored(&id),
        authorization_server_id: AuthorizationServerId::from_stored(&row.text()?),
        audience: Audience::try_from(row.text()?.as_str()).map_err(|_| bad("audience"))?,
        name: row.text()?,
        profile: Profile::from_name(&row.text()?).ok_or_else(|| bad("profile"))?,
        signing_alg: match row.optional_text()? {
            Some(name) => Some(Algorithm::from_name(&name).ok_or_else(|| bad("signing_alg"))?),
            None => None,
        },
        token_format: TokenFormat::from_name(&row.text()?).ok_or_else(|| bad("token_format"))?,
        reuse_live_tokens: row.integer()? != 0,
        token_lifetime_seconds: row.integer()?,
        scopes: read_scopes(&row.text()?).ok_or_else(|| bad("scopes"))?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
    })
}

fn read_scopes(json: &str) -> Option<Vec<ScopeDefinition>> {
    let stored: Vec<StoredScope> = serde_json::from_str(json).ok()?;
    stored
        .into_iter()
        .map(|stored| {
            Some(ScopeDefinition { scope: ScopeToken::try_from(stored.scope.as_str()).ok()?, description: stored.description })
        })
        .collect()
}
