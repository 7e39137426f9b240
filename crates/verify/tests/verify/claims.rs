//! Issuer, audience, times, and what an access token always has.

use countersign_verify::Timestamp;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, ISSUER, NOW, World, claims, sign_raw};

const MISSING: (&str, u16) = ("CS-1202", 401);

/// A token whose claim `name` is this JSON text.
fn with_claim(world: &World, name: &str, value: &str) -> String {
    let payload = claims(&json!({ name: null })).to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1);
    sign_raw(&world.key, r#"{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}"#, &payload)
}

#[tokio::test]
async fn h121_the_issuer_is_compared_byte_for_byte() {
    let world = World::new().await;
    for iss in [
        "https://as.test/oauth2/default/",
        "https://as.test/oauth2/defaul",
        "https://as.test",
        "https://AS.test/oauth2/default",
        "http://as.test/oauth2/default",
        "",
    ] {
        assert_eq!(world.refusal(&world.token(&json!({ "iss": iss }))).await, ("CS-1201", 401), "{iss}");
    }
    for iss in [json!([ISSUER]), json!(5), json!({}), Value::Null] {
        assert_eq!(world.refusal(&world.token(&json!({ "iss": iss }))).await, MISSING, "{iss}");
    }
}

#[tokio::test]
async fn h120_the_audience_is_compared_byte_for_byte() {
    let world = World::new().await;
    for aud in [
        json!("https://api1.test/"),
        json!("https://api1.testx"),
        json!("https://API1.test"),
        json!("https://api2.test"),
        json!(""),
        json!([]),
        json!([""]),
        json!(["https://api2.test", "https://api1.test/"]),
    ] {
        assert_eq!(world.refusal(&world.token(&json!({ "aud": aud }))).await, ("CS-1204", 401), "{aud}");
    }
    for aud in [json!(5), json!({ "a": 1 }), json!([5]), json!([AUDIENCE, 5]), Value::Null] {
        assert_eq!(world.refusal(&world.token(&json!({ "aud": aud }))).await, MISSING, "{aud}");
    }
    world.verify(&world.token(&json!({ "aud": ["x", AUDIENCE] }))).await.unwrap();
}

#[tokio::test]
async fn h118_with_leeway_0_a_token_is_expired_in_the_moment_exp_names() {
    let world = World::with(|builder| builder.leeway_seconds(0)).await;
    assert_eq!(world.refusal(&world.token_for(0)).await, ("CS-1102", 401));
    let token = world.token_for(1);
    world.verify(&token).await.unwrap();
    world.advance_millis(999);
    // Remembered or not.
    world.verify(&token).await.unwrap();
    world.advance_millis(1);
    assert_eq!(world.refusal(&token).await, ("CS-1102", 401));
}

#[tokio::test]
async fn h118_h119_the_leeway_is_exactly_the_one_that_was_set() {
    for leeway in [0, 5, 60] {
        let world = World::with(|builder| builder.leeway_seconds(leeway)).await;
        let leeway = i64::from(leeway);
        let token = world.token_for(100);
        world.advance_millis((100 + leeway) * 1000 - 1);
        world.verify(&token).await.unwrap();
        world.advance_millis(1);
        assert_eq!(world.refusal(&token).await, ("CS-1102", 401), "{leeway}");

        let world = World::with(|builder| builder.leeway_seconds(u8::try_from(leeway).unwrap())).await;
        for (claim, code) in [("nbf", "CS-1101"), ("iat", "CS-1103")] {
            world.verify(&world.token(&json!({ claim: NOW + leeway }))).await.unwrap();
            let ahead = world.token(&json!({ claim: NOW + leeway + 1 }));
            assert_eq!(world.refusal(&ahead).await, (code, 401), "{leeway}");
        }
    }
}

#[tokio::test]
async fn the_leeway_is_five_seconds_unless_said_otherwise() {
    let world = World::new().await;
    world.verify(&world.token_for(-4)).await.unwrap();
    assert_eq!(world.refusal(&world.token_for(-5)).await, ("CS-1102", 401));
    world.verify(&world.token(&json!({ "iat": NOW + 5 }))).await.unwrap();
    assert_eq!(world.refusal(&world.token(&json!({ "iat": NOW + 6 }))).await, ("CS-1103", 401));
}

#[tokio::test]
async fn h118_h119_times_are_whole_numbers_of_seconds() {
    let world = World::new().await;
    for value in ["\"9999999999\"", "-1", "1.5", "[1]", "{}", "true", "null", "18446744073709551615"] {
        for claim in ["exp", "nbf", "iat"] {
            assert_eq!(world.refusal(&with_claim(&world, claim, value)).await, MISSING, "{claim} {value}");
        }
    }
    assert_eq!(world.refusal(&with_claim(&world, "exp", "1e400")).await, ("CS-1007", 401));
    assert_eq!(world.refusal(&with_claim(&world, "exp", "0")).await, ("CS-1102", 401));
    assert_eq!(world.refusal(&world.token(&json!({ "exp": null }))).await, MISSING);
    // So far away that milliseconds do not fit.
    world.verify(&with_claim(&world, "exp", "9223372036854775807")).await.unwrap();
    assert_eq!(world.refusal(&with_claim(&world, "nbf", "9223372036854775807")).await, ("CS-1101", 401));
}

#[tokio::test]
async fn an_access_token_is_whole() {
    let world = World::new().await;
    let relaxed = World::with(|builder| builder.accept_incomplete_tokens()).await;
    for claim in ["client_id", "sub", "jti", "iat"] {
        assert_eq!(world.refusal(&world.token(&json!({ claim: null }))).await, MISSING, "{claim}");
        relaxed.verify(&relaxed.token(&json!({ claim: null }))).await.unwrap();
        for value in [json!(["x"]), json!({}), json!(true)] {
            assert_eq!(relaxed.refusal(&relaxed.token(&json!({ claim: value }))).await, MISSING, "{claim} {value}");
        }
    }
    for claim in ["client_id", "sub", "jti"] {
        assert_eq!(world.refusal(&world.token(&json!({ claim: "" }))).await, MISSING, "{claim}");
    }
}

#[tokio::test]
async fn a_verified_token_tells_what_it_says() {
    let world = World::new().await;
    let verified = world.verify(&world.token(&json!({ "tier": "gold" }))).await.unwrap();
    assert_eq!(verified.issuer(), ISSUER);
    assert_eq!(verified.client_id(), Some("demo-client"));
    assert_eq!(verified.subject(), Some("demo-client"));
    assert_eq!(verified.credential_id(), Some("cred_1"));
    assert_eq!(verified.token_id(), Some("jti-1"));
    assert_eq!(verified.key_id(), Some("k1"));
    assert_eq!(verified.expires_at(), Timestamp::from_seconds(NOW + 600));
    assert_eq!(verified.scopes().to_string(), "list:users read:users");
    assert!(verified.has("list:users") && !verified.has("list"));
    assert_eq!(verified.claims().all["tier"], "gold");
}

#[tokio::test]
async fn a_remembered_token_expires_in_its_time() {
    let world = World::with(|builder| builder.leeway_seconds(60)).await;
    let token = world.token_for(30);
    world.verify(&token).await.unwrap();
    world.clock.advance_seconds(89);
    world.verify(&token).await.unwrap();
    world.clock.advance_seconds(1);
    assert_eq!(world.refusal(&token).await, ("CS-1102", 401));
}
