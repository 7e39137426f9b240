//! R32: nobody reads the log. The pipe of standard error is full, and the server serves.

use std::process::Stdio;

use http::StatusCode;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;

use super::report;
use crate::support::http::Connection;
use crate::support::{AUDIENCE, Instance, eventually, free_port, until};

/// More lines than the pipe and the queue before it hold.
const REQUESTS: u64 = 10_000;
const CALLERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn r32_tokens_are_issued_while_nobody_reads_the_log() {
    let instance = Instance::sqlite().init().await;
    let client = instance.client("steady-client").await;
    let (port, metrics) = (free_port(), free_port());
    let settings = [
        format!("server.listen=127.0.0.1:{port}"),
        format!("server.base_urls=http://localhost:{port}"),
        format!("metrics.listen=127.0.0.1:{metrics}"),
    ];
    let mut serve = instance.command(&["serve"]);
    serve.args(instance.flags(&settings.each_ref().map(String::as_str)));
    let mut process = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the server", async || Connection::open(port).await.ok()).await;
    let mut asking = JoinSet::new();
    for _ in 0..CALLERS {
        asking.spawn(async move {
            let mut connection = Connection::open(port).await.unwrap();
            for _ in 0..REQUESTS / CALLERS {
                assert_eq!(connection.send("GET", "/health/live", &[], "").await.unwrap().status, StatusCode::OK);
            }
        });
    }
    while let Some(asked) = until("requests", asking.join_next()).await {
        asked.unwrap();
    }
    Connection::open(port).await.unwrap().token(&client.id, &client.secret, AUDIENCE).await.token();
    let at_first = dropped(metrics).await;
    assert!((1..=REQUESTS).contains(&at_first), "{at_first}");
    // Read again, the log says how much of it is missing.
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let reading = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the log has ended");
            if line.contains("lines of the log were dropped") {
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                break line["lines"].as_u64().unwrap();
            }
        }
    };
    let told = until("the line that tells of it", reading).await;
    // Those that tell of others may find no place either.
    let dropped = dropped(metrics).await;
    assert!((1..=dropped).contains(&told), "{told} of {dropped}");
    process.kill().await.unwrap();
    report("r32", &format!("{REQUESTS} requests and a token answered, {dropped} lines of the log dropped and counted"));
}

async fn dropped(port: u16) -> u64 {
    let scraped = Connection::open(port).await.unwrap().send("GET", "/metrics", &[], "").await.unwrap();
    let text = String::from_utf8(scraped.body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("countersign_log_lines_dropped_total "));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}
