//! The same budgets for clients that sign.

use countersign::clients::KeySource;
use countersign::config::BudgetsConfig;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientId, ErrorCode};
use http::StatusCode;

use super::ENGINE;
use crate::support::{API1, Answer, Fixture, JWT_BEARER, KeyServer, Setup, TestApp, TestClient, TestKey};

const ATTACKER: &str = "203.0.113.66";
const ELSEWHERE: &str = "198.51.100.7";
const P: &str = "client-p";

/// Client P, granted at api1, with budgets.
async fn start(source: KeySource) -> TestApp {
    let budgets = BudgetsConfig { client_failures_per_minute: 10, source_failures_per_minute: 30, ..BudgetsConfig::default() };
    let Fixture { app, a: _, .. } = Fixture::start_with(ENGINE, Setup { budgets, ..Setup::default() }).await;
    let credential_id = app.client_with_keys(P, source).await;
    let api1 = app.app.catalog().resource_servers().find(|api| api.audience.as_str() == API1).cloned().unwrap();
    let client = TestClient { id: ClientId::try_from(P).unwrap(), secret: String::new(), credential_id };
    app.grant(&client, &api1, "list:users").await;
    app
}

async fn attempt(app: &TestApp, source: &str, assertion: &str) -> Answer {
    let form = format!("grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={assertion}");
    app.post("/oauth/token").from(source).form(form).send().await
}

#[tokio::test]
async fn forged_assertions_use_up_the_budget_of_secrets_too() {
    let (key, thief) = (TestKey::generate(Algorithm::ES256, "k1"), TestKey::generate(Algorithm::ES256, "k1"));
    let app = start(KeySource::Jwks(key.jwks())).await;
    for _ in 0..9 {
        let forged = attempt(&app, ATTACKER, &thief.assertion(&app, P).sign()).await;
        forged.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
    let with_secret = app.post("/oauth/token").from(ATTACKER).basic(P, "wrong").form("grant_type=client_credentials");
    assert_eq!(with_secret.send().await.status, StatusCode::UNAUTHORIZED);
    // Guessing stops, also for the right key; and nobody else waits.
    let right = key.assertion(&app, P).sign();
    attempt(&app, ATTACKER, &right).await.assert_over_budget(ErrorCode::TooManyFailures, "6");
    attempt(&app, ELSEWHERE, &right).await.token();
}

#[tokio::test]
async fn who_signed_is_no_guesser() {
    let key = TestKey::generate(Algorithm::ES256, "k1");
    let app = start(KeySource::Jwks(key.jwks())).await;
    for _ in 0..20 {
        let stale = key.assertion(&app, P).claim("exp", 1).sign();
        assert_ne!(attempt(&app, ATTACKER, &stale).await.status, StatusCode::TOO_MANY_REQUESTS);
    }
    attempt(&app, ATTACKER, &key.assertion(&app, P).sign()).await.token();
}

#[tokio::test]
async fn a_flood_of_made_up_clients_fetches_no_keys_and_keys_at_hand_still_count() {
    let (key, thief) = (TestKey::generate(Algorithm::ES256, "k1"), TestKey::generate(Algorithm::ES256, "k1"));
    let server = KeyServer::start(key.jwks()).await;
    let app = start(KeySource::JwksUri(server.url.clone())).await;
    for number in 0..30 {
        attempt(&app, ATTACKER, &thief.assertion(&app, &format!("made-up-{number}")).sign()).await;
    }
    // The client is in memory, its keys are not.
    app.app.find_client(&ClientId::try_from(P).unwrap()).await.unwrap().unwrap();
    let before = app.app.store.statements_run();
    let over_budget = async |assertion: String| {
        attempt(&app, ATTACKER, &assertion).await.assert_over_budget(ErrorCode::TooManyFailures, "2");
    };
    over_budget(key.assertion(&app, P).sign()).await;
    over_budget(thief.assertion(&app, "made-up-99").sign()).await;
    assert_eq!((server.fetches(), app.app.store.statements_run()), (0, before));
    attempt(&app, ELSEWHERE, &key.assertion(&app, P).sign()).await.token();
    assert_eq!(server.fetches(), 1);
    app.clock.advance_seconds(31);
    for number in 30..60 {
        attempt(&app, ATTACKER, &thief.assertion(&app, &format!("made-up-{number}")).sign()).await;
    }
    attempt(&app, ATTACKER, &key.assertion(&app, P).sign()).await.token();
    over_budget(key.assertion(&app, P).header("kid", "unknown").sign()).await;
    assert_eq!(server.fetches(), 1);
}
