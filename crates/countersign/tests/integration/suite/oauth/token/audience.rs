//! For whom a token is; catalogue C, 44, 45 and 52.

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::Algorithm;
use serde_json::json;

use super::ENGINE;
use crate::support::{API1, API2, Fixture, api, issuer_id};

const NESTED: &str = "/oauth2/default/v1/token";
const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn c44_the_audience_is_exactly_the_one_named() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    for audience in [API1, API2] {
        for name in ["audience", "resource"] {
            let token = app.ask(&b, &format!("{name}={audience}")).await.token();
            assert_eq!(token.claims["aud"], json!(audience));
        }
        let named_twice = app.ask(&b, &format!("audience={audience}&resource={audience}&resource={audience}")).await;
        assert_eq!(named_twice.token().claim("aud"), audience);
    }
}

#[tokio::test]
async fn c44_unknown_audiences_and_more_than_one_are_invalid_target() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    for audience in [
        "unknown",
        "https://api1.test/",
        "https://api1.test%23fragment",
        "https://api1.test%23",
        "/relative",
        "https://API1.test",
        "HTTPS://api1.test",
        "https://api1.test:443",
        "%00",
        "https://api1.test%00",
        "https://api1.test+https://api2.test",
        "%F0%9F%94%92",
    ] {
        for name in ["audience", "resource"] {
            let answer = app.ask(&b, &format!("{name}={audience}")).await;
            answer.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
        }
    }
    for several in [
        "resource=https://api1.test&resource=https://api2.test",
        "audience=https://api1.test&resource=https://api2.test",
        "resource=https://api1.test&resource=https://api1.test/",
    ] {
        app.ask(&b, several).await.assert_refused(400, "invalid_target", ErrorCode::SeveralAudiences);
    }
    let resources = json!({
        "grant_type": "client_credentials", "client_id": "client-b", "client_secret": b.secret, "resource": [API1, API2],
    });
    let answer = app.post("/oauth/token").json(&resources).send().await;
    answer.assert_refused(400, "invalid_target", ErrorCode::SeveralAudiences);
}

#[tokio::test]
async fn c45_unknown_and_ungranted_audiences_get_the_same_bytes() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let mut elsewhere = api("https://api3.test", "s");
    elsewhere.authorization_server_id = issuer_id("second");
    app.resource_server(elsewhere).await;
    let (ungranted, unknown) = (app.ask(&a, &format!("audience={API2}")).await, app.ask(&a, "audience=https://nowhere.test").await);
    let of_another_server = app.ask(&a, "audience=https://api3.test").await;
    for answer in [&ungranted, &unknown, &of_another_server] {
        answer.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
        assert_eq!(answer.body, unknown.body);
        assert_eq!(answer.comparable_headers(), unknown.comparable_headers());
    }
}

#[tokio::test]
async fn c52_a_client_without_a_grant_at_an_authorization_server_gets_nothing_there() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let named = app.token_request("/oauth2/second/v1/token", &a, &format!("{GRANT}&audience={API1}")).send().await;
    named.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
    let unnamed = app.token_request("/oauth2/second/v1/token", &a, GRANT).send().await;
    unnamed.assert_refused(400, "invalid_request", ErrorCode::AudienceMissing);
}

#[tokio::test]
async fn without_an_audience_the_only_grant_decides_and_several_do_not() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    for endpoint in ["/oauth/token", NESTED] {
        assert_eq!(app.token_request(endpoint, &a, GRANT).send().await.token().claim("aud"), API1);
        let several = app.token_request(endpoint, &b, GRANT).send().await;
        several.assert_refused(400, "invalid_request", ErrorCode::AudienceMissing);
    }
    // Omitted and empty are the same (RFC 6749 section 3.2).
    assert_eq!(app.ask(&a, "audience=&resource=&resource=").await.token().claim("aud"), API1);
    let none = app.client("without").await;
    app.ask(&none, "").await.assert_refused(400, "invalid_request", ErrorCode::AudienceMissing);
}

#[tokio::test]
async fn only_grants_at_the_authorization_server_that_was_asked_are_counted() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let mut elsewhere = api("https://api3.test", "s");
    elsewhere.authorization_server_id = issuer_id("second");
    let elsewhere = app.resource_server(elsewhere).await;
    app.grant(&a, &elsewhere, "s").await;
    assert_eq!(app.ask(&a, "").await.token().claim("aud"), API1);
    let token = app.token_request("/oauth2/second/v1/token", &a, GRANT).send().await.token();
    assert_eq!((token.claim("aud"), token.claim("iss")), ("https://api3.test", "https://as.test/oauth2/second"));
}

#[tokio::test]
async fn a_mounts_default_audience_comes_before_the_grants() {
    let app = crate::support::TestApp::start(ENGINE).await;
    app.authorization_server("default", Algorithm::ES256, Some("api://default")).await;
    let default_api = app.resource_server(api("api://default", "a")).await;
    let other = app.resource_server(api(API1, "b")).await;
    let (both, only_other) = (app.client("both-granted").await, app.client("only-other").await);
    app.grant(&both, &default_api, "a").await;
    app.grant(&both, &other, "b").await;
    app.grant(&only_other, &other, "b").await;
    assert_eq!(app.token_request(NESTED, &both, GRANT).send().await.token().claim("aud"), "api://default");
    let named = app.token_request(NESTED, &both, &format!("{GRANT}&audience={API1}")).send().await;
    assert_eq!(named.token().claim("aud"), API1);
    // Never another audience than the default that the mount promises.
    let ungranted = app.token_request(NESTED, &only_other, GRANT).send().await;
    ungranted.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
    // The root mount has none.
    app.ask(&both, "").await.assert_refused(400, "invalid_request", ErrorCode::AudienceMissing);
    assert_eq!(app.ask(&only_other, "").await.token().claim("aud"), API1);
}
