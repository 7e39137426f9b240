//! `POST /oauth/revoke` and `POST {issuer}/v1/revoke`; catalogue F, 96 to 100.

use std::sync::Arc;
use std::time::Duration;

use countersign::change_feed::Follower;
use countersign::jobs;
use countersign::revocation::revoke_any_token;
use countersign_protocol::ErrorCode;
use serde_json::json;

use super::ENGINE;
use crate::support::{API1, Database, Fixture, TestApp, TestClient, by};

const REVOKE: &str = "/oauth/revoke";

async fn token(app: &TestApp, client: &TestClient) -> String {
    app.ask(client, &format!("audience={API1}")).await.token().text
}

async fn rows(app: &TestApp) -> i64 {
    app.database.count("SELECT count(*) FROM revoked_tokens").await
}

#[tokio::test]
async fn f96_a_revoked_token_is_dead_at_once_here_and_elsewhere_after_catching_up() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let (dead, alive) = (token(&app, &a).await, token(&app, &a).await);
    app.revoke(&a, &dead).await.assert_revocation_answered();
    for caller in [&a, &api1] {
        assert!(!app.is_active(caller, &dead).await);
        assert!(app.is_active(caller, &alive).await);
        assert!(second.is_active(caller, &dead).await, "the test shows nothing: the other node knew already");
    }
    let before = second.app.store.statements_run();
    assert_eq!(follower.catch_up().await.unwrap().len(), 1);
    // The feed says it all: nothing but the feed was read.
    assert_eq!(second.app.store.statements_run(), (before.0 + 3, before.1));
    for caller in [&a, &api1] {
        assert!(!second.is_active(caller, &dead).await);
        assert!(second.is_active(caller, &alive).await);
    }
    // A node that starts later reads it from the database.
    let third = app.second_node().await;
    assert!(!third.is_active(&a, &dead).await && third.is_active(&a, &alive).await);
    assert_eq!((follower.resyncs(), rows(&app).await), (0, 1));
}

#[tokio::test]
async fn f97_a_foreign_token_gets_the_same_answer_and_stays_alive() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let of_b = token(&app, &b).await;
    // The resource server that the token is for does not own it either.
    for client in [&a, &api1] {
        let foreign = app.revoke(client, &of_b).await;
        foreign.assert_revocation_answered();
        let nonsense = app.revoke(client, "nonsense").await;
        nonsense.assert_revocation_answered();
        assert_eq!(foreign.comparable_headers(), nonsense.comparable_headers());
    }
    assert!(app.is_active(&b, &of_b).await && app.is_active(&api1, &of_b).await);
    assert_eq!(rows(&app).await, 0);
}

#[tokio::test]
async fn f90_n58_bad_client_authentication_is_a_401_and_revokes_nothing() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let body = format!("token={token}");
    app.post(REVOKE).form(body.clone()).send().await.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    for (id, secret) in [("client-a", "wrong"), ("unknown-client", "x"), ("client-z", z.secret.as_str())] {
        let refused = app.post(REVOKE).basic(id, secret).form(body.clone()).send().await;
        refused.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        let refused = app.post(REVOKE).form(format!("{body}&client_id={id}&client_secret={secret}")).send().await;
        refused.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
    assert!(app.is_active(&a, &token).await);
    let missing = app.post(REVOKE).basic("client-a", &a.secret).form("token_type_hint=access_token").send().await;
    missing.assert_refused(400, "invalid_request", ErrorCode::TokenParameterMissing);
    let in_query = app.post(&format!("{REVOKE}?{body}")).basic("client-a", &a.secret).form("").send().await;
    in_query.assert_refused(400, "invalid_request", ErrorCode::SecretInUrl);
    assert!(app.is_active(&a, &token).await);
}

#[tokio::test]
async fn f94_a_wrong_hint_does_not_save_a_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for hint in ["access_token", "refresh_token", "nonsense", ""] {
        let token = token(&app, &a).await;
        let body = format!("token={token}&token_type_hint={hint}");
        app.token_request(REVOKE, &a, &body).send().await.assert_revocation_answered();
        assert!(!app.is_active(&a, &token).await, "{hint}");
    }
}

#[tokio::test]
async fn compat_r08_json_is_read_at_the_root_and_nowhere_else() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let body = json!({ "client_id": "client-a", "client_secret": a.secret, "token": token, "token_type_hint": null });
    let nested = app.post("/oauth2/default/v1/revoke").json(&body).send().await;
    nested.assert_refused(400, "invalid_request", ErrorCode::ContentTypeUnsupported);
    for wrong in [json!(1), json!([token]), json!({})] {
        let wrong = json!({ "client_id": "client-a", "client_secret": a.secret, "token": wrong });
        app.post(REVOKE).json(&wrong).send().await.assert_refused(400, "invalid_request", ErrorCode::BodyMalformed);
    }
    assert!(app.is_active(&a, &token).await);
    app.post(REVOKE).json(&body).send().await.assert_revocation_answered();
    assert!(!app.is_active(&a, &token).await);
    let other = self::token(&app, &a).await;
    app.token_request("/oauth2/default/v1/revoke", &a, &format!("token={other}")).send().await.assert_revocation_answered();
    assert!(!app.is_active(&a, &other).await);
}

