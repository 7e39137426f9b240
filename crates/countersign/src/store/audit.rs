//! The audit log.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::value::Row;
use super::{Session, StoreError, idempotency};
use crate::audit::{AuditEvent, ChainHash, RecordedEvent};
use crate::ids::AuditEventId;

statements! {
    // Locks the head until commit: events are in commit order, without gaps.
    TAKE_PLACE = "UPDATE audit_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash";
    SET_HEAD = "UPDATE audit_head SET hash = $1 WHERE id = 1";
    HEAD = "SELECT seq, hash FROM audit_head WHERE id = 1";
    INSERT = "INSERT INTO audit_events (seq, id, occurred_at, actor_kind, actor_id, request_id, source_address, action, object_kind, \
              object_id, organization_id, details, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    AFTER = "SELECT seq, id, occurred_at, actor_kind, actor_id, request_id, source_address, action, object_kind, object_id, \
             organization_id, details, hash FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2";
    AFTER_IN_ORGANIZATION = "SELECT seq, id, occurred_at, actor_kind, actor_id, request_id, source_address, action, object_kind, \
                             object_id, organization_id, details, hash FROM audit_events \
                             WHERE seq > $1 AND organization_id = $3 ORDER BY seq LIMIT $2";
}

/// Gives the events of a transaction their places in the chain. Its request is
/// remembered with the first of them: it is one request, whatever came of it.
pub(super) async fn append_all(session: &mut Session, events: Vec<(AuditEvent, Timestamp)>) -> Result<(), StoreError> {
    let first = events.iter().find_map(|(event, at)| Some((event.repeatable.as_ref()?, &event.object_id, *at)));
    if let Some((repeatable, object_id, at)) = first {
        idempotency::remember(session, repeatable, object_id, at).await?;
    }
    for (event, at) in events {
        append(session, event, at).await?;
    }
    Ok(())
}

async fn append(session: &mut Session, event: AuditEvent, at: Timestamp) -> Result<(), StoreError> {
    let mut head = session.query_optional(&TAKE_PLACE, &[]).await?.ok_or_else(|| StoreError::internal("audit_head is empty"))?;
    let (seq, previous) = (head.integer()?, ChainHash::from_stored(&head.text()?));
    let mut recorded = RecordedEvent {
        seq,
        id: AuditEventId::in_chain(at, seq, previous.as_str()),
        occurred_at: at,
        actor_kind: event.actor_kind.to_owned(),
        actor_id: event.actor_id,
        request_id: event.request_id,
        source_address: event.source_address,
        action: event.action.to_owned(),
        object_kind: event.object_kind.to_owned(),
        object_id: event.object_id,
        organization_id: event.organization_id,
        details: serde_json::Value::Object(event.details).to_string(),
        hash: ChainHash::default(),
    };
    recorded.hash = ChainHash::after(&previous, &recorded);
    insert(session, &recorded).await?;
    session.query(&SET_HEAD, &[recorded.hash.as_str().into()]).await.map(drop)
}

async fn insert(session: &mut Session, event: &RecordedEvent) -> Result<(), StoreError> {
    let values = [
        event.seq.into(),
        event.id.as_str().into(),
        event.occurred_at.into(),
        event.actor_kind.as_str().into(),
        event.actor_id.as_deref().into(),
        event.request_id.as_deref().into(),
        event.source_address.as_deref().into(),
        event.action.as_str().into(),
        event.object_kind.as_str().into(),
        event.object_id.as_str().into(),
        event.organization_id.as_deref().into(),
        event.details.as_str().into(),
        event.hash.as_str().into(),
    ];
    session.query(&INSERT, &values).await.map(drop)
}

impl Session {
    /// How many events there are, and the hash of the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_head(&mut self) -> Result<(i64, ChainHash), StoreError> {
        let row = self.query_optional(&HEAD, &[]).await?;
        let mut row = row.ok_or_else(|| StoreError::internal("audit_head is empty"))?;
        Ok((row.integer()?, ChainHash::from_stored(&row.text()?)))
    }

    /// Up to `limit` events after `seq`, in order; of one organization alone if given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_events_after(
        &mut self,
        seq: i64,
        organization: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        let limit = i64::try_from(limit).map_err(StoreError::internal)?;
        let rows = match organization {
            None => self.query(&AFTER, &[seq.into(), limit.into()]).await?,
            Some(id) => self.query(&AFTER_IN_ORGANIZATION, &[seq.into(), limit.into(), id.into()]).await?,
        };
        rows.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<RecordedEvent, StoreError> {
    Ok(RecordedEvent {
        seq: row.integer()?,
        id: AuditEventId::from_stored(&row.text()?),
        occurred_at: row.time()?,
        actor_kind: row.text()?,
        actor_id: row.optional_text()?,
        request_id: row.optional_text()?,
        source_address: row.optional_text()?,
        action: row.text()?,
        object_kind: row.text()?,
        object_id: row.text()?,
        organization_id: row.optional_text()?,
        details: row.text()?,
        hash: ChainHash::from_stored(&row.text()?),
    })
}
