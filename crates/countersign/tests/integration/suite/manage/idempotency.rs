//! `Idempotency-Key` over HTTP.

use countersign_protocol::ErrorCode;
use http::Method;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Answer, Caller, Managed, TestApp, every_right};

async fn post(caller: &Caller, app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    caller.request(app, Method::POST, path).header("idempotency-key", key).json(body).send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_posts_with_one_key_through_two_nodes_make_one_client() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let other = app.second_node().await;
    let body = json!({ "name": "one-of-many" });
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let node = if number % 2 == 0 { &app } else { &other };
            let request = operator.request(node, Method::POST, "/clients").header("idempotency-key", "key-1").json(&body);
            tokio::spawn(request.send())
        })
        .collect();
    let (mut with_secret, mut replies) = (0, Vec::new());
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status == 409 {
            answer.refusal(409, ErrorCode::ReplyNotKept);
            continue;
        }
        let mut reply = answer.success(201);
        with_secret += usize::from(reply.as_object_mut().unwrap().remove("client_secret").is_some());
        replies.push((reply, answer.etag().to_owned(), answer.header("location").unwrap().to_owned()));
    }
    assert_eq!(with_secret, 1);
    assert!(replies.iter().all(|reply| *reply == replies[0]), "{replies:?}");
    assert_eq!(app.database.count("SELECT count(*) FROM clients WHERE name = 'one-of-many'").await, 1);
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE details LIKE '%one-of-many%'").await, 1);
}

#[tokio::test]
async fn a_replay_shows_no_secret_and_another_request_is_refused() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let first = post(&operator, &app, "key-1", "/clients", &json!({ "name": "x" })).await;
    let mut expected = first.success(201);
    let secret = expected.as_object_mut().unwrap().remove("client_secret").unwrap();
    let again = post(&operator, &app, "key-1", "/clients", &json!({ "name": "x" })).await;
    assert_eq!((again.success(201), again.etag()), (expected, first.etag()));
    assert!(!again.text().contains(secret.as_str().unwrap()));
    let other_body = post(&operator, &app, "key-1", "/clients", &json!({ "name": "y" })).await;
    other_body.refusal(409, ErrorCode::IdempotencyKeyReused);
    let other_path = post(&operator, &app, "key-1", "/organizations", &json!({ "name": "x" })).await;
    other_path.refusal(409, ErrorCode::IdempotencyKeyReused);
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let second = app.caller("operator-2", &every_right(), None).await;
    let mut made = Vec::new();
    for caller in [&operator, &second] {
        made.push(post(caller, &app, "key-1", "/clients", &json!({ "name": "x" })).await.success(201)["client_id"].clone());
    }
    assert_ne!(made[0], made[1]);
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_unused() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    post(&operator, &app, "key-1", "/clients", &json!({ "name": "" })).await.refused_member("/name");
    post(&operator, &app, "key-1", "/clients", &json!({ "name": "x" })).await.success(201);
}

#[tokio::test]
async fn after_a_day_a_key_is_new() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let body = json!({ "name": "daily" });
    let first = post(&operator, &app, "key-1", "/clients", &body).await.success(201);
    let at = async |seconds| {
        app.clock.advance_seconds(seconds);
        let caller = Caller { token: app.management_token(&operator.client).await, ..operator.clone() };
        post(&caller, &app, "key-1", "/clients", &body).await.success(201)["client_id"].clone()
    };
    assert_eq!(at(86_400).await, first["client_id"]);
    assert_ne!(at(1).await, first["client_id"]);
    assert_eq!(app.database.count("SELECT count(*) FROM clients WHERE name = 'daily'").await, 2);
}

#[tokio::test]
async fn keys_are_short_visible_and_given_once() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let body = json!({ "name": "x" });
    let long = "k".repeat(201);
    for key in ["", &long, "\u{e9}"] {
        post(&operator, &app, key, "/clients", &body).await.refusal(400, ErrorCode::QueryInvalid);
    }
    let request = operator.request(&app, Method::POST, "/clients").header("idempotency-key", "a").header("idempotency-key", "a");
    request.json(&body).send().await.refusal(400, ErrorCode::QueryInvalid);
    assert_eq!(app.database.count("SELECT count(*) FROM clients WHERE name = 'x'").await, 0);
}
