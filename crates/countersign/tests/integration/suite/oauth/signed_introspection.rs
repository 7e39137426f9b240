//! Introspection responses as JWTs (RFC 9701); catalogue F, 89.

use std::task::{Context, Waker};

use countersign::clients;
use countersign::config::BaseUrl;
use countersign::oauth::{self, IntrospectionAnswer, IntrospectionFormat};
use countersign::resource_servers::NewResourceServer;
use countersign::revocation::revoke_any_token;
use countersign::signing_keys::replace_compromised;
use countersign::source_address::SourceAddress;
use countersign_protocol::jose::{Algorithm, JwkSet, UnverifiedJws};
use countersign_protocol::{Clock as _, ErrorCode, Parameters};
use countersign_verify::Verifier;
use serde_json::{Map, Value, json};

use super::ENGINE;
use crate::support::{API1, API2, Answer, Fixture, JSON, RemoteSigners, Service, Setup, TestApp, TestClient, api, by};

const SIGNED: &str = "application/token-introspection+jwt";
const INTROSPECT: &str = "/oauth/introspect";

async fn ask(app: &TestApp, path: &str, caller: &TestClient, token: &str) -> Answer {
    app.token_request(path, caller, &format!("token={token}")).header("accept", SIGNED).send().await
}

/// The header and the claims of a signed answer, once its signature is checked.
async fn read(app: &TestApp, answer: &Answer) -> (Map<String, Value>, Map<String, Value>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some(SIGNED));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let jws = UnverifiedJws::parse(answer.text()).unwrap();
    let keys = JwkSet::parse(&app.key_set("/.well-known/jwks.json").await).unwrap();
    let payload = jws.verify(keys.find(jws.header().key_id.as_deref()).unwrap()).unwrap();
    let header = countersign_protocol::jose::base64url::decode(answer.text().split('.').next().unwrap()).unwrap();
    (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&payload).unwrap())
}

/// What is said of the token; everything beside it is as in every signed answer.
async fn said(app: &TestApp, caller: &TestClient, token: &str) -> Value {
    let (header, mut claims) = read(app, &ask(app, INTROSPECT, caller, token).await).await;
    assert_eq!(header.keys().collect::<Vec<_>>(), ["alg", "kid", "typ"]);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("token-introspection+jwt")));
    let said = claims.remove("token_introspection").unwrap();
    let iat = app.clock.now().as_seconds();
    assert_eq!(Value::Object(claims), json!({ "iss": "https://as.test/", "aud": caller.id.as_str(), "iat": iat }));
    said
}

async fn token(app: &TestApp, client: &TestClient) -> String {
    app.ask(client, &format!("audience={API1}")).await.token().text
}

#[tokio::test]
async fn f89_a_signed_answer_about_a_token_that_is_not_active_for_the_caller_holds_no_claims() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let (api1, api2) = (app.introspection_client(API1).await, app.introspection_client(API2).await);
    let (live, revoked, of_disabled) = (token(&app, &a).await, token(&app, &a).await, token(&app, &b).await);
    revoke_any_token(&app.app, &by(), &revoked).await.unwrap();
    clients::disable(&app.app, &by(), &b.id).await.unwrap();
    assert_eq!(said(&app, &api1, &live).await["client_id"], "client-a");
    let nothing = json!({ "active": false });
    // Another resource server's, and another client's.
    assert_eq!(said(&app, &api2, &live).await, nothing);
    assert_eq!(said(&app, &a, &of_disabled).await, nothing);
    for dead in [&revoked, &of_disabled, &format!("{live}x"), "nonsense"] {
        assert_eq!(said(&app, &api1, dead).await, nothing, "{dead}");
    }
    app.clock.advance_seconds(600);
    assert_eq!(said(&app, &api1, &live).await, nothing);
    assert_eq!(said(&app, &a, &live).await, nothing);
}

