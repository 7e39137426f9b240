//! The first start of an instance, and later ones.

use std::sync::Arc;

use countersign::app::StartError;
use countersign::instance::InstanceError;
use countersign::store::{Store, StoreError};

use super::ENGINE;
use crate::support::{Database, Fixture, Setup, TestApp, master_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_at_once_on_an_empty_database_agree() {
    let first = TestApp::start(ENGINE).await;
    let database = Arc::new(Database::create(ENGINE).await);
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let (database, clock) = (Arc::clone(&database), Arc::clone(&first.clock));
            tokio::spawn(async move { TestApp::try_start(database, clock, Setup::default(), master_key(1)).await })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    assert_eq!(database.count("SELECT count(*) FROM hash_keys").await, 1);
    let versions = "SELECT CAST(version AS TEXT) FROM schema_migrations ORDER BY version";
    assert_eq!(database.texts(versions).await, first.database.texts(versions).await);
    assert_eq!(database.texts("SELECT name FROM instance_facts").await, ["master_key_check"]);
}

#[tokio::test]
async fn another_master_key_is_one_clear_error_and_changes_nothing() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let wrong = TestApp::try_start(Arc::clone(&app.database), Arc::clone(&app.clock), Setup::default(), master_key(2)).await;
    let Err(error) = wrong else { panic!("it started") };
    assert!(matches!(error, StartError::Instance(InstanceError::WrongMasterKey)));
    assert_eq!(error.to_string(), "the master key is not the one this database was set up with");
    assert_eq!(app.database.count("SELECT count(*) FROM hash_keys").await, 1);
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a_second_start_finds_everything() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let second = app.second_node().await;
    let again = second.ask(&a, "").await.token();
    assert_eq!((again.kid(), again.claim("cred")), (token.kid(), token.claim("cred")));
    assert_ne!(again.claim("jti"), token.claim("jti"));
    assert!(token.verifies_with(&second.key_set("/.well-known/jwks.json").await));
    assert_eq!(second.ask(&z, "").await.status, 401);
}

#[tokio::test]
async fn a_database_of_a_newer_version_and_an_edited_migration_are_refused() {
    let app = TestApp::start(ENGINE).await;
    let open = async || Store::open(app.database.options(std::time::Duration::from_secs(20), false)).await.map(drop);
    open().await.unwrap();
    let checksum = app.database.texts("SELECT checksum FROM schema_migrations WHERE version = 1").await.concat();
    app.database.execute("UPDATE schema_migrations SET checksum = 'edited' WHERE version = 1").await;
    assert!(matches!(open().await, Err(StoreError::Internal(_))));
    let newer = format!(
        "UPDATE schema_migrations SET checksum = '{checksum}' WHERE version = 1; INSERT INTO schema_migrations VALUES (99, 'x')"
    );
    app.database.execute(&newer).await;
    let refused = open().await.unwrap_err();
    assert!(matches!(refused, StoreError::NewerSchema { found: 99, .. }));
    assert!(refused.to_string().ends_with("use a newer binary"));
}
