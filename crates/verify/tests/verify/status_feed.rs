//! The live status feed over HTTP.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::jose::SigningKey;
use countersign_protocol::status::{Contents, Mark, MarkName, RevokedTokenId};
use countersign_protocol::{Parameters, PresentedCredentials, parse_client_authentication};
use countersign_verify::{
    Algorithm, Aspect, BuildError, Clock as _, Conclusion, ErrorCode, Finding, Freshness, ManualClock, Requirements, StatusFeed,
    StatusPolicy, Timestamp, Verifier, VerifierBuilder,
};
use serde_json::{Value, json};

use crate::status_server::{StatusServer, until};
use crate::support::{AUDIENCE, FakeIssuer, KEYS_URL, NOW, UNKNOWN_KEY, key_set, new_key, refusal, token_of};

const UNKNOWN: (&str, u16) = ("CS-1303", 503);
const REVOKED: (&str, u16) = ("CS-1302", 401);
const MARKED: (&str, u16) = ("CS-1301", 401);
const SECRET: &str = "s:e c%r+t";

struct Feed {
    server: StatusServer,
    key: SigningKey,
    clock: Arc<ManualClock>,
    verifier: Verifier,
}

fn builder(server: &StatusServer, key: &SigningKey, clock: &Arc<ManualClock>) -> VerifierBuilder {
    let feed = StatusFeed::new(server.base.as_str(), "orders-api", SECRET);
    let builder = Verifier::builder(server.issuer(), AUDIENCE).jwk_set(key_set(&[("k1", key)]));
    builder.clock(Arc::<ManualClock>::clone(clock)).status(feed)
}

impl Feed {
    async fn new() -> Self {
        let feed = Self::with(|builder| builder).await;
        feed.verifier.ready(Duration::from_secs(10)).await.unwrap();
        feed
    }

    async fn with(change: impl FnOnce(VerifierBuilder) -> VerifierBuilder) -> Self {
        let key = new_key(Algorithm::EdDSA);
        let server = StatusServer::start(new_key(Algorithm::EdDSA)).await;
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
        let verifier = change(builder(&server, &key, &clock)).build().unwrap();
        Self { server, key, clock, verifier }
    }

    fn token_of(&self, changes: &Value) -> String {
        let mut changes = changes.clone();
        changes["iss"] = self.server.issuer().into();
        token_of(&self.key, "k1", &changes)
    }

    fn token(&self, place: u64) -> String {
        let status = json!({ "status_list": { "idx": place, "uri": self.server.list_url() } });
        self.token_of(&json!({ "status": status, "jti": format!("3f.{place}"), "exp": NOW + 3_600 }))
    }

    async fn refusal(&self, token: &str) -> (&'static str, u16) {
        refusal(self.verifier.verify_token(token).await)
    }

    async fn is_refused(&self, token: &str, with: (&str, u16)) {
        let code = async || self.verifier.verify_token(token).await.err().map(|denied| denied.code());
        until(async || code().await.is_some_and(|code| code.as_str() == with.0)).await;
        assert_eq!(self.refusal(token).await, with);
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance_seconds(seconds);
    }

    /// A heartbeat of the time that it is, and its arrival.
    async fn beat(&self) {
        self.server.lock().now = self.clock.now();
        self.server.tell(Contents::default());
        until(async || self.freshness() == Freshness::Fresh).await;
    }

    fn freshness(&self) -> Freshness {
        self.verifier.status().next().unwrap().1.freshness
    }
}

