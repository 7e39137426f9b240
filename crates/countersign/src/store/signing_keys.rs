//! Signing keys.

use countersign_protocol::Timestamp;
use countersign_protocol::jose::Algorithm;

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::ids::{AuthorizationServerId, SigningKeyId};
use crate::instance::HeldMasterKey;
use crate::signing_keys::{SigningKeyState, StoredSigningKey};

statements! {
    INSERT = "INSERT INTO signing_keys (id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at, \
              retired_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    UNRETIRED_ROWS = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at, retired_at \
                      FROM signing_keys WHERE state <> 'retired' ORDER BY authorization_server_id, id";
    ALL_ROWS = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at, retired_at \
                FROM signing_keys ORDER BY authorization_server_id, id";
    ROWS_OF_SERVER = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at, retired_at \
                      FROM signing_keys WHERE authorization_server_id = $1 ORDER BY id";
    ROW = "SELECT id, authorization_server_id, alg, state, sealed_private_key, published_at, activated_at, retiring_at, retired_at \
           FROM signing_keys WHERE id = $1";
    ACTIVATE = "UPDATE signing_keys SET state = 'active', activated_at = $2 WHERE id = $1 AND state = 'published' RETURNING id";
    STOP = "UPDATE signing_keys SET state = 'retiring', retiring_at = $2 WHERE id = $1 AND state = 'active' RETURNING id";
    // What is not published signs nothing that anyone accepts: the private key goes.
    RETIRE = "UPDATE signing_keys SET state = 'retired', retired_at = $2, sealed_private_key = '' \
              WHERE id = $1 AND state = $3 AND state <> 'retired' RETURNING id";
    // Changes nothing: the row is ours until the commit.
    HOLD_ACTIVE = "UPDATE signing_keys SET state = 'active' WHERE authorization_server_id = $1 AND alg = $2 AND state = 'active' RETURNING id";
    USERS_OF_ALGORITHM = "SELECT 'the authorization server ' || id FROM authorization_servers WHERE id = $1 AND signing_alg = $2 \
                          UNION ALL SELECT audience FROM resource_servers WHERE authorization_server_id = $1 AND signing_alg = $2";
}

impl Tx {
    /// Stores a new key, while the master key that sealed it is held.
    pub(crate) async fn insert_signing_key(&mut self, _held: &HeldMasterKey, key: &StoredSigningKey) -> Result<(), StoreError> {
        let values = [
            key.id.as_str().into(),
            key.authorization_server_id.as_str().into(),
            key.algorithm.as_str().into(),
            key.state.as_str().into(),
            key.sealed_private_key.as_str().into(),
            key.published_at.into(),
            key.activated_at.into(),
            key.retiring_at.into(),
            key.retired_at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether the key was active: it does not sign any more.
    pub(crate) async fn stop_signing_key(&mut self, id: &SigningKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&STOP, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the key was published and not active.
    pub(crate) async fn activate_signing_key(&mut self, id: &SigningKeyId, at: Timestamp) -> Result<bool, StoreError> {
        Ok(self.query_optional(&ACTIVATE, &[id.as_str().into(), at.into()]).await?.is_some())
    }

    /// Whether the key was in this state: it is retired, and its private half gone.
    pub(crate) async fn retire_signing_key(
        &mut self,
        id: &SigningKeyId,
        from: SigningKeyState,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.query_optional(&RETIRE, &[id.as_str().into(), at.into(), from.as_str().into()]).await?.is_some())
    }

    /// The active key of an algorithm, which stays so until the commit.
    pub(crate) async fn hold_active_signing_key(
        &mut self,
        server: &AuthorizationServerId,
        algorithm: Algorithm,
    ) -> Result<Option<SigningKeyId>, StoreError> {
        let held = self.query_optional(&HOLD_ACTIVE, &[server.as_str().into(), algorithm.as_str().into()]).await?;
        held.map(|mut row| Ok(SigningKeyId::from_stored(&row.text()?))).transpose()
    }

    /// What is configured to sign with an algorithm, in words.
    pub(crate) async fn users_of_algorithm(
        &mut self,
        server: &AuthorizationServerId,
        algorithm: Algorithm,
    ) -> Result<Vec<String>, StoreError> {
        let rows = self.query(&USERS_OF_ALGORITHM, &[server.as_str().into(), algorithm.as_str().into()]).await?;
        rows.into_iter().map(|mut row| row.text()).collect()
    }
}

impl Session {
    /// Every key that is not retired.
    pub(crate) async fn signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.query(&UNRETIRED_ROWS, &[]).await?.into_iter().map(read).collect()
    }

    /// Every key, the retired ones among them.
    pub(crate) async fn all_signing_keys(&mut self) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.query(&ALL_ROWS, &[]).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn signing_keys_of(&mut self, server: &AuthorizationServerId) -> Result<Vec<StoredSigningKey>, StoreError> {
        self.query(&ROWS_OF_SERVER, &[server.as_str().into()]).await?.into_iter().map(read).collect()
    }

    pub(crate) async fn signing_key(&mut self, id: &SigningKeyId) -> Result<Option<StoredSigningKey>, StoreError> {
        self.query_optional(&ROW, &[id.as_str().into()]).await?.map(read).transpose()
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
        retired_at: row.optional_time()?,
    })
}
