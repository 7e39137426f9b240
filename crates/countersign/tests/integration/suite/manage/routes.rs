//! Every operation of the OpenAPI document, and who may not call it. An operation that
//! the table below does not have fails these tests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use countersign::api_keys::roles::{self, NewRole};
use countersign::api_keys::{self, NewApiKey, create_import_key};
use countersign::audit::Actor;
use countersign::change_feed::Follower;
use countersign::clients::{self, NewClient, NewClientGrant};
use countersign::http::management_document;
use countersign::ids::OrganizationId;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientId, ErrorCode, Secret};
use http::Method;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{
    Answer, Caller, Fixture, MANAGEMENT, Managed, Request, Setup, TestApp, api, every_right, every_right_but, issuer_id, scope,
};

/// An operation as the document has it.
#[derive(Clone, Debug)]
struct Operation {
    id: String,
    path: String,
    method: Method,
    scope: String,
    description: Value,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(management_document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, description) in item.as_object().unwrap() {
            operations.push(Operation {
                id: description["operationId"].as_str().unwrap().to_owned(),
                path: path.clone(),
                method: method.to_uppercase().parse().unwrap(),
                scope: description["security"][0]["management"][0].as_str().unwrap().to_owned(),
                description: description.clone(),
            });
        }
    }
    operations
}

/// A request that an operator may make, and that has its effect.
struct Example {
    operation: &'static str,
    path: String,
    body: Option<Value>,
}

/// Objects of an organization, and of the instance.
struct World {
    app: TestApp,
    owner: OrganizationId,
    grant: String,
    credential: String,
    refused: String,
    key: String,
    key_text: String,
    resource_server: String,
    unused: String,
    import_key: String,
}

const SERVER: &str = "foreign-server";
const CLIENT: &str = "foreign-client";
const ROLE: &str = "reader";

impl World {
    async fn start() -> Self {
        let setup = Setup { bases: &["https://as.test", "https://partner.test"], ..Setup::default() };
        let Managed { app, .. } = Managed::start_with(ENGINE, setup).await;
        // Of a feed that nobody follows nothing is told.
        Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
        app.authorization_server(SERVER, Algorithm::ES256, None).await;
        let owner = app.organization("Owner").await;
        let resource_server = app.resource_server(api("https://foreign.test", "read")).await;
        let unused = app.resource_server(api("https://unused.test", "read")).await;
        let by = Actor::command_line();
        let id = ClientId::try_from(CLIENT).unwrap();
        let new = NewClient { id: Some(id.clone()), organization_id: Some(owner.clone()), ..NewClient::named("Foreign") };
        let created = clients::create(&app.app, &by, new).await.unwrap();
        let credential = created.secret.credential.id.to_string();
        let new = NewClientGrant {
            client_id: id.clone(),
            resource_server_id: resource_server.id.clone(),
            scope: scope("read"),
            token_lifetime_seconds: None,
        };
        let grant = clients::grant(&app.app, &by, new).await.unwrap().id.to_string();
        let new =
            NewApiKey { prefix: Some("foreign".to_owned()), ..NewApiKey::named("Foreign", id.clone(), resource_server.id.clone()) };
        let key = api_keys::create(&app.app, &by, new).await.unwrap();
        let new = NewRole { name: ROLE.to_owned(), description: String::new(), permissions: Vec::new() };
        roles::create(&app.app, &by, new).await.unwrap();
        let import_key = create_import_key(&app.app, &by, "x".to_owned(), Secret::new(vec![1; 32])).await.unwrap().id.to_string();
        let refused = app.post("/oauth/token").basic(CLIENT, "wrong").form("grant_type=client_credentials").send().await;
        let refused = refused.header("x-request-id").unwrap().to_owned();
        Self {
            app,
            owner,
            grant,
            credential,
            refused,
            key: key.key.id.to_string(),
            key_text: key.text.expose().clone(),
            resource_server: resource_server.id.to_string(),
            unused: unused.id.to_string(),
            import_key,
        }
    }

