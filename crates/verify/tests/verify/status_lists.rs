//! Status lists, asked for by the tokens that name them.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::jose::SigningKey;
use countersign_verify::{Algorithm, ErrorCode, ManualClock, Requirements, StatusLists, StatusPolicy, Timestamp, Verifier};
use serde_json::{Value, json};

use crate::status_server::{Forged, LIST_LIFE, StatusServer, TTL};
use crate::support::{AUDIENCE, NOW, key_set, new_key, refusal, token_of};

const UNKNOWN: (&str, u16) = ("CS-1303", 503);
const NO_PLACE: (&str, u16) = ("CS-1304", 401);
const REVOKED: (&str, u16) = ("CS-1302", 401);

struct Lists {
    server: StatusServer,
    key: SigningKey,
    clock: Arc<ManualClock>,
    verifier: Verifier,
}

impl Lists {
    async fn new() -> Self {
        Self::with(StatusPolicy::default()).await
    }

    async fn with(policy: StatusPolicy) -> Self {
        let pkcs8 = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let [key, list_key] = [(); 2].map(|()| SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).unwrap());
        let server = StatusServer::start(list_key).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        let builder = Verifier::builder(server.issuer(), AUDIENCE).jwk_set(key_set(&[("k1", &key)]));
        let builder = builder.clock(Arc::<ManualClock>::clone(&clock)).status(StatusLists::new()).status_policy(policy);
        Self { verifier: builder.build().unwrap(), server, key, clock }
    }

    fn token_with(&self, status: &Value, seconds: i64) -> String {
        let changes = json!({ "iss": self.server.issuer(), "status": status, "exp": NOW + seconds, "scope": null });
        token_of(&self.key, "k1", &changes)
    }

    /// A token with this place in the list, which lives for so long.
    fn token(&self, place: u64, seconds: i64) -> String {
        self.token_with(&json!({ "status_list": { "idx": place, "uri": self.server.list_url() } }), seconds)
    }

    async fn accepts(&self, token: &str) -> bool {
        self.verifier.verify_token(token).await.is_ok()
    }

    async fn refusal(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verifier.verify_token(token).await)
    }

    /// As without a list: what lives for at most ten minutes expires soon enough.
    async fn has_none(&self, why: &str) {
        assert!(self.accepts(&self.token(1, 600)).await, "{why}");
        assert_eq!(self.refusal(&self.token(1, 601)).await, UNKNOWN, "{why}");
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
        self.server.lock().now = Timestamp::from_seconds(countersign_verify::Clock::now(&*self.clock).as_seconds());
    }
}

#[tokio::test]
async fn a_list_is_asked_for_once_before_its_time_to_live_is_over() {
    let lists = Lists::new().await;
    lists.server.revoke_in_list(7);
    let (good, bad) = (lists.token(6, 3_600), lists.token(7, 3_600));
    // Who does not wait hears that it is on its way.
    let denied = lists.verifier.verify_token_now(&good).unwrap_err();
    assert_eq!((denied.code().as_str(), denied.status().as_u16()), UNKNOWN);
    assert!(denied.retry_after().is_some() && denied.challenge().is_none());
    assert!(lists.accepts(&good).await);
    assert_eq!(lists.refusal(&bad).await, REVOKED);
    let asked = lists.server.asked("/3f");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].headers["accept"], "application/statuslist+jwt");
    assert!(!asked[0].headers.contains_key("authorization"));

    // A remembered token is judged by the list too, and the list by its age.
    lists.server.revoke_in_list(6);
    assert!(lists.accepts(&good).await);
    lists.advance(TTL);
    assert_eq!(lists.refusal(&good).await, REVOKED);
    assert_eq!(lists.server.asked("/3f").len(), 2);
}

#[tokio::test]
async fn a_route_may_ask_for_the_age_of_the_tokens_list() {
    let lists = Lists::new().await;
    let token = lists.token(6, 3_600);
    let within = Requirements::none().status_within(Duration::from_secs(30));
    let verified = lists.verifier.verify_token(&token).await.unwrap();
    lists.verifier.require(&verified, &within).unwrap();
    lists.advance(TTL + 30);
    assert_eq!(lists.verifier.require(&verified, &within).unwrap_err().code(), ErrorCode::StatusUnknown);
    let verified = lists.verifier.verify_token(&token).await.unwrap();
    lists.verifier.require(&verified, &within).unwrap();
}

