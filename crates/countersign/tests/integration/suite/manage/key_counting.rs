//! Limits and credits of keys by the management API.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use super::keys::{Keys, code, path_of};
use crate::support::{Managed, Setup, ValkeyServer};

#[tokio::test]
async fn limits_and_credits_are_given_shown_changed_and_told() {
    let keys = Keys::start().await;
    let limit = json!({ "name": "reads", "limit": 2, "duration_seconds": 60, "auto_apply": true, "on_unreachable": "deny" });
    let given = json!({
        "limits": [{ "name": "reads", "limit": 2, "duration_seconds": 60 }],
        "credits": { "remaining": 1, "refill": { "interval": "monthly", "amount": 5, "day": 31 } },
    });
    let made = keys.create(given.clone()).await;
    assert_eq!((&made["limits"], &made["credits"]), (&json!([limit]), &given["credits"]));
    let verdict = keys.verify(json!({ "key": made["key"] })).await;
    let reset_at = &verdict["limits"][0]["reset_at"];
    assert_eq!(reset_at, "2027-01-15T08:01:00.750Z");
    let standing = json!({
        "name": "reads", "of": "key", "limit": 2, "remaining": 1, "reset_at": reset_at, "exceeded": false, "counted": "everywhere",
    });
    assert_eq!((&verdict["code"], &verdict["limits"], &verdict["credits"]), (&json!("VALID"), &json!([standing]), &json!(0)));
    assert_eq!(keys.code(&made["key"]).await, "USAGE_EXCEEDED");

    let path = path_of(&made);
    let credits = async |operation: &str, value: Value| {
        let changed = keys.post(&format!("{path}/credits"), json!({ "operation": operation, "value": value })).await.success(200);
        changed["credits"]["remaining"].clone()
    };
    assert_eq!(credits("increment", json!(3)).await, 3);
    assert_eq!(credits("decrement", json!(1)).await, 2);
    assert_eq!(code(&keys.verify(json!({ "key": made["key"], "cost": 2 })).await), "VALID");
    let limited = keys.verify(json!({ "key": made["key"] })).await;
    assert_eq!((&limited["code"], &limited["limits"][0]["exceeded"]), (&json!("RATE_LIMITED"), &json!(true)));
    assert_eq!(credits("set", json!(7)).await, 7);
    assert_eq!(credits("set", Value::Null).await, Value::Null);
    keys.post(&format!("{path}/credits"), json!({ "operation": "increment", "value": 1 }))
        .await
        .refusal(409, ErrorCode::StateConflict);
    keys.post(&format!("{path}/credits"), json!({ "operation": "add", "value": 1 })).await.refused_member("/operation");
    keys.post(&format!("{path}/credits"), json!({ "operation": "set", "value": -1 })).await.refused_member("/credits");

    let patch = json!({ "limits": null, "credits": { "remaining": 9 } });
    let changed = keys.operator.patch(&keys.app, &path, patch).await.success(200);
    assert_eq!((&changed["limits"], &changed["credits"]), (&json!([]), &json!({ "remaining": 9, "refill": null })));
    assert_eq!(keys.get(&path).await.success(200)["credits"]["remaining"], 9);
    let listed = keys.get("/keys").await.success(200);
    assert_eq!(listed["items"][0]["credits"]["remaining"], 9);
}

#[tokio::test]
async fn what_a_verification_asks_of_limits_is_checked() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let asked = async |limits: Value| keys.post("/keys/verify", json!({ "key": made["key"], "limits": limits })).await;
    let unknown = asked(json!([{ "name": "nobody" }])).await;
    assert!(unknown.refusal(400, ErrorCode::LimitUnknown).contains("nobody"));
    asked(json!([{ "name": "a", "limit": 1 }])).await.refused_member("/limits");
    asked(json!([{ "name": "a", "limit": 0, "duration_seconds": 1 }])).await.refused_member("/limits");
    let inline = json!([{ "name": "a", "limit": 1, "duration_seconds": 60 }]);
    assert_eq!(code(&asked(inline.clone()).await.success(200)), "VALID");
    assert_eq!(code(&asked(inline).await.success(200)), "RATE_LIMITED");
    for (member, value) in [
        ("limits", json!([{ "name": "a", "limit": 1, "duration_seconds": 0 }])),
        ("limits", json!([{ "name": "a", "limit": 1, "duration_seconds": 1, "on_unreachable": "ask" }])),
        ("credits", json!({ "remaining": 1, "refill": { "interval": "weekly", "amount": 1 } })),
        ("credits", json!({ "remaining": 1, "refill": { "interval": "daily", "amount": 1, "day": 2 } })),
        ("credits", json!({ "remaining": -1 })),
    ] {
        let mut more = serde_json::Map::new();
        more.insert(member.to_owned(), value);
        keys.post("/keys", keys.new_key(Value::Object(more))).await.refused_member(&format!("/{member}"));
    }
}

#[tokio::test]
async fn counters_that_are_away_are_a_fault_of_ours_and_no_verdict() {
    let Some(mut server) = ValkeyServer::start() else { return };
    let setup = Setup { counters: server.options(), ..Setup::default() };
    let keys = Keys::of(Managed::start_with(ENGINE, setup).await).await;
    let made = keys.create(json!({ "limits": [{ "name": "reads", "limit": 2, "duration_seconds": 60 }] })).await;
    assert_eq!(keys.code(&made["key"]).await, "VALID");
    server.kill();
    let answer = keys.post("/keys/verify", json!({ "key": made["key"] })).await;
    answer.refusal(503, ErrorCode::LimitsUncounted);
    assert!(answer.header("retry-after").is_some() && answer.header("x-request-id").is_some(), "{answer:?}");
    server.run();
    assert_eq!(keys.code(&made["key"]).await, "VALID");
}

#[tokio::test]
async fn what_binds_all_keys_of_a_client_is_not_for_callers_of_its_organization() {
    let keys = Keys::start().await;
    let policy = json!({
        "permissions": ["orders.read"], "roles": [], "allowed_networks": ["203.0.113.0/24"],
        "limits": [{ "name": "all", "limit": 5, "duration_seconds": 60, "auto_apply": true, "on_unreachable": "local" }],
    });
    let id = keys.app.organization("Partner").await;
    let organization = id.as_str();
    let new = json!({ "name": "Partner", "client_id": "partner-1", "organization_id": organization, "key_policy": policy });
    let made = keys.post("/clients", new).await.success(201);
    assert_eq!(made["key_policy"], policy);
    let member = keys.app.caller("member-1", &crate::support::every_right(), Some(&id)).await;
    for change in [json!({ "limits": [] }), json!({ "allowed_networks": [] })] {
        let refused = member.patch(&keys.app, "/clients/partner-1", json!({ "key_policy": change })).await;
        refused.refusal(403, ErrorCode::LimitedToOrganization);
    }
    let refused = member.post(&keys.app, "/clients", json!({ "name": "Own", "key_policy": { "permissions": ["x"] } })).await;
    refused.refusal(403, ErrorCode::LimitedToOrganization);
    member.patch(&keys.app, "/clients/partner-1", json!({ "name": "New" })).await.success(200);
    let changed =
        keys.operator.patch(&keys.app, "/clients/partner-1", json!({ "key_policy": { "limits": [] } })).await.success(200);
    assert_eq!((&changed["key_policy"]["limits"], &changed["key_policy"]["permissions"]), (&json!([]), &json!(["orders.read"])));
    let unknown = keys.operator.patch(&keys.app, "/clients/partner-1", json!({ "key_policy": { "roles": ["nobody"] } })).await;
    unknown.refused_member("/roles");
}
