//! What a plan says of files and instances.

use serde_json::{Value, json};

use super::plan::plan;
use super::*;
use crate::declaration::ListedClient;
use countersign_protocol::jose::{Algorithm, SigningKey};

const FILE: &str = r#"
    format = 1
    [[resource_server]]
    audience = "https://api.test"
    name = "API"
    scopes = [{ scope = "a" }, { scope = "b" }]
    [[organization]]
    name = "Acme"
    [[client]]
    client_id = "acme-1"
    name = "Acme"
    organization = "Acme"
    [[client.grant]]
    audience = "https://api.test"
    scope = "a"
"#;

fn declaration(text: &str) -> Declaration {
    Declaration::parse(text).unwrap()
}

fn fresh() -> Current {
    let server = json!({ "id": "default", "name": "default", "signing_alg": "RS256", "rotation_interval_seconds": 7_776_000 });
    let management = json!({ "id": "rs_management", "audience": "m", "authorization_server_id": "default" });
    let operator = json!({ "client_id": "operator" });
    let grant = json!({ "id": "gr_0", "resource_server_id": "rs_management", "scope": "clients:read" });
    let operator = ListedClient { client: operator, grants: vec![grant], credentials: Vec::new() };
    Current::read(&[server], &[management], &[], &[], &[operator]).unwrap()
}

/// What there is once the plan for [`FILE`] was carried out.
fn applied() -> Current {
    applied_with(&[json!({ "id": "cred_0", "kind": "secret", "label": "first", "state": "active" })])
}

fn applied_with(credentials: &[Value]) -> Current {
    let server = json!({ "id": "default", "name": "default", "signing_alg": "RS256", "rotation_interval_seconds": 7_776_000 });
    let api = json!({
        "id": "rs_1", "authorization_server_id": "default", "audience": "https://api.test", "name": "API", "profile": "rfc9068",
        "signing_alg": null, "token_format": "jwt", "reuse_live_tokens": false, "token_lifetime_seconds": 600,
        "scopes": [{ "scope": "a", "description": "" }, { "scope": "b", "description": "" }],
    });
    let organization = json!({ "id": "org_1", "name": "Acme" });
    let client = json!({
        "client_id": "acme-1", "name": "Acme", "token_endpoint_auth_method": "client_secret_basic",
        "token_endpoint_auth_method_enforced": false, "assertion_audience": "issuer", "organization_id": "org_1", "external_id": null, "metadata": {},
        "disabled_at": null,
    });
    let grant = json!({ "id": "gr_1", "resource_server_id": "rs_1", "scope": "a", "token_lifetime_seconds": null });
    let client = ListedClient { client, grants: vec![grant], credentials: credentials.to_vec() };
    Current::read(&[server], &[api], &[organization], &[], &[client]).unwrap()
}

fn signs(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {} {}", step.action.sign(), step.kind, step.name)).collect()
}

#[test]
fn everything_that_is_missing_is_created_in_an_order_that_works() {
    let plan = plan(&declaration(FILE), &fresh(), true).unwrap();
    assert_eq!(
        signs(&plan),
        [
            "+ resource server https://api.test of default",
            "+ organization Acme",
            "+ client acme-1",
            "+ grant acme-1 -> https://api.test"
        ]
    );
    assert_eq!(plan.steps[2].body["organization_id"], "{organization:Acme}");
    assert_eq!(plan.steps[1].makes.as_deref(), Some("{organization:Acme}"));
    assert_eq!(plan.steps[3].body["resource_server_id"], "{resource_server:https://api.test of default}");
    assert_eq!(plan.steps[0].makes.as_deref(), plan.steps[3].body["resource_server_id"].as_str());
    assert_eq!(plan.steps[2].body["make_secret"], false);
    assert_eq!(plan.without_credential, [Unable { client_id: "acme-1".to_owned(), uses_secret: true }]);
}

#[test]
fn what_is_as_declared_needs_nothing() {
    assert_eq!(plan(&declaration(FILE), &applied(), true).unwrap(), Plan::default());
}

#[test]
fn an_export_of_what_there_is_plans_nothing() {
    let text = applied().declare().to_text().unwrap();
    assert_eq!(plan(&declaration(&text), &applied(), true).unwrap(), Plan::default());
    assert!(!text.contains("secret ="), "{text}");
}

