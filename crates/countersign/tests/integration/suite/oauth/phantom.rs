//! Phantom tokens: `Accept: application/jwt` at the introspection endpoint.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use countersign::change_feed::Follower;
use countersign::clients;
use countersign::config::BaseUrl;
use countersign::ids::SigningKeyId;
use countersign::oauth::{self, IntrospectionAnswer, IntrospectionFormat};
use countersign::resource_servers::{NewResourceServer, Profile, TokenFormat};
use countersign::revocation::{
    revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_key, revoke_subject, revoke_token_key,
};
use countersign::signing_keys::{replace_compromised, rotate};
use countersign::source_address::SourceAddress;
use countersign_protocol::jose::{Algorithm, base64url};
use countersign_protocol::{Audience, ErrorCode, Parameters};
use countersign_verify::{Requirements, Verifier};
use serde_json::{Map, Value};

use super::ENGINE;
use crate::support::{API2, Answer, CapturedLog, Fixture, RemoteSigners, Service, Setup, TestApp, TestClient, api, by, issuer_id};

const OPAQUE: &str = "https://opaque.test";
const JWT: &str = "application/jwt";
const INTROSPECT: &str = "/oauth/introspect";

/// An application with an API whose tokens are opaque, and who may introspect for it.
struct World {
    app: TestApp,
    a: TestClient,
    b: TestClient,
    gateway: TestClient,
    signers: RemoteSigners,
}

impl World {
    async fn start() -> Self {
        Self::with(|new| new).await
    }

    async fn with(change: impl FnOnce(NewResourceServer) -> NewResourceServer) -> Self {
        let signers = RemoteSigners::new();
        let setup = Setup { signers: Some(signers.clone()), ..Setup::default() };
        let Fixture { app, a, b, .. } = Fixture::start_with(ENGINE, setup).await;
        let new = NewResourceServer { token_format: TokenFormat::Opaque, ..api(OPAQUE, "list:users edit") };
        let opaque = app.resource_server(change(new)).await;
        for client in [&a, &b] {
            app.grant(client, &opaque, "list:users").await;
        }
        let gateway = app.introspection_client(OPAQUE).await;
        Self { app, a, b, gateway, signers }
    }

    async fn token(&self) -> String {
        let answer = self.app.ask(&self.a, &format!("audience={OPAQUE}")).await.json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn phantom(&self, token: &str) -> Option<Phantom> {
        phantom(&self.app, &self.gateway, token).await
    }

    fn active_key(&self, algorithm: Algorithm) -> SigningKeyId {
        let catalog = self.app.app.catalog();
        let server = catalog.authorization_server(&issuer_id("default")).unwrap();
        server.keys.active(algorithm).unwrap().key_id().clone()
    }
}

struct Phantom {
    text: String,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Phantom {
    fn kid(&self) -> &str {
        self.header["kid"].as_str().unwrap()
    }
}

async fn ask(app: &TestApp, caller: &TestClient, token: &str) -> Answer {
    app.token_request(INTROSPECT, caller, &format!("token={token}")).header("accept", JWT).send().await
}

/// The JWT that an answer holds, or that there is nothing in it.
async fn phantom(app: &TestApp, caller: &TestClient, token: &str) -> Option<Phantom> {
    let answer = ask(app, caller, token).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    assert_eq!(answer.header("countersign-error"), None);
    if answer.status == 204 {
        assert_eq!((answer.text(), answer.header("content-type")), ("", None));
        return None;
    }
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(JWT)));
    let text = answer.text().to_owned();
    let parts: Vec<&str> = text.split('.').collect();
    let part = |index: usize| serde_json::from_slice(&base64url::decode(parts[index]).unwrap()).unwrap();
    Some(Phantom { header: part(0), claims: part(1), text })
}

async fn verifier(app: &TestApp) -> Verifier {
    let key_set = app.get("/.well-known/jwks.json").send().await;
    let builder = Verifier::builder("https://as.test/", OPAQUE).clock(app.clock.clone()).leeway_seconds(0);
    builder.jwk_set(key_set.text()).build().unwrap()
}

#[tokio::test]
async fn it_says_what_the_opaque_token_says_and_verifies_without_asking() {
    for (profile, signing_alg) in [(Profile::Rfc9068, None), (Profile::Okta, Some(Algorithm::EdDSA)), (Profile::Auth0, None)] {
        let world = World::with(|new| NewResourceServer { profile, signing_alg, ..new }).await;
        let token = world.token().await;
        world.app.clock.advance_seconds(10);
        let phantom = world.phantom(&token).await.unwrap();
        let algorithm = signing_alg.unwrap_or(Algorithm::ES256);
        assert_eq!((&phantom.header["typ"], &phantom.header["alg"]), (&"at+jwt".into(), &algorithm.as_str().into()));
        assert_eq!((phantom.kid(), phantom.header.len()), (world.active_key(algorithm).as_str(), 3));
        let mut said = world.app.introspect(&world.gateway, &token).await.json().as_object().unwrap().clone();
        said.remove("active").unwrap();
        said.remove("token_type").unwrap();
        assert_eq!(phantom.claims, said);
        assert_eq!((&phantom.claims["iat"], &phantom.claims["exp"]), (&1_800_000_000.into(), &1_800_000_600.into()));
        let verifier = verifier(&world.app).await;
        let verified = verifier.verify_token(&phantom.text).await.unwrap();
        assert_eq!(verified.client_id(), Some("client-a"));
        verifier.require(&verified, &Requirements::all(["list:users"])).unwrap();
        verifier.require(&verified, &Requirements::all(["edit"])).unwrap_err();
        // It does not outlive the token that it stands for.
        world.app.clock.advance_seconds(590);
        assert_eq!(verifier.verify_token(&phantom.text).await.unwrap_err().code(), ErrorCode::Expired);
        assert!(world.phantom(&token).await.is_none());
    }
}

