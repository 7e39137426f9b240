//! The guide `register-a-partner.md`, its commands run as they are written there.

use axum::Router;
use axum::routing::get;
use countersign_verify::axum::Token;
use countersign_verify::{Verifier, scopes};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{BINARY, Dev, Finished, Instance, command, run, workspace};

scopes! { pub ListUsers = all("list:users"); }

const DEMO_API: &str = "http://localhost:8788";

/// The commands, with the addresses of this test in place of the usual ones.
fn script(base: &str, api: &str) -> String {
    let guide = std::fs::read_to_string(workspace().join("docs/guides/register-a-partner.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 7 && guide.contains("http://localhost:8787") && guide.contains(DEMO_API), "{}", blocks.len());
    blocks.concat().replace("http://localhost:8787", base).replace(DEMO_API, api)
}

/// The commands find the program by its name.
fn prepared(mut command: tokio::process::Command, folder: &std::path::Path, script: &str) -> tokio::process::Command {
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(BINARY, programs.join("countersign")).unwrap();
    command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()));
    command.args(["-euc", script]);
    command
}

#[track_caller]
fn check(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // What the demo API says to a token that it accepts.
    let answer = finished.stdout.lines().find(|line| line.contains("called_by")).unwrap_or_else(|| panic!("{finished:?}"));
    assert_eq!(serde_json::from_str::<Value>(answer).unwrap()["called_by"], "partner-billing");
    for text in ["refused: the client is disabled", "client.disabled", "whole   yes"] {
        assert!(finished.stdout.contains(text), "no `{text}` in {finished:?}");
    }
    assert!(finished.stderr.contains("invalid_client"), "{finished:?}");
    assert!(!finished.stdout.contains("csec_") && !finished.stderr.contains("csec_"), "{finished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_set_up_with_the_command_line_alone_beside_dev() {
    let folder = tempfile::tempdir().unwrap();
    let mut dev = Dev::start(folder.path(), &["--port", "0"]).await;
    let script = script(&dev.env["BASE_URL"], &dev.env["DEMO_API_URL"]);
    check(&run(&mut prepared(command("sh", folder.path()), folder.path(), &script)).await);
    dev.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_set_up_with_the_command_line_alone_on_an_instance_of_its_own() {
    let instance = Instance::sqlite();
    let port = crate::support::free_port();
    let base_urls = format!("server.base_urls=http://localhost:{port}");
    instance.bare(&["init", "--profile", "production", "--set", &base_urls]).await.success();
    let mut server = instance.serve_as(port, port, &[]).await;
    let api = protected_api(&server.base).await;
    let script = script(&server.base, &api);
    check(&run(&mut prepared(command("sh", instance.folder()), instance.folder(), &script)).await);
    server.process.stop().await;
}

/// An API of one's own: what `countersign dev` starts beside itself.
async fn protected_api(base: &str) -> String {
    async fn list_users(token: Token<ListUsers>) -> String {
        format!("{}\n", json!({ "called_by": token.client_id() }))
    }
    let verifier = Verifier::builder(format!("{base}/"), "http://api.localhost").build().unwrap();
    let router = Router::new().route("/users", get(list_users)).with_state(verifier);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