#[test]
fn only_members_that_differ_are_changed() {
    let changed = FILE.replace("scope = \"a\"\n", "scope = \"a b\"\n").replace("name = \"API\"", "name = \"Users\"");
    let changed = changed.replace("organization = \"Acme\"", "disabled = true");
    let plan = plan(&declaration(&changed), &applied(), false).unwrap();
    assert_eq!(
        signs(&plan),
        [
            "~ resource server https://api.test of default",
            "~ client acme-1",
            "~ client acme-1",
            "~ grant acme-1 -> https://api.test"
        ]
    );
    assert_eq!((plan.steps[0].path.as_str(), &plan.steps[0].body), ("/resource-servers/rs_1", &json!({ "name": "Users" })));
    assert_eq!(plan.steps[1].body, json!({ "organization_id": null }));
    assert_eq!(plan.steps[2].path, "/clients/acme-1/disable");
    assert_eq!(plan.steps[3].body, json!({ "scope": "a b" }));
}

#[test]
fn what_the_file_does_not_have_stays_unless_pruned() {
    let nothing = Declaration::empty();
    let kept = plan(&nothing, &applied(), false).unwrap();
    assert_eq!((kept.steps.len(), kept.kept.len()), (0, 3));
    let pruned = plan(&nothing, &applied(), true).unwrap();
    assert_eq!(signs(&pruned), ["- client acme-1", "- organization Acme", "- resource server https://api.test of default"]);
    // Who manages is never touched.
    assert_eq!(plan(&nothing, &fresh(), true).unwrap(), Plan::default());
}

#[test]
fn names_of_nothing_and_names_used_twice_are_refused() {
    let nowhere = FILE.replace("[[organization]]\n    name = \"Acme\"", "");
    assert!(matches!(plan(&declaration(&nowhere), &fresh(), false), Err(DeclarationError::Unknown { kind: "organization", .. })));
    let twice = format!("{FILE}\n[[client]]\nclient_id = \"acme-1\"\nname = \"again\"");
    assert!(matches!(Declaration::parse(&twice), Err(DeclarationError::Twice { kind: "client", .. })));
    let unknown = format!("{FILE}\nclient_secret = \"x\"");
    assert!(matches!(Declaration::parse(&unknown), Err(DeclarationError::Malformed(_))));
    assert_eq!(Declaration::parse("format = 2"), Err(DeclarationError::Format(2)));
}

fn jwk(kid: &str) -> Value {
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &SigningKey::generate(Algorithm::ES256).unwrap()).unwrap();
    serde_json::to_value(key.public_jwk(kid)).unwrap()
}

/// [`FILE`] with these lines in place of the grant.
fn with_credentials(lines: &str) -> Declaration {
    declaration(&format!("{}\n{lines}", FILE.split("[[client.grant]]").next().unwrap()))
}

fn shown(id: &str, label: &str, source: (&str, Value), state: &str) -> Value {
    let (kind, keys) = source;
    let mut shown = json!({ "id": id, "label": label, "kind": kind, "state": state, "not_before": null, "expires_at": null });
    shown[kind] = keys;
    shown
}

#[test]
fn keys_that_are_declared_are_registered_and_need_nothing_afterwards() {
    let set = json!({ "keys": [jwk("a"), jwk("b")] });
    let file = format!(
        "[[client.credential]]\nlabel = '2026'\nexpires_at = 2027-01-31T12:00:00Z\njwks = '{set}'\n\
         [[client.credential]]\nlabel = 'there'\njwks_uri = 'https://acme.test/jwks'"
    );
    let planned = plan(&with_credentials(&file), &applied_with(&[]), false).unwrap();
    let expected = ["+ credential acme-1 -> 2026 (keys a, b)", "+ credential acme-1 -> there (https://acme.test/jwks)"];
    assert_eq!(signs(&planned), expected);
    assert_eq!(planned.steps[0].path, "/clients/acme-1/credentials");
    assert_eq!(planned.steps[0].body["expires_at"], "2027-01-31T12:00:00.000Z");
    let there = json!({ "label": "there", "kind": "jwks_uri", "jwks_uri": "https://acme.test/jwks" });
    assert_eq!(planned.steps[1].body, there);
    assert_eq!(planned.without_credential, []);

    let mut first = shown("cred_1", "2026", ("jwks", planned.steps[0].body["jwks"].clone()), "active");
    first["expires_at"] = json!("2027-01-31T12:00:00.000Z");
    let there = shown("cred_2", "there", ("jwks_uri", json!("https://acme.test/jwks")), "pending");
    let applied = applied_with(&[first, there]);
    assert_eq!(plan(&with_credentials(&file), &applied, true).unwrap().steps.len(), 1, "only the grant goes");
    let exported = applied.declare();
    assert_eq!(exported.clients[0].credentials.len(), 2);
    let text = exported.to_text().unwrap();
    assert!(text.contains("\n[[client.credential.jwks.keys]]\n"), "{text}");
    assert_eq!(plan(&declaration(&text), &applied, true).unwrap(), Plan::default(), "{text}");
}

