//! `/health/...`.

use std::sync::Arc;
use std::time::Duration;

use countersign::change_feed::Follower;
use http::Method;
use serde_json::json;

use super::ENGINE;
use crate::support::{JSON, TestApp};

#[tokio::test]
async fn live_and_ready_answer_on_an_empty_instance() {
    let app = TestApp::start(ENGINE).await;
    for (path, status) in [("/health/live", "live"), ("/health/ready", "ready")] {
        let answer = app.get(path).send().await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "status": status })));
        assert_eq!(answer.header("content-type"), Some(JSON));
        let head = app.request(Method::HEAD, path).send().await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        assert_eq!(app.post(path).send().await.status, 405);
    }
}

#[tokio::test]
async fn a_draining_process_is_live_and_not_ready() {
    let app = TestApp::start(ENGINE).await;
    app.app.start_draining();
    let ready = app.get("/health/ready").send().await;
    assert_eq!((ready.status.as_u16(), ready.json()), (503, json!({ "status": "not ready", "reason": "draining" })));
    assert_eq!(app.get("/health/live").send().await.status, 200);
}

#[tokio::test]
async fn a_process_whose_store_fails_is_live_and_not_ready_until_it_works_again() {
    let app = TestApp::start(ENGINE).await;
    app.database.execute("ALTER TABLE feed_head RENAME TO feed_head_gone").await;
    let ready = app.get("/health/ready").send().await;
    assert_eq!((ready.status.as_u16(), ready.json()), (503, json!({ "status": "not ready", "reason": "store" })));
    assert_eq!(app.get("/health/live").send().await.status, 200);
    app.database.execute("ALTER TABLE feed_head_gone RENAME TO feed_head").await;
    assert_eq!(app.get("/health/ready").send().await.status, 200);
}

#[tokio::test]
async fn a_node_that_has_not_read_the_change_feed_for_too_long_is_not_ready() {
    let app = TestApp::start(ENGINE).await;
    // Nobody follows: nothing is late.
    app.clock.advance_seconds(3_600);
    assert_eq!(app.get("/health/ready").send().await.status, 200);
    let mut follower = Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
    for _ in 0..2 {
        app.clock.advance_seconds(10);
        assert_eq!(app.get("/health/ready").send().await.status, 200);
        app.clock.advance_millis(1);
        let ready = app.get("/health/ready").send().await;
        assert_eq!((ready.status.as_u16(), ready.json()), (503, json!({ "status": "not ready", "reason": "change feed" })));
        follower.catch_up().await.unwrap();
        assert_eq!(app.get("/health/ready").send().await.status, 200);
    }
    // A feed that cannot be read does not count as read.
    app.clock.advance_seconds(11);
    app.database.execute("ALTER TABLE changes RENAME TO changes_gone").await;
    follower.catch_up().await.unwrap_err();
    assert_eq!(app.get("/health/ready").send().await.status, 503);
}
