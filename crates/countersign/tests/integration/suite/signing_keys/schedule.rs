//! Rotation by the schedule; catalogue G, 104 and 105.

use std::sync::Arc;
use std::time::Duration;

use countersign::app::App;
use countersign::audit::Actor;
use countersign::authorization_servers::set_rotation_interval;
use countersign::change_feed::Follower;
use countersign::signing_keys::{RETIREMENT_SECONDS, apply_due};

use super::{ENGINE, kid, kids, published_kids};
use crate::support::{Fixture, TestApp, issuer_id};

const DAY: i64 = 86_400;

async fn steps(app: &App) -> usize {
    apply_due(app, &Actor::system("test")).await.unwrap()
}

async fn events(app: &TestApp, action: &str) -> i64 {
    app.database.count(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'")).await
}

#[tokio::test]
async fn g104_a_key_is_succeeded_retires_and_is_destroyed_and_every_node_hears_of_it() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let (old, next) = (kid(&app, "active").await, kid(&app, "published").await);
    app.clock.advance_seconds(90 * DAY - 1);
    assert_eq!(steps(&app.app).await, 0);
    let last_of_old = app.ask(&a, "").await.token();

    app.clock.advance_seconds(1);
    // It takes over, and a new successor is published.
    assert_eq!(steps(&app.app).await, 2);
    assert_eq!((kid(&app, "active").await, kid(&app, "retiring").await), (next.clone(), old.clone()));
    let successor = kid(&app, "published").await;
    follower.catch_up().await.unwrap();
    for node in [&app, &second] {
        assert_eq!(node.ask(&a, "").await.token().kid(), next.as_str());
        let keys = node.key_set("/.well-known/jwks.json").await;
        assert!(last_of_old.verifies_with(&keys));
        assert_eq!(published_kids(node).await, [&next, &successor, &old].map(|key| key.as_str().to_owned()));
    }

    app.clock.advance_seconds(RETIREMENT_SECONDS - 1);
    assert_eq!(steps(&app.app).await, 0);
    app.clock.advance_seconds(1);
    assert_eq!(steps(&second.app).await, 1);
    follower.catch_up().await.unwrap();
    assert_eq!(kid(&app, "retired").await, old);
    assert_eq!(published_kids(&second).await, [&next, &successor].map(|key| key.as_str().to_owned()));
    let facts = "SELECT sealed_private_key || CAST(retired_at - retiring_at AS TEXT) FROM signing_keys WHERE state = 'retired'";
    assert_eq!(app.database.texts(facts).await, [(RETIREMENT_SECONDS * 1000).to_string()]);
    for (action, count) in [("signing_key.rotated", 1), ("signing_key.published", 1), ("signing_key.retired", 1)] {
        assert_eq!(events(&app, action).await, count, "{action}");
    }
    // Nothing is left to do.
    assert_eq!(steps(&app.app).await + steps(&second.app).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g105_thirty_two_runs_on_two_nodes_make_each_step_once() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    for round in 1..=3 {
        app.clock.advance_seconds(90 * DAY);
        let runs: Vec<_> = (0..32)
            .map(|number| {
                let node = Arc::clone(if number % 2 == 0 { &app.app } else { &second.app });
                tokio::spawn(async move { apply_due(&node, &Actor::system("test")).await })
            })
            .collect();
        let mut made = 0;
        for run in runs {
            made += run.await.unwrap().unwrap();
        }
        // One takes over, one is published; from the second round on one is retired.
        assert_eq!(made, if round == 1 { 2 } else { 3 }, "round {round}");
        assert_eq!(kids(&app, "active").await.len() + kids(&app, "published").await.len(), 2);
        for (action, count) in [("rotated", round), ("published", round), ("retired", round - 1)] {
            assert_eq!(events(&app, &format!("signing_key.{action}")).await, count, "{action} in round {round}");
        }
    }
}

#[tokio::test]
async fn g104_a_missing_successor_is_made_and_waits_a_day_before_it_signs() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let old = kid(&app, "active").await;
    app.database.execute("DELETE FROM signing_keys WHERE state = 'published'").await;
    app.clock.advance_seconds(90 * DAY);
    assert_eq!(steps(&app.app).await, 1);
    app.clock.advance_seconds(DAY - 1);
    assert_eq!(steps(&app.app).await, 0);
    assert_eq!(kid(&app, "active").await, old);
    app.clock.advance_seconds(1);
    assert_eq!(steps(&app.app).await, 2);
    assert_eq!(kid(&app, "retiring").await, old);
}

#[tokio::test]
async fn each_authorization_server_has_an_interval_of_its_own() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", countersign_protocol::jose::Algorithm::EdDSA, None).await;
    let by = Actor::command_line();
    for seconds in [DAY - 1, 0, -1, 3_651 * DAY] {
        set_rotation_interval(&app.app, &by, &issuer_id("second"), seconds).await.unwrap_err();
    }
    set_rotation_interval(&app.app, &by, &issuer_id("third"), DAY).await.unwrap_err();
    set_rotation_interval(&app.app, &by, &issuer_id("second"), DAY).await.unwrap();
    app.clock.advance_seconds(DAY);
    assert_eq!(steps(&app.app).await, 2);
    let retiring = app.database.texts("SELECT authorization_server_id FROM signing_keys WHERE state = 'retiring'").await;
    assert_eq!(retiring, ["second"]);
}