#[tokio::test]
async fn what_is_revoked_is_refused_as_soon_as_it_is_told() {
    let feed = Feed::new().await;
    let (good, bad) = (feed.token(1), feed.token(2));
    for token in [&good, &bad] {
        feed.verifier.verify_token(token).await.unwrap();
    }
    feed.server.revoke(2);
    // It is remembered as verified.
    feed.is_refused(&bad, REVOKED).await;
    feed.verifier.verify_token(&good).await.unwrap();

    let explained = feed.verifier.explain(&bad, &Requirements::none()).await;
    assert_eq!(explained.finding(Aspect::Revocation), Finding::Failed(ErrorCode::TokenRevoked));
    assert_eq!(explained.conclusion(), Conclusion::Refused(ErrorCode::TokenRevoked));
    let explained = feed.verifier.explain(&good, &Requirements::none()).await;
    assert_eq!((explained.finding(Aspect::Revocation), explained.conclusion()), (Finding::Passed, Conclusion::Accepted));
}

#[tokio::test]
async fn every_kind_of_news_is_applied() {
    let feed = Feed::new().await;
    let named = feed.token_of(&json!({ "jti": "without-a-place" }));
    let by_id_alone = feed.token_of(&json!({ "jti": "3f.9" }));
    let of_client = feed.token_of(&json!({ "jti": "other" }));
    for token in [&named, &by_id_alone, &of_client] {
        feed.verifier.verify_token(token).await.unwrap();
    }
    let expires_at = Timestamp::from_seconds(NOW + 600);
    let tokens = vec![RevokedTokenId { token_id: "without-a-place".to_owned(), expires_at }];
    feed.server.tell(Contents { tokens, ..Contents::default() });
    feed.is_refused(&named, REVOKED).await;
    feed.server.revoke(9);
    feed.is_refused(&by_id_alone, REVOKED).await;
    feed.verifier.verify_token(&of_client).await.unwrap();
    let mark = Mark { name: MarkName::new("client", "", "demo-client"), not_before: Timestamp::from_seconds(NOW + 1) };
    feed.server.tell(Contents { marks: vec![mark], ..Contents::default() });
    feed.is_refused(&of_client, MARKED).await;
    // What the client got since is good.
    feed.advance(1);
    feed.verifier.verify_token(&feed.token_of(&json!({ "iat": NOW + 1 }))).await.unwrap();
}

#[tokio::test]
async fn a_place_outside_of_a_list_is_none() {
    let feed = Feed::new().await;
    assert_eq!(feed.refusal(&feed.token(1 << 10)).await, ("CS-1304", 401));
    // Nor is one in a list of another server, of which this feed tells nothing.
    let elsewhere = json!({ "status_list": { "idx": 5, "uri": feed.server.list_url().replace("default", "other") } });
    assert_eq!(feed.refusal(&feed.token_of(&json!({ "status": elsewhere }))).await, ("CS-1304", 401));
    // Of a list that nothing was told of every token is good.
    let status = json!({ "status_list": { "idx": 5, "uri": feed.server.list_url().replace("3f", "40") } });
    feed.verifier.verify_token(&feed.token_of(&json!({ "status": status }))).await.unwrap();
}

#[tokio::test]
async fn the_issuers_keys_are_asked_for_when_the_feed_says_that_they_are_others() {
    let issuer = FakeIssuer::new(String::new());
    let feed = Feed::with(|builder| builder.jwks_uri(KEYS_URL).fetch(issuer.clone())).await;
    // Nothing was fetched yet: nobody has waited since.
    issuer.publish(key_set(&[("k1", &feed.key)]));
    let token = feed.token(1);
    feed.verifier.verify_token(&token).await.unwrap();
    assert_eq!(issuer.fetches(), 1);
    issuer.publish(key_set(&[("k2", &new_key(Algorithm::EdDSA))]));
    feed.verifier.verify_token(&token).await.unwrap();
    feed.server.tell(Contents { are_keys_changed: true, ..Contents::default() });
    feed.is_refused(&token, UNKNOWN_KEY).await;
    // That was not told in a feed that begins anew; it may have been before.
    let fetched = issuer.fetches();
    feed.server.restart();
    until(async || issuer.fetches() > fetched).await;
}

