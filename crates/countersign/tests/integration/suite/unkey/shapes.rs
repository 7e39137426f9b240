//! The forms of what is not carried out.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::{Unkey, rights_but};
use crate::support::CapturedLog;

#[tokio::test]
async fn a_body_that_is_not_accepted_is_refused_with_its_place() {
    let unkey = Unkey::start().await;
    let (id, _) = unkey.key(json!({})).await;
    for (operation, body, location) in [
        ("keys.createKey", json!({}), "body"),
        ("keys.createKey", json!({ "apiId": 1 }), "body.apiId"),
        ("keys.createKey", json!({ "apiId": unkey.api, "unknown": 1 }), "body.unknown"),
        ("keys.createKey", json!({ "apiId": unkey.api, "name": "" }), "body.name"),
        ("keys.createKey", json!({ "apiId": unkey.api, "prefix": "a b" }), "body.prefix"),
        ("keys.createKey", json!({ "apiId": unkey.api, "prefix": "a".repeat(17) }), "body.prefix"),
        ("keys.createKey", json!({ "apiId": unkey.api, "byteLength": 8 }), "body.byteLength"),
        ("keys.createKey", json!({ "apiId": unkey.api, "recoverable": true }), "body.recoverable"),
        ("keys.createKey", json!({ "apiId": unkey.api, "permissions": ["a b"] }), "body.permissions"),
        ("keys.createKey", json!({ "apiId": unkey.api, "roles": ["nobody"] }), "body.roles"),
        ("keys.createKey", json!({ "apiId": unkey.api, "expires": 1_000 }), "body.expires"),
        ("keys.createKey", json!({ "apiId": unkey.api, "meta": { "a": "b".repeat(5_000) } }), "body.meta"),
        ("keys.getKey", json!({ "keyId": id, "decrypt": true }), "body.decrypt"),
        ("keys.verifyKey", json!({ "key": "x", "permissions": "a AND" }), "body.permissions"),
        ("keys.verifyKey", json!({ "key": "x", "permissions": "*" }), "body.permissions"),
        ("keys.verifyKey", json!({ "key": "x", "tags": vec!["t"; 21] }), "body.tags"),
        ("keys.rerollKey", json!({ "keyId": id, "expiration": -1 }), "body.expiration"),
        ("identities.createIdentity", json!({ "externalId": "" }), "body.externalId"),
        ("permissions.createPermission", json!({ "name": "n", "slug": "a b" }), "body.slug"),
        ("apis.createApi", json!({ "name": "" }), "body.name"),
    ] {
        let error = unkey.root.ask(&unkey.app, operation, body.clone()).await.unkey_refusal(400);
        assert_eq!(error["errors"][0]["location"], location, "{operation} {body}: {error}");
    }
    let raw = |content: &str, body: &str| {
        let request = unkey.root.request(&unkey.app, http::Method::POST, "/v2/keys.verifyKey");
        request.header("content-type", content).body(body.to_owned()).send()
    };
    raw("text/plain", "{}").await.unkey_refusal(400);
    raw("application/json", "{").await.unkey_refusal(400);
    raw("application/json", r#"{"key":"a","key":"b"}"#).await.unkey_refusal(400);
    raw("application/json", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).await.unkey_refusal(400);
    raw("application/json;charset=utf-8", r#"{"key":"a"}"#).await.unkey();
}

#[tokio::test]
async fn who_has_no_root_key_learns_nothing_but_that() {
    let unkey = Unkey::start().await;
    for authorization in ["Bearer wrong", "Bearer key_0", "Bearer public"] {
        let request = unkey.app.post("/v2/keys.verifyKey").header("authorization", authorization);
        let error = request.json(&json!({ "key": "x" })).send().await.unkey_refusal(401);
        assert!(!error["detail"].as_str().unwrap().contains("wrong"), "{error}");
    }
    unkey.app.post("/v2/keys.verifyKey").json(&json!({ "key": "x" })).send().await.unkey_refusal(401);
    let without = unkey.other("root-2", &rights_but("keys:verify"), None).await;
    without.ask(&unkey.app, "keys.verifyKey", json!({ "key": "x" })).await.unkey_refusal(403);
    for key in ["", "x", "acme_nope", &"a".repeat(5_000)] {
        assert_eq!(unkey.verify(key).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    }
}

#[tokio::test]
async fn an_operation_that_is_not_served_is_named() {
    let unkey = Unkey::start().await;
    for operation in ["deployments.createDeployment", "keys.nothing", "analytics.getVerifications", "a/b"] {
        let error = unkey.root.ask(&unkey.app, operation, json!({})).await.unkey_refusal(404);
        assert!(error["detail"].as_str().unwrap().contains(operation), "{error}");
    }
    let get = unkey.root.request(&unkey.app, http::Method::GET, "/v2/keys.getKey").send().await;
    assert_eq!(get.status, 405);
}

/// A fault is never a verdict, and its cause is for the log.
#[tokio::test]
async fn a_failing_store_is_a_500_in_unkeys_shape() {
    let unkey = Unkey::start().await;
    let log = CapturedLog::start();
    unkey.app.database.execute("ALTER TABLE api_keys RENAME TO api_keys_gone").await;
    let absent = countersign_protocol::CredentialText::generate("key", [7; 9], [9; 32]);
    let answer = unkey.root.ask(&unkey.app, "keys.verifyKey", json!({ "key": absent.expose() })).await;
    let error = answer.unkey_refusal(500);
    assert_eq!((&error["detail"], answer.header("countersign-error")), (&json!(ErrorCode::Internal.meaning()), Some("CS-9001")));
    let id: Value = answer.unkey()["meta"]["requestId"].clone();
    let line = log.records().into_iter().find(|record| record["request_id"] == id).unwrap();
    assert!(line["error"].as_str().unwrap().contains("api_keys"), "{line}");
}
