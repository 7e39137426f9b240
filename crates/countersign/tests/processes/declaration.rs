//! `export`, `plan`, `apply`, `backup` and `restore`, as an operator uses them.

use countersign_protocol::jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::support::{Client, Instance, Server};

const FILE: &str = r#"
format = 1

[[resource_server]]
audience = "https://orders.test"
name = "Orders"
token_format = "opaque"
scopes = [{ scope = "read", description = "Read orders" }, { scope = "write" }]

[[organization]]
name = "Acme"

[[role]]
name = "reader"
permissions = ["orders.read"]

[[client]]
client_id = "acme-orders"
name = "Acme orders"
organization = "Acme"
metadata = { tier = "gold" }

[client.key_policy]
roles = ["reader"]
limits = [{ name = "reads", limit = 100, duration_seconds = 60 }]

[[client.grant]]
audience = "https://orders.test"
scope = "read"
"#;

fn steps(planned: &Value) -> Vec<String> {
    let steps = planned["steps"].as_array().unwrap();
    steps.iter().map(|step| format!("{} {}", step["action"].as_str().unwrap(), step["kind"].as_str().unwrap())).collect()
}

async fn plan(server: &Server, file: &str, more: &[&str]) -> Value {
    server.json(&[&["plan", file], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_makes_an_instance_and_another_one_the_same() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&[]).await;
    let file = instance.folder().join("wanted.toml");
    std::fs::write(&file, FILE).unwrap();
    let file = file.to_str().unwrap();

    let created = ["create resource server", "create organization", "create role", "create client", "create grant"];
    assert_eq!(steps(&plan(&server, file, &[]).await), created);
    // Nobody is there to be asked.
    let refusal = server.run(&["apply", file]).await.refusal();
    assert!(refusal.contains("add --yes"), "{refusal}");
    let applied = server.run(&["apply", file, "--yes", "--json"]).await;
    assert!(applied.stderr.contains("5/5 + grant acme-orders -> https://orders.test"), "{applied:?}");
    assert!(applied.stderr.contains("countersign credential create acme-orders"), "{applied:?}");
    assert_eq!(applied.json(), json!({ "steps": 5, "without_credential": ["acme-orders"] }));
    assert_eq!(server.json(&["credential", "list", "acme-orders"]).await["items"], json!([]));
    assert_eq!(steps(&plan(&server, file, &[]).await), [""; 0]);

    // A change shows what changes; what the file lost stays unless it is pruned.
    let changed = FILE.replace("scope = \"read\"\n", "scope = \"read write\"\n").replace("[[organization]]\nname = \"Acme\"\n", "");
    std::fs::write(file, changed.replace("organization = \"Acme\"\n", "disabled = true\n")).unwrap();
    let planned = plan(&server, file, &[]).await;
    assert_eq!(steps(&planned), ["update client", "update client", "update grant"]);
    assert!(planned["kept"].as_array().unwrap().contains(&json!("organization Acme")), "{planned}");
    assert!(steps(&plan(&server, file, &["--prune"]).await).contains(&"delete organization".to_owned()));
    server.run(&["apply", file, "--yes"]).await.success();
    assert!(server.json(&["client", "show", "acme-orders"]).await["disabled_at"].is_string());

    // What is exported here makes the same there, and no secret travels.
    let exported = instance.folder().join("exported.toml");
    let exported = exported.to_str().unwrap();
    server.run(&["export", exported]).await.success();
    let text = std::fs::read_to_string(exported).unwrap();
    assert!(text.contains("token_format = \"opaque\""), "{text}");
    assert!(text.contains("acme-orders") && !text.contains("csec_") && !text.contains("rs_management"), "{text}");
    assert_eq!(steps(&plan(&server, exported, &["--prune"]).await), [""; 0]);
    let other = Instance::sqlite().init().await;
    let mut there = other.serve(&[]).await;
    there.run(&["apply", exported, "--yes"]).await.success();
    assert_eq!(steps(&plan(&there, exported, &[]).await), [""; 0]);

    let broken = instance.folder().join("broken.toml");
    std::fs::write(&broken, format!("{FILE}\nclient_secret = \"x\"")).unwrap();
    let refusal = server.run(&["plan", broken.to_str().unwrap()]).await.refusal();
    assert!(refusal.contains("broken.toml is no declaration") && refusal.contains("client_secret"), "{refusal}");
    there.process.stop().await;
    server.process.stop().await;
}

fn jwk(kid: &str) -> Value {
    let key = SigningKey::from_pkcs8(Algorithm::ES256, &SigningKey::generate(Algorithm::ES256).unwrap()).unwrap();
    serde_json::to_value(key.public_jwk(kid)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn public_keys_are_declared_exported_and_pruned_and_private_ones_never_shown() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&[]).await;
    let path = instance.folder().join("keys.toml");
    let file = path.to_str().unwrap();
    let set = json!({ "keys": [jwk("a"), jwk("b")] });
    let client =
        "format = 1\n[[client]]\nclient_id = 'signer-1'\nname = 'Signer'\ntoken_endpoint_auth_method = 'private_key_jwt'\n";
    let set_entry = format!("[[client.credential]]\nlabel = '2026'\nexpires_at = 2099-01-31T12:00:00+02:00\njwks = '{set}'\n");
    let uri_entry =
        "[[client.credential]]\nlabel = 'there'\njwks_uri = 'https://keys.example/jwks'\nnot_before = '2026-01-01T00:00:00Z'\n";
    std::fs::write(&path, format!("{client}{set_entry}{uri_entry}")).unwrap();

    let applied = server.run(&["apply", file, "--yes", "--json"]).await;
    assert!(applied.stderr.contains("2/3 + credential signer-1 -> 2026 (keys a, b)"), "{applied:?}");
    assert_eq!(applied.json(), json!({ "steps": 3, "without_credential": [] }));
    let listed = server.json(&["credential", "list", "signer-1"]).await;
    let kinds: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|credential| &credential["kind"]).collect();
    assert_eq!(kinds, ["jwks", "jwks_uri"], "{listed}");
    assert_eq!(steps(&plan(&server, file, &["--prune"]).await), [""; 0]);

    // As it is exported it is the same, here and in another instance.
    let exported = instance.folder().join("exported.toml");
    let exported = exported.to_str().unwrap();
    server.run(&["export", exported]).await.success();
    assert_eq!(steps(&plan(&server, exported, &["--prune"]).await), [""; 0]);
    let other = Instance::sqlite().init().await;
    let mut there = other.serve(&[]).await;
    there.run(&["apply", exported, "--yes"]).await.success();
    assert_eq!(steps(&plan(&there, file, &["--prune"]).await), [""; 0]);
    there.process.stop().await;

    // What the file lost stays unless it is pruned, and is not registered again by mistake.
    std::fs::write(&path, format!("{client}{uri_entry}")).unwrap();
    let kept = plan(&server, file, &[]).await;
    assert_eq!((steps(&kept), &kept["kept"]), (Vec::new(), &json!(["credential signer-1 -> 2026 (keys a, b)"])));
    server.run(&["apply", file, "--yes", "--prune"]).await.success();
    std::fs::write(&path, format!("{client}{set_entry}{uri_entry}")).unwrap();
    let revoked = plan(&server, file, &["--prune"]).await;
    assert_eq!((steps(&revoked), &revoked["revoked"]), (Vec::new(), &json!(["signer-1 -> 2026 (keys a, b)"])));

    let mut private = set.clone();
    private["keys"][1]["d"] = json!("c2VjcmV0LXZhbHVl");
    std::fs::write(&path, format!("{client}[[client.credential]]\nlabel = 'x'\njwks = '{private}'")).unwrap();
    for command in [&["plan", file][..], &["apply", file, "--yes"]] {
        let refused = server.run(command).await;
        assert!(!refused.stdout.contains("c2VjcmV0") && !refused.stderr.contains("c2VjcmV0"), "{refused:?}");
        let refusal = refused.refusal();
        assert!(refusal.contains("line 8: `jwks` has public keys only: key 2 is not a public key: `d`"), "{refusal}");
    }
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_made_only_when_asked_for_and_only_into_a_new_file_of_their_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&[]).await;
    let file = instance.folder().join("wanted.toml");
    let signer = "[[client]]\nclient_id = 'signer-1'\nname = 'Signer'\ntoken_endpoint_auth_method = 'private_key_jwt'\n";
    std::fs::write(&file, format!("{FILE}\n{signer}")).unwrap();
    let secrets = instance.folder().join("secrets");
    let (file, path) = (file.to_str().unwrap(), secrets.to_str().unwrap());

    std::fs::write(&secrets, "mine").unwrap();
    let refusal = server.run(&["apply", file, "--yes", "--secrets-file", path]).await.refusal();
    assert!(refusal.contains("must not exist"), "{refusal}");
    assert_eq!(std::fs::read_to_string(&secrets).unwrap(), "mine");
    assert_eq!(steps(&plan(&server, file, &[]).await).len(), 6, "nothing was done");
    std::fs::remove_file(&secrets).unwrap();

    // A step that fails leaves no file that would be in the way the next time.
    std::fs::write(file, FILE.replace("scope = \"read\"\n", "scope = \"nothing\"\n")).unwrap();
    let refusal = server.run(&["apply", file, "--yes", "--secrets-file", path]).await.refusal();
    assert!(refusal.contains("stopped at step 5 of 5") && !secrets.exists(), "{refusal}");
    std::fs::write(file, format!("{FILE}\n{signer}")).unwrap();

    let applied = server.run(&["apply", file, "--yes", "--json", "--secrets-file", path]).await;
    let printed = format!("{}{}", applied.stdout, applied.stderr);
    assert_eq!(applied.json()["without_credential"], json!(["signer-1"]));
    assert!(printed.contains("countersign credential create signer-1 --label first --jwks-file FILE"), "{printed}");
    assert_eq!(std::fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&secrets).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["client_id"]), (1, &json!("acme-orders")));
    let secret = lines[0]["client_secret"].as_str().unwrap();
    assert!(!printed.contains(secret));
    let client = Client { id: "acme-orders".to_owned(), secret: secret.to_owned() };
    assert_ne!(server.token(&client).await.status, 401);

    // Who has a credential gets no other, and then no file appears.
    std::fs::remove_file(&secrets).unwrap();
    server.run(&["apply", file, "--yes", "--secrets-file", path]).await.success();
    assert!(!secrets.exists());
    let bare = server.json(&["client", "create", "Bare", "--id", "bare-01", "--no-secret"]).await;
    assert_eq!((&bare["credential_id"], bare.get("client_secret")), (&Value::Null, None), "{bare}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_serving_instance_is_restored_and_says_what_it_exposes() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("backed-up").await;
    let mut server = instance.serve(&[]).await;
    let gone = server.client_named("revoked-before").await;
    assert_ne!(server.token(&gone).await.status, 401);
    server.token(&client).await.token();
    server.run(&["client", "disable", &gone.id]).await.success();
    let file = instance.folder().join("backup");
    let file = file.to_str().unwrap();
    let taken = instance.run(&["backup", file, "--json"]).await;
    assert!(taken.stderr.contains("backing up clients") && taken.stderr.contains("Keep the master key apart"), "{taken:?}");
    assert!(taken.json()["rows"].as_u64().unwrap() > 10);
    server.process.stop().await;
    drop(server);

    let refusal = instance.run(&["restore", file]).await.refusal();
    assert!(refusal.contains("not empty"), "{refusal}");
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", instance.database_file().display()));
    }
    let restored = instance.run(&["restore", file]).await;
    assert!(restored.stderr.contains("is accepted again"), "{restored:?}");
    restored.success();
    let mut server = instance.serve(&[]).await;
    server.token(&client).await.token();
    assert_eq!(server.token(&gone).await.status, 401);
    server.process.stop().await;
}
