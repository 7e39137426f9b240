//! PostgreSQL: a pool, and one connection that listens for changes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Notify;
use tokio_postgres::AsyncMessage;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::engine::WorkFuture;
use super::session::Connection;
use super::{Committed, Session, StoreError, Tx, migrate};
use crate::metrics::StoreMetrics;
use crate::tls::tls_config;

/// The channel on which nodes tell each other that the change feed has grown.
const CHANNEL: &str = "countersign_changes";
/// How long to wait before connecting again for LISTEN.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

#[derive(Clone)]
pub(super) struct PostgresEngine {
    pool: Pool,
    server: Server,
    timeout: Duration,
    metrics: Arc<StoreMetrics>,
}

/// Where the server is, and how to know it.
#[derive(Clone)]
pub(super) struct Server {
    config: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl Server {
    /// Without `tls`, plain text.
    pub(super) fn new(mut config: tokio_postgres::Config, tls: Option<&ClientConfig>) -> Result<Self, StoreError> {
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if tls.is_none() && config.get_hosts().iter().any(is_remote) {
            tracing::warn!("the connection to PostgreSQL is not encrypted: add ?sslmode=verify-full to storage.url");
        }
        // For plain text, what this would verify does not come up.
        let unused = || tls_config(RootCertStore::empty()).map_err(StoreError::internal);
        let tls = tls.map_or_else(unused, |tls| Ok(tls.clone()))?;
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }
}

impl PostgresEngine {
    pub(super) async fn open(
        mut server: Server,
        max_connections: usize,
        timeout: Duration,
        schema: i64,
        metrics: &Arc<StoreMetrics>,
    ) -> Result<Self, StoreError> {
        server.config.connect_timeout(timeout).tcp_user_timeout(timeout).application_name("countersign");
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(server.config.clone(), server.tls.clone(), recycling);
        let timeouts = Timeouts { wait: Some(timeout), create: Some(timeout), recycle: Some(timeout) };
        let pool = Pool::builder(manager)
            .max_size(max_connections)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(StoreError::internal)?;
        let engine = Self { pool, server, timeout, metrics: Arc::clone(metrics) };
        let mut session = engine.session(true).await?;
        migrate::run_postgres(&mut session, schema).await?;
        Ok(engine)
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // A task of its own: a caller that goes away must not leave a
        // transaction half done on a pooled connection.
        let engine = self.clone();
        let finished = tokio::spawn(async move {
            match tokio::time::timeout(engine.timeout, engine.transact(work)).await {
                Ok(result) => result,
                Err(elapsed) => Err(engine.timed_out(elapsed).into()),
            }
        });
        finished.await.unwrap_or_else(|error| Err(StoreError::internal(error).into()))
    }

    async fn transact<T, E, F>(&self, work: F) -> Result<Committed<T>, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> WorkFuture<'t, T, E> + Send + 'static,
        E: From<StoreError>,
    {
        let mut session = self.session(true).await?;
        session.start();
        session.run("BEGIN").await?;
        let mut tx = Tx::new(session);
        let result = match work(&mut tx).await {
            Ok(value) => tx.write_changes().await.map(|changes| Committed { value, changes }).map_err(E::from),
            Err(error) => Err(error),
        };
        let mut session = tx.into_session();
        match result {
            Ok(committed) => {
                if !committed.changes.is_empty() {
                    session.run(&format!("NOTIFY {CHANNEL}")).await?;
                }
                session.run("COMMIT").await?;
                self.metrics.committed(1);
                session.finish();
                Ok(committed)
            }
            Err(error) => {
                // When even this fails, dropping the session closes the connection.
                if session.run("ROLLBACK").await.is_ok() {
                    session.finish();
                }
                Err(error)
            }
        }
    }

    pub(super) async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Session) -> WorkFuture<'t, T, E> + Send + 'static,
        E: From<StoreError>,
    {
        let reading = async {
            let mut session = self.session(false).await?;
            session.start();
            let result = work(&mut session).await;
            session.finish();
            result
        };
        match tokio::time::timeout(self.timeout, reading).await {
            Ok(result) => result,
            Err(elapsed) => Err(self.timed_out(elapsed).into()),
        }
    }

    /// Runs long work on a connection of its own, without a limit on its time.
    pub(super) async fn alone<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Session) -> WorkFuture<'t, T, E> + Send + 'static,
        E: From<StoreError>,
    {
        let mut session = self.session(true).await?;
        session.start();
        let result = work(&mut session).await;
        if result.is_ok() {
            session.finish();
        }
        result
    }

    /// Keeps a connection that LISTENs, for as long as the process lives.
    pub(super) fn listen(&self, hint: Arc<Notify>) {
        let server = self.server.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = follow_notifications(&server, &hint).await {
                    tracing::warn!(error = %error, "lost the connection that listens for changes; polling until it is back");
                }
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        });
    }

    async fn session(&self, writing: bool) -> Result<Session, StoreError> {
        let client = self.pool.get().await.map_err(StoreError::unavailable).inspect_err(|error| self.metrics.failed(error))?;
        Ok(Session::new(Connection::Postgres(client), Arc::clone(&self.metrics), writing))
    }

    fn timed_out(&self, elapsed: tokio::time::error::Elapsed) -> StoreError {
        let error = StoreError::timed_out(elapsed);
        self.metrics.failed(&error);
        error
    }
}

/// Whether the way to a server leads over a network.
fn is_remote(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => false,
    }
}

async fn follow_notifications(server: &Server, hint: &Arc<Notify>) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = server.config.connect(server.tls.clone()).await?;
    let notified = Arc::clone(hint);
    let driver = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => notified.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    });
    client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
    // What was announced before this connection listened was not heard.
    hint.notify_one();
    driver.await.unwrap_or(Ok(()))
}
