//! How a client proves who it is; catalogue A, 1 to 8, 13, 18 and 19.

use countersign::store::ChangeKind;
use countersign_protocol::{ClientAuthMethod, ErrorCode};
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::ENGINE;
use crate::support::{API1, Answer, CapturedLog, Fixture, TestClient, api};

const GRANT: &str = "grant_type=client_credentials";

fn post(client: &TestClient) -> String {
    format!("{GRANT}&client_id={}&client_secret={}", client.id, client.secret)
}

#[tokio::test]
async fn a01_the_right_secret_gets_a_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let answers = [app.ask(&a, "").await, app.post("/oauth/token").form(post(&a)).send().await];
    for answer in answers {
        let token = answer.token();
        assert_eq!(answer.json()["expires_in"], 600);
        assert_eq!(answer.json()["scope"], "list:users read:x");
        assert_eq!(token.claim("client_id"), "client-a");
    }
}

#[tokio::test]
async fn a02_basic_halves_are_form_decoded_once() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let secret = "s:e%41c+r \u{e9}\u{1f512}t";
    let hash = app.app.catalog().hashers.active().unwrap().hash(secret).to_stored();
    app.database.execute(&format!("UPDATE credentials SET secret_hash = '{hash}' WHERE id = '{}'", a.credential_id)).await;
    app.app.apply(Some(ChangeKind::Client), a.id.as_str()).await.unwrap();
    let encoded: String = byte_serialize(secret.as_bytes()).collect();
    let every_byte: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let with = |secret: &str| app.post("/oauth/token").basic("client-a", secret).form(GRANT).send();
    with(&encoded).await.token();
    with(&every_byte).await.token();
    app.post("/oauth/token").basic("client%2Da", &encoded).form(GRANT).send().await.token();
    with(secret).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    let twice: String = byte_serialize(encoded.as_bytes()).collect();
    with(&twice).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    // What cannot be decoded is malformed, not raw.
    with("100%").await.assert_client_refused(ErrorCode::BasicMalformed, true);
}

#[tokio::test]
async fn a03_unknown_wrong_and_disabled_get_the_same_answer() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let wrong = &z.secret;
    let cases = [("client-q", wrong.as_str()), ("client-a", wrong), ("client-z", &z.secret), ("client-z", &a.secret), ("~", wrong)];
    let mut in_header: Vec<Answer> = Vec::new();
    let mut in_body: Vec<Answer> = Vec::new();
    for (id, secret) in cases {
        in_header.push(app.post("/oauth/token").basic(id, secret).form(GRANT).send().await);
        let form = format!("{GRANT}&client_id={id}&client_secret={secret}");
        in_body.push(app.post("/oauth/token").form(form).send().await);
    }
    for (answers, used_header) in [(in_header, true), (in_body, false)] {
        for answer in &answers {
            answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, used_header);
            assert_eq!(answer.body, answers[0].body);
            assert_eq!(answer.comparable_headers(), answers[0].comparable_headers());
        }
    }
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn the_log_tells_apart_what_the_answer_does_not() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let log = CapturedLog::start();
    for (id, secret, reason) in [
        ("client-q", &a.secret, "there is no such client"),
        ("~", &a.secret, "there is no such client"),
        (a.secret.as_str(), &a.secret, "there is no such client"),
        ("client-a", &z.secret, "the secret is wrong, expired or revoked"),
        ("client-z", &a.secret, "the secret is wrong, expired or revoked"),
        ("client-z", &z.secret, "the client is disabled"),
    ] {
        let answer = app.post("/oauth/token").basic(id, secret).form(GRANT).send().await;
        assert!(!answer.text().contains(reason));
        let line = log.records().pop().unwrap();
        assert_eq!((&line["reason"], &line["status"], &line["code"]), (&json!(reason), &json!(401), &json!("CS-2001")));
        // Who is no client may have sent a secret in the wrong field.
        let is_client = reason != "there is no such client";
        assert_eq!(line.get("client.id"), is_client.then_some(&json!(id)));
        assert_eq!(line["request_id"], answer.header("x-request-id").unwrap());
    }
    app.get(&format!("/oauth/{}", a.secret)).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    assert_eq!(log.records().pop().unwrap()["path"], "(no route)");
    assert!(!log.text().contains(&a.secret) && !log.text().contains(&z.secret));
}