#[test]
fn keys_that_are_not_in_the_file_are_revoked_only_when_pruned_and_secrets_never() {
    let keys = |id: &str, state| shown(id, "old", ("jwks_uri", json!("https://acme.test/old")), state);
    let secret = json!({ "id": "cred_0", "kind": "secret", "label": "first", "state": "active" });
    let there = applied_with(&[secret, keys("cred_1", "active"), keys("cred_2", "revoked"), keys("cred_3", "expired")]);
    let kept = plan(&declaration(FILE), &there, false).unwrap();
    assert_eq!((kept.steps.len(), kept.kept), (0, vec!["credential acme-1 -> old (https://acme.test/old)".to_owned()]));
    let pruned = plan(&declaration(FILE), &there, true).unwrap();
    assert_eq!(signs(&pruned), ["- credential acme-1 -> old (https://acme.test/old)"]);
    assert_eq!(pruned.steps[0].path, "/clients/acme-1/credentials/cred_1");
    assert!(pruned.without_credential.is_empty());
    // Whoever loses the last way to authenticate is named, and whoever has an ended one only.
    let alone = applied_with(&[keys("cred_1", "active")]);
    let unable = |current: &Current, prune| plan(&declaration(FILE), current, prune).unwrap().without_credential.len();
    assert_eq!((unable(&alone, false), unable(&alone, true)), (0, 1));
    let ended = applied_with(&[keys("cred_1", "expired")]);
    let again = with_credentials("[[client.credential]]\nlabel = 'new'\njwks_uri = 'https://acme.test/old'");
    assert_eq!(plan(&again, &ended, false).unwrap().without_credential.len(), 1);
}

#[test]
fn labels_and_times_of_keys_change_and_revoked_keys_stay_revoked() {
    let uri = |name: &str| ("jwks_uri", json!(format!("https://acme.test/{name}")));
    let there = applied_with(&[shown("cred_1", "old", uri("a"), "expired"), shown("cred_2", "gone", uri("b"), "revoked")]);
    let entry = |label: &str, name: &str, more: &str| {
        format!("[[client.credential]]\nlabel = '{label}'\njwks_uri = 'https://acme.test/{name}'\n{more}\n")
    };
    let end = "expires_at = '2027-01-31T12:00:00Z'";
    let file = [entry("new", "a", end), entry("gone", "b", "")].concat();
    let planned = plan(&with_credentials(&file), &there, false).unwrap();
    assert_eq!(planned.steps[0].path, "/clients/acme-1/credentials/cred_1");
    assert_eq!(planned.steps[0].body, json!({ "label": "new", "expires_at": "2027-01-31T12:00:00.000Z" }));
    assert_eq!((planned.steps.len(), planned.revoked), (1, vec!["acme-1 -> gone (https://acme.test/b)".to_owned()]));
    // Who means it says so with another label.
    let again = plan(&with_credentials(&entry("again", "b", "")), &there, false).unwrap();
    assert_eq!(signs(&again), ["+ credential acme-1 -> again (https://acme.test/b)"]);
    let none = plan(&with_credentials(&entry("gone", "b", "")), &there, false).unwrap();
    assert_eq!(none.without_credential.len(), 1);
}

#[test]
fn secret_keys_in_a_file_are_refused_unseen() {
    let mut private = jwk("a");
    private["d"] = json!("c2VjcmV0LXZhbHVl");
    let as_toml = toml::to_string(&json!({ "keys": [private] })).unwrap().replace("[[keys]]", "[[client.credential.jwks.keys]]");
    let as_text = format!("jwks = '{}'", json!({ "keys": [private] }));
    for (lines, named) in [
        (as_toml.as_str(), "`d`"),
        (as_text.as_str(), "`d`"),
        ("jwks = 'c2VjcmV0LXZhbHVl'", "`jwks`"),
        ("jwks = { keys = [{ kty = 'oct', k = 'c2VjcmV0LXZhbHVl' }] }", "`k`"),
        ("secret = 'c2VjcmV0LXZhbHVl'", "`secret`"),
        ("not_before = 'c2VjcmV0LXZhbHVl'", "line 7"),
        ("", "has either `jwks` or `jwks_uri`"),
    ] {
        let file = format!("format = 1\n[[client]]\nclient_id = 'acme-1'\nname = 'x'\n[[client.credential]]\nlabel = 'x'\n{lines}");
        let error = Declaration::parse(&file).unwrap_err().to_string();
        assert!(error.contains(named) && !error.contains("c2VjcmV0"), "{error}");
    }
    for line in ["credential = 'c2VjcmV0LXZhbHVl'", "disabled = 'c2VjcmV0 \"LXZhbHVl'", "metadata = 'c2VjcmV0LXZhbHVl'"] {
        let error = Declaration::parse(&format!("format = 1\n[[client]]\nclient_id = 'acme-1'\nname = 'x'\n{line}")).unwrap_err();
        assert!(error.to_string().starts_with("line ") && !error.to_string().contains("c2VjcmV0"), "{error}");
    }
}