#[tokio::test]
async fn the_conversation_is_as_the_server_expects_it() {
    let feed = Feed::new().await;
    feed.clock.advance_millis(250);
    feed.server.revoke(2);
    feed.is_refused(&feed.token(2), REVOKED).await;
    until(async || !feed.server.asked("/applied").is_empty()).await;
    let applied = &feed.server.asked("/applied")[0];
    let body: Value = serde_json::from_slice(&applied.body).unwrap();
    assert_eq!(body, json!({ "position": "0000000000000001-1", "applied_ms": 250 }));
    let stream = &feed.server.asked("/stream")[0];
    assert_eq!(
        (&stream.headers["accept"], &stream.headers["last-event-id"]),
        (&"text/event-stream".parse().unwrap(), &"0000000000000001-0".parse().unwrap())
    );
    let issued: Vec<_> = feed.server.lock().asked.iter().filter(|asked| asked.path == "/oauth/token").cloned().collect();
    assert_eq!(issued.len(), 1, "one access token serves for all of it");
    let form = Parameters::from_form(&issued[0].body).unwrap();
    assert_eq!(
        (form.find("scope"), form.find("audience")),
        (Some("status:read"), Some(&*format!("{}/manage/v1", feed.server.base)))
    );
    let authorization = issued[0].headers["authorization"].as_bytes();
    let PresentedCredentials::Secret(own) = parse_client_authentication([authorization], &form).unwrap() else {
        panic!("no secret")
    };
    assert_eq!((own.client_id.as_str(), own.client_secret.expose().as_str()), ("orders-api", SECRET));
}

#[tokio::test]
async fn a_feed_that_begins_anew_is_read_anew() {
    let feed = Feed::new().await;
    feed.server.revoke(2);
    feed.is_refused(&feed.token(2), REVOKED).await;
    feed.server.restart();
    // Told by no record: the snapshot has it.
    feed.server.revoke_in_list(3);
    feed.is_refused(&feed.token(3), REVOKED).await;
    assert_eq!(feed.refusal(&feed.token(2)).await, REVOKED);
    assert_eq!(feed.server.asked("/snapshot").len(), 2);
    let (_, state) = feed.verifier.status().next().unwrap();
    assert_eq!((state.snapshots, state.records), (2, 1));
}

#[tokio::test]
async fn before_anything_was_heard_nothing_is_accepted() {
    let key = new_key(Algorithm::EdDSA);
    let server = StatusServer::start(new_key(Algorithm::EdDSA)).await;
    server.lock().fails_with = Some(403);
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
    let verifier = builder(&server, &key, &clock).build().unwrap();
    let feed = Feed { server, key, clock, verifier };
    let (good, bad) = (feed.token(1), feed.token(2));
    feed.server.revoke_in_list(2);
    until(async || feed.server.lock().asked.len() > 3).await;
    for token in [&good, &bad] {
        let denied = feed.verifier.verify_token_now(token).unwrap_err();
        assert_eq!(
            (denied.code().as_str(), denied.status().as_u16(), denied.retry_after().is_some()),
            (UNKNOWN.0, UNKNOWN.1, true)
        );
    }
    assert!(feed.verifier.ready(Duration::from_millis(1)).await.is_err());
    // Who waits gets a verdict with the first snapshot.
    let waiting = [good, bad].map(|token| {
        let verifier = feed.verifier.clone();
        tokio::spawn(async move { verifier.verify_token(&token).await.map(drop) })
    });
    feed.server.lock().fails_with = None;
    let [good, bad] = waiting;
    assert!(good.await.unwrap().is_ok());
    assert_eq!(bad.await.unwrap().unwrap_err().code(), ErrorCode::TokenRevoked);
}

#[tokio::test]
async fn a_token_is_remembered_for_as_long_as_the_feed_is_heard() {
    let feed = Feed::new().await;
    let token = feed.token(1);
    feed.verifier.verify_token(&token).await.unwrap();
    for _ in 0..10 {
        feed.advance(60);
        feed.beat().await;
        feed.verifier.verify_token(&token).await.unwrap();
    }
    feed.server.revoke(1);
    feed.is_refused(&token, REVOKED).await;
}

