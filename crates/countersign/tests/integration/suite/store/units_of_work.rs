//! A unit of work commits whole or not at all, whatever happens to it.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use countersign::store::{ChangeKind, Committed, Store, StoreError};
use countersign_protocol::Clock as _;
use tokio::sync::oneshot;

use super::ENGINE;
use crate::support::{Database, Engine, Setup, TestApp};

/// Inserts a fact, records a change, and goes on as `then` says.
async fn write(
    app: &TestApp,
    name: &str,
    then: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> Result<Committed<()>, StoreError> {
    let (now, name) = (app.clock.now(), name.to_owned());
    let work = app.app.store.write(move |tx| {
        Box::pin(async move {
            tx.insert_fact(&name, "").await?;
            tx.record_change(ChangeKind::Client, &name, now);
            then()
        })
    });
    work.await
}

/// How many facts, and how many changes, have this name.
async fn found(app: &TestApp, name: &str) -> (i64, i64) {
    let facts = app.database.count(&format!("SELECT count(*) FROM instance_facts WHERE name = '{name}'")).await;
    (facts, app.database.count(&format!("SELECT count(*) FROM changes WHERE object_id = '{name}'")).await)
}

async fn head(store: &Store) -> i64 {
    store.read(|session| Box::pin(async move { session.feed_head().await })).await.unwrap()
}

/// The store does as if nothing had happened, and nothing hangs on a connection.
async fn assert_in_order(app: &TestApp) {
    let before = head(&app.app.store).await;
    let committed = write(app, "in order", || Ok(())).await.unwrap();
    assert_eq!(committed.changes, [(ChangeKind::Client, "in order".to_owned())]);
    assert_eq!(found(app, "in order").await, (1, 1));
    assert_eq!(head(&app.app.store).await, before + 1);
    if let Database::Postgres(_) = &*app.database {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        assert_eq!(app.database.count(open).await, 0);
    }
}

/// Neither now nor with the next commit of the connection that it was on.
async fn assert_left_nothing(app: &TestApp, name: &str) {
    assert_eq!(found(app, name).await, (0, 0));
    assert_in_order(app).await;
    assert_eq!(found(app, name).await, (0, 0));
}

#[tokio::test]
async fn what_is_rolled_back_leaves_nothing() {
    let app = TestApp::start(ENGINE).await;
    let before = head(&app.app.store).await;
    let corrupt = || StoreError::Corrupt { table: "t", column: "c", id: "i".to_owned() };
    let refused = write(&app, "taken back", move || Err(corrupt())).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { table: "t", .. }));
    assert_eq!(head(&app.app.store).await, before);
    assert_left_nothing(&app, "taken back").await;
}

