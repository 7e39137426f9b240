//! One authorization server, several issuers.

use countersign_protocol::ErrorCode;
use countersign_protocol::jose::Algorithm;
use http::Method;

use super::ENGINE;
use crate::support::{Fixture, api, issuer_id};

const GRANT: &str = "grant_type=client_credentials";

#[tokio::test]
async fn the_issuer_is_that_of_the_mount_and_the_keys_are_shared() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let root = app.token_request("/oauth/token", &a, GRANT).send().await.token();
    let nested = app.token_request("/oauth2/default/v1/token", &a, GRANT).send().await.token();
    assert_eq!(root.claim("iss"), "https://as.test/");
    assert_eq!(nested.claim("iss"), "https://as.test/oauth2/default");
    let (root_keys, nested_keys) = (app.key_set("/.well-known/jwks.json").await, app.key_set("/oauth2/default/v1/keys").await);
    assert_eq!(root_keys, nested_keys);
    assert_eq!(root.kid(), nested.kid());
    assert!(root.verifies_with(&nested_keys) && nested.verifies_with(&root_keys));
}

#[tokio::test]
async fn a_second_authorization_server_has_its_own_issuer_and_keys() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::EdDSA, None).await;
    let mut new = api("https://api3.test", "s");
    new.authorization_server_id = issuer_id("second");
    let resource_server = app.resource_server(new).await;
    app.grant(&a, &resource_server, "s").await;
    let first = app.token_request("/oauth2/default/v1/token", &a, GRANT).send().await.token();
    let second = app.token_request("/oauth2/second/v1/token", &a, GRANT).send().await.token();
    assert_eq!((second.claim("iss"), second.alg()), ("https://as.test/oauth2/second", "EdDSA"));
    let (first_keys, second_keys) = (app.key_set("/oauth2/default/v1/keys").await, app.key_set("/oauth2/second/v1/keys").await);
    assert!(first.verifies_with(&first_keys) && second.verifies_with(&second_keys));
    assert!(!first.verifies_with(&second_keys) && !second.verifies_with(&first_keys));
}

#[tokio::test]
async fn the_same_audience_may_exist_at_two_authorization_servers() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let mut new = api(crate::support::API1, "s");
    new.authorization_server_id = issuer_id("second");
    let resource_server = app.resource_server(new).await;
    app.grant(&a, &resource_server, "s").await;
    let first = app.token_request("/oauth2/default/v1/token", &a, GRANT).send().await.token();
    let second = app.token_request("/oauth2/second/v1/token", &a, GRANT).send().await.token();
    assert_eq!((first.claim("scope"), second.claim("scope")), ("list:users read:x", "s"));
}

#[tokio::test]
async fn unknown_authorization_servers_are_404_everywhere() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for server in ["unknown", "v1", "DEFAULT", "default%00", "default%2f", "..", "%2e%2e", "%ff", "a%20b", &"a".repeat(500)] {
        for path in [
            format!("/oauth2/{server}/v1/keys"),
            format!("/oauth2/{server}/.well-known/openid-configuration"),
            format!("/oauth2/{server}/.well-known/oauth-authorization-server"),
            format!("/.well-known/openid-configuration/oauth2/{server}"),
            format!("/.well-known/oauth-authorization-server/oauth2/{server}"),
        ] {
            app.get(&path).send().await.assert_problem(404, ErrorCode::NoSuchPath);
        }
        let token = app.token_request(&format!("/oauth2/{server}/v1/token"), &a, GRANT).send().await;
        token.assert_problem(404, ErrorCode::NoSuchPath);
    }
}

#[tokio::test]
async fn g106_the_root_mount_has_nothing_under_v1_and_no_path_reaches_around() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for path in [
        "/v1/token",
        "/v1/keys",
        "/oauth2/v1/token",
        "/oauth2/v1/keys",
        "/oauth2/default/oauth/token",
        "/oauth2/default",
        "/oauth2/default/",
        "/oauth2/default/v1/token/",
        "/oauth2/default/v1/../v1/token",
        "/oauth/token/",
        "/oauth/TOKEN",
        "/oauth%2ftoken",
        "/oauth/token;x=1",
        "/.well-known/../oauth/token",
        "/.well-known/%2e%2e/oauth/token",
        "/%2e%2e/oauth/token",
        "/",
        "/admin",
        "//jwks",
        "//.well-known/jwks.json",
        "/.well-known//jwks.json",
        "/.well-known/jwks.json%00",
        "/.well-known/jwks%2ejson/",
        "/.well-known/..%2fmanage/v1/clients",
        "/.well-known/%2e%2e/manage/v1/clients",
    ] {
        app.get(path).send().await.assert_problem(404, ErrorCode::NoSuchPath);
        app.token_request(path, &a, GRANT).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    }
    for path in ["/.well-known/jwks.json", "/oauth2/default/v1/keys", "/.well-known/openid-configuration"] {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = app.request(method, path).send().await;
            answer.assert_problem(405, ErrorCode::MethodNotAllowed);
            assert_eq!(answer.header("allow"), Some("GET,HEAD"));
        }
    }
}

#[tokio::test]
async fn without_an_authorization_server_there_is_no_issuer() {
    let app = crate::support::TestApp::start(ENGINE).await;
    app.get("/.well-known/openid-configuration").send().await.assert_problem(404, ErrorCode::NoSuchPath);
    app.post("/oauth/token").form(GRANT).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    // It is there as soon as it is made.
    app.authorization_server("default", Algorithm::ES256, None).await;
    assert_eq!(app.get("/.well-known/openid-configuration").send().await.status, 200);
}
