//! The HTTP client against a small server on the loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_verify::{Algorithm, Fetch as _, FetchRequest, Fetched, HttpClient, HttpError, HttpFetch, Limits, Verifier};
use http::{Method, Request};
use hyper::body::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::server::{Server, respond};
use crate::support::{key_set, new_key, sign_raw};

fn fetcher() -> HttpFetch {
    HttpFetch::new(HttpClient::new().unwrap())
}

async fn fetch(url: &str, etag: Option<&str>) -> Result<Fetched, String> {
    fetcher().fetch(FetchRequest { url, etag }).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_document_comes_with_its_etag_and_cache_control() {
    let server = Server::start(|_| {
        let mut response = respond(200, "{}");
        response.headers_mut().insert("etag", "\"v1\"".parse().unwrap());
        response.headers_mut().append("cache-control", "public".parse().unwrap());
        response.headers_mut().append("cache-control", "max-age=60".parse().unwrap());
        response
    })
    .await;
    let Ok(Fetched::Document { body, etag, cache_control }) = fetch(&server.url("/keys"), None).await else {
        panic!("no document")
    };
    assert_eq!(
        (body.as_slice(), etag.as_deref(), cache_control.as_deref()),
        (&b"{}"[..], Some("\"v1\""), Some("public, max-age=60"))
    );
    let seen = server.seen.lock().unwrap()[0].clone();
    assert_eq!((seen.method, seen.headers.contains_key("if-none-match")), (Method::GET, false));
    assert_eq!(seen.headers["accept"], "application/json");
}

#[tokio::test]
async fn not_modified_is_asked_for_with_the_etag() {
    let server = Server::start(|seen| {
        assert_eq!(seen.headers["if-none-match"], "\"v1\"");
        respond(304, "")
    })
    .await;
    assert!(matches!(fetch(&server.url("/keys"), Some("\"v1\"")).await, Ok(Fetched::NotModified { .. })));
}

#[tokio::test]
async fn r15_redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |seen| {
            let mut response = respond(if seen.path == "/keys" { status } else { 200 }, "{}");
            response.headers_mut().insert("location", "/elsewhere".parse().unwrap());
            response
        })
        .await;
        let error = fetch(&server.url("/keys"), None).await.unwrap_err();
        assert!(error.contains(&status.to_string()), "{error}");
        assert_eq!(server.paths(), ["/keys"]);
    }
}

#[tokio::test]
async fn r15_the_body_ends_at_256_kib() {
    for (extra, fits) in [(0, true), (1, false)] {
        let server = Server::start(move |_| respond(200, vec![b' '; 256 * 1024 + extra])).await;
        let fetched = fetch(&server.url("/keys"), None).await;
        assert_eq!(fetched.is_ok(), fits, "{extra}");
        assert!(fits || fetched.unwrap_err().contains("too large"));
        // Asking again would not make it smaller.
        assert_eq!(server.paths().len(), 1);
    }
}

#[tokio::test]
async fn r15_a_failing_server_is_asked_three_times() {
    let server = Server::start(|_| respond(503, "")).await;
    let error = fetch(&server.url("/keys"), None).await.unwrap_err();
    assert!(error.contains("503"), "{error}");
    assert_eq!(server.paths().len(), 3);
}

#[tokio::test]
async fn a_server_that_recovers_is_believed_and_a_refusal_is_final() {
    let calls = Arc::new(Mutex::new(0));
    let server = Server::start(move |_| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        respond(if *calls < 3 { 500 } else { 200 }, "{}")
    })
    .await;
    fetch(&server.url("/keys"), None).await.unwrap();
    assert_eq!(server.paths().len(), 3);
    let server = Server::start(|_| respond(404, "")).await;
    fetch(&server.url("/keys"), None).await.unwrap_err();
    assert_eq!(server.paths().len(), 1);
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    let error = fetch(&url, None).await.unwrap_err();
    assert!(error.contains("connection failed"), "{error}");
}

