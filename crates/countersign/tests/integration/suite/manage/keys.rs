//! `/manage/v1/keys`: their life, and who sees which.

use countersign::ids::OrganizationId;
use countersign::jobs;
use countersign_protocol::{CredentialText, ErrorCode};
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, API2, Answer, Caller, Managed, TestApp, every_right};

/// An operator, and a client with an API to have keys for.
pub(super) struct Keys {
    pub(super) app: TestApp,
    pub(super) operator: Caller,
    pub(super) api1: String,
    pub(super) api2: String,
}

impl Keys {
    pub(super) async fn start() -> Self {
        Self::of(Managed::start(ENGINE).await).await
    }

    pub(super) async fn of(Managed { app, operator, .. }: Managed) -> Self {
        let servers = operator.all(&app, "/resource-servers", 200).await;
        let id = |audience: &str| {
            let found = servers.iter().find(|item| item["audience"] == audience).unwrap();
            found["id"].as_str().unwrap().to_owned()
        };
        let (api1, api2) = (id(API1), id(API2));
        Self { app, operator, api1, api2 }
    }

    /// What a key of `client-a` for api1 is made of, with further members.
    pub(super) fn new_key(&self, more: Value) -> Value {
        let mut body = json!({ "name": "Production", "client_id": "client-a", "resource_server_id": self.api1 });
        let Value::Object(more) = more else { panic!("{more}") };
        body.as_object_mut().unwrap().extend(more);
        body
    }

    pub(super) async fn create(&self, more: Value) -> Value {
        self.operator.post(&self.app, "/keys", self.new_key(more)).await.success(201)
    }

    pub(super) async fn verify(&self, body: Value) -> Value {
        self.operator.post(&self.app, "/keys/verify", body).await.success(200)
    }

    /// The code of a verdict on a key.
    pub(super) async fn code(&self, key: &Value) -> String {
        code(&self.verify(json!({ "key": key })).await)
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.operator.get(&self.app, path).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.operator.post(&self.app, path, body).await
    }
}

pub(super) fn code(verdict: &Value) -> String {
    let code = verdict["code"].as_str().unwrap().to_owned();
    assert_eq!(verdict["valid"], code == "VALID", "{verdict}");
    code
}

