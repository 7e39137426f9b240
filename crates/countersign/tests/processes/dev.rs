//! `countersign dev`: what it prints, what it keeps, what it leaves behind.

use std::os::unix::fs::PermissionsExt as _;

use http::StatusCode;

use crate::support::http::{Connection, get};
use crate::support::{BINARY, Dev, Process, command, free_port, run};

const NAMES: [&str; 20] = [
    "AUDIENCE",
    "BASE_URL",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "DEFAULT_SCOPE",
    "DEMO_API_URL",
    "ISSUER",
    "MANAGEMENT_URL",
    "METRICS_URL",
    "MGMT_CLIENT_ID",
    "MGMT_CLIENT_SECRET",
    "OKTA_AS",
    "OKTA_AUDIENCE",
    "ROOT_ISSUER",
    "SCOPE",
    "STATUS_CLIENT_ID",
    "STATUS_CLIENT_SECRET",
    "TEST_CLIENT_ID",
    "TEST_CLIENT_SECRET",
    "UNKEY_ROOT_KEY",
];

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_it_is_ready_and_writes_what_scripts_need() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let printed = String::from_utf8(dev.process.stdout()).unwrap();
    let (_, after) = printed.split_once("ready after ").unwrap();
    let (milliseconds, _) = after.split_once(" ms").unwrap();
    milliseconds.parse::<u64>().unwrap();
    assert!(!printed.contains(&dev.env["CLIENT_SECRET"]));

    assert_eq!(dev.env.keys().collect::<Vec<_>>(), NAMES);
    let data = Dev::data(folder.path());
    let mode = |name: &str| data.join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("dev.env"), mode("master.key"), mode(".")), (0o600, 0o600, 0o700));
    assert_eq!(std::fs::read_to_string(data.join(".gitignore")).unwrap(), "*\n");

    let token = dev.token().await.token();
    let demo_port = dev.env["DEMO_API_URL"].rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(get(demo_port, "/users").await.status, StatusCode::UNAUTHORIZED);
    let mut demo = Connection::open(demo_port).await.unwrap();
    let reply = demo.send("GET", "/users", &[("authorization", &format!("Bearer {token}"))], "").await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(reply.json()["called_by"], dev.env["CLIENT_ID"].as_str());
    dev.process.stop().await;
    // Its log is for a terminal; this one goes into a pipe.
    let log = String::from_utf8(dev.process.stderr()).unwrap();
    assert!(log.contains(" ready ") && log.contains("status=200") && !log.contains('\u{1b}'), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn l179_metrics_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    dev.token().await.token();
    let url = dev.env["METRICS_URL"].strip_prefix("http://127.0.0.1:").unwrap();
    let (port, path) = url.split_once('/').unwrap();
    let port: u16 = port.parse().unwrap();
    assert_ne!(port, dev.port);
    let scrape = get(port, &format!("/{path}")).await;
    assert_eq!(scrape.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = String::from_utf8(scrape.body.to_vec()).unwrap();
    assert!(text.contains("countersign_tokens_issued_total{") && text.ends_with("# EOF\n"), "{text}");
    // Neither listener has what the other has.
    assert_eq!(get(dev.port, "/metrics").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(port, "/.well-known/jwks.json").await.status, StatusCode::NOT_FOUND);
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_secret_the_keys_and_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Dev::start(folder.path(), &["--port", "0"]).await;
    let keys = get(first.port, "/.well-known/jwks.json").await.json();
    run(command(BINARY, folder.path()).args(["client", "create", "mine", "--id", "my-client"])).await.success();
    first.process.stop().await;
    let mut second = Dev::start(folder.path(), &["--port", "0"]).await;
    assert_eq!(second.env["CLIENT_SECRET"], first.env["CLIENT_SECRET"]);
    assert_eq!(second.env["UNKEY_ROOT_KEY"], first.env["UNKEY_ROOT_KEY"]);
    assert_eq!(list_keys(second.port, &second.env["UNKEY_ROOT_KEY"]).await, StatusCode::OK);
    assert_eq!(get(second.port, "/.well-known/jwks.json").await.json(), keys);
    second.token().await.token();
    let listed = run(command(BINARY, folder.path()).args(["client", "list", "--json"])).await.json();
    let ids: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["demo-client", "dev-operator", "demo-api", "my-client"]);
    second.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_secret_is_replaced_and_refused_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Dev::start(folder.path(), &["--port", "0"]).await;
    first.token().await.token();
    first.process.stop().await;
    std::fs::remove_file(Dev::data(folder.path()).join("dev.env")).unwrap();
    let mut second = Dev::start(folder.path(), &["--port", "0"]).await;
    assert_ne!(second.env["CLIENT_SECRET"], first.env["CLIENT_SECRET"]);
    second.token().await.token();
    assert_eq!(second.token_with(&first.env["CLIENT_SECRET"]).await.refusal(), "invalid_client");
    assert_eq!(list_keys(second.port, &second.env["UNKEY_ROOT_KEY"]).await, StatusCode::OK);
    assert_eq!(list_keys(second.port, &first.env["UNKEY_ROOT_KEY"]).await, StatusCode::UNAUTHORIZED);
    second.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_revokes_is_refused_by_the_demo_api_when_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let token = dev.token().await.token();
    let demo_port = dev.env["DEMO_API_URL"].rsplit_once(':').unwrap().1.parse().unwrap();
    let ask = async || {
        let mut demo = Connection::open(demo_port).await.unwrap();
        demo.send("GET", "/users", &[("authorization", &format!("Bearer {token}"))], "").await.unwrap().status
    };
    assert_eq!(ask().await, StatusCode::OK);
    let said = run(command(BINARY, folder.path()).args(["revoke", "token", &token])).await.success();
    assert!(said.contains("Applied by 1 of 1 verifiers"), "{said}");
    assert_eq!(ask().await, StatusCode::UNAUTHORIZED);
    dev.process.stop().await;
}

