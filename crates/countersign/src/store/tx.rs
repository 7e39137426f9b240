//! A transaction: statements, the audit event that says who caused them, and the
//! change-feed entries they cause.

use std::ops::{Deref, DerefMut};

use countersign_protocol::Timestamp;

use super::changes::{self, ChangeKind};
use super::{Session, StoreError, audit};
use crate::audit::AuditEvent;

/// A running transaction. What it changes, what it records in the audit log and in
/// the change feed commit together or not at all.
pub struct Tx {
    session: Session,
    recorded: Vec<(ChangeKind, String, Timestamp)>,
    events: Vec<(AuditEvent, Timestamp)>,
}

/// The result of a committed transaction.
#[derive(Debug)]
pub struct Committed<T> {
    /// What the closure returned.
    pub value: T,
    /// What it recorded in the change feed.
    pub changes: Vec<(ChangeKind, String)>,
}

impl Tx {
    pub(super) const fn new(session: Session) -> Self {
        Self { session, recorded: Vec::new(), events: Vec::new() }
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    /// Records that an object changed, for every node's caches.
    pub fn record_change(&mut self, kind: ChangeKind, object_id: &str, at: Timestamp) {
        self.recorded.push((kind, object_id.to_owned(), at));
    }

    /// Records who did what, for the audit log.
    pub fn record_event(&mut self, event: AuditEvent, at: Timestamp) {
        self.events.push((event, at));
    }

    pub(super) fn forget_changes(&mut self) {
        self.recorded.clear();
        self.events.clear();
    }

    /// Writes the recorded events and changes. Taking a sequence number locks the
    /// head of the log, then of the feed, until commit, so numbers are gap-free and
    /// in commit order; that is why this comes last.
    pub(super) async fn write_changes(&mut self) -> Result<Vec<(ChangeKind, String)>, StoreError> {
        audit::append_all(&mut self.session, std::mem::take(&mut self.events)).await?;
        let recorded = std::mem::take(&mut self.recorded);
        if !recorded.is_empty() {
            changes::append(&mut self.session, &recorded).await?;
        }
        Ok(recorded.into_iter().map(|(kind, object_id, _)| (kind, object_id)).collect())
    }
}

impl Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
