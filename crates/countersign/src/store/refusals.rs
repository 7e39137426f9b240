//! Why requests were refused.

use countersign_protocol::Timestamp;

use super::keyset::{self, Page};
use super::statement::statements;
use super::value::Row;
use super::{Session, Statement, StoreError, Tx, Value};
use crate::ids::OrganizationId;
use crate::refusals::{RecordedRefusal, RefusalFilter};

statements! {
    INSERT = "INSERT INTO refusals (request_id, occurred_at, method, route, status, code, detail, client_id, credential_id, \
              source_address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
    FIND = "SELECT request_id, occurred_at, method, route, status, code, detail, refusals.client_id, credential_id, source_address \
            FROM refusals WHERE request_id = $1";
    FIND_IN_ORGANIZATION = "SELECT request_id, occurred_at, method, route, status, code, detail, refusals.client_id, credential_id, \
                            source_address FROM refusals JOIN clients ON clients.id = refusals.client_id \
                            WHERE request_id = $1 AND clients.organization_id = $2";
    LIST = "SELECT request_id, occurred_at, method, route, status, code, detail, client_id, credential_id, source_address \
            FROM refusals WHERE (occurred_at, request_id) > ($1, $2) AND ($4 = '' OR code = $4) \
            ORDER BY occurred_at, request_id LIMIT $3";
    LIST_OF_CLIENT = "SELECT request_id, occurred_at, method, route, status, code, detail, client_id, credential_id, source_address \
                      FROM refusals WHERE (occurred_at, request_id) > ($1, $2) AND ($4 = '' OR code = $4) AND client_id = $5 \
                      ORDER BY occurred_at, request_id LIMIT $3";
    LIST_IN_ORGANIZATION = "SELECT request_id, occurred_at, method, route, status, code, detail, refusals.client_id, credential_id, \
                            source_address FROM refusals JOIN clients ON clients.id = refusals.client_id \
                            WHERE (occurred_at, request_id) > ($1, $2) AND ($4 = '' OR code = $4) \
                            AND ($5 = '' OR refusals.client_id = $5) AND clients.organization_id = $6 \
                            ORDER BY occurred_at, request_id LIMIT $3";
    DELETE_BEFORE = "DELETE FROM refusals WHERE request_id IN \
                     (SELECT request_id FROM refusals WHERE occurred_at < $1 LIMIT $2) RETURNING request_id";
    DELETE_AFTER = "DELETE FROM refusals WHERE request_id IN \
                    (SELECT request_id FROM refusals WHERE occurred_at > $1 LIMIT $2) RETURNING request_id";
    DELETE_BEYOND = "DELETE FROM refusals WHERE request_id IN (SELECT request_id FROM refusals \
                     ORDER BY occurred_at DESC, request_id DESC LIMIT $2 OFFSET $1) RETURNING request_id";
    DELETE_OF_NOBODY_BEYOND = "DELETE FROM refusals WHERE request_id IN (SELECT request_id FROM refusals WHERE credential_id IS NULL \
                               ORDER BY occurred_at DESC, request_id DESC LIMIT $2 OFFSET $1) RETURNING request_id";
}

impl Tx {
    pub(crate) async fn insert_refusal(&mut self, refusal: &RecordedRefusal) -> Result<(), StoreError> {
        let values = [
            refusal.request_id.as_str().into(),
            refusal.occurred_at.into(),
            refusal.method.as_str().into(),
            refusal.route.as_str().into(),
            refusal.status.into(),
            refusal.code.as_str().into(),
            refusal.detail.as_deref().into(),
            refusal.client_id.as_deref().into(),
            refusal.credential_id.as_deref().into(),
            refusal.source_address.as_deref().into(),
        ];
        self.query(&INSERT, &values).await.map(drop)
    }

    /// Deletes some of those that are older than `before`; returns how many.
    pub(crate) async fn delete_refusals_before(&mut self, before: Timestamp, most: i64) -> Result<i64, StoreError> {
        self.delete_refusals(&DELETE_BEFORE, before.into(), most).await
    }

    /// Deletes some of those that are younger than `after`; returns how many.
    pub(crate) async fn delete_refusals_after(&mut self, after: Timestamp, most: i64) -> Result<i64, StoreError> {
        self.delete_refusals(&DELETE_AFTER, after.into(), most).await
    }

    /// Deletes some of the oldest beyond `kept`; returns how many.
    pub(crate) async fn delete_refusals_beyond(&mut self, kept: i64, most: i64) -> Result<i64, StoreError> {
        self.delete_refusals(&DELETE_BEYOND, kept.into(), most).await
    }

    /// The same among those whose client was not authenticated.
    pub(crate) async fn delete_refusals_of_nobody_beyond(&mut self, kept: i64, most: i64) -> Result<i64, StoreError> {
        self.delete_refusals(&DELETE_OF_NOBODY_BEYOND, kept.into(), most).await
    }

    async fn delete_refusals(&mut self, statement: &'static Statement, bound: Value, most: i64) -> Result<i64, StoreError> {
        let deleted = self.query(statement, &[bound, most.into()]).await?.len();
        i64::try_from(deleted).map_err(StoreError::internal)
    }
}

impl Session {
    pub(crate) async fn find_refusal(
        &mut self,
        request_id: &str,
        organization: Option<&OrganizationId>,
    ) -> Result<Option<RecordedRefusal>, StoreError> {
        let row = match organization {
            None => self.query_optional(&FIND, &[request_id.into()]).await?,
            Some(id) => self.query_optional(&FIND_IN_ORGANIZATION, &[request_id.into(), id.as_str().into()]).await?,
        };
        row.map(read).transpose()
    }

    pub(crate) async fn list_refusals(&mut self, filter: &RefusalFilter, page: &Page) -> Result<Vec<RecordedRefusal>, StoreError> {
        let code = filter.code.as_deref().unwrap_or_default();
        let mut values = vec![page.after_time.into(), page.after_id.as_str().into(), keyset::limit(page)?, code.into()];
        let statement = match (&filter.organization, &filter.client_id) {
            (None, None) => &LIST,
            (None, Some(client_id)) => {
                values.push(client_id.as_str().into());
                &LIST_OF_CLIENT
            }
            (Some(organization), client_id) => {
                values.push(client_id.as_deref().unwrap_or_default().into());
                values.push(organization.as_str().into());
                &LIST_IN_ORGANIZATION
            }
        };
        self.query(statement, &values).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<RecordedRefusal, StoreError> {
    Ok(RecordedRefusal {
        request_id: row.text()?,
        occurred_at: row.time()?,
        method: row.text()?,
        route: row.text()?,
        status: row.integer()?,
        code: row.text()?,
        detail: row.optional_text()?,
        client_id: row.optional_text()?,
        credential_id: row.optional_text()?,
        source_address: row.optional_text()?,
    })
}
