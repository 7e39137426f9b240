//! Keys at Unkey's API.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Unkey;

#[tokio::test]
async fn a_key_is_created_read_changed_and_deleted_in_unkeys_words() {
    let unkey = Unkey::start().await;
    let end = unkey.app.clock_millis() + 3_600_000;
    let more = json!({
        "prefix": "acme", "name": "production", "meta": { "plan": "pro" }, "permissions": ["orders.read"], "expires": end,
        "byteLength": 16, "enabled": true, "recoverable": false, "roles": [], "externalId": "user-1",
    });
    let (id, key) = unkey.key(more).await;
    assert!(key.starts_with("acme_"), "{key}");
    let shown = unkey.done("keys.getKey", json!({ "keyId": id, "decrypt": false })).await;
    let now = unkey.app.clock_millis();
    let identity = shown["identity"].clone();
    let expected = json!({
        "keyId": id, "start": key[..9], "enabled": true, "createdAt": now, "updatedAt": now, "name": "production",
        "meta": { "plan": "pro" }, "expires": end, "permissions": ["orders.read"], "identity": identity,
    });
    assert_eq!(shown, expected);
    assert_eq!(identity["externalId"], "user-1");
    let verdict = unkey.verify(&key).await;
    let expected = json!({
        "valid": true, "code": "VALID", "keyId": id, "enabled": true, "name": "production", "meta": { "plan": "pro" },
        "expires": end, "permissions": ["orders.read"], "identity": identity,
    });
    assert_eq!(verdict, expected);

    // Absent stays, null clears, a list replaces.
    let change =
        json!({ "keyId": id, "name": null, "meta": null, "expires": null, "externalId": null, "permissions": ["a", "b.*"] });
    assert_eq!(unkey.done("keys.updateKey", change).await, json!({}));
    let verdict = unkey.verify(&key).await;
    let expected = json!({ "valid": true, "code": "VALID", "keyId": id, "enabled": true, "permissions": ["a", "b.*"] });
    assert_eq!(verdict, expected);
    unkey.done("keys.updateKey", json!({ "keyId": id })).await;
    assert_eq!(unkey.verify(&key).await, expected);

    unkey.done("keys.updateKey", json!({ "keyId": id, "enabled": false })).await;
    let verdict = unkey.verify(&key).await;
    assert_eq!((&verdict["code"], &verdict["enabled"]), (&json!("DISABLED"), &json!(false)));
    unkey.done("keys.deleteKey", json!({ "keyId": id, "permanent": false })).await;
    assert_eq!(unkey.verify(&key).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    for operation in ["keys.getKey", "keys.deleteKey", "keys.rerollKey", "keys.updateKey"] {
        let mut body = json!({ "keyId": id });
        if operation == "keys.rerollKey" {
            body["expiration"] = json!(0);
        }
        unkey.root.ask(&unkey.app, operation, body).await.unkey_refusal(404);
    }
    assert_eq!(unkey.done("apis.listKeys", json!({ "apiId": unkey.api })).await, json!([]));
}

#[tokio::test]
async fn a_disabled_key_is_never_good_and_an_expired_one_says_so() {
    let unkey = Unkey::start().await;
    let (_, disabled) = unkey.key(json!({ "enabled": false })).await;
    assert_eq!(unkey.verify(&disabled).await["code"], "DISABLED");
    let (_, short) = unkey.key(json!({ "expires": unkey.app.clock_millis() + 1_000 })).await;
    assert_eq!(unkey.verify(&short).await["code"], "VALID");
    unkey.app.clock.advance_millis(1_000);
    assert_eq!(unkey.verify(&short).await["code"], "EXPIRED");
}

/// The key stays the same: what is counted of it is counted once, and whoever kept its id
/// finds it.
#[tokio::test]
async fn j155_a_rerolled_key_keeps_its_id_and_the_old_text_ends_at_its_deadline() {
    let unkey = Unkey::start().await;
    let (id, first) = unkey.key(json!({ "meta": { "plan": "pro" } })).await;
    let second = unkey.done("keys.rerollKey", json!({ "keyId": id, "expiration": 60_000 })).await;
    assert_eq!(second["keyId"], id.as_str());
    let second = second["key"].as_str().unwrap();
    for text in [first.as_str(), second] {
        let verdict = unkey.verify(text).await;
        assert_eq!((&verdict["keyId"], &verdict["meta"]), (&json!(id), &json!({ "plan": "pro" })));
    }
    unkey.app.clock.advance_millis(60_000);
    assert_eq!(unkey.verify(&first).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    assert_eq!(unkey.verify(second).await["valid"], true);
    let third = unkey.done("keys.rerollKey", json!({ "keyId": id, "expiration": 0 })).await;
    assert_eq!(unkey.verify(second).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    assert_eq!(unkey.verify(third["key"].as_str().unwrap()).await["valid"], true);
    let too_long = json!({ "keyId": id, "expiration": 4_102_444_800_000_u64 });
    let error = unkey.root.ask(&unkey.app, "keys.rerollKey", too_long).await.unkey_refusal(400);
    assert_eq!(error["errors"][0]["location"], "body.expiration");
}

/// Each change sees those before it.
#[tokio::test]
async fn permissions_that_are_added_at_once_are_all_there() {
    let unkey = Arc::new(Unkey::start().await);
    let (id, _) = unkey.key(json!({})).await;
    let added = (0..6).map(|number| {
        let (unkey, id) = (Arc::clone(&unkey), id.clone());
        tokio::spawn(async move {
            let body = json!({ "keyId": id, "permissions": [format!("p{number}"), "shared"] });
            unkey.done("keys.addPermissions", body).await
        })
    });
    for task in added.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let shown = unkey.done("keys.getKey", json!({ "keyId": id })).await;
    let mut held: Vec<&str> = shown["permissions"].as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
    held.sort_unstable();
    assert_eq!(held, ["p0", "p1", "p2", "p3", "p4", "p5", "shared"]);
}

#[tokio::test]
async fn permissions_and_roles_are_told_with_what_is_known_of_them() {
    let unkey = Unkey::start().await;
    let (id, key) = unkey.key(json!({ "permissions": ["a"] })).await;
    unkey.done("permissions.createPermission", json!({ "name": "Reports", "slug": "reports", "description": "d" })).await;
    let held = unkey.done("keys.addPermissions", json!({ "keyId": id, "permissions": ["reports"] })).await;
    let reports = json!({ "id": "reports", "name": "Reports", "slug": "reports", "description": "d" });
    assert_eq!(held, json!([{ "id": "a", "name": "a", "slug": "a" }, reports]));
    // It is not forgotten while somebody has it.
    let delete = json!({ "permission": "reports" });
    unkey.root.ask(&unkey.app, "permissions.deletePermission", delete.clone()).await.unkey_refusal(409);
    unkey.done("keys.setPermissions", json!({ "keyId": id, "permissions": [] })).await;
    unkey.done("permissions.createRole", json!({ "name": "r", "permissions": ["reports"] })).await;
    unkey.root.ask(&unkey.app, "permissions.deletePermission", delete.clone()).await.unkey_refusal(409);
    assert_eq!(unkey.done("permissions.getPermission", delete.clone()).await, reports);

    let roles = unkey.done("keys.setRoles", json!({ "keyId": id, "roles": ["r"] })).await;
    assert_eq!(roles, json!([{ "id": "r", "name": "r", "permissions": [reports] }]));
    let verdict = unkey.done("keys.verifyKey", json!({ "key": key, "permissions": "reports" })).await;
    assert_eq!(
        (&verdict["code"], &verdict["permissions"], &verdict["roles"]),
        (&json!("VALID"), &json!(["reports"]), &json!(["r"]))
    );
    unkey.root.ask(&unkey.app, "permissions.deleteRole", json!({ "role": "r" })).await.unkey_refusal(409);
    unkey.root.ask(&unkey.app, "keys.addRoles", json!({ "keyId": id, "roles": ["nobody"] })).await.unkey_refusal(400);
    assert_eq!(unkey.done("keys.removeRoles", json!({ "keyId": id, "roles": ["r"] })).await, Value::Array(Vec::new()));
    unkey.done("permissions.deleteRole", json!({ "role": "r" })).await;
    unkey.done("permissions.deletePermission", delete.clone()).await;
    unkey.root.ask(&unkey.app, "permissions.deletePermission", delete).await.unkey_refusal(404);
}

/// Each key by itself; what came in once does not come in again.
#[tokio::test]
async fn keys_come_along_by_their_hashes() {
    let unkey = Unkey::start().await;
    // SHA-256 of `abc` (FIPS 180-2, appendix B.1).
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let body = json!({ "migrationId": "any", "apiId": unkey.api, "keys": [
        { "hash": abc, "name": "old", "externalId": "user-1", "permissions": ["a"], "meta": { "n": 1 } },
        { "hash": "no hash" },
    ] });
    let done = unkey.done("keys.migrateKeys", body.clone()).await;
    assert_eq!((&done["migrated"][0]["hash"], &done["failed"]), (&json!(abc), &json!(["no hash"])));
    let verdict = unkey.verify("abc").await;
    assert_eq!((&verdict["keyId"], &verdict["name"]), (&done["migrated"][0]["keyId"], &json!("old")));
    assert_eq!((&verdict["identity"]["externalId"], &verdict["permissions"]), (&json!("user-1"), &json!(["a"])));
    assert_eq!(unkey.done("keys.migrateKeys", body).await, json!({ "migrated": [], "failed": [abc, "no hash"] }));
    let long = json!({ "migrationId": "seamapi/prefixed-api-key", "apiId": unkey.api, "keys": [{ "hash": abc.to_uppercase() }] });
    assert_eq!(unkey.done("keys.migrateKeys", long).await["migrated"].as_array().unwrap().len(), 1);
    assert_eq!(unkey.verify("pre_short_abc").await["valid"], true);
}

/// Lists go on where they ended, and a cursor is of one list.
#[tokio::test]
async fn lists_are_read_in_pieces() {
    let unkey = Unkey::start().await;
    for _ in 0..3 {
        unkey.key(json!({})).await;
    }
    let ask = async |body: Value| unkey.root.ask(&unkey.app, "apis.listKeys", body).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let mut body = json!({ "apiId": unkey.api, "limit": 2, "decrypt": false, "revalidateKeysCache": false });
        if let Some(cursor) = &cursor {
            body["cursor"] = json!(cursor);
        }
        let answer = ask(body).await.unkey();
        seen.extend(answer["data"].as_array().unwrap().iter().map(|key| key["keyId"].to_string()));
        cursor = answer["pagination"]["cursor"].as_str().map(str::to_owned);
        assert_eq!(answer["pagination"]["hasMore"], cursor.is_some());
        if cursor.is_none() {
            break;
        }
        ask(json!({ "apiId": unkey.api, "externalId": "x", "cursor": cursor })).await.unkey_refusal(400);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 3);
    for limit in [0, 101] {
        ask(json!({ "apiId": unkey.api, "limit": limit })).await.unkey_refusal(400);
    }
    ask(json!({ "apiId": "rs_unknown" })).await.unkey_refusal(404);
}
