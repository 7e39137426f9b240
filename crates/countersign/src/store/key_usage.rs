//! Verdicts about API keys, summed up by minute, hour and day.

use countersign_protocol::Timestamp;

use super::keyset::{Page, limit};
use super::statement::statements;
use super::value::Value;
use super::{Session, StoreError, Tx};
use crate::ids::OrganizationId;
use crate::usage::{Grouping, Interval, KeyUsageQuestion, KeyUsageRow, KeyUsageSum, Sums};

/// A piece of the sums. The position after which it begins is a whole group.
macro_rules! sums {
    ($of_key:literal, $of_client:literal) => {
        concat!(
            "SELECT started, key_name, client, resource_server, verdict, label, requests, credits FROM (SELECT \
             CASE WHEN CAST($1 AS BIGINT) = 1 THEN started_at ELSE 0 END AS started, \
             CASE WHEN CAST($2 AS BIGINT) = 1 THEN key_id ELSE '' END AS key_name, \
             CASE WHEN CAST($3 AS BIGINT) = 1 THEN client_id ELSE '' END AS client, \
             CASE WHEN CAST($4 AS BIGINT) = 1 THEN resource_server_id ELSE '' END AS resource_server, \
             CASE WHEN CAST($5 AS BIGINT) = 1 THEN outcome ELSE '' END AS verdict, \
             CASE WHEN CAST($6 AS BIGINT) = 1 THEN tag ELSE '' END AS label, \
             CAST(SUM(requests) AS BIGINT) AS requests, CAST(SUM(credits) AS BIGINT) AS credits FROM key_usage \
             WHERE interval_seconds = $7 AND started_at >= $8 AND started_at < $9 AND ",
            $of_key,
            " AND ",
            $of_client,
            " AND (CAST($12 AS TEXT) IS NULL OR resource_server_id = $12) AND (CAST($13 AS TEXT) IS NULL OR outcome = $13) \
             AND CASE WHEN CAST($14 AS TEXT) IS NOT NULL THEN tag = $14 WHEN CAST($6 AS BIGINT) = 1 THEN tag <> '' ELSE tag = '' END \
             AND (CAST($15 AS TEXT) IS NULL OR client_id IN (SELECT id FROM clients WHERE organization_id = $15)) \
             GROUP BY 1, 2, 3, 4, 5, 6) AS sums \
             WHERE (started, key_name, client, resource_server, verdict, label) > ($16, $17, $18, $19, $20, $21) \
             ORDER BY started, key_name, client, resource_server, verdict, label LIMIT $22"
        )
    };
}

statements! {
    ADD = "INSERT INTO key_usage (key_id, interval_seconds, started_at, outcome, tag, client_id, resource_server_id, requests, credits) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
           ON CONFLICT (key_id, interval_seconds, started_at, outcome, tag) DO UPDATE SET \
           requests = key_usage.requests + excluded.requests, credits = key_usage.credits + excluded.credits";
    PAGE = sums!("CAST($10 AS TEXT) IS NULL", "CAST($11 AS TEXT) IS NULL");
    PAGE_OF_CLIENT = sums!("CAST($10 AS TEXT) IS NULL", "client_id = $11");
    PAGE_OF_KEY = sums!("key_id = $10", "(CAST($11 AS TEXT) IS NULL OR client_id = $11)");
    DELETE_BEFORE = "DELETE FROM key_usage WHERE (key_id, interval_seconds, started_at, outcome, tag) IN \
                     (SELECT key_id, interval_seconds, started_at, outcome, tag FROM key_usage \
                     WHERE interval_seconds = $1 AND started_at < $2 LIMIT $3) RETURNING key_id";
}

impl Tx {
    /// Adds to a counter.
    pub(crate) async fn add_key_usage(&mut self, row: &KeyUsageRow) -> Result<(), StoreError> {
        let values = [
            (&*row.key_id).into(),
            row.interval.seconds().into(),
            row.started_at.into(),
            row.outcome.as_str().into(),
            (&*row.tag).into(),
            (&*row.client_id).into(),
            (&*row.resource_server_id).into(),
            row.sums.requests.into(),
            row.sums.credits.into(),
        ];
        self.query(&ADD, &values).await.map(drop)
    }

    /// Deletes some of the counters of intervals that began before this; returns how many.
    pub(crate) async fn delete_key_usage_before(
        &mut self,
        interval: Interval,
        before: Timestamp,
        most: i64,
    ) -> Result<i64, StoreError> {
        let values = [interval.seconds().into(), before.into(), most.into()];
        i64::try_from(self.query(&DELETE_BEFORE, &values).await?.len()).map_err(StoreError::internal)
    }
}

impl Session {
    /// A piece of the sums. A cursor's id is the names of the last group, as JSON.
    pub(crate) async fn key_usage_page(
        &mut self,
        question: &KeyUsageQuestion,
        page: &Page,
    ) -> Result<Vec<KeyUsageSum>, StoreError> {
        let statement = match (&question.key_id, &question.client_id) {
            (Some(_), _) => &PAGE_OF_KEY,
            (None, Some(_)) => &PAGE_OF_CLIENT,
            (None, None) => &PAGE,
        };
        let mut rows = Vec::new();
        for mut row in self.query(statement, &values(question, page)?).await? {
            rows.push(KeyUsageSum {
                started_at: row.time()?,
                names: [row.text()?, row.text()?, row.text()?, row.text()?, row.text()?],
                sums: Sums { requests: row.integer()?, credits: row.integer()? },
            });
        }
        Ok(rows)
    }
}

fn values(question: &KeyUsageQuestion, page: &Page) -> Result<Vec<Value>, StoreError> {
    let Grouping { time, key, client, resource_server, outcome, tag } = question.by;
    let mut values: Vec<Value> =
        [time, key, client, resource_server, outcome, tag].map(|is_told_apart| i64::from(is_told_apart).into()).into();
    values.extend([question.interval.seconds().into(), question.from.into(), question.to.into()]);
    let filters = [&question.key_id, &question.client_id, &question.resource_server_id];
    values.extend(filters.map(|filter| filter.as_deref().into()));
    values.push(question.outcome.map(|outcome| outcome.as_str()).into());
    values.push(question.tag.as_deref().into());
    values.push(question.organization.as_ref().map(OrganizationId::as_str).into());
    // Everything is after -1.
    let is_first = page.after_id.is_empty();
    let (time, names) = if is_first { (-1, Default::default()) } else { (page.after_time.as_millis(), names(&page.after_id)?) };
    values.push(time.into());
    values.extend(names.map(Value::from));
    values.push(limit(page)?);
    Ok(values)
}

fn names(cursor: &str) -> Result<[String; 5], StoreError> {
    serde_json::from_str(cursor).map_err(StoreError::internal)
}
