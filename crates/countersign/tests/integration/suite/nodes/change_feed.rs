//! The change feed: every node applies every commit once, in the order of the commits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign::app::App;
use countersign::audit::Actor;
use countersign::change_feed::Follower;
use countersign::clients;
use countersign::store::{Change, ChangeKind, StoreError};
use countersign_protocol::jose::Algorithm;
use tokio::task::JoinHandle;

use super::ENGINE;
use crate::support::{Database, Dice, Fixture, Setup, TestApp, api};

const WRITERS: u64 = 32;
const WRITES: u64 = 12;

/// Why a unit of work did not commit.
#[derive(Debug)]
enum NotDone {
    OnPurpose,
    Store(StoreError),
}

impl From<StoreError> for NotDone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn head(app: &App) -> i64 {
    app.store.read(|session| Box::pin(async move { session.feed_head().await })).await.unwrap()
}

async fn follower(node: &TestApp) -> Follower {
    Follower::start(Arc::clone(&node.app), Duration::from_secs(1)).await.unwrap()
}

/// Records a change under a name, beside a fact of the same name; or does both and
/// takes it back.
async fn write(app: &App, name: String, keep: bool) -> Result<(), NotDone> {
    let now = app.clock.now();
    let work = app.write(move |tx| {
        Box::pin(async move {
            tx.insert_fact(&name, "").await?;
            tx.record_change(ChangeKind::Client, &name, now);
            if keep { Ok(()) } else { Err(NotDone::OnPurpose) }
        })
    });
    work.await
}

/// Writers on two nodes, some of whose writes are rolled back; ends with the names
/// of what was committed.
fn start_writers(nodes: [&TestApp; 2]) -> JoinHandle<BTreeSet<String>> {
    let nodes = nodes.map(|node| Arc::clone(&node.app));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let app = Arc::clone(&nodes[usize::try_from(writer % 2).unwrap()]);
            tokio::spawn(async move {
                let dice = Dice::new(writer);
                let mut committed = BTreeSet::new();
                for number in 0..WRITES {
                    let name = format!("w{writer:02}-{number:02}");
                    match write(&app, name.clone(), dice.roll(3) > 0).await {
                        Ok(()) => assert!(committed.insert(name)),
                        Err(NotDone::OnPurpose) => {}
                        Err(NotDone::Store(error)) => panic!("{error:?}"),
                    }
                }
                committed
            })
        })
        .collect();
    tokio::spawn(async move {
        let mut committed = BTreeSet::new();
        for writer in writers {
            committed.append(&mut writer.await.unwrap());
        }
        committed
    })
}

/// Follows, by hints where they come and else by polling, until the writers are
/// done and everything has been applied.
async fn follow(mut follower: Follower, app: Arc<App>, mut done: tokio::sync::watch::Receiver<bool>) -> (Vec<Change>, u64) {
    let mut applied = Vec::new();
    loop {
        let is_last = *done.borrow_and_update();
        applied.extend(follower.catch_up().await.unwrap());
        if is_last {
            return (applied, follower.resyncs());
        }
        let _ = tokio::time::timeout(Duration::from_millis(5), async {
            tokio::select! {
                () = app.store.change_hint() => {}
                _ = done.changed() => {}
            }
        })
        .await;
    }
}

