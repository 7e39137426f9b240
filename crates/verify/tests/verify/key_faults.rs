//! Issuers that fail, lie or dawdle.

use countersign_verify::Algorithm;
use serde_json::{Value, json};

use crate::support::{Mood, NOT_JUDGED, UNKNOWN_KEY, World, key_set, new_key, refusal, settle, token_of};

#[tokio::test]
async fn a_hundred_callers_share_one_fetch() {
    let world = World::cold(|builder| builder);
    world.issuer.hold();
    let token = world.token(&json!({}));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (world.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify_token(&token).await })
        })
        .collect();
    settle().await;
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    world.issuer.release();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_callers_on_four_threads_share_one_fetch() {
    for _ in 0..20 {
        let world = World::cold(|builder| builder);
        let token = world.token(&json!({}));
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (verifier, token) = (world.verifier.clone(), token.clone());
                tokio::spawn(async move { verifier.verify_token(&token).await })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap().unwrap();
        }
        assert_eq!(world.issuer.fetches(), 1);
    }
}

#[tokio::test]
async fn a_hundred_callers_share_one_failure() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    world.issuer.hold();
    let token = world.token(&json!({}));
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (world.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify_token(&token).await })
        })
        .collect();
    settle().await;
    world.issuer.release();
    for caller in callers {
        assert_eq!(refusal(caller.await.unwrap()), NOT_JUDGED);
    }
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_fetch() {
    let world = World::cold(|builder| builder);
    world.issuer.hold();
    let token = world.token(&json!({}));
    let caller = tokio::spawn({
        let (verifier, token) = (world.verifier.clone(), token.clone());
        async move { verifier.verify_token(&token).await }
    });
    settle().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    world.issuer.release();
    settle().await;
    world.verifier.verify_token_now(&token).unwrap();
    assert_eq!(world.issuer.fetches(), 1);
}

#[tokio::test]
async fn without_keys_a_failed_fetch_is_repeated_after_five_seconds() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    let token = world.token(&json!({}));
    for _ in 0..10 {
        assert_eq!(world.refusal(&token).await, NOT_JUDGED);
    }
    world.advance_millis(4_999);
    assert_eq!(world.refusal(&token).await, NOT_JUDGED);
    assert_eq!(world.issuer.fetches(), 1);
    world.issuer.mood(Mood::Up);
    world.advance_millis(1);
    world.verify(&token).await.unwrap();
    assert_eq!(world.issuer.fetches(), 2);
}

#[tokio::test]
async fn a_malformed_token_is_refused_even_without_keys() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    assert_eq!(world.refusal("x").await, ("CS-1005", 401));
}

#[tokio::test]
async fn a_fetch_that_panics_counts_as_failed() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Panics);
    let token = world.token(&json!({}));
    assert_eq!(world.refusal(&token).await, NOT_JUDGED);
    world.issuer.mood(Mood::Up);
    world.clock.advance_seconds(5);
    world.verify(&token).await.unwrap();
    world.issuer.mood(Mood::Panics);
    world.clock.advance_seconds(480);
    world.verify(&token).await.unwrap();
    settle().await;
    world.verifier.verify_token_now(&token).unwrap();
}

#[tokio::test]
async fn r15_answers_that_are_no_key_set_leave_the_last_good_one() {
    let private = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA", "kid": "k1" }] }).to_string();
    let large = format!("{}{}", key_set(&[("k9", &new_key(Algorithm::EdDSA))]), " ".repeat(256 * 1024));
    for answer in ["", "<html>", "\u{1f}\u{8b}", "null", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, &private, &large] {
        let world = World::new().await;
        let token = world.token(&json!({}));
        world.issuer.publish(answer.to_owned());
        world.clock.advance_seconds(480);
        world.verify(&token).await.unwrap();
        settle().await;
        assert_eq!(world.issuer.fetches(), 2);
        world.verify(&token).await.unwrap_or_else(|denied| panic!("{answer:.40}: {denied}"));
    }
}

#[tokio::test]
async fn r15_a_bad_key_is_skipped_and_not_the_set() {
    let world = World::cold(|builder| builder);
    let good = serde_json::to_value(world.key.public_jwk("k1")).unwrap();
    let mut set: Vec<Value> = vec![
        json!(null),
        json!({ "kty": "oct", "k": "AAAA", "kid": "oct" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "ec" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "short" }),
    ];
    set.push(good);
    world.issuer.publish(json!({ "keys": set }).to_string());
    world.verify(&world.token(&json!({}))).await.unwrap();
    for skipped in ["oct", "ec", "short"] {
        assert_eq!(world.refusal(&token_of(&world.key, skipped, &json!({}))).await, UNKNOWN_KEY, "{skipped}");
    }
}

#[tokio::test]
async fn r15_two_keys_with_one_key_id_are_both_skipped() {
    let world = World::cold(|builder| builder);
    let (second, third) = (new_key(Algorithm::EdDSA), new_key(Algorithm::EdDSA));
    world.issuer.publish(key_set(&[("k1", &world.key), ("k2", &second), ("k2", &third)]));
    world.verify(&world.token(&json!({}))).await.unwrap();
    assert_eq!(world.refusal(&token_of(&second, "k2", &json!({}))).await, UNKNOWN_KEY);
}
