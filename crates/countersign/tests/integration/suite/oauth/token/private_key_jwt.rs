//! Clients that sign; catalogue B, 20 to 39, V22 to V27 and V32.

use std::collections::BTreeSet;

use countersign::audit::Actor;
use countersign::clients::{self, AssertionAudience, ClientPatch, KeySource, NewClient, NewKeys};
use countersign::jobs;
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{ClientAuthMethod, ClientId, Clock as _, ErrorCode};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::ENGINE;
use crate::support::{API1, Assertion, Database, Fixture, JWT_BEARER, MANAGEMENT, Managed, TestApp, TestClient, TestKey};

const P: &str = "client-p";
const BY: Actor = Actor::command_line();

struct Signing {
    app: TestApp,
    a: TestClient,
    key: TestKey,
    credential_id: String,
}

/// The fixture, and the client P with one ES256 key, granted as A at api1.
async fn start() -> Signing {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let key = TestKey::generate(Algorithm::ES256, "p1");
    let credential_id = app.client_with_keys(P, KeySource::Jwks(key.jwks())).await.to_string();
    grant_p(&app, P).await;
    Signing { app, a, key, credential_id }
}

async fn grant_p(app: &TestApp, id: &str) {
    let api1 = app.app.catalog().resource_servers().find(|api| api.audience.as_str() == API1).cloned().unwrap();
    let client = TestClient {
        id: ClientId::try_from(id).unwrap(),
        secret: String::new(),
        credential_id: countersign::ids::CredentialId::from_stored(""),
    };
    app.grant(&client, &api1, "list:users read:x").await;
}

async fn refused(app: &TestApp, assertion: &Assertion<'_>, code: ErrorCode) {
    app.ask_with(&assertion.sign(), "").await.assert_client_refused(code, false);
}

#[tokio::test]
async fn b20_a_right_assertion_gets_a_token_that_names_the_credential() {
    let Signing { app, key, credential_id, .. } = start().await;
    let token = app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    assert_eq!((token.claim("client_id"), token.claim("sub"), token.claim("cred")), (P, P, credential_id.as_str()));
    for typ in [json!("JWT"), json!("client-authentication+jwt"), json!("application/client-authentication+jwt"), Value::Null] {
        app.ask_with(&key.assertion(&app, P).header("typ", typ).sign(), "client_id=client-p").await.token();
    }
    // The issuer is that of the mount that received the request.
    let nested = key.assertion(&app, P).claim("aud", "https://as.test/oauth2/default").sign();
    let form = format!("grant_type=client_credentials&client_assertion={nested}&client_assertion_type={JWT_BEARER}");
    app.post("/oauth2/default/v1/token").form(form.clone()).send().await.token();
    app.post("/oauth/token").form(form).send().await.assert_client_refused(ErrorCode::AssertionAudience, false);
}

#[tokio::test]
async fn b20_every_asymmetric_algorithm_is_accepted_for_its_key() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for (number, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        let id = format!("client-{number}");
        let key = TestKey::generate(algorithm, "k");
        app.client_with_keys(&id, KeySource::Jwks(key.jwks())).await;
        grant_p(&app, &id).await;
        app.ask_with(&key.assertion(&app, &id).sign(), "").await.token();
    }
}

#[tokio::test]
async fn b21_b22_b23_an_audience_other_than_the_issuer_as_a_string_is_refused() {
    let Signing { app, key, .. } = start().await;
    for audience in [
        json!("https://as.test/oauth/token"),
        json!("https://as.test/oauth2/default"),
        json!("https://as.test/oauth2/default/v1/token"),
        json!(["https://as.test/"]),
        json!(["https://as.test/", "https://other.test/"]),
        json!("https://as.test"),
        json!("https://as.test//"),
        json!("https://AS.test/"),
        json!("https://evil.test/"),
        json!(""),
        json!([]),
    ] {
        refused(&app, &key.assertion(&app, P).claim("aud", audience), ErrorCode::AssertionAudience).await;
    }
    let told = app.ask_with(&key.assertion(&app, P).claim("aud", "x").sign(), "").await.json();
    assert_eq!(told["error_description"], "aud of the client assertion must be the string https://as.test/");
    for missing in [Value::Null, json!(7), json!([7])] {
        refused(&app, &key.assertion(&app, P).claim("aud", missing), ErrorCode::AssertionClaimMissing).await;
    }
}

