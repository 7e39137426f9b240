//! Signing keys that another service holds: everything works through the trait.

use countersign::audit::Actor;
use countersign::signing_keys::apply_due;
use countersign_protocol::ErrorCode;

use super::{ENGINE, KEYS, kid};
use crate::support::{CapturedLog, Fixture, RemoteSigners, Service, Setup, TestClient};

async fn start() -> (Fixture, RemoteSigners) {
    let signers = RemoteSigners::new();
    let setup = Setup { signers: Some(signers.clone()), ..Setup::default() };
    (Fixture::start_with(ENGINE, setup).await, signers)
}

#[tokio::test]
async fn tokens_keys_and_rotation_work_with_a_key_service() {
    let (Fixture { app, a, .. }, signers) = start().await;
    let token = app.ask(&a, "").await.token();
    assert_eq!((token.kid(), signers.asked()), (kid(&app, "active").await.as_str(), 1));
    assert!(token.verifies_with(&app.key_set(KEYS).await));
    app.clock.advance_seconds(90 * 86_400);
    assert_eq!(apply_due(&app.app, &Actor::system("test")).await.unwrap(), 2);
    let new = app.ask(&a, "").await.token();
    assert_ne!(new.kid(), token.kid());
    assert!(new.verifies_with(&app.key_set(KEYS).await));
    assert_eq!(signers.asked(), 2);
}

#[tokio::test]
async fn a_key_service_that_fails_is_a_503_and_says_why_only_in_the_log() {
    let (Fixture { app, a, .. }, signers) = start().await;
    let log = CapturedLog::start();
    signers.set(Service::Fails);
    let answer = app.ask(&a, "").await;
    answer.assert_problem(503, ErrorCode::Unavailable);
    assert!(!answer.text().contains("192.0.2.9"));
    let id = answer.header("x-request-id").unwrap();
    let record = log.records().into_iter().find(|record| record["request_id"] == id).unwrap();
    assert!(record["error"].as_str().unwrap().contains("connection refused by 192.0.2.9"));
    // A wrong secret is still a wrong secret: nothing is signed for it.
    let asked = signers.asked();
    assert_eq!(app.ask(&TestClient { secret: "wrong".to_owned(), ..a.clone() }, "").await.status, 401);
    assert_eq!(signers.asked(), asked);
    signers.set(Service::Answers);
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a_key_service_that_does_not_answer_is_a_503_when_the_request_has_had_its_time() {
    let (Fixture { app, a, .. }, signers) = start().await;
    app.ask(&a, "").await.token();
    signers.set(Service::Holds);
    let form = "grant_type=client_credentials";
    let answer = app.impatient_post("/oauth/token").basic(a.id.as_str(), &a.secret).form(form).send().await;
    answer.assert_problem(503, ErrorCode::Unavailable);
    // The keys are served from memory all the same.
    app.key_set(KEYS).await;
}
