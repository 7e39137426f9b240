//! API keys by the command line, and the guide `api-keys.md`.

use std::collections::BTreeSet;

use countersign_protocol::CredentialText;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, BINARY, Dev, Instance, Server, command, run, run_with_input, workspace};

async fn served() -> (Instance, Server) {
    let instance = Instance::sqlite().init().await;
    let server = instance.serve(&[]).await;
    server.client("acme-1").await;
    (instance, server)
}

async fn verify(server: &Server, key: &str, more: &[&str]) -> (Option<i32>, Value) {
    let arguments = [&["key", "verify", "-", "--json"], more].concat();
    let finished = run_with_input(&mut server.command(&arguments), &format!("{key}\n")).await;
    let verdict = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
    assert!(!finished.stdout.contains(key) && !finished.stderr.contains(key), "{finished:?}");
    (finished.code, verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_created_verified_changed_rotated_and_ended_by_the_command_line() {
    let (_instance, mut server) = served().await;
    let create = ["key", "create", "Acme", "--client", "acme-1", "--resource-server", AUDIENCE, "--prefix", "acme_live"];
    let made = server.json(&[&create[..], &["--permission", "orders.read", "--permission", "invoices.*"]].concat()).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(CredentialText::parse(key).is_ok() && key.starts_with("acme_live_"), "{made}");

    let (code, verdict) = verify(&server, key, &["--permissions", "orders.read AND invoices.1", "--audience", AUDIENCE]).await;
    assert_eq!((code, &verdict["code"], &verdict["key_id"]), (Some(0), &json!("VALID"), &json!(id)));
    let (code, verdict) = verify(&server, key, &["--permissions", "admin"]).await;
    assert_eq!((code, &verdict["code"]), (Some(1), &json!("INSUFFICIENT_PERMISSIONS")));
    let (code, verdict) = verify(&server, key, &["--audience", "https://other.test"]).await;
    assert_eq!((code, &verdict["code"]), (Some(1), &json!("FORBIDDEN")));
    let file = server.command(&[]).as_std().get_current_dir().unwrap().join("acme.key");
    std::fs::write(&file, key).unwrap();
    let by_file = server.json(&["key", "verify", "--key-file", file.to_str().unwrap()]).await;
    assert_eq!(by_file["valid"], true);

    // The list of processes has no key: not even one that is given by mistake is used or shown.
    let refused = server.run(&["key", "verify", key]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("list of processes"), "{refused:?}");
    let help = server.run(&["key", "verify", "--help"]).await.success();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("list of processes") && help.contains("standard input"), "{help}");
    let wrong = server.run(&["key", "verify", "--key-file", file.to_str().unwrap(), "--permissions", "a OR"]).await.refusal();
    assert!(wrong.contains("/permissions: at character 5"), "{wrong}");

    let text = server.run(&["key", "list", "--client", "acme-1", "--state", "active"]).await.success();
    assert!(text.contains(id) && text.contains("acme_live") && !text.contains(key), "{text}");
    let changed = server.json(&["key", "update", id, "--name", "New", "--clear-permissions", "--external-id", "4711"]).await;
    assert_eq!((&changed["name"], &changed["permissions"], &changed["external_id"]), (&json!("New"), &json!([]), &json!("4711")));
    assert!(server.run(&["key", "update", id]).await.refusal().contains("nothing to change"));
    assert!(server.run(&["key", "update", id, "--name", "x", "--if-match", "1"]).await.refusal().contains("hint: "));

    let rotated = server.json(&["key", "rotate", id, "--overlap-seconds", "0"]).await;
    assert_eq!(rotated["id"], id);
    let new = rotated["key"].as_str().unwrap();
    assert_eq!(verify(&server, key, &[]).await.1["code"], "EXPIRED");
    assert_eq!(verify(&server, new, &[]).await.1["code"], "VALID");
    let shown = server.run(&["key", "show", id]).await.success();
    assert!(shown.contains("\nsecrets\n") && shown.contains("version") && !shown.contains(new), "{shown}");
    for (verb, code) in [("disable", "DISABLED"), ("enable", "VALID"), ("revoke", "REVOKED")] {
        server.json(&["key", verb, id]).await;
        assert_eq!(verify(&server, new, &[]).await.1["code"], code);
    }
    assert!(server.run(&["key", "delete", id]).await.refusal().contains("--yes"));
    assert_eq!(server.json(&["key", "delete", id, "--yes"]).await, json!({ "deleted": true }));
    assert!(server.run(&["key", "show", id]).await.refusal().contains("there is no API key"));
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_and_scanner_rules_by_the_command_line() {
    let (_instance, mut server) = served().await;
    let made = server.json(&["role", "create", "reader", "--permission", "orders.read", "--description", "Reads"]).await;
    assert_eq!((&made["name"], &made["permissions"]), (&json!("reader"), &json!(["orders.read"])));
    let create = ["key", "create", "Acme", "--client", "acme-1", "--resource-server", AUDIENCE, "--role", "reader"];
    let key = server.json(&create).await;
    let text = key["key"].as_str().unwrap();
    assert_eq!(verify(&server, text, &["--permissions", "orders.read"]).await.0, Some(0));
    let changed = server.json(&["role", "update", "reader", "--clear-permissions"]).await;
    assert_eq!((&changed["permissions"], &changed["description"]), (&json!([]), &json!("Reads")));
    assert_eq!(verify(&server, text, &["--permissions", "orders.read"]).await.0, Some(1));
    assert!(server.run(&["role", "list"]).await.success().contains("reader"));
    assert_eq!(server.run(&["role", "delete", "reader", "--yes"]).await.code, Some(1));

    let rules = server.run(&["key", "scanner-rules"]).await.success();
    let table: toml::Table = rules.parse().unwrap();
    assert_eq!(table["rules"].as_array().unwrap().len(), 2, "{rules}");
    let json = server.json(&["key", "scanner-rules", "--format", "trufflehog"]).await;
    assert!(json["rules"].as_str().unwrap().starts_with("# "), "{json}");
    assert!(server.run(&["key", "scanner-rules", "--format", "x"]).await.stderr.contains("gitleaks github trufflehog"));
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_says_what_failed_and_passes_over_what_is_there() {
    let (_instance, mut server) = served().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.ndjson");
    // SHA-256 of "old_live_1".
    let hash = "1fdaba34203f7df1360483a836d08e5ff876f51251b0d26500927aa4b88467ed";
    std::fs::write(&file, format!("{{\"hash\":\"{hash}\"}}\n{{\"hash\":\"abc\",\"name\":\"short\"}}\nnothing\n")).unwrap();
    let file = file.to_str().unwrap();
    let import = ["key", "import", file, "--client", "acme-1", "--resource-server", AUDIENCE, "--json"];
    for (imported, exists) in [(1, 0), (0, 1)] {
        let finished = server.run(&import).await;
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let said: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(
            [&said["imported"], &said["exists"], &said["failed"]],
            [imported, exists, 2].map(|count| json!(count)).each_ref()
        );
        let failures = std::fs::read_to_string(said["failures_file"].as_str().unwrap()).unwrap();
        let line = |text: &str| serde_json::from_str::<Value>(text).unwrap()["line"].as_u64();
        let lines: BTreeSet<Option<u64>> = failures.lines().map(line).collect();
        assert_eq!(lines, BTreeSet::from([Some(2), Some(3)]), "{failures}");
        assert!(!failures.contains("abc"), "{failures}");
    }
    assert_eq!(verify(&server, "old_live_1", &[]).await.1["code"], "VALID");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_run_as_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let guide = std::fs::read_to_string(workspace().join("docs/guides/api-keys.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 8, "{}", blocks.len());
    let programs = folder.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(BINARY, programs.join("countersign")).unwrap();
    let mut shell = command("sh", folder.path());
    shell.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()));
    let finished = run(shell.args(["-euc", &blocks.concat().replace("http://localhost:8787", &dev.env["BASE_URL"])])).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for text in ["\"code\":\"VALID\"", "DISABLED", "refused", "[0-9A-Za-z]{55}", "detectors:", "\nimported  1"] {
        assert!(finished.stdout.contains(text), "no `{text}` in {finished:?}");
    }
    let key = std::fs::read_to_string(folder.path().join("acme.key")).unwrap();
    assert!(CredentialText::parse(key.trim()).is_ok());
    assert!(!finished.stdout.contains(key.trim()) && !finished.stderr.contains(key.trim()), "{finished:?}");
    let rules = std::fs::read_to_string(folder.path().join(".gitleaks.toml")).unwrap();
    assert!(rules.contains("acme_live_["), "{rules}");
    dev.process.stop().await;
}