/// What the management API says to a root key.
async fn list_keys(port: u16, root_key: &str) -> StatusCode {
    let mut server = Connection::open(port).await.unwrap();
    server.send("GET", "/manage/v1/keys", &[("authorization", &format!("Bearer {root_key}"))], "").await.unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ephemeral_run_leaves_nothing_but_a_profile_behind() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = command(BINARY, folder.path());
    let mut process = Process::start(command.args(["dev", "--ephemeral", "--port", "0", "--json"]).env("TMPDIR", &temporary));
    process.prints("\"env_file\"").await;
    let ready: serde_json::Value = serde_json::from_slice(&process.stdout()).unwrap();
    let env_file = std::path::PathBuf::from(ready["env_file"].as_str().unwrap());
    assert!(env_file.starts_with(&temporary) && env_file.exists());
    process.stop().await;
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    // The profile of the command line stays.
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|name| name == "tmp" || name == "config"), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_refused_with_a_hint() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let port = free_port().to_string();
    let mut dev = Dev::start(folder.path(), &["--port", &port]).await;
    assert_eq!(dev.env["BASE_URL"], format!("http://localhost:{port}"));
    let refusal = run(command(BINARY, other.path()).args(["dev", "--port", &port])).await.refusal();
    assert!(refusal.contains(&format!("127.0.0.1:{port}")) && refusal.contains("`--port 0`"), "{refusal}");
    // The one that runs is not disturbed.
    dev.token().await.token();
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_somebody_else_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".gitignore"), "/target\n").unwrap();
    std::fs::write(folder.path().join(".env"), "DATABASE_URL=mine\n").unwrap();
    let refusal =
        run(command(BINARY, folder.path()).args(["dev", "--port", "0", "--data", ".", "--env-file", ".env"])).await.refusal();
    assert!(refusal.contains(".env exists and is not an env file"), "{refusal}");
    let start = &mut command(BINARY, folder.path());
    let mut dev = Dev::start_with(start.args(["dev", "--port", "0", "--data", "."]), &folder.path().join("dev.env")).await;
    dev.token().await.token();
    dev.process.stop().await;
    assert_eq!(std::fs::read_to_string(folder.path().join(".gitignore")).unwrap(), "/target\n");
    assert_eq!(std::fs::read_to_string(folder.path().join(".env")).unwrap(), "DATABASE_URL=mine\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_it_cannot_follow_are_refused_and_not_ignored() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, value) in [("COUNTERSIGN__SERVER__LISTEN", "127.0.0.1:1"), ("COUNTERSIGN__SERVER__BASE_URLS", "http://a.test")] {
        let refusal = run(command(BINARY, folder.path()).args(["dev", "--port", "0"]).env(variable, value)).await.refusal();
        assert!(refusal.contains(variable), "{refusal}");
    }
}
