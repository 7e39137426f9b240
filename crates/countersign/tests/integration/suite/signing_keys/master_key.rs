//! Replacing the master key.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign::app::StartError;
use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::instance::InstanceError;
use countersign::rewrap::{RewrapError, Rewrapped, rewrap};
use countersign::sealing::{MasterKey, SealingError};
use countersign::signing_keys::{apply_due, rotate};
use countersign::store::SEALED_COLUMNS;
use countersign::store::StoreError;
use countersign_protocol::{Clock as _, Secret};

use super::{ENGINE, KEYS, kid};
use crate::support::{Database, Fixture, Setup, TestApp, master_key};

/// Replaces key 1 by key 2.
async fn replace(app: &TestApp, old: &MasterKey) -> Result<Rewrapped, RewrapError> {
    rewrap(&app.app.store, &Actor::command_line(), old, &master_key(2), app.clock.now()).await
}

async fn node_with(app: &TestApp, key: MasterKey) -> Result<TestApp, StartError> {
    TestApp::try_start(Arc::clone(&app.database), Arc::clone(&app.clock), Setup::default(), key).await
}

/// Every column of every table.
async fn columns(app: &TestApp) -> Vec<(String, String)> {
    let sql = match &*app.database {
        Database::Sqlite(_) => {
            "SELECT m.name || ' ' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        Database::Postgres(_) => {
            "SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        }
    };
    let named = app.database.texts(sql).await;
    named.iter().map(|name| name.split_once(' ').unwrap()).map(|(table, column)| (table.to_owned(), column.to_owned())).collect()
}

#[tokio::test]
async fn no_sealed_column_is_forgotten() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let registered: BTreeSet<(String, String)> =
        SEALED_COLUMNS.iter().map(|sealed| (sealed.table.to_owned(), sealed.column.to_owned())).collect();
    let mut found = BTreeSet::new();
    for (table, column) in columns(&app).await {
        // By what it holds, and by its name where it holds nothing yet.
        let sealed = format!("SELECT count(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE 'v1.%'");
        if column.starts_with("sealed_") || app.database.count(&sealed).await > 0 {
            found.insert((table, column));
        }
    }
    assert_eq!(found, registered);
}

#[tokio::test]
async fn everything_is_sealed_by_the_new_key_and_nothing_by_the_old_one() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.clock.advance_seconds(90 * 86_400);
    apply_due(&app.app, &Actor::system("test")).await.unwrap();
    let token = app.ask(&a, "").await.token();
    assert!(matches!(replace(&app, &master_key(3)).await, Err(RewrapError::WrongMasterKey)));
    // The check, a hash key, a token key, three signing keys.
    assert_eq!(replace(&app, &master_key(1)).await.unwrap(), Rewrapped::Values(6));
    let sealed = "SELECT name || ' ' || value FROM instance_facts UNION ALL SELECT id || ' ' || sealed_key FROM hash_keys \
                  UNION ALL SELECT id || ' ' || sealed_key FROM token_keys \
                  UNION ALL SELECT id || ' ' || sealed_private_key FROM signing_keys";
    for row in app.database.texts(sealed).await {
        let (id, sealed) = row.split_once(' ').unwrap();
        assert!(master_key(2).open(id, sealed).is_ok() && master_key(1).open(id, sealed).is_err(), "{id}");
    }
    // A second run, as after a crash between the commit and the answer.
    for old in [master_key(1), master_key(2)] {
        assert_eq!(replace(&app, &old).await.unwrap(), Rewrapped::Already);
    }
    let Err(StartError::Instance(InstanceError::WrongMasterKey)) = node_with(&app, master_key(1)).await else { panic!() };
    let node = node_with(&app, master_key(2)).await.unwrap();
    let again = node.ask(&a, "").await.token();
    assert_eq!(again.kid(), token.kid());
    assert!(token.verifies_with(&node.key_set(KEYS).await));
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE action = 'master_key.replaced'").await, 1);
}