#[tokio::test]
async fn f101_a_place_that_does_not_exist_is_no_place() {
    let lists = Lists::new().await;
    let elsewhere = "https://elsewhere.test/oauth2/default/v1/status/3f";
    let beside = format!("{}1/oauth2/default/v1/status/3f", lists.server.base);
    for status in [
        json!({ "status_list": { "idx": 1 << 10, "uri": lists.server.list_url() } }),
        json!({ "status_list": { "idx": u64::MAX, "uri": lists.server.list_url() } }),
        json!({ "status_list": { "idx": 1, "uri": elsewhere } }),
        json!({ "status_list": { "idx": 1, "uri": beside } }),
        json!({ "status_list": { "idx": "1", "uri": lists.server.list_url() } }),
        json!({}),
        json!("x"),
    ] {
        assert_eq!(lists.refusal(&lists.token_with(&status, 60)).await, NO_PLACE, "{status}");
    }
    // A token without status cannot be revoked by lists.
    assert!(lists.accepts(&lists.token_with(&Value::Null, 3_600)).await);
    assert_eq!(lists.server.asked("/3f").len(), 1);
}

#[tokio::test]
async fn f101_what_the_issuer_did_not_sign_for_this_url_and_now_is_no_list() {
    for fault in ["key", "expired", "future"] {
        let lists = Lists::new().await;
        match fault {
            "key" => lists.server.lock().list_key = new_key(Algorithm::EdDSA),
            "expired" => lists.server.lock().now = Timestamp::from_seconds(NOW - LIST_LIFE),
            _ => lists.server.lock().now = Timestamp::from_seconds(NOW + 6),
        }
        lists.has_none(fault).await;
    }
    for forged in [Forged::Type, Forged::Url, Forged::Bits, Forged::NoZlib, Forged::Bomb, Forged::NoTtl] {
        let lists = Lists::new().await;
        lists.server.lock().list_forged = Some(forged);
        lists.has_none(&format!("{forged:?}")).await;
    }
}

#[tokio::test]
async fn while_the_issuer_is_away_the_list_at_hand_is_used_until_it_expires() {
    let lists = Lists::new().await;
    lists.server.revoke_in_list(7);
    let (good, bad) = (lists.token(6, 86_400), lists.token(7, 86_400));
    assert!(lists.accepts(&good).await);
    lists.server.lock().fails_with = Some(500);
    lists.advance(TTL);
    assert!(lists.accepts(&good).await);
    assert_eq!(lists.refusal(&bad).await, REVOKED);
    // Whoever comes later does not wait for an answer that did not come before.
    lists.advance(2);
    assert!(lists.verifier.verify_token_now(&good).is_ok());
    lists.advance(LIST_LIFE - TTL - 3);
    assert!(lists.accepts(&good).await);
    assert_eq!(lists.refusal(&bad).await, REVOKED);
    lists.advance(1);
    assert_eq!(lists.refusal(&good).await, UNKNOWN);
    assert_eq!(lists.refusal(&bad).await, UNKNOWN);
    lists.server.lock().fails_with = None;
    lists.advance(2);
    assert!(lists.accepts(&good).await);
    assert_eq!(lists.refusal(&bad).await, REVOKED);
}

#[tokio::test]
async fn who_fails_closed_accepts_nothing_by_an_old_list() {
    let lists = Lists::with(StatusPolicy::FailClosed(std::time::Duration::from_secs(90))).await;
    let good = lists.token(6, 3_600);
    assert!(lists.accepts(&good).await);
    lists.server.lock().fails_with = Some(500);
    lists.advance(90);
    assert!(lists.accepts(&good).await);
    lists.advance(2);
    assert_eq!(lists.refusal(&good).await, UNKNOWN);
    // Also of a token that expires soon.
    assert_eq!(lists.refusal(&lists.token(6, 300)).await, UNKNOWN);
}
