//! API keys that come in by the hash that another system made.

use std::net::IpAddr;

use countersign::api_keys::{
    self, FindKeyError, PermissionExpression, VerdictCode, VerifyRequest, create_import_key, delete_import_key, find_presented,
};
use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::config::BudgetsConfig;
use countersign::ids::ApiKeyId;
use countersign_protocol::{ErrorCode, Secret};
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, Managed, Setup, TestApp};

// Made by hashlib, hmac, bcrypt, argon2-cffi and passlib of Python.
const KEY: &str = "acme_live_7Hk2pQ9xWm4T";
const SHA256: &str = "ab03a7453a8a80ea851534719f6e8e34b32c9fcd605007dbee7fb83c4fe8cc39";
const SHA512: &str = "R6DxMKga2Q0wBjtWMoR2x95w4rNI8rVQr8I7oppsp/hUkRYn6rUY7c9JEJB0Ic7XLSqf+DOqi+frSfJlMameSA==";
const SHA256_OF_LONG: &str = "22737582ed19273f5fd880d30c729f7f80fd3df09755519d65f28a5167ea9a12";
/// Under the bytes 0 to 31.
const HMAC: &str = "e9b016459b8769e0f0120082f1d6f1726573951597207d36ecd5297a80b8d659";
const BCRYPT: &str = "$2a$04$lqdxgZ61bjdqDg.rxL55FujV.qPeskp74aXJbav2uU.YNxLjMkcfe";
const ARGON2: &str = "$argon2id$v=19$m=256,t=2,p=2$c2FsdHNhbHRzYWx0c2FsdA$or8ZkzQOsOt11HTZumJ+hAUKEBEjm6NftJCm34iVDvY";
const SCRYPT: &str = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$L12Cy8eFUohJoU8Gmn7F7lMfguLo0uGcxutzC7gSgnQ";

fn by() -> Actor {
    Actor::command_line()
}

fn resource_server(app: &TestApp) -> String {
    let catalog = app.app.catalog();
    catalog.resource_servers().find(|api| api.audience.as_str() == API1).unwrap().id.to_string()
}

/// An entry for a client of the fixture.
fn entry(app: &TestApp, hash: &str, mut more: Value) -> Value {
    let mut entry = json!({ "hash": hash, "client_id": "client-a", "resource_server_id": resource_server(app) });
    entry.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    entry
}

async fn import(managed: &Managed, entries: &[Value]) -> Value {
    managed.operator.post(&managed.app, "/keys/import", json!({ "entries": entries })).await.success(200)
}

/// Imports one key and returns its id.
async fn import_one(managed: &Managed, hash: &str, more: Value) -> String {
    let result = import(managed, &[entry(&managed.app, hash, more)]).await;
    assert_eq!(result["imported"], 1, "{result}");
    result["results"][0]["id"].as_str().unwrap().to_owned()
}

async fn find(app: &TestApp, text: &str) -> Option<String> {
    find_presented(&app.app, text, None).await.unwrap().map(|found| found.key.id.to_string())
}

async fn schemes(app: &TestApp) -> Vec<String> {
    app.database.texts("SELECT scheme FROM api_key_secrets ORDER BY scheme").await
}

