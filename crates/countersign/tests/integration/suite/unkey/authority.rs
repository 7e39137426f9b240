//! What a root key may do at Unkey's API: what its rights list, in its own organization.

use countersign::audit::Actor;
use countersign::clients::{self, NewClientGrant};
use countersign::ids::ResourceServerId;
use countersign_protocol::ClientId;
use serde_json::json;

use super::{RIGHTS, Unkey, rights_but};
use crate::support::{API1, scope};

/// Each operation with the one right that it needs and a body that is accepted.
#[tokio::test]
async fn j160_a_root_key_does_what_its_rights_list_and_nothing_else() {
    let unkey = Unkey::start().await;
    let (id, key) = unkey.key(json!({ "permissions": ["a.b"] })).await;
    unkey.done("permissions.createRole", json!({ "name": "reader" })).await;
    unkey.done("permissions.createPermission", json!({ "name": "Read", "slug": "read" })).await;
    unkey.done("identities.createIdentity", json!({ "externalId": "user-1" })).await;
    let api = &unkey.api;
    let limited = json!({ "namespace": "n", "identifier": "i", "limit": 9, "duration": 60_000 });
    let operations = [
        ("apis.getApi", json!({ "apiId": api }), "resource_servers:read"),
        ("apis.createApi", json!({ "name": "other" }), "resource_servers:write"),
        ("apis.listKeys", json!({ "apiId": api }), "keys:read"),
        ("keys.createKey", json!({ "apiId": api }), "keys:write"),
        ("keys.createKey", json!({ "apiId": api, "externalId": "new" }), "clients:write"),
        ("keys.getKey", json!({ "keyId": id }), "keys:read"),
        ("keys.whoami", json!({ "key": key }), "keys:read"),
        ("keys.verifyKey", json!({ "key": key }), "keys:verify"),
        ("keys.updateKey", json!({ "keyId": id, "name": "n" }), "keys:write"),
        ("keys.updateKey", json!({ "keyId": id, "externalId": "newer" }), "clients:write"),
        ("keys.addPermissions", json!({ "keyId": id, "permissions": ["c"] }), "keys:write"),
        ("keys.setPermissions", json!({ "keyId": id, "permissions": ["c"] }), "keys:write"),
        ("keys.removePermissions", json!({ "keyId": id, "permissions": ["c"] }), "keys:write"),
        ("keys.addRoles", json!({ "keyId": id, "roles": ["reader"] }), "keys:write"),
        ("keys.setRoles", json!({ "keyId": id, "roles": [] }), "keys:write"),
        ("keys.removeRoles", json!({ "keyId": id, "roles": ["reader"] }), "keys:write"),
        ("keys.rerollKey", json!({ "keyId": id, "expiration": 0 }), "keys:write"),
        ("keys.updateCredits", json!({ "keyId": id, "operation": "set", "value": 5 }), "keys:write"),
        ("ratelimit.limit", limited.clone(), "rate_limits:take"),
        ("ratelimit.multiLimit", json!([limited]), "rate_limits:take"),
        ("keys.migrateKeys", json!({ "migrationId": "m", "apiId": api, "keys": [{ "hash": "0".repeat(64) }] }), "keys:write"),
        ("identities.createIdentity", json!({ "externalId": "user-2" }), "clients:write"),
        ("identities.getIdentity", json!({ "identity": "user-1" }), "clients:read"),
        ("identities.listIdentities", json!({}), "clients:read"),
        ("identities.updateIdentity", json!({ "identity": "user-1", "meta": {} }), "clients:write"),
        ("identities.deleteIdentity", json!({ "identity": "user-1" }), "clients:write"),
        ("permissions.createPermission", json!({ "name": "Write", "slug": "write" }), "roles:write"),
        ("permissions.getPermission", json!({ "permission": "read" }), "roles:read"),
        ("permissions.listPermissions", json!({}), "roles:read"),
        ("permissions.deletePermission", json!({ "permission": "read" }), "roles:write"),
        ("permissions.createRole", json!({ "name": "writer" }), "roles:write"),
        ("permissions.getRole", json!({ "role": "reader" }), "roles:read"),
        ("permissions.listRoles", json!({}), "roles:read"),
        ("permissions.setRolePermissions", json!({ "roleId": "reader", "permissions": [] }), "roles:write"),
        ("permissions.deleteRole", json!({ "role": "reader" }), "roles:write"),
        ("keys.deleteKey", json!({ "keyId": id }), "keys:write"),
        ("apis.deleteApi", json!({ "apiId": api }), "resource_servers:write"),
    ];
    for (number, (operation, body, right)) in operations.into_iter().enumerate() {
        let without = unkey.other(&format!("root-without-{number}"), &rights_but(right), None).await;
        let error = without.ask(&unkey.app, operation, body.clone()).await.unkey_refusal(403);
        assert!(error["detail"].as_str().unwrap().contains(right), "{operation}: {error}");
        unkey.done(operation, body).await;
    }
}