#[tokio::test]
async fn without_news_each_policy_does_as_documented() {
    let bounded = Feed::new().await;
    let closed = Feed::with(|builder| builder.status_policy(StatusPolicy::FailClosed(Duration::from_secs(20)))).await;
    closed.verifier.ready(Duration::from_secs(10)).await.unwrap();
    let on_route = Requirements::none().status_within(Duration::from_secs(30));
    for (seconds, freshness, is_closed, is_closed_on_route, is_unbounded) in [
        (15, Freshness::Fresh, false, false, true),
        (1, Freshness::Stale, false, false, true),
        (5, Freshness::Stale, true, false, true),
        (10, Freshness::Stale, true, true, true),
        (869, Freshness::Stale, true, true, true),
        (1, Freshness::Expired, true, true, false),
    ] {
        bounded.advance(seconds);
        closed.advance(seconds);
        assert_eq!((bounded.freshness(), closed.freshness()), (freshness, freshness));
        let short_lived = |feed: &Feed| feed.token_of(&json!({ "iat": NOW + 500, "exp": NOW + 1_100, "nbf": null }));
        let long_lived = bounded.verifier.verify_token(&bounded.token(1)).await;
        assert_eq!(long_lived.is_ok(), is_unbounded, "{freshness:?}");
        if let Ok(verified) = long_lived {
            assert_eq!(bounded.verifier.require(&verified, &on_route).is_err(), is_closed_on_route);
        }
        if seconds > 500 || freshness == Freshness::Expired {
            bounded.verifier.verify_token(&short_lived(&bounded)).await.unwrap();
            assert_eq!(closed.refusal(&short_lived(&closed)).await, UNKNOWN);
        }
        match is_closed {
            true => assert_eq!(closed.refusal(&closed.token(1)).await, UNKNOWN),
            false => drop(closed.verifier.verify_token(&closed.token(1)).await.unwrap()),
        }
    }
    // What was heard is refused whatever its age.
    bounded.server.revoke(5);
    bounded.is_refused(&bounded.token(5), REVOKED).await;
}

#[tokio::test]
async fn a_route_may_have_a_policy_of_its_own() {
    let feed = Feed::new().await;
    let strict = feed.verifier.with_status_policy(StatusPolicy::FailClosed(Duration::from_secs(20))).unwrap();
    let token = feed.token(1);
    // What one of them remembers is judged anew by the other.
    feed.verifier.verify_token(&token).await.unwrap();
    feed.advance(20);
    strict.verify_token(&token).await.unwrap();
    feed.advance(1);
    assert_eq!(strict.verify_token(&token).await.unwrap_err().code(), ErrorCode::StatusUnknown);
    feed.verifier.verify_token(&token).await.unwrap();
    // Both hear the same.
    feed.server.revoke(1);
    feed.is_refused(&token, REVOKED).await;
    assert_eq!(strict.verify_token(&token).await.unwrap_err().code(), ErrorCode::TokenRevoked);
    let flaps = StatusPolicy::FailClosed(Duration::from_secs(14));
    assert!(matches!(feed.verifier.with_status_policy(flaps), Err(BuildError::StatusPolicy)));
}

#[tokio::test]
async fn policies_that_cannot_be_kept_are_refused() {
    let (key, server) = (new_key(Algorithm::EdDSA), StatusServer::start(new_key(Algorithm::EdDSA)).await);
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
    let built = |policy| builder(&server, &key, &clock).status_policy(policy).build().map(drop);
    assert!(matches!(built(StatusPolicy::FailClosed(Duration::from_millis(14_999))), Err(BuildError::StatusPolicy)));
    built(StatusPolicy::FailClosed(Duration::from_secs(15))).unwrap();
    #[cfg(feature = "introspection")]
    assert!(matches!(built(StatusPolicy::Introspect), Err(BuildError::StatusPolicy)));
}