#[tokio::test]
async fn f99_v25_a_store_that_fails_is_never_a_successful_revocation() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    app.database.execute("ALTER TABLE revoked_tokens RENAME TO revoked_tokens_gone").await;
    app.revoke(&a, &token).await.assert_problem(500, ErrorCode::Internal);
    app.database.execute("ALTER TABLE revoked_tokens_gone RENAME TO revoked_tokens").await;
    if let Database::Postgres(database) = &*app.database {
        database.shut().await;
        app.revoke(&a, &token).await.assert_problem(503, ErrorCode::Unavailable);
        database.reopen().await;
    }
    // What was not revoked is alive, and can be revoked now.
    assert!(app.is_active(&a, &token).await);
    app.revoke(&a, &token).await.assert_revocation_answered();
    assert!(!app.is_active(&a, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r30_sixty_four_revocations_of_one_token_at_once_are_one_row_one_event_one_change() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let token = token(&app, &a).await;
    let events = "SELECT count(*) FROM audit_events WHERE action = 'token.revoked'";
    let changes = "SELECT count(*) FROM changes WHERE kind = 'revoked_token'";
    let revocations: Vec<_> = (0..64)
        .map(|number| {
            let node = if number % 2 == 0 { &app } else { &second };
            tokio::spawn(node.token_request(REVOKE, &a, &format!("token={token}")).send())
        })
        .collect();
    for revocation in revocations {
        revocation.await.unwrap().assert_revocation_answered();
    }
    assert_eq!((rows(&app).await, app.database.count(events).await, app.database.count(changes).await), (1, 1, 1));
    // Whichever was first: each answered, so on each it is dead.
    for node in [&app, &second] {
        assert!(!node.is_active(&a, &token).await);
    }
    // Later ones do not even ask the database.
    let written = app.app.store.statements_run().1;
    app.revoke(&a, &token).await.assert_revocation_answered();
    assert_eq!(app.app.store.statements_run().1, written);
}

#[tokio::test]
async fn f100_random_texts_and_expired_tokens_leave_nothing_behind() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let before = app.app.store.statements_run();
    for number in 0..2_000 {
        app.revoke(&a, &format!("{number:032}")).await.assert_revocation_answered();
    }
    app.clock.advance_millis(599_250);
    app.revoke(&a, &token).await.assert_revocation_answered();
    assert_eq!(app.app.store.statements_run(), before);
    assert_eq!((rows(&app).await, app.app.revocations.tokens.len()), (0, 0));
}

#[tokio::test]
async fn a_revocation_is_kept_until_no_verifier_accepts_the_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let tokens = [token(&app, &a).await, token(&app, &a).await];
    for token in &tokens {
        app.revoke(&a, token).await.assert_revocation_answered();
    }
    // To 1800087299.999: expired since a day and 299.999 s.
    app.clock.advance_seconds(86_400);
    app.clock.advance_millis(899_249);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(rows(&app).await, 2);
    app.clock.advance_millis(1);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(rows(&app).await, 0);
    // Memory forgets whole spans of five minutes.
    app.clock.advance_seconds(300);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(app.app.revocations.tokens.len(), 0);
    assert!(!app.is_active(&a, &tokens[0]).await);
}

#[tokio::test]
async fn thousands_of_expired_revocations_are_deleted_in_small_pieces() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let values: Vec<String> = (0..2_500).map(|number| format!("('default', 't{number}', 'client-a', {}, 1)", number % 2)).collect();
    let insert = "INSERT INTO revoked_tokens (authorization_server_id, jti, client_id, expires_at, revoked_at) VALUES";
    app.database.execute(&format!("{insert} {}", values.join(","))).await;
    let written = app.app.store.statements_run().1;
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(rows(&app).await, 0);
    // Marks and lists once, tokens three times: other writers got their turn in between.
    assert_eq!(app.app.store.statements_run().1 - written, 5);
}

#[tokio::test]
async fn more_revocations_than_one_page_are_all_read_at_start() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let values = |server: &str, numbers: std::ops::Range<usize>| {
        let values: Vec<String> =
            numbers.map(|number| format!("('{server}', 't{number}', 'client-a', 1900000000000, 1)")).collect();
        values.join(",")
    };
    let insert = "INSERT INTO revoked_tokens (authorization_server_id, jti, client_id, expires_at, revoked_at) VALUES";
    for (server, numbers) in [("default", 0..9_999), ("other", 0..10_002)] {
        app.database.execute(&format!("{insert} {}", values(server, numbers))).await;
    }
    let second = app.second_node().await;
    assert_eq!(second.app.revocations.tokens.len(), 20_001);
}

#[tokio::test]
async fn an_operator_revokes_any_clients_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    revoke_any_token(&app.app, &by(), &token).await.unwrap();
    assert!(!app.is_active(&a, &token).await);
    assert_eq!(
        revoke_any_token(&app.app, &by(), "nonsense").await.unwrap_err().to_string(),
        "no key of this instance signed this token"
    );
    app.clock.advance_seconds(600);
    assert_eq!(revoke_any_token(&app.app, &by(), &token).await.unwrap_err().to_string(), "the token has expired");
}

#[tokio::test]
async fn the_audit_log_says_who_revoked_and_never_what_the_token_was() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let answer = app.revoke(&a, &token.text).await;
    let columns = "actor_kind || ' ' || actor_id || ' ' || request_id || ' ' || object_kind || ' ' || object_id || ' ' || details";
    let events = app.database.texts(&format!("SELECT {columns} FROM audit_events WHERE action = 'token.revoked'")).await;
    let request_id = answer.header("x-request-id").unwrap();
    let expected = format!(r#"client client-a {request_id} token {} {{"client_id":"client-a"}}"#, token.claim("jti"));
    assert_eq!(events, [expected]);
    let signature = token.text.rsplit_once('.').unwrap().1.as_bytes();
    assert!(!app.database.everything().await.windows(signature.len()).any(|bytes| bytes == signature));
}
