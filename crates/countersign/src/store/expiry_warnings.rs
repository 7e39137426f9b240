//! Which credentials end soon, and who was warned of it.

use countersign_protocol::{ClientId, Timestamp};

use super::authorization_servers::corrupt;
use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::CredentialId;

statements! {
    EXPIRING = "SELECT id, client_id, kind, expires_at FROM credentials \
                WHERE revoked_at IS NULL AND rotated_at IS NULL AND expires_at > $1 AND expires_at <= $2 AND id > $3 \
                ORDER BY id LIMIT $4";
    WARN = "INSERT INTO credential_expiry_warnings (credential_id, expires_at, threshold_seconds, warned_at) \
            SELECT id, expires_at, CAST($3 AS BIGINT), CAST($4 AS BIGINT) FROM credentials \
            WHERE id = $1 AND expires_at = $2 AND revoked_at IS NULL AND rotated_at IS NULL \
            ON CONFLICT DO NOTHING RETURNING credential_id";
}

/// A credential that ends soon and has no successor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringCredential {
    /// The credential.
    pub id: CredentialId,
    /// Whose it is.
    pub client_id: ClientId,
    /// Whether it is a secret; a key otherwise.
    pub is_secret: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Session {
    /// Up to `limit` credentials that end after `now` and not after `until`, in the
    /// order of their ids from the one after `after` on.
    pub(crate) async fn expiring_credentials(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ExpiringCredential>, StoreError> {
        let rows = self.query(&EXPIRING, &[now.into(), until.into(), after.into(), limit.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (id, client_id, kind) = (row.text()?, row.text()?, row.text()?);
                Ok(ExpiringCredential {
                    client_id: ClientId::try_from(client_id.as_str()).map_err(|_| corrupt("credentials", "client_id", &id))?,
                    is_secret: kind == "secret",
                    expires_at: row.time()?,
                    id: CredentialId::from_stored(&id),
                })
            })
            .collect()
    }
}

impl Tx {
    /// Whether the warning is due: nobody gave it, and the credential still ends then.
    pub(crate) async fn warn_of_expiry(
        &mut self,
        expiring: &ExpiringCredential,
        threshold_seconds: i64,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = [expiring.id.as_str().into(), expiring.expires_at.into(), threshold_seconds.into(), at.into()];
        Ok(self.query_optional(&WARN, &values).await?.is_some())
    }
}
