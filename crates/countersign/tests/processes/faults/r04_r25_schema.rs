//! R4 and R25: databases of older versions. A migration that is killed at any of its
//! operations on the disk is made whole by the next start, and what was valid before an
//! upgrade is valid after it.

use std::collections::BTreeMap;
use std::path::Path;

use countersign::store::{ConnectOptions, Durability, Store};
use countersign_verify::Verifier;
use rusqlite::Connection;

use super::copy::{Copied, rows};
use super::disk::Disk;
use super::report;
use super::size::{MIGRATION_STEP, OLDEST_KILLED};
use crate::support::{AUDIENCE, Client, Instance, alone, run};

/// An instance in use, its database as an older version would have left it.
struct Aged {
    instance: Instance,
    client: Client,
    token: String,
    issuer: String,
}

impl Aged {
    async fn at(schema: i64) -> Self {
        let instance = Instance::sqlite().init().await;
        let client = instance.client("old-client").await;
        let mut server = instance.serve(&[]).await;
        let token = server.token(&client).await.token();
        let issuer = format!("{}/", server.base);
        server.process.stop().await;
        age(&instance.database_file(), schema).await;
        Self { instance, client, token, issuer }
    }

    /// The instance is what it was: the secret works, the token verifies.
    async fn is_valid(&self) {
        let mut server = self.instance.serve(&[]).await;
        server.token(&self.client).await.token();
        let keys = format!("{}/.well-known/jwks.json", server.base);
        let verifier = Verifier::builder(&self.issuer, AUDIENCE).jwks_uri(keys).build().unwrap();
        verifier.verify_token(&self.token).await.unwrap();
        server.process.stop().await;
    }
}

/// Replaces a database by one with the schema of an older version, and with all of the
/// rows that had a place there.
async fn age(database: &Path, schema: i64) {
    let newer = database.with_extension("newer");
    std::fs::rename(database, &newer).unwrap();
    for companion in ["countersign.db-wal", "countersign.db-shm"] {
        let _ = std::fs::remove_file(database.with_file_name(companion));
    }
    let options = ConnectOptions::Sqlite { path: database.to_owned(), durability: Durability::PowerLoss };
    drop(Store::open_with_schema(options, schema).await.unwrap());
    let old = Connection::open(database).unwrap();
    old.execute("ATTACH DATABASE ?1 AS newer", [newer.to_str().unwrap()]).unwrap();
    let names = |sql: &str| -> Vec<String> {
        old.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations'") {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
        old.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table};"
        ))
        .unwrap();
    }
    old.execute_batch("DETACH DATABASE newer; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    drop(old);
    std::fs::remove_file(newer).unwrap();
}

/// How many rows each table has.
fn counts(database: &Path) -> BTreeMap<String, String> {
    let tables = rows(database, "SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name");
    let count = |table: &str| rows(database, &format!("SELECT '', CAST(count(*) AS TEXT) FROM {table}")).remove(0).1;
    tables.into_iter().map(|(table, _)| (table.clone(), count(&table))).collect()
}

const NEWEST: i64 = Store::newest_schema();

#[tokio::test(flavor = "multi_thread")]
async fn r04_a_migration_that_is_killed_anywhere_is_made_whole_by_the_next_start() {
    let _alone = alone().await;
    let (mut killed, mut operations) = (0_u64, 0);
    let levels: Vec<i64> = (1..NEWEST).filter(|level| OLDEST_KILLED.get() == 1 || *level == 2).collect();
    for level in levels {
        let aged = Aged::at(level).await;
        let (instance, database) = (&aged.instance, aged.instance.database_file());
        let disk = Disk::under(instance.folder());
        let before = Copied::of(instance.folder());
        let flags = instance.flags(&[]);
        let open = || {
            let mut open = instance.command(&["signing-key", "list", "--offline"]);
            open.args(&flags);
            open
        };
        run(disk.kill_at(&mut open(), u64::MAX >> 1)).await.success();
        operations += disk.operations();
        let whole = counts(&database);
        // Until one ends before its moment: how many operations share a commit varies.
        let mut number = 1;
        loop {
            before.put_back();
            let ended = run(disk.kill_at(&mut open(), number)).await;
            let is_last = ended.code == Some(0);
            assert!(is_last || ended.code.is_none(), "{ended:?}");
            run(&mut open()).await.success();
            assert_eq!(counts(&database), whole, "from schema {level}, killed at {number}");
            if is_last {
                break;
            }
            killed += 1;
            number += MIGRATION_STEP.get();
        }
        aged.is_valid().await;
    }
    assert!(killed > 2);
    report("r04", &format!("{killed} kills at {operations} operations; rows, secrets and tokens as without them"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_what_an_older_version_left_is_valid_after_the_upgrade() {
    for level in 1..NEWEST {
        let aged = Aged::at(level).await;
        let migrations = || rows(&aged.instance.database_file(), "SELECT CAST(version AS TEXT), checksum FROM schema_migrations");
        assert_eq!(migrations().len(), usize::try_from(level).unwrap());
        aged.is_valid().await;
        assert_eq!(migrations().len(), usize::try_from(NEWEST).unwrap());
    }
    report("r25", &format!("upgraded from each of {} older schemas: the old secret works, the old token verifies", NEWEST - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_a_database_of_a_newer_version_is_refused_in_one_line_and_left_alone() {
    let instance = Instance::sqlite().init().await;
    let newer = NEWEST + 1;
    let database = Connection::open(instance.database_file()).unwrap();
    database.execute("INSERT INTO schema_migrations (version, checksum) VALUES (?1, 'of the future')", [newer]).unwrap();
    drop(database);
    let mut process = instance.start(&[]);
    assert_eq!(process.ends().await.code(), Some(1));
    let expected = format!("the database has schema version {newer}, this binary knows up to {NEWEST}: use a newer binary");
    assert_eq!(process.printed().matches(&expected).count(), 1, "{}", process.printed());
    let versions = rows(&instance.database_file(), "SELECT CAST(version AS TEXT), checksum FROM schema_migrations");
    assert_eq!(versions.len(), usize::try_from(newer).unwrap());
}
