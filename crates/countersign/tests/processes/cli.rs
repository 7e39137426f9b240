//! The command line: the nouns through a running server, what works without one,
//! errors that name what is wrong, help for everything.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, BINARY, Client, Dev, Instance, Server, command, eventually, free_port, run, run_with_input};

fn strings<'a>(items: &'a Value, member: &str) -> Vec<&'a str> {
    items["items"].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

async fn served() -> (Instance, Server) {
    let instance = Instance::sqlite().init().await;
    let server = instance.serve(&[]).await;
    (instance, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_created_listed_changed_disabled_and_deleted() {
    let (_instance, mut server) = served().await;
    let organization = server.json(&["organization", "create", "Partner Ltd"]).await["id"].as_str().unwrap().to_owned();
    let made = server
        .json(&["client", "create", "Billing", "--id", "billing", "--organization", &organization, "--external-id", "4711"])
        .await;
    assert_eq!((made["client_id"].as_str(), made["organization_id"].as_str()), (Some("billing"), Some(&*organization)));
    assert!(made["client_secret"].as_str().unwrap().starts_with("csec_"), "{made}");
    let without_id = server.json(&["client", "create", "Another"]).await;
    assert!(without_id["client_id"].as_str().unwrap().starts_with("cli_"), "{without_id}");

    for (verb, is_disabled) in [("disable", true), ("enable", false)] {
        assert_eq!(server.json(&["client", verb, "billing"]).await["disabled_at"].is_string(), is_disabled);
        let text = server.run(&["client", "list"]).await.success();
        let line = text.lines().find(|line| line.starts_with("billing ")).unwrap();
        assert!(text.starts_with("client_id ") && line.contains(if is_disabled { "disabled" } else { "enabled" }), "{text}");
    }
    let changed =
        server.json(&["client", "update", "billing", "--name", "New", "--clear-external-id", "--metadata", "{\"a\":1}"]).await;
    assert_eq!(
        (changed["name"].as_str(), &changed["external_id"], &changed["metadata"]),
        (Some("New"), &Value::Null, &json!({ "a": 1 }))
    );
    let cleared = server.json(&["client", "update", "billing", "--clear-metadata", "--clear-organization"]).await;
    assert_eq!((&cleared["metadata"], &cleared["organization_id"]), (&json!({}), &Value::Null));
    let shown = server.run(&["client", "show", "billing"]).await.success();
    let version = shown.lines().find_map(|line| line.strip_prefix("version ")).unwrap().trim();
    let stale = server.run(&["client", "update", "billing", "--name", "x", "--if-match", "1"]).await.refusal();
    assert!(stale.contains("hint: ") && stale.contains("show"), "{stale}");
    server.run(&["client", "update", "billing", "--name", "x", "--if-match", version]).await.success();

    let unasked = server.run(&["client", "delete", "billing"]).await.refusal();
    assert!(unasked.contains("--yes"), "{unasked}");
    assert_eq!(server.json(&["client", "delete", "billing", "--yes"]).await, json!({ "deleted": true }));
    let gone = server.run(&["client", "show", "billing"]).await.refusal();
    assert!(gone.contains("there is no client `billing`"), "{gone}");
    server.run(&["organization", "delete", &organization, "--yes"]).await.success();
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_complete_however_many_pages_it_has() {
    let (_instance, mut server) = served().await;
    let operator = server.operator_token().await;
    let mut connection = server.connect().await;
    for number in 0..205 {
        let headers = [("authorization", operator.as_str()), ("content-type", "application/json")];
        let body = json!({ "name": format!("organization {number}") }).to_string();
        let reply = connection.send("POST", "/manage/v1/organizations", &headers, &body).await.unwrap();
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
    }
    let listed = server.json(&["organization", "list"]).await;
    let names: std::collections::BTreeSet<&str> = strings(&listed, "name").into_iter().collect();
    assert_eq!((names.len(), &listed["next_cursor"]), (205, &Value::Null));
    let some = server.run(&["organization", "list", "--limit", "203", "--json"]).await;
    assert!(some.stderr.contains("There are more"), "{some:?}");
    let some = some.json();
    assert_eq!((some["items"].as_array().unwrap().len(), some["next_cursor"].is_string()), (203, true));
    // Every event, though the log has more than a page; verified on this side too.
    let exported = server.run(&["audit", "export"]).await;
    let seqs: Vec<i64> =
        exported.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap()).collect();
    assert!(seqs.len() > 205 && seqs == (1..=i64::try_from(seqs.len()).unwrap()).collect::<Vec<_>>(), "{seqs:?}");
    assert!(exported.stderr.contains(&format!("exported {} events", seqs.len())), "{}", exported.stderr);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_is_explained_by_its_id() {
    let (_instance, mut server) = served().await;
    server.json(&["client", "create", "Billing", "--id", "billing"]).await;
    let mut connection = server.connect().await;
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=client_credentials&client_id=billing&client_secret=wrong";
    let refused = connection.send("POST", "/oauth/token", &headers, body).await.unwrap();
    let id = refused.headers["x-request-id"].to_str().unwrap().to_owned();
    let explained = server.json(&["explain", "--request", &id]).await;
    assert_eq!((&explained["code"], &explained["client_id"]), (&json!("CS-2001"), &json!("billing")));
    let text = server.run(&["explain", "--request", &id]).await.success();
    assert!(text.contains("the secret matches none of client billing"), "{text}");
    let usage = server.json(&["client", "usage", "billing", "--days", "1"]).await;
    assert_eq!((&usage["refused"], &usage["refusals"][0]["code"]), (&json!(1), &json!("CS-2001")));
    let usage = server.run(&["client", "usage", "billing"]).await.success();
    assert!(usage.contains("CS-2001") && usage.contains("needless"), "{usage}");
    let listed = server.json(&["refusal", "list", "--client", "billing", "--code", "CS-2001"]).await;
    assert_eq!(strings(&listed, "request_id"), [id.as_str()]);
    let unknown = server.run(&["explain", "--request", "AAAAAAAAAAAAAAAA"]).await.refusal();
    assert!(unknown.contains("there is no refused request `AAAAAAAAAAAAAAAA`"), "{unknown}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_servers_resource_servers_and_grants_are_created_and_work() {
    let instance = Instance::sqlite().init().await;
    let port = free_port();
    let other = format!("http://127.0.0.1:{port}");
    let mut server = instance.serve_as(port, port, &[&format!("server.base_urls=http://localhost:{port},{other}")]).await;
    let made = server.json(&["authorization-server", "create", "internal", "--signing-alg", "ES256"]).await;
    assert_eq!((made["id"].as_str(), made["signing_alg"].as_str()), (Some("internal"), Some("ES256")));
    assert_eq!(strings(&server.json(&["authorization-server", "list"]).await, "id"), ["default", "internal"]);

    let create = ["resource-server", "create", AUDIENCE, "--authorization-server", "internal"];
    let details = ["--scope", "read=Read it", "--scope", "write", "--token-lifetime-seconds", "120", "--token-format", "opaque"];
    let made = server.json(&[&create[..], &details].concat()).await;
    assert_eq!((&made["token_lifetime_seconds"], &made["token_format"]), (&json!(120), &json!("opaque")));
    let update = ["resource-server", "update", AUDIENCE, "--authorization-server", "internal"];
    let changed = server.json(&[&update[..], &["--name", "The API"]].concat()).await;
    assert_eq!((changed["name"].as_str(), &changed["scopes"]), (Some("The API"), &made["scopes"]));
    assert_eq!(changed["token_format"], "opaque");
    let changed = server.json(&[&update[..], &["--token-format", "jwt"]].concat()).await;
    assert_eq!(changed["token_format"], "jwt");
    let changed = server.json(&[&update[..], &["--reuse-live-tokens", "true"]].concat()).await;
    assert_eq!((&made["reuse_live_tokens"], &changed["reuse_live_tokens"]), (&json!(false), &json!(true)));

    let made = server.json(&["resource-server", "create", "https://other.test", "--with-introspection-client"]).await;
    assert_eq!(
        (&made["audience"], &made["introspection_client"]["name"]),
        (&json!("https://other.test"), &json!("Introspection for https://other.test"))
    );
    let introspecting = Client::created(&made["introspection_client"]);
    let (id, leave) = (made["id"].as_str().unwrap(), ["--client", &introspecting.id]);
    let forbid = [&["resource-server", "forbid-introspection", id], &leave[..]].concat();
    server.run(&forbid).await.success();
    let again = server.run(&forbid).await;
    assert!(again.code != Some(0), "{again:?}");
    let allowed = server.json(&[&["resource-server", "allow-introspection", "https://other.test"], &leave[..]].concat()).await;
    assert_eq!((&allowed["client_id"], &allowed["resource_server_id"]), (&json!(introspecting.id), &made["id"]));
    let another = Client::created(&server.json(&["resource-server", "allow-introspection", id]).await);
    assert_ne!(another.id, introspecting.id);

    let client = Client::created(&server.json(&["client", "create", "A client", "--id", "a-client"]).await);
    let of_internal = ["--authorization-server", "internal"];
    let granted = server.json(&[&["grant", "create", "a-client", AUDIENCE], &of_internal[..]].concat()).await;
    assert_eq!((&granted["scope"], &granted["audience"]), (&json!("read write"), &json!(AUDIENCE)));
    let narrowed = server.json(&[&["grant", "update", "a-client", AUDIENCE, "--scope", "read"], &of_internal[..]].concat()).await;
    assert_eq!((narrowed["scope"].as_str(), &narrowed["id"]), (Some("read"), &granted["id"]));
    assert_eq!(strings(&server.json(&["grant", "list", "a-client"]).await, "id"), [granted["id"].as_str().unwrap()]);

    let mounted = server.json(&["authorization-server", "mount", "internal", "--base-url", &other]).await;
    assert_eq!(mounted["issuers"], json!([format!("{other}/")]));
    let token_url = format!("{other}/oauth/token");
    let get = ["token", "get", "--token-url", &token_url, "--client-id", "a-client", "--audience", AUDIENCE, "--json"];
    let token = run_with_input(&mut server.command(&get), &client.secret).await.json();
    assert_eq!((token["scope"].as_str(), token["expires_in"].as_i64()), (Some("read"), Some(120)));
    let decoded = server.json(&["token", "decode", token["access_token"].as_str().unwrap()]).await;
    assert_eq!((&decoded["header"]["alg"], &decoded["claims"]["iss"]), (&json!("ES256"), &mounted["issuers"][0]));

    server.run(&["authorization-server", "unmount", "internal", "--base-url", &other, "--yes"]).await.success();
    assert_eq!(server.json(&["authorization-server", "mounts", "internal"]).await["items"].as_array().unwrap().len(), 1);
    server.run(&[&["grant", "delete", "a-client", AUDIENCE, "--yes"], &of_internal[..]].concat()).await.success();
    server.run(&[&["resource-server", "delete", AUDIENCE, "--yes"], &of_internal[..]].concat()).await.success();
    server.run(&["authorization-server", "delete", "internal", "--yes"]).await.success();
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_is_rotated_on_the_database_once_its_successor_was_published_long_enough() {
    let instance = Instance::sqlite().init().await;
    let listed = instance.json(&["signing-key", "list", "--offline"]).await;
    let mut states = strings(&listed, "state");
    states.sort_unstable();
    assert_eq!(states, ["active", "published"]);
    let young = instance.run(&["signing-key", "rotate", "--offline"]).await.refusal();
    assert!(young.contains("rotate again in"), "{young}");
    let database = rusqlite::Connection::open(instance.database_file()).unwrap();
    assert_eq!(database.execute("UPDATE signing_keys SET published_at = published_at - 301000", []).unwrap(), 2);
    drop(database);
    let rotated = instance.json(&["signing-key", "rotate", "--offline"]).await;
    let by_state = |state: &str| {
        listed["items"].as_array().unwrap().iter().find(|item| item["state"] == state).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (rotated["active"].as_str().unwrap(), rotated["retiring"].as_str().unwrap()),
        (&*by_state("published"), &*by_state("active"))
    );
    for (arguments, text) in [
        (&["--authorization-server", "nowhere"][..], "`nowhere`"),
        (&["--signing-alg", "ES384"], "ES384"),
        (&[], rotated["published"].as_str().unwrap()),
    ] {
        let refusal = instance.run(&[&["signing-key", "rotate", "--offline"], arguments].concat()).await.refusal();
        assert!(refusal.contains(text), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_signing_key_is_withdrawn_by_one_command() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("a-client").await;
    let mut server = instance.serve(&["storage.poll_interval_ms=50"]).await;
    let token = server.token(&client).await.token();
    let stolen = instance.bare(&["token", "decode", &token, "--json"]).await.json()["header"]["kid"].clone();
    let stolen = stolen.as_str().unwrap();
    let outcome = instance.json(&["signing-key", "rotate", "--offline", "--emergency", "--successor-too", "--key", stolen]).await;
    assert_eq!(outcome["withdrawn"].as_array().unwrap().len(), 2);
    eventually("the new key", async || {
        let document = server.get("/.well-known/jwks.json").await.json();
        let kids = strings(&json!({ "items": document["keys"] }), "kid").join(" ");
        (!kids.contains(stolen) && kids.contains(outcome["active"].as_str().unwrap())).then_some(())
    })
    .await;
    server.token(&client).await.token();
    let again = instance.run(&["signing-key", "rotate", "--offline", "--emergency", "--key", stolen]).await.refusal();
    assert!(again.contains("is retired"), "{again}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_are_added_and_removed_and_keys_sign_for_as_long_as_said() {
    let instance = Instance::sqlite().init().await;
    let added = instance.json(&["signing-key", "add", "--offline", "--signing-alg", "EdDSA"]).await;
    let listed = instance.json(&["signing-key", "list", "--offline"]).await;
    let mut algs = strings(&listed, "alg");
    algs.sort_unstable();
    assert_eq!(algs, ["EdDSA", "RS256", "RS256"]);
    assert!(strings(&listed, "id").contains(&added["published"].as_str().unwrap()));
    let removed = instance.json(&["signing-key", "remove", "--offline", "--signing-alg", "EdDSA"]).await;
    assert_eq!(removed["removed"], json!([added["published"]]));
    let used = instance.run(&["signing-key", "remove", "--offline", "--signing-alg", "RS256"]).await.refusal();
    assert!(used.contains("RS256 is used by the authorization server default"), "{used}");
    let updated =
        instance.json(&["authorization-server", "update", "default", "--offline", "--rotation-interval-days", "30"]).await;
    assert_eq!(updated["rotation_interval_seconds"], 2_592_000);
    let refused =
        instance.run(&["authorization-server", "update", "default", "--offline", "--rotation-interval-days", "0"]).await.refusal();
    assert!(refused.contains("rotation_interval_seconds"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_is_replaced_while_a_server_with_both_keys_runs() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("a-client").await;
    instance.bare(&["master-key", "create", "new.key"]).await.success();
    let exists = instance.bare(&["master-key", "create", "new.key"]).await.refusal();
    assert!(exists.contains("new.key exists"), "{exists}");
    let both = ["keys.master_key_file=new.key", "keys.previous_master_key_file=master.key", "storage.poll_interval_ms=50"];
    let mut server = instance.serve(&both).await;
    let before = server.token(&client).await.token();
    let rewrap = &["master-key", "rewrap", "--new-master-key-file", "new.key"];
    let missing = instance.run(&["master-key", "rewrap", "--new-master-key-file", "none.key"]).await.refusal();
    assert!(missing.contains("none.key") && missing.contains("does not exist"), "{missing}");
    assert_eq!(instance.json(rewrap).await["sealed_values"], 5);
    assert_eq!(instance.json(rewrap).await["sealed_values"], 0);
    let old = instance.run(&["operator", "list"]).await.refusal();
    assert!(old.contains("the master key is not the one"), "{old}");
    assert_eq!(server.get("/health/ready").await.status, StatusCode::OK);
    server.process.stop().await;
    let mut server = instance.serve(&["keys.master_key_file=new.key"]).await;
    let after = server.token(&client).await.token();
    let kid = async |token: &str| instance.bare(&["token", "decode", token, "--json"]).await.json()["header"]["kid"].clone();
    assert_eq!(kid(&before).await, kid(&after).await);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_without_a_gap() {
    let (_instance, mut server) = served().await;
    let client = server.client("rotating-client").await;
    let second = server.json(&["credential", "create", &client.id, "--label", "second"]).await;
    let new = Client { secret: second["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
    assert_eq!(server.token(&client).await.status, StatusCode::OK);
    assert_eq!(server.token(&new).await.status, StatusCode::OK);
    let listed = server.json(&["credential", "list", &client.id]).await;
    let first = listed["items"].as_array().unwrap().iter().find(|item| item["label"] != "second").unwrap()["id"].clone();
    server.run(&["credential", "revoke", &client.id, first.as_str().unwrap()]).await.success();
    assert_eq!(server.token(&client).await.refusal(), "invalid_client");

    let rotate = ["credential", "rotate", &client.id, second["id"].as_str().unwrap(), "--overlap-seconds", "3600"];
    let third = server.json(&rotate).await;
    let newest = Client { secret: third["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
    for overlapping in [&new, &newest] {
        assert_eq!(server.token(overlapping).await.status, StatusCode::OK);
    }
    let table = server.run(&["credential", "list", &client.id]).await.success();
    for state in ["active", "revoked", "rotated"] {
        assert!(table.contains(&format!(" {state} ")), "{table}");
    }
    let id = third["id"].as_str().unwrap();
    let changed = server.json(&["credential", "update", &client.id, id, "--expires-at", "2030-01-01T00:00:00Z"]).await;
    assert_eq!(changed["expires_at"], "2030-01-01T00:00:00.000Z");
    let cleared = server.json(&["credential", "update", &client.id, id, "--clear-expires-at", "--label", "third"]).await;
    assert_eq!((&cleared["expires_at"], &cleared["label"]), (&Value::Null, &json!("third")));
    assert_eq!(server.json(&["credential", "show", &client.id, id]).await["label"], "third");
    let twice = server.run(&rotate).await.refusal();
    assert!(twice.contains("was rotated already"), "{twice}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_replaces_its_own_secret_in_its_profile() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let file = folder.path().join("config/countersign/profiles.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let countersign = async |arguments: &[&str]| run(command(BINARY, folder.path()).args(arguments)).await;
    let rotated = countersign(&["credential", "rotate-own", "--overlap-seconds", "0"]).await;
    assert!(rotated.stderr.contains("the profile `dev`") && !rotated.stdout.contains("csec_"), "{rotated:?}");
    rotated.success();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), before);
    countersign(&["client", "list"]).await.success();
    // The old one is over.
    std::fs::write(&file, before).unwrap();
    assert!(countersign(&["client", "list"]).await.refusal().contains("invalid_client"));
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_are_managed_through_the_server() {
    let (_instance, mut server) = served().await;
    let client = server.client("a-client").await;
    let added = server.json(&["signing-key", "add", "--signing-alg", "ES256"]).await;
    let listed = server.json(&["signing-key", "list"]).await;
    assert!(strings(&listed, "id").contains(&added["published"].as_str().unwrap()), "{listed}");
    server.run(&["signing-key", "remove", "--signing-alg", "ES256"]).await.success();
    let young = server.run(&["signing-key", "rotate"]).await.refusal();
    assert!(young.contains("rotate again in"), "{young}");
    let token = server.token(&client).await.token();
    let stolen = server.json(&["token", "decode", &token]).await["header"]["kid"].as_str().unwrap().to_owned();
    let outcome = server.json(&["signing-key", "rotate", "--emergency", "--successor-too", "--key", &stolen]).await;
    assert_eq!(outcome["withdrawn"].as_array().unwrap().len(), 2);
    assert_ne!(outcome["active"], stolen.as_str());
    let unknown = server.run(&["signing-key", "rotate", "--key", "sk_none"]).await.refusal();
    assert!(unknown.contains("sk_none"), "{unknown}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_keys_are_listed_rotated_and_withdrawn_with_and_without_a_server() {
    let (instance, mut server) = served().await;
    let first = strings(&server.json(&["token-key", "list"]).await, "id")[0].to_owned();
    let rotated = server.json(&["token-key", "rotate", "--key", &first]).await;
    assert_eq!((rotated["active"].as_str(), &rotated["withdrawn"]), (Some(&*first), &json!([])));
    let again = server.run(&["token-key", "rotate"]).await.refusal();
    assert!(again.contains("has a successor already"), "{again}");
    let listed = server.json(&["token-key", "list"]).await;
    assert_eq!(strings(&listed, "state"), ["active", "waiting"]);
    let outcome = server.json(&["token-key", "rotate", "--emergency", "--key", &first]).await;
    assert_eq!(outcome["withdrawn"], json!([first, rotated["successor"]]));
    let gone = server.run(&["token-key", "rotate", "--emergency", "--key", &first]).await.refusal();
    assert!(gone.contains("is destroyed"), "{gone}");
    let unknown = server.run(&["token-key", "rotate", "--key", "tk_none"]).await.refusal();
    assert!(unknown.contains("tk_none"), "{unknown}");
    server.process.stop().await;

    let listed = instance.json(&["token-key", "list", "--offline"]).await;
    assert_eq!(strings(&listed, "id"), [outcome["active"].as_str().unwrap()]);
    let offline = instance.json(&["token-key", "rotate", "--offline", "--emergency"]).await;
    assert_eq!(offline["withdrawn"], json!([outcome["active"]]));
    let text = instance.run(&["token-key", "rotate", "--offline"]).await.success();
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!((words.len(), words[1], words[5]), (6, offline["active"].as_str().unwrap(), "none"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_revoked_through_the_server() {
    let (_instance, mut server) = served().await;
    let client = server.client("revoked-client").await;
    let decoded = server.json(&["token", "decode", &server.token(&client).await.token()]).await;
    let (kid, cred) = (decoded["header"]["kid"].as_str().unwrap(), decoded["claims"]["cred"].as_str().unwrap());
    for arguments in
        [&["subject", "someone"][..], &["audience", AUDIENCE], &["key", kid], &["all", "--authorization-server", "default"]]
    {
        assert!(server.json(&[&["revoke"], arguments].concat()).await["revoked_at"].is_string(), "{arguments:?}");
    }
    let kinds = server.json(&["revoke", "list"]).await;
    let mut kinds = strings(&kinds, "kind");
    kinds.sort_unstable();
    assert_eq!(kinds, ["all", "aud", "kid", "sub"]);
    let token = server.token(&client).await.token();
    let revoked = run_with_input(&mut server.command(&["revoke", "token", "-", "--json"]), &token).await.json();
    assert_eq!(revoked["kind"], "token");
    server.run(&["revoke", "credential", &client.id, cred]).await.success();
    assert_eq!(server.token(&client).await.refusal(), "invalid_client");
    server.run(&["revoke", "client", &client.id]).await.success();
    assert!(server.json(&["client", "show", &client.id]).await["disabled_at"].is_string());
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_found_through_the_server_and_on_the_database() {
    let (instance, mut server) = served().await;
    server.client("a-client").await;
    let whole = server.run(&["audit", "verify"]).await;
    let noted = whole.stderr.split_whitespace().find(|word| word.contains(':')).unwrap().trim_end_matches(';').to_owned();
    assert!(whole.stdout.contains("whole   yes"), "{whole:?}");
    server.client_named("later-client").await;
    for arguments in [&["audit", "verify", "--noted", &noted][..], &["audit", "verify", "--offline", "--noted", &noted]] {
        assert_eq!(server.json(arguments).await["whole"], true, "{arguments:?}");
    }
    let (seq, hash) = noted.split_once(':').unwrap();
    let other = format!("{seq}:{}", hash.chars().rev().collect::<String>());
    for arguments in [&["audit", "verify", "--noted", &other][..], &["audit", "verify", "--offline", "--noted", &other]] {
        let refusal = server.run(arguments).await.refusal();
        assert!(refusal.contains("the log was rewritten"), "{refusal}");
    }
    let last = server.json(&["audit", "list", "--last", "1"]).await;
    assert_eq!((&last["items"][0]["action"], &last["items"][0]["object_id"]), (&json!("client.created"), &json!("later-client")));

    let database = rusqlite::Connection::open(instance.database_file()).unwrap();
    database.execute("UPDATE audit_events SET object_id = 'someone' WHERE seq = 3", []).unwrap();
    for arguments in [&["audit", "verify"][..], &["audit", "verify", "--offline"]] {
        let refusal = server.run(arguments).await.refusal();
        assert!(refusal.contains("event 3 was changed"), "{refusal}");
    }
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_value_and_exits_with_1() {
    let (_instance, mut server) = served().await;
    server.client("known-client").await;
    let cases: &[(&[&str], &[&str])] = &[
        (&["client", "create", "x", "--id", "known-client"], &["known-client", "exists already", "CS-"]),
        (&["client", "create", ""], &["`name`", "/name"]),
        (&["client", "disable", "unknown-client"], &["there is no client `unknown-client`", "request "]),
        (&["client", "update", "known-client"], &["nothing to change"]),
        (&["client", "update", "known-client", "--organization", "org_none"], &["org_none"]),
        (&["organization", "show", ".."], &["`..` is no id"]),
        (&["resource-server", "create", AUDIENCE], &[AUDIENCE, "exists already"]),
        (&["resource-server", "create", "https://b.test", "--authorization-server", "nowhere"], &["nowhere"]),
        (&["resource-server", "create", "https://b.test", "--token-lifetime-seconds", "59"], &["`59`", "60 to 86400"]),
        (&["resource-server", "show", "rs_none"], &["rs_none"]),
        (&["grant", "create", "known-client", "https://none.test"], &["https://none.test"]),
        (&["grant", "create", "unknown-client", AUDIENCE], &["there is no client `unknown-client`"]),
        (&["grant", "create", "known-client", AUDIENCE], &["known-client", "exists already"]),
        (&["grant", "create", "known-client", AUDIENCE, "--scope", "delete:all"], &["delete:all", "list:users"]),
        (&["grant", "show", "unknown-client", AUDIENCE], &["there is no client `unknown-client`"]),
        (&["authorization-server", "create", "default"], &["`default`", "exists already"]),
        (&["authorization-server", "mount", "default", "--base-url", "https://x.test"], &["https://x.test"]),
        (&["client", "list", "--profile", "none"], &["there is no profile `none`"]),
    ];
    for (arguments, texts) in cases {
        let refusal = server.run(arguments).await.refusal();
        for text in *texts {
            assert!(refusal.starts_with("error: ") && refusal.contains(text), "{arguments:?}: no `{text}` in: {refusal}");
        }
        let json = run(server.command(arguments).arg("--json")).await;
        let value: Value = serde_json::from_str(&json.stdout).unwrap();
        let first = format!("error: {}", value["error"].as_str().unwrap().lines().next().unwrap());
        assert_eq!((json.code, Some(&*first)), (Some(1), refusal.lines().next()), "{arguments:?}");
    }
    for (arguments, text) in [
        (&["client", "disable", "no"][..], "'no'"),
        (&["resource-server", "create", "not an audience"], "'not an audience'"),
        (&["authorization-server", "create", "V1", "--signing-alg", "RS256"], "'V1'"),
        (&["authorization-server", "create", "ok", "--signing-alg", "HS256"], "'HS256'"),
        (&["client", "update", "some-client", "--external-id", "x", "--clear-external-id"], "--clear-external-id"),
        (&["operator", "list", "--set", "log.level"], "'log.level'"),
        (&["client", "list", "--nonsense"], "'--nonsense'"),
        (&["nonsense"], "'nonsense'"),
    ] {
        let refusal = server.run(arguments).await.refusal();
        assert!(refusal.contains(text), "{refusal}");
    }
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lacks_a_right_is_told_which() {
    let (_instance, mut server) = served().await;
    let reader = Client::created(&server.json(&["client", "create", "Reader", "--id", "reader-client"]).await);
    server.run(&["grant", "create", "reader-client", "rs_management", "--scope", "clients:read"]).await.success();
    let as_reader = |arguments: &[&str]| {
        let mut command = server.command(arguments);
        command.env("COUNTERSIGN_CLIENT_ID", &reader.id).env("COUNTERSIGN_CLIENT_SECRET", &reader.secret);
        command
    };
    run(&mut as_reader(&["client", "list"])).await.success();
    let refusal = run(&mut as_reader(&["client", "create", "x"])).await.refusal();
    assert!(refusal.contains("hint: this client lacks `clients:write`"), "{refusal}");
    let mut wrong = as_reader(&["client", "list"]);
    let refusal = run(wrong.env("COUNTERSIGN_CLIENT_SECRET", "csec_wrong")).await.refusal();
    assert!(refusal.contains("invalid_client") && refusal.contains("COUNTERSIGN_") && !refusal.contains("csec_wrong"), "{refusal}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_and_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let countersign = |arguments: &[&str]| {
        let mut command = command(BINARY, folder.path());
        command.args(arguments);
        command
    };
    // The env file of the data folder is found without being named.
    let token = run(&mut countersign(&["token", "get", "--scope", "read:users"])).await.success().trim().to_owned();
    let response = run(&mut countersign(&["token", "get", "--json"])).await.json();
    assert_eq!((response["token_type"].as_str(), response["scope"].as_str()), (Some("Bearer"), Some("list:users read:users")));
    let other =
        ["token", "get", "--audience", "api://default", "--token-url", &format!("{}/oauth2/default/v1/token", dev.env["BASE_URL"])];
    let other = run(&mut countersign(&other)).await.success();

    let decoded = run(&mut countersign(&["token", "decode", &token, "--json"])).await.json();
    assert_eq!((decoded["claims"]["scope"].as_str(), decoded["header"]["typ"].as_str()), (Some("read:users"), Some("at+jwt")));
    let decoded = run_with_input(&mut countersign(&["token", "decode", "-", "--json"]), &other).await.json();
    assert_eq!(decoded["claims"]["aud"], "api://default");
    let text = run_with_input(&mut countersign(&["token", "decode", "-"]), &token).await;
    assert!(text.stdout.contains("exp is ") && text.stderr.contains("The signature was not checked"), "{text:?}");

    for (arguments, text) in [
        (&["token", "get", "--scope", "delete:all"][..], "invalid_scope"),
        (&["token", "get", "--audience", "https://none.test"], "invalid_target"),
        (&["token", "get", "--env-file", "none.env"], "none.env"),
        (&["token", "get", "--token-url", "http://127.0.0.1:1/oauth/token"], "http://127.0.0.1:1/oauth/token"),
        (&["token", "get", "--token-url", "http://auth.example.com/oauth/token"], "http://auth.example.com/oauth/token"),
    ] {
        let refusal = run(&mut countersign(arguments)).await.refusal();
        assert!(refusal.contains(text), "{refusal}");
        assert!(!refusal.contains(&dev.env["CLIENT_SECRET"]), "{refusal}");
    }
    for no_token in ["", "a.b.c", "not a token", &format!("{token}=")] {
        let refusal = run_with_input(&mut countersign(&["token", "decode", "-"]), no_token).await;
        assert_eq!(refusal.code, Some(1), "{refusal:?}");
    }
    assert_eq!(dev.token().await.status, StatusCode::OK);
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_help_of_every_command_lists_its_options() {
    let mut definition = countersign::cli::definition();
    definition.build();
    definition.clone().debug_assert();
    let mut paths = Vec::new();
    collect(&definition, &[], &mut paths);
    assert!(paths.len() >= 60, "{}", paths.len());
    let folder = tempfile::tempdir().unwrap();
    for (path, expected) in paths {
        let help = run(command(BINARY, folder.path()).args(&path).arg("--help")).await.success();
        for text in expected {
            assert!(help.contains(&text), "no `{text}` in the help of {path:?}: {help}");
        }
    }
}

/// Every command with what its help must name.
fn collect(command: &clap::Command, path: &[String], found: &mut Vec<(Vec<String>, Vec<String>)>) {
    let options = command.get_arguments().filter_map(|argument| argument.get_long()).map(|long| format!("--{long}"));
    let subcommands =
        command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).map(|subcommand| subcommand.get_name().to_owned());
    found.push((path.to_vec(), options.chain(subcommands).collect()));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        collect(subcommand, &[path, &[subcommand.get_name().to_owned()]].concat(), found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_help_is_a_command_that_exists() {
    let mut definition = countersign::cli::definition();
    definition.build();
    let mut examples = Vec::new();
    collect_examples(&definition, &mut examples);
    assert!(examples.len() >= 30, "{}", examples.len());
    for example in examples {
        for command in example.split(" | ") {
            let alone = command.split(" > ").next().and_then(|command| command.split(" < ").next()).unwrap();
            let words = words(alone);
            definition.clone().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }
}

fn collect_examples(command: &clap::Command, found: &mut Vec<String>) {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    found.extend(help.lines().map(str::trim).filter(|line| line.starts_with("countersign ")).map(str::to_owned));
    for subcommand in command.get_subcommands() {
        collect_examples(subcommand, found);
    }
}

/// The words of a command, quoted or not.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_and_the_reference_page_are_what_the_program_is() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(command(BINARY, folder.path()).args(["completions", shell])).await.success();
        assert!(script.contains("organization") && script.contains("rotate-own"), "{shell}");
    }
    let bash = run(command(BINARY, folder.path()).args(["completions", "bash"])).await.success();
    run_with_input(command("bash", folder.path()).arg("-n"), &bash).await.success();
    let printed = run(command(BINARY, folder.path()).arg("reference")).await.success();
    let page = std::fs::read_to_string(crate::support::workspace().join("docs/reference/cli.md")).unwrap();
    assert!(printed == page, "run `cargo xtask docs`");
}