async fn set_audience(app: &TestApp, audience: AssertionAudience) {
    let patch = ClientPatch { assertion_audience: Some(audience), ..ClientPatch::default() };
    clients::update(&app.app, &BY, &ClientId::try_from(P).unwrap(), patch, None).await.unwrap();
}

#[tokio::test]
async fn b21_the_token_endpoint_is_an_audience_only_of_clients_that_were_set_to_it() {
    let Signing { app, key, .. } = start().await;
    set_audience(&app, AssertionAudience::TokenEndpoint).await;
    for audience in ["https://as.test/oauth/token", "https://as.test/"] {
        app.ask_with(&key.assertion(&app, P).claim("aud", audience).sign(), "").await.token();
    }
    for audience in [json!(["https://as.test/oauth/token"]), json!("https://as.test/oauth2/default/v1/token")] {
        refused(&app, &key.assertion(&app, P).claim("aud", audience), ErrorCode::AssertionAudience).await;
    }
    set_audience(&app, AssertionAudience::Issuer).await;
    let again = key.assertion(&app, P).claim("aud", "https://as.test/oauth/token");
    refused(&app, &again, ErrorCode::AssertionAudience).await;
}

#[tokio::test]
async fn b24_an_assertion_that_does_not_name_one_client_is_refused() {
    let Signing { app, key, .. } = start().await;
    refused(&app, &key.assertion(&app, P).claim("iss", "client-b"), ErrorCode::AssertionClientMismatch).await;
    refused(&app, &key.assertion(&app, P).claim("sub", "client-b"), ErrorCode::AssertionClientMismatch).await;
    refused(&app, &key.assertion(&app, P).claim("sub", Value::Null), ErrorCode::AssertionClaimMissing).await;
    refused(&app, &key.assertion(&app, P).claim("iss", Value::Null), ErrorCode::AssertionClaimMissing).await;
    let answer = app.ask_with(&key.assertion(&app, P).sign(), "client_id=client-b").await;
    answer.assert_client_refused(ErrorCode::AssertionClientMismatch, false);
}

#[tokio::test]
async fn b25_the_times_of_an_assertion() {
    let Signing { app, key, .. } = start().await;
    let now = app.clock.now().as_seconds();
    for (exp, code) in [
        (Value::Null, ErrorCode::AssertionClaimMissing),
        (json!((now + 60).to_string()), ErrorCode::AssertionClaimMissing),
        (json!(now - 300), ErrorCode::AssertionExpired),
        (json!(now + 2 * 86_400), ErrorCode::AssertionLivesTooLong),
        (json!(now + 3_700), ErrorCode::AssertionLivesTooLong),
    ] {
        refused(&app, &key.assertion(&app, P).claim("exp", exp), code).await;
    }
    // What libraries send: 60 seconds to an hour.
    for exp in [now + 60, now + 600, now + 3_600] {
        app.ask_with(&key.assertion(&app, P).claim("exp", exp).sign(), "").await.token();
    }
    for name in ["nbf", "iat"] {
        app.ask_with(&key.assertion(&app, P).claim(name, now + 9).sign(), "").await.token();
        refused(&app, &key.assertion(&app, P).claim(name, now + 61), ErrorCode::AssertionNotYetValid).await;
    }
    app.ask_with(&key.assertion(&app, P).claim("iat", Value::Null).sign(), "").await.token();
}

