//! Credentials of clients.

use countersign_protocol::{ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::clients::{SecretCredential, SecretHash};
use crate::ids::{CredentialId, HashKeyId};

statements! {
    INSERT = "INSERT INTO credentials (id, client_id, label, hash_key_id, secret_hash, not_before, expires_at, revoked_at, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    OF_CLIENT = "SELECT id, label, hash_key_id, secret_hash, not_before, expires_at, revoked_at FROM credentials WHERE client_id = $1 ORDER BY id";
    REVOKE = "UPDATE credentials SET revoked_at = $3 WHERE id = $1 AND client_id = $2 AND revoked_at IS NULL RETURNING id";
}

impl Tx {
    pub(crate) async fn insert_credential(
        &mut self,
        client: &ClientId,
        new: &SecretCredential,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let values = [
            new.id.as_str().into(),
            client.as_str().into(),
            new.label.as_str().into(),
            new.hash_key_id.as_str().into(),
            new.hash.to_stored().into(),
            new.not_before.into(),
            new.expires_at.into(),
            new.revoked_at.into(),
            at.into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Whether the client had this credential and it was not revoked.
    pub(crate) async fn revoke_credential(
        &mut self,
        client: &ClientId,
        id: &CredentialId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.query_optional(&REVOKE, &[id.as_str().into(), client.as_str().into(), at.into()]).await?.is_some())
    }
}

impl Session {
    pub(super) async fn credentials_of(&mut self, client: &ClientId) -> Result<Vec<SecretCredential>, StoreError> {
        let rows = self.query(&OF_CLIENT, &[client.as_str().into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let id = row.text()?;
                Ok(SecretCredential {
                    label: row.text()?,
                    hash_key_id: HashKeyId::from_stored(&row.text()?),
                    hash: SecretHash::from_stored(&row.text()?).ok_or_else(|| corrupt("credentials", "secret_hash", &id))?,
                    not_before: row.optional_time()?,
                    expires_at: row.optional_time()?,
                    revoked_at: row.optional_time()?,
                    id: CredentialId::from_stored(&id),
                })
            })
            .collect()
    }
}
