//! The layer and the extractor: one table, the same answers.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use countersign_verify::axum::Token;
use countersign_verify::testing::{Check, TestIssuer, every_bad_token};
use countersign_verify::{Requirements, Verifier, scopes};
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const AUDIENCE: &str = "https://api.test";

scopes! { ListUsers = all("list:users"); }

async fn by_extractor(_: Token<ListUsers>) -> &'static str {
    "hello"
}

async fn by_layer() -> &'static str {
    "hello"
}

fn apps(verifier: &Verifier) -> [(&'static str, Router); 2] {
    let layer = verifier.layer().require(Requirements::all(["list:users"]));
    [
        ("extractor", Router::new().route("/users", get(by_extractor)).with_state(verifier.clone())),
        ("layer", Router::new().route("/users", get(by_layer)).layer(layer)),
    ]
}

/// Status, headers and body, which are all that a caller can see.
async fn call(app: &Router, authorization: &[&str]) -> (StatusCode, Vec<(String, String)>, String) {
    let mut request = Request::builder().uri("/users");
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let seen = ["content-type", "cache-control", "www-authenticate", "retry-after"];
    let headers = seen
        .iter()
        .filter_map(|name| response.headers().get(*name).map(|value| ((*name).to_owned(), value.to_str().unwrap().to_owned())));
    let headers = headers.collect();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn both_give_the_same_answer_to_everything() {
    let issuer = TestIssuer::new();
    let good = issuer.token(AUDIENCE).scope("list:users read:users");
    let verifier = issuer.verifier(AUDIENCE);
    let bearer = format!("Bearer {}", good.sign());
    let mut table: Vec<(String, Vec<String>, u16)> = vec![
        ("good".to_owned(), vec![bearer.clone()], 200),
        ("good, in lower case".to_owned(), vec![bearer.replace("Bearer", "bearer")], 200),
        ("none".to_owned(), vec![], 401),
        ("another scheme".to_owned(), vec!["Basic YTpi".to_owned()], 401),
        ("two headers".to_owned(), vec![bearer.clone(), bearer.clone()], 400),
        ("two in one header".to_owned(), vec![format!("{bearer}, {bearer}")], 400),
        ("no token behind the scheme".to_owned(), vec!["Bearer".to_owned()], 400),
        ("scheme twice".to_owned(), vec![format!("Bearer {bearer}")], 400),
    ];
    // A token for another route: the bad ones have the words of a good one around them.
    for bad in every_bad_token(&issuer.token(AUDIENCE).scope("list:users")).iter().filter(|bad| bad.fits_in_header()) {
        // A space in the middle makes two words of it.
        let status = match (bad.checks(), bad.token().contains(' ')) {
            ([Check::Scope], _) => 403,
            (_, true) => 400,
            (_, false) => 401,
        };
        table.push((bad.name().to_owned(), vec![format!("Bearer {}", bad.token())], status));
    }
    assert!(table.len() > 100, "{}", table.len());
    for (name, authorization, status) in &table {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let [(_, extractor), (_, layer)] = apps(&verifier);
        let answer = call(&extractor, &authorization).await;
        assert_eq!(answer.0.as_u16(), *status, "{name}: {answer:?}");
        assert_eq!(call(&layer, &authorization).await, answer, "{name}");
        assert_eq!(answer.1.iter().any(|(header, _)| header == "www-authenticate"), *status != 200, "{name}");
    }
}

#[tokio::test]
async fn both_answer_503_while_a_token_cannot_be_judged() {
    use crate::support::{Documents, ISSUER};
    let verifier = Verifier::builder(ISSUER, AUDIENCE).fetch(Documents::default()).build().unwrap();
    let token = TestIssuer::named(ISSUER).token(AUDIENCE).scope("list:users").sign();
    for (name, app) in apps(&verifier) {
        let (status, headers, body) = call(&app, &[&format!("Bearer {token}")]).await;
        assert_eq!(status, 503, "{name}");
        assert!(headers.contains(&("retry-after".to_owned(), "5".to_owned())) && body.contains("CS-1015"), "{name}");
    }
}