#[tokio::test]
async fn b26_r07_an_assertion_counts_once_on_every_node_after_a_restart_and_when_the_clock_is_set_back() {
    let Signing { app, key, .. } = start().await;
    let other = app.second_node().await;
    let assertion = key.assertion(&app, P).claim("exp", app.clock.now().as_seconds() + 3_600).sign();
    app.ask_with(&assertion, "").await.token();
    for node in [&app, &other, &app.second_node().await] {
        node.ask_with(&assertion, "").await.assert_client_refused(ErrorCode::AssertionReplayed, false);
    }
    // The job keeps it until the time alone refuses it.
    for seconds in [3_600, 29] {
        app.clock.advance_seconds(seconds);
        jobs::delete_used_jtis(&app.app).await.unwrap();
        app.ask_with(&assertion, "").await.assert_client_refused(ErrorCode::AssertionReplayed, false);
    }
    app.clock.advance_seconds(1);
    app.ask_with(&assertion, "").await.assert_client_refused(ErrorCode::AssertionExpired, false);
    // And longer, in case the clock is set back.
    app.clock.advance_seconds(300);
    jobs::delete_used_jtis(&app.app).await.unwrap();
    app.clock.advance_seconds(-3_900);
    app.ask_with(&assertion, "").await.assert_client_refused(ErrorCode::AssertionReplayed, false);
    app.clock.advance_seconds(4 * 3_600);
    jobs::delete_used_jtis(&app.app).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM used_jtis").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn b26_r30_sixty_four_uses_at_once_of_one_assertion_on_two_nodes_get_one_token() {
    let Signing { app, key, .. } = start().await;
    let other = app.second_node().await;
    for _ in 0..5 {
        let assertion = key.assertion(&app, P).sign();
        let form = format!("grant_type=client_credentials&client_assertion={assertion}&client_assertion_type={JWT_BEARER}");
        let requests: Vec<_> = (0..64)
            .map(|number| {
                let node = if number % 2 == 0 { &app } else { &other };
                tokio::spawn(node.post("/oauth/token").form(form.clone()).send())
            })
            .collect();
        let mut tokens = 0;
        for request in requests {
            let answer = request.await.unwrap();
            if answer.status == 200 {
                answer.token();
                tokens += 1;
            } else {
                answer.assert_client_refused(ErrorCode::AssertionReplayed, false);
            }
        }
        assert_eq!(tokens, 1);
    }
}

#[tokio::test]
async fn b26_v23_only_an_assertion_that_is_right_in_everything_uses_its_id_up() {
    let Signing { app, key, .. } = start().await;
    let used = || app.database.count("SELECT count(*) FROM used_jtis");
    let thief = TestKey::generate(Algorithm::ES256, "p1");
    for (assertion, code) in [
        (thief.assertion(&app, P), ErrorCode::ClientAuthenticationFailed),
        (key.assertion(&app, P).claim("aud", "https://evil.test"), ErrorCode::AssertionAudience),
        (key.assertion(&app, P).claim("exp", 1), ErrorCode::AssertionExpired),
    ] {
        refused(&app, &assertion.claim("jti", "the id"), code).await;
    }
    assert_eq!(used().await, 0);
    app.ask_with(&key.assertion(&app, P).claim("jti", "the id").sign(), "").await.token();
    assert_eq!(used().await, 1);
}

#[tokio::test]
async fn b27_an_assertion_has_an_id_of_bounded_length_and_any_kind() {
    let Signing { app, key, .. } = start().await;
    for missing in [Value::Null, json!(""), json!(7)] {
        refused(&app, &key.assertion(&app, P).claim("jti", missing), ErrorCode::AssertionClaimMissing).await;
    }
    let long = key.assertion(&app, P).claim("jti", "j".repeat(10_240)).sign();
    app.ask_with(&long, "").await.assert_refused(400, "invalid_request", ErrorCode::AssertionIdTooLong);
    for odd in ["\u{0}", "' OR 1=1--", "\u{1f512}\r\n", &"j".repeat(512)] {
        app.ask_with(&key.assertion(&app, P).claim("jti", odd).sign(), "").await.token();
        refused(&app, &key.assertion(&app, P).claim("jti", odd), ErrorCode::AssertionReplayed).await;
    }
}

#[tokio::test]
async fn b28_v32_two_clients_may_use_the_same_id() {
    let Signing { app, key, .. } = start().await;
    app.client_with_keys("client-p2", KeySource::Jwks(key.jwks())).await;
    grant_p(&app, "client-p2").await;
    for client in [P, "client-p2"] {
        app.ask_with(&key.assertion(&app, client).claim("jti", "same").sign(), "").await.token();
        refused(&app, &key.assertion(&app, client).claim("jti", "same"), ErrorCode::AssertionReplayed).await;
    }
}

#[tokio::test]
async fn b29_the_algorithm_is_the_keys_and_never_none_or_an_hmac() {
    let Signing { app, key, .. } = start().await;
    let none = key.assertion(&app, P).header("alg", "none");
    app.ask_with(&format!("{}.", none.unsigned()), "").await.assert_client_refused(ErrorCode::AssertionMalformed, false);
    refused(&app, &none, ErrorCode::AssertionMalformed).await;
    for hmac in ["HS256", "HS384", "HS512"] {
        refused(&app, &key.assertion(&app, P).header("alg", hmac), ErrorCode::ClientSecretJwtUnsupported).await;
    }
    for alg in ["noNE", "ES256K", "hs256"] {
        refused(&app, &key.assertion(&app, P).header("alg", alg), ErrorCode::AssertionMalformed).await;
    }
    for alg in ["RS256", "ES384", "EdDSA"] {
        refused(&app, &key.assertion(&app, P).header("alg", alg), ErrorCode::ClientAuthenticationFailed).await;
    }
}

