//! `export`, `plan`, `apply`, `backup` and `restore`, as an operator uses them.

use serde_json::{Value, json};

use crate::support::{Instance, Server};

const FILE: &str = r#"
format = 1

[[resource_server]]
audience = "https://orders.test"
name = "Orders"
scopes = [{ scope = "read", description = "Read orders" }, { scope = "write" }]

[[organization]]
name = "Acme"

[[client]]
client_id = "acme-orders"
name = "Acme orders"
organization = "Acme"
metadata = { tier = "gold" }

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

    let created = ["create resource server", "create organization", "create client", "create grant"];
    assert_eq!(steps(&plan(&server, file, &[]).await), created);
    // Nobody is there to be asked.
    let refusal = server.run(&["apply", file]).await.refusal();
    assert!(refusal.contains("add --yes"), "{refusal}");
    let applied = server.run(&["apply", file, "--yes", "--json"]).await;
    assert!(applied.stderr.contains("4/4 + grant acme-orders -> https://orders.test"), "{applied:?}");
    assert!(applied.stderr.contains("countersign credential create acme-orders"), "{applied:?}");
    assert_eq!(applied.json(), json!({ "steps": 4 }));
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
