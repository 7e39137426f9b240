//! API keys beside tokens: what is asked, what is remembered, and what ends that.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_protocol::CredentialText;
use countersign_verify::{
    ApiKeys, AskFuture, AskKeys, BuildError, CallerAddress, ErrorCode, FetchError, KeyQuestion, Method, Presented, Requirements,
    Verified, Verifier,
};
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};

use crate::support::{AUDIENCE, Documents, ISSUER, World, refusal, settle};

const REFUSED: (&str, u16) = ("CS-5044", 401);
const DAMAGED: (&str, u16) = ("CS-5048", 401);
const EXHAUSTED: (&str, u16) = ("CS-5049", 429);
const UNAVAILABLE: (&str, u16) = ("CS-1017", 503);
/// What is waited for at most: something is wrong long before.
const PATIENCE: Duration = Duration::from_secs(20);

fn key(number: u8) -> String {
    CredentialText::generate("acme_live", [number; 9], [9; 32]).expose().clone()
}

/// A server that knows one key, and what changes about it.
#[derive(Clone)]
struct KeyServer {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    /// Closed while verdicts take their time: they are made before.
    door: Arc<Semaphore>,
}

struct State {
    verdict: Value,
    position: i64,
    /// Where the node that gives verdicts is, if it is behind.
    node_position: Option<i64>,
    changes: Vec<(i64, Vec<&'static str>, bool)>,
    feed: FeedMood,
    is_down: bool,
    asked: Vec<(String, String, Option<IpAddr>)>,
    followed: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum FeedMood {
    Up,
    Down,
    /// It takes questions and never answers.
    Silent,
}

fn valid() -> Value {
    json!({
        "valid": true, "code": "VALID", "key_id": "key_a", "secret_id": "Qb4mZ7c2Xk9T", "client_id": "client-a",
        "resource_server_id": "rs_1", "audience": AUDIENCE, "name": "Acme", "external_id": "4711",
        "metadata": { "plan": "pro" }, "permissions": ["orders.read", "invoices.*"], "roles": [], "expires_at": null,
        "max_age_seconds": 60, "is_for_address": false,
    })
}

fn refused(code: &str) -> Value {
    json!({ "valid": false, "code": code, "key_id": "key_a", "client_id": "client-a", "max_age_seconds": 5, "is_for_address": false })
}

impl KeyServer {
    fn new() -> Self {
        let state = State {
            verdict: valid(),
            position: 100,
            node_position: None,
            changes: Vec::new(),
            feed: FeedMood::Up,
            is_down: false,
            asked: Vec::new(),
            followed: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::default(), door: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }

    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn says(&self, verdict: Value) {
        self.with(|state| state.verdict = verdict);
    }

    /// A change of the key or of its client, told at once.
    fn change(&self, verdict: Value, id: &'static str) {
        self.with(|state| {
            state.verdict = verdict;
            state.position += 1;
            let position = state.position;
            state.changes.push((position, vec![id], false));
        });
        self.changed.notify_waiters();
    }

    fn asked(&self) -> usize {
        self.state.lock().unwrap().asked.len()
    }

    fn followed(&self) -> usize {
        self.state.lock().unwrap().followed
    }

    fn hold(&self) {
        self.door.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn release(&self) {
        self.door.add_permits(Semaphore::MAX_PERMITS - self.door.available_permits());
    }

    /// What has changed since `after`; `None`: nothing.
    fn told(&self, after: Option<i64>) -> Option<Value> {
        let state = self.state.lock().unwrap();
        let since: Vec<_> = state.changes.iter().filter(|(at, ..)| after.is_some_and(|after| *at > after)).collect();
        let is_back = after.is_some_and(|after| after > state.position);
        if after.is_some() && since.is_empty() && !is_back {
            return None;
        }
        let ids = |wanted: &str| -> Vec<&str> {
            since.iter().flat_map(|(_, ids, _)| ids).filter(|id| id.starts_with(wanted)).copied().collect()
        };
        let everything = is_back || since.iter().any(|(.., everything)| *everything);
        Some(json!({ "position": state.position, "everything": everything, "key_ids": ids("key_"), "client_ids": ids("client-") }))
    }
}

impl AskKeys for KeyServer {
    fn verify<'a>(&'a self, question: KeyQuestion<'a>) -> AskFuture<'a> {
        let mut state = self.state.lock().unwrap();
        state.asked.push((question.key.to_owned(), question.audience.to_owned(), question.address));
        let answer = if state.is_down {
            Err(FetchError::new("connect ECONNREFUSED"))
        } else {
            let mut verdict = state.verdict.clone();
            let position = state.node_position.unwrap_or(state.position);
            if verdict.get("key_id").is_some() && verdict.get("position").is_none() {
                verdict["position"] = json!(position);
            }
            Ok(verdict.to_string().into_bytes())
        };
        Box::pin(async move {
            let _open = self.door.acquire().await.unwrap();
            answer
        })
    }

    fn changes(&self, after: Option<i64>, _: Duration) -> AskFuture<'_> {
        Box::pin(async move {
            self.with(|state| state.followed += 1);
            loop {
                let changed = self.changed.notified();
                let mood = self.state.lock().unwrap().feed;
                match mood {
                    FeedMood::Down => return Err(FetchError::new("connect ECONNREFUSED")),
                    FeedMood::Up => {
                        if let Some(told) = self.told(after) {
                            return Ok(told.to_string().into_bytes());
                        }
                    }
                    FeedMood::Silent => {}
                }
                changed.await;
            }
        })
    }
}

/// A verifier of tokens and keys, and the server that it asks.
struct Keys {
    world: World,
    server: KeyServer,
}

impl Keys {
    async fn start() -> Self {
        Self::start_with(|keys| keys).await
    }

    async fn start_with(change: impl FnOnce(ApiKeys) -> ApiKeys) -> Self {
        let server = KeyServer::new();
        let keys = change(ApiKeys::with(server.clone()));
        let world = World::with(|builder| builder.api_keys(keys)).await;
        Self { world, server }
    }

    /// The feed was heard once; a key is valid and remembered.
    async fn warm() -> Self {
        let keys = Self::start().await;
        keys.ok().await;
        eventually(|| keys.server.followed() >= 2).await;
        keys
    }

    async fn ok(&self) -> Verified {
        self.world.verify(&key(1)).await.unwrap()
    }

    async fn refusal(&self) -> (&'static str, u16) {
        self.world.refusal(&key(1)).await
    }

    async fn verify_from(&self, address: Option<&str>) -> Result<Verified, (&'static str, u16)> {
        let (key, address) = (key(1), address.map(|address| address.parse().unwrap()));
        let verdict = self.world.verifier.verify_presented(Presented::bearer(&key).from(address)).await;
        verdict.map_err(|denied| refusal(Err(denied)))
    }
}

/// Waits until something that other tasks do has come true.
async fn eventually(is_true: impl Fn() -> bool) {
    let wait = async {
        while !is_true() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

#[tokio::test]
async fn to_a_service_a_key_looks_like_a_token_of_its_client() {
    let keys = Keys::start().await;
    let found = keys.ok().await;
    assert_eq!((found.client_id(), found.subject(), found.credential_id()), (Some("client-a"), Some("client-a"), Some("key_a")));
    assert_eq!((found.issuer(), found.method(), found.key_id(), found.token_id()), (ISSUER, Method::ApiKey, None, None));
    assert_eq!((found.external_id(), found.metadata().unwrap()["plan"].as_str()), (Some("4711"), Some("pro")));
    assert_eq!(found.scopes().to_string(), "orders.read");
    assert!(found.has("orders.read") && found.has("invoices.read") && found.has("invoices.items.read"));
    for missing in ["orders", "orders.read2", "xorders.read", "invoices", "invoices.*", "*"] {
        assert!(!found.has(missing), "{missing}");
    }
    let verifier = &keys.world.verifier;
    verifier.require(&found, &Requirements::all(["invoices.read", "orders.read"]).claim("client_id", "client-a")).unwrap();
    let lacking = verifier.require(&found, &Requirements::all(["orders.write"])).unwrap_err();
    assert_eq!((lacking.status().as_u16(), lacking.code()), (403, ErrorCode::InsufficientScope));
    let asked = keys.server.state.lock().unwrap().asked.clone();
    assert_eq!(asked, [(key(1), AUDIENCE.to_owned(), None)]);
    let token = keys.world.verify(&keys.world.token(&json!({ "metadata": {}, "external_id": "x" }))).await.unwrap();
    assert_eq!((token.method(), token.metadata(), token.external_id()), (Method::Jwt, None, None));
    assert_eq!(keys.server.asked(), 1);
}

#[tokio::test]
async fn a_damaged_key_is_refused_without_asking_anybody() {
    let keys = Keys::start().await;
    let good = key(1);
    for at in "acme_live_".len()..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(keys.world.refusal(&String::from_utf8(bytes).unwrap()).await, DAMAGED, "{at}");
    }
    for garbage in ["x", "acme_live_x", &good[..good.len() - 1], &format!("{good}x"), "cst_AAAA", &format!("{good}.{good}.{good}")]
    {
        let (_, status) = keys.world.refusal(garbage).await;
        assert_eq!(status, 401, "{garbage}");
    }
    assert_eq!((keys.server.asked(), keys.server.followed()), (0, 0));
    keys.ok().await;
}

#[tokio::test]
async fn a_verdict_is_remembered_for_as_long_as_the_server_says() {
    let keys = Keys::warm().await;
    for _ in 0..100 {
        keys.ok().await;
    }
    assert_eq!(keys.server.asked(), 1);
    let (server, clock) = (&keys.server, &keys.world.clock);
    // Each second the feed says that nothing has changed; the verdict still has an end.
    for second in 1..=60 {
        clock.advance_millis(1_000);
        server.change(valid(), "key_other");
        let followed = server.followed();
        eventually(|| server.followed() > followed).await;
        keys.ok().await;
        assert_eq!(server.asked(), if second < 60 { 1 } else { 2 }, "{second}");
    }
    let shorter = Keys::start().await;
    shorter.server.says({
        let mut verdict = valid();
        verdict["max_age_seconds"] = json!(3);
        verdict
    });
    shorter.ok().await;
    shorter.world.advance_millis(2_999);
    shorter.ok().await;
    assert_eq!(shorter.server.asked(), 1);
    shorter.world.advance_millis(1);
    shorter.ok().await;
    assert_eq!(shorter.server.asked(), 2);
}

#[tokio::test]
async fn v80_a_revoked_key_is_refused_as_soon_as_the_change_is_told() {
    for (code, id) in [("REVOKED", "key_a"), ("DISABLED", "client-a"), ("NOT_FOUND", "key_a")] {
        let keys = Keys::warm().await;
        let followed = keys.server.followed();
        keys.server.change(refused(code), id);
        eventually(|| keys.server.followed() > followed).await;
        assert_eq!(keys.refusal().await, REFUSED, "{code}");
        assert_eq!(keys.server.asked(), 2);
        // It comes back as soon, although refusals are remembered too.
        let followed = keys.server.followed();
        keys.server.change(valid(), id);
        eventually(|| keys.server.followed() > followed).await;
        keys.ok().await;
    }
}

#[tokio::test]
async fn a_change_of_another_key_costs_no_question() {
    let keys = Keys::warm().await;
    for id in ["key_b", "client-b"] {
        let followed = keys.server.followed();
        keys.server.change(valid(), id);
        eventually(|| keys.server.followed() > followed).await;
        keys.ok().await;
    }
    assert_eq!(keys.server.asked(), 1);
    let followed = keys.server.followed();
    keys.server.with(|state| {
        state.position += 1;
        let position = state.position;
        state.changes.push((position, Vec::new(), true));
    });
    keys.server.changed.notify_waiters();
    eventually(|| keys.server.followed() > followed).await;
    keys.ok().await;
    assert_eq!(keys.server.asked(), 2);
}

#[tokio::test]
async fn a_verdict_that_a_change_overtakes_on_its_way_is_not_used() {
    let keys = Keys::warm().await;
    keys.world.advance_millis(60_000);
    keys.server.hold();
    let asked = keys.server.asked();
    let verifier = keys.world.verifier.clone();
    let waiting = tokio::spawn(async move { refusal(verifier.verify_token(&key(1)).await) });
    eventually(|| keys.server.asked() > asked).await;
    // The verdict says VALID and is on its way; the revocation arrives first.
    let followed = keys.server.followed();
    keys.server.change(refused("REVOKED"), "key_a");
    eventually(|| keys.server.followed() > followed).await;
    keys.server.release();
    assert_eq!(waiting.await.unwrap(), REFUSED);
    assert_eq!(keys.server.asked(), asked + 2);
}

#[tokio::test]
async fn a_verdict_of_a_node_that_has_not_heard_of_the_change_lets_nobody_in() {
    let keys = Keys::warm().await;
    keys.server.with(|state| state.node_position = Some(100));
    let followed = keys.server.followed();
    // Still VALID at the node that is behind, whose position says so.
    keys.server.change(valid(), "key_a");
    eventually(|| keys.server.followed() > followed).await;
    assert_eq!(keys.refusal().await, UNAVAILABLE);
    keys.server.with(|state| state.node_position = None);
    keys.ok().await;
}

#[tokio::test]
async fn a_feed_that_begins_anew_ends_every_verdict() {
    let keys = Keys::warm().await;
    let followed = keys.server.followed();
    keys.server.with(|state| {
        state.position = 7;
        state.verdict = refused("NOT_FOUND");
    });
    keys.server.changed.notify_waiters();
    eventually(|| keys.server.followed() > followed).await;
    assert_eq!(keys.refusal().await, REFUSED);
}

#[tokio::test]
async fn without_news_a_verdict_is_used_for_a_short_time_and_never_for_ever() {
    for mood in [FeedMood::Down, FeedMood::Silent] {
        let keys = Keys::warm().await;
        keys.server.with(|state| state.feed = mood);
        keys.server.changed.notify_waiters();
        settle().await;
        keys.server.says(refused("REVOKED"));
        keys.world.advance_millis(5_000);
        keys.ok().await;
        assert_eq!(keys.server.asked(), 1);
        keys.world.advance_millis(1);
        assert_eq!(keys.refusal().await, REFUSED);
        // What is asked anew holds for as short a time.
        keys.server.says(valid());
        keys.world.advance_millis(5_001);
        keys.ok().await;
        keys.world.advance_millis(5_001);
        keys.server.with(|state| state.is_down = true);
        assert_eq!(keys.refusal().await, UNAVAILABLE);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_leaves_keys_that_are_remembered_and_no_other() {
    let keys = Keys::warm().await;
    keys.server.with(|state| state.is_down = true);
    keys.ok().await;
    assert_eq!(keys.world.refusal(&key(2)).await, UNAVAILABLE);
    let denied = keys.world.verify(&key(2)).await.unwrap_err();
    assert_eq!((denied.challenge(), denied.retry_after()), (None, Some(Duration::from_secs(5))));
    keys.server.with(|state| state.is_down = false);
    keys.world.verify(&key(2)).await.unwrap();
}

#[tokio::test]
async fn what_is_counted_is_asked_each_time_also_by_many_at_once() {
    let keys = Keys::warm().await;
    let mut verdict = valid();
    verdict["max_age_seconds"] = json!(0);
    keys.server.says(verdict);
    keys.world.advance_millis(60_000);
    let before = keys.server.asked();
    for _ in 0..3 {
        keys.ok().await;
    }
    assert_eq!(keys.server.asked(), before + 3);
    let fresh = key(3);
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let (verifier, key) = (keys.world.verifier.clone(), fresh.clone());
            tokio::spawn(async move { verifier.verify_token(&key).await.map(drop) })
        })
        .collect();
    for one in asking {
        one.await.unwrap().unwrap();
    }
    assert_eq!(keys.server.asked(), before + 3 + 16);
}

#[tokio::test]
async fn a_key_that_is_used_up_is_429_and_not_remembered() {
    let keys = Keys::start().await;
    for (code, seconds) in [("RATE_LIMITED", 17), ("USAGE_EXCEEDED", 1)] {
        let mut verdict = refused(code);
        if seconds > 1 {
            verdict["retry_after_seconds"] = json!(seconds);
        }
        keys.server.says(verdict);
        let denied = keys.world.verify(&key(1)).await.unwrap_err();
        assert_eq!((denied.code().as_str(), denied.status().as_u16()), EXHAUSTED);
        assert_eq!((denied.challenge(), denied.retry_after()), (None, Some(Duration::from_secs(seconds))));
        assert_eq!(denied.headers()["retry-after"], seconds.to_string());
    }
    keys.server.says(valid());
    keys.ok().await;
    assert_eq!(keys.server.asked(), 3);
}

#[tokio::test]
async fn of_one_key_there_is_one_question_at_a_time() {
    let keys = Keys::start().await;
    keys.server.hold();
    let asking: Vec<_> = (0..64)
        .map(|_| {
            let verifier = keys.world.verifier.clone();
            tokio::spawn(async move { verifier.verify_token(&key(1)).await.map(drop) })
        })
        .collect();
    eventually(|| keys.server.asked() == 1).await;
    settle().await;
    keys.server.release();
    for one in asking {
        one.await.unwrap().unwrap();
    }
    assert_eq!(keys.server.asked(), 1);
}

#[tokio::test]
async fn a_caller_that_does_not_wait_gets_503_until_the_verdict_is_there() {
    let keys = Keys::start().await;
    assert_eq!(keys.world.refusal_now(&key(1)), UNAVAILABLE);
    eventually(|| keys.world.verifier.verify_token_now(&key(1)).is_ok()).await;
    assert_eq!(keys.server.asked(), 1);
}

#[tokio::test]
async fn a_verdict_about_an_address_is_not_used_for_another() {
    let keys = Keys::start().await;
    let mut here = valid();
    here["is_for_address"] = json!(true);
    keys.server.says(here);
    keys.verify_from(Some("203.0.113.7")).await.unwrap();
    keys.verify_from(Some("203.0.113.7")).await.unwrap();
    assert_eq!(keys.server.asked(), 1);
    let mut elsewhere = refused("FORBIDDEN");
    elsewhere["is_for_address"] = json!(true);
    keys.server.says(elsewhere);
    for other in [Some("203.0.113.8"), None] {
        assert_eq!(keys.verify_from(other).await.unwrap_err(), REFUSED);
    }
    let addresses: Vec<_> = keys.server.state.lock().unwrap().asked.iter().map(|(.., address)| *address).collect();
    assert_eq!(addresses, [Some("203.0.113.7".parse().unwrap()), Some("203.0.113.8".parse().unwrap()), None]);
    // One that is about no address is used for all.
    let keys = Keys::start().await;
    for address in [Some("203.0.113.7"), Some("203.0.113.8"), None] {
        keys.verify_from(address).await.unwrap();
    }
    assert_eq!(keys.server.asked(), 1);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_some_seconds_only() {
    let keys = Keys::start().await;
    keys.server.says(json!({ "valid": false, "code": "NOT_FOUND" }));
    for _ in 0..10 {
        assert_eq!(keys.refusal().await, REFUSED);
    }
    assert_eq!(keys.server.asked(), 1);
    keys.world.advance_millis(5_000);
    keys.server.says(valid());
    keys.ok().await;
}

#[tokio::test]
async fn memory_is_bounded_and_nothing_is_remembered_where_nothing_may_be() {
    let few = Keys::start_with(|keys| keys.cache_entries(4)).await;
    for number in 0..200 {
        few.world.verify(&key(number)).await.unwrap();
    }
    let before = few.server.asked();
    for number in 0..200 {
        few.world.verify(&key(number)).await.unwrap();
    }
    assert!(few.server.asked() - before >= 150, "{}", few.server.asked());
    let none = Keys::start_with(|keys| keys.cache_entries(0)).await;
    for _ in 0..3 {
        none.ok().await;
    }
    assert_eq!((none.server.asked(), none.server.followed()), (3, 0));
}

#[tokio::test]
async fn what_is_no_verdict_is_503() {
    let mut other_audience = valid();
    other_audience["audience"] = json!("https://other.test");
    let mut no_key = valid();
    no_key.as_object_mut().unwrap().remove("key_id");
    let mut no_permissions = valid();
    no_permissions.as_object_mut().unwrap().remove("permissions");
    let mut odd_permission = valid();
    odd_permission["permissions"] = json!(["a b"]);
    for verdict in [
        json!({}),
        json!([]),
        json!("VALID"),
        json!({ "valid": true }),
        json!({ "valid": true, "code": "DISABLED" }),
        json!({ "valid": false, "code": "VALID" }),
        json!({ "valid": "true", "code": "VALID" }),
        json!({ "valid": false, "code": "UNHEARD_OF" }),
        json!({ "valid": true, "code": "VALID" }),
        other_audience,
        no_key,
        no_permissions,
        odd_permission,
    ] {
        let keys = Keys::start().await;
        keys.server.says(verdict.clone());
        assert_eq!(keys.refusal().await, UNAVAILABLE, "{verdict}");
        keys.server.says(valid());
        keys.ok().await;
    }
}

#[tokio::test]
async fn a_key_may_come_in_a_header_of_its_own_and_never_beside_a_token() {
    let name = HeaderName::from_static("x-api-key");
    let keys = Keys::start_with(|keys| keys.header(name.clone())).await;
    let headers = |pairs: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    };
    let good = key(1);
    let bearer = format!("Bearer {good}");
    let token = format!("Bearer {}", keys.world.token(&json!({})));
    let verify = async |pairs: &[(&'static str, &str)]| keys.world.verifier.verify(&headers(pairs)).await;
    verify(&[("x-api-key", &good)]).await.unwrap();
    verify(&[("authorization", &bearer)]).await.unwrap();
    verify(&[("authorization", &token)]).await.unwrap();
    for (pairs, code) in [
        (&[("x-api-key", good.as_str()), ("authorization", bearer.as_str())][..], "CS-1002"),
        (&[("x-api-key", &good), ("authorization", &token)], "CS-1002"),
        (&[("x-api-key", &good), ("x-api-key", &good)], "CS-1002"),
        (&[("x-api-key", "")], "CS-1003"),
        (&[("x-api-key", "a b")], "CS-1003"),
        (&[("x-api-key", "a,b")], "CS-1003"),
        (&[("authorization", "Basic YTpi")], "CS-1001"),
        (&[], "CS-1001"),
    ] {
        assert_eq!(verify(pairs).await.unwrap_err().code().as_str(), code, "{pairs:?}");
    }
    let without = Keys::start().await;
    let alone = without.world.verifier.verify(&headers(&[("x-api-key", &good)])).await;
    assert_eq!(alone.unwrap_err().code(), ErrorCode::TokenMissing);
}

#[tokio::test]
async fn imported_keys_are_asked_about_only_where_that_was_chosen() {
    for text in ["acme_live_7Hk2pQ9xWm4T", "sk-7Hk2pQ9xWm4T"] {
        let keys = Keys::start().await;
        assert_eq!(keys.world.refusal(text).await.1, 401);
        assert_eq!(keys.server.asked(), 0);
        let keys = Keys::start_with(ApiKeys::and_imported).await;
        keys.world.verify(text).await.unwrap();
        assert_eq!(keys.server.asked(), 1);
        keys.world.verify(&keys.world.token(&json!({}))).await.unwrap();
        assert_eq!(keys.world.refusal("cst_AAAA").await.1, 401);
        assert_eq!(keys.world.refusal(&"x".repeat(513)).await, DAMAGED);
        assert_eq!(keys.server.asked(), 1);
    }
}

#[tokio::test]
async fn nobody_follows_for_a_verifier_that_is_gone() {
    let keys = Keys::warm().await;
    let Keys { world, server } = keys;
    let followed = server.followed();
    drop(world);
    server.change(valid(), "key_a");
    settle().await;
    server.change(valid(), "key_a");
    settle().await;
    assert!(server.followed() <= followed + 1, "{}", server.followed());
    eventually(|| Arc::strong_count(&server.state) == 1).await;
}

#[tokio::test]
async fn what_is_out_of_bounds_does_not_build() {
    for seconds in [0, 1, 61] {
        let keys = ApiKeys::with(KeyServer::new()).stale_seconds(seconds);
        let built = Verifier::builder(ISSUER, AUDIENCE).fetch(Documents::default()).api_keys(keys).build();
        assert!(matches!(built, Err(BuildError::StaleSeconds)), "{seconds}");
    }
    let plain = ApiKeys::new("http://auth.example.com", "orders-api", "secret");
    let built = Verifier::builder(ISSUER, AUDIENCE).fetch(Documents::default()).api_keys(plain).build();
    assert!(matches!(built, Err(BuildError::Http(_))), "a secret over plain http");
}

#[cfg(feature = "tower")]
#[tokio::test]
async fn the_layer_tells_whence_a_key_was_presented() {
    use std::convert::Infallible;
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    let keys = Keys::start().await;
    let service = ServiceBuilder::new().layer(keys.world.verifier.layer().require(Requirements::all(["invoices.1"]))).service(
        service_fn(async |request: http::Request<String>| {
            let verified = request.extensions().get::<Verified>().unwrap();
            Ok::<_, Infallible>(http::Response::new(verified.client_id().unwrap_or_default().to_owned()))
        }),
    );
    let mut request = http::Request::new(String::new());
    request.headers_mut().insert("authorization", format!("Bearer {}", key(1)).parse().unwrap());
    request.extensions_mut().insert(CallerAddress("203.0.113.7".parse().unwrap()));
    assert_eq!(service.oneshot(request).await.unwrap().into_body(), "client-a");
    assert_eq!(keys.server.state.lock().unwrap().asked[0].2, Some("203.0.113.7".parse().unwrap()));
}
