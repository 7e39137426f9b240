//! The change feed: what changed, in commit order, without gaps.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};

statements! {
    TAKE_SEQUENCE = "UPDATE feed_head SET seq = seq + $1 WHERE id = 1 RETURNING seq";
    INSERT_CHANGE = "INSERT INTO changes (seq, changed_at, kind, object_id) VALUES ($1, $2, $3, $4)";
    CHANGES_AFTER = "SELECT seq, kind, object_id FROM changes WHERE seq > $1 ORDER BY seq LIMIT 500";
    HEAD = "SELECT seq FROM feed_head WHERE id = 1";
    DELETE_CHANGES_UNTIL = "DELETE FROM changes WHERE seq <= $1";
}

/// What kind of object changed, which decides what a node forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A secret of an API key; the object id is its lookup, or `*` for every one.
    ApiKey,
    /// Authorization servers, mounts, resource servers, signing keys, hash keys, roles.
    Catalog,
    /// A client, its credentials or its grants; the object id is the client id.
    Client,
    /// A revocation mark, which the object id spells out.
    RevocationMark,
    /// A revoked token, which the object id spells out.
    RevokedToken,
    /// The key that signs the status feed of an authorization server, whose id it is.
    StatusFeedKey,
}

impl ChangeKind {
    const ALL: [Self; 6] =
        [Self::ApiKey, Self::Catalog, Self::Client, Self::RevocationMark, Self::RevokedToken, Self::StatusFeedKey];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Catalog => "catalog",
            Self::Client => "client",
            Self::RevocationMark => "revocation_mark",
            Self::RevokedToken => "revoked_token",
            Self::StatusFeedKey => "status_feed_key",
        }
    }
}

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order of commits.
    pub seq: i64,
    /// What changed; `None` for a kind that a newer node wrote.
    pub kind: Option<ChangeKind>,
    /// Which object.
    pub object_id: String,
}

pub(super) async fn append(session: &mut Session, recorded: &[(ChangeKind, String, Timestamp)]) -> Result<(), StoreError> {
    let count = i64::try_from(recorded.len()).map_err(StoreError::internal)?;
    let mut row =
        session.query_optional(&TAKE_SEQUENCE, &[count.into()]).await?.ok_or_else(|| StoreError::internal("feed_head is empty"))?;
    let last = row.integer()?;
    for (seq, (kind, object_id, at)) in (last - count + 1..).zip(recorded) {
        session.query(&INSERT_CHANGE, &[seq.into(), (*at).into(), kind.as_str().into(), object_id.as_str().into()]).await?;
    }
    Ok(())
}

impl Tx {
    /// Writes the head of the feed as it is. There and back: SQLite writes no page for a
    /// value that stays the same.
    pub(super) async fn write_nothing_new(&mut self) -> Result<(), StoreError> {
        for step in [1, -1] {
            self.query(&TAKE_SEQUENCE, &[step.into()]).await?;
        }
        Ok(())
    }
}

impl Session {
    /// Up to 500 changes after `seq`, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn changes_after(&mut self, seq: i64) -> Result<Vec<Change>, StoreError> {
        let rows = self.query(&CHANGES_AFTER, &[seq.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                let seq = row.integer()?;
                let kind = row.text()?;
                let kind = ChangeKind::ALL.into_iter().find(|known| known.as_str() == kind);
                Ok(Change { seq, kind, object_id: row.text()? })
            })
            .collect()
    }

    /// The sequence number of the last change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn feed_head(&mut self) -> Result<i64, StoreError> {
        self.query_optional(&HEAD, &[]).await?.ok_or_else(|| StoreError::internal("feed_head is empty"))?.integer()
    }
}

impl Tx {
    /// Deletes the changes up to and including `seq`. A follower that still needs
    /// them sees a gap and starts afresh.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_changes_until(&mut self, seq: i64) -> Result<(), StoreError> {
        self.query(&DELETE_CHANGES_UNTIL, &[seq.into()]).await.map(drop)
    }
}
