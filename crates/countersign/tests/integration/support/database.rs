//! A database of its own for each test, with a side door for the test.

use std::time::Duration;

use countersign::store::ConnectOptions;

use super::postgres::PostgresDatabase;
use super::sqlite::SqliteDatabase;

/// Which engine a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// An empty database; gone when dropped.
pub(crate) enum Database {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
}

impl Database {
    pub(crate) async fn create(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(SqliteDatabase::create()),
            Engine::Postgres => Self::Postgres(PostgresDatabase::create().await),
        }
    }

    /// One that a node need not migrate first. SQLite's is made faster than it is copied.
    pub(super) async fn with_schema(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite(SqliteDatabase::create()),
            Engine::Postgres => Self::Postgres(PostgresDatabase::with_schema().await),
        }
    }

    pub(crate) fn options(&self, timeout: Duration, listen: bool) -> ConnectOptions {
        match self {
            Self::Sqlite(database) => database.options(),
            Self::Postgres(database) => database.options(timeout, listen),
        }
    }

    /// Runs statements behind the product's back.
    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(database) => database.connect().execute_batch(sql).unwrap(),
            Self::Postgres(database) => database.connect().await.batch_execute(sql).await.unwrap(),
        }
    }

    /// The first column, a TEXT, of every row.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        match self {
            Self::Sqlite(database) => database.texts(sql),
            Self::Postgres(database) => {
                database.connect().await.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// The first column of the only row, a count.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.texts(&format!("SELECT CAST(({sql}) AS TEXT)")).await.concat().parse().unwrap()
    }

    /// Every byte that a thief of the database would have.
    pub(crate) async fn everything(&self) -> Vec<u8> {
        match self {
            Self::Sqlite(database) => database.everything(),
            Self::Postgres(database) => database.everything().await,
        }
    }
}
