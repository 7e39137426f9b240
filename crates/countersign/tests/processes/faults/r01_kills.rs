//! R1: the process is killed while eight callers write by the API.

use std::time::Duration;

use countersign::entropy::{Entropy, SeededEntropy, random};
use tokio::time::Instant;

use super::ledger::{Ledger, found};
use super::report;
use super::size::KILLS;
use crate::support::{Instance, alone, until};

const CALLERS: u64 = 8;
/// The longest that a start may take.
const START: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn r01_what_was_acknowledged_survives_kills() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let seeds = SeededEntropy::new(1);
    let ledger = Ledger::default();
    let (mut slowest, mut slow) = (Duration::ZERO, 0);
    for _ in 0..KILLS.cycles() {
        let began = Instant::now();
        let mut server = instance.serve(&[]).await;
        slowest = slowest.max(began.elapsed());
        slow += u64::from(began.elapsed() > START);
        let count = 1 + u64::from(u16::from_be_bytes(random(&seeds as &dyn Entropy))) % 60;
        let mut writing = ledger.write(&server, CALLERS, count).await;
        server.process.signal("KILL").await;
        server.process.ends().await;
        // What was acknowledged before the end, and not read yet, counts too.
        while let Some(writer) = until("the callers", writing.join_next()).await {
            writer.unwrap();
        }
        let found = found(&instance.database_file());
        let lost: Vec<String> = ledger.all().difference(&found).cloned().collect();
        assert_eq!(lost, Vec::<String>::new());
    }
    let mut server = instance.serve(&[]).await;
    server.run(&["audit", "verify"]).await.success();
    server.process.stop().await;
    report(
        "r01",
        &format!(
            "{} kills, {} acknowledged writes, 0 lost; no start needed a repair, the slowest took {} ms, {slow} more than {} s",
            KILLS.cycles(),
            ledger.all().len(),
            slowest.as_millis(),
            START.as_secs()
        ),
    );
}