#[tokio::test]
async fn r13_r15_a_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let limits = Limits { timeout: Duration::from_millis(20), ..Limits::default() };
    let client = HttpClient::new().unwrap();
    let request = Request::get(&url).body(Bytes::new()).unwrap();
    assert!(matches!(client.send(request, limits).await, Err(HttpError::Timeout)));
    assert_eq!((Limits::default().timeout, Limits::default().max_body_bytes), (Duration::from_secs(3), 262_144));
    drop(listener);
}

#[tokio::test]
async fn r15_an_answer_that_never_ends_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let dripping = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"keys\"").await.unwrap();
        // Until the client goes away.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let limits = Limits { timeout: Duration::from_millis(20), ..Limits::default() };
    let request = Request::get(&url).body(Bytes::new()).unwrap();
    assert!(matches!(HttpClient::new().unwrap().send(request, limits).await, Err(HttpError::Timeout)));
    dripping.await.unwrap();
}

#[tokio::test]
async fn r15_nothing_is_asked_for_or_unpacked_that_is_compressed() {
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    let server = Server::start(move |_| {
        let mut response = respond(200, packed.to_vec());
        response.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        response
    })
    .await;
    let Ok(Fetched::Document { body, .. }) = fetch(&server.url("/keys"), None).await else { panic!("no document") };
    assert_eq!(body, packed);
    assert!(!server.seen.lock().unwrap()[0].headers.contains_key("accept-encoding"));
}

#[tokio::test]
async fn the_client_sends_forms_and_returns_any_status() {
    let server = Server::start(|seen| respond(400, [b"got ", &seen.body[..]].concat())).await;
    let request = Request::post(server.url("/token")).header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(Bytes::from_static(b"grant_type=client_credentials")).unwrap();
    let response = HttpClient::new().unwrap().send(request, Limits::default()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.body()[..]), (400, &b"got grant_type=client_credentials"[..]));
    assert_eq!(server.seen.lock().unwrap()[0].method, Method::POST);
}

#[tokio::test]
async fn the_client_does_not_go_where_it_may_not() {
    let client = HttpClient::new().unwrap();
    let request = Request::get("http://192.0.2.1/keys").body(Bytes::new()).unwrap();
    assert!(matches!(client.send(request, Limits::default()).await, Err(HttpError::PlainHttp)));
    let error = fetch("http://192.0.2.1/keys", None).await.unwrap_err();
    assert!(error.contains("loopback"), "{error}");
}

#[tokio::test]
async fn a_verifier_finds_its_way_from_the_issuer_to_a_verdict() {
    let key = Arc::new(new_key(Algorithm::ES256));
    let published = key_set(&[("k1", &key)]);
    let base = Arc::new(Mutex::new(String::new()));
    let server = Server::start({
        let base = Arc::clone(&base);
        move |seen| match seen.path.as_str() {
            "/oauth2/default/.well-known/openid-configuration" => {
                let issuer = base.lock().unwrap().clone();
                respond(200, json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/v1/keys") }).to_string())
            }
            "/oauth2/default/v1/keys" => respond(200, published.clone()),
            _ => respond(404, ""),
        }
    })
    .await;
    let issuer = server.url("/oauth2/default");
    base.lock().unwrap().clone_from(&issuer);
    // The machine's clock: a token without times but `exp`.
    let verifier = Verifier::builder(&issuer, "https://api1.test").accept_incomplete_tokens().build().unwrap();
    verifier.ready(Duration::from_secs(10)).await.unwrap();
    let claims = json!({ "iss": issuer, "aud": "https://api1.test", "exp": 99_999_999_999_i64, "client_id": "demo-client" });
    let token = sign_raw(&key, r#"{"alg":"ES256","kid":"k1","typ":"at+jwt"}"#, &claims.to_string());
    assert_eq!(verifier.verify_token_now(&token).unwrap().client_id(), Some("demo-client"));
    assert_eq!(server.paths(), ["/oauth2/default/.well-known/openid-configuration", "/oauth2/default/v1/keys"]);
}