/// Deleting an API would be a way to delete keys.
#[tokio::test]
async fn j160_who_may_delete_an_api_may_not_delete_its_keys() {
    let unkey = Unkey::start().await;
    let (id, key) = unkey.key(json!({})).await;
    let without = unkey.other("root-2", &rights_but("keys:write"), None).await;
    without.ask(&unkey.app, "apis.deleteApi", json!({ "apiId": unkey.api })).await.unkey_refusal(403);
    assert_eq!(unkey.verify(&key).await["keyId"], id.as_str());

    // With a grant for it the API stays, and so do its keys.
    let client_id = ClientId::try_from("client-a").unwrap();
    let grant = NewClientGrant {
        client_id: client_id.clone(),
        resource_server_id: ResourceServerId::from_stored(&unkey.api),
        scope: scope(""),
        token_lifetime_seconds: None,
    };
    let grant = clients::grant(&unkey.app.app, &Actor::command_line(), grant).await.unwrap();
    unkey.root.ask(&unkey.app, "apis.deleteApi", json!({ "apiId": unkey.api })).await.unkey_refusal(409);
    assert_eq!(unkey.verify(&key).await["valid"], true);
    clients::delete_grant(&unkey.app.app, &Actor::command_line(), (&client_id, &grant.id), None).await.unwrap();

    unkey.done("apis.deleteApi", json!({ "apiId": unkey.api })).await;
    assert_eq!(unkey.verify(&key).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    unkey.root.ask(&unkey.app, "apis.deleteApi", json!({ "apiId": "rs_management" })).await.unkey_refusal(409);
}

#[tokio::test]
async fn j160_a_root_key_gives_no_right_that_it_does_not_have() {
    let unkey = Unkey::start().await;
    let new = |rights: &[&str]| json!({ "apiId": "rs_management", "permissions": rights });
    // Who makes keys does not make root keys.
    unkey.root.ask(&unkey.app, "keys.createKey", new(&["keys:verify"])).await.unkey_refusal(403);
    let maker = unkey.other("maker-1", "keys:write keys:verify operators:write", None).await;
    for beyond in [&["clients:read"][..], &["keys:*"], &["*"], &["keys:verify", "audit:read"]] {
        maker.ask(&unkey.app, "keys.createKey", new(beyond)).await.unkey_refusal(403);
    }
    let made = maker.done(&unkey.app, "keys.createKey", new(&["keys:verify"])).await;
    // Nor does it take over one that has more.
    let full = unkey.other("full-1", RIGHTS, None).await;
    for (operation, body) in [
        ("keys.rerollKey", json!({ "keyId": full.key.id.as_str(), "expiration": 0 })),
        ("keys.updateKey", json!({ "keyId": full.key.id.as_str(), "enabled": false })),
        ("keys.addPermissions", json!({ "keyId": made["keyId"], "permissions": ["audit:read"] })),
        ("keys.updateKey", json!({ "keyId": made["keyId"], "permissions": ["keys:verify", "roles:read"] })),
    ] {
        maker.ask(&unkey.app, operation, body).await.unkey_refusal(403);
    }
    // A role would give what nobody checks when the role changes.
    unkey.done("permissions.createRole", json!({ "name": "admin", "permissions": ["audit:read"] })).await;
    maker.ask(&unkey.app, "keys.addRoles", json!({ "keyId": made["keyId"], "roles": ["admin"] })).await.unkey_refusal(400);
}

#[tokio::test]
async fn j157_a_root_key_of_an_organization_knows_no_keys_of_others() {
    let unkey = Unkey::start().await;
    let app = &unkey.app;
    let organization = app.organization("Partner").await;
    let partner = unkey.other("partner-root", RIGHTS, Some(&organization)).await;
    let (id, key) = unkey.key(json!({ "externalId": "user-1" })).await;
    assert_eq!(partner.done(app, "keys.verifyKey", json!({ "key": key })).await, json!({ "valid": false, "code": "NOT_FOUND" }));
    for (operation, body) in [
        ("keys.getKey", json!({ "keyId": id })),
        ("keys.whoami", json!({ "key": key })),
        ("keys.updateKey", json!({ "keyId": id, "enabled": false })),
        ("keys.rerollKey", json!({ "keyId": id, "expiration": 0 })),
        ("keys.deleteKey", json!({ "keyId": id, "permanent": true })),
        ("keys.createKey", json!({ "apiId": unkey.api })),
        ("apis.getApi", json!({ "apiId": unkey.api })),
        ("apis.listKeys", json!({ "apiId": unkey.api })),
        ("identities.getIdentity", json!({ "identity": "user-1" })),
        ("identities.deleteIdentity", json!({ "identity": "user-1" })),
    ] {
        partner.ask(app, operation, body).await.unkey_refusal(404);
    }
    for (operation, body) in [
        ("apis.createApi", json!({ "name": "own" })),
        ("permissions.createRole", json!({ "name": "own" })),
        ("keys.migrateKeys", json!({ "migrationId": "m", "apiId": unkey.api, "keys": [{ "hash": "0".repeat(64) }] })),
        ("permissions.createPermission", json!({ "name": "own", "slug": "own" })),
    ] {
        partner.ask(app, operation, body).await.unkey_refusal(403);
    }
    // The same name is another's identity there.
    partner.done(app, "identities.createIdentity", json!({ "externalId": "user-1" })).await;
    let listed = partner.done(app, "identities.listIdentities", json!({})).await;
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(unkey.verify(&key).await["valid"], true);
}

/// Keys that were made by other means are as good here.
#[tokio::test]
async fn a_key_of_the_management_api_is_verified_and_its_api_may_be_asked_for() {
    let unkey = Unkey::start().await;
    let (id, key) = unkey.key(json!({})).await;
    let asked = async |api: &str| unkey.done("keys.verifyKey", json!({ "key": key, "apiId": api })).await;
    assert_eq!(asked(&unkey.api).await["keyId"], id.as_str());
    let api1 = unkey.app.api(API1).id.to_string();
    let other = asked(&api1).await;
    assert_eq!((&other["valid"], &other["code"]), (&json!(false), &json!("FORBIDDEN")));
}
