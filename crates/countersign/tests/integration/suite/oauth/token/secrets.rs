//! Which of a client's secrets count; catalogue 9, 51, and the fields of a credential.

use countersign::audit::Actor;
use countersign::clients;
use countersign_protocol::ErrorCode;

use super::ENGINE;
use crate::support::{Answer, Fixture, TestApp, TestClient};

async fn with_secret(app: &TestApp, client: &TestClient, secret: &str) -> Answer {
    app.ask(&TestClient { secret: secret.to_owned(), ..client.clone() }, "").await
}

#[tokio::test]
async fn a09_two_secrets_overlap_until_one_is_revoked_which_dies_at_once() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = clients::create_secret(&app.app, &Actor::command_line(), &a.id, "second").await.unwrap();
    let first_token = app.ask(&a, "").await.token();
    let second_token = with_secret(&app, &a, second.text.expose()).await.token();
    assert_eq!(first_token.claim("cred"), a.credential_id.as_str());
    assert_eq!(second_token.claim("cred"), second.credential.id.as_str());
    clients::revoke_credential(&app.app, &Actor::command_line(), &a.id, &a.credential_id).await.unwrap();
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    with_secret(&app, &a, second.text.expose()).await.token();
    // The revoked one stays listed, with a hash only.
    assert_eq!(app.app.find_client(&a.id).await.unwrap().unwrap().credentials.len(), 2);
    let everything = app.database.everything().await;
    for text in [&a.secret, second.text.expose()] {
        let secret_part = &text.as_bytes()["csec_".len() + 12..];
        assert!(!everything.windows(secret_part.len()).any(|bytes| bytes == secret_part), "a secret is in the database");
    }
}

#[tokio::test]
async fn a_secret_counts_from_its_start_and_not_from_its_end_on() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let now = countersign_protocol::Clock::now(&*app.clock).as_millis();
    let update = format!("UPDATE credentials SET not_before = {}, expires_at = {}", now + 1_000, now + 2_000);
    app.database.execute(&update).await;
    app.app.resync().await.unwrap();
    for (millis, accepted) in [(999, false), (1, true), (999, true), (1, false)] {
        app.clock.advance_millis(millis);
        let answer = app.ask(&a, "").await;
        if accepted {
            answer.token();
        } else {
            answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        }
    }
}

#[tokio::test]
async fn c51_a_disabled_client_gets_no_token_from_the_moment_disable_returns() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    for _ in 0..10 {
        app.ask(&a, "").await.token();
        let in_flight: Vec<_> = (0..20).map(|_| app.token_request("/oauth/token", &a, "grant_type=client_credentials")).collect();
        let in_flight: Vec<_> = in_flight.into_iter().map(|request| tokio::spawn(request.send())).collect();
        clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
        app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        for answer in in_flight {
            // Before or after: either answer is right, but no other.
            let answer = answer.await.unwrap();
            if answer.status != 200 {
                answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
            }
        }
        app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        app.ask(&b, "audience=https://api2.test").await.token();
        clients::enable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    }
    app.ask(&a, "").await.token();
}
