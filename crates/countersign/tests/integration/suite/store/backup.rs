//! Backups: everything as of one instant, restored into either engine.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign::audit::{self, Actor};
use countersign::authorization_servers::{self, AuthorizationServerPatch};
use countersign::backup::{self, BackupError};
use countersign::clients;
use countersign::resource_servers::{NewResourceServer, TokenFormat};
use countersign::store::{ConnectOptions, Store, StoreError};
use countersign_protocol::Clock as _;
use tempfile::TempDir;

use super::ENGINE;
use crate::support::{Database, Engine, Fixture, Setup, TestApp, api, by, issuer_id, master_key};

const TIMEOUT: Duration = Duration::from_secs(20);

struct Taken {
    _folder: TempDir,
    file: PathBuf,
}

async fn take(app: &TestApp) -> Taken {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup");
    backup::write(&app.app.store, app.clock.now(), &file, |_| {}).await.unwrap();
    Taken { _folder: folder, file }
}

async fn restore(app: &TestApp, taken: &Taken, database: &Database) -> Result<backup::Exposed, BackupError> {
    backup::restore(database.options(TIMEOUT, false), &master_key(1), &taken.file, app.clock.now(), |_| {}).await
}

async fn node_on(app: &TestApp, database: Arc<Database>) -> TestApp {
    TestApp::try_start(database, Arc::clone(&app.clock), Setup::default(), master_key(1)).await.unwrap()
}

#[tokio::test]
async fn r24_a_restored_instance_serves_on_either_engine() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let opaque = NewResourceServer { token_format: TokenFormat::Opaque, ..api("https://opaque.test", "s") };
    app.grant(&a, &app.resource_server(opaque).await, "s").await;
    let sealed = app.ask(&a, "audience=https://opaque.test").await.json()["access_token"].as_str().unwrap().to_owned();
    let before = app.ask(&a, "audience=https://api1.test").await.token();
    let taken = take(&app).await;
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let database = Arc::new(Database::create(engine).await);
        restore(&app, &taken, &database).await.unwrap();
        let restored = node_on(&app, database).await;
        assert!(restored.is_active(&a, &sealed).await);
        // The same keys, secrets and grants; what was disabled stays disabled.
        assert_eq!(restored.ask(&a, "audience=https://api1.test").await.token().kid(), before.kid());
        assert!(before.verifies_with(&restored.key_set("/.well-known/jwks.json").await));
        assert_eq!(restored.ask(&z, "").await.status, 401);
        let chain = audit::verify(&restored.app.store, None, |_| {}).await.unwrap();
        assert_eq!(chain, audit::verify(&app.app.store, None, |_| {}).await.unwrap());
        // The log goes on where it stopped.
        clients::disable(&restored.app, &Actor::command_line(), &a.id).await.unwrap();
        assert_eq!(audit::verify(&restored.app.store, None, |_| {}).await.unwrap().events, chain.events + 1);
    }
}

#[tokio::test]
async fn what_was_revoked_before_the_backup_stays_revoked_and_the_window_is_told() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    clients::revoke_credential(&app.app, &Actor::command_line(), &a.id, &a.credential_id).await.unwrap();
    let (taken, from) = (take(&app).await, app.clock.now());
    app.clock.advance_seconds(3_600);
    clients::revoke_credential(&app.app, &Actor::command_line(), &b.id, &b.credential_id).await.unwrap();
    let database = Arc::new(Database::create(ENGINE).await);
    let exposed = restore(&app, &taken, &database).await.unwrap();
    assert_eq!((exposed.from, exposed.until), (from, app.clock.now()));
    let restored = node_on(&app, database).await;
    assert_eq!(restored.ask(&a, "").await.status, 401);
    // The window that the command warns of.
    restored.ask(&b, "audience=https://api1.test").await.token();
}

#[tokio::test]
async fn a_place_that_was_given_since_the_backup_is_not_given_again() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let patch = AuthorizationServerPatch { status_lists: Some(true), ..AuthorizationServerPatch::default() };
    authorization_servers::update(&app.app, &by(), &issuer_id("default"), patch, None).await.unwrap();
    let list = async |node: &TestApp| {
        let token = node.ask(&a, "audience=https://api1.test").await.token();
        token.claim("jti").split_once('.').unwrap().0.to_owned()
    };
    let before = list(&app).await;
    let taken = take(&app).await;
    app.clock.advance_seconds(1);
    let database = Arc::new(Database::create(ENGINE).await);
    restore(&app, &taken, &database).await.unwrap();
    assert_ne!(list(&node_on(&app, database).await).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r24_a_backup_under_load_is_of_one_instant() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (node, id, stop, made) = (Arc::clone(&app.app), a.id.clone(), Arc::clone(&stop), Arc::clone(&made));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let by = Actor::command_line();
                    let secret = clients::create_secret(&node, &by, &id, "under load").await.unwrap();
                    made.fetch_add(1, Ordering::SeqCst);
                    // A client has only so many that count.
                    clients::revoke_credential(&node, &by, &id, &secret.credential.id).await.unwrap();
                }
            })
        })
        .collect();
    while made.load(Ordering::SeqCst) < 8 {
        tokio::task::yield_now().await;
    }
    let taken = take(&app).await;
    let at_the_end = made.load(Ordering::SeqCst);
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let database = Arc::new(Database::create(ENGINE).await);
    restore(&app, &taken, &database).await.unwrap();
    let restored = node_on(&app, Arc::clone(&database)).await;
    // Each secret was written together with its event: one without the other would show.
    audit::verify(&restored.app.store, None, |_| {}).await.unwrap();
    let secrets = database.count("SELECT count(*) FROM credentials WHERE label = 'under load'").await;
    let events = "SELECT count(*) FROM audit_events WHERE action = 'credential.created' AND details LIKE '%under load%'";
    assert_eq!(secrets, database.count(events).await);
    assert!((8..=i64::try_from(at_the_end).unwrap() + 4).contains(&secrets), "{secrets}");
}

