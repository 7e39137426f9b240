//! The token that a key is exchanged for.

use countersign::api_keys::roles::{self, NewRole, RolePatch};
use countersign::api_keys::{self, NewApiKey};
use countersign::jobs;
use countersign::management::{ensure_resource_server, resource_server_id};
use countersign::resource_servers::{NewResourceServer, Profile};
use countersign_protocol::{ACCESS_TOKEN_TOKEN_TYPE, ErrorCode};
use serde_json::json;

use super::{API1, GRANT, World, api, by, form, permissions, request};
use crate::support::{MANAGEMENT, scope};

#[tokio::test]
async fn it_is_a_token_of_the_keys_client_that_names_the_key() {
    let world = World::start().await;
    let key = world.key().await;
    let answer = world.exchange(&key).await;
    let token = answer.exchanged();
    assert!(token.verifies_with(&world.app.key_set("/.well-known/jwks.json").await));
    let expected = json!({
        "iss": "https://as.test/", "sub": "client-a", "client_id": "client-a", "aud": API1, "scope": "list:users read:x",
        "cred": key.key.id.as_str(), "secret_id": key.key.secrets[0].id.as_str(),
        "iat": 1_800_000_000, "exp": 1_800_000_600, "jti": token.claim("jti"),
    });
    assert_eq!(json!(token.claims), expected);
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(answer.json()["expires_in"], 600);
    let other = world.exchange(&key).await.exchanged();
    assert_ne!(other.claim("jti"), token.claim("jti"));
    let named = request(
        &world.app,
        "/oauth2/default/v1/token",
        key.text.expose(),
        &format!("requested_token_type={ACCESS_TOKEN_TOKEN_TYPE}&resource={API1}"),
    );
    assert_eq!(named.send().await.exchanged().claim("iss"), "https://as.test/oauth2/default");
}

#[tokio::test]
async fn its_scope_is_what_key_and_grant_and_request_have_in_common() {
    let world = World::start().await;
    let by_role = NewRole { name: "reader".to_owned(), description: String::new(), permissions: permissions("read:x") };
    roles::create(&world.app.app, &by(), by_role).await.unwrap();
    for (own, roles, asked, expected) in [
        ("list:users", vec![], "", Some("list:users")),
        ("list:users", vec![], "scope=list:users", Some("list:users")),
        ("list:users", vec!["reader"], "", Some("list:users read:x")),
        ("*", vec![], "", Some("list:users read:x")),
        ("read:*", vec![], "scope=read:x", Some("read:x")),
        ("list:users read:x", vec![], "scope=read:x", Some("read:x")),
        ("list:users2 xlist:users list", vec![], "", None),
        ("write:y", vec![], "", None),
    ] {
        let roles = roles.into_iter().map(str::to_owned).collect();
        let key = world.key_for(API1, |new| NewApiKey { permissions: permissions(own), roles, ..new }).await;
        let token = world.exchange_text(key.text.expose(), asked).await.exchanged();
        assert_eq!(token.claims.get("scope").and_then(|scope| scope.as_str()), expected, "{own} {asked}");
    }
    let narrow = RolePatch { permissions: Some(permissions("other")), ..RolePatch::default() };
    let key = world.key_for(API1, |new| NewApiKey { permissions: vec![], roles: vec!["reader".to_owned()], ..new }).await;
    assert_eq!(world.exchange(&key).await.exchanged().claim("scope"), "read:x");
    roles::update(&world.app.app, &by(), "reader", narrow, None).await.unwrap();
    assert_eq!(world.exchange(&key).await.exchanged().claims.get("scope"), None);
}

#[tokio::test]
async fn each_profile_adds_what_it_adds_to_any_token() {
    let world = World::start().await;
    for (audience, profile, member, expected) in
        [("https://okta.test", Profile::Okta, "cid", "client-a"), ("https://auth0.test", Profile::Auth0, "gty", GRANT)]
    {
        let api = world.app.resource_server(NewResourceServer { profile, ..api(audience, "edit") }).await;
        world.app.grant(&world.a, &api, "edit").await;
        let key = world.key_for(audience, |new| new).await;
        let token = world.exchange(&key).await.exchanged();
        assert_eq!((token.claim(member), token.claim("scope")), (expected, "edit"));
    }
}