#[tokio::test]
async fn b30_b31_a_key_id_names_a_key_of_the_client_and_nothing_else() {
    let Signing { app, key, .. } = start().await;
    let other = TestKey::generate(Algorithm::ES256, "p1");
    app.client_with_keys("client-p2", KeySource::Jwks(other.jwks())).await;
    refused(&app, &other.assertion(&app, P), ErrorCode::ClientAuthenticationFailed).await;
    for kid in ["../../etc/passwd", "' OR 1=1--", "https://evil.test/key", "\u{0}", ""] {
        refused(&app, &key.assertion(&app, P).header("kid", kid), ErrorCode::ClientAuthenticationFailed).await;
    }
    refused(&app, &key.assertion(&app, P).header("kid", 7), ErrorCode::AssertionMalformed).await;
    // Without one, every key of the client is tried; with one, keys that have none too.
    app.ask_with(&key.assertion(&app, P).header("kid", Value::Null).sign(), "").await.token();
    let (second, nameless) = (TestKey::generate(Algorithm::ES256, "p2"), TestKey::generate(Algorithm::ES256, ""));
    for added in [&second, &nameless] {
        let new = NewKeys { label: "more".to_owned(), source: KeySource::Jwks(added.jwks()), not_before: None, expires_at: None };
        clients::add_keys(&app.app, &BY, &ClientId::try_from(P).unwrap(), new).await.unwrap();
    }
    for signer in [&key, &second, &nameless] {
        app.ask_with(&signer.assertion(&app, P).header("kid", Value::Null).sign(), "").await.token();
    }
    app.ask_with(&nameless.assertion(&app, P).header("kid", "any").sign(), "").await.token();
    refused(&app, &second.assertion(&app, P).header("kid", "p1"), ErrorCode::ClientAuthenticationFailed).await;
}

#[tokio::test]
async fn b32_keys_in_the_header_are_not_used() {
    let Signing { app, .. } = start().await;
    let thief = TestKey::generate(Algorithm::ES256, "p1");
    let server = crate::support::KeyServer::start(thief.jwks()).await;
    for (name, value) in [("jwk", thief.jwk()), ("jku", json!(server.url)), ("x5u", json!(server.url)), ("x5c", json!(["AA"]))] {
        refused(&app, &thief.assertion(&app, P).header(name, value), ErrorCode::ClientAuthenticationFailed).await;
    }
    refused(&app, &thief.assertion(&app, P).header("crit", json!(["x"])), ErrorCode::AssertionMalformed).await;
    assert_eq!(server.fetches(), 0);
}

#[tokio::test]
async fn b33_the_assertion_type_is_that_of_a_jwt() {
    let Signing { app, key, .. } = start().await;
    for kind in ["", "client_assertion_type=", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
        let form = format!("grant_type=client_credentials&client_assertion={}&{kind}", key.assertion(&app, P).sign());
        let answer = app.post("/oauth/token").form(form).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::AssertionTypeUnsupported);
    }
}

#[tokio::test]
async fn b34_v27_an_assertion_and_a_secret_in_one_request_are_refused() {
    let Signing { app, a, key, .. } = start().await;
    let secret = clients::create_secret(&app.app, &BY, &ClientId::try_from(P).unwrap(), "a secret too").await.unwrap();
    let secret = secret.text.expose();
    let assertion = || key.assertion(&app, P).sign();
    let answer = app.ask_with(&assertion(), &format!("client_id={P}&client_secret={secret}")).await;
    answer.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    for (id, secret) in [(P, secret), (a.id.as_str(), &a.secret)] {
        let form = format!("grant_type=client_credentials&client_assertion={}&client_assertion_type={JWT_BEARER}", assertion());
        let answer = app.post("/oauth/token").basic(id, secret).form(form).send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::SeveralAuthenticationMethods);
    }
    assert_eq!(app.database.count("SELECT count(*) FROM used_jtis").await, 0);
}

