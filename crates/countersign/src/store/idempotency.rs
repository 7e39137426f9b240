//! Requests that were carried out under an idempotency key.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::audit::Repeatable;

/// How long a key is remembered, in seconds.
const KEPT_SECONDS: i64 = 86_400;

statements! {
    DELETE_OLD = "DELETE FROM idempotency_keys WHERE created_at < $1";
    REMEMBER = "INSERT INTO idempotency_keys (caller_id, idempotency_key, request_hash, object_id, created_at) \
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT (caller_id, idempotency_key) DO NOTHING RETURNING caller_id";
    KEEP_REPLY = "UPDATE idempotency_keys SET reply_status = $4, reply_body = $5, reply_etag = $6, reply_location = $7 \
                  WHERE caller_id = $1 AND idempotency_key = $2 AND request_hash = $3";
    FIND = "SELECT request_hash, object_id, reply_status, reply_body, reply_etag, reply_location FROM idempotency_keys \
            WHERE caller_id = $1 AND idempotency_key = $2 AND created_at >= $3";
}

/// What was answered under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReply {
    /// Of the request that was carried out.
    pub request_hash: String,
    /// What it was carried out on.
    pub object_id: String,
    /// Status and body without secrets; `None` if the process ended before it was kept.
    pub reply: Option<(u16, String)>,
    /// The reply's entity tag.
    pub etag: Option<String>,
    /// The reply's Location.
    pub location: Option<String>,
}

/// Remembers a request, or rolls the transaction back because it was carried out:
/// before, or by a transaction that commits first.
pub(super) async fn remember(
    session: &mut Session,
    repeatable: &Repeatable,
    object_id: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    session.query(&DELETE_OLD, &[at.plus_seconds(-KEPT_SECONDS).into()]).await?;
    let values = [
        repeatable.caller.as_str().into(),
        repeatable.key.as_str().into(),
        repeatable.request_hash.as_str().into(),
        object_id.into(),
        at.into(),
    ];
    session.query_optional(&REMEMBER, &values).await?.map(drop).ok_or(StoreError::Repeated)
}

impl Tx {
    pub(crate) async fn keep_reply(&mut self, repeatable: &Repeatable, kept: &KeptReply) -> Result<(), StoreError> {
        let (status, body) =
            kept.reply.as_ref().map_or((None, None), |(status, body)| (Some(i64::from(*status)), Some(body.as_str())));
        let values = [
            repeatable.caller.as_str().into(),
            repeatable.key.as_str().into(),
            repeatable.request_hash.as_str().into(),
            status.into(),
            body.into(),
            kept.etag.as_deref().into(),
            kept.location.as_deref().into(),
        ];
        self.query(&KEEP_REPLY, &values).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn find_kept_reply(
        &mut self,
        repeatable: &Repeatable,
        now: Timestamp,
    ) -> Result<Option<KeptReply>, StoreError> {
        let since = now.plus_seconds(-KEPT_SECONDS);
        let values = [repeatable.caller.as_str().into(), repeatable.key.as_str().into(), since.into()];
        let Some(mut row) = self.query_optional(&FIND, &values).await? else { return Ok(None) };
        let (request_hash, object_id) = (row.text()?, row.text()?);
        let status = row.optional_integer()?.and_then(|status| u16::try_from(status).ok());
        let reply = status.zip(row.optional_text()?);
        Ok(Some(KeptReply { request_hash, object_id, reply, etag: row.optional_text()?, location: row.optional_text()? }))
    }
}
