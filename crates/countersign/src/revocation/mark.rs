//! Setting a mark.

use countersign_protocol::Timestamp;

use super::{MarkName, Marked, StoredMark};
use crate::ssf::{self, SsfEvent};
use crate::store::{ChangeKind, StoreError, Tx};

/// Revokes every token that `marked` names and that was issued before the next
/// whole second, on every node, once the transaction commits. Returns the mark that
/// stands: marks only move forward, so a later one stays.
///
/// `now` is best read inside the transaction: tokens issued after it, before the
/// commit, live on if a second ends between the two.
///
/// # Errors
/// [`StoreError`].
pub async fn mark(tx: &mut Tx, marked: &Marked, now: Timestamp) -> Result<Timestamp, StoreError> {
    let not_before = tx.upsert_revocation_mark(marked, next_second(now)).await?;
    let mark = StoredMark { name: MarkName::from(marked), not_before };
    ssf::note(tx, &SsfEvent::of_mark(marked, now)).await?;
    tx.record_change(ChangeKind::RevocationMark, &mark.to_string(), now);
    Ok(not_before)
}

/// Later than every `iat` that was written until `now`.
fn next_second(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds(now.as_seconds().saturating_add(1))
}