#[cfg(feature = "introspection")]
mod introspected {
    use std::sync::Mutex;

    use countersign_verify::{FetchError, Introspect, IntrospectFuture, Introspection};

    use super::*;

    /// What the issuer says of every token; `None`: nothing.
    #[derive(Clone)]
    struct Says(Arc<Mutex<Option<bool>>>, String, &'static str);

    impl Introspect for Says {
        fn introspect<'a>(&'a self, _: &'a str) -> IntrospectFuture<'a> {
            Box::pin(async {
                let active = self.0.lock().unwrap().ok_or_else(|| FetchError::new("connect ECONNREFUSED"))?;
                Ok(json!({ "active": active, "iss": self.1, "aud": self.2 }).to_string().into_bytes())
            })
        }
    }

    /// A feed, and an introspection of `issuer`, or of the feed's own.
    async fn asking(issuer: Option<&str>, audience: &'static str) -> (Feed, Arc<Mutex<Option<bool>>>) {
        let answer = Arc::new(Mutex::new(Some(true)));
        let feed = Feed::new().await;
        let issuer = issuer.map_or_else(|| feed.server.issuer(), str::to_owned);
        let says = Says(Arc::clone(&answer), issuer.clone(), audience);
        let introspection = Introspection::with(issuer, says).cache_entries(0);
        let builder = builder(&feed.server, &feed.key, &feed.clock);
        let verifier = builder.introspection(introspection).status_policy(StatusPolicy::Introspect).build().unwrap();
        verifier.ready(Duration::from_secs(10)).await.unwrap();
        (Feed { verifier, ..feed }, answer)
    }

    #[tokio::test]
    async fn who_does_not_hear_asks_the_issuer() {
        let (feed, answer) = asking(None, AUDIENCE).await;
        let token = feed.token(1);
        *answer.lock().unwrap() = Some(false);
        feed.advance(15);
        feed.verifier.verify_token(&token).await.unwrap();
        feed.advance(1);
        assert_eq!(feed.refusal(&token).await, ("CS-1016", 401));
        *answer.lock().unwrap() = Some(true);
        feed.verifier.verify_token(&token).await.unwrap();
        // A route for which this is too much.
        let bounded = feed.verifier.with_status_policy(StatusPolicy::BoundedByTtl).unwrap();
        *answer.lock().unwrap() = Some(false);
        bounded.verify_token(&token).await.unwrap();
        bounded.with_status_policy(StatusPolicy::Introspect).unwrap().verify_token(&token).await.unwrap_err();
        // Nobody answers: as the default.
        *answer.lock().unwrap() = None;
        feed.verifier.verify_token(&token).await.unwrap();
        feed.advance(900);
        assert_eq!(feed.refusal(&token).await, UNKNOWN);
        *answer.lock().unwrap() = Some(true);
        // Who did not answer is not asked again at once.
        assert_eq!(feed.refusal(&token).await, UNKNOWN);
        feed.advance(5);
        feed.verifier.verify_token(&token).await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_does_not_say_that_the_token_is_dead_refuses_nothing() {
        let (feed, answer) = asking(None, "https://another-api.test").await;
        let token = feed.token(1);
        feed.advance(16);
        feed.verifier.verify_token(&token).await.unwrap();
        *answer.lock().unwrap() = Some(false);
        assert_eq!(feed.refusal(&token).await, ("CS-1016", 401));
    }

    #[tokio::test]
    async fn another_issuer_is_not_asked() {
        let (feed, answer) = asking(Some("https://other.test"), AUDIENCE).await;
        *answer.lock().unwrap() = Some(false);
        feed.advance(16);
        feed.verifier.verify_token(&feed.token(1)).await.unwrap();
        feed.advance(900);
        assert_eq!(feed.refusal(&feed.token(1)).await, UNKNOWN);
    }
}
