//! Keys that a client keeps at a URL; catalogue 35 and 36.

use countersign::clients::KeySource;
use countersign_protocol::ErrorCode;
use countersign_protocol::jose::Algorithm;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, Fixture, KeyServer, TestApp, TestClient, TestKey};

const P: &str = "client-p";

async fn start(url: &str) -> TestApp {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let credential_id = app.client_with_keys(P, KeySource::JwksUri(url.to_owned())).await;
    let api1 = app.app.catalog().resource_servers().find(|api| api.audience.as_str() == API1).cloned().unwrap();
    let client = TestClient { id: countersign_protocol::ClientId::try_from(P).unwrap(), secret: String::new(), credential_id };
    app.grant(&client, &api1, "list:users").await;
    drop(a);
    app
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_once_and_follow_a_rotation() {
    let (old, new) = (TestKey::generate(Algorithm::ES256, "k1"), TestKey::generate(Algorithm::EdDSA, "k2"));
    let server = KeyServer::start(old.jwks()).await;
    let app = start(&server.url).await;
    for _ in 0..5 {
        app.ask_with(&old.assertion(&app, P).sign(), "").await.token();
    }
    assert_eq!(server.fetches(), 1);
    // Its owner publishes another key: seen at the first use, because its id is unknown.
    server.answer(200, json!({ "keys": [old.jwk(), new.jwk()] }).to_string());
    app.ask_with(&new.assertion(&app, P).sign(), "").await.token();
    app.ask_with(&old.assertion(&app, P).sign(), "").await.token();
    app.ask_with(&old.assertion(&app, P).header("kid", Value::Null).sign(), "").await.token();
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn b35_an_unknown_key_id_costs_one_fetch_in_30_seconds() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let server = KeyServer::start(key.jwks()).await;
    let app = start(&server.url).await;
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    app.clock.advance_seconds(31);
    for number in 0..20 {
        let assertion = key.assertion(&app, P).header("kid", format!("made-up-{number}")).sign();
        app.ask_with(&assertion, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
    assert_eq!(server.fetches(), 2);
    // A wrong signature by a known key costs none.
    let thief = TestKey::generate(Algorithm::ES256, "k1");
    app.clock.advance_seconds(31);
    let answer = app.ask_with(&thief.assertion(&app, P).sign(), "").await;
    answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn b35_without_keys_nothing_is_judged() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let server = KeyServer::start(key.jwks()).await;
    server.answer(500, "");
    let app = start(&server.url).await;
    for _ in 0..5 {
        app.ask_with(&key.assertion(&app, P).sign(), "").await.assert_problem(503, ErrorCode::Unavailable);
    }
    assert_eq!(server.fetches(), 1);
    server.answer(200, key.jwks());
    app.clock.advance_seconds(5);
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    // The keys at hand serve on when it is down again, and an unknown one is not judged.
    server.answer(500, "");
    app.clock.advance_seconds(590);
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    app.clock.advance_seconds(31);
    let unknown = key.assertion(&app, P).header("kid", "k2").sign();
    app.ask_with(&unknown, "").await.assert_problem(503, ErrorCode::Unavailable);
}

#[tokio::test]
async fn b36_what_is_no_small_key_set_at_that_very_place_is_not_used() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    for (status, body) in [
        (302, String::new()),
        (200, format!("{}{}", " ".repeat(70_000), key.jwks())),
        (200, "<html>".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (200, r#"{"keys":[{"kty":"oct","k":"AA","kid":"k1","alg":"HS256"}]}"#.to_owned()),
    ] {
        let server = KeyServer::start(String::new()).await;
        server.answer(status, body);
        let app = start(&server.url).await;
        app.ask_with(&key.assertion(&app, P).sign(), "").await.assert_problem(503, ErrorCode::Unavailable);
        assert_eq!(server.fetches(), 1);
    }
}

#[tokio::test]
async fn b36_only_https_urls_without_user_and_fragment_are_registered() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for url in ["file:///etc/passwd", "ftp://a.test/", "https://u:p@a.test/", "https://a.test/#f", "http://a test/", "", "a.test"] {
        let new = countersign::clients::NewKeys {
            label: "x".to_owned(),
            source: KeySource::JwksUri(url.to_owned()),
            not_before: None,
            expires_at: None,
        };
        let error = countersign::clients::add_keys(&app.app, &countersign::audit::Actor::command_line(), &a.id, new).await;
        assert!(error.unwrap_err().to_string().contains("jwks_uri"), "{url}");
    }
}
