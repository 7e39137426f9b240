//! Asking about API keys over HTTP, against a small server on the loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_protocol::{API_KEY_TOKEN_TYPE, CredentialText, Parameters, PresentedCredentials, parse_client_authentication};
use countersign_verify::{ApiKeys, Verifier};
use serde_json::{Value, json};

use crate::server::{Seen, Server, respond};
use crate::support::{AUDIENCE, Documents, ISSUER, refusal};

const SECRET: &str = "s:e c%r+t";
const UNAVAILABLE: (&str, u16) = ("CS-1017", 503);

fn key() -> String {
    CredentialText::generate("acme", [7; 9], [9; 32]).expose().clone()
}

fn verdict() -> String {
    json!({
        "valid": true, "code": "VALID", "key_id": "key_a", "client_id": "client-a", "audience": AUDIENCE, "permissions": ["a"],
        "max_age_seconds": 0, "position": 1, "is_for_address": false,
    })
    .to_string()
}

/// A server that accepts the access tokens `token-2` and later, and has issued so many.
async fn server() -> Server {
    let issued = Arc::new(AtomicUsize::new(0));
    Server::start(move |seen| match seen.path.as_str() {
        "/oauth/token" => {
            let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
            respond(
                200,
                json!({ "access_token": format!("token-{number}"), "token_type": "Bearer", "expires_in": 600 }).to_string(),
            )
        }
        "/manage/v1/keys/verify" if seen.headers["authorization"] == "Bearer token-1" => respond(401, "{}"),
        "/manage/v1/keys/verify" => respond(200, verdict()),
        "/manage/v1/keys/changes" => respond(503, "{}"),
        other => respond(404, other.to_owned()),
    })
    .await
}

fn verifier(keys: ApiKeys) -> Verifier {
    Verifier::builder(ISSUER, AUDIENCE).fetch(Documents::default()).api_keys(keys).build().unwrap()
}

fn seen(server: &Server, path: &str) -> Vec<Seen> {
    server.seen.lock().unwrap().iter().filter(|seen| seen.path == path).cloned().collect()
}

#[tokio::test]
async fn the_service_gets_its_own_token_once_and_another_when_it_is_refused() {
    let server = server().await;
    let verifier = verifier(ApiKeys::new(server.url("/"), "orders-api", SECRET));
    for _ in 0..3 {
        assert_eq!(verifier.verify_token(&key()).await.unwrap().client_id(), Some("client-a"));
    }
    let tokens = seen(&server, "/oauth/token");
    assert_eq!(tokens.len(), 2);
    let form = Parameters::from_form(&tokens[0].body).unwrap();
    assert_eq!((form.find("grant_type"), form.find("scope")), (Some("client_credentials"), Some("keys:verify")));
    assert_eq!(form.find("audience"), Some(server.url("/manage/v1").as_str()));
    let credentials = parse_client_authentication([tokens[0].headers["authorization"].as_bytes()], &form).unwrap();
    let PresentedCredentials::Secret(credentials) = credentials else { panic!("not a secret") };
    assert_eq!((credentials.client_id.as_str(), credentials.client_secret.expose().as_str()), ("orders-api", SECRET));
    let questions = seen(&server, "/manage/v1/keys/verify");
    let authorization: Vec<_> = questions.iter().map(|seen| seen.headers["authorization"].to_str().unwrap()).collect();
    assert_eq!(authorization, ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-2"]);
    let body: Value = serde_json::from_slice(&questions[1].body).unwrap();
    assert_eq!(body, json!({ "key": key(), "audience": AUDIENCE }));
    assert_eq!(questions[1].method, "POST");
    let address = "2001:db8::7".parse().unwrap();
    let key = key();
    verifier.verify_presented(countersign_verify::Presented::bearer(&key).from(Some(address))).await.unwrap();
    let body: Value = serde_json::from_slice(&seen(&server, "/manage/v1/keys/verify").last().unwrap().body).unwrap();
    assert_eq!(body["address"], "2001:db8::7");
}

#[tokio::test]
async fn a_service_with_a_key_of_its_own_exchanges_it() {
    let server = server().await;
    let own = CredentialText::generate("svc", [1; 9], [2; 32]).expose().clone();
    verifier(ApiKeys::with_key(server.url(""), own.as_str())).verify_token(&key()).await.unwrap();
    let token = &seen(&server, "/oauth/token")[0];
    assert!(!token.headers.contains_key("authorization"));
    let form = Parameters::from_form(&token.body).unwrap();
    assert_eq!(form.find("grant_type"), Some("urn:ietf:params:oauth:grant-type:token-exchange"));
    assert_eq!((form.find("subject_token"), form.find("subject_token_type")), (Some(own.as_str()), Some(API_KEY_TOKEN_TYPE)));
}

#[tokio::test]
async fn a_server_that_does_not_let_the_service_in_or_is_in_error_is_503_and_asked_once() {
    for (token, answer) in [(400, 200), (401, 200), (500, 200), (302, 200), (200, 403), (200, 500), (200, 302), (200, 204)] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/oauth/token" => respond(token, json!({ "access_token": "t", "expires_in": 600 }).to_string()),
            _ => respond(answer, verdict()),
        })
        .await;
        let verifier = verifier(ApiKeys::new(server.url(""), "orders-api", SECRET));
        assert_eq!(refusal(verifier.verify_token(&key()).await), UNAVAILABLE, "{token} {answer}");
        // It may have been counted: it is not asked again.
        assert!(seen(&server, "/manage/v1/keys/verify").len() <= 1);
    }
    let gone = verifier(ApiKeys::new("http://127.0.0.1:1", "orders-api", SECRET));
    assert_eq!(refusal(gone.verify_token(&key()).await), UNAVAILABLE);
}