#[tokio::test]
async fn l178_r24_a_backup_holds_no_secret_in_the_clear_and_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let taken = take(&app).await;
    let text = std::fs::read_to_string(&taken.file).unwrap();
    assert!(!text.contains(&a.secret) && !text.contains(&b.secret) && !text.contains("csec_"));
    assert_eq!(std::fs::metadata(&taken.file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn r24_a_broken_or_foreign_backup_changes_nothing() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let taken = take(&app).await;
    let whole = std::fs::read_to_string(&taken.file).unwrap();
    let cut = whole[..whole.len() / 2].to_owned();
    let changed = whole.replacen("client-a", "client-x", 1);
    let without_end = whole.lines().take(whole.lines().count() - 1).map(|line| format!("{line}\n")).collect();
    let database = Database::create(ENGINE).await;
    for (broken, what) in [(cut, "cut off"), (changed, "changed"), (without_end, "without an end"), (String::new(), "empty")] {
        std::fs::write(&taken.file, broken).unwrap();
        let refused = restore(&app, &taken, &database).await;
        assert!(matches!(refused, Err(BackupError::Broken { .. })), "{what}: {refused:?}");
    }
    std::fs::write(&taken.file, &whole).unwrap();
    let options = || database.options(TIMEOUT, false);
    let refused = backup::restore(options(), &master_key(2), &taken.file, app.clock.now(), |_| {}).await;
    assert!(matches!(refused, Err(BackupError::OtherMasterKey(_))));
    restore(&app, &taken, &database).await.unwrap();
    // Not twice, and not over an instance that is in use.
    for options in [options(), app.database.options(TIMEOUT, false)] {
        let refused = backup::restore(options, &master_key(1), &taken.file, app.clock.now(), |_| {}).await;
        assert!(matches!(refused, Err(BackupError::NotEmpty)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_database_that_was_never_set_up_has_nothing_to_back_up() {
    let database = Database::create(ENGINE).await;
    let options: ConnectOptions = database.options(TIMEOUT, false);
    let store = Store::open(options).await.map_err(|error: StoreError| error).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("backup");
    let clock = countersign_protocol::ManualClock::new(countersign_protocol::Timestamp::from_seconds(1));
    assert!(matches!(backup::write(&store, clock.now(), &file, |_| {}).await, Err(BackupError::NotSetUp)));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn no_table_is_forgotten_and_other_peoples_tables_are_left_alone() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let all = match ENGINE {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        Engine::Postgres => {
            "SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name"
        }
    };
    let mut known: Vec<&str> = countersign::store::TABLES.to_vec();
    known.push("schema_migrations");
    known.sort_unstable();
    assert_eq!(app.database.texts(all).await, known);

    let taken = take(&app).await;
    let shared = Arc::new(Database::create(ENGINE).await);
    shared.execute("CREATE TABLE somebody_elses (value TEXT); INSERT INTO somebody_elses VALUES ('kept')").await;
    restore(&app, &taken, &shared).await.unwrap();
    assert_eq!(shared.texts("SELECT value FROM somebody_elses").await, ["kept"]);
    // Nor does a table without a key keep the next backup from being taken.
    let restored = node_on(&app, shared).await;
    take(&restored).await;
}

#[tokio::test]
async fn a_node_that_still_runs_hears_that_its_database_was_restored() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = countersign::change_feed::Follower::start(Arc::clone(&app.app), Duration::from_secs(60)).await.unwrap();
    app.ask(&a, "").await.token();
    // As a restore leaves the feed: further on, without a change.
    app.database
        .execute("UPDATE feed_head SET seq = seq + 1000000; UPDATE clients SET disabled_at = 1 WHERE id = 'client-a'")
        .await;
    follower.catch_up().await.unwrap();
    assert_eq!(follower.resyncs(), 1);
    assert_eq!(app.ask(&a, "").await.status, 401);
}
