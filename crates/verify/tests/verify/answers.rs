//! What a refused caller is told, to the byte.

use countersign_verify::{Denied, ErrorCode, Requirements, Verified};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response};
use serde_json::{Value, json};

use crate::support::{Mood, World};

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// Status, challenges, body.
fn answer(verdict: Result<Verified, Denied>) -> (u16, Vec<String>, Value) {
    let response: Response<String> = verdict.unwrap_err().into();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter().map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), challenges.collect(), serde_json::from_str(response.body()).unwrap())
}

#[tokio::test]
async fn h132_no_token() {
    let world = World::with(|builder| builder.realm("users")).await;
    for values in [&[][..], &["Basic YTpi"]] {
        let (status, challenges, body) = answer(world.verifier.verify_now(&headers(values)));
        assert_eq!((status, challenges), (401, vec![r#"Bearer realm="users""#.to_owned()]));
        assert_eq!(body, json!({ "type": "about:blank", "title": "unauthorized", "status": 401, "code": "CS-1001" }));
    }
}

#[tokio::test]
async fn h132_two_tokens_and_malformed_headers() {
    let world = World::new().await;
    let token = world.token(&json!({}));
    let bearer = format!("Bearer {token}");
    world.verifier.verify_now(&headers(&[&bearer])).unwrap();
    let twice = format!("{bearer}, {bearer}");
    let doubled = format!("Bearer {bearer}");
    for (values, code) in [
        (&[bearer.as_str(), bearer.as_str()][..], "CS-1002"),
        (&[&twice], "CS-1002"),
        (&[&doubled], "CS-1003"),
        (&["Bearer"], "CS-1003"),
    ] {
        let (status, challenges, body) = answer(world.verifier.verify_now(&headers(values)));
        assert_eq!(status, 400);
        let [challenge] = &challenges[..] else { panic!("{challenges:?}") };
        assert!(challenge.starts_with(r#"Bearer realm="api", error="invalid_request", error_description=""#), "{challenge}");
        assert_eq!(body, json!({ "type": "about:blank", "title": "invalid_request", "status": 400, "code": code }));
    }
}

#[tokio::test]
async fn a_bad_token() {
    let world = World::with(|builder| builder.realm("users")).await;
    let expired = headers(&[&format!("bearer {}", world.token_for(-600))]);
    let (status, challenges, body) = answer(world.verifier.verify(&expired).await);
    assert_eq!(status, 401);
    assert_eq!(challenges, [r#"Bearer realm="users", error="invalid_token", error_description="The token has expired.""#]);
    assert_eq!(body, json!({ "type": "about:blank", "title": "invalid_token", "status": 401, "code": "CS-1102" }));
}

#[tokio::test]
async fn h130_not_enough() {
    let world = World::with(|builder| builder.realm("users")).await;
    let verified = world.verify(&world.token(&json!({ "scope": "read:users" }))).await.unwrap();
    let need = Requirements::all(["list:users", "read:users"]);
    let (status, challenges, body) = answer(world.verifier.require(&verified, &need).map(|()| verified.clone()));
    assert_eq!(status, 403);
    assert_eq!(
        challenges,
        [concat!(
            r#"Bearer realm="users", error="insufficient_scope", error_description="The token lacks a scope that is needed here.", "#,
            r#"scope="list:users read:users""#
        )]
    );
    assert_eq!(body, json!({ "type": "about:blank", "title": "insufficient_scope", "status": 403, "code": "CS-1203" }));
    let denied = world.verifier.require(&verified, &Requirements::none().claim("tier", "gold")).unwrap_err();
    assert_eq!(
        (denied.code(), denied.status().as_u16(), denied.error()),
        (ErrorCode::ClaimMismatch, 403, Some("insufficient_scope"))
    );
    assert!(!denied.challenge().unwrap().contains("scope=\"") && !denied.challenge().unwrap().contains("gold"));
}

#[tokio::test]
async fn not_judged() {
    let world = World::cold(|builder| builder);
    world.issuer.mood(Mood::Down);
    let denied = world.verify(&world.token(&json!({}))).await.unwrap_err();
    assert_eq!((denied.error(), denied.challenge()), (None, None));
    let response: Response<String> = denied.clone().into();
    assert_eq!(response.headers()[RETRY_AFTER], "5");
    assert!(!response.body().contains("ECONNREFUSED"));
    let (status, challenges, body) = answer(Err(denied));
    assert_eq!((status, challenges), (503, Vec::new()));
    assert_eq!(body, json!({ "type": "about:blank", "title": "temporarily_unavailable", "status": 503, "code": "CS-1015" }));
}

#[tokio::test]
async fn h133_a_realm_cannot_break_out_of_its_quotes() {
    let world = World::with(|builder| builder.realm("a\"\r\nX-Evil: 1")).await;
    let (_, challenges, _) = answer(world.verifier.verify_now(&HeaderMap::new()));
    assert_eq!(challenges, [r#"Bearer realm="a'''X-Evil: 1""#]);
}

#[tokio::test]
async fn nothing_shows_the_token_or_its_claims() {
    let world = World::new().await;
    let token = world.token(&json!({ "aud": "https://secret-audience.test" }));
    let denied = world.verify(&token).await.unwrap_err();
    let shown = format!("{denied:?} {denied} {} {:?}", denied.body(), denied.headers());
    assert!(!shown.contains("secret-audience") && !shown.contains("eyJ"), "{shown}");
    let verified = world.verify(&world.token(&json!({}))).await.unwrap();
    let shown = format!("{verified:?} {:?}", world.verifier);
    assert!(!shown.contains("eyJ"), "{shown}");
}
