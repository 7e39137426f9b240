//! Several algorithms on one authorization server.

use std::sync::Arc;

use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::resource_servers;
use countersign::signing_keys::{MIN_PUBLICATION_SECONDS, RETIREMENT_SECONDS, add_algorithm, apply_due, remove_algorithm};
use countersign_protocol::jose::Algorithm;

use super::{ENGINE, KEYS, published_kids};
use crate::support::{Fixture, TestApp, api, issuer_id};

async fn algs(app: &TestApp) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_slice(&app.key_set(KEYS).await).unwrap();
    document["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect()
}

async fn advertised(app: &TestApp) -> serde_json::Value {
    app.get("/.well-known/openid-configuration").send().await.json()["id_token_signing_alg_values_supported"].clone()
}

async fn steps(app: &TestApp) -> usize {
    apply_due(&app.app, &Actor::system("test")).await.unwrap()
}

#[tokio::test]
async fn an_added_algorithm_is_published_before_it_signs() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (by, server) = (Actor::command_line(), issuer_id("default"));
    app.clock.advance_seconds(86_400);
    let with_eddsa = |audience: &str| {
        let mut new = api(audience, "s");
        new.signing_alg = Some(Algorithm::EdDSA);
        new
    };
    let create = async |audience: &str| resource_servers::create(&app.app, &by, with_eddsa(audience)).await;
    let Err(ChangeError::State(refusal)) = create("https://one.test").await else { panic!() };
    assert!(refusal.contains("`default` does not sign with EdDSA: publish a key with `signing-key add"), "{refusal}");

    let added = add_algorithm(&app.app, &by, &server, Algorithm::EdDSA).await.unwrap();
    assert!(published_kids(&app).await.contains(&added.published.to_string()));
    assert_eq!(algs(&app).await, ["ES256", "ES256", "EdDSA"]);
    assert_eq!(advertised(&app).await, serde_json::json!(["ES256", "EdDSA"]));
    app.clock.advance_seconds(MIN_PUBLICATION_SECONDS - 1);
    assert_eq!(steps(&app).await, 0);
    let Err(ChangeError::State(refusal)) = create("https://one.test").await else { panic!() };
    assert!(refusal.contains("begins in 1 s"), "{refusal}");
    let again = add_algorithm(&app.app, &by, &server, Algorithm::EdDSA).await;
    assert!(matches!(again, Err(ChangeError::State(_))));

    let cached = app.key_set(KEYS).await;
    app.clock.advance_seconds(1);
    // It signs, and its successor is published.
    assert_eq!(steps(&app).await, 2);
    let resource_server = create("https://one.test").await.unwrap();
    app.grant(&a, &resource_server, "s").await;
    let token = app.ask(&a, "audience=https://one.test").await.token();
    assert_eq!((token.alg(), token.kid()), ("EdDSA", added.published.as_str()));
    // Whoever fetched the keys before has the one that signs.
    assert!(token.verifies_with(&cached));
    app.ask(&a, "audience=https://api1.test").await.token();
}

#[tokio::test]
async fn a_removed_algorithm_leaves_the_key_set_after_its_last_token() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let (by, server) = (Actor::command_line(), issuer_id("default"));
    let remove = async |algorithm| remove_algorithm(&app.app, &by, &server, algorithm).await;
    assert_eq!(remove(Algorithm::ES256).await.unwrap_err().to_string(), "ES256 is used by the authorization server default");
    assert!(matches!(remove(Algorithm::RS256).await, Err(ChangeError::NotFound { .. })));
    add_algorithm(&app.app, &by, &server, Algorithm::RS256).await.unwrap();
    app.clock.advance_seconds(MIN_PUBLICATION_SECONDS);
    assert_eq!(steps(&app).await, 2);
    // RSA first: some verifiers stop at a key of another type.
    assert_eq!(algs(&app).await, ["RS256", "RS256", "ES256", "ES256"]);
    let mut new = api("https://rsa.test", "s");
    new.signing_alg = Some(Algorithm::RS256);
    app.resource_server(new).await;
    assert_eq!(remove(Algorithm::RS256).await.unwrap_err().to_string(), "RS256 is used by https://rsa.test");
    app.database.execute("DELETE FROM resource_servers WHERE audience = 'https://rsa.test'").await;

    assert_eq!(remove(Algorithm::RS256).await.unwrap().len(), 2);
    // The key that signed stays, and verifiers are told so; the successor never signed.
    assert_eq!(algs(&app).await, ["RS256", "ES256", "ES256"]);
    assert_eq!(advertised(&app).await, serde_json::json!(["RS256", "ES256"]));
    app.clock.advance_seconds(RETIREMENT_SECONDS);
    assert_eq!(steps(&app).await, 1);
    assert_eq!(algs(&app).await, ["ES256", "ES256"]);
}

#[tokio::test]
async fn an_added_algorithm_that_is_not_wanted_after_all_is_gone_at_once() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let (by, server) = (Actor::command_line(), issuer_id("default"));
    add_algorithm(&app.app, &by, &server, Algorithm::PS256).await.unwrap();
    assert_eq!(remove_algorithm(&app.app, &by, &server, Algorithm::PS256).await.unwrap().len(), 1);
    assert_eq!(algs(&app).await, ["ES256", "ES256"]);
    app.clock.advance_seconds(MIN_PUBLICATION_SECONDS);
    assert_eq!(steps(&app).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_algorithm_is_not_removed_while_a_resource_server_comes_to_use_it() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let (by, server) = (Actor::command_line(), issuer_id("default"));
    for round in 0..8 {
        if let Ok(added) = add_algorithm(&app.app, &by, &server, Algorithm::EdDSA).await {
            assert!(added.signs_from > countersign_protocol::Clock::now(app.clock.as_ref()));
            app.clock.advance_seconds(MIN_PUBLICATION_SECONDS);
            steps(&app).await;
        }
        let mut new = api(&format!("https://{round}.test"), "s");
        new.signing_alg = Some(Algorithm::EdDSA);
        let (node, by_other, id) = (Arc::clone(&second.app), by.clone(), server.clone());
        let removing = tokio::spawn(async move { remove_algorithm(&node, &by_other, &id, Algorithm::EdDSA).await });
        let created = resource_servers::create(&app.app, &by, new).await;
        let removed = removing.await.unwrap();
        assert!(created.is_ok() != removed.is_ok(), "{created:?} {removed:?}");
        let active = app.database.count("SELECT count(*) FROM signing_keys WHERE alg = 'EdDSA' AND state = 'active'").await;
        assert_eq!(active, i64::from(created.is_ok()));
        app.database.execute("DELETE FROM resource_servers WHERE signing_alg = 'EdDSA'").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_algorithm_that_is_added_many_times_at_once_is_added_once() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let app = Arc::clone(&app.app);
            tokio::spawn(async move { add_algorithm(&app, &Actor::command_line(), &issuer_id("default"), Algorithm::EdDSA).await })
        })
        .collect();
    let mut added = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => added += 1,
            Err(ChangeError::State(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(added, 1);
}