#[tokio::test]
async fn b37_a_signing_client_without_a_grant_at_an_authorization_server_gets_nothing_there() {
    let Signing { app, key, .. } = start().await;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let ask = async |issuer: &str, parameters: &str| {
        let assertion = key.assertion(&app, P).claim("aud", issuer).sign();
        let form =
            format!("grant_type=client_credentials&client_assertion={assertion}&client_assertion_type={JWT_BEARER}&{parameters}");
        app.post("/oauth2/second/v1/token").form(form).send().await
    };
    let named = ask("https://as.test/oauth2/second", &format!("audience={API1}")).await;
    named.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
    ask("https://as.test/oauth2/second", "").await.assert_refused(400, "invalid_request", ErrorCode::AudienceMissing);
    // What it signs for the authorization server of its grant is for no other.
    ask("https://as.test/", &format!("audience={API1}")).await.assert_client_refused(ErrorCode::AssertionAudience, false);
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
}

#[tokio::test]
async fn b38_an_assertion_is_no_token() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let key = TestKey::generate(Algorithm::ES256, "p1");
    app.client_with_keys(P, KeySource::Jwks(key.jwks())).await;
    for (aud, typ) in [("https://as.test/", "JWT"), (MANAGEMENT, "client-authentication+jwt"), (MANAGEMENT, "at+jwt")] {
        let assertion = key.assertion(&app, P).claim("aud", aud).header("typ", typ).sign();
        assert!(!app.is_active(&a, &assertion).await);
        let presented = app.get("/manage/v1/clients").header("authorization", format!("Bearer {assertion}")).send().await;
        presented.refusal(401, if typ == "at+jwt" { ErrorCode::UnknownKey } else { ErrorCode::TypeNotAllowed });
    }
}

#[tokio::test]
async fn b38_a_token_that_is_no_assertion_is_refused() {
    let Signing { app, key, .. } = start().await;
    for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "statuslist+jwt", "jwt+x"] {
        refused(&app, &key.assertion(&app, P).header("typ", typ), ErrorCode::AssertionMalformed).await;
    }
    let access_token = app.ask_with(&key.assertion(&app, P).sign(), "").await.token().text;
    app.ask_with(&access_token, "").await.assert_client_refused(ErrorCode::AssertionMalformed, false);
    for text in ["x", "a.b.c", "..", "eyJhbGciOiJFUzI1NiJ9..", &"a".repeat(20_000)] {
        app.ask_with(text, "").await.assert_client_refused(ErrorCode::AssertionMalformed, false);
    }
    let json: String = byte_serialize(br#"{"payload":"","signatures":[]}"#).collect();
    app.ask_with(&json, "").await.assert_client_refused(ErrorCode::AssertionMalformed, false);
}

#[tokio::test]
async fn b39_client_secret_jwt_cannot_be_registered_and_keys_must_be_public() {
    let Signing { app, key, .. } = start().await;
    assert_eq!(ClientAuthMethod::from_name("client_secret_jwt"), None);
    let id = ClientId::try_from(P).unwrap();
    let mut private = key.jwk();
    private["d"] = json!("AA");
    for bad in [private, json!({ "kty": "oct", "k": "c2VjcmV0" })] {
        let source = KeySource::Jwks(json!({ "keys": [bad] }).to_string());
        let new = NewKeys { label: "bad".to_owned(), source, not_before: None, expires_at: None };
        let error = clients::add_keys(&app.app, &BY, &id, new).await.unwrap_err().to_string();
        assert!(error.contains("private or symmetric key material") && !error.contains("c2VjcmV0"), "{error}");
    }
    // And a client that is to sign is not created with a secret.
    let new = NewClient { auth_method: ClientAuthMethod::PrivateKeyJwt, ..NewClient::named("x") };
    let error = clients::create(&app.app, &BY, new).await.unwrap_err().to_string();
    assert!(error.contains("private_key_jwt"), "{error}");
}

