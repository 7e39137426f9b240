//! The status feed of a node: snapshot, records, resuming, who may follow.

use std::sync::Arc;
use std::time::Duration;

use countersign::authorization_servers::{self, AuthorizationServerPatch};
use countersign::change_feed::Follower;
use countersign::revocation;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::status::{ChainDigest, FeedKeys, Position, Record, Snapshot, StatusReference, TokenStatus};
use countersign_protocol::{ErrorCode, Timestamp};
use serde_json::json;

use super::ENGINE;
use crate::support::{API1, Answer, Caller, Managed, Request, TestApp, by, issuer_id};

const STATUS: &str = "/oauth2/default/v1/status";

/// A node that is followed, and a verifier that may follow it.
struct World {
    managed: Managed,
    follower: Follower,
    verifier: Caller,
}

impl World {
    async fn start() -> Self {
        let managed = Managed::start(ENGINE).await;
        let patch = AuthorizationServerPatch { status_lists: Some(true), ..AuthorizationServerPatch::default() };
        authorization_servers::update(&managed.app.app, &by(), &issuer_id("default"), patch, None).await.unwrap();
        let verifier = managed.app.caller("orders-api", "status:read", None).await;
        let follower = Follower::start(Arc::clone(&managed.app.app), Duration::from_secs(1)).await.unwrap();
        Self { managed, follower, verifier }
    }

    const fn app(&self) -> &TestApp {
        &self.managed.app
    }

    fn get(&self, path: &str) -> Request {
        follow(self.app(), &self.verifier, path)
    }

    async fn keys(&self) -> FeedKeys {
        FeedKeys::parse(&self.app().get(&format!("{STATUS}/keys")).send().await.body).unwrap()
    }

    async fn snapshot(&self) -> Snapshot {
        let answer = self.get("snapshot").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/jwt")), "{answer:?}");
        Snapshot::open(answer.text(), &self.keys().await).unwrap()
    }

    async fn deltas(&self, after: Position) -> Vec<String> {
        texts(&self.get(&format!("deltas?after={after}")).send().await)
    }

    /// What the node does by itself after a change.
    async fn tell(&mut self, beats: bool) {
        self.follower.catch_up().await.unwrap();
        self.managed.app.app.status_feeds.write(0, beats);
    }
}

fn follow(app: &TestApp, caller: &Caller, path: &str) -> Request {
    app.get(&format!("{STATUS}/{path}")).header("authorization", format!("Bearer {}", caller.token))
}

/// A refusal that says more than its code.
fn assert_code(answer: &Answer, status: u16, code: ErrorCode) {
    assert_eq!((answer.status.as_u16(), answer.header("countersign-error")), (status, Some(code.as_str())), "{answer:?}");
}

