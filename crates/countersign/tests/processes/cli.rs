//! The command line: every noun on a new instance, errors that name what is wrong,
//! help for everything.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, BINARY, Client, Dev, Instance, command, eventually, free_port, run, run_with_input};

fn strings<'a>(items: &'a Value, member: &str) -> Vec<&'a str> {
    items["items"].as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_created_listed_disabled_and_enabled() {
    let instance = Instance::sqlite().init().await;
    let made = instance.json(&["client", "create", "Billing", "--id", "billing"]).await;
    assert_eq!(made["client_id"], "billing");
    assert!(made["client_secret"].as_str().unwrap().starts_with("csec_"), "{made}");
    assert!(made["credential_id"].as_str().unwrap().starts_with("cred_"), "{made}");
    let without_id = instance.json(&["client", "create", "Another"]).await;
    assert!(without_id["client_id"].as_str().unwrap().starts_with("cli_"), "{without_id}");
    for (verb, disabled) in [("disable", true), ("enable", false)] {
        assert_eq!(instance.json(&["client", verb, "billing"]).await["disabled"], disabled);
        let listed = instance.json(&["client", "list"]).await;
        let billing = listed["items"].as_array().unwrap().iter().find(|item| item["client_id"] == "billing").unwrap().clone();
        assert_eq!((billing["name"].as_str(), billing["disabled"].as_bool()), (Some("Billing"), Some(disabled)));
    }
    let text = instance.run(&["client", "list"]).await.success();
    assert!(text.starts_with("client_id") && text.contains("billing") && text.contains("enabled"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_servers_resource_servers_and_grants_are_created_and_work() {
    let instance = Instance::sqlite().init().await;
    let made = instance.json(&["authorization-server", "create", "internal", "--signing-alg", "ES256"]).await;
    assert_eq!((made["id"].as_str(), made["signing_alg"].as_str()), (Some("internal"), Some("ES256")));
    assert_eq!(strings(&instance.json(&["authorization-server", "list"]).await, "id"), ["default", "internal"]);

    let create = ["resource-server", "create", AUDIENCE, "--authorization-server", "internal"];
    let details = ["--scope", "read=Read it", "--scope", "write", "--token-lifetime-seconds", "120"];
    let made = instance.json(&[&create[..], &details].concat()).await;
    assert_eq!(made["token_lifetime_seconds"], 120);
    let listed = instance.json(&["resource-server", "list"]).await;
    assert_eq!(listed["items"][0]["scopes"], serde_json::json!(["read", "write"]), "{listed}");

    let created = instance.json(&["client", "create", "A client", "--id", "a-client"]).await;
    let granted =
        instance.json(&["grant", "create", "a-client", AUDIENCE, "--authorization-server", "internal", "--scope", "read"]).await;
    assert_eq!(granted["scope"], "read");

    let port = free_port();
    let base = format!("http://localhost:{port}");
    let mounted = run(instance
        .command(&["authorization-server", "mount", "internal", "--base-url", &base, "--json"])
        .args(["--set", &format!("server.base_urls={base}")]))
    .await
    .json();
    assert_eq!(mounted["issuer"], format!("{base}/"));
    let mut server = instance.serve_as(port, port, &[]).await;
    let secret = created["client_secret"].as_str().unwrap();
    let reply = server.connect().await.token("a-client", secret, AUDIENCE).await;
    assert_eq!((reply.json()["scope"].as_str(), reply.json()["expires_in"].as_i64()), (Some("read"), Some(120)));
    let decoded = instance.bare(&["token", "decode", &reply.token(), "--json"]).await.json();
    assert_eq!((decoded["header"]["alg"].as_str(), decoded["claims"]["iss"].as_str()), (Some("ES256"), mounted["issuer"].as_str()));
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signing_key_is_rotated_once_its_successor_was_published_long_enough() {
    let instance = Instance::sqlite().init().await;
    let listed = instance.json(&["signing-key", "list"]).await;
    let mut states = strings(&listed, "state");
    states.sort_unstable();
    assert_eq!(states, ["active", "published"]);
    let young = instance.run(&["signing-key", "rotate"]).await.refusal();
    assert!(young.contains("rotate again in"), "{young}");
    let database = rusqlite::Connection::open(instance.database_file()).unwrap();
    assert_eq!(database.execute("UPDATE signing_keys SET published_at = published_at - 301000", []).unwrap(), 2);
    drop(database);
    let rotated = instance.json(&["signing-key", "rotate"]).await;
    let by_state = |state: &str| {
        listed["items"].as_array().unwrap().iter().find(|item| item["state"] == state).unwrap()["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (rotated["active"].as_str().unwrap(), rotated["retiring"].as_str().unwrap()),
        (&*by_state("published"), &*by_state("active"))
    );
    let listed = instance.json(&["signing-key", "list"]).await;
    let mut states = strings(&listed, "state");
    states.sort_unstable();
    assert_eq!(states, ["active", "published", "retiring"]);
    let again = instance.run(&["signing-key", "rotate"]).await.refusal();
    assert!(again.contains(rotated["published"].as_str().unwrap()), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compromised_signing_key_is_withdrawn_by_one_command() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("a-client").await;
    let mut server = instance.serve(&["storage.poll_interval_ms=50"]).await;
    let token = server.token(&client).await.token();
    let stolen = instance.bare(&["token", "decode", &token, "--json"]).await.json()["header"]["kid"].clone();
    let stolen = stolen.as_str().unwrap();
    let outcome = instance.json(&["signing-key", "rotate", "--emergency", "--successor-too", "--key", stolen]).await;
    assert_eq!(outcome["withdrawn"].as_array().unwrap().len(), 2);
    eventually("the new key", async || {
        let document = server.get("/.well-known/jwks.json").await.json();
        let kids = strings(&json!({ "items": document["keys"] }), "kid").join(" ");
        (!kids.contains(stolen) && kids.contains(outcome["active"].as_str().unwrap())).then_some(())
    })
    .await;
    server.token(&client).await.token();
    let again = instance.run(&["signing-key", "rotate", "--emergency", "--key", stolen]).await.refusal();
    assert!(again.contains("is retired"), "{again}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn algorithms_are_added_and_removed_and_keys_sign_for_as_long_as_said() {
    let instance = Instance::sqlite().init().await;
    let added = instance.json(&["signing-key", "add", "--signing-alg", "EdDSA"]).await;
    let listed = instance.json(&["signing-key", "list"]).await;
    let mut algs = strings(&listed, "alg");
    algs.sort_unstable();
    assert_eq!(algs, ["EdDSA", "RS256", "RS256"]);
    assert!(strings(&listed, "id").contains(&added["published"].as_str().unwrap()));
    let removed = instance.json(&["signing-key", "remove", "--signing-alg", "EdDSA"]).await;
    assert_eq!(removed["removed"], json!([added["published"]]));
    let used = instance.run(&["signing-key", "remove", "--signing-alg", "RS256"]).await.refusal();
    assert!(used.contains("RS256 is used by the authorization server default"), "{used}");
    let updated = instance.json(&["authorization-server", "update", "default", "--rotation-interval-days", "30"]).await;
    assert_eq!(updated["rotation_interval_seconds"], 2_592_000);
    let refused = instance.run(&["authorization-server", "update", "default", "--rotation-interval-days", "0"]).await.refusal();
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
    assert_eq!(instance.json(rewrap).await["sealed_values"], 4);
    assert_eq!(instance.json(rewrap).await["sealed_values"], 0);
    let old = instance.run(&["client", "list"]).await.refusal();
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
async fn an_error_names_the_value_and_exits_with_1_and_wrong_usage_with_2() {
    let instance = Instance::sqlite().init().await;
    instance.client("known-client").await;
    let cases: &[(&[&str], &[&str])] = &[
        (&["client", "create", "x", "--id", "known-client"], &["known-client", "exists already"]),
        (&["client", "create", ""], &["`name`"]),
        (&["client", "disable", "unknown-client"], &["there is no client `unknown-client`"]),
        (&["client", "enable", "unknown-client"], &["there is no client `unknown-client`"]),
        (&["resource-server", "create", AUDIENCE], &[AUDIENCE, "exists already"]),
        (&["resource-server", "create", "https://b.test", "--authorization-server", "nowhere"], &["nowhere"]),
        (&["resource-server", "create", "https://b.test", "--token-lifetime-seconds", "59"], &["`59`", "60 to 86400"]),
        (&["grant", "create", "known-client", "https://none.test"], &["https://none.test"]),
        (&["grant", "create", "unknown-client", AUDIENCE], &["there is no client `unknown-client`"]),
        (&["grant", "create", "known-client", AUDIENCE], &["known-client", "exists already"]),
        (&["grant", "create", "known-client", AUDIENCE, "--scope", "delete:all"], &["delete:all", "list:users"]),
        (&["authorization-server", "create", "default"], &["`default`", "exists already"]),
        (&["authorization-server", "mount", "default", "--base-url", "https://x.test"], &["https://x.test"]),
        (&["signing-key", "rotate", "--authorization-server", "nowhere"], &["`nowhere`"]),
        (&["signing-key", "rotate", "--signing-alg", "ES384"], &["ES384"]),
    ];
    for (arguments, texts) in cases {
        let refusal = instance.run(arguments).await.refusal();
        for text in *texts {
            assert!(refusal.starts_with("error: ") && refusal.contains(text), "{arguments:?}: no `{text}` in: {refusal}");
        }
        let json = run(instance.command(arguments).arg("--json")).await;
        let value: Value = serde_json::from_str(&json.stdout).unwrap();
        assert_eq!((json.code, format!("error: {}\n", value["error"].as_str().unwrap())), (Some(1), refusal), "{arguments:?}");
    }
    for (arguments, text) in [
        (&["client", "disable", "no"][..], "'no'"),
        (&["resource-server", "create", "not an audience"], "'not an audience'"),
        (&["authorization-server", "create", "V1", "--signing-alg", "RS256"], "'V1'"),
        (&["authorization-server", "create", "ok", "--signing-alg", "HS256"], "'HS256'"),
        (&["client", "list", "--set", "log.level"], "'log.level'"),
        (&["client", "list", "--nonsense"], "'--nonsense'"),
        (&["nonsense"], "'nonsense'"),
    ] {
        let finished = instance.bare(arguments).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(finished.stderr.contains(text), "{finished:?}");
    }
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
    assert!(paths.len() >= 25, "{}", paths.len());
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
    let subcommands = command.get_subcommands().map(|subcommand| subcommand.get_name().to_owned());
    found.push((path.to_vec(), options.chain(subcommands).collect()));
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        collect(subcommand, &[path, &[subcommand.get_name().to_owned()]].concat(), found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_without_a_gap() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("rotating-client").await;
    let second = instance.json(&["credential", "create", &client.id, "--label", "second"]).await;
    let new = Client { secret: second["client_secret"].as_str().unwrap().to_owned(), ..client.clone() };
    let mut server = instance.serve(&["storage.poll_interval_ms=50"]).await;
    assert_eq!(server.token(&client).await.status, StatusCode::OK);
    assert_eq!(server.token(&new).await.status, StatusCode::OK);
    let listed = instance.json(&["credential", "list", &client.id]).await;
    let first = listed["items"].as_array().unwrap().iter().find(|item| item["label"] == "first").unwrap()["id"].clone();
    instance.run(&["credential", "revoke", &client.id, first.as_str().unwrap()]).await.success();
    eventually("the old secret is refused", async || (server.token(&client).await.status == 401).then_some(())).await;
    assert_eq!(server.token(&new).await.status, StatusCode::OK);
    let again = instance.run(&["credential", "revoke", &client.id, first.as_str().unwrap()]).await.refusal();
    assert!(again.contains("there is no credential"), "{again}");
    server.process.stop().await;
}
