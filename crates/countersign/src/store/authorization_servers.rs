//! Authorization servers and mounts.

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, ClientId, Timestamp};

use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::authorization_servers::{AuthorizationServer, Mount};
use crate::ids::AuthorizationServerId;

statements! {
    INSERT_SERVER = "INSERT INTO authorization_servers (id, name, signing_alg, rotation_interval_seconds, created_at, updated_at, status_lists_at) \
                     VALUES ($1, $2, $3, $4, $5, $5, $6)";
    ALL_SERVERS = "SELECT id, name, signing_alg, rotation_interval_seconds, status_lists_at, version, created_at, updated_at FROM authorization_servers ORDER BY id";
    FIND_SERVER = "SELECT id, name, signing_alg, rotation_interval_seconds, status_lists_at, version, created_at, updated_at FROM authorization_servers WHERE id = $1";
    PAGE_OF_SERVERS = "SELECT id, name, signing_alg, rotation_interval_seconds, status_lists_at, version, created_at, updated_at FROM authorization_servers \
                       WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3";
    PAGE_OF_SERVERS_GRANTED_TO = "SELECT id, name, signing_alg, rotation_interval_seconds, status_lists_at, version, created_at, updated_at FROM authorization_servers \
                       WHERE (created_at, id) > ($1, $2) AND id IN (SELECT authorization_server_id FROM resource_servers \
                       WHERE id IN (SELECT resource_server_id FROM client_grants WHERE client_id = $4)) ORDER BY created_at, id LIMIT $3";
    LOCK_SERVER = "UPDATE authorization_servers SET version = version WHERE id = $1 \
                   RETURNING id, name, signing_alg, rotation_interval_seconds, status_lists_at, version, created_at, updated_at";
    UPDATE_SERVER = "UPDATE authorization_servers SET name = $2, signing_alg = $3, updated_at = $4, rotation_interval_seconds = $5, \
                     status_lists_at = $6, version = version + 1 WHERE id = $1 RETURNING version";
    HAS_RESOURCE_SERVER = "SELECT id FROM resource_servers WHERE authorization_server_id = $1 LIMIT 1";
    DELETE_MOUNTS = "DELETE FROM mounts WHERE authorization_server_id = $1";
    DELETE_KEYS = "DELETE FROM signing_keys WHERE authorization_server_id = $1";
    DELETE_STATUS_LISTS = "DELETE FROM status_lists WHERE authorization_server_id = $1";
    DELETE_STATUS_FEED_KEYS = "DELETE FROM status_feed_keys WHERE authorization_server_id = $1";
    DELETE_SERVER = "DELETE FROM authorization_servers WHERE id = $1";
    SET_ROTATION_INTERVAL = "UPDATE authorization_servers SET rotation_interval_seconds = $2, updated_at = $3, version = version + 1 \
                             WHERE id = $1 RETURNING id";
    INSERT_MOUNT = "INSERT INTO mounts (base_url, path, authorization_server_id, default_audience, created_at) VALUES ($1, $2, $3, $4, $5)";
    ALL_MOUNTS = "SELECT base_url, path, authorization_server_id, default_audience, created_at FROM mounts ORDER BY base_url, path";
    PAGE_OF_MOUNTS = "SELECT base_url, path, authorization_server_id, default_audience, created_at FROM mounts \
                      WHERE authorization_server_id = $4 AND (created_at, base_url || path) > ($1, $2) \
                      ORDER BY created_at, base_url || path LIMIT $3";
    DELETE_MOUNT = "DELETE FROM mounts WHERE authorization_server_id = $1 AND base_url = $2 AND base_url <> '' RETURNING path";
}

