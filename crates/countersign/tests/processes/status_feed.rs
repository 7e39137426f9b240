//! Verifiers that follow the status feed of a real server: what is revoked is refused
//! within a second, on whichever node, and nothing revoked is accepted after a restart.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::ManualClock;
use countersign_verify::{Clock as _, ErrorCode, Freshness, StatusFeed, StatusLists, StatusPolicy, SystemClock, Verifier};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::faults::report;
use crate::support::http::Connection;
use crate::support::{AUDIENCE, Client, Database, Instance, Server, Wire, alone, eventually, free_port, until};

/// A revocation is refused by every verifier this long after it was acknowledged.
const BOUND: Duration = Duration::from_secs(1);
/// After a node was cut off, this long after its database answers again.
const AFTER_A_PARTITION: Duration = Duration::from_secs(5);
/// Many tokens and failures in a row.
const WITHOUT_BUDGETS: [&str; 2] = ["budgets.client_failures_per_minute=0", "budgets.source_failures_per_minute=0"];

/// What a test needs of an instance: clients whose tokens are revoked, and a verifier's.
async fn prepare(server: &Server) -> Client {
    server.run(&["authorization-server", "update", "default", "--status-lists", "true"]).await.success();
    server.run(&["resource-server", "create", AUDIENCE, "--scope", "list:users"]).await.success();
    let verifier = server.client_named("orders-api").await;
    let management = format!("{}/manage/v1", server.base);
    server.run(&["grant", "create", "orders-api", &management, "--scope", "status:read"]).await.success();
    verifier
}

async fn partner(server: &Server, id: &str) -> Client {
    let client = server.client_named(id).await;
    server.run(&["grant", "create", id, AUDIENCE]).await.success();
    client
}

fn feed(base: &str, own: &Client) -> StatusFeed {
    StatusFeed::new(base, own.id.as_str(), own.secret.as_str())
}

async fn following(base: &str, feed: StatusFeed) -> Verifier {
    let verifier = Verifier::builder(format!("{base}/"), AUDIENCE)
        .status(feed)
        .status_policy(StatusPolicy::FailClosed(StatusPolicy::MIN_FAIL_CLOSED))
        .build()
        .unwrap();
    verifier.ready(Duration::from_secs(10)).await.unwrap();
    verifier
}

async fn accepts(verifier: &Verifier, token: &str) -> bool {
    match verifier.verify_token(token).await {
        Ok(_) => true,
        Err(denied) => {
            let is_revoked = matches!(denied.code(), ErrorCode::TokenRevoked | ErrorCode::ClientRevoked);
            assert!(is_revoked && denied.status() == 401, "{denied}");
            false
        }
    }
}

