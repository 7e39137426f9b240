//! Secrets of API keys.

use countersign_protocol::Timestamp;

use super::authorization_servers::corrupt;
use super::many::many_rows;
use super::statement::statements;
use super::value::{Row, Value};
use super::{Session, StoreError, Tx};
use crate::api_keys::{ApiKeyHash, ApiKeySecret, Use};
use crate::clients::SecretHash;
use crate::ids::{ApiKeyId, HashKeyId};

/// The scheme of the hashes that we make.
const KEYED: &str = "hmac";

pub(super) const INSERT_INTO: &str = "INSERT INTO api_key_secrets (id, key_id, start, scheme, hash_key_id, hash, lookup, expires_at, \
                                      rotated_at, created_at) VALUES ";
pub(super) const COLUMNS: usize = 10;

statements! {
    INSERT = many_rows!(INSERT_INTO, COLUMNS, 1, "");
    OF_KEY = "SELECT id, start, scheme, hash_key_id, hash, lookup, expires_at, rotated_at, created_at, used_at, source_address \
              FROM api_key_secrets LEFT JOIN api_key_uses ON secret_id = id WHERE key_id = $1 ORDER BY created_at, id";
    RECORD_USE = "INSERT INTO api_key_uses (secret_id, used_at, source_address) \
                  SELECT id, CAST($2 AS BIGINT), $3 FROM api_key_secrets WHERE id = $1 \
                  ON CONFLICT (secret_id) DO UPDATE SET used_at = excluded.used_at, source_address = excluded.source_address \
                  WHERE api_key_uses.used_at < excluded.used_at";
    // The client's row is locked: its keys do not change meanwhile.
    END = "UPDATE api_key_secrets SET rotated_at = COALESCE(rotated_at, $2), expires_at = $3 \
           WHERE key_id = $1 AND (expires_at IS NULL OR expires_at > $3)";
}

impl Tx {
    pub(crate) async fn insert_api_key_secret(&mut self, key: &ApiKeyId, new: &ApiKeySecret) -> Result<(), StoreError> {
        self.query(&INSERT, &values(key, new)).await.map(drop)
    }

    /// Ends the secrets of a key at `deadline` at the latest.
    pub(crate) async fn end_api_key_secrets(
        &mut self,
        key: &ApiKeyId,
        at: Timestamp,
        deadline: Timestamp,
    ) -> Result<(), StoreError> {
        self.query(&END, &[key.as_str().into(), at.into(), deadline.into()]).await.map(drop)
    }
}

impl Tx {
    /// Records a use unless a later one is known. A secret that is gone has none.
    pub(crate) async fn record_api_key_use(&mut self, secret_id: &str, used: &Use) -> Result<(), StoreError> {
        let values = [secret_id.into(), used.used_at.into(), used.source.map(|address| address.to_string()).into()];
        self.query(&RECORD_USE, &values).await.map(drop)
    }
}

impl Session {
    pub(super) async fn api_key_secrets_of(&mut self, key: &ApiKeyId) -> Result<Vec<ApiKeySecret>, StoreError> {
        self.query(&OF_KEY, &[key.as_str().into()]).await?.into_iter().map(read).collect()
    }
}

/// The values of [`INSERT_INTO`].
pub(super) fn values(key: &ApiKeyId, new: &ApiKeySecret) -> [Value; COLUMNS] {
    let (scheme, hash_key_id, hash) = match &new.hash {
        ApiKeyHash::Keyed { hash_key_id, hash } => (KEYED, Some(hash_key_id.as_str()), hash.to_stored()),
        ApiKeyHash::Imported { scheme, hash } => (scheme.as_str(), None, hash.clone()),
    };
    [
        new.id.as_str().into(),
        key.as_str().into(),
        new.start.as_str().into(),
        scheme.into(),
        hash_key_id.into(),
        hash.into(),
        new.lookup.as_str().into(),
        new.expires_at.into(),
        new.rotated_at.into(),
        new.created_at.into(),
    ]
}

fn read(mut row: Row) -> Result<ApiKeySecret, StoreError> {
    let id = row.text()?;
    let bad = |column| corrupt("api_key_secrets", column, &id);
    let start = row.text()?;
    let (scheme, hash_key_id, hash) = (row.text()?, row.optional_text()?, row.text()?);
    let hash = if scheme == KEYED {
        ApiKeyHash::Keyed {
            hash_key_id: hash_key_id.map(|id| HashKeyId::from_stored(&id)).ok_or_else(|| bad("hash_key_id"))?,
            hash: SecretHash::from_stored(&hash).ok_or_else(|| bad("hash"))?,
        }
    } else {
        ApiKeyHash::Imported { scheme, hash }
    };
    Ok(ApiKeySecret {
        start,
        hash,
        lookup: row.text()?,
        expires_at: row.optional_time()?,
        rotated_at: row.optional_time()?,
        created_at: row.time()?,
        last_use: last_use(&mut row)?,
        id,
    })
}

fn last_use(row: &mut Row) -> Result<Option<Use>, StoreError> {
    let (used_at, source) = (row.optional_time()?, row.optional_text()?);
    Ok(used_at.map(|used_at| Use { used_at, source: source.and_then(|address| address.parse().ok()) }))
}