#[tokio::test]
async fn a_key_works_on_under_every_scheme_and_its_old_hash_is_gone_after_the_first_use() {
    for (hash, more, scheme) in [
        (SHA256, json!({}), "sha256"),
        (SHA512, json!({ "scheme": "sha512" }), "sha512"),
        (SHA256_OF_LONG, json!({ "part": "long" }), "sha256"),
        (BCRYPT, json!({ "lookup": "acme_live_" }), "bcrypt"),
        (ARGON2, json!({ "lookup": "live", "lookup_by": "segment" }), "argon2"),
        (SCRYPT, json!({ "scheme": "scrypt", "lookup": "acme" }), "scrypt"),
    ] {
        let managed = Managed::start(ENGINE).await;
        let app = &managed.app;
        let id = import_one(&managed, hash, more.clone()).await;
        assert_eq!(schemes(app).await, [scheme]);
        for wrong in ["acme_live_7Hk2pQ9xWm4t", "acme_live_", "acme", "x"] {
            assert_eq!(find(app, wrong).await, None, "{scheme} {wrong}");
        }
        assert_eq!(schemes(app).await, [scheme]);
        let other = app.second_node().await;
        for node in [app, app, &other] {
            assert_eq!(find(node, KEY).await.as_ref(), Some(&id), "{scheme}");
        }
        let own = if more["part"] == "long" { "hmac-long" } else { "hmac" };
        assert_eq!(schemes(app).await, [own]);
        let rows = app.database.texts("SELECT hash || ' ' || lookup FROM api_key_secrets").await.concat();
        assert!(!rows.contains(hash) && !rows.contains(scheme), "{rows}");
        assert_eq!(find(app, "acme_live_7Hk2pQ9xWm4t").await, None);
    }
}

#[tokio::test]
async fn a_key_hashed_under_a_secret_works_while_the_import_key_is_there() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let secret = Secret::new((0..32).collect::<Vec<u8>>());
    let import_key = create_import_key(&app.app, &by(), "Old gateway".to_owned(), secret).await.unwrap();
    let more = json!({ "scheme": "hmac-sha256", "import_key_id": import_key.id.as_str() });
    let id = import_one(&managed, HMAC, more).await;
    // Without it the key would be dead.
    let refused = delete_import_key(&app.app, &by(), &import_key.id, None).await.unwrap_err();
    assert!(matches!(refused, ChangeError::State(_)), "{refused}");
    assert_eq!(find(app, KEY).await, Some(id.clone()));
    delete_import_key(&app.app, &by(), &import_key.id, None).await.unwrap();
    assert_eq!(find(app, KEY).await, Some(id));
    let other = json!({ "scheme": "hmac-sha256", "import_key_id": import_key.id.as_str() });
    let result = import(&managed, &[entry(app, SHA256, other)]).await;
    assert_eq!(result["results"][0]["field"], "import_key_id", "{result}");
}

#[tokio::test]
async fn the_same_hash_comes_in_once_also_after_its_key_was_used() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let id = import_one(&managed, SHA256, json!({ "name": "first" })).await;
    let again = entry(app, &SHA256.to_uppercase(), json!({ "name": "second" }));
    for _ in 0..2 {
        let result = import(&managed, &[again.clone(), again.clone()]).await;
        assert_eq!(result["results"], json!([{ "outcome": "exists", "id": id }, { "outcome": "exists", "id": id }]));
        assert_eq!(find(app, KEY).await, Some(id.clone()));
    }
    let salted = ["acme_live_", "acme"].map(|text| entry(app, BCRYPT, json!({ "lookup": text })));
    let twice = import(&managed, &salted).await;
    assert_eq!((&twice["imported"], &twice["exists"]), (&json!(1), &json!(1)));
    assert_eq!(app.database.texts("SELECT name FROM api_keys ORDER BY name").await, ["first", "imported"]);
}