#[tokio::test]
async fn an_active_token_is_described_in_a_member_of_its_own_at_every_mount() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let token = app.ask(&a, "scope=list:users").await.token();
    for (path, issuer) in [(INTROSPECT, "https://as.test/"), ("/oauth2/default/v1/introspect", "https://as.test/oauth2/default")] {
        let (_, claims) = read(&app, &ask(&app, path, &api1, &token.text).await).await;
        let expected = json!({
            "iss": issuer, "aud": api1.id.as_str(), "iat": 1_800_000_000,
            "token_introspection": {
                "active": true, "token_type": "Bearer", "scope": "list:users", "client_id": "client-a", "sub": "client-a",
                "aud": API1, "iss": "https://as.test/", "exp": 1_800_000_600, "iat": 1_800_000_000, "jti": token.claim("jti"),
                "cred": a.credential_id.as_str(),
            },
        });
        assert_eq!(Value::Object(claims), expected);
    }
}

#[tokio::test]
async fn it_passes_for_no_access_token() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let token = token(&app, &a).await;
    let answer = ask(&app, INTROSPECT, &api1, &token).await;
    let signed = answer.text();
    // Even a verifier for which the caller's id is the audience.
    for audience in [API1, api1.id.as_str()] {
        let verifier = Verifier::builder("https://as.test/", audience)
            .clock(app.clock.clone())
            .jwk_set(app.get("/.well-known/jwks.json").send().await.text())
            .build()
            .unwrap();
        assert_eq!(verifier.verify_token(&token).await.is_ok(), audience == API1);
        assert_eq!(verifier.verify_token(signed).await.unwrap_err().code(), ErrorCode::TypeNotAllowed);
    }
    assert_eq!(said(&app, &api1, signed).await, json!({ "active": false }));
    let managed = app.get("/manage/v1/clients").header("authorization", format!("Bearer {signed}")).send().await;
    assert_eq!(managed.header("countersign-error"), Some(ErrorCode::TypeNotAllowed.as_str()), "{managed:?}");
}

#[tokio::test]
async fn the_accept_header_chooses_and_whoever_does_not_choose_gets_json() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = token(&app, &a).await;
    let answer = async |lines: &[&str]| {
        let request = app.token_request(INTROSPECT, &a, &format!("token={token}"));
        lines.iter().fold(request, |request, line| request.header("accept", line)).send().await
    };
    for accept in [
        &["application/token-introspection+jwt"] as &[_],
        &["Application/Token-Introspection+JWT"],
        &["application/json;q=0.9, application/token-introspection+jwt"],
        &["application/json;q=0.5", "application/token-introspection+jwt;q=0.6"],
        &["application/token-introspection+jwt, */*"],
        &["application/json;q=0, application/*, application/jwt;q=0.9"],
    ] {
        assert_eq!(answer(accept).await.header("content-type"), Some(SIGNED), "{accept:?}");
    }
    for accept in [
        &[] as &[_],
        &["*/*"],
        &["application/*"],
        &["application/json, text/plain, */*"],
        &["application/token-introspection+jwt;q=0.1, application/json;q=0.2"],
        &["application/token-introspection+jwt;q=0"],
        &["application/token-introspection+jwt;q=7"],
        &["text/html"],
        &["application/x-www-form-urlencoded"],
        &["\u{e9}"],
    ] {
        assert!(answer(accept).await.is_active(), "{accept:?}");
    }
}

#[tokio::test]
async fn who_is_not_let_in_gets_the_same_refusal_as_everyone() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let form = format!("token={}", token(&app, &a).await);
    let asked = || app.post(INTROSPECT).header("accept", SIGNED);
    asked().form(form.clone()).send().await.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    let wrong = asked().basic("client-a", "wrong").form(form).send().await;
    wrong.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    let missing = app.token_request(INTROSPECT, &a, "").header("accept", SIGNED).send().await;
    missing.assert_refused(400, "invalid_request", ErrorCode::TokenParameterMissing);
    assert_eq!(missing.header("content-type"), Some(JSON));
}