#[tokio::test]
async fn a04_two_methods_in_one_request_are_refused() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let assertion = "client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    for form in [post(&a), format!("{GRANT}&client_secret={}", a.secret), format!("{GRANT}&{assertion}")] {
        let answer = app.token_request("/oauth/token", &a, &form).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    }
    let both_in_body = app.post("/oauth/token").form(format!("{}&{assertion}", post(&a))).send().await;
    both_in_body.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    let two_headers = app.token_request("/oauth/token", &a, GRANT).basic("client-a", &a.secret).send().await;
    two_headers.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a05_a_body_client_id_must_be_that_of_the_header() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = app.ask(&a, "client_id=client-b").await;
    other.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    assert_eq!(app.ask(&a, "client_id=client-a").await.token().claim("sub"), "client-a");
}

#[tokio::test]
async fn a06_a_secret_in_the_url_is_refused_and_not_logged() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let log = CapturedLog::start();
    for name in ["client_secret", "client_assertion"] {
        let uri = format!("/oauth/token?client_id=client-a&{name}={}", a.secret);
        let answer = app.post(&uri).form(post(&a)).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::SecretInUrl);
        // Spelled differently it is an unknown parameter, and not a secret that counts.
        let answer = app.post(&uri.replace("client_", "client%5F")).form(GRANT).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    }
    assert_eq!(log.records().len(), 4);
    assert!(!log.text().contains(&a.secret));
    assert!(log.records().iter().all(|record| record["path"] == "/oauth/token"));
}

#[tokio::test]
async fn a07_a_pinned_method_is_the_only_one() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let api = app.resource_server(api("https://api3.test", "s")).await;
    for (id, method) in [("pin-basic", ClientAuthMethod::ClientSecretBasic), ("pin-post", ClientAuthMethod::ClientSecretPost)] {
        let client = app.client_pinned_to(id, method, true).await;
        app.grant(&client, &api, "s").await;
        let (basic, body) = (app.ask(&client, "").await, app.post("/oauth/token").form(post(&client)).send().await);
        let by_header = method == ClientAuthMethod::ClientSecretBasic;
        let (right, wrong, wrong_used_header) = if by_header { (basic, body, false) } else { (body, basic, true) };
        right.token();
        wrong.assert_client_refused(ErrorCode::AuthenticationMethodNotOfClient, wrong_used_header);
        // The pin is not shown to who does not know the secret.
        let guess = app.post("/oauth/token").form(post(&TestClient { secret: "guess".to_owned(), ..client })).send().await;
        guess.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
}

#[tokio::test]
async fn a07_without_the_pin_either_method_works() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api = app.resource_server(api("https://api3.test", "s")).await;
    let by_post = app.client_pinned_to("by-post", ClientAuthMethod::ClientSecretPost, false).await;
    app.grant(&by_post, &api, "s").await;
    for client in [a, by_post] {
        app.ask(&client, "").await.token();
        app.post("/oauth/token").form(post(&client)).send().await.token();
    }
}