    /// One request for every operation, in an order in which all of them succeed.
    fn examples(&self) -> Vec<Example> {
        let (server, client) = (format!("/authorization-servers/{SERVER}"), format!("/clients/{CLIENT}"));
        let (grants, grant) = (format!("{client}/grants"), format!("{client}/grants/{}", self.grant));
        let resource_server = format!("/resource-servers/{}", self.resource_server);
        let (credentials, credential) = (format!("{client}/credentials"), format!("{client}/credentials/{}", self.credential));
        let keys = format!("{server}/signing-keys");
        let organization = format!("/organizations/{}", self.owner);
        let (key, role) = (format!("/keys/{}", self.key), format!("/roles/{ROLE}"));
        let new_key = json!({ "name": "x", "client_id": CLIENT, "resource_server_id": self.resource_server });
        let import_key = format!("/import-keys/{}", self.import_key);
        let mount = format!("{server}/mounts/https%3A%2F%2Fpartner.test");
        let example = |operation, path: &str, body: Value| Example {
            operation,
            path: path.to_owned(),
            body: Some(body).filter(|body| !body.is_null()),
        };
        let without_body = |operation, path: &str| example(operation, path, Value::Null);
        vec![
            // First: later it names what the caller itself has asked for.
            without_body("list_refusals", "/refusals"),
            without_body("list_authorization_servers", "/authorization-servers"),
            without_body("show_authorization_server", &server),
            without_body("list_mounts", &format!("{server}/mounts")),
            without_body("list_resource_servers", "/resource-servers"),
            without_body("show_resource_server", &resource_server),
            without_body("list_organizations", "/organizations"),
            without_body("show_organization", &organization),
            without_body("list_clients", "/clients"),
            without_body("show_client", &client),
            without_body("show_client_usage", &format!("{client}/usage")),
            without_body("list_grants", &grants),
            without_body("show_grant", &grant),
            without_body("list_credentials", &credentials),
            without_body("show_credential", &credential),
            without_body("list_keys", "/keys"),
            without_body("show_key", &key),
            without_body("show_key_usage", "/key-usage"),
            without_body("show_scanner_rules", "/keys/scanner-rules"),
            example("verify_keys", "/keys/verify", json!({ "key": self.key_text })),
            without_body("follow_key_changes", "/keys/changes"),
            without_body("list_roles", "/roles"),
            without_body("show_role", &role),
            without_body("list_signing_keys", &keys),
            without_body("list_token_keys", "/token-keys"),
            without_body("list_import_keys", "/import-keys"),
            without_body("show_import_key", &import_key),
            without_body("list_revocations", "/revocations"),
            without_body("show_status_feed", "/status-feed"),
            without_body("show_refusal", &format!("/refusals/{}", self.refused)),
            without_body("list_audit_events", "/audit/events"),
            without_body("verify_audit_log", "/audit/verification"),
            example(
                "create_authorization_server",
                "/authorization-servers",
                json!({ "id": "made", "name": "x", "signing_alg": "ES256" }),
            ),
            example("create_mount", &format!("{server}/mounts"), json!({ "base_url": "https://partner.test" })),
            example("create_resource_server", "/resource-servers", json!({ "audience": "https://made.test", "name": "x" })),
            example("create_organization", "/organizations", json!({ "name": "x" })),
            example("create_client", "/clients", json!({ "name": "x" })),
            example("create_grant", &grants, json!({ "resource_server_id": self.unused, "scope": "read" })),
            example("create_credential", &credentials, json!({ "label": "x", "kind": "secret" })),
            example("create_key", "/keys", new_key),
            example("create_role", "/roles", json!({ "name": "writer", "permissions": ["orders.*"] })),
            example("create_import_key", "/import-keys", json!({ "name": "x", "key": "AAAAAAAAAAAAAAAAAAAAAA" })),
            example(
                "import_keys",
                "/keys/import",
                json!({ "entries": [{ "hash": "0".repeat(64), "client_id": "client-a", "resource_server_id": self.unused }] }),
            ),
            example("add_signing_algorithm", &keys, json!({ "alg": "EdDSA" })),
            example("create_revocation", "/revocations", json!({ "kind": "sub", "value": "someone" })),
            without_body("create_introspection_client", &format!("{resource_server}/introspection-clients")),
            without_body("allow_introspection", &format!("{resource_server}/introspection-clients/{CLIENT}")),
            without_body("forbid_introspection", &format!("{resource_server}/introspection-clients/{CLIENT}")),
            example("update_authorization_server", &server, json!({ "name": "y" })),
            example("update_resource_server", &resource_server, json!({ "name": "y" })),
            example("update_organization", &organization, json!({ "name": "y" })),
            example("update_client", &client, json!({ "name": "y" })),
            example("update_grant", &grant, json!({ "token_lifetime_seconds": 60 })),
            example("update_credential", &credential, json!({ "label": "y" })),
            example("rotate_credential", &format!("{credential}/rotate"), json!({ "overlap_seconds": 60 })),
            example("update_key", &key, json!({ "name": "y" })),
            example("change_key_credits", &format!("{key}/credits"), json!({ "operation": "set", "value": 5 })),
            example("rotate_key", &format!("{key}/rotate"), json!({ "overlap_seconds": 60 })),
            without_body("disable_key", &format!("{key}/disable")),
            without_body("enable_key", &format!("{key}/enable")),
            without_body("revoke_key", &format!("{key}/revoke")),
            example("update_role", &role, json!({ "permissions": ["orders.read"] })),
            example("rotate_own_credential", "/credentials/rotate-own", json!({})),
            example("rotate_signing_keys", &format!("{keys}/rotate"), json!({ "alg": "ES256", "emergency": true })),
            example("rotate_token_keys", "/token-keys/rotate", json!({ "emergency": true })),
            without_body("disable_client", &format!("{client}/disable")),
            without_body("enable_client", &format!("{client}/enable")),
            without_body("revoke_credential", &credential),
            without_body("remove_signing_algorithm", &format!("{keys}/EdDSA")),
            without_body("delete_key", &key),
            without_body("delete_role", &role),
            without_body("delete_import_key", &import_key),
            without_body("delete_grant", &grant),
            without_body("delete_client", &client),
            without_body("delete_mount", &mount),
            without_body("delete_resource_server", &resource_server),
            without_body("delete_authorization_server", &server),
            without_body("delete_organization", &organization),
        ]
    }

