//! When keys are fetched again, and how long they are used.

use std::time::Duration;

use serde_json::json;

use crate::support::{Mood, NOT_JUDGED, UNKNOWN_KEY, World, key_set, settle};

const DAY: i64 = 86_400;
const LONG: i64 = 10 * DAY;

#[tokio::test]
async fn keys_are_refreshed_at_80_percent_by_the_request_that_finds_them_due() {
    let world = World::new().await;
    let token = world.token_for(LONG);
    world.advance_millis(479_999);
    world.verifier.verify_token_now(&token).unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 1);
    world.advance_millis(1);
    // The request goes on with the keys at hand.
    world.issuer.hold();
    world.verifier.verify_token_now(&token).unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 2);
    world.verifier.verify_token_now(&token).unwrap();
    world.issuer.release();
    settle().await;
    world.verifier.verify_token_now(&token).unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn jitter_moves_the_refresh_by_up_to_a_tenth() {
    for (roll, due_at) in [(0, 432_000), (200, 528_000), (201, 432_000)] {
        let world = World::with(|builder| builder.jitter(move || roll)).await;
        let token = world.token_for(LONG);
        world.advance_millis(due_at - 1);
        world.verify(&token).await.unwrap();
        settle().await;
        assert_eq!(world.issuer.fetches(), 1, "{roll}");
        world.advance_millis(1);
        world.verify(&token).await.unwrap();
        settle().await;
        assert_eq!(world.issuer.fetches(), 2, "{roll}");
    }
}

/// The seconds after which the first request starts a fetch: 80 % of the time to live.
async fn refresh_of(cache_control: &str, due_at: i64) {
    let world = World::cold(|builder| builder);
    world.issuer.cache_control(cache_control);
    settle().await;
    let token = world.token_for(LONG);
    world.advance_millis(due_at * 1000 - 1);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 1, "{cache_control}");
    world.advance_millis(1);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 2, "{cache_control}");
}

#[tokio::test]
async fn the_time_to_live_is_max_age_between_a_minute_and_a_day() {
    refresh_of("max-age=1", 48).await;
    refresh_of("public, max-age=300", 240).await;
    refresh_of("max-age=999999999", DAY * 8 / 10).await;
    refresh_of("no-store", 480).await;
}

#[tokio::test]
async fn an_etag_is_sent_and_304_starts_the_time_again() {
    let world = World::cold(|builder| builder);
    world.issuer.etag("\"v1\"");
    settle().await;
    assert_eq!(world.issuer.last_etag(), None);
    let token = world.token_for(LONG);
    world.issuer.mood(Mood::NotModified);
    world.issuer.cache_control("max-age=1000");
    world.advance_millis(480_000);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!((world.issuer.fetches(), world.issuer.last_etag().as_deref()), (2, Some("\"v1\"")));
    // The time to live of the 304 counts: 80 % of 1,000 seconds.
    world.advance_millis(799_999);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 2);
    world.advance_millis(1);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn not_modified_without_an_etag_is_a_failure() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::NotModified);
    assert_eq!(world.refusal(&world.token(&json!({}))).await, NOT_JUDGED);
}

#[tokio::test]
async fn r13_the_issuer_is_down_for_an_hour_and_no_request_for_a_known_key_fails() {
    let world = World::new().await;
    world.issuer.mood(Mood::Down);
    for minute in 0..=60 {
        let token = world.token(&json!({ "exp": world_now(minute) + 300, "iat": world_now(minute) }));
        world.verify(&token).await.unwrap_or_else(|denied| panic!("minute {minute}: {denied}"));
        world.verifier.verify_token_now(&token).unwrap_or_else(|denied| panic!("minute {minute}: {denied}"));
        settle().await;
        world.clock.advance_seconds(60);
    }
    assert!(world.issuer.fetches() > 10, "the issuer is asked now and then: {}", world.issuer.fetches());
    world.issuer.mood(Mood::Up);
    world.verify(&world.token_for(LONG)).await.unwrap();
}

