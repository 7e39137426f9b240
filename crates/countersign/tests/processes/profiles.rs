//! Profiles: who keeps them, who may read them, which one is used.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{BINARY, Dev, Finished, Instance, command, eventually, free_port, run, run_with_input};

fn file(folder: &Path) -> PathBuf {
    folder.join("config/countersign/profiles.toml")
}

async fn countersign(folder: &Path, arguments: &[&str]) -> Finished {
    run(command(BINARY, folder).args(arguments)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_keeps_a_profile_that_is_used_and_says_so_when_it_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let none = countersign(folder.path(), &["client", "list"]).await.refusal();
    assert!(none.contains("countersign dev") && none.contains("profile add"), "{none}");
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    assert_eq!(file(folder.path()).metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    countersign(folder.path(), &["client", "list"]).await.success();
    assert!(String::from_utf8(dev.process.stdout()).unwrap().contains("client list --profile dev"));
    dev.process.stop().await;
    let stale = countersign(folder.path(), &["client", "list"]).await;
    assert_eq!(stale.code, Some(2));
    let base = &dev.env["BASE_URL"];
    assert!(stale.stderr.starts_with(&format!("error: no server at {base}")), "{stale:?}");
    assert!(stale.stderr.ends_with("hint: is `countersign dev` running?\n"), "{stale:?}");

    // It changes its own profile only, and comes before no other that somebody chose.
    let add = ["profile", "add", "production", "--management-url", "https://auth.example.com/manage/v1", "--client-id", "op"];
    run_with_input(command(BINARY, folder.path()).args(add), "csec_of_production\n").await.success();
    let mut again = Dev::start(folder.path(), &["--port", "0"]).await;
    let listed = countersign(folder.path(), &["profile", "list", "--json"]).await.json();
    let used: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|item| (item["name"].clone(), item["used"].clone())).collect();
    assert_eq!(used, [(json!("dev"), json!(false)), (json!("production"), json!(true))]);
    countersign(folder.path(), &["client", "list", "--profile", "dev"]).await.success();
    assert!(fs::read_to_string(file(folder.path())).unwrap().contains("csec_of_production"));
    again.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn init_and_operator_create_keep_the_secret_in_a_profile() {
    let instance = Instance::sqlite();
    let (port, folder) = (free_port(), instance.folder());
    let base = format!("server.base_urls=http://localhost:{port}");
    let made = instance.bare(&["init", "--profile", "first", "--set", &base]).await;
    assert!(made.stderr.contains("profile `first`") && !made.stdout.contains("csec_"), "{made:?}");
    made.success();
    // Before anything is done; and an operator's secret cannot be had again.
    let taken = instance.bare(&["operator", "create", "--profile", "first", "--set", &base]).await.refusal();
    assert!(taken.contains("`first`"), "{taken}");
    let late = instance.bare(&["init", "--profile", "late", "--set", &base]).await;
    assert_eq!(late.code, Some(1));
    assert!(late.stderr.contains("operator create --profile late"), "{late:?}");

    let mut server = instance.serve_as(port, port, &["storage.poll_interval_ms=50"]).await;
    countersign(folder, &["client", "list"]).await.success();
    // While the server runs; it hears of the operator by its feed.
    instance.bare(&["operator", "create", "Second", "--profile", "second", "--set", &base]).await.success();
    eventually("the second operator", async || {
        (countersign(folder, &["client", "list", "--profile", "second"]).await.code == Some(0)).then_some(())
    })
    .await;
    let operators = instance.json(&["operator", "list"]).await;
    assert_eq!(operators["items"].as_array().unwrap().len(), 2);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_are_added_chosen_shown_without_their_secret_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let add = |name: &'static str| {
        let mut command = command(BINARY, folder);
        command.args(["profile", "add", name, "--management-url", "https://auth.example.com/manage/v1", "--client-id", "op"]);
        command
    };
    let secret_file = folder.join("secret.txt");
    fs::write(&secret_file, "csec_first\n").unwrap();
    run(add("one").arg("--secret-file").arg(&secret_file)).await.success();
    run_with_input(&mut add("two"), "csec_second\n").await.success();
    assert_eq!(file(folder).metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let stored = fs::read_to_string(file(folder)).unwrap();
    assert!(stored.contains("client_secret = \"csec_first\"") && stored.contains("client_secret = \"csec_second\""), "{stored}");

    let exists = run_with_input(&mut add("two"), "x").await.refusal();
    assert!(exists.contains("--replace"), "{exists}");
    assert!(run_with_input(&mut add("three"), "\n").await.refusal().contains("standard input"));
    let empty_file = folder.join("empty.txt");
    fs::write(&empty_file, "\n").unwrap();
    assert!(run(add("three").arg("--secret-file").arg(&empty_file)).await.refusal().contains("empty.txt"));
    assert!(run(add("Bad name").arg("--secret-file").arg(&secret_file)).await.refusal().contains("Bad name"));
    let as_argument = run(add("three").args(["--client-secret", "csec_x"])).await.refusal();
    assert!(as_argument.contains("--client-secret"), "{as_argument}");

    let shown = async |arguments: &[&str]| countersign(folder, &[&["profile", "show", "--json"], arguments].concat()).await.json();
    assert_eq!(shown(&[]).await["name"], "one");
    countersign(folder, &["profile", "use", "two"]).await.success();
    assert_eq!(shown(&[]).await["name"], "two");
    assert!(!shown(&["one"]).await.to_string().contains("csec_"));
    let by_environment =
        run(command(BINARY, folder).args(["profile", "show", "--json"]).env("COUNTERSIGN_PROFILE", "one")).await.json();
    assert_eq!(by_environment["name"], "one");
    countersign(folder, &["profile", "remove", "two"]).await.success();
    assert_eq!(shown(&[]).await["name"], "one");
    let gone = countersign(folder, &["profile", "remove", "two"]).await.refusal();
    assert!(gone.contains("there is no profile `two`"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l180_a_file_of_profiles_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    for mode in [0o640, 0o604, 0o666] {
        fs::set_permissions(file(folder.path()), Permissions::from_mode(mode)).unwrap();
        let refusal = countersign(folder.path(), &["client", "list"]).await.refusal();
        assert!(refusal.contains("open to other users") && refusal.contains("chmod 600"), "{refusal}");
    }
    dev.process.stop().await;
    // `dev` does not write into it either, says why, and works.
    let mut again = Dev::start(folder.path(), &["--port", "0"]).await;
    again.token().await.token();
    assert!(
        again.process.printed().contains("the profile `dev` of the command line is not written"),
        "{}",
        again.process.printed()
    );
    assert!(!again.process.printed().contains("client list"), "{}", again.process.printed());
    again.process.stop().await;
}