    /// Every operation of the document with its example.
    fn walk(&self) -> Vec<(Operation, Example)> {
        let mut described: HashMap<String, Operation> =
            operations().into_iter().map(|operation| (operation.id.clone(), operation)).collect();
        let walk: Vec<_> = self
            .examples()
            .into_iter()
            .map(|example| (described.remove(example.operation).unwrap_or_else(|| panic!("{}", example.operation)), example))
            .collect();
        assert!(described.is_empty(), "without an example: {:?}", described.keys());
        for (operation, example) in &walk {
            let templates = operation.path.strip_prefix("/manage/v1").unwrap().split('/');
            let matches = |(template, segment): (&str, &str)| template.starts_with('{') || template == segment;
            assert_eq!(templates.clone().count(), example.path.split('/').count(), "{}", operation.id);
            assert!(templates.zip(example.path.split('/')).all(matches), "{}", operation.id);
        }
        walk
    }

    fn request(&self, operation: &Operation, example: &Example) -> Request {
        let request = self.app.request(operation.method.clone(), &format!("/manage/v1{}", example.path));
        match &example.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    async fn call(&self, operation: &Operation, example: &Example, token: &str) -> Answer {
        self.request(operation, example).header("authorization", format!("Bearer {token}")).send().await
    }
}

#[tokio::test]
async fn without_a_token_every_operation_asks_for_one_and_names_no_error() {
    let world = World::start().await;
    for (operation, example) in world.walk() {
        let answer = world.request(&operation, &example).send().await;
        answer.refusal(401, ErrorCode::TokenMissing);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"countersign management\""), "{}", operation.id);
    }
}

