//! `/manage/v1/clients/{client_id}/grants`.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Managed, api};

#[tokio::test]
async fn one_is_created_shown_listed_changed_and_deleted() {
    let Managed { app, operator, a, .. } = Managed::start(ENGINE).await;
    let api = app.resource_server(api("https://third.test", "read write")).await;
    let grants = format!("/clients/{}/grants", a.id);
    let new = json!({ "resource_server_id": api.id.as_str(), "scope": "write read", "token_lifetime_seconds": 90 });
    let made = operator.post(&app, &grants, new.clone()).await;
    let object = made.success(201);
    let id = object["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "client_id": "client-a", "resource_server_id": api.id.as_str(), "audience": "https://third.test",
        "scope": "write read", "token_lifetime_seconds": 90,
        "created_at": "2027-01-15T08:00:00.750Z", "updated_at": "2027-01-15T08:00:00.750Z",
    });
    assert_eq!(object, expected);
    operator.post(&app, &grants, new).await.refusal(409, ErrorCode::AlreadyExists);
    let path = format!("{grants}/{id}");
    assert_eq!(made.header("location"), Some(format!("/manage/v1{path}").as_str()));
    let shown = operator.get(&app, &path).await;
    assert_eq!((shown.success(200), shown.etag()), (object.clone(), made.etag()));
    assert!(operator.all(&app, &grants, 1).await.contains(&object));
    let asked = app.ask(&a, "audience=https://third.test").await;
    assert_eq!((asked.token().claim("scope"), &asked.json()["expires_in"]), ("write read", &json!(90)));

    app.clock.advance_seconds(1);
    let changed = operator.patch_if(&app, &path, made.etag(), json!({ "scope": "read", "token_lifetime_seconds": null })).await;
    let mut expected = expected;
    for (member, value) in
        [("scope", json!("read")), ("token_lifetime_seconds", Value::Null), ("updated_at", json!("2027-01-15T08:00:01.750Z"))]
    {
        expected[member] = value;
    }
    assert_eq!(changed.success(200), expected);
    assert_eq!(operator.patch(&app, &path, json!({})).await.success(200), expected);
    operator.patch_if(&app, &path, made.etag(), json!({})).await.refusal(412, ErrorCode::VersionMismatch);
    let asked = app.ask(&a, "audience=https://third.test").await;
    assert_eq!((asked.token().claim("scope"), &asked.json()["expires_in"]), ("read", &json!(600)));

    operator.delete_if(&app, &path, made.etag()).await.refusal(412, ErrorCode::VersionMismatch);
    assert_eq!(operator.delete(&app, &path).await.status, 204);
    operator.get(&app, &path).await.refusal(404, ErrorCode::NotFound);
    app.ask(&a, "audience=https://third.test").await.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
}

#[tokio::test]
async fn scopes_and_lifetimes_are_checked() {
    let Managed { app, operator, a, .. } = Managed::start(ENGINE).await;
    let api = app.resource_server(api("https://third.test", "read")).await;
    let grants = format!("/clients/{}/grants", a.id);
    let body = |scope: &str, lifetime: i64| json!({ "resource_server_id": api.id.as_str(), "scope": scope, "token_lifetime_seconds": lifetime });
    let made = operator.post(&app, &grants, body("read", 600)).await.success(201);
    let path = format!("{grants}/{}", made["id"].as_str().unwrap());
    for (scope, lifetime, pointer) in [("other", 600, "/scope"), ("a\"b", 600, "/scope"), ("read", 0, "/token_lifetime_seconds")] {
        operator.post(&app, &grants, body(scope, lifetime)).await.refused_member(pointer);
        let patch = json!({ "scope": scope, "token_lifetime_seconds": lifetime });
        operator.patch(&app, &path, patch).await.refused_member(pointer);
    }
    operator.patch(&app, &path, json!({ "scope": null })).await.refused_member("/scope");
    let unknown = json!({ "resource_server_id": "rs_unknown", "scope": "" });
    operator.post(&app, &grants, unknown).await.refusal(404, ErrorCode::NotFound);
    operator.post(&app, "/clients/unknown-client/grants", body("read", 600)).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_grant_is_found_only_under_its_own_client() {
    let Managed { app, operator, a, .. } = Managed::start(ENGINE).await;
    let grants = operator.ids(&app, &format!("/clients/{}/grants", a.id)).await;
    let path = format!("/clients/client-b/grants/{}", grants[0]);
    operator.get(&app, &path).await.refusal(404, ErrorCode::NotFound);
    operator.patch(&app, &path, json!({})).await.refusal(404, ErrorCode::NotFound);
    operator.delete(&app, &path).await.refusal(404, ErrorCode::NotFound);
    assert_eq!(operator.ids(&app, &format!("/clients/{}/grants", a.id)).await, grants);
}
