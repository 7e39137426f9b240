//! Faults of ours: never a 401, never a cause in the body, and no write per token.

use countersign_protocol::ErrorCode;

use super::ENGINE;
use crate::support::{Answer, CapturedLog, Database, Fixture, Pieces, Stall};

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_failing_store_is_a_500_with_a_request_id_and_never_a_401() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let log = CapturedLog::start();
    app.database.execute("ALTER TABLE clients RENAME TO clients_gone").await;
    let mut answers: Vec<Answer> = Vec::new();
    for client in [&a, &z] {
        answers.push(app.ask(client, "").await);
        answers.push(app.post("/oauth/token").basic(client.id.as_str(), "wrong").form(GRANT).send().await);
    }
    answers.push(app.post("/oauth/token").basic("unknown-client", "x").form(GRANT).send().await);
    for answer in &answers {
        answer.assert_problem(500, ErrorCode::Internal);
    }
    // The cause is in the log, once, under the id that the caller has.
    for answer in &answers {
        let id = answer.header("x-request-id").unwrap();
        let lines: Vec<_> = log.records().into_iter().filter(|record| record["request_id"] == id).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0]["level"].as_str(), lines[0]["status"].as_u64()), (Some("ERROR"), Some(500)));
        assert!(lines[0]["error"].as_str().unwrap().contains("clients"));
    }
    app.database.execute("ALTER TABLE clients_gone RENAME TO clients").await;
    // A failed load is not remembered as an answer.
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_503() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    app.ask(&b, "audience=https://api2.test").await.token();
    let stall = Stall::start(&app).await;
    // More often than there are connections: those that gave up must not keep theirs.
    for secret in [a.secret.as_str(), "wrong", "x", "x", "x", "x"] {
        let answer = app.impatient_post("/oauth/token").basic("client-a", secret).form(GRANT).send().await;
        answer.assert_problem(503, ErrorCode::Unavailable);
    }
    if let Database::Postgres(_) = &*app.database {
        // One table is locked, the others are not.
        assert_eq!(app.get("/health/ready").send().await.status, 200);
    }
    // Whoever is in memory goes on getting tokens.
    app.ask(&b, "audience=https://api2.test").await.token();
    stall.release().await;
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn clients_in_memory_get_tokens_while_the_store_is_gone() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    app.ask(&b, "audience=https://api2.test").await.token();
    let (status, code) = match &*app.database {
        Database::Postgres(database) => {
            database.shut().await;
            (503, ErrorCode::Unavailable)
        }
        // An open file cannot go away: the nearest is that what is in it does.
        Database::Sqlite(_) => {
            app.database.execute("ALTER TABLE clients RENAME TO clients_gone").await;
            (500, ErrorCode::Internal)
        }
    };
    app.ask(&a, "").await.assert_problem(status, code);
    app.ask(&b, "audience=https://api2.test").await.token();
    match &*app.database {
        Database::Postgres(database) => database.reopen().await,
        Database::Sqlite(_) => app.database.execute("ALTER TABLE clients_gone RENAME TO clients").await,
    }
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn l175_a_request_that_takes_too_long_is_a_503() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let endless = app.impatient_post("/oauth/token").basic("client-a", &a.secret);
    endless.form(Pieces { left: 1, then_hang: true }).send().await.assert_problem(503, ErrorCode::Unavailable);
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a_missing_signing_key_is_a_500() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.ask(&a, "").await.token();
    app.database.execute("UPDATE signing_keys SET state = 'retiring'").await;
    app.app.resync().await.unwrap();
    app.ask(&a, "").await.assert_problem(500, ErrorCode::Internal);
    app.ask(&a, "scope=admin:all").await.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotGranted);
}

#[tokio::test]
async fn a_corrupt_row_is_a_500_for_its_client_only() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let damage = format!("UPDATE credentials SET secret_hash = 'AAAA' WHERE id = '{}'", a.credential_id);
    app.database.execute(&damage).await;
    app.ask(&a, "").await.assert_problem(500, ErrorCode::Internal);
    app.ask(&b, "audience=https://api2.test").await.token();
}

#[tokio::test]
async fn a_thousand_tokens_write_nothing_and_read_the_client_once() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (read, written) = app.app.store.statements_run();
    for _ in 0..1_000 {
        app.ask(&a, "").await.token();
    }
    let (read_after, written_after) = app.app.store.statements_run();
    assert_eq!(written_after, written);
    // The client, its credentials, its grants.
    assert_eq!(read_after - read, 3);
}

#[tokio::test]
async fn a_thousand_guesses_at_an_unknown_client_read_the_store_once() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let before = app.app.store.statements_run();
    for _ in 0..1_000 {
        let guess = app.post("/oauth/token").basic("unknown-client", "x").form(GRANT).send().await;
        guess.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
    let after = app.app.store.statements_run();
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_log_line() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let log = CapturedLog::start();
    let endless = app.post("/oauth/token").basic("client-a", &a.secret).form(Pieces { left: 1, then_hang: true });
    tokio::select! {
        biased;
        _ = endless.send() => panic!("it was answered"),
        () = std::future::ready(()) => {}
    }
    let records = log.records();
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0]["reason"], records[0].get("status")), (&"the client went away".into(), None));
}
