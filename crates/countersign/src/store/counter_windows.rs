//! Windows of limits that several nodes share. On PostgreSQL alone, in a table that is
//! no part of the schema: it is not logged and not backed up, and after a crash of the
//! server every window begins anew.

use serde::Serialize;

use super::engine::Engine;
use super::postgres::PostgresEngine;
use super::value::Row;
use super::{Session, Store, StoreError};

/// Any constant: two nodes that start at once create the table one after the other.
const CREATE: &str = "BEGIN; SELECT pg_advisory_xact_lock(7140928); \
    CREATE UNLOGGED TABLE IF NOT EXISTS counter_windows \
    (counter TEXT NOT NULL PRIMARY KEY, used BIGINT NOT NULL, ends_at BIGINT NOT NULL) WITH (fillfactor = 70); \
    CREATE INDEX IF NOT EXISTS counter_windows_by_end ON counter_windows (ends_at); COMMIT";

/// Locks the rows in one order for everybody, then changes all or none. The values are
/// those of the rows once they are locked, whatever others committed meanwhile.
const TAKE: &str = "\
    WITH asked AS (SELECT * FROM jsonb_to_recordset(CAST(CAST($1 AS TEXT) AS JSONB)) \
      AS a (counter TEXT, cost BIGINT, \"limit\" BIGINT, millis BIGINT)), \
    locked AS MATERIALIZED (SELECT w.counter, w.used, w.ends_at FROM counter_windows w \
      WHERE w.counter IN (SELECT counter FROM asked) ORDER BY w.counter FOR UPDATE), \
    clock AS MATERIALIZED (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now, count(*) AS rows FROM locked), \
    state AS MATERIALIZED (SELECT a.counter, a.cost, a.\"limit\", clock.now, \
      CASE WHEN l.ends_at > clock.now THEN l.used ELSE 0 END AS used, \
      CASE WHEN l.ends_at > clock.now THEN l.ends_at ELSE clock.now + a.millis END AS ends_at \
      FROM asked a JOIN locked l ON l.counter = a.counter CROSS JOIN clock), \
    decision AS MATERIALIZED (SELECT CASE WHEN bool_and(used + cost <= \"limit\") \
      AND count(*) = (SELECT count(*) FROM asked) THEN 1 ELSE 0 END AS taken FROM state), \
    written AS (UPDATE counter_windows w SET used = s.used + s.cost, ends_at = s.ends_at FROM state s, decision d \
      WHERE w.counter = s.counter AND d.taken = 1 AND s.cost > 0) \
    SELECT s.counter, s.used, s.ends_at - s.now, s.ends_at, CAST(d.taken AS BIGINT) FROM state s, decision d";

/// Makes rows for counters that have none, and room by deleting some that ended long ago.
const ENSURE: &str = "\
    WITH asked AS (SELECT * FROM jsonb_to_recordset(CAST(CAST($1 AS TEXT) AS JSONB)) AS a (counter TEXT)), \
    clock AS (SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now), \
    gone AS (DELETE FROM counter_windows WHERE counter IN (SELECT w.counter FROM counter_windows w, clock \
      WHERE w.ends_at < clock.now - 60000 AND w.counter NOT IN (SELECT counter FROM asked) LIMIT 20 FOR UPDATE OF w SKIP LOCKED)) \
    INSERT INTO counter_windows (counter, used, ends_at) SELECT a.counter, 0, clock.now FROM asked a, clock \
      ORDER BY a.counter ON CONFLICT (counter) DO NOTHING";

const GIVE_BACK: &str = "\
    WITH asked AS (SELECT * FROM jsonb_to_recordset(CAST(CAST($1 AS TEXT) AS JSONB)) \
      AS a (counter TEXT, cost BIGINT, \"window\" BIGINT)), \
    locked AS MATERIALIZED (SELECT w.counter, w.used, w.ends_at FROM counter_windows w \
      WHERE w.counter IN (SELECT counter FROM asked) ORDER BY w.counter FOR UPDATE) \
    UPDATE counter_windows w SET used = greatest(0, l.used - a.cost) FROM asked a, locked l \
      WHERE w.counter = a.counter AND l.counter = a.counter AND l.ends_at = a.\"window\"";

/// How often the rows of new counters are made before somebody else deletes them.
const TRIES: usize = 3;

/// What is asked of a counter.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CounterAsk {
    /// Its name.
    pub(crate) counter: String,
    pub(crate) cost: i64,
    pub(crate) limit: i64,
    /// How long its windows are.
    pub(crate) millis: i64,
    /// From which window something is given back.
    pub(crate) window: i64,
}

/// How a counter stands before what is asked is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CounterWindow {
    pub(crate) used: u64,
    /// Milliseconds until its window ends.
    pub(crate) ends_in: i64,
    /// Tells this window from the next one.
    pub(crate) id: i64,
}

impl Store {
    /// Creates the table of shared windows if it is not there.
    ///
    /// # Errors
    /// [`StoreError`]; always on SQLite.
    pub(crate) async fn prepare_counter_windows(&self) -> Result<(), StoreError> {
        self.postgres()?.read(|session| Box::pin(async move { session.run(CREATE).await })).await
    }

    /// Takes from all counters or from none; whether it did, and how each stood before.
    pub(crate) async fn take_counter_windows(&self, asks: Vec<CounterAsk>) -> Result<(bool, Vec<CounterWindow>), StoreError> {
        self.postgres()?.read(move |session| Box::pin(async move { take(session, &asks).await })).await
    }

    /// Gives back what was taken from windows that still run.
    pub(crate) async fn give_back_counter_windows(&self, asks: Vec<CounterAsk>) -> Result<(), StoreError> {
        let asks = json(&asks)?;
        let give_back = self
            .postgres()?
            .read(move |session| Box::pin(async move { session.query_text(GIVE_BACK, &[asks.into()]).await.map(drop) }));
        give_back.await
    }

    fn postgres(&self) -> Result<&PostgresEngine, StoreError> {
        match &self.engine {
            Engine::Postgres(engine) => Ok(engine),
            Engine::Sqlite(_) => Err(StoreError::internal("several nodes share limits on PostgreSQL, not on SQLite")),
        }
    }
}

async fn take(session: &mut Session, asks: &[CounterAsk]) -> Result<(bool, Vec<CounterWindow>), StoreError> {
    let json = json(asks)?;
    for _ in 0..TRIES {
        let rows = session.query_text(TAKE, &[json.as_str().into()]).await?;
        if rows.len() == asks.len() {
            return read(rows, asks);
        }
        session.query_text(ENSURE, &[json.as_str().into()]).await?;
    }
    Err(StoreError::unavailable("the rows of the counters do not stay"))
}

fn read(rows: Vec<Row>, asks: &[CounterAsk]) -> Result<(bool, Vec<CounterWindow>), StoreError> {
    let mut taken = true;
    let mut found = std::collections::HashMap::with_capacity(rows.len());
    for mut row in rows {
        let counter = row.text()?;
        let used = u64::try_from(row.integer()?).map_err(StoreError::internal)?;
        let window = CounterWindow { used, ends_in: row.integer()?, id: row.integer()? };
        taken &= row.integer()? == 1;
        found.insert(counter, window);
    }
    let missing = || StoreError::internal("a counter was not answered");
    let windows: Result<Vec<_>, _> = asks.iter().map(|ask| found.get(&ask.counter).copied().ok_or_else(missing)).collect();
    Ok((taken, windows?))
}

fn json(asks: &[CounterAsk]) -> Result<String, StoreError> {
    serde_json::to_string(asks).map_err(StoreError::internal)
}