#[tokio::test]
async fn there_is_nothing_in_the_answer_about_what_is_not_active_for_the_caller() {
    let world = World::start().await;
    let app = &world.app;
    let (live, revoked) = (world.token().await, world.token().await);
    let elsewhere = app.introspection_client(API2).await;
    revoke_any_token(&app.app, &by(), &revoked).await.unwrap();
    assert!(world.phantom(&live).await.is_some());
    for (caller, token) in [
        (&world.gateway, revoked.as_str()),
        (&world.gateway, "nonsense"),
        (&world.gateway, "a.b.c"),
        (&world.gateway, &live[..live.len() - 1]),
        (&elsewhere, &live),
        (&world.b, &live),
    ] {
        assert!(phantom(app, caller, token).await.is_none(), "{}: {token}", caller.id);
    }
    // Who asks must be known all the same.
    let form = format!("token={live}");
    let unknown = app.post(INTROSPECT).header("accept", JWT).form(form).send().await;
    unknown.assert_client_refused(ErrorCode::ClientAuthenticationMissing, false);
    clients::disable(&app.app, &by(), &world.a.id).await.unwrap();
    assert!(world.phantom(&live).await.is_none());
}

#[tokio::test]
async fn a_client_does_not_trade_its_own_token_for_one_that_cannot_be_revoked_at_once() {
    let world = World::start().await;
    let token = world.token().await;
    assert!(world.app.is_active(&world.a, &token).await);
    assert!(phantom(&world.app, &world.a, &token).await.is_none());
    // Nor by the way of a cache that somebody else filled.
    assert!(world.phantom(&token).await.is_some());
    assert!(phantom(&world.app, &world.a, &token).await.is_none());
}

#[tokio::test]
async fn a_jwt_stands_for_itself() {
    let world = World::with(|new| NewResourceServer { token_format: TokenFormat::Jwt, ..new }).await;
    let token = world.token().await;
    let asked = world.signers.asked();
    for caller in [&world.gateway, &world.a] {
        assert_eq!(phantom(&world.app, caller, &token).await.unwrap().text, token);
    }
    assert_eq!(world.signers.asked(), asked);
    assert!(phantom(&world.app, &world.b, &token).await.is_none());
    revoke_any_token(&world.app.app, &by(), &token).await.unwrap();
    assert!(world.phantom(&token).await.is_none());
}