#[tokio::test]
async fn one_value_that_does_not_open_leaves_everything_as_it_was() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = master_key(9).seal("hk_other", &Secret::new(vec![1; 32])).unwrap();
    app.database.execute(&format!("INSERT INTO hash_keys (id, sealed_key, created_at) VALUES ('hk_other', '{other}', 0)")).await;
    let Err(RewrapError::Value { table: "hash_keys", id, .. }) = replace(&app, &master_key(1)).await else { panic!() };
    assert_eq!(id, "hk_other");
    app.database.execute("DELETE FROM hash_keys WHERE id = 'hk_other'").await;
    node_with(&app, master_key(1)).await.unwrap().ask(&a, "").await.token();
    assert_eq!(replace(&app, &master_key(1)).await.unwrap(), Rewrapped::Values(5));
}

#[tokio::test]
async fn a_node_with_the_old_key_alone_says_so_and_seals_nothing_more() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
    let ready = async || app.get("/health/ready").send().await;
    assert_eq!(ready().await.status, 200);
    app.clock.advance_seconds(301);
    replace(&app, &master_key(1)).await.unwrap();
    // Before it has heard of it, it seals nothing that nobody else can open.
    let refused = rotate(&app.app, &Actor::command_line(), &kid(&app, "active").await).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Sealing(SealingError::OtherMasterKey)), "{refused:?}");
    follower.catch_up().await.unwrap();
    let answer = ready().await;
    assert_eq!((answer.status.as_u16(), answer.json()["reason"].as_str()), (503, Some("master key")));
    // What it holds in memory serves on.
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn nodes_that_have_both_keys_serve_before_and_after() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let both = node_with(&app, master_key(2).or_previous(&master_key(1))).await.unwrap();
    let mut follower = Follower::start(Arc::clone(&both.app), Duration::from_secs(1)).await.unwrap();
    app.clock.advance_seconds(301);
    both.ask(&a, "").await.token();
    let active = kid(&app, "active").await;
    // The others could not open what it seals yet.
    let early = rotate(&both.app, &Actor::command_line(), &active).await.unwrap_err();
    assert!(early.to_string().contains("countersign master-key rewrap"), "{early}");
    replace(&app, &master_key(2).or_previous(&master_key(1))).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(both.get("/health/ready").send().await.status, 200);
    let rotated = rotate(&both.app, &Actor::command_line(), &active).await.unwrap();
    assert_eq!(both.ask(&a, "").await.token().kid(), rotated.active.as_str());
    node_with(&app, master_key(2)).await.unwrap().ask(&a, "").await.token();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_that_are_made_meanwhile_are_sealed_by_the_new_key_or_not_at_all() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let node = app.second_node().await;
    let made: Vec<_> = (0..16)
        .map(|number| {
            let app = Arc::clone(if number % 2 == 0 { &app.app } else { &node.app });
            let new = countersign::authorization_servers::NewAuthorizationServer {
                id: crate::support::issuer_id(&format!("as-{number}")),
                name: "made meanwhile".to_owned(),
                signing_alg: countersign_protocol::jose::Algorithm::EdDSA,
                status_lists: false,
                default_audience: None,
            };
            tokio::spawn(async move { countersign::authorization_servers::create(&app, &Actor::command_line(), new).await })
        })
        .collect();
    replace(&app, &master_key(1)).await.unwrap();
    for one in made {
        match one.await.unwrap() {
            Ok(_)
            | Err(ChangeError::Sealing(SealingError::OtherMasterKey))
            // Made before, and looked at after.
            | Err(ChangeError::Store(StoreError::NotApplied(_))) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    for row in app.database.texts("SELECT id || ' ' || sealed_private_key FROM signing_keys").await {
        let (id, sealed) = row.split_once(' ').unwrap();
        assert!(master_key(2).open(id, sealed).is_ok(), "{id}");
    }
}