#[tokio::test]
async fn no_operation_takes_a_token_that_is_garbage_expired_or_for_something_else() {
    let world = World::start().await;
    let expired = world.app.caller("expired-1", &every_right(), None).await.token;
    world.app.clock.advance_seconds(601);
    let other_audience = {
        let client = world.app.client("other-audience").await;
        let api = world.app.resource_server(api("https://other.test", &every_right())).await;
        world.app.grant(&client, &api, &every_right()).await;
        world.app.ask(&client, "").await.token().text
    };
    let other_server = {
        let client = world.app.client("other-server").await;
        let mut same_audience = api(MANAGEMENT, &every_right());
        same_audience.authorization_server_id = issuer_id(SERVER);
        let api = world.app.resource_server(same_audience).await;
        world.app.grant(&client, &api, &every_right()).await;
        let path = format!("/oauth2/{SERVER}/v1/token");
        world.app.token_request(&path, &client, "grant_type=client_credentials").send().await.token().text
    };
    let tokens = [
        ("garbage", "garbage".to_owned(), ErrorCode::TokenMalformed),
        ("expired", expired, ErrorCode::Expired),
        ("of another audience", other_audience, ErrorCode::AudienceMismatch),
        ("of another authorization server", other_server, ErrorCode::UnknownKey),
    ];
    for (operation, example) in world.walk() {
        for (what, token, code) in &tokens {
            let answer = world.call(&operation, &example, token).await;
            answer.refusal(401, *code);
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
        }
    }
}

#[tokio::test]
async fn every_operation_needs_the_scope_that_the_document_says() {
    let world = World::start().await;
    let mut callers: HashMap<String, Caller> = HashMap::new();
    for (number, (operation, example)) in world.walk().into_iter().enumerate() {
        if !callers.contains_key(&operation.scope) {
            let rights = every_right_but(&[&operation.scope]);
            let caller = world.app.caller(&format!("lacking-{number}"), &rights, None).await;
            callers.insert(operation.scope.clone(), caller);
        }
        let answer = world.call(&operation, &example, &callers[&operation.scope].token).await;
        answer.refusal(403, ErrorCode::InsufficientScope);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{}: {challenge}", operation.id);
        assert!(challenge.contains(&format!("scope=\"{}\"", operation.scope)), "{}: {challenge}", operation.id);
    }
}

#[tokio::test]
async fn nothing_of_one_organization_exists_for_a_caller_of_another() {
    let world = World::start().await;
    let other = world.app.organization("Other").await;
    let caller = world.app.caller("limited-1", &every_right(), Some(&other)).await;
    let foreign = [
        world.owner.as_str(),
        SERVER,
        CLIENT,
        &world.resource_server,
        &world.unused,
        &world.import_key,
        &world.grant,
        &world.credential,
        &world.refused,
        &world.key,
        "client-a",
        "operator-1",
    ];
    for (operation, example) in world.walk() {
        let answer = world.call(&operation, &example, &caller.token).await;
        let id = &operation.id;
        match (operation.path.contains('{'), operation.method == Method::GET, answer.status.as_u16()) {
            // What is the whole instance's.
            (_, _, 403) => drop(answer.refusal(403, ErrorCode::LimitedToOrganization)),
            (true, _, 404) => {
                answer.refusal(404, ErrorCode::NotFound);
                let unknown = foreign.iter().fold(example.path.clone(), |path, id| path.replace(id, &reversed(id)));
                let unknown = Example { path: unknown, ..example };
                let to_unknown = world.call(&operation, &unknown, &caller.token).await;
                let text = foreign.iter().fold(to_unknown.text().to_owned(), |text, id| text.replace(&reversed(id), id));
                assert_eq!((to_unknown.status, text.as_str()), (answer.status, answer.text()), "{id}");
                assert_eq!(to_unknown.comparable_headers(), answer.comparable_headers(), "{id}");
            }
            (false, true, 200) => {
                let leaked = foreign.iter().find(|id| answer.text().contains(**id));
                assert_eq!(leaked, None, "{id}: {answer:?}");
            }
            // A key of nobody, for all that it is told.
            (false, false, 200) if id == "verify_keys" => {
                assert_eq!(answer.json(), json!({ "valid": false, "code": "NOT_FOUND" }));
            }
            // It names a client in its body.
            (false, false, 404) if id == "create_key" => drop(answer.refusal(404, ErrorCode::NotFound)),
            // Roles are the instance's: what keys have of them is no secret.
            (true, true, 200) if id == "show_role" => {}
            (false, false, 201) => {}
            _ => panic!("{id}: {answer:?}"),
        }
    }
    // Nor was anything changed.
    let changed = "SELECT count(*) FROM audit_events WHERE actor_id = 'limited-1' AND object_id <> 'limited-1' AND action NOT IN ('client.created', 'credential.rotated')";
    assert_eq!(world.app.database.count(changed).await, 0);
}

