//! The keys under which the claims of opaque tokens are sealed.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::TokenKeyId;
use crate::instance::HeldMasterKey;
use crate::token_keys::StoredTokenKey;

statements! {
    INSERT = "INSERT INTO token_keys (id, follows, sealed_key, created_at, seals_from) VALUES ($1, $2, $3, $4, $5)";
    LIVING_ROWS = "SELECT id, follows, sealed_key, created_at, seals_from FROM token_keys WHERE sealed_key <> '' ORDER BY seals_from, id";
    EXISTS = "SELECT id FROM token_keys WHERE id = $1";
    DESTROY = "UPDATE token_keys SET sealed_key = '', destroyed_at = $2 WHERE id = $1 AND sealed_key <> '' RETURNING id";
}

impl Tx {
    /// Stores a new key, while the master key that sealed it is held.
    pub(crate) async fn insert_token_key(&mut self, _held: &HeldMasterKey, key: &StoredTokenKey) -> Result<(), StoreError> {
        let values = [
            key.id.as_str().into(),
            key.follows.as_str().into(),
            key.sealed_key.as_str().into(),
            key.created_at.into(),
            key.seals_from.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether the key was there until now.
    pub(crate) async fn destroy_token_key(&mut self, id: &TokenKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&DESTROY, &[id.as_str().into(), at.into()]).await?.is_some())
    }
}

impl Session {
    /// Every key that is not destroyed, sealed, oldest first.
    pub(crate) async fn token_keys(&mut self) -> Result<Vec<StoredTokenKey>, StoreError> {
        let rows = self.query(&LIVING_ROWS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(StoredTokenKey {
                    id: TokenKeyId::from_stored(&row.text()?),
                    follows: row.text()?,
                    sealed_key: row.text()?,
                    created_at: row.time()?,
                    seals_from: row.time()?,
                })
            })
            .collect()
    }

    /// Whether there is, or was, such a key.
    pub(crate) async fn has_token_key(&mut self, id: &TokenKeyId) -> Result<bool, StoreError> {
        Ok(self.query_optional(&EXISTS, &[id.as_str().into()]).await?.is_some())
    }
}
