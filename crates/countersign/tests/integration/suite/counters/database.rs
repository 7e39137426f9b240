//! Counters in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use countersign::app::StartError;
use countersign::counters::{CountedIn, CountersOptions, OnUnreachable, Outcome, SharedCounters};

use super::{ENGINE, counted_in, exactly_10_of_64_pass, remaining, rule, take, takes_all_or_nothing_and_gives_back};
use crate::support::{Database, Engine, Setup, TestApp, master_key};

fn setup() -> Setup {
    let counters = CountersOptions {
        shared: Some(SharedCounters::Database),
        timeout: Duration::from_secs(20),
        pause: Duration::ZERO,
        ..CountersOptions::default()
    };
    Setup { counters, ..Setup::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_nodes_count_together() {
    if ENGINE == Engine::Sqlite {
        return;
    }
    let app = TestApp::start_with(ENGINE, setup()).await;
    let other = app.second_node().await;
    exactly_10_of_64_pass([&app, &other]).await;
    takes_all_or_nothing_and_gives_back(&app).await;
}

#[tokio::test]
async fn a_node_does_not_start_with_counters_that_its_database_cannot_keep() {
    let app = TestApp::start(ENGINE).await;
    let started = TestApp::try_start(Arc::clone(&app.database), Arc::clone(&app.clock), setup(), master_key(1)).await;
    match (ENGINE, started.map(drop)) {
        (Engine::Sqlite, Err(StartError::Counters(_))) | (Engine::Postgres, Ok(())) => {}
        (_, started) => panic!("{started:?}"),
    }
}

#[tokio::test]
async fn a_window_ends_and_its_row_goes_when_others_come() {
    if ENGINE == Engine::Sqlite {
        return;
    }
    let app = TestApp::start_with(ENGINE, setup()).await;
    let a = rule("a", 1, OnUnreachable::Deny);
    assert_eq!(take(&app.app, &[("key_1", &a, 1), ("key_2", &a, 1)]).await.outcome, Outcome::Within);
    app.database.execute("UPDATE counter_windows SET ends_at = 1").await;
    assert_eq!(remaining(&take(&app.app, &[("key_1", &a, 1)]).await), [0]);
    assert_eq!(take(&app.app, &[("key_1", &a, 1)]).await.outcome, Outcome::Exceeded);
    assert_eq!(take(&app.app, &[("key_3", &a, 1)]).await.outcome, Outcome::Within);
    assert_eq!(app.database.count("SELECT count(*) FROM counter_windows").await, 2, "that of key_2 is gone");
}

#[tokio::test]
async fn each_limit_says_what_happens_while_the_database_is_away() {
    if ENGINE == Engine::Sqlite {
        return;
    }
    let app = TestApp::start_with(ENGINE, setup()).await;
    let Database::Postgres(database) = &*app.database else { panic!() };
    let [deny, allow, local] =
        [OnUnreachable::Deny, OnUnreachable::Allow, OnUnreachable::Local].map(|setting| rule("a", 2, setting));
    assert_eq!(take(&app.app, &[("key_1", &deny, 1)]).await.outcome, Outcome::Within);
    database.shut().await;
    assert_eq!(take(&app.app, &[("key_1", &deny, 1)]).await.outcome, Outcome::Uncounted);
    assert_eq!(counted_in(&take(&app.app, &[("key_1", &allow, 1)]).await), [CountedIn::Nowhere]);
    assert_eq!(counted_in(&take(&app.app, &[("key_1", &local, 1)]).await), [CountedIn::ThisProcess]);
    database.reopen().await;
    assert_eq!(remaining(&take(&app.app, &[("key_1", &deny, 1)]).await), [0]);
}