/// As long, and nobody's.
fn reversed(id: &str) -> String {
    id.chars().rev().collect()
}

#[tokio::test]
async fn an_operator_may_call_every_operation_and_gets_what_the_document_says() {
    let world = World::start().await;
    let operator = world.app.caller("operator-2", &every_right(), None).await;
    for (operation, example) in world.walk() {
        let request = || world.request(&operation, &example).header("authorization", format!("Bearer {}", operator.token));
        let id = &operation.id;
        let is_repeatable = operation.method == Method::POST && operation.id != "verify_keys";
        if operation.method == Method::POST {
            request().header("idempotency-key", "").send().await.refusal(400, ErrorCode::QueryInvalid);
        }
        if operation.method == Method::PATCH || operation.method == Method::DELETE {
            request().header("if-match", "\"999\"").send().await.refusal(412, ErrorCode::VersionMismatch);
        }
        let request = || if is_repeatable { request().header("idempotency-key", id) } else { request() };
        let answer = request().send().await;
        assert!(answer.status.is_success(), "{id}: {answer:?}");
        let described = &operation.description["responses"][answer.status.as_str()];
        assert!(described.is_object(), "{id}: {answer:?}");
        for (name, header) in [("ETag", "etag"), ("Location", "location")] {
            assert_eq!(answer.header(header).is_some(), !described["headers"][name].is_null(), "{id}: {header}");
        }
        assert_eq!(answer.body.is_empty(), described["content"].is_null(), "{id}");
        if is_repeatable {
            let again = request().send().await;
            assert_eq!((again.status, again.header("location")), (answer.status, answer.header("location")), "{id}");
        }
    }
}

#[tokio::test]
async fn every_operation_that_changes_something_leaves_one_event_with_the_id_of_its_request() {
    let world = World::start().await;
    let operator = world.app.caller("operator-2", &every_right(), None).await;
    let count = "SELECT count(*) FROM audit_events";
    for (operation, example) in world.walk() {
        let before = world.app.database.count(count).await;
        let answer = world.call(&operation, &example, &operator.token).await;
        assert!(answer.status.is_success(), "{}: {answer:?}", operation.id);
        let changes = i64::from(operation.method != Method::GET && operation.id != "verify_keys");
        assert_eq!(world.app.database.count(count).await - before, changes, "{}", operation.id);
        let of_this =
            format!("{count} WHERE request_id = '{}' AND actor_id = 'operator-2'", answer.header("x-request-id").unwrap());
        assert_eq!(world.app.database.count(&of_this).await, changes, "{}", operation.id);
    }
}

#[tokio::test]
async fn a_disabled_or_deleted_caller_is_refused_at_once() {
    let world = World::start().await;
    let ends = [("disable", ErrorCode::ClientRevoked), ("delete", ErrorCode::TokenRevoked), ("grant", ErrorCode::ClientRevoked)];
    for (number, (end, code)) in ends.into_iter().enumerate() {
        let caller = world.app.caller(&format!("ending-{number}"), &every_right(), None).await;
        caller.get(&world.app, "/clients").await.success(200);
        let by = Actor::command_line();
        let id = &caller.client.id;
        match end {
            "disable" => clients::disable(&world.app.app, &by, id).await.unwrap(),
            "delete" => clients::delete(&world.app.app, &by, id, None).await.unwrap(),
            _ => {
                let grant = clients::find(&world.app.app, id).await.unwrap().grants[0].id.clone();
                clients::delete_grant(&world.app.app, &by, (id, &grant), None).await.unwrap();
            }
        }
        for (operation, example) in world.walk() {
            world.call(&operation, &example, &caller.token).await.refusal(401, code);
        }
    }
}

#[tokio::test]
async fn the_document_is_served_to_anyone() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let answer = app.get("/manage/v1/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), serde_json::to_value(management_document()).unwrap());
}
