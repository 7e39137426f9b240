//! Signing keys.

use countersign_protocol::Timestamp;
use countersign_protocol::jose::Algorithm;

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::signing_keys::{SigningKeyState, StoredSigningKey};

statements! {
    INSERT = "INSERT INTO signing_keys (id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ALL_ROWS = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at \
                FROM signing_keys ORDER BY authorization_server_id, id";
    ROWS_OF_SERVER = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at \
                      FROM signing_keys WHERE authorization_server_id = $1 ORDER BY id";
    RETIRE = "UPDATE signing_keys SET state = 'retiring', retiring_at = $2 WHERE id = $1 AND state = 'active' RETURNING id";
    ACTIVATE = "UPDATE signing_keys SET state = 'active', activated_at = $2 WHERE id = $1 AND state = 'published' RETURNING id";
}

impl Tx {
    pub(crate) async fn insert_signing_key(&mut self, key: &StoredSigningKey) -> Result<(), StoreError> {
        let values = [
            key.id.as_str().into(),
            key.authorization_server_id.as_str().into(),
            key.algorithm.as_str().into(),
            key.state.as_str().into(),
            key.sealed_private_key.as_str().into(),
            key.published_at.into(),
            key.activated_at.into(),
            key.retiring_at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether the key was active.
    pub(crate) async fn retire_signing_key(&mut self, id: &SigningKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&RETIRE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the key was published and not active.
    pub(crate) async fn activate_signing_key(&mut self, id: &SigningKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ACTIVATE, &[id.as_str().into(), at.into()]).await?.is_some())
    }
}

impl Session {
    pub(crate) async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.query(&ALL_ROWS, &[]).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn signing_keys_of(&mut self, server: &AuthorizationServerId) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.query(&ROWS_OF_SERVER, &[server.as_str().into()]).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<StoredSigningKey, StoreError> {
    let id = row.text()?;
    let bad = |column| corrupt("signing_keys", column, &id);
    Ok(StoredSigningKey {
        id: SigningKeyId::from_stored(&id),
        authorization_server_id: AuthorizationServerId::from_stored(&row.text()?),
        algorithm: Algorithm::from_name(&row.text()?).ok_or_else(|| bad("alg"))?,
        state: SigningKeyState::from_name(&row.text()?).ok_or_else(|| bad("state"))?,
        sealed_private_key: row.text()?,
        published_at: row.time()?,
        activated_at: row.optional_time()?,
        retiring_at: row.optional_time()?,
    })
}