#[tokio::test]
async fn an_entry_that_fails_keeps_no_other_out_and_its_hash_is_not_repeated() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let costly = "$2b$14$D6h90WQR.O13T6bzc1RHluL1ZywWow/KISDrrIa23O.VjyrzvACEu";
    let entries = [
        entry(app, SHA256, json!({})),
        entry(app, "hunter2-hunter2", json!({})),
        entry(app, costly, json!({ "lookup": "acme" })),
        entry(app, BCRYPT, json!({})),
        entry(app, SHA512, json!({ "lookup": "acme" })),
        entry(app, SHA512, json!({ "client_id": "nobody-1" })),
        entry(app, SHA512, json!({ "resource_server_id": "rs_none" })),
        entry(app, SHA512, json!({ "roles": ["none"] })),
        entry(app, SHA512, json!({ "permissions": ["a b"] })),
        entry(app, SHA512, json!({ "permissions": "a" })),
        entry(app, SHA512, json!({ "name": "" })),
        entry(app, SHA512, json!({ "allowed_networks": ["x"] })),
        entry(app, SHA512, json!({ "expires_at": "tomorrow" })),
        entry(app, SHA512, json!({ "surprise": 1 })),
        json!(5),
        entry(app, SHA512, json!({ "enabled": false, "external_id": "x", "permissions": ["a:read"] })),
    ];
    let result = import(&managed, &entries).await;
    let fields: Vec<&str> = result["results"].as_array().unwrap().iter().filter_map(|one| one["field"].as_str()).collect();
    let expected = [
        "hash",
        "hash",
        "lookup",
        "lookup",
        "client_id",
        "resource_server_id",
        "roles",
        "permissions",
        "permissions",
        "name",
        "allowed_networks",
        "expires_at",
        "entry",
        "entry",
    ];
    assert_eq!(fields, expected, "{result}");
    assert_eq!((&result["imported"], &result["failed"]), (&json!(2), &json!(14)));
    assert!(result["results"][2]["detail"].as_str().unwrap().contains("4 to 13"), "{result}");
    assert!(!result.to_string().contains("hunter2") && !result.to_string().contains("D6h90WQR"));
    assert_eq!(app.database.count("SELECT count(*) FROM api_keys").await, 2);
    assert_eq!(app.database.count("SELECT count(*) FROM api_keys WHERE disabled_at IS NOT NULL").await, 1);
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE action = 'api_keys.imported'").await, 1);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_and_does_nothing() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let body = json!({ "dry_run": true, "entries": [entry(app, SHA256, json!({})), entry(app, "x", json!({}))] });
    let result = managed.operator.post(app, "/keys/import", body).await.success(200);
    assert_eq!(result["results"][0], json!({ "outcome": "imported" }));
    assert_eq!((&result["imported"], &result["failed"]), (&json!(1), &json!(1)));
    for table in ["api_keys", "api_key_secrets", "imported_hashes", "import_forms"] {
        assert_eq!(app.database.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_batch_has_from_one_to_a_thousand_entries_in_up_to_4_mib() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let of = |count: usize| -> Value {
        (0..count).map(|number| entry(app, &format!("{number:064x}"), json!({ "metadata": { "k": "x".repeat(100) } }))).collect()
    };
    let post = async |entries: Value| managed.operator.post(app, "/keys/import", json!({ "entries": entries })).await;
    post(json!([])).await.refused_member("/entries");
    post(of(1_001)).await.refused_member("/entries");
    let result = post(of(1_000)).await.success(200);
    assert_eq!(result["imported"], 1_000, "{result}");
    assert_eq!(app.database.count("SELECT count(*) FROM imported_hashes").await, 1_000);
    let large = json!([entry(app, SHA256, json!({ "name": "x".repeat(4 * 1024 * 1024) }))]);
    post(large).await.refusal(413, ErrorCode::BodyTooLarge);
}

#[tokio::test]
async fn of_the_same_batch_sent_to_two_nodes_at_once_every_key_is_there_once() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let other = app.second_node().await;
    let entries: Vec<Value> = (0..60).map(|number| entry(app, &format!("{number:064x}"), json!({}))).collect();
    let body = json!({ "entries": entries });
    let posts = [app, &other, app, &other].map(|node| managed.operator.post(node, "/keys/import", body.clone()));
    let [a, b, c, d] = posts;
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let imported: u64 = [a, b, c, d].iter().map(|answer| answer.success(200)["imported"].as_u64().unwrap()).sum();
    assert_eq!(imported, 60);
    assert_eq!(app.database.count("SELECT count(*) FROM api_keys").await, 60);
}

