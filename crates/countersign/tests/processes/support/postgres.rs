//! A database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

/// A new, empty database; dropped by [`Database::drop_it`], or with the cluster.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) password: String,
    name: String,
}

impl Database {
    pub(crate) async fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (url, password) = server();
        let name = format!("processes_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let (server, _) = url.rsplit_once('/').unwrap();
        let created = Self { url: format!("{server}/{name}"), password, name };
        connect(&url, &created.password).await.batch_execute(&format!("CREATE DATABASE {}", created.name)).await.unwrap();
        created
    }

    /// A connection of the test's own to this database.
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        connect(&self.url, &self.password).await
    }

    pub(crate) async fn drop_it(self) {
        let (url, password) = server();
        connect(&url, &password).await.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await.unwrap();
    }
}

async fn connect(url: &str, password: &str) -> tokio_postgres::Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.password(password).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[expect(clippy::disallowed_methods, reason = "how `cargo xtask test` says where its cluster is")]
fn server() -> (String, String) {
    let variable = |name: &str| {
        std::env::var(name)
            .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which starts a PostgreSQL for the tests"))
    };
    (variable("COUNTERSIGN_TEST_POSTGRES_URL"), variable("COUNTERSIGN_TEST_POSTGRES_PASSWORD"))
}
