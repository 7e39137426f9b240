//! Revocation marks.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::revocation::{MarkName, Marked, StoredMark};

statements! {
    UPSERT = "INSERT INTO revocation_marks (kind, authorization_server_id, value, not_before) VALUES ($1, $2, $3, $4) \
              ON CONFLICT (kind, authorization_server_id, value) DO UPDATE SET not_before = \
              CASE WHEN excluded.not_before > revocation_marks.not_before THEN excluded.not_before ELSE revocation_marks.not_before END \
              RETURNING not_before";
    DELETE_BEFORE = "DELETE FROM revocation_marks WHERE not_before < $1";
    ALL_ROWS = "SELECT kind, authorization_server_id, value, not_before FROM revocation_marks";
}

impl Tx {
    /// Moves a mark forward to `not_before`, never back, and returns where it stands.
    pub(crate) async fn upsert_revocation_mark(&mut self, marked: &Marked, not_before: Timestamp) -> Result<Timestamp, StoreError> {
        let values = [marked.kind().into(), marked.authorization_server().into(), marked.value().into(), not_before.into()];
        let row = self.query_optional(&UPSERT, &values).await?;
        row.ok_or_else(|| StoreError::internal("an upsert returned no row"))?.time()
    }

    /// Deletes the marks before `time`.
    pub(crate) async fn delete_revocation_marks(&mut self, time: Timestamp) -> Result<(), StoreError> {
        self.query(&DELETE_BEFORE, &[time.into()]).await.map(drop)
    }
}

impl Session {
    pub(crate) async fn revocation_marks(&mut self) -> Result<Vec<StoredMark>, StoreError> {
        let rows = self.query(&ALL_ROWS, &[]).await?;
        rows.into_iter()
            .map(|mut row| {
                let (kind, server, value) = (row.text()?, row.text()?, row.text()?);
                Ok(StoredMark { name: MarkName::new(&kind, &server, &value), not_before: row.time()? })
            })
            .collect()
    }
}