#[tokio::test]
async fn a_text_finds_eight_secrets_at_most() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let salted = |number: u32| BCRYPT.replace("FujV", &format!("Fu{:02}", number + 10));
    let nine: Vec<Value> = (0..9).map(|number| entry(app, &salted(number), json!({ "lookup": "acme" }))).collect();
    let result = import(&managed, &nine).await;
    assert_eq!((&result["imported"], &result["results"][8]["field"]), (&json!(8), &json!("lookup")));
    let tenth = import(&managed, &[entry(app, BCRYPT, json!({ "lookup": "acme" }))]).await;
    assert_eq!(tenth["results"][0]["field"], "lookup", "{tenth}");
    import_one(&managed, BCRYPT, json!({ "lookup": "acme_live_" })).await;
}

#[tokio::test]
async fn a_key_that_is_used_for_the_first_time_many_times_at_once_is_always_found() {
    for (hash, more) in [(SHA256, json!({})), (BCRYPT, json!({ "lookup": "acme_live_", "client_id": "client-b" }))] {
        let managed = Managed::start(ENGINE).await;
        let app = &managed.app;
        let id = import_one(&managed, hash, more).await;
        let other = app.second_node().await;
        let uses: Vec<_> = (0..16)
            .map(|number| {
                let node = std::sync::Arc::clone(if number % 2 == 0 { &app.app } else { &other.app });
                tokio::spawn(async move { find_presented(&node, KEY, None).await.unwrap().map(|found| found.key.id.to_string()) })
            })
            .collect();
        for used in uses {
            assert_eq!(used.await.unwrap().as_ref(), Some(&id));
        }
        assert_eq!(schemes(app).await, ["hmac"]);
    }
}

#[tokio::test]
async fn failures_of_one_address_at_a_salted_hash_are_bounded_and_lock_nobody_else_out() {
    let budgets = BudgetsConfig { client_failures_per_minute: 5, ..BudgetsConfig::default() };
    let managed = Managed::start_with(ENGINE, Setup { budgets, ..Setup::default() }).await;
    let app = &managed.app;
    let id = import_one(&managed, BCRYPT, json!({ "lookup": "acme_live_" })).await;
    let attacker: IpAddr = "203.0.113.7".parse().unwrap();
    let present = async |text: String, source| find_presented(&app.app, &text, Some(source)).await;
    for number in 0..5 {
        assert!(present(format!("acme_live_{number}"), attacker).await.unwrap().is_none());
    }
    let refused = present("acme_live_5".to_owned(), attacker).await.unwrap_err();
    assert!(matches!(refused, FindKeyError::TooManyFailures(_)), "{refused}");
    // Another text, and the owner elsewhere.
    assert!(present("else_live_5".to_owned(), attacker).await.unwrap().is_none());
    let found = present(KEY.to_owned(), "203.0.113.8".parse().unwrap()).await.unwrap();
    assert_eq!(found.unwrap().key.id.to_string(), id);
    // Used once, it costs nothing any more.
    assert!(present(KEY.to_owned(), attacker).await.unwrap().is_some());
}

#[tokio::test]
async fn no_more_than_32_ways_to_find_keys_come_into_use() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let salted = |number: usize| BCRYPT.replace("FujV", &format!("Fu{:02}", number + 10));
    let hint = |length: usize| json!({ "lookup": "x".repeat(length) });
    let many: Vec<Value> = (4..36).map(|length| entry(app, &salted(length), hint(length))).collect();
    assert_eq!(import(&managed, &many).await["imported"], 32);
    let more = import(&managed, &[entry(app, SHA256, json!({})), entry(app, &salted(50), hint(10))]).await;
    assert_eq!((&more["results"][0]["field"], &more["results"][1]["outcome"]), (&json!("lookup"), &json!("imported")));
}

