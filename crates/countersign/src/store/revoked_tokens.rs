//! Single revoked tokens.

use countersign_protocol::status::RevokedTokenId;
use countersign_protocol::{ClientId, Timestamp};

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::AuthorizationServerId;
use crate::revocation::RevokedToken;

statements! {
    INSERT = "INSERT INTO revoked_tokens (authorization_server_id, jti, client_id, expires_at, revoked_at, list_id) \
              VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (authorization_server_id, jti) DO NOTHING RETURNING jti";
    LIVE_AFTER = "SELECT authorization_server_id, jti, expires_at FROM revoked_tokens \
                  WHERE (authorization_server_id, jti) > ($1, $2) AND expires_at > $3 ORDER BY authorization_server_id, jti LIMIT $4";
    WITHOUT_LIST = "SELECT jti, expires_at FROM revoked_tokens \
                    WHERE authorization_server_id = $1 AND list_id IS NULL AND jti > $2 AND expires_at > $3 ORDER BY jti LIMIT $4";
    DELETE_EXPIRED = "DELETE FROM revoked_tokens WHERE (authorization_server_id, jti) IN \
                      (SELECT authorization_server_id, jti FROM revoked_tokens WHERE expires_at <= $1 LIMIT $2) RETURNING jti";
}

impl Tx {
    /// Whether the token was not revoked before.
    pub(crate) async fn insert_revoked_token(
        &mut self,
        token: &RevokedToken,
        client: &ClientId,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = [
            token.server.as_str().into(),
            token.token_id.as_str().into(),
            client.as_str().into(),
            token.expires_at.into(),
            at.into(),
            token.place().map(|(list_id, _)| list_id).into(),
        ];
        Ok(self.query_optional(&INSERT, &values).await?.is_some())
    }

    /// Deletes up to `limit` tokens that had expired at `time`; how many there were.
    pub(crate) async fn delete_revoked_tokens(&mut self, time: Timestamp, limit: i64) -> Result<usize, StoreError> {
        Ok(self.query(&DELETE_EXPIRED, &[time.into(), limit.into()]).await?.len())
    }
}

impl Session {
    /// Up to `limit` tokens of an authorization server that have no place in a status list
    /// and have not expired at `now`, after the one with this `jti`.
    pub(crate) async fn revoked_tokens_without_list(
        &mut self,
        server: &AuthorizationServerId,
        after: &str,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<RevokedTokenId>, StoreError> {
        let rows = self.query(&WITHOUT_LIST, &[server.as_str().into(), after.into(), now.into(), limit.into()]).await?;
        rows.into_iter().map(|mut row| Ok(RevokedTokenId { token_id: row.text()?, expires_at: row.time()? })).collect()
    }

    /// Up to `limit` tokens that have not expired at `now`, after the one with this
    /// authorization server and `jti`.
    pub(crate) async fn revoked_tokens_after(
        &mut self,
        server: &str,
        token_id: &str,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<RevokedToken>, StoreError> {
        let rows = self.query(&LIVE_AFTER, &[server.into(), token_id.into(), now.into(), limit.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(RevokedToken {
                    server: AuthorizationServerId::from_stored(&row.text()?),
                    token_id: row.text()?,
                    expires_at: row.time()?,
                })
            })
            .collect()
    }
}