impl Tx {
    pub(crate) async fn insert_authorization_server(&mut self, new: &AuthorizationServer) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.signing_alg.as_str().into(),
            new.rotation_interval_seconds.into(),
            new.created_at.into(),
            new.status_lists_since.into(),
        ];
        self.query(&INSERT_SERVER, &values).await.map(drop)
    }

    /// Whether the authorization server exists.
    pub(crate) async fn set_rotation_interval(
        &mut self,
        id: &AuthorizationServerId,
        seconds: i64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.query_optional(&SET_ROTATION_INTERVAL, &[id.as_str().into(), seconds.into(), at.into()]).await?.is_some())
    }

    /// The authorization server as it stays until commit, unless this transaction changes it.
    pub(crate) async fn lock_authorization_server(
        &mut self,
        id: &AuthorizationServerId,
    ) -> Result<Option<AuthorizationServer>, StoreError> {
        self.query_optional(&LOCK_SERVER, &[id.as_str().into()]).await?.map(read_server).transpose()
    }

    /// Writes the new state of a row that is locked; returns its version.
    pub(crate) async fn update_authorization_server(&mut self, new: &AuthorizationServer) -> Result<i64, StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.signing_alg.as_str().into(),
            new.updated_at.into(),
            new.rotation_interval_seconds.into(),
            new.status_lists_since.into(),
        ];
        let row = self.query_optional(&UPDATE_SERVER, &values).await?;
        row.ok_or_else(|| StoreError::internal("the locked authorization server is gone"))?.integer()
    }

    /// Deletes an authorization server that has no resource servers, with everything
    /// that is its own.
    pub(crate) async fn delete_authorization_server(&mut self, id: &AuthorizationServerId) -> Result<(), StoreError> {
        for statement in [&DELETE_MOUNTS, &DELETE_KEYS, &DELETE_STATUS_LISTS, &DELETE_STATUS_FEED_KEYS, &DELETE_SERVER] {
            self.query(statement, &[id.as_str().into()]).await?;
        }
        Ok(())
    }

    /// Whether the authorization server had a mount of its own at this base URL.
    pub(crate) async fn delete_mount(&mut self, id: &AuthorizationServerId, base_url: &str) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DELETE_MOUNT, &[id.as_str().into(), base_url.into()]).await?.is_some())
    }

    pub(crate) async fn insert_mount(&mut self, mount: &Mount) -> Result<(), StoreError> {
        let values = [
            // The empty text stands for every base URL: NULL could not be part of the key.
            mount.base_url.as_deref().unwrap_or("").into(),
            mount.path.as_str().into(),
            mount.authorization_server_id.as_str().into(),
            mount.default_audience.as_ref().map(Audience::as_str).into(),
            mount.created_at.into(),
        ];
        self.query(&INSERT_MOUNT, &values).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn authorization_servers(&mut self) -> Result<Vec<AuthorizationServer>, StoreError> {
        self.query(&ALL_SERVERS, &[]).await?.into_iter().map(read_server).collect()
    }

    pub(crate) async fn find_authorization_server(
        &mut self,
        id: &AuthorizationServerId,
    ) -> Result<Option<AuthorizationServer>, StoreError> {
        self.query_optional(&FIND_SERVER, &[id.as_str().into()]).await?.map(read_server).transpose()
    }

    /// A piece of the list; only those for whose resource servers `granted_to` has
    /// grants, if given.
    pub(crate) async fn authorization_servers_page(
        &mut self,
        granted_to: Option<&ClientId>,
        page: &Page,
    ) -> Result<Vec<AuthorizationServer>, StoreError> {
        let (time, id, limit) = (page.after_time.into(), page.after_id.as_str().into(), limit(page)?);
        let rows = match granted_to {
            None => self.query(&PAGE_OF_SERVERS, &[time, id, limit]).await?,
            Some(client) => self.query(&PAGE_OF_SERVERS_GRANTED_TO, &[time, id, limit, client.as_str().into()]).await?,
        };
        rows.into_iter().map(read_server).collect()
    }

    /// Whether a resource server belongs to this authorization server.
    pub(crate) async fn has_resource_server(&mut self, id: &AuthorizationServerId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&HAS_RESOURCE_SERVER, &[id.as_str().into()]).await?.is_some())
    }

    pub(crate) async fn mounts(&mut self) -> Result<Vec<Mount>, StoreError> {
        self.query(&ALL_MOUNTS, &[]).await?.into_iter().map(read_mount).collect()
    }

    /// A piece of the list of an authorization server's mounts.
    pub(crate) async fn mounts_page(&mut self, of: &AuthorizationServerId, page: &Page) -> Result<Vec<Mount>, StoreError> {
        let values = [page.after_time.into(), page.after_id.as_str().into(), limit(page)?, of.as_str().into()];
        self.query(&PAGE_OF_MOUNTS, &values).await?.into_iter().map(read_mount).collect()
    }
}

fn read_server(mut row: Row) -> Result<AuthorizationServer, StoreError> {
    let id = row.text()?;
    Ok(AuthorizationServer {
        name: row.text()?,
        signing_alg: Algorithm::from_name(&row.text()?).ok_or_else(|| corrupt("authorization_servers", "signing_alg", &id))?,
        rotation_interval_seconds: row.integer()?,
        status_lists_since: row.optional_time()?,
        version: row.integer()?,
        created_at: row.time()?,
        updated_at: row.time()?,
        id: AuthorizationServerId::from_stored(&id),
    })
}

fn read_mount(mut row: Row) -> Result<Mount, StoreError> {
    let base_url = Some(row.text()?).filter(|base_url| !base_url.is_empty());
    let path = row.text()?;
    let authorization_server_id = AuthorizationServerId::from_stored(&row.text()?);
    let default_audience = match row.optional_text()? {
        Some(text) => Some(Audience::try_from(text.as_str()).map_err(|_| corrupt("mounts", "default_audience", &path))?),
        None => None,
    };
    Ok(Mount { base_url, path, authorization_server_id, default_audience, created_at: row.time()? })
}

pub(super) fn corrupt(table: &'static str, column: &'static str, id: &str) -> StoreError {
    StoreError::Corrupt { table, column, id: id.to_owned() }
}