#[tokio::test]
async fn unknown_wrong_disabled_expired_and_revoked_get_the_same_answer() {
    let Signing { app, a, key, credential_id } = start().await;
    let id = ClientId::try_from(P).unwrap();
    let thief = TestKey::generate(Algorithm::ES256, "p1");
    let mut answers = Vec::new();
    for assertion in
        [thief.assertion(&app, P), key.assertion(&app, "client-q"), key.assertion(&app, "~"), key.assertion(&app, a.id.as_str())]
    {
        answers.push(app.ask_with(&assertion.sign(), "").await);
    }
    clients::disable(&app.app, &BY, &id).await.unwrap();
    answers.push(app.ask_with(&key.assertion(&app, P).sign(), "").await);
    clients::enable(&app.app, &BY, &id).await.unwrap();
    let credential = countersign::ids::CredentialId::from_stored(&credential_id);
    let end = app.clock.now().plus_seconds(60);
    let change = clients::CredentialChange { expires_at: Some(Some(end)), ..Default::default() };
    clients::update_credential(&app.app, &BY, &id, &credential, change).await.unwrap();
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    app.clock.advance_seconds(60);
    answers.push(app.ask_with(&key.assertion(&app, P).sign(), "").await);
    clients::revoke_credential(&app.app, &BY, &id, &credential).await.unwrap();
    answers.push(app.ask_with(&key.assertion(&app, P).sign(), "").await);
    for answer in &answers {
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, false);
        assert_eq!(answer.body, answers[0].body);
        assert_eq!(answer.comparable_headers(), answers[0].comparable_headers());
    }
}

#[tokio::test]
async fn a_client_without_a_secret_never_authenticates_by_one() {
    let Signing { app, key, .. } = start().await;
    for secret in ["", "x", &key.jwks()] {
        let encoded: String = byte_serialize(secret.as_bytes()).collect();
        let answer = app.post("/oauth/token").basic(P, &encoded).form("grant_type=client_credentials").send().await;
        answer.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
}

#[tokio::test]
async fn a_client_that_is_pinned_to_signing_is_refused_with_a_secret_and_the_other_way_round() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let key = TestKey::generate(Algorithm::ES256, "p1");
    let pinned = app.client_pinned_to("client-pinned", ClientAuthMethod::ClientSecretBasic, true).await;
    let new = NewKeys { label: "keys".to_owned(), source: KeySource::Jwks(key.jwks()), not_before: None, expires_at: None };
    clients::add_keys(&app.app, &BY, &pinned.id, new).await.unwrap();
    refused(&app, &key.assertion(&app, "client-pinned"), ErrorCode::AuthenticationMethodNotOfClient).await;
    // It was not the assertion that was wrong: its id is not used up.
    assert_eq!(app.database.count("SELECT count(*) FROM used_jtis").await, 0);
}

#[tokio::test]
async fn v25_a_store_that_cannot_remember_the_id_is_a_fault_and_never_a_401_or_a_token() {
    let Signing { app, key, .. } = start().await;
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    let assertion = key.assertion(&app, P).sign();
    match &*app.database {
        Database::Postgres(database) => {
            database.shut().await;
            app.ask_with(&assertion, "").await.assert_problem(503, ErrorCode::Unavailable);
            database.reopen().await;
        }
        // An open file cannot go away: the nearest is that what is in it does.
        Database::Sqlite(_) => {
            app.database.execute("ALTER TABLE used_jtis RENAME TO gone").await;
            app.ask_with(&assertion, "").await.assert_problem(500, ErrorCode::Internal);
            app.database.execute("ALTER TABLE gone RENAME TO used_jtis").await;
        }
    }
    app.ask_with(&assertion, "").await.token();
}

#[tokio::test]
async fn an_assertion_costs_one_write_and_a_refused_one_none() {
    let Signing { app, key, .. } = start().await;
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    let before = app.app.store.statements_run();
    app.ask_with(&key.assertion(&app, P).sign(), "").await.token();
    let after = app.app.store.statements_run();
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 1));
    refused(&app, &key.assertion(&app, P).claim("aud", "https://evil.test"), ErrorCode::AssertionAudience).await;
    refused(&app, &TestKey::generate(Algorithm::ES256, "p1").assertion(&app, P), ErrorCode::ClientAuthenticationFailed).await;
    assert_eq!(app.app.store.statements_run(), after);
}

#[tokio::test]
async fn the_metadata_names_the_method_and_its_algorithms() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let document = app.get("/.well-known/oauth-authorization-server").send().await.json();
    let texts = |name: &str| -> BTreeSet<String> { serde_json::from_value(document[name].clone()).unwrap() };
    assert!(texts("token_endpoint_auth_methods_supported").contains("private_key_jwt"));
    let algorithms = texts("token_endpoint_auth_signing_alg_values_supported");
    assert!(algorithms.contains("PS256") && !algorithms.iter().any(|alg| alg.starts_with("HS") || alg == "none"));
}