async fn two_followers_of_many_writers(listen: bool, cut: bool) {
    let first = TestApp::start_with(ENGINE, Setup { listen, ..Setup::default() }).await;
    let second = first.second_node().await;
    let before = head(&first.app).await;
    let (done, is_done) = tokio::sync::watch::channel(false);
    let mut followers = Vec::new();
    for node in [&first, &second] {
        followers.push(tokio::spawn(follow(follower(node).await, Arc::clone(&node.app), is_done.clone())));
    }
    let writers = start_writers([&first, &second]);
    while cut && !writers.is_finished() {
        match &*first.database {
            Database::Postgres(database) => database.terminate("query LIKE 'LISTEN%'").await,
            // Nothing listens: nodes on one SQLite file only poll.
            Database::Sqlite(_) => tokio::task::yield_now().await,
        }
    }
    let committed = writers.await.unwrap();
    done.send_replace(true);
    let mut applied = Vec::new();
    for follower in followers {
        let (changes, resyncs) = follower.await.unwrap();
        assert_eq!(resyncs, 0);
        applied.push(changes);
    }
    assert_eq!(applied[0], applied[1]);
    let sequence: Vec<i64> = applied[0].iter().map(|change| change.seq).collect();
    assert_eq!(sequence, (before + 1..=head(&first.app).await).collect::<Vec<_>>());
    let names: BTreeSet<String> = applied[0].iter().map(|change| change.object_id.clone()).collect();
    assert_eq!(names, committed);
    assert_eq!(sequence.len(), committed.len());
    // What was taken back is nowhere.
    let facts: BTreeSet<String> =
        first.database.texts("SELECT name FROM instance_facts WHERE name LIKE 'w%'").await.into_iter().collect();
    assert_eq!(facts, committed);
    let possible = usize::try_from(WRITERS * WRITES).unwrap();
    assert!((possible / 3..possible).contains(&committed.len()), "the rollbacks did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_followers_apply_the_same_changes_in_the_same_order() {
    two_followers_of_many_writers(true, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_followers_apply_the_same_changes_when_the_listening_connection_is_cut() {
    two_followers_of_many_writers(true, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_followers_apply_the_same_changes_without_listening() {
    two_followers_of_many_writers(false, false).await;
}

#[tokio::test]
async fn a_gap_is_exactly_one_resync() {
    for (missing, applied) in [("seq <= $head + 2", vec![]), ("seq = $head + 3", vec!["gap-0", "gap-1"])] {
        let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
        let second = app.second_node().await;
        let mut follower = follower(&second).await;
        second.ask(&a, "").await.token();
        let start = head(&app.app).await;
        for number in 0..5 {
            write(&app.app, format!("gap-{number}"), true).await.unwrap();
        }
        clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
        // The one change that says so is among the missing.
        let missing = missing.replace("$head", &start.to_string());
        app.database.execute(&format!("DELETE FROM changes WHERE {missing} OR object_id = 'client-a'")).await;
        let changes = follower.catch_up().await.unwrap();
        assert_eq!(changes.iter().map(|change| change.object_id.as_str()).collect::<Vec<_>>(), applied);
        assert_eq!(follower.resyncs(), 1, "{missing}");
        assert_eq!(second.ask(&a, "").await.status, 401);
        // And it follows on from there.
        write(&app.app, "after".to_owned(), true).await.unwrap();
        let changes = follower.catch_up().await.unwrap();
        assert_eq!(changes.iter().map(|change| change.object_id.as_str()).collect::<Vec<_>>(), ["after"]);
        assert_eq!(follower.resyncs(), 1);
    }
}

#[tokio::test]
async fn a_feed_that_went_backwards_is_a_resync() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = follower(&app).await;
    app.ask(&a, "").await.token();
    let restore =
        format!("DELETE FROM changes; UPDATE feed_head SET seq = 0; UPDATE clients SET disabled_at = 1 WHERE id = '{}'", a.id);
    app.database.execute(&restore).await;
    assert_eq!(follower.catch_up().await.unwrap(), []);
    assert_eq!(follower.resyncs(), 1);
    assert_eq!(app.ask(&a, "").await.status, 401);
}

#[tokio::test]
async fn a_change_of_a_kind_from_a_newer_node_makes_everything_stale() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = follower(&app).await;
    app.ask(&a, "").await.token();
    let newer = format!(
        "UPDATE clients SET disabled_at = 1 WHERE id = '{}'; UPDATE feed_head SET seq = seq + 1; \
         INSERT INTO changes (seq, changed_at, kind, object_id) SELECT seq, 0, 'organization', 'org_1' FROM feed_head",
        a.id
    );
    app.database.execute(&newer).await;
    let changes = follower.catch_up().await.unwrap();
    assert_eq!(changes.iter().map(|change| change.kind).collect::<Vec<_>>(), [None]);
    assert_eq!(app.ask(&a, "").await.status, 401);
}

#[tokio::test]
async fn a_change_that_could_not_be_applied_is_applied_later() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = follower(&second).await;
    let mut new = api("https://later.test", "s");
    new.signing_alg = Some(Algorithm::EdDSA);
    let resource_server = app.resource_server(new).await;
    app.grant(&a, &resource_server, "s").await;
    // The feed can be read, what it is about cannot.
    app.database.execute("ALTER TABLE mounts RENAME TO mounts_gone").await;
    follower.catch_up().await.unwrap_err();
    app.database.execute("ALTER TABLE mounts_gone RENAME TO mounts").await;
    follower.catch_up().await.unwrap();
    assert_eq!(second.ask(&a, "audience=https://later.test").await.token().alg(), "EdDSA");
    assert_eq!(follower.resyncs(), 0);
}

#[tokio::test]
async fn objects_made_on_one_node_work_on_the_other_after_catching_up() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = follower(&second).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    assert_eq!(second.get("/oauth2/second/v1/keys").send().await.status, 404);
    let resource_server = app.resource_server(api("https://later.test", "s")).await;
    app.grant(&a, &resource_server, "s").await;
    follower.catch_up().await.unwrap();
    let keys = second.key_set("/oauth2/second/v1/keys").await;
    assert_eq!(keys, app.key_set("/oauth2/second/v1/keys").await);
    second.ask(&a, "audience=https://later.test").await.token();
}

#[tokio::test]
async fn a_commit_is_a_hint_to_every_follower_that_can_get_one() {
    let first = TestApp::start_with(ENGINE, Setup { listen: true, ..Setup::default() }).await;
    let second = first.second_node().await;
    if let Database::Postgres(_) = &*first.database {
        // The first hint of a node says that it listens from now on.
        second.app.store.change_hint().await;
        write(&first.app, "hinted-0".to_owned(), true).await.unwrap();
        second.app.store.change_hint().await;
    }
    write(&second.app, "hinted-1".to_owned(), true).await.unwrap();
    second.app.store.change_hint().await;
}
