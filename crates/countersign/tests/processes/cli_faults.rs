//! The command line when the network or the server fails: nothing happens twice,
//! nothing is lost silently, and the exit code says whose fault it is.

use serde_json::Value;

use crate::support::{BINARY, Fault, Instance, Proxy, Server, command, free_port, run};

/// A server that is reached through a proxy: its base URL is the proxy's.
async fn behind_a_proxy() -> (Instance, Server, Proxy) {
    let instance = Instance::sqlite().init().await;
    let (port, listen) = (free_port(), free_port());
    let server = instance.serve_as(port, listen, &[]).await;
    let proxy = Proxy::start(port, listen).await;
    (instance, server, proxy)
}

fn key(request: &str) -> &str {
    request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap()
}

async fn named(server: &Server, name: &str) -> usize {
    let listed = server.json(&["organization", "list"]).await;
    listed["items"].as_array().unwrap().iter().filter(|item| item["name"] == name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_reply_is_lost_happens_once() {
    let (_instance, mut server, proxy) = behind_a_proxy().await;
    proxy.fail([Fault::LoseReply]);
    let made = server.json(&["organization", "create", "Once"]).await;
    assert!(made["id"].as_str().unwrap().starts_with("org_"), "{made}");
    let seen = proxy.seen();
    assert_eq!((seen.len(), key(&seen[0])), (2, key(&seen[1])));
    assert_eq!(named(&server, "Once").await, 1);
    // Another creation is another one.
    server.run(&["organization", "create", "Once"]).await.success();
    assert_ne!(key(proxy.seen().last().unwrap()), key(&seen[0]));
    assert_eq!(named(&server, "Once").await, 2);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_lost_on_the_way_is_no_silent_success() {
    let (_instance, mut server, proxy) = behind_a_proxy().await;
    proxy.fail([Fault::LoseReply]);
    let finished = server.run(&["client", "create", "x", "--id", "lost-secret"]).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stdout.contains("lost-secret") && !finished.stdout.contains("csec_"), "{finished:?}");
    assert!(finished.stderr.contains("countersign credential create lost-secret"), "{finished:?}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_reply_is_lost_is_not_sent_again() {
    let (_instance, mut server, proxy) = behind_a_proxy().await;
    let made = server.json(&["organization", "create", "Gone"]).await;
    proxy.fail([Fault::LoseReply]);
    let finished = server.run(&["organization", "delete", made["id"].as_str().unwrap(), "--yes"]).await;
    assert_eq!((finished.code, proxy.seen().len()), (Some(2), 1), "{finished:?}");
    assert_eq!(named(&server, "Gone").await, 0);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_to_wait_is_asked_once_more_and_not_for_ever() {
    let (_instance, mut server, proxy) = behind_a_proxy().await;
    let later = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 17\r\n\r\n{\"title\":\"later\"}";
    let much_later = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3600\r\ncontent-length: 17\r\n\r\n{\"title\":\"later\"}";
    proxy.fail([Fault::Answer(later)]);
    server.run(&["organization", "create", "Patient"]).await.success();
    assert_eq!((proxy.seen().len(), named(&server, "Patient").await), (2, 1));
    for (faults, requests) in [(vec![Fault::Answer(later), Fault::Answer(later)], 2), (vec![Fault::Answer(much_later)], 1)] {
        proxy.fail(faults);
        let finished = server.run(&["organization", "create", "Never"]).await;
        assert_eq!((finished.code, proxy.seen().len()), (Some(2), requests), "{finished:?}");
        assert!(finished.stderr.contains("later"), "{finished:?}");
    }
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_management_api_is_no_fault_of_the_caller() {
    let (_instance, mut server, proxy) = behind_a_proxy().await;
    for answer in [
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 302 Found\r\nlocation: https://elsewhere.test/\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        proxy.fail([Fault::Answer(answer)]);
        let finished = run(server.command(&["organization", "list"]).arg("--json")).await;
        let error: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!((finished.code, proxy.seen().len()), (Some(2), 1), "{answer}: {finished:?}");
        assert!(error["error"].is_string(), "{error}");
    }
    server.process.stop().await;
    let finished = server.run(&["organization", "list"]).await;
    // The proxy accepts, and has nobody to pass on to.
    assert_eq!(finished.code, Some(2), "{finished:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_beyond_the_loopback_gets_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut list = command(BINARY, folder.path());
    list.args(["client", "list"])
        .env("COUNTERSIGN_MANAGEMENT_URL", "http://auth.example.com/manage/v1")
        .env("COUNTERSIGN_CLIENT_ID", "operator")
        .env("COUNTERSIGN_CLIENT_SECRET", "csec_secret");
    let finished = run(&mut list).await;
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("plain http is allowed to the loopback only"), "{finished:?}");
}
