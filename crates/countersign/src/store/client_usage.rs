//! What clients did, by day.

use countersign_protocol::ClientId;

use super::statement::statements;
use super::{Session, StoreError, Tx};
use crate::usage::{Tally, UsageRow};

statements! {
    ADD = "INSERT INTO client_usage (client_id, day, kind, credential_id, resource_server_id, requests, first_at, last_at) \
           SELECT id, CAST($2 AS BIGINT), $3, $4, $5, CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT) \
           FROM clients WHERE id = $1 \
           ON CONFLICT (client_id, day, kind, credential_id, resource_server_id) DO UPDATE SET \
           requests = client_usage.requests + excluded.requests, \
           first_at = CASE WHEN excluded.first_at < client_usage.first_at THEN excluded.first_at ELSE client_usage.first_at END, \
           last_at = CASE WHEN excluded.last_at > client_usage.last_at THEN excluded.last_at ELSE client_usage.last_at END";
    SINCE = "SELECT client_id, day, kind, credential_id, resource_server_id, requests, first_at, last_at FROM client_usage \
             WHERE client_id = $1 AND day >= $2 ORDER BY day, kind, credential_id, resource_server_id";
    DELETE_BEFORE = "DELETE FROM client_usage WHERE (client_id, day, kind, credential_id, resource_server_id) IN \
                     (SELECT client_id, day, kind, credential_id, resource_server_id FROM client_usage WHERE day < $1 LIMIT $2) \
                     RETURNING client_id";
}

impl Tx {
    /// Adds to a counter. A client that is gone has none.
    pub(crate) async fn add_client_usage(&mut self, row: &UsageRow) -> Result<(), StoreError> {
        let values = [
            row.client_id.as_str().into(),
            row.day.into(),
            row.kind.as_str().into(),
            row.credential_id.as_str().into(),
            row.resource_server_id.as_str().into(),
            row.tally.requests.into(),
            row.tally.first_at.into(),
            row.tally.last_at.into(),
        ];
        self.query(&ADD, &values).await.map(drop)
    }

    /// Deletes some of the counters of days before `day`; returns how many.
    pub(crate) async fn delete_client_usage_before(&mut self, day: i64, most: i64) -> Result<i64, StoreError> {
        let deleted = self.query(&DELETE_BEFORE, &[day.into(), most.into()]).await?.len();
        i64::try_from(deleted).map_err(StoreError::internal)
    }
}

impl Session {
    /// The counters of a client since `day`.
    pub(crate) async fn client_usage_since(&mut self, client: &ClientId, day: i64) -> Result<Vec<UsageRow>, StoreError> {
        let rows = self.query(&SINCE, &[client.as_str().into(), day.into()]).await?;
        rows.into_iter()
            .map(|mut row| {
                Ok(UsageRow {
                    client_id: row.text()?,
                    day: row.integer()?,
                    kind: row.text()?,
                    credential_id: row.text()?,
                    resource_server_id: row.text()?,
                    tally: Tally { requests: row.integer()?, first_at: row.time()?, last_at: row.time()? },
                })
            })
            .collect()
    }
}
