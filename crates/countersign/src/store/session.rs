//! A connection of either engine that runs statements.

use std::sync::Arc;

use tokio_postgres::types::{ToSql, Type};

use super::value::{Row, Value};
use super::{Statement, StoreError};
use crate::metrics::StoreMetrics;

/// A connection that is exclusively ours until it is given back.
pub struct Session {
    connection: Connection,
    metrics: Arc<StoreMetrics>,
    writing: bool,
    /// In use: dropped like this, the connection is closed instead of pooled.
    unfinished: bool,
    /// Why the database could not do its work, until it is asked for.
    failure: Option<StoreError>,
}

pub(super) enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(deadpool_postgres::Object),
    /// Closed because a transaction was left open on it.
    Discarded,
}

impl Session {
    pub(super) const fn new(connection: Connection, metrics: Arc<StoreMetrics>, writing: bool) -> Self {
        Self { connection, metrics, writing, unfinished: false, failure: None }
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn query(&mut self, statement: &'static Statement, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        let statements = if self.writing { &self.metrics.statements_written } else { &self.metrics.statements_read };
        statements.inc();
        let result = match &self.connection {
            Connection::Sqlite(connection) => query_sqlite(connection, statement.sqlite(), parameters),
            Connection::Postgres(client) => query_postgres(client, statement.postgres(), parameters).await,
            Connection::Discarded => Err(discarded()),
        };
        if let Err(error) = &result {
            self.metrics.failed(error);
            if matches!(error, StoreError::Unavailable(_)) {
                self.failure = Some(error.clone());
            }
        }
        result
    }

    /// Whether this is the embedded engine.
    pub(super) const fn is_sqlite(&self) -> bool {
        matches!(self.connection, Connection::Sqlite(_))
    }

    /// The placeholder of a parameter, from 1.
    pub(super) fn placeholder(&self, number: usize) -> String {
        format!("{}{number}", if self.is_sqlite() { '?' } else { '$' })
    }

    /// Runs SQL that was put together for this engine from names of its own schema.
    pub(super) async fn query_text(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
        match &self.connection {
            Connection::Sqlite(connection) => query_sqlite(connection, sql, parameters),
            Connection::Postgres(client) => query_postgres(client, sql, parameters).await,
            Connection::Discarded => Err(discarded()),
        }
    }

    /// Runs a statement that returns at most one row.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn query_optional(&mut self, statement: &'static Statement, parameters: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(statement, parameters).await?.into_iter().next())
    }

    /// Prepares a statement without running it.
    ///
    /// # Errors
    /// [`StoreError`] when the engine does not accept the text.
    pub async fn prepare(&mut self, statement: &'static Statement) -> Result<(), StoreError> {
        match &self.connection {
            Connection::Sqlite(connection) => drop(connection.prepare(statement.sqlite())?),
            Connection::Postgres(client) => drop(client.prepare(statement.postgres()).await?),
            Connection::Discarded => return Err(discarded()),
        }
        Ok(())
    }

    /// Why the database could not do its work since this was asked last.
    pub(super) const fn take_failure(&mut self) -> Option<StoreError> {
        self.failure.take()
    }

    /// From now on until [`Session::finish`], dropping the session closes a pooled
    /// connection: a transaction may be open on it, or an answer outstanding.
    pub(super) const fn start(&mut self) {
        self.unfinished = true;
    }

    /// The unit of work is complete; the connection may be pooled.
    pub(super) const fn finish(&mut self) {
        self.unfinished = false;
    }

    /// Runs control statements (BEGIN, COMMIT, migrations) that take no values.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), StoreError> {
        let result = match &self.connection {
            Connection::Sqlite(connection) => connection.execute_batch(sql).map_err(StoreError::from),
            Connection::Postgres(client) => client.batch_execute(sql).await.map_err(StoreError::from),
            Connection::Discarded => Err(discarded()),
        };
        result.inspect_err(|error| self.metrics.failed(error))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.unfinished
            && let Connection::Postgres(client) = std::mem::replace(&mut self.connection, Connection::Discarded)
        {
            drop(deadpool_postgres::Object::take(client));
        }
    }
}

fn discarded() -> StoreError {
    StoreError::internal("the connection was closed")
}

fn query_sqlite(connection: &rusqlite::Connection, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut prepared = connection.prepare_cached(sql)?;
    let columns = prepared.column_count();
    let mut found = prepared.query(rusqlite::params_from_iter(parameters))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values: Result<Vec<Value>, StoreError> = (0..columns).map(|column| sqlite_value(row, column)).collect();
        rows.push(Row::new(values?));
    }
    Ok(rows)
}

fn sqlite_value(row: &rusqlite::Row<'_>, column: usize) -> Result<Value, StoreError> {
    use rusqlite::types::ValueRef;
    match row.get_ref(column)? {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(|text| Value::Text(text.to_owned())).map_err(StoreError::internal),
        ValueRef::Real(_) | ValueRef::Blob(_) => Err(StoreError::internal("a column is neither TEXT nor BIGINT")),
    }
}

async fn query_postgres(client: &deadpool_postgres::Object, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, StoreError> {
    let prepared = client.prepare_cached(sql).await?;
    let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
    let found = client.query(&prepared, &parameters).await?;
    found
        .iter()
        .map(|row| (0..row.len()).map(|column| postgres_value(row, column)).collect::<Result<_, _>>().map(Row::new))
        .collect()
}

fn postgres_value(row: &tokio_postgres::Row, column: usize) -> Result<Value, StoreError> {
    let kind = row.columns().get(column).map(tokio_postgres::Column::type_);
    match kind {
        Some(&Type::INT8) => Ok(row.try_get::<_, Option<i64>>(column)?.into()),
        Some(&Type::TEXT) => Ok(row.try_get::<_, Option<String>>(column)?.into()),
        _ => Err(StoreError::internal("a column is neither TEXT nor BIGINT")),
    }
}
