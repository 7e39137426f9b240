//! R8, R10 and R11: PostgreSQL restarts, falls silent, and has few connections to give.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_verify::Verifier;
use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ledger::Writer;
use super::load::{Load, Protocol};
use super::report;
use super::size::{DATABASE_RESTARTS, FLAPS, PARALLEL_ROUNDS, SILENT_REQUESTS};
use crate::support::http::Connection;
use crate::support::{AUDIENCE, Cluster, Database, Instance, Server, Wire, alone, eventually};

/// The longest that a request waits for a database that does not answer.
const BOUND: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn r08_postgresql_restarts_and_everything_goes_on() {
    let _alone = alone().await;
    let mut cluster = Cluster::start().await;
    let instance = Instance::postgres_at(&cluster.url()).init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&["storage.timeout_ms=1000"]).await;
    let token = server.token(&client).await.token();
    let keys = format!("{}/.well-known/jwks.json", server.base);
    let verifier = Verifier::builder(format!("{}/", server.base), AUDIENCE).jwks_uri(&keys).build().unwrap();
    let kids = kids(&server).await;
    let mut writer = Writer::of(&server).await;
    let mut load = Load::new();
    for _ in 0..4 {
        load.add(Protocol::Http1, server.port, &client, Duration::from_millis(10));
    }
    let (mut acknowledged, mut refused) = (0, 0);
    for _ in 0..DATABASE_RESTARTS.cycles() {
        for signal in ["INT", "QUIT", "KILL"] {
            cluster.end(signal).await;
            // Who is known gets a token, whoever signed is known, and nothing is written.
            load.more_answers(20).await;
            verifier.verify_token(&token).await.unwrap();
            let reply = writer.post("/manage/v1/clients", &json!({ "name": "a client" })).await.unwrap();
            assert_eq!((reply.status.as_u16(), reply.headers["retry-after"].to_str().unwrap()), (503, "5"), "{reply:?}");
            refused += 1;
            assert_eq!(server.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
            cluster.run().await;
            eventually("a write", async || {
                let reply = writer.post("/manage/v1/clients", &json!({ "name": "a client" })).await.unwrap();
                assert!([201, 503].contains(&reply.status.as_u16()), "{reply:?}");
                (reply.status == StatusCode::CREATED).then_some(())
            })
            .await;
            acknowledged += 1;
            eventually("a node that is ready", async || (server.get("/health/ready").await.status == StatusCode::OK).then_some(()))
                .await;
        }
    }
    let outcome = load.stop().await;
    assert_eq!(outcome.lost, Vec::<String>::new());
    assert_eq!(outcome.answered.keys().collect::<Vec<_>>(), [&200], "{outcome:?}");
    assert_eq!(self::kids(&server).await, kids, "a rotation happened");
    server.run(&["audit", "verify"]).await.success();
    server.process.stop().await;
    report(
        "r08",
        &format!(
            "{} restarts (fast, immediate, kill -9), {} tokens without an error, {refused} writes refused by 503, {acknowledged} \
             made after, no key rotated",
            DATABASE_RESTARTS.cycles() * 3,
            outcome.answers()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_database_that_falls_silent_costs_bounded_waits() {
    let _alone = alone().await;
    let mut database = Database::create().await;
    let wire = Wire::to_database(&database).await;
    database.url = wire.url_of(&database);
    let instance = Instance::postgres(&database).init().await;
    let client = instance.client("steady-client").await;
    let mut server = instance.serve(&["storage.timeout_ms=1000", "storage.max_connections=5"]).await;
    server.token(&client).await.token();
    let authorization = server.operator_token().await;
    assert_eq!(read(&server, &authorization).await.0, 200);
    let open_before = open_files(&server);
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    for flap in 0..=FLAPS.cycles() {
        wire.falls_silent();
        // For long at first, then on and off.
        let requests = if flap == 0 { SILENT_REQUESTS.get() } else { 1 };
        for _ in 0..requests.div_ceil(10) {
            let mut asking = JoinSet::new();
            for _ in 0..requests.min(10) {
                let (port, authorization) = (server.port, authorization.clone());
                asking.spawn(async move { read_at(port, &authorization).await });
            }
            for (status, took) in asking.join_all().await {
                assert_eq!(status, 503);
                assert!(took <= BOUND, "{took:?}");
                slowest = slowest.max(took);
                asked += 1;
            }
            server.token(&client).await.token();
        }
        wire.works_again();
        eventually("an answer", async || (read(&server, &authorization).await.0 == 200).then_some(())).await;
    }
    // Five connections and the one that listens, at most, and what the test itself has.
    eventually("no more open files than before", async || (open_files(&server) <= open_before + 6).then_some(())).await;
    server.process.stop().await;
    report(
        "r10",
        &format!(
            "{asked} requests to a database that was silent, {} times, each 503 within {} ms; tokens of known clients issued \
             throughout; {open_before} open files before, {} at most after",
            FLAPS.cycles() + 1,
            slowest.as_millis(),
            open_before + 6
        ),
    );
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_five_hundred_requests_share_five_connections() {
    let _alone = alone().await;
    let database = Database::create().await;
    let instance = Instance::postgres(&database).init().await;
    let mut server = instance.serve(&["storage.max_connections=5"]).await;
    let authorization = server.operator_token().await;
    let (mut statuses, mut slowest) = (BTreeMap::<u16, u64>::new(), Duration::ZERO);
    for _ in 0..PARALLEL_ROUNDS.cycles() {
        let mut asking = JoinSet::new();
        for _ in 0..500 {
            let (port, authorization) = (server.port, authorization.clone());
            asking.spawn(async move { read_at(port, &authorization).await });
        }
        for (status, took) in asking.join_all().await {
            *statuses.entry(status).or_default() += 1;
            slowest = slowest.max(took);
        }
    }
    assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert_eq!(statuses.values().sum::<u64>(), 500 * PARALLEL_ROUNDS.cycles());
    // Whoever waited in vain has left nothing behind.
    assert_eq!(read(&server, &authorization).await.0, 200);
    server.process.stop().await;
    report("r11", &format!("answers by status {statuses:?}, the last after {} ms", slowest.as_millis()));
    database.drop_it().await;
}

/// A request that reads from the database: its status, and how long it took.
async fn read_at(port: u16, authorization: &str) -> (u16, Duration) {
    let asked = Instant::now();
    let mut connection = Connection::open(port).await.unwrap();
    let reply = connection.send("GET", "/manage/v1/clients?limit=1", &[("authorization", authorization)], "").await.unwrap();
    (reply.status.as_u16(), asked.elapsed())
}

async fn read(server: &Server, authorization: &str) -> (u16, Duration) {
    read_at(server.port, authorization).await
}

async fn kids(server: &Server) -> Vec<String> {
    let set = server.get("/.well-known/jwks.json").await.json();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count()
}