#[test]
fn keys_that_the_instance_does_not_show_are_not_taken_for_none() {
    let listed = |credential: Value| {
        let client = json!({ "client_id": "acme-1" });
        Current::read(&[], &[], &[], &[], &[ListedClient { client, grants: Vec::new(), credentials: vec![credential] }])
    };
    let hidden = json!({ "id": "cred_1", "kind": "jwks", "label": "x", "key_ids": ["a"], "state": "active" });
    assert_eq!(listed(hidden).unwrap_err(), DeclarationError::Shown("cred_1".to_owned()));
}

const POLICY: &str = r#"
    format = 1
    [[role]]
    name = "reader"
    permissions = ["orders.read"]
    [[client]]
    client_id = "acme-1"
    name = "Acme"
    [client.key_policy]
    roles = ["reader"]
    limits = [{ name = "reads", limit = 100, duration_seconds = 60 }]
"#;

/// What there is once the plan for [`POLICY`] was carried out.
fn with_policy() -> Current {
    let role = json!({ "name": "reader", "description": "", "permissions": ["orders.read"], "created_at": "x", "updated_at": "x" });
    let limit = json!({ "name": "reads", "limit": 100, "duration_seconds": 60, "auto_apply": true, "on_unreachable": "deny" });
    let policy = json!({ "permissions": [], "roles": ["reader"], "allowed_networks": [], "limits": [limit] });
    let client = json!({
        "client_id": "acme-1", "name": "Acme", "token_endpoint_auth_method": "client_secret_basic",
        "token_endpoint_auth_method_enforced": false, "assertion_audience": "issuer", "metadata": {}, "key_policy": policy,
    });
    Current::read(&[], &[], &[], &[role], &[ListedClient { client, grants: Vec::new(), credentials: Vec::new() }]).unwrap()
}

#[test]
fn roles_come_before_the_clients_whose_keys_have_them_and_go_after() {
    let made = plan(&declaration(POLICY), &fresh(), true).unwrap();
    assert_eq!(signs(&made), ["+ role reader", "+ client acme-1"]);
    assert_eq!(made.steps[1].body["key_policy"]["limits"][0]["on_unreachable"], "deny");
    assert_eq!(plan(&declaration(POLICY), &with_policy(), true).unwrap().steps, []);
    let text = with_policy().declare().to_text().unwrap();
    assert_eq!(plan(&declaration(&text), &with_policy(), true).unwrap().steps, [], "{text}");
    let gone = plan(&Declaration::empty(), &with_policy(), true).unwrap();
    assert_eq!(signs(&gone), ["- client acme-1", "- role reader"]);
}

#[test]
fn a_policy_is_set_whole_and_taken_away_by_the_file_that_lost_it() {
    let changed = POLICY.replace("limit = 100", "limit = 200").replace("[\"orders.read\"]", "[\"orders.*\"]");
    let planned = plan(&declaration(&changed), &with_policy(), false).unwrap();
    assert_eq!(signs(&planned), ["~ role reader", "~ client acme-1"]);
    assert_eq!(
        (planned.steps[0].path.as_str(), &planned.steps[0].body),
        ("/roles/reader", &json!({ "permissions": ["orders.*"] }))
    );
    assert_eq!(planned.steps[1].body["key_policy"]["limits"][0]["limit"], 200);
    let lost = POLICY.split("[client.key_policy]").next().unwrap();
    let planned = plan(&declaration(lost), &with_policy(), false).unwrap();
    let nothing = json!({ "permissions": [], "roles": [], "allowed_networks": [], "limits": [] });
    assert_eq!(planned.steps[0].body, json!({ "key_policy": nothing }));
    // Nothing is said of a client without one: only who runs the instance may say it.
    let fresh = plan(&declaration(lost), &fresh(), false).unwrap();
    assert!(fresh.steps[1].body.get("key_policy").is_none());
    let shown = json!({ "client_id": "acme-1", "key_policy": { "limits": 5 } });
    let listed = ListedClient { client: shown, grants: Vec::new(), credentials: Vec::new() };
    assert_eq!(Current::read(&[], &[], &[], &[], &[listed]).unwrap_err(), DeclarationError::Shown("acme-1".to_owned()));
}
