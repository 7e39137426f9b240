//! Credentials of clients.

use std::sync::Arc;

use countersign_protocol::jose::RegisteredKeys;
use countersign_protocol::{ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, Tx};
use crate::clients::{Credential, CredentialKind, JwksUri, SecretHash};
use crate::ids::{CredentialId, HashKeyId};

statements! {
    INSERT = "INSERT INTO credentials (id, client_id, kind, label, hash_key_id, secret_hash, jwks, jwks_uri, \
              not_before, expires_at, rotated_at, revoked_at, created_at, created_by) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    OWNER = "SELECT client_id FROM credentials WHERE id = $1";
    OF_CLIENT = "SELECT id, kind, label, hash_key_id, secret_hash, jwks, jwks_uri, not_before, expires_at, rotated_at, revoked_at, \
                 created_at, created_by FROM credentials WHERE client_id = $1 ORDER BY id";
    BY_HASH = "SELECT client_id, id FROM credentials WHERE secret_hash = $2 AND hash_key_id = $1";
    FIND = "SELECT id, kind, label, hash_key_id, secret_hash, jwks, jwks_uri, not_before, expires_at, rotated_at, revoked_at, \
            created_at, created_by FROM credentials WHERE client_id = $1 AND id = $2";
    COUNT = "SELECT COUNT(*) FROM credentials WHERE client_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    UPDATE = "UPDATE credentials SET label = $3, not_before = $4, expires_at = $5 \
              WHERE id = $1 AND client_id = $2 AND revoked_at IS NULL RETURNING id";
    REVOKE = "UPDATE credentials SET revoked_at = $3 WHERE id = $1 AND client_id = $2 AND revoked_at IS NULL RETURNING id";
    ROTATE = "UPDATE credentials SET rotated_at = $3, \
              expires_at = CASE WHEN expires_at IS NULL OR expires_at > $4 THEN $4 ELSE expires_at END \
              WHERE id = $1 AND client_id = $2 AND kind = 'secret' AND rotated_at IS NULL AND revoked_at IS NULL \
              AND (expires_at IS NULL OR expires_at > $3) RETURNING expires_at";
}

impl Tx {
    pub(crate) async fn insert_credential(&mut self, client: &ClientId, new: &Credential) -> Result<(), StoreError> {
        let (hash_key_id, hash, jwks, jwks_uri) = match &new.kind {
            CredentialKind::JwksUri(uri) => (None, None, None, Some(uri.as_str())),
            CredentialKind::Keys(keys) => (None, None, Some(keys.document()), None),
            CredentialKind::Secret { hash_key_id, hash } => (Some(hash_key_id.as_str()), Some(hash.to_stored()), None, None),
        };
        let values = [
            new.id.as_str().into(),
            client.as_str().into(),
            new.kind.name().into(),
            new.label.as_str().into(),
            hash_key_id.into(),
            hash.into(),
            jwks.into(),
            jwks_uri.into(),
            new.not_before.into(),
            new.expires_at.into(),
            new.rotated_at.into(),
            new.revoked_at.into(),
            new.created_at.into(),
            new.created_by.as_deref().into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// How many credentials of the client are neither revoked nor expired.
    pub(crate) async fn count_credentials(&mut self, client: &ClientId, at: Timestamp) -> Result<i64, StoreError> {
        self.query_optional(&COUNT, &[client.as_str().into(), at.into()]).await?.map_or(Ok(0), |mut row| row.integer())
    }

    /// Whether the client has this credential and it is not revoked; its label and its
    /// times are those of `changed` now.
    pub(crate) async fn update_credential(&mut self, client: &ClientId, changed: &Credential) -> Result<bool, StoreError> {
        let values = [
            changed.id.as_str().into(),
            client.as_str().into(),
            changed.label.as_str().into(),
            changed.not_before.into(),
            changed.expires_at.into(),
        ];
        Ok(self.query_optional(&UPDATE, &values).await?.is_some())
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

    /// Ends a secret at `deadline` unless it ends before, and returns when. `None`: it
    /// was not there to be rotated, or was rotated before.
    pub(crate) async fn rotate_credential(
        &mut self,
        client: &ClientId,
        id: &CredentialId,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let values = [id.as_str().into(), client.as_str().into(), at.into(), deadline.into()];
        self.query_optional(&ROTATE, &values).await?.map(|mut row| row.time()).transpose()
    }
}

impl Session {
    /// The client and the credential of a secret.
    pub(crate) async fn find_credential_by_hash(
        &mut self,
        hash_key: &HashKeyId,
        hash: &SecretHash,
    ) -> Result<Option<(ClientId, CredentialId)>, StoreError> {
        let Some(mut row) = self.query_optional(&BY_HASH, &[hash_key.as_str().into(), hash.to_stored().into()]).await? else {
            return Ok(None);
        };
        let client = row.text()?;
        let client_id = ClientId::try_from(client.as_str()).map_err(|_| corrupt("credentials", "client_id", &client))?;
        Ok(Some((client_id, CredentialId::from_stored(&row.text()?))))
    }

    pub(super) async fn credentials_of(&mut self, client: &ClientId) -> Result<Vec<Credential>, StoreError> {
        self.query(&OF_CLIENT, &[client.as_str().into()]).await?.into_iter().map(read).collect()
    }

    /// The client that a credential belongs to.
    pub(crate) async fn owner_of_credential(&mut self, id: &CredentialId) -> Result<Option<ClientId>, StoreError> {
        let Some(mut row) = self.query_optional(&OWNER, &[id.as_str().into()]).await? else { return Ok(None) };
        let owner = row.text()?;
        ClientId::try_from(owner.as_str()).map(Some).map_err(|_| corrupt("credentials", "client_id", id.as_str()))
    }

    pub(crate) async fn find_credential(&mut self, client: &ClientId, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
        self.query_optional(&FIND, &[client.as_str().into(), id.as_str().into()]).await?.map(read).transpose()
    }
}

fn read(mut row: Row) -> Result<Credential, StoreError> {
    let id = row.text()?;
    let bad = |column| corrupt("credentials", column, &id);
    let (kind, label) = (row.text()?, row.text()?);
    let (hash_key_id, hash) = (row.optional_text()?, row.optional_text()?);
    let (jwks, jwks_uri) = (row.optional_text()?, row.optional_text()?);
    let kind = match kind.as_str() {
        "secret" => CredentialKind::Secret {
            hash_key_id: hash_key_id.map(|id| HashKeyId::from_stored(&id)).ok_or_else(|| bad("hash_key_id"))?,
            hash: hash.and_then(|hash| SecretHash::from_stored(&hash)).ok_or_else(|| bad("secret_hash"))?,
        },
        "jwks" => {
            let keys = jwks.and_then(|jwks| RegisteredKeys::parse(jwks.as_bytes()).ok());
            CredentialKind::Keys(Arc::new(keys.ok_or_else(|| bad("jwks"))?))
        }
        "jwks_uri" => CredentialKind::JwksUri(jwks_uri.map(|uri| JwksUri::from_stored(&uri)).ok_or_else(|| bad("jwks_uri"))?),
        _ => return Err(bad("kind")),
    };
    Ok(Credential {
        label,
        kind,
        not_before: row.optional_time()?,
        expires_at: row.optional_time()?,
        rotated_at: row.optional_time()?,
        revoked_at: row.optional_time()?,
        created_at: row.time()?,
        created_by: row.optional_text()?,
        id: CredentialId::from_stored(&id),
    })
}
