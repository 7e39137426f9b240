//! Ids of JWTs that count once.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{StoreError, Tx};

/// Most rows that one statement deletes: others wait for it.
const BATCH: i64 = 1_000;

statements! {
    USE = "INSERT INTO used_jtis (purpose, owner_id, jti_hash, useless_at) VALUES ($1, $2, $3, $4) \
           ON CONFLICT DO NOTHING RETURNING jti_hash";
    DELETE = "DELETE FROM used_jtis WHERE (purpose, owner_id, jti_hash) IN \
              (SELECT purpose, owner_id, jti_hash FROM used_jtis WHERE useless_at < $1 LIMIT $2) RETURNING jti_hash";
}

impl Tx {
    /// Whether this is the first use of the id. `purpose` keeps one kind of one-time
    /// value apart from every other.
    pub(crate) async fn use_jti(
        &mut self,
        purpose: &'static str,
        owner_id: &str,
        jti_hash: &str,
        useless_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = [purpose.into(), owner_id.into(), jti_hash.into(), useless_at.into()];
        Ok(self.query_optional(&USE, &values).await?.is_some())
    }

    /// Deletes some of what nobody could use before `before` anyway. Whether there may be more.
    pub(crate) async fn delete_used_jtis(&mut self, before: Timestamp) -> Result<bool, StoreError> {
        let deleted = self.query(&DELETE, &[before.into(), BATCH.into()]).await?.len();
        Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted == BATCH))
    }
}