#[tokio::test]
async fn every_answer_is_signed_as_the_authorization_server_signs() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = "https://eddsa.test";
    let eddsa = app.resource_server(NewResourceServer { signing_alg: Some(Algorithm::EdDSA), ..api(other, "s") }).await;
    app.grant(&a, &eddsa, "s").await;
    let token = app.ask(&a, &format!("audience={other}")).await.token();
    assert_eq!(token.alg(), "EdDSA");
    for token in [token.text.as_str(), "nonsense"] {
        let (header, _) = read(&app, &ask(&app, INTROSPECT, &a, token).await).await;
        assert_eq!(header["alg"], "ES256");
    }
}

/// What comes of a question about a token that waits for its signature when `change`
/// was acknowledged.
async fn overtaken_by(change: impl AsyncFnOnce(&TestApp, &str)) -> (TestApp, Value) {
    let signers = RemoteSigners::new();
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { signers: Some(signers.clone()), ..Setup::default() }).await;
    let token = token(&app, &a).await;
    let form = format!("token={token}&client_id={}&client_secret={}", a.id, a.secret);
    let parameters = Parameters::from_form(form.as_bytes()).unwrap();
    let mount = app.app.catalog().mount(&BaseUrl::from_text("https://as.test").unwrap(), "/").unwrap();
    app.app.find_client(&a.id).await.unwrap();
    signers.set(Service::Holds);
    let mut context = Context::from_waker(Waker::noop());
    let format = IntrospectionFormat::SignedResponse;
    let answered = {
        let mut asking = std::pin::pin!(oauth::introspect(&app.app, &mount, SourceAddress::NONE, [], &parameters, format));
        assert!(asking.as_mut().poll(&mut context).is_pending());
        change(&app, &token).await;
        signers.set(Service::Answers);
        asking.await.1
    };
    let Ok(IntrospectionAnswer::SignedResponse(signed)) = answered else { panic!("{answered:?}") };
    let jws = UnverifiedJws::parse(&signed).unwrap();
    let keys = JwkSet::parse(&app.key_set("/.well-known/jwks.json").await).unwrap();
    let payload = jws.verify(keys.find(jws.header().key_id.as_deref()).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    (app, claims["token_introspection"].clone())
}

#[tokio::test]
async fn f89_a_revocation_that_overtakes_the_signature_is_in_the_answer() {
    let untouched = overtaken_by(async |_, _| {}).await.1;
    assert_eq!(untouched["active"], true);
    let revoked = overtaken_by(async |app, token| drop(revoke_any_token(&app.app, &by(), token).await.unwrap())).await.1;
    assert_eq!(revoked, json!({ "active": false }));
    let disabled = overtaken_by(async |app, _| {
        let client = countersign_protocol::ClientId::try_from("client-a").unwrap();
        clients::disable(&app.app, &by(), &client).await.unwrap();
    });
    assert_eq!(disabled.await.1, json!({ "active": false }));
}

#[tokio::test]
async fn an_answer_whose_key_is_withdrawn_meanwhile_is_signed_again() {
    let said = overtaken_by(async |app, _| {
        let catalog = app.app.catalog();
        let server = catalog.authorization_server(&crate::support::issuer_id("default")).unwrap();
        let key = server.keys.active(Algorithm::ES256).unwrap().key_id().clone();
        replace_compromised(&app.app, &by(), &key, false).await.unwrap();
    });
    // The token was signed by the key that is gone.
    assert_eq!(said.await.1, json!({ "active": false }));
}

#[tokio::test]
async fn without_a_signature_there_is_no_answer() {
    let signers = RemoteSigners::new();
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { signers: Some(signers.clone()), ..Setup::default() }).await;
    let token = token(&app, &a).await;
    signers.set(Service::Fails);
    ask(&app, INTROSPECT, &a, &token).await.assert_problem(503, ErrorCode::Unavailable);
    assert!(app.is_active(&a, &token).await);
}