#[tokio::test]
async fn a_client_may_authenticate_and_must_be_the_keys_own() {
    let world = World::start().await;
    let key = world.key().await;
    let text = key.text.expose();
    let (a, b) = (&world.a, &world.b);
    request(&world.app, "/oauth/token", text, "").basic(a.id.as_str(), &a.secret).send().await.exchanged();
    world.exchange_text(text, "client_id=client-a").await.exchanged();
    world.exchange_text(text, &format!("client_id=client-a&client_secret={}", a.secret)).await.exchanged();
    let other = request(&world.app, "/oauth/token", text, "").basic(b.id.as_str(), &b.secret).send().await;
    other.assert_refused(400, "invalid_request", ErrorCode::KeyOfAnotherClient);
    let named = world.exchange_text(text, "client_id=client-b").await;
    named.assert_refused(400, "invalid_request", ErrorCode::KeyOfAnotherClient);
    let wrong = request(&world.app, "/oauth/token", text, "").basic(a.id.as_str(), "wrong").send().await;
    wrong.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    let nameless = world.exchange_text(text, &format!("client_secret={}", a.secret)).await;
    nameless.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
}

#[tokio::test]
async fn an_exchange_is_a_use_of_the_secret_and_a_refused_one_is_none() {
    let world = World::start().await;
    let key = world.key().await;
    let last_use = async || {
        jobs::write_api_key_uses(&world.app.app).await.unwrap();
        let found = api_keys::find(&world.app.app, &key.key.id).await.unwrap();
        found.secrets[0].last_use.map(|used| (used.used_at.as_millis(), used.source.map(|source| source.to_string())))
    };
    for refused in ["scope=write:y", "audience=https://api2.test", "client_id=client-b"] {
        assert_eq!(world.exchange_text(key.text.expose(), refused).await.status, 400);
        assert_eq!(last_use().await, None, "{refused}");
    }
    world.exchange(&key).await.exchanged();
    assert_eq!(last_use().await, Some((1_800_000_000_750, Some(super::SOURCE.to_owned()))));
}

#[tokio::test]
async fn a_key_of_the_management_api_is_worth_its_rights_until_it_loses_them() {
    let world = World::start().await;
    ensure_resource_server(&world.app.app).await.unwrap();
    let grant = countersign::clients::NewClientGrant {
        client_id: world.a.id.clone(),
        resource_server_id: resource_server_id(),
        scope: scope("clients:read keys:verify"),
        token_lifetime_seconds: None,
    };
    countersign::clients::grant(&world.app.app, &by(), grant).await.unwrap();
    let key = world.key_for(MANAGEMENT, |new| NewApiKey { permissions: permissions("clients:read"), ..new }).await;
    let token = world.exchange(&key).await.exchanged();
    assert_eq!(token.claim("scope"), "clients:read");
    let ask = async || {
        let request = world.app.get("/manage/v1/clients/client-b").header("authorization", format!("Bearer {}", token.text));
        request.send().await.status.as_u16()
    };
    assert_eq!(ask().await, 200);
    let less = api_keys::ApiKeyPatch { permissions: Some(permissions("keys:verify")), ..Default::default() };
    api_keys::update(&world.app.app, &by(), &key.key.id, less, None).await.unwrap();
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn a_refusal_says_little_and_its_request_id_says_the_rest() {
    let world = World::start().await;
    let key = world.key().await;
    api_keys::disable(&world.app.app, &by(), &key.key.id).await.unwrap();
    let log = crate::support::CapturedLog::start();
    let answer = world.exchange(&key).await;
    answer.assert_key_refused();
    let line = log.records().into_iter().find(|line| line["request_id"] == answer.header("x-request-id").unwrap()).unwrap();
    assert_eq!(
        (&line["code"], &line["client.id"], &line["reason"]),
        (&json!("CS-5044"), &json!("client-a"), &json!("DISABLED")),
        "{line}"
    );
    assert!(!log.text().contains(key.text.expose().as_str()));
    assert!(form(key.text.expose(), "").contains(key.text.expose().as_str()));
}
