//! Status lists: which there are, and how many of their places are leased.

use countersign_protocol::Timestamp;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::ids::AuthorizationServerId;
use crate::status_lists::{BLOCK_PLACES, LIST_ENTRIES, LeasedBlock, ListNumber};

statements! {
    LEASE = "UPDATE status_lists SET leased = leased + $3 WHERE authorization_server_id = $1 AND leased + $3 <= $4 AND number = \
             (SELECT min(number) FROM status_lists WHERE authorization_server_id = $1 AND expires_at = $2 AND leased + $3 <= $4) \
             RETURNING number, leased, permutation_key";
    // Not below the time: a server that was deleted, or a backup that is restored, had lists
    // that nobody here knows of.
    TAKE_NUMBER = "UPDATE authorization_servers SET status_list_count = CASE WHEN status_list_count < $2 THEN $2 ELSE status_list_count + 1 END \
                   WHERE id = $1 RETURNING status_list_count";
    FILL_ALL = "UPDATE status_lists SET leased = $1";
    INSERT = "INSERT INTO status_lists (authorization_server_id, number, expires_at, leased, permutation_key) VALUES ($1, $2, $3, $4, $5)";
    LIVE = "SELECT number FROM status_lists WHERE authorization_server_id = $1 AND expires_at > $2 ORDER BY number";
    FIND = "SELECT expires_at FROM status_lists WHERE authorization_server_id = $1 AND number = $2";
    DELETE_EXPIRED = "DELETE FROM status_lists WHERE expires_at <= $1";
}

impl Tx {
    /// Leases the next block of a list whose tokens expire by `list_end`; `None`: there is
    /// no such list with room for one.
    pub(crate) async fn lease_status_block(
        &mut self,
        server: &AuthorizationServerId,
        list_end: Timestamp,
    ) -> Result<Option<LeasedBlock>, StoreError> {
        let values = [server.as_str().into(), list_end.into(), i64::from(BLOCK_PLACES).into(), i64::from(LIST_ENTRIES).into()];
        let Some(mut row) = self.query_optional(&LEASE, &values).await? else { return Ok(None) };
        let (number, leased) = (ListNumber(row.integer()?), row.integer()?);
        Ok(Some(LeasedBlock { number, first: leased - i64::from(BLOCK_PLACES), permutation_key: row.text()? }))
    }

    /// Makes a new list whose first block is leased.
    pub(crate) async fn insert_status_list(
        &mut self,
        server: &AuthorizationServerId,
        list_end: Timestamp,
        permutation_key: &str,
        now: Timestamp,
    ) -> Result<LeasedBlock, StoreError> {
        let taken = self.query_optional(&TAKE_NUMBER, &[server.as_str().into(), now.as_seconds().into()]).await?;
        let number = taken.ok_or(StoreError::ReferenceGone)?.integer()?;
        let leased = i64::from(BLOCK_PLACES).into();
        self.query(&INSERT, &[server.as_str().into(), number.into(), list_end.into(), leased, permutation_key.into()]).await?;
        Ok(LeasedBlock { number: ListNumber(number), first: 0, permutation_key: permutation_key.to_owned() })
    }

    /// Leases every place that is left to nobody.
    pub(crate) async fn fill_status_lists(&mut self) -> Result<(), StoreError> {
        self.query(&FILL_ALL, &[i64::from(LIST_ENTRIES).into()]).await.map(drop)
    }

    /// Deletes the lists whose tokens had all expired at `time`.
    pub(crate) async fn delete_status_lists(&mut self, time: Timestamp) -> Result<(), StoreError> {
        self.query(&DELETE_EXPIRED, &[time.into()]).await.map(drop)
    }
}

impl Session {
    /// The lists of an authorization server with tokens that have not expired at `now`.
    pub(crate) async fn status_lists(
        &mut self,
        server: &AuthorizationServerId,
        now: Timestamp,
    ) -> Result<Vec<ListNumber>, StoreError> {
        let rows = self.query(&LIVE, &[server.as_str().into(), now.into()]).await?;
        rows.into_iter().map(|mut row| Ok(ListNumber(row.integer()?))).collect()
    }

    /// When the last token of a list expires; `None`: there is no such list.
    pub(crate) async fn status_list_end(
        &mut self,
        server: &AuthorizationServerId,
        number: ListNumber,
    ) -> Result<Option<Timestamp>, StoreError> {
        let found = self.query_optional(&FIND, &[server.as_str().into(), number.0.into()]).await?;
        found.map(|mut row| row.time()).transpose()
    }
}