pub(super) fn path_of(key: &Value) -> String {
    format!("/keys/{}", key["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_key_is_created_shown_listed_changed_and_deleted() {
    let keys = Keys::start().await;
    let more = json!({
        "prefix": "acme_live", "external_id": "4711", "metadata": { "plan": "pro" }, "permissions": ["orders.read", "orders.*"],
        "allowed_networks": ["203.0.113.0/24"], "expires_at": "2100-01-01T00:00:00.000Z",
    });
    let answer = keys.operator.post(&keys.app, "/keys", keys.new_key(more)).await;
    let made = answer.success(201);
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with("acme_live_") && CredentialText::parse(text).is_ok(), "{made}");
    let path = path_of(&made);
    assert_eq!(answer.header("location"), Some(&*format!("/manage/v1{path}")));

    let shown = keys.get(&path).await.success(200);
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(shown, expected);
    assert_eq!(
        (&shown["client_id"], &shown["resource_server_id"], &shown["audience"], &shown["state"]),
        (&json!("client-a"), &json!(keys.api1), &json!(API1), &json!("active"))
    );
    // The start of each secret is safe to show: no character of the secret itself.
    let secret = &shown["secrets"][0];
    let (start, id) = (secret["start"].as_str().unwrap(), secret["id"].as_str().unwrap());
    assert!(text.starts_with(start) && id.starts_with(start.strip_prefix("acme_live_").unwrap()), "{shown}");
    let secret_part = &text["acme_live_".len() + 12..];
    assert!(!keys.get("/keys").await.text().contains(&secret_part[..8]), "a list shows a secret");

    let patch = json!({ "name": "New", "external_id": null, "permissions": ["a"], "expires_at": null, "allowed_networks": null });
    let answer = keys.operator.patch_if(&keys.app, &path, answer.etag(), patch).await;
    let changed = answer.success(200);
    assert_eq!(
        (&changed["name"], &changed["external_id"], &changed["permissions"], &changed["expires_at"], &changed["allowed_networks"]),
        (&json!("New"), &Value::Null, &json!(["a"]), &Value::Null, &json!([]))
    );
    assert_eq!(changed["metadata"], json!({ "plan": "pro" }));
    keys.operator.patch_if(&keys.app, &path, "\"1\"", json!({ "name": "x" })).await.refusal(412, ErrorCode::VersionMismatch);
    keys.operator.delete_if(&keys.app, &path, "\"1\"").await.refusal(412, ErrorCode::VersionMismatch);

    assert_eq!(changed["secrets"][0]["last_used"], Value::Null);
    keys.verify(json!({ "key": made["key"], "address": "203.0.113.7" })).await;
    jobs::write_api_key_uses(&keys.app.app).await.unwrap();
    let used = &keys.get(&path).await.success(200)["secrets"][0]["last_used"];
    assert_eq!((used["at"].is_string(), &used["source_address"]), (true, &json!("203.0.113.7")));
    assert_eq!(keys.operator.delete(&keys.app, &path).await.status, 204);
    keys.get(&path).await.refusal(404, ErrorCode::NotFound);
    assert_eq!(keys.code(&made["key"]).await, "NOT_FOUND");
    assert_eq!(keys.get("/keys").await.success(200)["items"], json!([]));
}

#[tokio::test]
async fn what_is_not_accepted_is_named_by_its_member() {
    let keys = Keys::start().await;
    for (member, value) in [
        ("name", json!("")),
        ("prefix", json!("no-dash")),
        ("prefix", json!("")),
        ("permissions", json!(["orders.read", "ordеrs"])),
        ("permissions", json!(["doc*"])),
        ("allowed_networks", json!(["203.0.113.0/33"])),
        ("expires_at", json!("tomorrow")),
        ("external_id", json!("")),
    ] {
        let answer = keys.post("/keys", keys.new_key(json!({ member: value }))).await;
        answer.refusal(400, ErrorCode::FieldInvalid);
        let pointer = answer.json()["errors"][0]["pointer"].as_str().unwrap().to_owned();
        assert!(pointer.starts_with(&format!("/{member}")), "{member}: {answer:?}");
    }
    for (member, value) in [("client_id", "unknown-client"), ("resource_server_id", "rs_unknown")] {
        keys.post("/keys", keys.new_key(json!({ member: value }))).await.refusal(404, ErrorCode::NotFound);
    }
    keys.post("/keys", keys.new_key(json!({ "unknown": 1 }))).await.refused_member("/unknown");
    assert_eq!(keys.get("/keys").await.success(200)["items"], json!([]));
}

#[tokio::test]
async fn a_list_is_narrowed_by_client_external_id_and_state_and_has_a_cursor() {
    let keys = Keys::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let client = if number % 2 == 0 { "client-a" } else { "client-b" };
        let made = keys.create(json!({ "client_id": client, "external_id": format!("e{number}") })).await;
        ids.push(made["id"].as_str().unwrap().to_owned());
        keys.app.clock.advance_seconds(1);
    }
    keys.post(&format!("/keys/{}/disable", ids[0]), Value::Null).await.success(200);
    keys.post(&format!("/keys/{}/revoke", ids[1]), Value::Null).await.success(200);
    let listed = async |query: &str| -> Vec<String> {
        let list = keys.get(&format!("/keys?{query}")).await.success(200);
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys.operator.all(&keys.app, "/keys", 2).await.len(), 5);
    assert_eq!(listed("client_id=client-a").await, [&*ids[0], &ids[2], &ids[4]]);
    assert_eq!(listed("external_id=e3").await, [&*ids[3]]);
    assert_eq!(listed("state=disabled").await, [&*ids[0]]);
    assert_eq!(listed("state=revoked").await, [&*ids[1]]);
    assert_eq!(listed("client_id=client-a&state=active").await, [&*ids[2], &ids[4]]);
    assert_eq!(listed(&format!("resource_server_id={}", keys.api2)).await, [""; 0]);
    keys.get("/keys?state=sleeping").await.refusal(400, ErrorCode::QueryInvalid);
    // A cursor goes on with its own list only.
    let first = keys.get("/keys?client_id=client-a&limit=1").await.success(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    keys.get(&format!("/keys?client_id=client-b&limit=1&cursor={cursor}")).await.refusal(400, ErrorCode::QueryInvalid);
}

#[tokio::test]
async fn a_key_is_disabled_enabled_and_revoked_for_good() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let path = path_of(&made);
    for (verb, code) in [("disable", "DISABLED"), ("enable", "VALID"), ("revoke", "REVOKED")] {
        let shown = keys.post(&format!("{path}/{verb}"), Value::Null).await.success(200);
        let state = if verb == "enable" { "active".to_owned() } else { code.to_lowercase() };
        assert_eq!(shown["state"], state, "{shown}");
        assert_eq!(keys.code(&made["key"]).await, code);
    }
    keys.post(&format!("{path}/enable"), Value::Null).await.refusal(409, ErrorCode::StateConflict);
    keys.post(&format!("{path}/rotate"), json!({})).await.refusal(409, ErrorCode::StateConflict);
    assert_eq!(keys.code(&made["key"]).await, "REVOKED");
    // A dead client kills its keys.
    let other = keys.create(json!({})).await;
    keys.post("/clients/client-a/disable", Value::Null).await.success(200);
    assert_eq!(keys.code(&other["key"]).await, "DISABLED");
}

