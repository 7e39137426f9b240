//! Root keys at the management API: API keys, with what every key has.

use countersign::api_keys;
use countersign::audit::Actor;
use countersign::clients;
use countersign_protocol::ErrorCode;
use http::Method;
use serde_json::json;

use super::super::ENGINE;
use crate::support::{API1, Managed};

const BY: Actor = Actor::command_line();

#[tokio::test]
async fn j160_the_management_api_takes_a_root_key_for_what_it_lists() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let root = app.root_key("owner-1", "keys:read clients:write", None).await;
    let get = async |path: &str| root.request(&app, Method::GET, &format!("/manage/v1{path}")).send().await;
    get("/keys").await.success(200);
    let refused = get("/clients").await;
    refused.refusal(403, ErrorCode::InsufficientScope);
    assert!(refused.header("www-authenticate").unwrap().contains("scope=\"clients:read\""), "{refused:?}");
    // The audit log names client and key.
    let new = json!({ "name": "made", "client_id": "made-1" });
    root.request(&app, Method::POST, "/manage/v1/clients").json(&new).send().await.success(201);
    let events = operator.all(&app, "/audit/events", 200).await;
    let event = events.iter().find(|event| event["object_id"] == "made-1").unwrap();
    assert_eq!((&event["actor_id"], &event["details"]["by_api_key"]), (&json!("owner-1"), &json!(root.key.id.as_str())));
    // It is no credential: nothing is rotated by its leave.
    let rotating = app.root_key("owner-2", "credentials:rotate_own", None).await;
    let answer = rotating.request(&app, Method::POST, "/manage/v1/credentials/rotate-own").json(&json!({})).send().await;
    answer.refusal(409, ErrorCode::StateConflict);
}

#[tokio::test]
async fn j154_a_root_key_that_ends_is_refused_at_once() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let rights = "keys:read";
    let status = async |text: &str| {
        let answer = app.get("/manage/v1/keys").header("authorization", format!("Bearer {text}")).send().await;
        (answer.status.as_u16(), answer.header("countersign-error").map(str::to_owned))
    };
    let refused = (401, Some(ErrorCode::ApiKeyRefused.as_str().to_owned()));
    let root = app.root_key("owner-1", rights, None).await;
    let id = &root.key.id;
    assert_eq!(status(&root.text).await, (200, None));
    api_keys::disable(&app.app, &BY, id).await.unwrap();
    assert_eq!(status(&root.text).await, refused);
    api_keys::enable(&app.app, &BY, id).await.unwrap();
    clients::disable(&app.app, &BY, &root.key.client_id).await.unwrap();
    assert_eq!(status(&root.text).await, refused);
    clients::enable(&app.app, &BY, &root.key.client_id).await.unwrap();
    assert_eq!(status(&root.text).await, (200, None));
    let rotated = api_keys::rotate(&app.app, &BY, id, 0).await.unwrap();
    assert_eq!(status(&root.text).await, refused);
    assert_eq!(status(rotated.text.expose()).await, (200, None));
    api_keys::revoke(&app.app, &BY, id).await.unwrap();
    assert_eq!(status(rotated.text.expose()).await, refused);

    let last = root.text.chars().last().unwrap();
    let wrong = format!("{}{}", &root.text[..root.text.len() - 1], if last == '0' { '1' } else { '0' });
    assert_eq!(status(&wrong).await.0, 401, "no checksum: no key and no token");
}

#[tokio::test]
async fn j160_only_a_key_of_this_api_opens_it_and_only_from_its_networks() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let permission = |text: &str| api_keys::Permission::parse(text).unwrap();
    let other = api_keys::NewApiKey {
        permissions: vec![permission("*"), permission("keys:read")],
        ..api_keys::NewApiKey::named("k", a.id.clone(), app.api(API1).id.clone())
    };
    let made = api_keys::create(&app.app, &BY, other).await.unwrap();
    let ask = |text: &str| app.get("/manage/v1/keys").header("authorization", format!("Bearer {text}"));
    ask(made.text.expose()).send().await.refusal(401, ErrorCode::AudienceMismatch);

    let bound = api_keys::NewApiKey {
        permissions: vec![permission("keys:read")],
        allowed_networks: vec![countersign::config::Network::from_text("203.0.113.0/24").unwrap()],
        ..api_keys::NewApiKey::named("k", a.id, countersign::management::resource_server_id())
    };
    let made = api_keys::create(&app.app, &BY, bound).await.unwrap();
    ask(made.text.expose()).send().await.refusal(403, ErrorCode::ApiKeyNotFromHere);
    ask(made.text.expose()).from("203.0.113.7").send().await.success(200);
}

