//! `countersign config`, and what a server refuses to start with.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Finished, Instance, workspace};

/// A server's configuration with nothing wrong.
const GOOD: &str = "\
[server]
listen = [\"127.0.0.1:0\"]
base_urls = [\"http://localhost:8787\"]

[storage]
url = \"sqlite:countersign.db\"
";

/// An initialised instance whose configuration file has this text.
async fn with_file(text: &str) -> Instance {
    let instance = Instance::sqlite().init().await;
    fs::write(instance.folder().join("countersign.toml"), text).unwrap();
    instance
}

#[track_caller]
fn assert_says(finished: Finished, texts: &[&str]) {
    let refusal = finished.refusal();
    for text in texts {
        assert!(refusal.contains(text), "no `{text}` in: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_is_shown_with_the_place_of_each_value() {
    let instance = with_file(GOOD).await;
    let text = instance.bare(&["config", "check", "--set", "log.level=debug"]).await.success();
    for line in [
        "server.listen = 127.0.0.1:0  [countersign.toml:2:10]",
        "storage.url = sqlite:countersign.db  [countersign.toml:6:7]",
        "storage.password = (unset)  [default]",
        "keys.master_key_file = master.key  [default]",
        "log.level = debug  [--set log.level]",
    ] {
        assert!(text.lines().any(|printed| printed == line), "no `{line}` in: {text}");
    }
    let json = instance.bare(&["config", "check", "--json"]).await.json();
    let settings = json["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|setting| setting["key"] == key).unwrap();
    assert_eq!(of("server.listen")["place"]["line"], 2);
    assert_eq!(of("log.level")["place"]["layer"], "default");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_reported_with_its_place_and_what_would_be_accepted() {
    let text = format!("{GOOD}pool_size = 3\n\n[log]\nlevel = \"loud\"\n");
    let instance = with_file(&text).await;
    for arguments in [&["config", "check"][..], &["serve"], &["operator", "list"]] {
        let texts = [
            "countersign.toml:7:1: storage.pool_size is not a known setting",
            "countersign.toml:10:9: log.level: `loud` is not a log level",
            "accepted: one of `error`",
        ];
        assert_says(instance.bare(arguments).await, &texts);
    }
    let finished = instance.bare(&["config", "check", "--json"]).await;
    assert_eq!(finished.code, Some(1));
    let json: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert!(json["error"].as_str().unwrap().contains("storage.pool_size"), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_others_reach_needs_allow_plaintext() {
    let instance = with_file(GOOD).await;
    let listen = ["config", "check", "--set", "server.listen=0.0.0.0:8787"];
    assert_says(
        instance.bare(&listen).await,
        &["--set server.listen: server.listen: `0.0.0.0:8787`", "server.allow_plaintext = true"],
    );
    instance.bare(&[&listen[..], &["--set", "server.allow_plaintext=true"]].concat()).await.success();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_accepted_only_where_it_does_not_show() {
    let instance = with_file(GOOD).await;
    let flag = ["config", "check", "--set", "storage.password=hunter2"];
    let refusal = instance.bare(&flag).await.refusal();
    assert!(refusal.contains("must not be given on the command line") && !refusal.contains("hunter2"), "{refusal}");
    let mut command = instance.command(&["config", "check"]);
    let shown = crate::support::run(command.env("COUNTERSIGN__STORAGE__PASSWORD", "hunter2")).await.success();
    assert!(shown.contains("storage.password = (secret)") && !shown.contains("hunter2"), "{shown}");
    let mut command = instance.command(&["config", "check"]);
    let unknown = crate::support::run(command.env("COUNTERSIGN__STORAGE__PASSWRD", "hunter2")).await.refusal();
    assert!(unknown.contains("COUNTERSIGN__STORAGE__PASSWRD") && !unknown.contains("hunter2"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l180_a_master_key_that_is_missing_open_or_no_key_is_refused() {
    let instance = with_file(GOOD).await;
    let file = instance.folder().join("master.key");
    let key = fs::read_to_string(&file).unwrap();
    let commands = [&["config", "check"][..], &["serve"], &["operator", "list"]];
    for mode in [0o640, 0o604] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for arguments in commands {
            assert_says(
                instance.bare(arguments).await,
                &["keys.master_key_file: `master.key` is open to other users", "chmod 600 master.key"],
            );
        }
    }
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, &key[1..]).unwrap();
    for arguments in commands {
        let refusal = instance.bare(arguments).await.refusal();
        assert!(refusal.contains("holds no master key") && !refusal.contains(key[1..].trim()), "{refusal}");
    }
    fs::remove_file(&file).unwrap();
    for arguments in commands {
        assert_says(instance.bare(arguments).await, &["`master.key` does not exist", "run countersign init"]);
        // Only `init` and `dev` make one.
        assert!(!file.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instances_master_key_is_refused() {
    let (instance, other) = (with_file(GOOD).await, with_file(GOOD).await);
    fs::copy(other.folder().join("master.key"), instance.folder().join("master.key")).unwrap();
    for arguments in [&["serve"][..], &["operator", "list"], &["init"]] {
        assert_says(instance.bare(arguments).await, &["the master key is not the one this database was set up with"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn init_makes_what_is_missing_and_keeps_the_rest() {
    let instance = Instance::sqlite();
    let first = instance.json(&["init"]).await;
    assert_eq!((first["master_key"].as_str(), first["authorization_server"].as_str()), (Some("created"), Some("created")));
    let key = fs::read(instance.folder().join("master.key")).unwrap();
    let second = instance.json(&["init"]).await;
    assert_eq!((second["master_key"].as_str(), second["authorization_server"].as_str()), (Some("exists"), Some("exists")));
    assert_eq!(fs::read(instance.folder().join("master.key")).unwrap(), key);
    let mode = instance.folder().join("master.key").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // One operator, whose secret is shown once.
    assert_eq!((first["operator"].as_str(), second["operator"].as_str()), (Some("created"), Some("exists")));
    assert!(first["client_secret"].as_str().unwrap().starts_with("csec_") && second.get("client_secret").is_none(), "{second}");
    let operators = instance.json(&["operator", "list"]).await;
    assert_eq!((operators["items"].as_array().unwrap().len(), &operators["items"][0]["client_id"]), (1, &first["client_id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_page_is_what_the_command_prints() {
    let printed = Instance::sqlite().bare(&["config", "reference"]).await.success();
    let page = fs::read_to_string(workspace().join("docs/reference/config.md")).unwrap();
    assert_eq!(printed, page, "run `cargo xtask docs`");
}
