//! Keys that come and go, and key ids that nobody has.

use countersign_verify::Algorithm;
use serde_json::json;

use crate::support::{BAD_SIGNATURE, Mood, NOT_JUDGED, UNKNOWN_KEY, World, key_set, new_key, settle, token_of};

fn made_up(world: &World, number: usize) -> String {
    token_of(&world.key, &format!("made-up-{number}"), &json!({}))
}

#[tokio::test]
async fn h125_r14_a_thousand_made_up_key_ids_cost_one_fetch() {
    let world = World::new().await;
    assert_eq!(world.issuer.fetches(), 1);
    for number in 0..1000 {
        assert_eq!(world.refusal(&made_up(&world, number)).await, UNKNOWN_KEY, "{number}");
    }
    assert_eq!(world.issuer.fetches(), 2);
    world.verify(&world.token(&json!({}))).await.unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn h125_r14_a_thousand_made_up_key_ids_at_once_cost_one_fetch() {
    let world = World::new().await;
    world.issuer.hold();
    let requests: Vec<_> = (0..1000)
        .map(|number| {
            let (verifier, token) = (world.verifier.clone(), made_up(&world, number));
            tokio::spawn(async move { verifier.verify_token(&token).await })
        })
        .collect();
    settle().await;
    // Good tokens are not held up.
    world.verifier.verify_token_now(&world.token(&json!({}))).unwrap();
    world.issuer.release();
    for request in requests {
        assert_eq!(crate::support::refusal(request.await.unwrap()), UNKNOWN_KEY);
    }
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r14_a_thousand_made_up_key_ids_on_four_threads_cost_one_fetch() {
    let world = World::cold(|builder| builder);
    world.verify(&world.token(&json!({}))).await.unwrap();
    let requests: Vec<_> = (0..1000)
        .map(|number| {
            let (verifier, token) = (world.verifier.clone(), made_up(&world, number));
            tokio::spawn(async move { verifier.verify_token(&token).await })
        })
        .collect();
    for request in requests {
        assert_eq!(crate::support::refusal(request.await.unwrap()), UNKNOWN_KEY);
    }
    assert_eq!(world.issuer.fetches(), 2);
}

#[test]
fn the_fetch_that_a_made_up_key_id_waited_for_is_its_fetch() {
    // Outside a runtime nothing is fetched before the first use.
    let world = World::cold(|builder| builder);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for number in 0..1000 {
            assert_eq!(world.refusal(&made_up(&world, number)).await, UNKNOWN_KEY, "{number}");
        }
    });
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn h125_r14_the_cooldown_lasts_30_seconds() {
    let world = World::new().await;
    assert_eq!(world.refusal(&made_up(&world, 0)).await, UNKNOWN_KEY);
    world.advance_millis(29_900);
    assert_eq!(world.refusal(&made_up(&world, 1)).await, UNKNOWN_KEY);
    assert_eq!(world.issuer.fetches(), 2);
    world.advance_millis(100);
    assert_eq!(world.refusal(&made_up(&world, 2)).await, UNKNOWN_KEY);
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn r14_a_key_id_known_to_be_unknown_does_not_wait_for_a_fetch_under_way() {
    let world = World::new().await;
    world.issuer.hold();
    let first = tokio::spawn({
        let (verifier, token) = (world.verifier.clone(), made_up(&world, 0));
        async move { verifier.verify_token(&token).await }
    });
    settle().await;
    // The answer takes five seconds: until 35 seconds after the request the issuer
    // is known not to have this key id.
    world.clock.advance_seconds(5);
    world.issuer.release();
    assert_eq!(crate::support::refusal(first.await.unwrap()), UNKNOWN_KEY);
    world.clock.advance_seconds(25);
    world.issuer.hold();
    assert_eq!(world.refusal_now(&made_up(&world, 1)), NOT_JUDGED);
    assert_eq!(world.refusal_now(&made_up(&world, 0)), UNKNOWN_KEY);
    assert_eq!(world.refusal_now(&made_up(&world, 2)), NOT_JUDGED);
    world.clock.advance_seconds(5);
    assert_eq!(world.refusal_now(&made_up(&world, 0)), NOT_JUDGED);
    world.issuer.release();
    settle().await;
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn h126_a_new_key_is_found_by_one_fetch() {
    let world = World::new().await;
    let second = new_key(Algorithm::ES256);
    world.issuer.publish(key_set(&[("k1", &world.key), ("k2", &second)]));
    let token = token_of(&second, "k2", &json!({}));
    assert_eq!(world.verify(&token).await.unwrap().key_id(), Some("k2"));
    world.verify(&world.token(&json!({}))).await.unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_sync_caller_that_meets_a_new_key_is_told_to_come_again() {
    let world = World::new().await;
    let second = new_key(Algorithm::EdDSA);
    world.issuer.publish(key_set(&[("k2", &second)]));
    let token = token_of(&second, "k2", &json!({}));
    assert_eq!(world.refusal_now(&token), NOT_JUDGED);
    settle().await;
    world.verifier.verify_token_now(&token).unwrap();
}

#[tokio::test]
async fn a_key_that_appears_during_the_cooldown_is_found_when_it_is_over() {
    let world = World::new().await;
    assert_eq!(world.refusal(&made_up(&world, 0)).await, UNKNOWN_KEY);
    let second = new_key(Algorithm::EdDSA);
    world.issuer.publish(key_set(&[("k1", &world.key), ("k2", &second)]));
    let token = token_of(&second, "k2", &json!({}));
    world.advance_millis(29_999);
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
    world.advance_millis(1);
    world.verify(&token).await.unwrap();
    assert_eq!(world.issuer.fetches(), 3);
}

#[tokio::test]
async fn a_bad_signature_never_costs_a_fetch() {
    let world = World::new().await;
    let stranger = new_key(Algorithm::EdDSA);
    for number in 0..100 {
        let token = token_of(&stranger, "k1", &json!({ "jti": number.to_string() }));
        assert_eq!(world.refusal(&token).await, BAD_SIGNATURE);
        world.clock.advance_seconds(1);
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn a_token_without_key_id_never_costs_a_fetch() {
    let world = World::new().await;
    let second = new_key(Algorithm::EdDSA);
    let token = crate::support::sign_raw(
        &world.key,
        r#"{"alg":"EdDSA","typ":"at+jwt"}"#,
        &crate::support::claims(&json!({ "exp": crate::support::NOW + 9_999 })).to_string(),
    );
    // The only key of the set is meant; of two neither.
    world.verify(&token).await.unwrap();
    world.issuer.publish(key_set(&[("k1", &world.key), ("k2", &second)]));
    world.clock.advance_seconds(600);
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_key_that_left_the_set_stops_at_once_also_for_remembered_tokens() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    world.verify(&token).await.unwrap();
    let second = new_key(Algorithm::EdDSA);
    world.issuer.publish(key_set(&[("k2", &second)]));
    // Another token brings the new set.
    world.verify(&token_of(&second, "k2", &json!({}))).await.unwrap();
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
    assert_eq!(world.refusal_now(&token), UNKNOWN_KEY);
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn another_key_under_the_same_key_id_stops_remembered_tokens() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    world.verify(&token).await.unwrap();
    let (other, second) = (new_key(Algorithm::EdDSA), new_key(Algorithm::EdDSA));
    world.issuer.publish(key_set(&[("k1", &other), ("k2", &second)]));
    world.verify(&token_of(&second, "k2", &json!({}))).await.unwrap();
    assert_eq!(world.refusal(&token).await, BAD_SIGNATURE);
}

#[tokio::test]
async fn h126_a_removed_key_is_refused_when_the_time_to_live_is_over() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    world.verify(&token).await.unwrap();
    let second = new_key(Algorithm::EdDSA);
    world.issuer.publish(key_set(&[("k2", &second)]));
    // Due: the request that starts the fetch still goes on with the old key.
    world.clock.advance_seconds(480);
    world.verify(&token).await.unwrap();
    settle().await;
    assert_eq!(world.refusal(&token).await, UNKNOWN_KEY);
}

#[tokio::test]
async fn r13_an_unknown_key_id_is_503_while_the_issuer_cannot_be_asked() {
    let world = World::new().await;
    world.issuer.mood(Mood::Down);
    assert_eq!(world.refusal(&made_up(&world, 0)).await, NOT_JUDGED);
    assert_eq!(world.refusal(&made_up(&world, 1)).await, NOT_JUDGED);
    assert_eq!(world.issuer.fetches(), 2);
    // Known keys go on.
    world.verify(&world.token(&json!({}))).await.unwrap();
    world.issuer.mood(Mood::Up);
    world.advance_millis(29_999);
    assert_eq!(world.refusal(&made_up(&world, 0)).await, NOT_JUDGED);
    world.advance_millis(1);
    assert_eq!(world.refusal(&made_up(&world, 0)).await, UNKNOWN_KEY);
    assert_eq!(world.issuer.fetches(), 3);
}
