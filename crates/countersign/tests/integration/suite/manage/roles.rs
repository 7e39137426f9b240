//! `/manage/v1/roles`.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::keys::{Keys, code};
use crate::support::every_right;

#[tokio::test]
async fn a_role_gives_its_permissions_to_the_keys_that_have_it_at_once() {
    let keys = Keys::start().await;
    let new = json!({ "name": "reader", "description": "Reads orders", "permissions": ["orders.read"] });
    let answer = keys.post("/roles", new.clone()).await;
    let made = answer.success(201);
    assert_eq!((&made["name"], &made["permissions"]), (&json!("reader"), &json!(["orders.read"])));
    assert_eq!(answer.header("location"), Some("/manage/v1/roles/reader"));
    keys.post("/roles", new).await.refusal(409, ErrorCode::AlreadyExists);
    assert_eq!(keys.get("/roles/reader").await.success(200), made);
    assert_eq!(keys.get("/roles").await.success(200)["items"], json!([made]));

    let key = keys.create(json!({ "roles": ["reader"], "permissions": ["own"] })).await;
    let asked = async |expression: &str| code(&keys.verify(json!({ "key": key["key"], "permissions": expression })).await);
    assert_eq!(asked("orders.read AND own").await, "VALID");
    assert_eq!(asked("orders.write").await, "INSUFFICIENT_PERMISSIONS");
    let changed =
        keys.operator.patch_if(&keys.app, "/roles/reader", answer.etag(), json!({ "permissions": ["orders.write"] })).await;
    assert_eq!(changed.success(200)["description"], "Reads orders");
    assert_eq!(asked("orders.write").await, "VALID");
    assert_eq!(asked("orders.read").await, "INSUFFICIENT_PERMISSIONS");
    keys.operator.patch_if(&keys.app, "/roles/reader", answer.etag(), json!({})).await.refusal(412, ErrorCode::VersionMismatch);
    // It is in use.
    keys.operator.delete(&keys.app, "/roles/reader").await.refusal(409, ErrorCode::StateConflict);
    keys.operator.patch(&keys.app, &super::keys::path_of(&key), json!({ "roles": null })).await.success(200);
    assert_eq!(asked("orders.write").await, "INSUFFICIENT_PERMISSIONS");
    assert_eq!(keys.operator.delete(&keys.app, "/roles/reader").await.status, 204);
    keys.get("/roles/reader").await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn what_a_role_may_not_be_is_named() {
    let keys = Keys::start().await;
    for (member, value) in
        [("name", json!("two words")), ("name", json!("")), ("permissions", json!(["é"])), ("permissions", json!(["a*"]))]
    {
        let mut body = json!({ "name": "reader", "permissions": [] });
        body[member] = value;
        let answer = keys.post("/roles", body).await;
        answer.refusal(400, ErrorCode::FieldInvalid);
        let pointer = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(pointer.starts_with(&format!("/{member}")), "{answer:?}");
    }
    keys.post("/keys", keys.new_key(json!({ "roles": ["nobody"] }))).await.refused_member("/roles");
}

#[tokio::test]
async fn roles_are_the_whole_instances() {
    let keys = Keys::start().await;
    keys.post("/roles", json!({ "name": "reader", "permissions": ["orders.read"] })).await.success(201);
    let organization = keys.app.organization("Partner").await;
    let partner = keys.app.caller("partner-1", &every_right(), Some(&organization)).await;
    let refused = [
        partner.post(&keys.app, "/roles", json!({ "name": "mine", "permissions": ["*"] })).await,
        partner.patch(&keys.app, "/roles/reader", json!({ "permissions": ["*"] })).await,
        partner.delete(&keys.app, "/roles/reader").await,
    ];
    for answer in refused {
        answer.refusal(403, ErrorCode::LimitedToOrganization);
    }
    assert_eq!(keys.get("/roles/reader").await.success(200)["permissions"], json!(["orders.read"]));
    assert_eq!(keys.post("/roles", Value::Null).await.status, 400);
}
