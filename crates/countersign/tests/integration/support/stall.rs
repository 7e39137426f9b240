//! A store that accepts reads of clients and does not answer them.

use std::sync::Arc;
use std::sync::mpsc;

use countersign::store::StoreError;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{Database, TestApp};

/// As many as the store has connections for reading on SQLite.
const READERS: usize = 4;

/// Reads of clients wait until this is released.
pub(crate) enum Stall {
    Sqlite { release: Vec<mpsc::Sender<()>>, readers: Vec<JoinHandle<Result<(), StoreError>>> },
    Postgres(tokio_postgres::Client),
}

impl Stall {
    /// PostgreSQL: a lock that the second statement of a client's load runs into,
    /// when the first has been answered. SQLite: every reader is taken.
    pub(crate) async fn start(app: &TestApp) -> Self {
        match &*app.database {
            Database::Postgres(database) => {
                let client = database.connect().await;
                client.batch_execute("BEGIN; LOCK TABLE credentials IN ACCESS EXCLUSIVE MODE").await.unwrap();
                Self::Postgres(client)
            }
            Database::Sqlite(_) => {
                let (mut release, mut readers) = (Vec::new(), Vec::new());
                for _ in 0..READERS {
                    let (sender, receiver) = mpsc::channel::<()>();
                    let (taken, is_taken) = oneshot::channel();
                    let app = Arc::clone(&app.app);
                    readers.push(tokio::spawn(async move {
                        let read = app.store.read(move |_| {
                            Box::pin(async move {
                                taken.send(()).unwrap();
                                let _ = receiver.recv();
                                Ok(())
                            })
                        });
                        read.await
                    }));
                    is_taken.await.unwrap();
                    release.push(sender);
                }
                Self::Sqlite { release, readers }
            }
        }
    }

    /// Returns once `waiting` requests wait for the store.
    pub(crate) async fn holds(&self, waiting: i64) {
        match self {
            // On one thread a request that was spawned has run as far as it can.
            Self::Sqlite { .. } => tokio::task::yield_now().await,
            Self::Postgres(client) => {
                let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = \
                           (SELECT oid FROM pg_database WHERE datname = current_database())";
                while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < waiting {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    pub(crate) async fn release(self) {
        match self {
            Self::Sqlite { release, readers } => {
                drop(release);
                for reader in readers {
                    reader.await.unwrap().unwrap();
                }
            }
            Self::Postgres(client) => client.batch_execute("ROLLBACK").await.unwrap(),
        }
    }
}
