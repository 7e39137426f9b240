//! The store: one type over two engines.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Secret;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::postgres::{PostgresEngine, Server};
use super::sqlite::SqliteEngine;
use super::{Committed, Session, StoreError, Tx};
use crate::metrics::StoreMetrics;
use crate::traces::span;

/// What a unit of work returns: a future that borrows the transaction.
pub type WorkFuture<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// Which database, and how to reach it.
#[derive(Clone, Debug)]
pub enum ConnectOptions {
    /// The embedded engine.
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What an acknowledged write survives.
        durability: Durability,
    },
    /// PostgreSQL 15 or newer.
    Postgres {
        /// `postgres://user@host:port/database`.
        address: String,
        /// How to verify a server that is reached by TLS; none: plain text.
        tls: Option<Arc<rustls::ClientConfig>>,
        /// The user's password.
        password: Option<Secret<String>>,
        /// Size of the connection pool.
        max_connections: usize,
        /// Longest wait for a connection plus a unit of work.
        timeout: Duration,
        /// Whether to hold a connection that LISTENs for changes.
        listen: bool,
    },
}

/// What an acknowledged write survives on SQLite. The product always uses
/// [`Durability::PowerLoss`]; the others exist so that the crash test can be
/// shown to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `synchronous=FULL`, and the reply follows `COMMIT`.
    PowerLoss,
    /// `synchronous=NORMAL`: survives the process, not the power.
    ProcessCrash,
    /// The reply precedes `COMMIT`: survives nothing.
    None,
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) engine: Engine,
    metrics: Arc<StoreMetrics>,
    hint: Arc<Notify>,
}

#[derive(Clone)]
pub(super) enum Engine {
    Sqlite(SqliteEngine),
    Postgres(Arc<PostgresEngine>),
}

impl Store {
    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached, [`StoreError::NewerSchema`].
    pub async fn open(options: ConnectOptions) -> Result<Self, StoreError> {
        Self::open_with_schema(options, Self::newest_schema()).await
    }

    /// The same, with the schema of an older version.
    ///
    /// # Errors
    /// As [`Store::open`]; [`StoreError::NewerSchema`] when the database is past it.
    pub async fn open_with_schema(options: ConnectOptions, schema: i64) -> Result<Self, StoreError> {
        let metrics = Arc::new(StoreMetrics::default());
        let hint = Arc::new(Notify::new());
        let engine = match options {
            ConnectOptions::Sqlite { path, durability } => {
                Engine::Sqlite(SqliteEngine::open(path, durability, schema, &metrics).await?)
            }
            ConnectOptions::Postgres { address, tls, password, max_connections, timeout, listen } => {
                let mut config: tokio_postgres::Config = address.parse().map_err(StoreError::unavailable)?;
                if let Some(password) = password {
                    config.password(password.expose());
                }
                let server = Server::new(config, tls.as_deref())?;
                let engine = PostgresEngine::open(server, max_connections, timeout, schema, &metrics).await?;
                if listen {
                    engine.listen(Arc::clone(&hint));
                }
                Engine::Postgres(Arc::new(engine))
            }
        };
        Ok(Self { engine, metrics, hint })
    }

    /// Runs `work` in a transaction of its own and commits it if it succeeds. The
    /// reply follows the commit. Once started it runs to its end even if the
    /// caller goes away.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError`] from the transaction itself.
    pub async fn write<T, E, F>(&self, work: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let started = Instant::now();
        let result = match &self.engine {
            Engine::Sqlite(engine) => engine.write(work).instrument(span!("store write", otel.kind = "client")).await,
            Engine::Postgres(engine) => engine.write(work).instrument(span!("store write", otel.kind = "client")).await,
        };
        self.metrics.writing.observe(started.elapsed());
        let committed = result?;
        if !committed.changes.is_empty() {
            self.hint.notify_one();
        }
        Ok(committed)
    }

    /// Runs `work` outside a transaction: each statement sees the latest commit.
    ///
    /// # Errors
    /// What `work` returns, or [`StoreError`] when no connection is to be had.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Session) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let started = Instant::now();
        let result = match &self.engine {
            Engine::Sqlite(engine) => engine.read(work).instrument(span!("store read", otel.kind = "client")).await,
            Engine::Postgres(engine) => engine.read(work).instrument(span!("store read", otel.kind = "client")).await,
        };
        self.metrics.reading.observe(started.elapsed());
        result
    }

    /// Whether the database answers and, if the last write was not committed, whether it
    /// takes writes again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check(&self) -> Result<(), StoreError> {
        self.read(|session| Box::pin(async move { session.feed_head().await.map(drop) })).await?;
        match &self.engine {
            Engine::Sqlite(engine) if !engine.writes_work() => {
                self.write(|tx| Box::pin(async move { tx.write_nothing_new().await })).await.map(drop)
            }
            Engine::Sqlite(_) | Engine::Postgres(_) => Ok(()),
        }
    }

    /// Before a clean stop: afterwards the SQLite file alone is complete, and may
    /// be copied without its log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(engine) => engine.checkpoint().await,
            Engine::Postgres(_) => Ok(()),
        }
    }

    /// Completes when the change feed may have grown: after a commit of this
    /// process, or a notification of another node. A hint only.
    pub async fn change_hint(&self) {
        self.hint.notified().await;
    }

    /// Statements run so far: outside and inside write transactions.
    pub fn statements_run(&self) -> (u64, u64) {
        (self.metrics.statements_read.get(), self.metrics.statements_written.get())
    }

    /// What the store counts.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.metrics
    }
}