/// How long after `since` the token is refused.
async fn refused(verifier: &Verifier, token: &str, since: Instant) -> Duration {
    while accepts(verifier, token).await {
        assert!(since.elapsed() < Duration::from_secs(30), "it is not refused");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    since.elapsed()
}

/// Revokes through the node at `port`.
async fn revoke(port: u16, operator: &str, body: &Value) {
    let mut connection = Connection::open(port).await.unwrap();
    let headers = [("content-type", "application/json"), ("authorization", operator)];
    let reply = connection.send("POST", "/manage/v1/revocations", &headers, &body.to_string()).await.unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// What is revoked in turn, and a client for each: a mark of one is not to hide the next.
const KINDS: [&str; 6] = ["token", "client", "cred", "sub", "aud", "all"];

/// Revokes by each kind through the node at `revoking`, tokens that the node at `issuing`
/// issued; each is refused in time by `verifier`.
async fn every_kind_is_refused(issuing: &Server, revoking: u16, verifier: &Verifier, what: &str) {
    let operator = issuing.operator_token().await;
    for kind in KINDS {
        let client = partner(issuing, &format!("partner-{kind}")).await;
        let (token, other) = (issuing.token(&client).await.token(), issuing.token(&client).await.token());
        assert!(accepts(verifier, &token).await && accepts(verifier, &other).await, "{kind}");
        let decoded = issuing.json(&["token", "decode", &token]).await;
        let value = match kind {
            "token" => json!(token),
            "client" | "sub" => json!(client.id),
            "cred" => decoded["claims"]["cred"].clone(),
            "aud" => json!(AUDIENCE),
            _ => Value::Null,
        };
        let operator = if kind == "all" { &issuing.operator_token().await } else { &operator };
        revoke(revoking, operator, &json!({ "kind": kind, "value": value })).await;
        let after = refused(verifier, &token, Instant::now()).await;
        println!("{what}: {kind} refused {} ms after it was acknowledged", after.as_millis());
        assert!(after <= BOUND, "{kind}: {after:?}");
        assert_eq!(accepts(verifier, &other).await, kind == "token", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_revoked_is_refused_by_a_verifier_within_a_second() {
    let _alone = alone().await;
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&WITHOUT_BUDGETS).await;
    let own = prepare(&server).await;
    let verifier = following(&server.base, feed(&server.base, &own)).await;
    every_kind_is_refused(&server, server.port, &verifier, "one node").await;
    let (_, state) = verifier.status().next().unwrap();
    assert_eq!((state.freshness, state.snapshots), (Freshness::Fresh, 1), "{state:?}");
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_on_one_node_is_refused_by_who_follows_the_other() {
    let _alone = alone().await;
    let database = Database::create().await;
    let instance = Instance::postgres(&database).init().await;
    let (front, port_a, port_b) = (free_port(), free_port(), free_port());
    let balancer = Balancer::start(front, port_a).await;
    let mut a = instance.serve_as(front, port_a, &WITHOUT_BUDGETS).await;
    let mut b = instance.serve_as(front, port_b, &WITHOUT_BUDGETS).await;
    let own = prepare(&a).await;
    balancer.target.send_replace(port_b);
    let verifier = following(&a.base, feed(&a.base, &own)).await;
    every_kind_is_refused(&a, port_a, &verifier, "the other node").await;
    a.process.stop().await;
    b.process.stop().await;
    database.drop_it().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_goes_on_at_another_node_when_its_own_is_gone() {
    let _alone = alone().await;
    let database = Database::create().await;
    let instance = Instance::postgres(&database).init().await;
    let (front, port_a, port_b) = (free_port(), free_port(), free_port());
    let balancer = Balancer::start(front, port_a).await;
    let mut a = instance.serve_as(front, port_a, &WITHOUT_BUDGETS).await;
    let mut b = instance.serve_as(front, port_b, &WITHOUT_BUDGETS).await;
    let own = prepare(&a).await;
    let client = partner(&a, "partner").await;
    let (first, second) = (b.token(&client).await.token(), b.token(&client).await.token());
    let verifier = following(&a.base, feed(&a.base, &own)).await;
    balancer.target.send_replace(port_b);
    a.process.signal("KILL").await;
    a.process.ends().await;
    let operator = b.operator_token().await;
    revoke(port_b, &operator, &json!({ "kind": "token", "value": first })).await;
    // Another node has a feed of its own: everything is read anew.
    refused(&verifier, &first, Instant::now()).await;
    assert!(accepts(&verifier, &second).await);
    assert_eq!(verifier.status().next().unwrap().1.snapshots, 2);
    b.process.stop().await;
    database.drop_it().await;
}

/// What is known of revocations is fresh for this long, and so is a node that is cut off.
const FRESH: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_node_that_is_cut_off_passes_for_fresh_no_longer_than_documented() {
    let _alone = alone().await;
    let database = Database::create().await;
    let wire = Wire::to_database(&database).await;
    let instance = Instance::postgres(&database).init().await;
    let (front, port_a, port_b) = (free_port(), free_port(), free_port());
    let balancer = Balancer::start(front, port_a).await;
    let mut a = instance.serve_as(front, port_a, &WITHOUT_BUDGETS).await;
    let over_the_wire = format!("storage.url={}", wire.url_of(&database));
    let mut b = instance.serve_as(front, port_b, &[&WITHOUT_BUDGETS[..], &[&over_the_wire]].concat()).await;
    let own = prepare(&a).await;
    let client = partner(&a, "partner").await;
    let token = a.token(&client).await.token();
    let operator = a.operator_token().await;
    balancer.target.send_replace(port_b);
    let strict = following(&a.base, feed(&a.base, &own)).await;
    let bounded = strict.with_status_policy(StatusPolicy::BoundedByTtl).unwrap();
    wire.falls_silent();
    let cut = Instant::now();
    revoke(port_a, &operator, &json!({ "kind": "token", "value": token })).await;
    // Nobody told it. It is the age of what it knows that gives it away.
    let denied = loop {
        match strict.verify_token(&token).await {
            Ok(_) => assert!(cut.elapsed() < FRESH + BOUND, "still fresh after {:?}", cut.elapsed()),
            Err(denied) => break denied,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((denied.status().as_u16(), denied.code()), (503, ErrorCode::StatusUnknown));
    let stale_after = cut.elapsed();
    bounded.verify_token(&token).await.unwrap();
    wire.works_again();
    let after = refused(&bounded, &token, Instant::now()).await;
    assert!(after <= AFTER_A_PARTITION, "{after:?}");
    a.process.stop().await;
    b.process.stop().await;
    database.drop_it().await;
    report(
        "r29",
        &format!(
            "a node was cut off: who fails closed judged nothing after {} ms, and {} ms after the wire worked again its \
             verifiers refused what the other node had revoked",
            stale_after.as_millis(),
            after.as_millis()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_starts_while_the_server_is_away_knows_what_was_revoked_before() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&WITHOUT_BUDGETS).await;
    let own = prepare(&server).await;
    let client = partner(&server, "partner").await;
    let file = instance.folder().join("status");
    let (dead, marked, alive) =
        (server.token(&client).await.token(), server.token(&client).await.token(), partner(&server, "another").await);
    let alive = server.token(&alive).await.token();
    let keys = server.get("/.well-known/jwks.json").await.body;
    let verifier = following(&server.base, feed(&server.base, &own).cache_file(&file)).await;
    let operator = server.operator_token().await;
    revoke(server.port, &operator, &json!({ "kind": "token", "value": dead })).await;
    refused(&verifier, &dead, Instant::now()).await;
    revoke(server.port, &operator, &json!({ "kind": "client", "value": client.id })).await;
    refused(&verifier, &marked, Instant::now()).await;
    server.process.stop().await;
    drop(verifier);

    let cold = |policy| {
        let own = feed(&server.base, &own).cache_file(&file);
        let verifier = Verifier::builder(format!("{}/", server.base), AUDIENCE).jwk_set(keys.to_vec()).status(own);
        verifier.status_policy(policy).build().unwrap()
    };
    let verifier = cold(StatusPolicy::BoundedByTtl);
    assert!(!accepts(&verifier, &dead).await && !accepts(&verifier, &marked).await && accepts(&verifier, &alive).await);
    // One that knows nothing does not judge.
    std::fs::remove_file(&file).unwrap();
    let verifier = cold(StatusPolicy::BoundedByTtl);
    let denied = verifier.verify_token_now(&alive).unwrap_err();
    assert_eq!((denied.status().as_u16(), denied.code(), denied.challenge()), (503, ErrorCode::StatusUnknown, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_knows_status_lists_alone_refuses_within_their_time_to_live() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&WITHOUT_BUDGETS).await;
    prepare(&server).await;
    let client = partner(&server, "partner").await;
    let (dead, alive) = (server.token(&client).await.token(), server.token(&client).await.token());
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let verifier = Verifier::builder(format!("{}/", server.base), AUDIENCE).status(StatusLists::new()).clock(clock.clone());
    let verifier = verifier.build().unwrap();
    assert!(accepts(&verifier, &dead).await && accepts(&verifier, &alive).await);
    let operator = server.operator_token().await;
    revoke(server.port, &operator, &json!({ "kind": "token", "value": dead })).await;
    // The list says for how long it may be used.
    assert!(accepts(&verifier, &dead).await);
    clock.advance_seconds(60);
    assert!(!accepts(&verifier, &dead).await && accepts(&verifier, &alive).await);
    // One that has never seen the list asks for it first.
    let fresh = Verifier::builder(format!("{}/", server.base), AUDIENCE).status(StatusLists::new()).build().unwrap();
    assert!(!accepts(&fresh, &dead).await && accepts(&fresh, &alive).await);
    server.process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_place_is_given_twice_also_after_kills() {
    let instance = Instance::sqlite().init().await;
    let mut places = HashSet::new();
    let mut client = None;
    for round in 0..3 {
        let mut server = instance.serve(&WITHOUT_BUDGETS).await;
        if client.is_none() {
            prepare(&server).await;
            client = Some(partner(&server, "partner").await);
        }
        let client = client.as_ref().unwrap();
        for _ in 0..20 {
            let token = server.token(client).await.token();
            let decoded = server.json(&["token", "decode", &token]).await;
            assert!(places.insert(decoded["claims"]["jti"].as_str().unwrap().to_owned()), "round {round}");
        }
        server.process.signal("KILL").await;
        server.process.ends().await;
    }
    assert_eq!(places.len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_the_streams_and_drains_in_time() {
    let instance = Instance::sqlite().init().await;
    let mut server = instance.serve(&WITHOUT_BUDGETS).await;
    let own = prepare(&server).await;
    let verifier = following(&server.base, feed(&server.base, &own)).await;
    eventually("a heartbeat", async || (verifier.status().next()?.1.records > 0).then_some(())).await;
    server.process.signal("TERM").await;
    let status = until("the end of the process", server.process.ends()).await;
    assert!(status.success(), "{status}");
    assert!(!server.process.printed().contains("requests in flight"), "{}", server.process.printed());
}

/// Passes connections on to a node, as a load balancer does.
struct Balancer {
    target: watch::Sender<u16>,
    _accepting: JoinSet<()>,
}

impl Balancer {
    async fn start(port: u16, target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (target, targets) = watch::channel(target);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let target = *targets.borrow();
                tokio::spawn(async move {
                    if let Ok(mut node) = TcpStream::connect(("127.0.0.1", target)).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut node).await;
                    }
                });
            }
        });
        Self { target, _accepting: accepting }
    }
}
