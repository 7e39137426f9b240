//! A database on the PostgreSQL server that `cargo xtask test` started.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use countersign::store::{ConnectOptions, Store};
use countersign_protocol::Secret;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

pub(crate) struct PostgresDatabase {
    name: String,
}

impl PostgresDatabase {
    pub(super) async fn create() -> Self {
        Self::create_by("").await
    }

    /// With the schema of now, copied from a database that was migrated once.
    pub(super) async fn with_schema() -> Self {
        static MIGRATED: OnceCell<PostgresDatabase> = OnceCell::const_new();
        let migrated = MIGRATED.get_or_init(async || {
            let database = Self::create().await;
            Store::open(database.options(Duration::from_secs(30), false)).await.unwrap();
            database
        });
        let options = format!("TEMPLATE {} STRATEGY file_copy", migrated.await.name);
        Self::create_by(&options).await
    }

    async fn create_by(options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("integration_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        connect(&server().0).await.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
        Self { name }
    }

    pub(super) fn options(&self, timeout: Duration, listen: bool) -> ConnectOptions {
        let password = Some(Secret::new(server().1));
        ConnectOptions::Postgres { address: self.url(), tls: None, password, max_connections: 4, timeout, listen }
    }

    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    /// Ends the connections to this database that `condition` on `pg_stat_activity` describes.
    pub(crate) async fn terminate(&self, condition: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{}' AND pid <> pg_backend_pid() AND {condition}",
            self.name
        );
        connect(&server().0).await.batch_execute(&sql).await.unwrap();
    }

    /// From now on nobody gets in, and who is in is out.
    pub(crate) async fn shut(&self) {
        connect(&server().0).await.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name)).await.unwrap();
        self.terminate("true").await;
    }

    pub(crate) async fn reopen(&self) {
        connect(&server().0).await.batch_execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name)).await.unwrap();
    }

    pub(super) async fn everything(&self) -> Vec<u8> {
        let client = self.connect().await;
        let tables = client.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", &[]).await.unwrap();
        let mut bytes = Vec::new();
        for table in tables {
            let table: String = table.get(0);
            for row in client.query(&format!("SELECT t::text FROM {table} t"), &[]).await.unwrap() {
                bytes.extend_from_slice(row.get::<_, String>(0).as_bytes());
            }
        }
        bytes
    }

    fn url(&self) -> String {
        let server = server().0;
        format!("{}/{}", server.rsplit_once('/').unwrap().0, self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let drop_it = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The test's runtime cannot wait inside a drop: a thread with its own does. The test does
        // not wait for it; what is left at the end goes with the server.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { connect(&server().0).await.batch_execute(&drop_it).await.unwrap() });
        });
    }
}

async fn connect(url: &str) -> Client {
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (client, connection) = config.password(server().1).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Its URL and password.
#[expect(clippy::disallowed_methods, reason = "how `cargo xtask test` says where its server is")]
fn server() -> (String, String) {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which starts a PostgreSQL"))
    };
    (variable("COUNTERSIGN_TEST_POSTGRES_URL"), variable("COUNTERSIGN_TEST_POSTGRES_PASSWORD"))
}