fn texts(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["records"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_revocation_is_told_in_the_record_after_the_snapshot() {
    let mut world = World::start().await;
    let token = world.app().ask(&world.managed.a, &format!("audience={API1}")).await.token();
    let place = StatusReference::of_claims(&token.claims).unwrap().unwrap();
    let snapshot = world.snapshot().await;
    assert_eq!((snapshot.authorization_server.as_str(), snapshot.position.seq, snapshot.lists.len()), ("default", 0, 0));
    world.app().revoke(&world.managed.a, &token.text).await.assert_revocation_answered();
    world.tell(false).await;
    let texts = world.deltas(snapshot.position).await;
    let [text] = texts.as_slice() else { panic!("{texts:?}") };
    let record = Record::open(text, &world.keys().await).unwrap();
    assert!(record.follows(snapshot.position, snapshot.head));
    assert_eq!(record.contents.revoked.get(place.list_id()), Some(&vec![place.index]));
    assert_eq!(record.contents.len(), 1);
    // Nothing more until something happens; a heartbeat then continues the chain.
    assert!(world.deltas(record.position).await.is_empty());
    world.app().clock.advance_seconds(5);
    world.tell(true).await;
    let texts = world.deltas(record.position).await;
    let beat = Record::open(&texts[0], &world.keys().await).unwrap();
    assert!(beat.contents.is_empty() && beat.follows(record.position, ChainDigest::of(text)));
    assert_eq!(beat.as_of, record.as_of.plus_seconds(5));
    // Who comes later has it in the snapshot.
    world.app().clock.advance_seconds(10);
    let later = world.snapshot().await;
    assert_eq!(later.lists[place.list_id()].list.status(place.index), Some(TokenStatus::Invalid));
    assert_eq!((later.position, later.head), (beat.position, ChainDigest::of(&texts[0])));
}

#[tokio::test]
async fn every_kind_of_revocation_is_told() {
    let mut world = World::start().await;
    let position = world.snapshot().await.position;
    let (app, a) = (Arc::clone(&world.app().app), world.managed.a.clone());
    let catalog = app.catalog();
    let server = catalog.authorization_server(&issuer_id("default")).unwrap();
    let key = server.keys.active(Algorithm::ES256).unwrap().key_id().clone();
    revocation::revoke_client(&app, &by(), &a.id).await.unwrap();
    revocation::revoke_subject(&app, &by(), "somebody else").await.unwrap();
    revocation::revoke_key(&app, &by(), &key).await.unwrap();
    let audience = countersign_protocol::Audience::try_from(API1).unwrap();
    revocation::revoke_audience(&app, &by(), &issuer_id("default"), &audience).await.unwrap();
    revocation::revoke_all(&app, &by(), None).await.unwrap();
    world.tell(false).await;
    let texts = world.deltas_after_all(position).await;
    let keys = world.keys().await;
    let records: Vec<Record> = texts.iter().map(|text| Record::open(text, &keys).unwrap()).collect();
    let told: Vec<(String, String, i64)> = records
        .iter()
        .flat_map(|record| &record.contents.marks)
        .map(|mark| {
            let (kind, server, value) = mark.name.parts();
            assert_eq!(server, "");
            (kind.to_owned(), value.to_owned(), mark.not_before.as_seconds())
        })
        .collect();
    let at = 1_800_000_001;
    let expected = [("client", a.id.as_str()), ("sub", "somebody else"), ("kid", key.as_str()), ("aud", API1), ("all", "")]
        .map(|(kind, value)| (kind.to_owned(), value.to_owned(), at));
    assert_eq!(told, expected);
    assert!(records.iter().any(|record| record.contents.api_keys.contains(&format!("client {}", a.id))));
}

impl World {
    /// The verifier's own token may have been revoked with the others.
    async fn deltas_after_all(&mut self, after: Position) -> Vec<String> {
        self.managed.app.clock.advance_seconds(2);
        self.verifier.token = self.managed.app.management_token(&self.verifier.client).await;
        self.deltas(after).await
    }
}

#[tokio::test]
async fn other_signing_keys_are_told_and_other_changes_of_the_catalog_are_not() {
    let mut world = World::start().await;
    let position = world.snapshot().await.position;
    let app = Arc::clone(&world.app().app);
    let patch = AuthorizationServerPatch { name: Some("renamed".to_owned()), ..AuthorizationServerPatch::default() };
    authorization_servers::update(&app, &by(), &issuer_id("default"), patch, None).await.unwrap();
    world.tell(false).await;
    let keys = world.keys().await;
    let are_told = |texts: Vec<String>| texts.iter().any(|text| Record::open(text, &keys).unwrap().contents.are_keys_changed);
    assert!(!are_told(world.deltas(position).await));
    countersign::signing_keys::add_algorithm(&app, &by(), &issuer_id("default"), Algorithm::EdDSA).await.unwrap();
    world.tell(false).await;
    assert!(are_told(world.deltas(position).await));
}

#[tokio::test]
async fn a_change_that_only_a_newer_node_understands_begins_the_feed_anew() {
    let mut world = World::start().await;
    let before = world.snapshot().await;
    let newer = "UPDATE feed_head SET seq = seq + 1; \
                 INSERT INTO changes (seq, changed_at, kind, object_id) SELECT seq, 0, 'a newer one', 'x' FROM feed_head";
    world.app().database.execute(newer).await;
    world.tell(false).await;
    world.get(&format!("deltas?after={}", before.position)).send().await.assert_problem(409, ErrorCode::StatusFeedGone);
}

#[tokio::test]
async fn a_position_that_cannot_be_continued_asks_for_a_snapshot() {
    let mut world = World::start().await;
    let position = world.snapshot().await.position;
    let of_another = Position { epoch: position.epoch ^ 1, ..position };
    let ahead = Position { seq: 1, ..position };
    for gone in [of_another, ahead] {
        world.get(&format!("deltas?after={gone}")).send().await.assert_problem(409, ErrorCode::StatusFeedGone);
        let stream = world.get("stream").header("last-event-id", gone.to_string()).send().await;
        stream.assert_problem(409, ErrorCode::StatusFeedGone);
    }
    for _ in 0..1_025 {
        world.tell(true).await;
    }
    world.get(&format!("deltas?after={position}")).send().await.assert_problem(409, ErrorCode::StatusFeedGone);
    for bad in ["deltas", "deltas?after=x", "deltas?after=1&wait=26", "deltas?after=0000000000000001-1&since=1"] {
        assert_code(&world.get(bad).send().await, 400, ErrorCode::QueryInvalid);
    }
    assert_code(&world.get("stream").header("last-event-id", "x").send().await, 400, ErrorCode::QueryInvalid);
}

#[tokio::test]
async fn a_gap_in_the_change_feed_begins_the_feed_anew() {
    let mut world = World::start().await;
    let before = world.snapshot().await;
    world.app().database.execute("UPDATE feed_head SET seq = seq + 7").await;
    world.tell(false).await;
    world.get(&format!("deltas?after={}", before.position)).send().await.assert_problem(409, ErrorCode::StatusFeedGone);
    assert_ne!(world.snapshot().await.position.epoch, before.position.epoch);
}

#[tokio::test]
async fn an_emergency_rotation_replaces_the_key_of_the_feed_too() {
    let mut world = World::start().await;
    let (before, keys) = (world.snapshot().await, world.get("keys").send().await.text().to_owned());
    let app = Arc::clone(&world.app().app);
    let compromised = {
        let catalog = app.catalog();
        catalog.authorization_server(&issuer_id("default")).unwrap().keys.active(Algorithm::ES256).unwrap().key_id().clone()
    };
    countersign::signing_keys::replace_compromised(&app, &by(), &compromised, false).await.unwrap();
    world.tell(false).await;
    // Its own access token was signed by the old signing key.
    world.verifier = world.app().caller("orders-api-2", "status:read", None).await;
    world.get(&format!("deltas?after={}", before.position)).send().await.assert_problem(409, ErrorCode::StatusFeedGone);
    assert_ne!(world.get("keys").send().await.text(), keys);
    // It is signed by the new key, and has the mark of the old signing key.
    let after = world.snapshot().await;
    assert!(after.marks.iter().any(|mark| mark.to_string().contains(compromised.as_str())), "{:?}", after.marks);
    assert_eq!(world.app().database.count("SELECT count(*) FROM status_feed_keys").await, 1);
}

#[tokio::test]
async fn only_who_may_read_the_status_follows_it() {
    let world = World::start().await;
    let nobody = world.app().caller("nobody", "clients:read", None).await;
    let position = world.snapshot().await.position;
    for path in ["snapshot", "stream", &format!("deltas?after={position}")] {
        assert_code(&world.app().get(&format!("{STATUS}/{path}")).send().await, 401, ErrorCode::TokenMissing);
        let refused = follow(world.app(), &nobody, path).send().await;
        assert_code(&refused, 403, ErrorCode::InsufficientScope);
        assert!(refused.header("www-authenticate").unwrap().contains(r#"scope="status:read""#));
    }
    // Marks name clients of every organization.
    let organization = world.app().organization("Acme").await;
    let limited = world.app().caller("limited-api", "status:read", Some(&organization)).await;
    assert_code(&follow(world.app(), &limited, "snapshot").send().await, 403, ErrorCode::LimitedToOrganization);
    assert_eq!(world.app().get(&format!("{STATUS}/keys")).send().await.status, 200);
    let applied =
        world.app().post(&format!("{STATUS}/applied")).json(&json!({ "position": position.to_string(), "applied_ms": 1 }));
    assert_code(&applied.send().await, 401, ErrorCode::TokenMissing);
}

#[tokio::test]
async fn a_node_that_does_not_follow_the_database_says_nothing_rather_than_that_all_is_well() {
    let managed = Managed::start(ENGINE).await;
    let verifier = managed.app.caller("orders-api", "status:read", None).await;
    follow(&managed.app, &verifier, "snapshot").send().await.assert_problem(503, ErrorCode::Unavailable);
    let mut follower = Follower::start(Arc::clone(&managed.app.app), Duration::from_secs(1)).await.unwrap();
    assert_eq!(follow(&managed.app, &verifier, "snapshot").send().await.status, 200);
    managed.app.clock.advance_seconds(11);
    follow(&managed.app, &verifier, "snapshot").send().await.assert_problem(503, ErrorCode::Unavailable);
    follower.catch_up().await.unwrap();
    assert_eq!(follow(&managed.app, &verifier, "snapshot").send().await.status, 200);
}

#[tokio::test]
async fn a_heartbeat_of_a_cut_off_node_does_not_claim_to_be_fresh() {
    let world = World::start().await;
    let snapshot = world.snapshot().await;
    world.app().clock.advance_seconds(8);
    world.app().app.status_feeds.write(0, true);
    let texts = world.deltas(snapshot.position).await;
    let beat = Record::open(&texts[0], &world.keys().await).unwrap();
    assert_eq!(beat.as_of, snapshot.as_of);
}

#[tokio::test]
async fn a_stream_has_every_record_and_ends_with_its_token() {
    let mut world = World::start().await;
    let position = world.snapshot().await.position;
    world.tell(true).await;
    let streaming = world.get("stream").header("last-event-id", position.to_string()).send();
    let streaming = tokio::spawn(streaming);
    wait_for_follower(world.app()).await;
    let app = Arc::clone(&world.app().app);
    revocation::revoke_subject(&app, &by(), "u 42").await.unwrap();
    world.tell(false).await;
    // The token that the stream began with lives for ten minutes.
    world.app().clock.advance_seconds(86_400);
    world.tell(true).await;
    let answer = streaming.await.unwrap();
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let keys = world.keys().await;
    let events: Vec<(Position, Record)> = answer
        .text()
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("id: "))
        .map(|event| {
            let (id, data) = event.split_once("\ndata: ").unwrap();
            (id.parse().unwrap(), Record::open(data, &keys).unwrap())
        })
        .collect();
    let seqs: Vec<u64> = events.iter().map(|(position, _)| position.seq).collect();
    // Whether the last one still came is a matter of who was first.
    assert!(seqs.starts_with(&[1, 2]), "{seqs:?}");
    assert!(events.iter().all(|(position, record)| *position == record.position));
    assert_eq!(events[1].1.contents.marks[0].name.parts(), ("sub", "", "u 42"));
}

async fn wait_for_follower(app: &TestApp) {
    let feeds = app.app.status_feeds.all();
    while feeds[0].followers() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_client_is_revoked() {
    let mut world = World::start().await;
    let streaming = tokio::spawn(world.get("stream").send());
    // The feed begins with the request.
    while world.app().app.status_feeds.all().is_empty() {
        tokio::task::yield_now().await;
    }
    wait_for_follower(world.app()).await;
    let (app, id) = (Arc::clone(&world.app().app), world.verifier.client.id.clone());
    revocation::revoke_client(&app, &by(), &id).await.unwrap();
    world.tell(false).await;
    let answer = streaming.await.unwrap();
    assert!(answer.text().starts_with(": following\n\n"), "{}", answer.text());
}

#[tokio::test]
async fn a_wait_ends_with_the_next_record() {
    let mut world = World::start().await;
    let position = world.snapshot().await.position;
    let waiting = tokio::spawn(world.get(&format!("deltas?after={position}&wait=25")).send());
    wait_for_follower(world.app()).await;
    world.tell(true).await;
    assert_eq!(texts(&waiting.await.unwrap()).len(), 1);
}

#[tokio::test]
async fn what_verifiers_say_they_applied_is_counted() {
    let mut world = World::start().await;
    let before = world.snapshot().await.position;
    revocation::revoke_subject(&world.app().app, &by(), "u").await.unwrap();
    world.tell(false).await;
    let position = Position { seq: before.seq + 1, ..before };
    let bearer = format!("Bearer {}", world.verifier.token);
    let applied = |body| world.app().post(&format!("{STATUS}/applied")).header("authorization", &bearer).json(&body).send();
    for _ in 0..2 {
        assert_eq!(applied(json!({ "position": position.to_string(), "applied_ms": 12 })).await.status, 204);
    }
    let feed = &world.app().app.status_feeds.all()[0];
    assert_eq!(feed.record(position).unwrap().applied.load(std::sync::atomic::Ordering::SeqCst), 2);
    let scrape = world.app().scrape().await;
    assert!((scrape.value("countersign_status_feed_applied_seconds_count") - 2.0).abs() < f64::EPSILON);
    assert_code(&applied(json!({ "position": position.to_string() })).await, 400, ErrorCode::FieldInvalid);
    assert_code(&applied(json!({ "position": 5, "applied_ms": 1 })).await, 400, ErrorCode::QueryInvalid);
}

#[tokio::test]
async fn the_feed_keys_are_made_once_for_all_nodes() {
    let world = World::start().await;
    let second = world.app().second_node().await;
    let _follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let path = format!("{STATUS}/keys");
    let (first, other) = (world.app().get(&path).send().await, second.get(&path).send().await);
    assert_eq!((first.status.as_u16(), first.text()), (200, other.text()));
    assert_eq!(first.json()["keys"][0]["crv"], "Ed25519");
    let issuers = world.app().get("/oauth2/default/v1/keys").send().await;
    assert!(!issuers.text().contains(first.json()["keys"][0]["x"].as_str().unwrap()));
    assert_eq!(world.app().database.count("SELECT count(*) FROM status_feed_keys").await, 1);
    assert!(Timestamp::default() < world.app().app.status_feeds.complete_until());
}
