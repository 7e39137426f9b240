//! `/manage/v1/keys/verify`: verdicts, and attacks on who may ask and what a key may do.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::keys::{Keys, code, path_of};
use crate::support::{API1, API2, every_right, every_right_but};

#[tokio::test]
async fn a_verdict_says_whose_key_it_is_and_a_wrong_key_says_nothing() {
    let keys = Keys::start().await;
    let more = json!({ "external_id": "4711", "metadata": { "plan": "pro" }, "permissions": ["orders.read"] });
    let made = keys.create(more).await;
    let verdict = keys.verify(json!({ "key": made["key"], "permissions": "orders.read" })).await;
    assert_eq!(
        (&verdict["valid"], &verdict["key_id"], &verdict["client_id"], &verdict["external_id"], &verdict["metadata"]),
        (&json!(true), &made["id"], &json!("client-a"), &json!("4711"), &json!({ "plan": "pro" }))
    );
    assert_eq!((&verdict["audience"], &verdict["permissions"]), (&json!(API1), &json!(["orders.read"])));
    let key = made["key"].as_str().unwrap();
    let other = if key.ends_with('0') { "1" } else { "0" };
    let wrong_checksum = format!("{}{other}", &key[..key.len() - 1]);
    let unknown = countersign_protocol::CredentialText::generate("key", [7; 9], [9; 32]);
    for wrong in [wrong_checksum.as_str(), unknown.expose(), "", "x", &key.to_lowercase(), &format!(" {key}"), &"a".repeat(5_000)] {
        assert_eq!(keys.verify(json!({ "key": wrong })).await, json!({ "valid": false, "code": "NOT_FOUND" }), "{wrong}");
    }
    // A client's secret is no API key.
    let secret = json!({ "key": keys.operator.client.secret });
    assert_eq!(keys.verify(secret).await, json!({ "valid": false, "code": "NOT_FOUND" }));
}