#[tokio::test]
async fn a08_secrets_that_are_almost_right_are_wrong() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let shorter = &a.secret[..a.secret.len() - 1];
    let other_case: String = a.secret.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c }).collect();
    let almost = [
        shorter,
        &format!("{}%00", a.secret),
        &format!("{}+", a.secret),
        &format!("+{}", a.secret),
        &format!("{0}{0}", a.secret),
        &other_case,
    ];
    for secret in almost {
        let answer = app.post("/oauth/token").basic("client-a", secret).form(GRANT).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        let answer = app.post("/oauth/token").form(format!("{GRANT}&client_id=client-a&client_secret={secret}")).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
    let empty = app.post("/oauth/token").basic("client-a", "").form(GRANT).send().await;
    empty.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    for form in ["client_id=client-a", "client_id=client-a&client_secret=", "client_secret=x", ""] {
        let answer = app.post("/oauth/token").form(format!("{GRANT}&{form}")).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    }
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a13_a_guess_costs_the_same_work_whatever_is_wrong_with_it() {
    let Fixture { app, a, z, .. } = Fixture::start(ENGINE).await;
    let (first_wrong, last_wrong) = (format!("x{}", &a.secret[1..]), format!("{}-", &a.secret[..a.secret.len() - 1]));
    let guesses =
        [("client-q", &a.secret), ("~", &a.secret), ("client-a", &first_wrong), ("client-a", &last_wrong), ("client-z", &z.secret)];
    let guess = |id: &str, secret: &str| app.post("/oauth/token").basic(id, secret).form(GRANT).send();
    for (id, secret) in guesses {
        guess(id, secret).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
    // Once it is known who there is, the store is asked for nobody.
    let before = app.app.store.statements_run();
    for (id, secret) in guesses {
        guess(id, secret).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        assert_eq!(app.app.store.statements_run(), before, "{id}");
    }
    // And what was sent is hashed for nobody too: without a hash key that is a fault.
    for table in ["credentials", "hash_keys"] {
        app.database.execute(&format!("DELETE FROM {table}")).await;
    }
    app.app.resync().await.unwrap();
    for (id, secret) in guesses {
        guess(id, secret).await.assert_problem(500, ErrorCode::Internal);
    }
}

#[tokio::test]
async fn a18_the_scheme_ignores_case_and_the_rest_is_strict() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let right = app.token_request("/oauth/token", &a, GRANT);
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("client-a:{}", a.secret));
    right.send().await.token();
    let with = |header: String| app.post("/oauth/token").header("authorization", header).form(GRANT).send();
    for scheme in ["basic", "BASIC", "bAsIc"] {
        with(format!("{scheme} {encoded}")).await.token();
    }
    let malformed = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        "Basic Y2xpZW50LWE=".to_owned(),
        "Basic Og==".to_owned(),
        format!("Basic {encoded}, Basic {encoded}"),
        format!("Basic {encoded} {encoded}"),
        format!("Basic {encoded}="),
        format!("Basic {}", &encoded[..encoded.len() - 1]),
        format!("Basic {}", "A".repeat(100_000)),
    ];
    for header in malformed {
        with(header).await.assert_client_refused(ErrorCode::BasicMalformed, true);
    }
    for header in [format!("Bearer {encoded}"), format!("Basic\t{encoded}"), format!("Basic{encoded}"), encoded, String::new()] {
        with(header).await.assert_client_refused(ErrorCode::AuthenticationMethodUnsupported, true);
    }
    let not_utf8 = app.post("/oauth/token").header("authorization", b"Basic \xff").form(GRANT).send().await;
    not_utf8.assert_client_refused(ErrorCode::BasicMalformed, true);
}

#[tokio::test]
async fn a19_hostile_client_ids_are_refused_and_stay_inside_their_log_line() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let log = CapturedLog::start();
    let ids = [
        "client-a\r\nX-Injected: 1",
        "client-a\u{0}",
        "\"client-a\"",
        "cl\u{456}ent-a",
        "../client-a",
        "client-a/../client-a",
        "CLIENT-A",
        " client-a",
        "' OR 1=1--",
        "{\"id\":1}",
        &"c".repeat(30_000),
    ];
    for id in ids {
        let encoded: String = byte_serialize(id.as_bytes()).collect();
        let answer = app.post("/oauth/token").basic(&encoded, &a.secret).form(GRANT).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
        let answer = app.post("/oauth/token").form(format!("{GRANT}&client_id={encoded}&client_secret={}", a.secret)).send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
    }
    let too_long = format!("{GRANT}&client_id={}&client_secret=x", "c".repeat(200_000));
    let too_long = app.post("/oauth/token").form(too_long).send().await;
    too_long.assert_refused(413, "invalid_request", ErrorCode::BodyTooLarge);
    let records = log.records();
    assert_eq!(records.len(), 2 * ids.len() + 1);
    assert!(records.iter().all(|record| record.get("client.id").is_none()), "what is no client is in the log");
    app.ask(&a, &format!("audience={API1}")).await.token();
    assert_eq!(log.records().last().unwrap()["client.id"], json!("client-a"));
}