/// A root key is counted as every key: 429, and for how long.
#[tokio::test]
async fn j154_a_root_key_that_is_used_up_is_told_when_to_come_back() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let root = app.root_key("owner-1", "keys:read", None).await;
    let rule = countersign::counters::LimitRule {
        name: "all".to_owned(),
        limit: 2,
        duration_seconds: 30,
        auto_apply: true,
        on_unreachable: countersign::counters::OnUnreachable::Deny,
    };
    let patch = api_keys::ApiKeyPatch { limits: Some(vec![rule]), ..api_keys::ApiKeyPatch::default() };
    api_keys::update(&app.app, &BY, &root.key.id, patch, None).await.unwrap();
    let get = async || root.request(&app, Method::GET, "/manage/v1/keys").send().await;
    get().await.success(200);
    get().await.success(200);
    let refused = get().await;
    refused.refusal(429, ErrorCode::ApiKeyUsedUp);
    assert_eq!(refused.header("retry-after"), Some("30"));
    let asked = root.ask(&app, "keys.getKey", json!({ "keyId": "x" })).await;
    asked.unkey_refusal(429);
    assert_eq!(asked.header("content-type"), Some("application/problem+json"));
    app.clock.advance_millis(30_000);
    get().await.success(200);
    let none = api_keys::ApiKeyPatch {
        limits: Some(Vec::new()),
        credits: Some(Some(countersign::counters::Credits { remaining: 1, refill: None })),
        ..api_keys::ApiKeyPatch::default()
    };
    api_keys::update(&app.app, &BY, &root.key.id, none, None).await.unwrap();
    get().await.success(200);
    let refused = get().await;
    refused.refusal(429, ErrorCode::ApiKeyUsedUp);
    assert_eq!(refused.header("retry-after"), None);
}

/// The rights are those of the key at the moment of the change, not of the request's begin.
#[tokio::test]
async fn j160_a_right_that_was_taken_from_a_root_key_gives_nothing_any_more() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let root = app.root_key("owner-1", "keys:write operators:write keys:read", None).await;
    let by = Actor::client(root.key.client_id.clone(), "r".to_owned(), None)
        .with_scope(crate::support::scope("keys:write operators:write keys:read"))
        .with_api_key(Some(root.key.id.clone()));
    let new = || api_keys::NewApiKey {
        permissions: vec![api_keys::Permission::parse("keys:read").unwrap()],
        ..api_keys::NewApiKey::named("k", a.id.clone(), countersign::management::resource_server_id())
    };
    api_keys::create(&app.app, &by, new()).await.unwrap();
    let patch = api_keys::ApiKeyPatch {
        permissions: Some(vec![api_keys::Permission::parse("keys:write").unwrap()]),
        ..api_keys::ApiKeyPatch::default()
    };
    api_keys::update(&app.app, &BY, &root.key.id, patch, None).await.unwrap();
    let refused = api_keys::create(&app.app, &by, new()).await;
    assert!(matches!(refused, Err(countersign::change::ChangeError::ExceedsCaller(_))), "{refused:?}");
    api_keys::revoke(&app.app, &BY, &root.key.id).await.unwrap();
    let plain = api_keys::NewApiKey::named("k", a.id.clone(), app.api(API1).id.clone());
    let refused = api_keys::create(&app.app, &by, plain).await;
    assert!(matches!(refused, Err(countersign::change::ChangeError::ExceedsCaller(_))), "{refused:?}");
}

/// A client with a root key is as mighty as the key: neither taken over nor moved by less.
#[tokio::test]
async fn j160_a_client_with_a_root_key_is_not_changed_by_who_has_less() {
    let Managed { app, .. } = Managed::start(ENGINE).await;
    let organization = app.organization("Partner").await;
    let member = app.root_key("member-1", "keys:verify", Some(&organization)).await;
    let limited = app.caller("limited-1", "clients:write clients:read", None).await;
    let path = format!("/clients/{}", member.key.client_id);
    limited.post(&app, &format!("{path}/disable"), json!({})).await.refusal(403, ErrorCode::ExceedsCaller);
    let able = app.caller("able-1", "clients:write clients:read keys:verify", None).await;
    able.post(&app, &format!("{path}/disable"), json!({})).await.success(200);
    able.post(&app, &format!("{path}/enable"), json!({})).await.success(200);
    // Outside of its organization the key would verify every key.
    able.patch(&app, &path, json!({ "organization_id": null })).await.refusal(403, ErrorCode::ExceedsCaller);
    let maker = app.caller("maker-1", "clients:write keys:verify operators:write", None).await;
    maker.patch(&app, &path, json!({ "organization_id": null })).await.success(200);
}