#[tokio::test]
async fn a_key_is_for_its_resource_server_and_its_networks() {
    let keys = Keys::start().await;
    let made = keys.create(json!({ "allowed_networks": ["203.0.113.0/24", "2001:db8::/32"] })).await;
    let asked = async |more: Value| {
        let mut body = json!({ "key": made["key"], "address": "203.0.113.7" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        code(&keys.verify(body).await)
    };
    for (more, expected) in [
        (json!({}), "VALID"),
        (json!({ "resource_server_id": keys.api1 }), "VALID"),
        (json!({ "audience": API1 }), "VALID"),
        (json!({ "resource_server_id": keys.api2 }), "FORBIDDEN"),
        (json!({ "resource_server_id": "rs_unknown" }), "FORBIDDEN"),
        (json!({ "audience": API2 }), "FORBIDDEN"),
        (json!({ "audience": "https://api1.test/" }), "FORBIDDEN"),
        (json!({ "audience": "https://unknown.test" }), "FORBIDDEN"),
        (json!({ "address": "203.0.114.1" }), "FORBIDDEN"),
        (json!({ "address": "2001:db8::1" }), "VALID"),
        (json!({ "address": "::ffff:203.0.113.9" }), "VALID"),
        (json!({ "address": null }), "FORBIDDEN"),
    ] {
        assert_eq!(asked(more.clone()).await, expected, "{more}");
    }
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_is_refused_with_its_place() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let key = &made["key"];
    for (body, pointer) in [
        (json!({}), "/key"),
        (json!({ "key": key, "keys": [] }), "/keys"),
        (json!({ "keys": [] }), "/keys"),
        (json!({ "keys": vec![json!({ "key": key }); 101] }), "/keys"),
        (json!({ "keys": [{ "key": key }], "audience": API1 }), "/audience"),
        (json!({ "key": key, "permissions": "a AND" }), "/permissions"),
        (json!({ "keys": [{ "key": key }, { "key": key, "permissions": "a b" }] }), "/keys/1/permissions"),
        (json!({ "key": key, "address": "localhost" }), "/address"),
        (json!({ "key": key, "address": "203.0.113.1:80" }), "/address"),
        (json!({ "key": key, "audience": API1, "resource_server_id": keys.api1 }), "/audience"),
        (json!({ "key": key, "unknown": 1 }), "/unknown"),
        (json!({ "key": 1 }), "/key"),
    ] {
        let answer = keys.post("/keys/verify", body.clone()).await;
        answer.refused_member(pointer);
        assert!(!answer.text().contains(key.as_str().unwrap()), "{body}");
    }
    let detail =
        keys.post("/keys/verify", json!({ "key": key, "permissions": "a AND (b OR c.*)" })).await.refused_member("/permissions");
    assert!(detail.contains("at character 15: `*` stands in what a key has"), "{detail}");
    // A kept verdict would outlive a revocation.
    let request = keys.operator.request(&keys.app, http::Method::POST, "/keys/verify").header("idempotency-key", "x");
    request.json(&json!({ "key": key })).send().await.refusal(400, ErrorCode::QueryInvalid);
}

#[tokio::test]
async fn a_batch_has_one_verdict_for_each_key_in_order() {
    let keys = Keys::start().await;
    let (one, two) = (keys.create(json!({ "permissions": ["a"] })).await, keys.create(json!({ "permissions": ["b"] })).await);
    keys.post(&format!("{}/revoke", path_of(&two)), Value::Null).await.success(200);
    let questions: Vec<Value> = (0..100)
        .map(|number| match number % 4 {
            0 => json!({ "key": one["key"], "permissions": "a" }),
            1 => json!({ "key": one["key"], "permissions": "b" }),
            2 => json!({ "key": two["key"] }),
            _ => json!({ "key": "x" }),
        })
        .collect();
    let answer = keys.verify(json!({ "keys": questions })).await;
    let codes: Vec<String> = answer["verdicts"].as_array().unwrap().iter().map(code).collect();
    let expected: Vec<&str> = ["VALID", "INSUFFICIENT_PERMISSIONS", "REVOKED", "NOT_FOUND"].into_iter().cycle().take(100).collect();
    assert_eq!(codes, expected);
}

/// V79, GHSA-gx7w-56w6-g48x, CVE-2026-45692.
#[tokio::test]
async fn j160_permissions_are_compared_whole_whatever_the_trick() {
    let keys = Keys::start().await;
    let own = ["orders.read", "invoices.*", "a:*:read", "Admin"];
    let made = keys.create(json!({ "permissions": own })).await;
    let asked = async |expression: &str| {
        let answer = keys.post("/keys/verify", json!({ "key": made["key"], "permissions": expression })).await;
        if answer.status == 400 { "refused".to_owned() } else { code(&answer.success(200)) }
    };
    let insufficient = "INSUFFICIENT_PERMISSIONS";
    for (expression, expected) in [
        ("orders.read", "VALID"),
        ("invoices.read AND a:1:read", "VALID"),
        ("nothing OR (Admin AND orders.read)", "VALID"),
        // A prefix, a longer name, another case, another separator.
        ("orders", insufficient),
        ("orders.", insufficient),
        ("orders.rea", insufficient),
        ("orders.read.all", insufficient),
        ("orders.reads", insufficient),
        ("orders:read", insufficient),
        ("Orders.read", insufficient),
        ("admin", insufficient),
        ("invoices", insufficient),
        ("invoices.", insufficient),
        ("invoicesx.read", insufficient),
        ("a:1:write", insufficient),
        ("a:1:2:read", insufficient),
        ("a::read", insufficient),
        ("orders.read AND nothing", insufficient),
        ("nothing OR nothing.else", insufficient),
        // What is asked never holds a wildcard, nor another script, nor an end of its own.
        ("*", "refused"),
        ("orders.*", "refused"),
        ("invoices.*", "refused"),
        ("ordеrs.read", "refused"),
        ("orders.read\u{0}", "refused"),
        ("orders.read\u{200b}", "refused"),
        ("ｏrders.read", "refused"),
        ("nothing OR", "refused"),
        ("NOT nothing", "refused"),
        ("", "refused"),
        ("orders.read || nothing", "refused"),
    ] {
        assert_eq!(asked(expression).await, expected, "{expression:?}");
    }
}

/// V79: every right of the management API is compared whole, too.
#[tokio::test]
async fn j160_a_caller_without_the_exact_right_is_refused() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let body = json!({ "key": made["key"] });
    let lacking = keys.app.caller("lacking-1", &every_right_but(&["keys:verify"]), None).await;
    lacking.post(&keys.app, "/keys/verify", body.clone()).await.refusal(403, ErrorCode::InsufficientScope);
    let verifier = keys.app.caller("verifier-1", "keys:verify", None).await;
    assert_eq!(code(&verifier.post(&keys.app, "/keys/verify", body).await.success(200)), "VALID");
    for path in ["/keys", &path_of(&made), "/keys/scanner-rules", "/roles"] {
        verifier.get(&keys.app, path).await.refusal(403, ErrorCode::InsufficientScope);
    }
    for verb in ["rotate", "disable", "enable", "revoke"] {
        let path = format!("{}/{verb}", path_of(&made));
        verifier.post(&keys.app, &path, json!({})).await.refusal(403, ErrorCode::InsufficientScope);
    }
    verifier.post(&keys.app, "/keys", keys.new_key(json!({}))).await.refusal(403, ErrorCode::InsufficientScope);
    verifier.delete(&keys.app, &path_of(&made)).await.refusal(403, ErrorCode::InsufficientScope);
    let reader = keys.app.caller("reader-1", "keys:read", None).await;
    reader.post(&keys.app, "/keys/verify", json!({ "key": made["key"] })).await.refusal(403, ErrorCode::InsufficientScope);
}

/// A caller of one organization and a key of another: it does not exist.
#[tokio::test]
async fn j157_a_key_of_another_organization_is_not_found() {
    let keys = Keys::start().await;
    let (own, other) = (keys.app.organization("Own").await, keys.app.organization("Other").await);
    let partner = keys.app.caller("partner-1", &every_right(), Some(&own)).await;
    let neighbour = keys.app.caller("neighbour-1", &every_right(), Some(&other)).await;
    let grant = json!({ "resource_server_id": keys.api1, "scope": "list:users" });
    keys.post("/clients/partner-1/grants", grant.clone()).await.success(201);
    keys.post("/clients/neighbour-1/grants", grant).await.success(201);
    let foreign = keys.create(json!({ "client_id": "neighbour-1", "prefix": "neighbour" })).await;
    let ours = keys.create(json!({ "client_id": "partner-1" })).await;
    let of_nobody = keys.create(json!({})).await;
    let not_found = json!({ "valid": false, "code": "NOT_FOUND" });
    for key in [&foreign, &of_nobody] {
        let verdict = partner.post(&keys.app, "/keys/verify", json!({ "key": key["key"] })).await.success(200);
        assert_eq!(verdict, not_found);
        // Nor does a permission, an address or a dead key tell it from one that is not there.
        let body = json!({ "keys": [{ "key": key["key"], "permissions": "x", "address": "203.0.113.1" }] });
        assert_eq!(partner.post(&keys.app, "/keys/verify", body).await.success(200)["verdicts"], json!([not_found]));
        let path = path_of(key);
        let unknown = "/keys/key_00000000000000000000000000";
        let id = key["id"].as_str().unwrap();
        let same = |found: &crate::support::Answer, unknown: &crate::support::Answer| {
            found.refusal(404, ErrorCode::NotFound);
            assert_eq!(found.text().replace(id, "key_00000000000000000000000000"), unknown.text());
        };
        same(&partner.get(&keys.app, &path).await, &partner.get(&keys.app, unknown).await);
        same(
            &partner.patch(&keys.app, &path, json!({ "name": "x" })).await,
            &partner.patch(&keys.app, unknown, json!({ "name": "x" })).await,
        );
        same(&partner.delete(&keys.app, &path).await, &partner.delete(&keys.app, unknown).await);
        for verb in ["rotate", "disable", "enable", "revoke"] {
            let (found, missing) = (format!("{path}/{verb}"), format!("{unknown}/{verb}"));
            same(&partner.post(&keys.app, &found, json!({})).await, &partner.post(&keys.app, &missing, json!({})).await);
        }
    }
    let new = |client: &str| keys.new_key(json!({ "client_id": client }));
    for client in ["neighbour-1", "client-a", "unknown-client"] {
        partner.post(&keys.app, "/keys", new(client)).await.refusal(404, ErrorCode::NotFound);
    }
    // Its own is there for it, and for the neighbour it is not.
    let listed = partner.all(&keys.app, "/keys", 200).await;
    assert_eq!(listed.iter().map(|key| &key["id"]).collect::<Vec<_>>(), [&ours["id"]]);
    let verdict = partner.post(&keys.app, "/keys/verify", json!({ "key": ours["key"] })).await.success(200);
    assert_eq!(code(&verdict), "VALID");
    let verdict = neighbour.post(&keys.app, "/keys/verify", json!({ "key": ours["key"] })).await.success(200);
    assert_eq!(verdict, not_found);
    assert_eq!(code(&keys.verify(json!({ "key": foreign["key"] })).await), "VALID");
    let by_client = partner.get(&keys.app, "/keys?client_id=neighbour-1").await.success(200);
    assert_eq!(by_client["items"], json!([]));
}

/// A partner does not make a key that may do what nobody gave it.
#[tokio::test]
async fn a_partner_gives_a_key_no_permission_and_no_resource_server_of_others() {
    let keys = Keys::start().await;
    let organization = keys.app.organization("Partner").await;
    let partner = keys.app.caller("partner-1", &every_right(), Some(&organization)).await;
    let grant = json!({ "resource_server_id": keys.api1, "scope": "list:users" });
    keys.post("/clients/partner-1/grants", grant).await.success(201);
    keys.post("/roles", json!({ "name": "reader", "permissions": ["orders.read"] })).await.success(201);
    let create = async |more: Value| {
        let mut body = keys.new_key(json!({ "client_id": "partner-1" }));
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        partner.post(&keys.app, "/keys", body).await
    };
    create(json!({ "permissions": ["*"] })).await.refusal(403, ErrorCode::ExceedsCaller);
    create(json!({ "roles": ["reader"] })).await.refusal(403, ErrorCode::ExceedsCaller);
    create(json!({ "resource_server_id": keys.api2 })).await.refusal(404, ErrorCode::NotFound);
    // What its own client holds at that API, it may give.
    let made = create(json!({ "permissions": ["list:users"] })).await.success(201);
    for patch in [json!({ "permissions": ["admin"] }), json!({ "roles": ["reader"] })] {
        partner.patch(&keys.app, &path_of(&made), patch).await.refusal(403, ErrorCode::ExceedsCaller);
    }
    partner.patch(&keys.app, &path_of(&made), json!({ "name": "x" })).await.success(200);
    // A key that may do more is not the partner's to take over: a new text would be a way to it.
    let given = json!({ "permissions": ["orders.read"] });
    keys.operator.patch(&keys.app, &path_of(&made), given).await.success(200);
    let rotation = partner.post(&keys.app, &format!("{}/rotate", path_of(&made)), json!({})).await;
    rotation.refusal(403, ErrorCode::ExceedsCaller);
    partner.patch(&keys.app, &path_of(&made), json!({ "name": "y" })).await.refusal(403, ErrorCode::ExceedsCaller);
}