fn world_now(minute: i64) -> i64 {
    crate::support::NOW + minute * 60
}

#[tokio::test]
async fn r13_an_hour_without_a_request_and_then_one_while_the_issuer_is_down() {
    let world = World::new().await;
    world.issuer.mood(Mood::Down);
    world.clock.advance_seconds(3600);
    world.verify(&world.token_for(LONG)).await.unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn keys_are_used_for_a_day_past_their_time_and_then_it_is_503() {
    let world = World::new().await;
    world.issuer.mood(Mood::Down);
    let token = world.token_for(LONG);
    world.clock.advance_seconds(600 + DAY);
    world.advance_millis(-1);
    world.verify(&token).await.unwrap();
    world.advance_millis(1);
    assert_eq!(world.refusal(&token).await, NOT_JUDGED);
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    // The issuer is back, and within five seconds it is asked again.
    world.issuer.mood(Mood::Up);
    world.advance_millis(4_998);
    assert_eq!(world.refusal(&token).await, NOT_JUDGED);
    world.advance_millis(1);
    world.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_verifier_that_was_idle_renews_its_keys_before_it_uses_them() {
    let world = World::new().await;
    let token = world.token_for(LONG);
    let other = crate::support::new_key(countersign_verify::Algorithm::EdDSA);
    world.issuer.publish(key_set(&[("k2", &other)]));
    world.clock.advance_seconds(600);
    // The removed key is not used once more, and one that cannot wait says so.
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
    assert_eq!(world.refusal_now(&token), UNKNOWN_KEY);
}

#[tokio::test]
async fn keys_past_their_time_are_used_while_a_fetch_started_in_time_is_under_way() {
    let world = World::new().await;
    let token = world.token_for(LONG);
    world.issuer.hold();
    world.clock.advance_seconds(599);
    world.verifier.verify_token_now(&token).unwrap();
    settle().await;
    assert_eq!(world.issuer.fetches(), 2);
    world.clock.advance_seconds(29);
    world.verifier.verify_token_now(&token).unwrap();
    world.clock.advance_seconds(1);
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    world.issuer.release();
    world.verify(&token).await.unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn build_inside_a_runtime_starts_the_first_fetch() {
    let world = World::cold(|builder| builder);
    let token = world.token(&json!({}));
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    settle().await;
    assert_eq!(world.issuer.fetches(), 1);
    world.verifier.verify_token_now(&token).unwrap();
}

#[test]
fn build_outside_a_runtime_leaves_the_first_fetch_to_the_first_use() {
    let world = World::cold(|builder| builder);
    let token = world.token(&json!({}));
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    assert_eq!(world.issuer.fetches(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(world.verify(&token)).unwrap();
    assert_eq!(world.issuer.fetches(), 1);
    // Without a runtime the keys at hand go on being used, and the runtime of an
    // earlier caller does the fetching.
    world.verifier.verify_token_now(&token).unwrap();
    world.advance_millis(480_000);
    let token = world.token_for(LONG);
    world.verifier.verify_token_now(&token).unwrap();
    runtime.block_on(settle());
    assert_eq!(world.issuer.fetches(), 2);
    drop(runtime);
    world.advance_millis(480_000);
    world.verifier.verify_token_now(&token).unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn ready_waits_for_the_first_keys() {
    let world = World::cold(|builder| builder);
    world.verifier.ready(Duration::from_secs(3)).await.unwrap();
    assert_eq!(world.issuer.fetches(), 1);
    world.verifier.ready(Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn ready_says_when_the_issuer_is_down() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    world.verifier.ready(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn ready_waits_no_longer_than_it_is_told() {
    let world = World::cold(|builder| builder);
    world.issuer.hold();
    let before = tokio::time::Instant::now();
    world.verifier.ready(Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::from_secs(3));
    world.issuer.release();
    world.verifier.ready(Duration::from_secs(3)).await.unwrap();
    assert_eq!(world.issuer.fetches(), 1);
}