#[tokio::test]
async fn an_identity_that_is_taken_is_a_unique_violation_and_takes_the_rest_back() {
    let app = TestApp::start(ENGINE).await;
    let now = app.clock.now();
    write(&app, "taken", || Ok(())).await.unwrap();
    let refused = app.app.store.write(move |tx| {
        Box::pin(async move {
            tx.insert_fact("before it", "").await?;
            tx.record_change(ChangeKind::Client, "before it", now);
            tx.insert_fact("taken", "other").await
        })
    });
    assert!(matches!(refused.await, Err(StoreError::UniqueViolation)));
    assert_left_nothing(&app, "before it").await;
    assert_eq!(found(&app, "taken").await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_claim_one_identity_one_gets_it() {
    let app = Arc::new(TestApp::start(ENGINE).await);
    let claims: Vec<_> = (0..32)
        .map(|_| {
            let app = Arc::clone(&app);
            tokio::spawn(async move { write(&app, "claimed", || Ok(())).await })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        match claim.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::UniqueViolation), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(found(&app, "claimed").await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_read_then_write_increments_at_once_are_fifty() {
    let app = Arc::new(TestApp::start(ENGINE).await);
    let before = head(&app.app.store).await;
    let now = app.clock.now();
    let increments: Vec<_> = (0..50)
        .map(|number| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                let work = app.app.store.write(move |tx| {
                    Box::pin(async move {
                        // What is read may be old by now; what is written must not build on it.
                        let read = tx.feed_head().await?;
                        tx.record_change(ChangeKind::Client, &format!("increment-{number}"), now);
                        Ok::<_, StoreError>(read)
                    })
                });
                work.await.unwrap().value
            })
        })
        .collect();
    for increment in increments {
        assert!(increment.await.unwrap() >= before);
    }
    assert_eq!(head(&app.app.store).await, before + 50);
    assert_eq!(app.database.count("SELECT count(DISTINCT object_id) FROM changes WHERE object_id LIKE 'increment-%'").await, 50);
}

#[tokio::test]
async fn a_unit_of_work_that_panics_answers_an_error_and_the_store_works_on() {
    let app = TestApp::start(ENGINE).await;
    let before = head(&app.app.store).await;
    let panicked = write(&app, "panicked", || panic!("on purpose")).await.unwrap_err();
    assert!(matches!(panicked, StoreError::Internal(_)));
    assert_eq!(head(&app.app.store).await, before);
    assert_left_nothing(&app, "panicked").await;
}

#[tokio::test]
async fn a_read_that_panics_is_an_error_or_a_panic_and_the_store_works_on() {
    let app = TestApp::start(ENGINE).await;
    for _ in 0..8 {
        let store = app.app.store.clone();
        let read = tokio::spawn(async move {
            store
                .read(|_| Box::pin(async move { if store_is_up() { panic!("on purpose") } else { Ok::<_, StoreError>(()) } }))
                .await
        });
        assert!(!matches!(read.await, Ok(Ok(()))));
    }
    assert_in_order(&app).await;
}

const fn store_is_up() -> bool {
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_of_reads_that_go_away_take_no_connection_along() {
    let app = TestApp::start(ENGINE).await;
    let mut release = Vec::new();
    // As many as there are connections; and once more.
    for _ in 0..8 {
        let (begun, has_begun) = oneshot::channel();
        let (sender, receiver) = mpsc::channel::<()>();
        let mut reading = Box::pin(app.app.store.read(move |session| {
            Box::pin(async move {
                let head = session.feed_head().await;
                begun.send(()).unwrap();
                match ENGINE {
                    Engine::Sqlite => drop(receiver.recv()),
                    Engine::Postgres => std::future::pending().await,
                }
                head
            })
        }));
        tokio::select! {
            begun = has_begun => begun.unwrap(),
            _ = &mut reading => panic!("it was answered"),
        }
        drop(reading);
        release.push(sender);
        if release.len() == 4 {
            release.clear();
        }
    }
    release.clear();
    assert_in_order(&app).await;
}

#[tokio::test]
async fn a_unit_of_work_that_waits_for_something_else_fails_and_leaves_nothing() {
    let app = TestApp::start_with(ENGINE, Setup { store_timeout: Duration::from_secs(2), ..Setup::default() }).await;
    let waiting = app.app.store.write(|tx| {
        Box::pin(async move {
            tx.insert_fact("waiting", "").await?;
            std::future::pending::<()>().await;
            Ok::<_, StoreError>(())
        })
    });
    let error = waiting.await.unwrap_err();
    match ENGINE {
        // At once: waiting would hold the only writer.
        Engine::Sqlite => {
            let StoreError::Internal(cause) = error else { panic!("{error:?}") };
            assert_eq!(cause.to_string(), "a unit of work awaited something other than its transaction");
        }
        Engine::Postgres => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
    }
    assert_left_nothing(&app, "waiting").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_that_goes_away_leaves_a_whole_unit_of_work() {
    let app = TestApp::start(ENGINE).await;
    let now = app.clock.now();
    for (name, keep) in [("left-0", true), ("left-1", false), ("left-2", true), ("left-3", false)] {
        let (begun, has_begun) = oneshot::channel();
        let mut writing = Box::pin(app.app.store.write(move |tx| {
            Box::pin(async move {
                tx.insert_fact(name, "").await?;
                tx.record_change(ChangeKind::Client, name, now);
                begun.send(()).unwrap();
                if keep { Ok(()) } else { Err(StoreError::UniqueViolation) }
            })
        }));
        tokio::select! {
            biased;
            begun = has_begun => begun.unwrap(),
            result = &mut writing => assert_eq!(result.is_ok(), keep),
        }
        drop(writing);
        // The same row: this waits for the one that was left to end.
        let after = write(&app, name, || Ok(())).await;
        assert_eq!(after.is_ok(), !keep, "{name}");
        assert_eq!(found(&app, name).await, (1, 1));
    }
    assert_in_order(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_never_wait_leave_units_of_work_that_are_whole_or_never_begin() {
    let app = TestApp::start(ENGINE).await;
    let before = head(&app.app.store).await;
    let names: Vec<String> = (0..30).map(|number| format!("gone-{number}")).collect();
    for name in &names {
        tokio::select! {
            biased;
            _ = write(&app, name, || Ok(())) => {}
            () = std::future::ready(()) => {}
        }
    }
    // Each name is taken once: by the one that was left, or by this one.
    for name in &names {
        let after = write(&app, name, || Ok(())).await;
        assert!(matches!(after, Ok(_) | Err(StoreError::UniqueViolation)), "{after:?}");
        assert_eq!(found(&app, name).await, (1, 1));
    }
    assert_eq!(head(&app.app.store).await, before + 30);
}
