//! Introspection over HTTP, against a small server on the loopback.

use countersign_protocol::{Parameters, PresentedCredentials, Secret, parse_client_authentication};
use countersign_verify::{BuildError, HttpError, Introspection, ManualClock, Timestamp, Verifier};
use serde_json::json;

use crate::server::{Server, respond};
use crate::support::{AUDIENCE, Documents, ISSUER, NOW, refusal};

const SECRET: &str = "s:e c%r+t";

fn verifier(url: &str) -> Result<Verifier, BuildError> {
    let introspection = Introspection::new(ISSUER, url, "users-api", SECRET);
    let clock = std::sync::Arc::new(ManualClock::new(Timestamp::from_seconds(NOW)));
    Verifier::builder(ISSUER, AUDIENCE).clock(clock).fetch(Documents::default()).introspection(introspection).build()
}

#[tokio::test]
async fn the_question_is_a_form_with_client_secret_basic() {
    let server = Server::start(|_| respond(200, json!({ "active": true, "aud": AUDIENCE, "sub": "svc" }).to_string())).await;
    let verified = verifier(&server.url("/introspect")).unwrap().verify_token("a+b/c~d").await.unwrap();
    assert_eq!(verified.subject(), Some("svc"));
    let seen = server.seen.lock().unwrap().clone();
    let [seen] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/introspect"));
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(seen.headers["accept"], "application/json");
    let form = Parameters::from_form(&seen.body).unwrap();
    assert_eq!((form.find("token"), form.find("token_type_hint")), (Some("a+b/c~d"), Some("access_token")));
    let credentials = parse_client_authentication([seen.headers["authorization"].as_bytes()], &form).unwrap();
    let PresentedCredentials::Secret(credentials) = credentials else { panic!("not a secret") };
    assert_eq!((credentials.client_id.as_str(), credentials.client_secret), ("users-api", Secret::new(SECRET.to_owned())));
}

#[tokio::test]
async fn a_status_other_than_200_is_503_and_a_redirect_is_not_followed() {
    for status in [201, 204, 302, 307, 400, 401, 403, 404, 429, 500, 503] {
        let server = Server::start(move |_| {
            let mut response = respond(status, json!({ "active": true, "aud": AUDIENCE }).to_string());
            response.headers_mut().insert("location", "/elsewhere".parse().unwrap());
            response
        })
        .await;
        let verifier = verifier(&server.url("/introspect")).unwrap();
        assert_eq!(refusal(verifier.verify_token("opaque").await), ("CS-1017", 503), "{status}");
        assert_eq!(server.paths(), ["/introspect"], "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_a_server_that_is_gone_is_503() {
    let server = Server::start(|_| respond(200, vec![b' '; 64 * 1024 + 1])).await;
    assert_eq!(refusal(verifier(&server.url("/")).unwrap().verify_token("opaque").await), ("CS-1017", 503));
    let gone = verifier("http://127.0.0.1:1/introspect").unwrap();
    assert_eq!(refusal(gone.verify_token("opaque").await), ("CS-1017", 503));
}

#[test]
fn the_secret_goes_over_https_or_the_loopback_only() {
    let plain = verifier("http://as.test/introspect").unwrap_err();
    assert!(matches!(plain, BuildError::Http(HttpError::PlainHttp)), "{plain}");
    assert!(verifier("https://as.test/introspect").is_ok());
    assert!(matches!(verifier("as.test"), Err(BuildError::Http(HttpError::Url))));
}

#[test]
fn nothing_shows_the_secret() {
    let introspection = Introspection::new(ISSUER, "https://as.test/introspect", "users-api", SECRET);
    assert!(!format!("{introspection:?}").contains(SECRET));
}

#[tokio::test]
async fn as_jwt_asks_for_one_and_takes_no_content_as_inactive() {
    for (status, refused) in [(204, ("CS-1016", 401)), (200, ("CS-1016", 401)), (202, ("CS-1017", 503)), (401, ("CS-1017", 503))] {
        let server = Server::start(move |_| respond(status, String::new())).await;
        let introspection = Introspection::new(ISSUER, server.url("/introspect"), "users-api", SECRET).as_jwt();
        let fetch = Documents::default();
        let verifier = Verifier::builder(ISSUER, AUDIENCE).fetch(fetch).introspection(introspection).build().unwrap();
        assert_eq!(refusal(verifier.verify_token("opaque").await), refused, "{status}");
        let seen = server.seen.lock().unwrap().clone();
        assert_eq!((seen.len(), seen[0].headers["accept"].as_bytes()), (1, b"application/jwt".as_slice()));
    }
}
