//! A change made on one node holds on the other: nodes that share PostgreSQL, with
//! and without its notifications, and two processes on SQLite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_verify::Verifier;
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::support::{AUDIENCE, Client, Database, Instance, Server, alone, eventually, free_port};

/// A change holds on every node this long after it was acknowledged.
const BOUND: Duration = Duration::from_secs(1);
/// Longer than any of these tests takes: nothing is seen by polling.
const NEVER_POLLS: &str = "storage.poll_interval_ms=60000";
/// What a busy machine adds to a poll interval.
const MARGIN: Duration = Duration::from_millis(400);
const CONNECTIONS: usize = 4;
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The servers are asked again and again whether a client is refused by now.
const WITHOUT_BUDGETS: [&str; 2] = ["budgets.client_failures_per_minute=0", "budgets.source_failures_per_minute=0"];

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_either_node_is_verified_with_the_keys_of_the_other() {
    let database = Database::create().await;
    let nodes = Nodes::start(&database, &[]).await;
    for (asked, keys) in [(&nodes.a, &nodes.b), (&nodes.b, &nodes.a)] {
        let token = asked.token(&nodes.client).await.token();
        let issuer = format!("{}/", asked.base);
        let keys = format!("http://127.0.0.1:{}/.well-known/jwks.json", keys.port);
        let verifier = Verifier::builder(issuer, AUDIENCE).jwks_uri(keys).build().unwrap();
        assert_eq!(verifier.verify_token(&token).await.unwrap().client_id(), Some(nodes.client.id.as_str()));
    }
    nodes.stop(database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_disabled_on_one_node_is_refused_by_the_other_within_a_second() {
    disable_and_enable("default settings", &[], BOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_alone_are_enough() {
    disable_and_enable("LISTEN alone", &[NEVER_POLLS], BOUND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_alone_is_enough() {
    let settings = ["storage.listen=false", "storage.poll_interval_ms=400"];
    disable_and_enable("polling every 400 ms", &settings, Duration::from_millis(400) + MARGIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_during_which_the_listening_connections_are_cut_holds_within_a_second() {
    cut_listeners_and_disable("LISTEN cut during the change, default settings", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_connection_that_comes_back_makes_up_for_what_it_missed() {
    cut_listeners_and_disable("LISTEN cut during the change, no polling", &[NEVER_POLLS]).await;
}

async fn cut_listeners_and_disable(what: &str, settings_of_b: &[&str]) {
    let _alone = alone().await;
    let database = Database::create().await;
    let nodes = Nodes::start(&database, settings_of_b).await;
    let b = Watch::start(&nodes.b, &nodes.client);
    b.all(true).await;
    let admin = database.connect().await;
    let mut cut = 0;
    let disabled = {
        let arguments = ["client", "disable", &nodes.client.id];
        let mut command = std::pin::pin!(nodes.a.run(&arguments));
        loop {
            tokio::select! {
                done = &mut command => break done,
                () = terminate_listeners(&admin, &mut cut) => {}
            }
        }
    };
    disabled.success();
    let changed = Instant::now();
    report(what, "disable", b.held(false, changed, BOUND).await);
    assert!(cut >= 2, "{cut}");
    // They come back by themselves.
    eventually("two listening connections", async || (listeners(&admin).await == 2).then_some(())).await;
    nodes.a.run(&["client", "enable", &nodes.client.id]).await.success();
    report(what, "enable when they are back", b.held(true, Instant::now(), BOUND).await);
    drop(b);
    nodes.stop(database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_sqlite_sees_what_another_process_changes() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let client = instance.client("watched-client").await;
    let (port_a, port_b) = (free_port(), free_port());
    let mut a = instance.serve_as(port_a, port_a, &[]).await;
    let mut b = instance.serve_as(port_a, port_b, &[&WITHOUT_BUDGETS[..], &["storage.poll_interval_ms=500"]].concat()).await;
    let limit = Duration::from_millis(500) + MARGIN;
    let watch = Watch::start(&b, &client);
    watch.all(true).await;
    for (verb, accepted) in [("disable", false), ("enable", true)] {
        a.run(&["client", verb, &client.id]).await.success();
        report("SQLite, polling every 500 ms", verb, watch.held(accepted, Instant::now(), limit).await);
    }
    drop(watch);
    a.process.stop().await;
    b.process.stop().await;
}

/// Two servers of one instance behind one name, as behind a load balancer.
struct Nodes {
    _instance: Instance,
    client: Client,
    a: Server,
    b: Server,
}

impl Nodes {
    /// `settings` are those of B.
    async fn start(database: &Database, settings: &[&str]) -> Self {
        let instance = Instance::postgres(database).init().await;
        let client = instance.client("watched-client").await;
        let (port_a, port_b) = (free_port(), free_port());
        let a = instance.serve_as(port_a, port_a, &WITHOUT_BUDGETS).await;
        let b = instance.serve_as(port_a, port_b, &[&WITHOUT_BUDGETS, settings].concat()).await;
        Self { _instance: instance, client, a, b }
    }

    async fn stop(mut self, database: Database) {
        self.a.process.stop().await;
        self.b.process.stop().await;
        database.drop_it().await;
    }
}

/// The command line changes the client through A while both nodes have it in memory
/// and serve tokens.
async fn disable_and_enable(what: &str, settings_of_b: &[&str], limit: Duration) {
    let _alone = alone().await;
    let database = Database::create().await;
    let nodes = Nodes::start(&database, settings_of_b).await;
    let (a, b) = (Watch::start(&nodes.a, &nodes.client), Watch::start(&nodes.b, &nodes.client));
    a.all(true).await;
    b.all(true).await;
    for (verb, accepted) in [("disable", false), ("enable", true)] {
        nodes.a.run(&["client", verb, &nodes.client.id]).await.success();
        let changed = Instant::now();
        report(&format!("{what}, node B"), verb, b.held(accepted, changed, limit).await);
        report(&format!("{what}, node A"), verb, a.held(accepted, changed, BOUND).await);
    }
    drop((a, b));
    nodes.stop(database).await;
}

fn report(what: &str, happened: &str, after: Duration) {
    println!("{what}: {happened}, last wrong answer {} ms after the change was acknowledged", after.as_millis());
}

/// What one node answered over time.
struct Watch {
    answers: Arc<Mutex<Vec<Answer>>>,
    _asking: JoinSet<()>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    connection: usize,
    asked: Instant,
    accepted: bool,
}

impl Watch {
    /// Asks for a token every 20 ms on each of several connections that stay open.
    fn start(server: &Server, client: &Client) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let mut asking = JoinSet::new();
        for number in 0..CONNECTIONS {
            let (answers, client, port) = (Arc::clone(&answers), client.clone(), server.port);
            asking.spawn(async move {
                let mut connection = crate::support::http::Connection::open(port).await.unwrap();
                let mut tick = interval(ASK_EVERY);
                tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tick.tick().await;
                    let asked = Instant::now();
                    let reply = connection.token(&client.id, &client.secret, AUDIENCE).await;
                    let accepted = reply.status == StatusCode::OK;
                    assert!(accepted || reply.refusal() == "invalid_client", "{reply:?}");
                    answers.lock().unwrap().push(Answer { connection: number, asked, accepted });
                }
            });
        }
        Self { answers, _asking: asking }
    }

    /// Waits until each connection got this answer several times in a row.
    async fn all(&self, accepted: bool) {
        const IN_A_ROW: usize = 5;
        eventually("the same answer on every connection", async || {
            let answers = self.answers.lock().unwrap();
            let steady = |number| {
                let mut last = answers.iter().rev().filter(|answer| answer.connection == number).take(IN_A_ROW);
                last.by_ref().all(|answer| answer.accepted == accepted)
                    && answers.iter().filter(|answer| answer.connection == number).count() >= IN_A_ROW
            };
            (0..CONNECTIONS).all(steady).then_some(())
        })
        .await;
    }

    /// How long after `changed` the last request was sent that still got the other
    /// answer; that must be within `limit`.
    async fn held(&self, accepted: bool, changed: Instant, limit: Duration) -> Duration {
        self.all(accepted).await;
        let answers = self.answers.lock().unwrap();
        let wrong = answers.iter().filter(|answer| answer.accepted != accepted).map(|answer| answer.asked).max();
        let after = wrong.map_or(Duration::ZERO, |asked| asked.saturating_duration_since(changed));
        assert!(after <= limit, "the last wrong answer came {after:?} after the change, more than {limit:?}");
        after
    }
}

const LISTENING: &str =
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'";

async fn listeners(admin: &tokio_postgres::Client) -> i64 {
    admin.query_one(&format!("SELECT count(*) {LISTENING}"), &[]).await.unwrap().get(0)
}

async fn terminate_listeners(admin: &tokio_postgres::Client, cut: &mut i64) {
    let sql = format!("SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) {LISTENING}");
    let terminated: i64 = admin.query_one(&sql, &[]).await.unwrap().get(0);
    *cut += terminated;
    tokio::time::sleep(Duration::from_millis(5)).await;
}
