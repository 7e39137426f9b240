//! The keys under which machine-made secrets are hashed.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::HashKeyId;

statements! {
    INSERT = "INSERT INTO hash_keys (id, sealed_key, created_at) VALUES ($1, $2, $3)";
    ALL_ROWS = "SELECT id, sealed_key FROM hash_keys ORDER BY created_at, id";
}

impl Tx {
    pub(crate) async fn insert_hash_key(&mut self, id: &HashKeyId, sealed: &str, at: Timestamp) -> Result<(), StoreError> {
        self.query(&INSERT, &[id.as_str().into(), sealed.into(), at.into()]).await.map(drop)
    }
}

impl Session {
    /// Every hash key, sealed, oldest first.
    pub(crate) async fn hash_keys(&mut self) -> Result<Vec<(HashKeyId, String)>, StoreError> {
        let rows = self.query(&ALL_ROWS, &[]).await?;
        rows.into_iter().map(|mut row| Ok((HashKeyId::from_stored(&row.text()?), row.text()?))).collect()
    }
}
