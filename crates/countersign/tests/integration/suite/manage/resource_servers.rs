//! `/manage/v1/resource-servers`.

use countersign::management::resource_server_id;
use countersign_protocol::{ErrorCode, Secret};
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, Managed, master_key};

const PATH: &str = "/resource-servers";

fn new() -> Value {
    json!({ "audience": "https://new.test", "name": "New", "scopes": [{ "scope": "read", "description": "Reads" }, { "scope": "write" }] })
}

async fn id_of(managed: &Managed, audience: &str) -> String {
    let all = managed.operator.all(&managed.app, PATH, 200).await;
    let found = all.iter().find(|item| item["audience"] == audience).unwrap();
    found["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_is_created_shown_listed_changed_and_deleted() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let made = operator.post(&app, PATH, new()).await;
    let object = made.success(201);
    let id = object["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "authorization_server_id": "default", "audience": "https://new.test", "name": "New", "profile": "rfc9068",
        "signing_alg": null, "token_format": "jwt", "reuse_live_tokens": false, "token_lifetime_seconds": 600,
        "scopes": [{ "scope": "read", "description": "Reads" }, { "scope": "write", "description": "" }],
        "created_at": "2027-01-15T08:00:00.750Z", "updated_at": "2027-01-15T08:00:00.750Z",
    });
    assert_eq!(object, expected);
    let path = format!("{PATH}/{id}");
    assert_eq!(made.header("location"), Some(format!("/manage/v1{path}").as_str()));
    let shown = operator.get(&app, &path).await;
    assert_eq!((shown.success(200), shown.etag()), (object.clone(), made.etag()));
    assert!(operator.ids(&app, PATH).await.contains(&id.to_owned()));

    app.clock.advance_seconds(1);
    let change = json!({ "name": "Newer", "profile": "okta", "signing_alg": "EdDSA", "token_format": "opaque", "reuse_live_tokens": true, "token_lifetime_seconds": 100_000, "scopes": [{ "scope": "read" }] });
    let changed = operator.patch_if(&app, &path, made.etag(), change).await;
    let mut expected = expected.clone();
    for (member, value) in [
        ("name", json!("Newer")),
        ("profile", json!("okta")),
        ("signing_alg", json!("EdDSA")),
        ("token_format", json!("opaque")),
        ("reuse_live_tokens", json!(true)),
        ("token_lifetime_seconds", json!(86_400)),
        ("scopes", json!([{ "scope": "read", "description": "" }])),
        ("updated_at", json!("2027-01-15T08:00:01.750Z")),
    ] {
        expected[member] = value;
    }
    assert_eq!(changed.success(200), expected);
    operator.patch_if(&app, &path, made.etag(), json!({ "name": "x" })).await.refusal(412, ErrorCode::VersionMismatch);
    // Absent keeps, null clears.
    expected["signing_alg"] = Value::Null;
    assert_eq!(operator.patch(&app, &path, json!({ "signing_alg": null })).await.success(200), expected);
    assert_eq!(operator.patch(&app, &path, json!({})).await.success(200), expected);

    operator.delete_if(&app, &path, made.etag()).await.refusal(412, ErrorCode::VersionMismatch);
    assert_eq!(operator.delete(&app, &path).await.status, 204);
    operator.get(&app, &path).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_change_reaches_the_next_token() {
    let managed = Managed::start(ENGINE).await;
    let path = format!("{PATH}/{}", id_of(&managed, API1).await);
    let Managed { app, operator, a, .. } = managed;
    operator
        .patch(&app, &path, json!({ "profile": "okta", "signing_alg": "EdDSA", "token_lifetime_seconds": 60 }))
        .await
        .success(200);
    let answer = app.ask(&a, "").await;
    let token = answer.token();
    assert_eq!((token.alg(), token.claim("cid")), ("EdDSA", "client-a"));
    assert_eq!(answer.json()["expires_in"], 60);
}

#[tokio::test]
async fn the_audience_stays() {
    let managed = Managed::start(ENGINE).await;
    let path = format!("{PATH}/{}", id_of(&managed, API1).await);
    let Managed { app, operator, .. } = managed;
    operator.patch(&app, &path, json!({ "audience": "https://stolen.test" })).await.refused_member("/audience");
    operator.post(&app, PATH, json!({ "audience": API1, "name": "x" })).await.refusal(409, ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn a_scope_that_a_grant_names_stays_and_the_refusal_says_whose() {
    let managed = Managed::start(ENGINE).await;
    let path = format!("{PATH}/{}", id_of(&managed, API1).await);
    let Managed { app, operator, .. } = managed;
    let scopes = |names: &[&str]| json!({ "scopes": names.iter().map(|name| json!({ "scope": name })).collect::<Vec<_>>() });
    let refusal = operator.patch(&app, &path, scopes(&["list:users"])).await.refusal(409, ErrorCode::StateConflict);
    assert!(refusal.contains("client-a (`read:x`)") && refusal.contains("client-z (`read:x`)"), "{refusal}");
    assert!(!refusal.contains("client-b"), "{refusal}");
    operator.patch(&app, &path, scopes(&["read:x", "list:users", "more"])).await.success(200);
    operator.patch(&app, &path, scopes(&["read:x", "list:users"])).await.success(200);
    let refusal = operator.delete(&app, &path).await.refusal(409, ErrorCode::StateConflict);
    assert!(refusal.contains("clients have grants"), "{refusal}");
}

#[tokio::test]
async fn the_one_of_this_api_is_not_changed_by_hand() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let path = format!("{PATH}/{}", resource_server_id());
    let before = operator.get(&app, &path).await.success(200);
    operator.patch(&app, &path, json!({ "token_lifetime_seconds": 86_400 })).await.refusal(409, ErrorCode::StateConflict);
    operator.delete(&app, &path).await.refusal(409, ErrorCode::StateConflict);
    assert_eq!(operator.get(&app, &path).await.success(200), before);
}

#[tokio::test]
async fn values_are_checked_with_a_pointer_to_them() {
    let managed = Managed::start(ENGINE).await;
    let path = format!("{PATH}/{}", id_of(&managed, API1).await);
    let Managed { app, operator, .. } = managed;
    let long = "x".repeat(501);
    for (member, value, pointer) in [
        ("name", json!("\u{7}"), "/name"),
        ("profile", json!("azure"), "/profile"),
        ("signing_alg", json!("none"), "/signing_alg"),
        ("token_format", json!("reference"), "/token_format"),
        ("token_lifetime_seconds", json!(59), "/token_lifetime_seconds"),
        ("token_lifetime_seconds", json!(-1), "/token_lifetime_seconds"),
        ("token_lifetime_seconds", json!(60.5), "/token_lifetime_seconds"),
        ("scopes", json!([{ "scope": "ok" }, { "scope": "a b" }]), "/scopes/1/scope"),
        ("scopes", json!([{ "scope": "ok", "description": long }]), "/scopes/0/description"),
        ("scopes", json!([{ "scope": "ok", "level": 1 }]), "/scopes/0/level"),
        ("scopes", json!([{ "scope": "ok" }, { "scope": "ok" }]), "/scopes"),
    ] {
        operator.patch(&app, &path, json!({ member: value })).await.refused_member(pointer);
        let mut made = new();
        made[member] = value;
        operator.post(&app, PATH, made).await.refused_member(pointer);
    }
    let elsewhere = json!({ "audience": "https://x.test", "name": "x", "authorization_server_id": "nowhere" });
    operator.post(&app, PATH, elsewhere).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_grant_given_while_its_scope_is_taken_away_leaves_no_grant_for_an_unknown_scope() {
    let Managed { app, operator, a, .. } = Managed::start(ENGINE).await;
    for round in 0..10 {
        let body = json!({ "audience": format!("https://race{round}.test"), "name": "x", "scopes": [{ "scope": "s" }] });
        let id = operator.post(&app, PATH, body).await.success(201)["id"].as_str().unwrap().to_owned();
        let grants = format!("/clients/{}/grants", a.id);
        let path = format!("{PATH}/{id}");
        let (granted, changed) = tokio::join!(
            operator.post(&app, &grants, json!({ "resource_server_id": id, "scope": "s" })),
            operator.patch(&app, &path, json!({ "scopes": [] })),
        );
        let both = (granted.status.as_u16(), changed.status.as_u16());
        assert!(matches!(both, (201, 409) | (400, 200)), "{both:?}");
    }
}

#[tokio::test]
async fn a_change_that_the_node_cannot_take_up_is_a_503_that_nobody_repeats_by_itself() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let id = app.api(API1).id.clone();
    let foreign = master_key(9).seal("hk_foreign", &Secret::new(vec![1; 32])).unwrap();
    let add = format!("INSERT INTO hash_keys (id, sealed_key, created_at) VALUES ('hk_foreign', '{foreign}', 0)");
    app.database.execute(&add).await;
    let answer = operator.patch(&app, &format!("/resource-servers/{id}"), json!({ "name": "Changed" })).await;
    answer.assert_problem(503, ErrorCode::ChangeNotApplied);
    assert_eq!(app.database.texts("SELECT name FROM resource_servers WHERE name = 'Changed'").await.len(), 1);
}