#[tokio::test]
async fn an_imported_key_brings_its_limits_and_credits() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let credits = json!({ "remaining": 2, "refill": { "interval": "daily", "amount": 3, "day": null } });
    let limits = json!([{ "name": "reads", "limit": 4, "duration_seconds": 864_000 }]);
    let id = import_one(&managed, SHA256, json!({ "limits": limits, "credits": credits })).await;
    let code = async || api_keys::verify(&app.app, VerifyRequest::of(Secret::new(KEY.to_owned()))).await.unwrap().code;
    // Its first use makes a hash of our own of the one that came in.
    for expected in [VerdictCode::Valid, VerdictCode::Valid, VerdictCode::UsageExceeded] {
        assert_eq!(code().await, expected);
    }
    let shown = managed.operator.get(app, &format!("/keys/{id}")).await.success(200);
    assert_eq!((&shown["credits"]["remaining"], &shown["credits"]["refill"]), (&json!(0), &credits["refill"]));
    app.clock.advance_seconds(86_400);
    for expected in [VerdictCode::Valid, VerdictCode::Valid, VerdictCode::RateLimited] {
        assert_eq!(code().await, expected);
    }
    let stored = api_keys::find(&app.app, &ApiKeyId::from_stored(&id)).await.unwrap().credits.unwrap();
    assert_eq!(stored.at(app.app.clock.now()).remaining, 1);
}

#[tokio::test]
async fn an_imported_key_gets_the_verdicts_of_any_other_and_may_be_rotated() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    let more = json!({ "permissions": ["users:read"], "allowed_networks": ["192.0.2.0/24"] });
    let id = ApiKeyId::from_stored(&import_one(&managed, SHA256, more).await);
    let verdict = async |permission: &str, address: &str| {
        let mut request = VerifyRequest::of(Secret::new(KEY.to_owned()));
        request.permissions = Some(PermissionExpression::parse(permission).unwrap());
        request.address = Some(address.parse().unwrap());
        api_keys::verify(&app.app, request).await.unwrap().code
    };
    // Before its first use is over, at it, and after.
    for _ in 0..3 {
        assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::Valid);
        assert_eq!(verdict("users:write", "192.0.2.1").await, VerdictCode::InsufficientPermissions);
        assert_eq!(verdict("users:read", "198.51.100.1").await, VerdictCode::Forbidden);
    }
    api_keys::disable(&app.app, &by(), &id).await.unwrap();
    assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::Disabled);
    api_keys::enable(&app.app, &by(), &id).await.unwrap();
    let rotated = api_keys::rotate(&app.app, &by(), &id, 60).await.unwrap();
    assert_eq!(find(app, rotated.text.expose()).await, Some(id.to_string()));
    assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::Valid);
    app.clock.advance_seconds(60);
    assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::Expired);
    api_keys::revoke(&app.app, &by(), &id).await.unwrap();
    assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::Revoked);
    api_keys::delete(&app.app, &by(), &id, None).await.unwrap();
    assert_eq!(verdict("users:read", "192.0.2.1").await, VerdictCode::NotFound);
    // What is gone may come in again.
    import_one(&managed, SHA256, json!({})).await;
}

#[tokio::test]
async fn a_key_that_was_looked_for_in_vain_is_found_once_it_is_imported() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    import_one(&managed, &"1".repeat(64), json!({})).await;
    assert_eq!(find(app, KEY).await, None);
    let id = import_one(&managed, SHA256, json!({})).await;
    assert_eq!(find(app, KEY).await, Some(id));
}

#[tokio::test]
async fn a_key_that_another_node_hashed_anew_is_found_by_a_node_that_has_not_heard_of_it() {
    let managed = Managed::start(ENGINE).await;
    let app = &managed.app;
    import_one(&managed, &"1".repeat(64), json!({})).await;
    let other = app.second_node().await;
    // It remembers that nothing of this key is there.
    assert_eq!(find(&other, KEY).await, None);
    let id = import_one(&managed, SHA256, json!({})).await;
    assert_eq!(find(app, KEY).await, Some(id.clone()));
    assert_eq!(schemes(app).await, ["hmac", "sha256"]);
    assert_eq!(find(&other, KEY).await, Some(id));
}