#[tokio::test]
async fn rotation_keeps_the_id_and_the_old_secret_lives_until_its_deadline() {
    let keys = Keys::start().await;
    let made = keys.create(json!({ "permissions": ["orders.read"] })).await;
    let rotated = keys.post(&format!("{}/rotate", path_of(&made)), json!({ "overlap_seconds": 60 })).await.success(200);
    assert_eq!((&rotated["id"], &rotated["permissions"]), (&made["id"], &made["permissions"]));
    assert_ne!(rotated["key"], made["key"]);
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2, "{rotated}");
    for key in [&made["key"], &rotated["key"]] {
        let verdict = keys.verify(json!({ "key": key, "permissions": "orders.read" })).await;
        assert_eq!((code(&verdict).as_str(), &verdict["key_id"]), ("VALID", &made["id"]));
    }
    keys.app.clock.advance_seconds(60);
    // The caller's own token is older than that.
    let operator = keys.app.caller("operator-2", &every_right(), None).await;
    for (key, expected) in [(&made["key"], "EXPIRED"), (&rotated["key"], "VALID")] {
        let verdict = operator.post(&keys.app, "/keys/verify", json!({ "key": key })).await.success(200);
        assert_eq!(code(&verdict), expected);
    }
}

#[tokio::test]
async fn a_repeated_creation_is_one_key_and_shows_it_once() {
    let keys = Keys::start().await;
    let create = async || {
        let request = keys.operator.request(&keys.app, http::Method::POST, "/keys").header("idempotency-key", "once");
        request.json(&keys.new_key(json!({}))).send().await
    };
    let (first, second) = (create().await.success(201), create().await.success(201));
    assert!(first["key"].is_string() && second.get("key").is_none(), "{second}");
    assert_eq!(first["id"], second["id"]);
    let rotate = async || {
        let path = format!("{}/rotate", path_of(&first));
        let request = keys.operator.request(&keys.app, http::Method::POST, &path).header("idempotency-key", "twice");
        request.json(&json!({})).send().await
    };
    let (first, second) = (rotate().await.success(200), rotate().await.success(200));
    assert!(first["key"].is_string() && second.get("key").is_none(), "{second}");
    assert_eq!(keys.get("/keys").await.success(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_rules_for_scanners_have_a_rule_for_each_prefix_in_use() {
    let keys = Keys::start().await;
    let made = keys.create(json!({ "prefix": "acme_live" })).await;
    keys.create(json!({ "prefix": "acme_live" })).await;
    let rules = keys.get("/keys/scanner-rules").await.success(200);
    let text = rules["rules"].as_str().unwrap();
    assert_eq!((&rules["format"], &rules["file_name"]), (&json!("gitleaks"), &json!(".gitleaks.toml")));
    assert_eq!(text.matches("[[rules]]").count(), 2, "{text}");
    for prefix in ["acme_live", "csec"] {
        let line = text.lines().find(|line| line.starts_with("regex") && line.contains(prefix)).unwrap();
        let regex = regex::Regex::new(line.strip_prefix("regex = '''").unwrap().strip_suffix("'''").unwrap()).unwrap();
        let key = if prefix == "csec" { keys.operator.client.secret.as_str() } else { made["key"].as_str().unwrap() };
        assert!(regex.is_match(&format!("key={key}\n")), "{line}");
        assert!(!regex.is_match(&key[..key.len() - 1]), "{line}");
    }
    for format in ["github", "trufflehog"] {
        let rules = keys.get(&format!("/keys/scanner-rules?format={format}")).await.success(200);
        assert!(rules["rules"].as_str().unwrap().contains("acme_live_["), "{rules}");
    }
    keys.get("/keys/scanner-rules?format=grep").await.refusal(400, ErrorCode::QueryInvalid);
    // A partner learns of no prefix but its own.
    let organization: OrganizationId = keys.app.organization("Partner").await;
    let partner = keys.app.caller("partner-1", &every_right(), Some(&organization)).await;
    let rules = partner.get(&keys.app, "/keys/scanner-rules").await.success(200);
    assert!(!rules["rules"].as_str().unwrap().contains("acme"), "{rules}");
}
