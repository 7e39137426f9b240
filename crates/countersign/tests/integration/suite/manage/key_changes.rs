//! `/manage/v1/keys/changes`.

use std::sync::Arc;
use std::time::Duration;

use countersign::change_feed::Follower;
use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::keys::Keys;
use crate::support::every_right_but;

async fn started() -> (Keys, Follower) {
    let keys = Keys::start().await;
    let follower = Follower::start(Arc::clone(&keys.app.app), Duration::from_secs(1)).await.unwrap();
    (keys, follower)
}

#[tokio::test]
async fn a_service_follows_what_changes() {
    let (keys, mut follower) = started().await;
    let start = keys.get("/keys/changes").await.success(200);
    assert_eq!((&start["everything"], &start["key_ids"], &start["client_ids"]), (&json!(false), &json!([]), &json!([])));
    let made = keys.create(json!({})).await;
    let verdict = keys.verify(json!({ "key": made["key"] })).await;
    assert_eq!(
        (&verdict["max_age_seconds"], &verdict["position"], &verdict["is_for_address"]),
        (&json!(60), &start["position"], &json!(false))
    );
    keys.post(&format!("/keys/{}/disable", made["id"].as_str().unwrap()), Value::Null).await.success(200);
    follower.catch_up().await.unwrap();
    let told = keys.get(&format!("/keys/changes?after={}&wait_seconds=20", start["position"])).await.success(200);
    assert_eq!((&told["everything"], &told["key_ids"][0], &told["client_ids"]), (&json!(false), &made["id"], &json!([])));
    assert!(told["position"].as_i64() > start["position"].as_i64());
}

#[tokio::test]
async fn a_caller_of_an_organization_hears_that_something_changed_and_not_what() {
    let (keys, mut follower) = started().await;
    let partner = keys.app.organization("Partner").await;
    let partner = keys.app.caller("partner-1", "keys:verify", Some(&partner)).await;
    follower.catch_up().await.unwrap();
    let start = partner.get(&keys.app, "/keys/changes").await.success(200);
    let made = keys.create(json!({})).await;
    keys.post(&format!("/keys/{}/disable", made["id"].as_str().unwrap()), Value::Null).await.success(200);
    follower.catch_up().await.unwrap();
    let told = partner.get(&keys.app, &format!("/keys/changes?after={}", start["position"])).await.success(200);
    assert_eq!((&told["everything"], &told["key_ids"], &told["client_ids"]), (&json!(true), &json!([]), &json!([])));
    let nothing = partner.get(&keys.app, &format!("/keys/changes?after={}", told["position"])).await.success(200);
    assert_eq!(nothing["everything"], false);
}

#[tokio::test]
async fn who_may_not_verify_keys_hears_of_none() {
    let (keys, _follower) = started().await;
    let reader = keys.app.caller("reader-1", &every_right_but(&["keys:verify"]), None).await;
    reader.get(&keys.app, "/keys/changes").await.refusal(403, ErrorCode::InsufficientScope);
}

#[tokio::test]
async fn a_question_that_is_not_understood_or_not_known_is_told_so() {
    let (keys, _follower) = started().await;
    for query in ["after=x", "after=-1", "after=", "wait_seconds=21", "wait_seconds=-1", "unknown=1", "after=1&after=1"] {
        keys.get(&format!("/keys/changes?{query}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
    keys.app.clock.advance_seconds(11);
    keys.get("/keys/changes").await.refusal(503, ErrorCode::Unavailable);
}
