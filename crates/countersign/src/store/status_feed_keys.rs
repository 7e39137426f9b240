//! The keys that sign status feeds.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::{AuthorizationServerId, StatusFeedKeyId};
use crate::instance::HeldMasterKey;
use crate::status_feed::StoredFeedKey;

statements! {
    INSERT = "INSERT INTO status_feed_keys (id, authorization_server_id, sealed_private_key, created_at) VALUES ($1, $2, $3, $4) \
              ON CONFLICT DO NOTHING";
    SIGNING = "SELECT id, sealed_private_key FROM status_feed_keys WHERE authorization_server_id = $1";
    DELETE = "DELETE FROM status_feed_keys WHERE authorization_server_id = $1";
}

impl Tx {
    /// Stores the key that signs the feed of an authorization server, unless it has one;
    /// while the master key that sealed it is held.
    pub(crate) async fn insert_status_feed_key(
        &mut self,
        _held: &HeldMasterKey,
        server: &AuthorizationServerId,
        key: &StoredFeedKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [key.id.as_str().into(), server.as_str().into(), key.sealed_private_key.as_str().into(), now.into()];
        self.query(&INSERT, &values).await.map(drop)
    }
}

impl Tx {
    /// The feed of an authorization server is signed by another key from now on, if by any.
    pub(crate) async fn delete_status_feed_key(&mut self, server: &AuthorizationServerId) -> Result<(), StoreError> {
        self.query(&DELETE, &[server.as_str().into()]).await.map(drop)
    }
}

impl Session {
    /// The key that signs the feed of an authorization server.
    pub(crate) async fn status_feed_key(&mut self, server: &AuthorizationServerId) -> Result<Option<StoredFeedKey>, StoreError> {
        let found = self.query_optional(&SIGNING, &[server.as_str().into()]).await?;
        found
            .map(|mut row| Ok(StoredFeedKey { id: StatusFeedKeyId::from_stored(&row.text()?), sealed_private_key: row.text()? }))
            .transpose()
    }
}