#[tokio::test]
async fn it_is_signed_once_per_token_and_key_and_nothing_is_written() {
    let world = World::start().await;
    let (token, other) = (world.token().await, world.token().await);
    assert!(world.app.is_active(&world.gateway, &token).await);
    let (asked, statements) = (world.signers.asked(), world.app.app.store.statements_run());
    let first = world.phantom(&token).await.unwrap();
    for _ in 0..20 {
        assert_eq!(world.phantom(&token).await.unwrap().text, first.text);
    }
    assert_ne!(world.phantom(&other).await.unwrap().claims["jti"], first.claims["jti"]);
    assert_eq!(world.signers.asked(), asked + 2);
    assert_eq!(world.app.app.store.statements_run(), statements);
    // A rotated key signs no more: verifiers may soon not know it.
    world.app.clock.advance_seconds(301);
    let rotated = rotate(&world.app.app, &by(), &world.active_key(Algorithm::ES256)).await.unwrap();
    let second = world.phantom(&token).await.unwrap();
    assert_eq!((second.kid(), first.kid()), (rotated.active.as_str(), rotated.retiring.as_str()));
    assert_eq!(second.claims, first.claims);
    // Nor does one that is withdrawn.
    replace_compromised(&world.app.app, &by(), &rotated.active, true).await.unwrap();
    let third = world.phantom(&token).await.unwrap();
    assert_eq!(third.kid(), world.active_key(Algorithm::ES256).as_str());
    assert_ne!(third.kid(), second.kid());
    verifier(&world.app).await.verify_token(&third.text).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_mark_ends_it_although_it_is_in_memory() {
    for kind in ["client", "sub", "cred", "kid", "aud", "all", "token"] {
        let world = World::start().await;
        let app = &world.app.app;
        let token = world.token().await;
        assert!(world.phantom(&token).await.is_some());
        let default = issuer_id("default");
        match kind {
            "client" => revoke_client(app, &by(), &world.a.id).await.unwrap(),
            "sub" => revoke_subject(app, &by(), "client-a").await.unwrap(),
            "cred" => clients::revoke_credential(app, &by(), &world.a.id, &world.a.credential_id).await.unwrap(),
            "kid" => {
                let id = app.catalog().token_keys.active(world.app.app.clock.now()).unwrap().id().clone();
                revoke_token_key(app, &by(), &id).await.unwrap();
            }
            "aud" => revoke_audience(app, &by(), &default, &Audience::try_from(OPAQUE).unwrap()).await.unwrap(),
            "all" => revoke_all(app, &by(), Some(&default)).await.unwrap(),
            _ => drop(revoke_any_token(app, &by(), &token).await.unwrap()),
        }
        assert!(world.phantom(&token).await.is_none(), "{kind}");
    }
}

#[tokio::test]
async fn another_node_does_not_hand_out_what_was_revoked_here() {
    let world = World::start().await;
    let second = world.app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let token = world.token().await;
    assert!(phantom(&second, &world.gateway, &token).await.is_some());
    revoke_any_token(&world.app.app, &by(), &token).await.unwrap();
    follower.catch_up().await.unwrap();
    assert!(phantom(&second, &world.gateway, &token).await.is_none());
}

#[tokio::test]
async fn the_two_are_one_token_to_introspection_and_revocation() {
    let world = World::start().await;
    for by_phantom in [false, true] {
        let token = world.token().await;
        let phantom = world.phantom(&token).await.unwrap().text;
        assert!(world.app.is_active(&world.gateway, &phantom).await);
        let given_back = if by_phantom { &phantom } else { &token };
        world.app.revoke(&world.a, given_back).await.assert_revocation_answered();
        assert!(!world.app.is_active(&world.gateway, &phantom).await);
        assert!(!world.app.is_active(&world.gateway, &token).await);
    }
    // The key that signed it can be revoked: a new one is signed by the next key.
    let token = world.token().await;
    let phantom = world.phantom(&token).await.unwrap();
    revoke_key(&world.app.app, &by(), &SigningKeyId::from_stored(phantom.kid())).await.unwrap();
    assert!(!world.app.is_active(&world.gateway, &phantom.text).await);
    assert!(world.app.is_active(&world.gateway, &token).await);
}

/// What is handed out for `token` when `change` was acknowledged while it waited for its signature.
async fn overtaken_by(world: &World, token: &str, change: impl Future<Output = ()>) -> Option<String> {
    let form = format!("token={token}&client_id={}&client_secret={}", world.gateway.id, world.gateway.secret);
    let parameters = Parameters::from_form(form.as_bytes()).unwrap();
    let app = &world.app.app;
    let mount = app.catalog().mount(&BaseUrl::from_text("https://as.test").unwrap(), "/").unwrap();
    for client in [&world.gateway, &world.a] {
        app.find_client(&client.id).await.unwrap();
    }
    world.signers.set(Service::Holds);
    let format = IntrospectionFormat::AccessToken;
    let mut asking = std::pin::pin!(oauth::introspect(app, &mount, SourceAddress::NONE, [], &parameters, format));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    change.await;
    world.signers.set(Service::Answers);
    let answered = asking.await.1;
    let Ok(IntrospectionAnswer::AccessToken(phantom)) = answered else { panic!("{answered:?}") };
    phantom.map(|phantom| phantom.expose().clone())
}

#[tokio::test]
async fn nothing_is_handed_out_that_was_revoked_during_the_signature() {
    let world = World::start().await;
    let (token, app) = (world.token().await, &world.app.app);
    let revoke = async || drop(revoke_any_token(app, &by(), &token).await.unwrap());
    assert_eq!(overtaken_by(&world, &token, revoke()).await, None);
}

#[tokio::test]
async fn nothing_is_handed_out_by_a_key_that_was_withdrawn_during_the_signature() {
    let world = World::start().await;
    let (token, stolen) = (world.token().await, world.active_key(Algorithm::ES256));
    let withdraw = async || drop(replace_compromised(&world.app.app, &by(), &stolen, false).await.unwrap());
    let phantom = overtaken_by(&world, &token, withdraw()).await.unwrap();
    verifier(&world.app).await.verify_token(&phantom).await.unwrap();
    assert_eq!(world.phantom(&token).await.unwrap().kid(), world.active_key(Algorithm::ES256).as_str());
}

#[tokio::test]
async fn without_a_signature_the_token_is_not_judged_and_the_log_holds_neither() {
    let log = CapturedLog::start();
    let world = World::start().await;
    let (token, other) = (world.token().await, world.token().await);
    let phantom = world.phantom(&token).await.unwrap();
    world.signers.set(Service::Fails);
    ask(&world.app, &world.gateway, &other).await.assert_problem(503, ErrorCode::Unavailable);
    // What is in memory needs no signature.
    assert_eq!(world.phantom(&token).await.unwrap().text, phantom.text);
    let signature = phantom.text.rsplit('.').next().unwrap();
    assert!(!log.text().contains(&signature[..40]) && !log.text().contains(&token[40..80]));
}
