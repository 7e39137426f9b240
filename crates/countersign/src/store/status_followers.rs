//! What the followers of each node have applied.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::status_feed::NodeFollowers;

statements! {
    UPSERT = "INSERT INTO status_followers (node_id, change_seq, followers, applied, slowest_ms, written_at) VALUES ($1, $2, $3, $4, $5, $6) \
              ON CONFLICT (node_id) DO UPDATE SET change_seq = excluded.change_seq, followers = excluded.followers, \
              applied = excluded.applied, slowest_ms = excluded.slowest_ms, written_at = excluded.written_at";
    DELETE_BEFORE = "DELETE FROM status_followers WHERE written_at < $1";
    SINCE = "SELECT node_id, change_seq, followers, applied, slowest_ms, written_at FROM status_followers WHERE written_at >= $1 ORDER BY node_id";
}

impl Tx {
    /// Says what the followers of a node have applied.
    pub(crate) async fn upsert_status_followers(&mut self, node: &NodeFollowers) -> Result<(), StoreError> {
        let values = [
            node.node_id.as_str().into(),
            node.change.into(),
            node.followers.into(),
            node.applied.into(),
            node.slowest_millis.into(),
            node.written_at.into(),
        ];
        self.query(&UPSERT, &values).await.map(drop)
    }

    /// Forgets nodes that have said nothing since `time`.
    pub(crate) async fn delete_status_followers(&mut self, time: Timestamp) -> Result<(), StoreError> {
        self.query(&DELETE_BEFORE, &[time.into()]).await.map(drop)
    }
}

impl Session {
    /// What nodes have said since `time`.
    pub(crate) async fn status_followers(&mut self, time: Timestamp) -> Result<Vec<NodeFollowers>, StoreError> {
        let rows = self.query(&SINCE, &[time.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(NodeFollowers {
                    node_id: row.text()?,
                    change: row.integer()?,
                    followers: row.integer()?,
                    applied: row.integer()?,
                    slowest_millis: row.integer()?,
                    written_at: row.time()?,
                })
            })
            .collect()
    }
}
