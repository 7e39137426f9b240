//! R5 and R6: the disk is full, and the disk fails.

use http::StatusCode;
use serde_json::json;

use super::disk::Disk;
use super::ledger::{Writer, found};
use super::report;
use super::size::FULL_DISKS;
use crate::support::{Instance, Server};

/// More writes than the space of a write-ahead log that exists already holds.
const MOST_THAT_FIT: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn r05_on_a_full_disk_tokens_are_issued_and_writes_wait_for_space() {
    let instance = Instance::sqlite();
    let disk = Disk::under(instance.folder());
    let instance = disk.serve(instance).init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&[]).await;
    let mut writer = Writer::of(&server).await;
    let mut acknowledged = Vec::new();
    for _ in 0..FULL_DISKS.cycles() {
        disk.is("full");
        // A log that exists may have room left for a small write and not for a large one.
        let refused = loop {
            let refused = fill(&mut writer, &mut acknowledged).await;
            // Tokens need no write; the key set needs nothing.
            server.token(&client).await.token();
            assert_eq!(server.get("/.well-known/jwks.json").await.status, StatusCode::OK);
            match readiness(&server).await {
                (503, reason) if reason == "store" => break refused,
                (status, _) => assert_eq!(status, 200),
            }
        };
        disk.is_not("full");
        assert_eq!(readiness(&server).await, (200, String::new()));
        // The same request again, as its 503 with Retry-After asks for.
        let reply = writer.post("/manage/v1/clients", &refused).await.unwrap();
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        acknowledged.push(format!("client {}", reply.json()["client_id"].as_str().unwrap()));
    }
    server.run(&["audit", "verify"]).await.success();
    server.process.stop().await;
    let found = found(&instance.database_file());
    assert!(acknowledged.iter().all(|write| found.contains(write)));
    // Nothing was there of what was refused: the operator, the client, and these.
    let clients = found.iter().filter(|what| what.starts_with("client ")).count();
    assert_eq!(clients, acknowledged.len() + 2);
    report(
        "r05",
        &format!("{} times full, {} clients acknowledged, all and no others are there", FULL_DISKS.cycles(), acknowledged.len()),
    );
}

/// Creates clients until one is refused, which must be a 503 that says when to come
/// again; returns what was refused.
async fn fill(writer: &mut Writer, acknowledged: &mut Vec<String>) -> serde_json::Value {
    for number in 0..MOST_THAT_FIT {
        let new = json!({ "name": "x".repeat(200), "metadata": { "number": number } });
        let reply = writer.post("/manage/v1/clients", &new).await.unwrap();
        if reply.status != StatusCode::CREATED {
            assert_eq!((reply.status.as_u16(), reply.headers["retry-after"].to_str().unwrap()), (503, "5"), "{reply:?}");
            assert_eq!(reply.json()["code"], "CS-9002", "{reply:?}");
            return new;
        }
        acknowledged.push(format!("client {}", reply.json()["client_id"].as_str().unwrap()));
    }
    panic!("the disk is not full after {MOST_THAT_FIT} writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn r06_after_a_failed_sync_nothing_is_acknowledged_until_the_next_start() {
    let instance = Instance::sqlite();
    let disk = Disk::under(instance.folder());
    let instance = disk.serve(instance).init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&[]).await;
    let mut writer = Writer::of(&server).await;
    let new = json!({ "name": "a client" });
    let before = writer.post("/manage/v1/clients", &new).await.unwrap().json()["client_id"].as_str().unwrap().to_owned();
    disk.is("unsynced");
    let refused = writer.post("/manage/v1/clients", &new).await.unwrap();
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().unwrap()), (503, "5"), "{refused:?}");
    // A sync that succeeds now says nothing of the pages that the failed one lost.
    disk.is_not("unsynced");
    for _ in 0..3 {
        let refused = writer.post("/manage/v1/clients", &new).await.unwrap();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        assert_eq!(readiness(&server).await, (503, "store".to_owned()));
    }
    server.token(&client).await.token();
    server.process.stop().await;
    assert_eq!(
        server.process.printed().matches("\"message\":\"the disk failed during a commit").count(),
        1,
        "{}",
        server.process.printed()
    );
    let mut server = instance.serve(&[]).await;
    assert_eq!(readiness(&server).await, (200, String::new()));
    let mut writer = Writer::of(&server).await;
    let after = writer.post("/manage/v1/clients", &new).await.unwrap().json()["client_id"].as_str().unwrap().to_owned();
    server.process.stop().await;
    let found = found(&instance.database_file());
    assert!([before, after].iter().all(|id| found.contains(&format!("client {id}"))));
    report("r06", "1 failed sync: 4 writes after it refused, both acknowledged ones there after the next start");
}

async fn readiness(server: &Server) -> (u16, String) {
    let reply = server.get("/health/ready").await;
    (reply.status.as_u16(), reply.json()["reason"].as_str().unwrap_or_default().to_owned())
}
