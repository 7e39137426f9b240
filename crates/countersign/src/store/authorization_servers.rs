//! Authorization servers and mounts.

use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, Timestamp};

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::authorization_servers::{AuthorizationServer, Mount};
use crate::ids::AuthorizationServerId;

statements! {
    INSERT_SERVER = "INSERT INTO authorization_servers (id, name, signing_alg, rotation_interval_seconds, created_at, updated_at) \
                     VALUES ($1, $2, $3, $4, $5, $5)";
    ALL_SERVERS = "SELECT id, name, signing_alg, rotation_interval_seconds, created_at FROM authorization_servers ORDER BY id";
    SET_ROTATION_INTERVAL = "UPDATE authorization_servers SET rotation_interval_seconds = $2, updated_at = $3 WHERE id = $1 RETURNING id";
    INSERT_MOUNT = "INSERT INTO mounts (base_url, path, authorization_server_id, default_audience, created_at) VALUES ($1, $2, $3, $4, $5)";
    ALL_MOUNTS = "SELECT base_url, path, authorization_server_id, default_audience FROM mounts ORDER BY base_url, path";
}

impl Tx {
    pub(crate) async fn insert_authorization_server(&mut self, new: &AuthorizationServer) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            new.name.as_str().into(),
            new.signing_alg.as_str().into(),
            new.rotation_interval_seconds.into(),
            new.created_at.into(),
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

    pub(crate) async fn insert_mount(&mut self, mount: &Mount, at: Timestamp) -> Result<(), StoreError> {
        let values = [
            // The empty text stands for every base URL: NULL could not be part of the key.
            mount.base_url.as_deref().unwrap_or("").into(),
            mount.path.as_str().into(),
            mount.authorization_server_id.as_str().into(),
            mount.default_audience.as_ref().map(Audience::as_str).into(),
            at.into(),
        ];
        self.query(&INSERT_MOUNT, &values).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn authorization_servers(&mut self) -> Result<Vec<AuthorizationServer>, StoreError> {
        let rows = self.query(&ALL_SERVERS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let id = row.text()?;
                let name = row.text()?;
                let signing_alg =
                    Algorithm::from_name(&row.text()?).ok_or_else(|| corrupt("authorization_servers", "signing_alg", &id))?;
                Ok(AuthorizationServer {
                    id: AuthorizationServerId::from_stored(&id),
                    name,
                    signing_alg,
                    rotation_interval_seconds: row.integer()?,
                    created_at: row.time()?,
                })
            })
            .collect()
    }

    pub(crate) async fn mounts(&mut self) -> Result<Vec<Mount>, StoreError> {
        let rows = self.query(&ALL_MOUNTS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let base_url = Some(row.text()?).filter(|base_url| !base_url.is_empty());
                let path = row.text()?;
                let authorization_server_id = AuthorizationServerId::from_stored(&row.text()?);
                let default_audience = match row.optional_text()? {
                    Some(text) => {
                        Some(Audience::try_from(text.as_str()).map_err(|_| corrupt("mounts", "default_audience", &path))?)
                    }
                    None => None,
                };
                Ok(Mount { base_url, path, authorization_server_id, default_audience })
            })
            .collect()
    }
}

pub(super) fn corrupt(table: &'static str, column: &'static str, id: &str) -> StoreError {
    StoreError::Corrupt { table, column, id: id.to_owned() }
}
