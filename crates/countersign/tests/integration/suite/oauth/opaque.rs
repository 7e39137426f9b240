//! Opaque access tokens: sealed claims, and no row for any of them.

use std::sync::Arc;
use std::time::Duration;

use countersign::audit::Actor;
use countersign::change_feed::Follower;
use countersign::ids::TokenKeyId;
use countersign::resource_servers::{self, NewResourceServer, ResourceServerPatch, TokenFormat};
use countersign::revocation::{
    Marked, revoke_all, revoke_any_token, revoke_audience, revoke_client, revoke_subject, revoke_token_key,
};
use countersign::rewrap::{Rewrapped, rewrap};
use countersign::{clients, jobs};
use countersign_protocol::jose::{Algorithm, base64url};
use countersign_protocol::{Audience, Clock as _};
use countersign_verify::{Introspect, IntrospectFuture, Introspection, Method, Requirements, Verifier};
use serde_json::json;

use super::ENGINE;
use crate::support::{CapturedLog, Fixture, Setup, TestApp, TestClient, api, by, issuer_id, master_key};

const OPAQUE: &str = "https://opaque.test";
const DAY: i64 = 86_400;
/// The prefix and the key's part of a token.
const HEAD_LENGTH: usize = 4 + 26;

struct World {
    app: TestApp,
    a: TestClient,
    b: TestClient,
    /// May introspect.
    asks: TestClient,
}

impl World {
    async fn start() -> Self {
        let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
        let opaque =
            app.resource_server(NewResourceServer { token_format: TokenFormat::Opaque, ..api(OPAQUE, "list:users edit") }).await;
        for client in [&a, &b] {
            app.grant(client, &opaque, "list:users edit").await;
        }
        let asks = app.introspection_client(OPAQUE).await;
        Self { app, a, b, asks }
    }

    async fn token(&self) -> String {
        token(&self.app, &self.a).await
    }

    async fn is_active(&self, token: &str) -> bool {
        self.app.is_active(&self.asks, token).await
    }
}

async fn token(app: &TestApp, client: &TestClient) -> String {
    let answer = app.ask(client, &format!("audience={OPAQUE}&scope=list:users")).await;
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(600), &json!("list:users")));
    body["access_token"].as_str().unwrap().to_owned()
}

fn key_of(token: &str) -> TokenKeyId {
    TokenKeyId::from_stored(&format!("tk_{}", &token[4..HEAD_LENGTH]))
}

async fn living_keys(app: &TestApp) -> Vec<String> {
    app.database.texts("SELECT id FROM token_keys WHERE sealed_key <> '' ORDER BY seals_from").await
}

#[tokio::test]
async fn it_says_nothing_by_itself_and_everything_to_who_may_ask() {
    let world = World::start().await;
    let token = world.token().await;
    assert!(token.starts_with("cst_") && !token.contains('.'), "{token}");
    let sealed = base64url::decode(&token[HEAD_LENGTH..]).unwrap();
    assert!(!sealed.windows(8).any(|bytes| bytes == b"client-a"));
    for path in ["/oauth/introspect", "/oauth2/default/v1/introspect"] {
        let answer = world.app.introspect_at(path, &world.asks, &token).await.json();
        let jti = answer["jti"].as_str().unwrap();
        assert_eq!(jti.len(), 22);
        let expected = json!({
            "active": true, "token_type": "Bearer", "scope": "list:users", "client_id": "client-a", "sub": "client-a", "aud": OPAQUE,
            "iss": "https://as.test/", "exp": 1_800_000_600, "iat": 1_800_000_000, "jti": jti, "cred": world.a.credential_id.as_str(),
        });
        assert_eq!(answer, expected);
    }
    assert!(world.app.is_active(&world.a, &token).await);
    assert!(!world.app.is_active(&world.b, &token).await);
    assert_ne!(token, world.token().await);
}

#[tokio::test]
async fn v41_a_token_cut_extended_or_changed_at_any_place_is_inactive() {
    let world = World::start().await;
    let token = world.token().await;
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        assert!(!world.is_active(&String::from_utf8(bytes.clone()).unwrap()).await, "byte {at}");
        bytes[at] = token.as_bytes()[at] ^ 0x20;
        let flipped = String::from_utf8(bytes).unwrap();
        if token.as_bytes()[at].is_ascii_alphabetic() {
            assert!(!world.is_active(&flipped).await, "letter {at}");
        }
    }
    for length in [4, HEAD_LENGTH, HEAD_LENGTH + 16, 80, token.len() - 1] {
        assert!(!world.is_active(&token[..length]).await, "{length}");
    }
    for broken in [format!("{token}A"), format!("{token}%3D"), format!("{token}.."), format!("cst_{token}"), token.to_uppercase()] {
        assert!(!world.is_active(&broken).await, "{broken}");
    }
    assert!(world.is_active(&token).await);
}

#[tokio::test]
async fn another_authorization_servers_token_opens_only_there() {
    let world = World::start().await;
    let app = &world.app;
    app.authorization_server("second", Algorithm::ES256, None).await;
    let elsewhere = NewResourceServer {
        authorization_server_id: issuer_id("second"),
        token_format: TokenFormat::Opaque,
        ..api(OPAQUE, "list:users")
    };
    let elsewhere = app.resource_server(elsewhere).await;
    app.grant(&world.a, &elsewhere, "list:users").await;
    let form = format!("grant_type=client_credentials&audience={OPAQUE}");
    let answer = app.token_request("/oauth2/second/v1/token", &world.a, &form).send().await.json();
    let of_second = answer["access_token"].as_str().unwrap();
    let of_default = world.token().await;
    // Sealed by one key.
    assert_eq!(key_of(of_second), key_of(&of_default));
    for (token, at_default) in [(of_second, false), (of_default.as_str(), true)] {
        assert_eq!(app.introspect_at("/oauth/introspect", &world.a, token).await.is_active(), at_default);
        assert_eq!(app.introspect_at("/oauth2/second/v1/introspect", &world.a, token).await.is_active(), !at_default);
    }
}

/// Asks the application in memory.
struct InProcess {
    world: Arc<World>,
}

impl Introspect for InProcess {
    fn introspect<'a>(&'a self, token: &'a str) -> IntrospectFuture<'a> {
        let asked = self.world.app.post("/oauth/introspect").basic(self.world.asks.id.as_str(), &self.world.asks.secret);
        Box::pin(async move { Ok(asked.form(format!("token={token}")).send().await.text().as_bytes().to_vec()) })
    }
}

#[tokio::test]
async fn the_verify_crate_accepts_it_through_introspection() {
    let world = Arc::new(World::start().await);
    let introspection = Introspection::with("https://as.test/", InProcess { world: Arc::clone(&world) }).cache_seconds(0);
    let verifier = Verifier::builder("https://as.test/", OPAQUE)
        .clock(world.app.clock.clone())
        .jwk_set(world.app.get("/.well-known/jwks.json").send().await.text())
        .introspection(introspection)
        .build()
        .unwrap();
    let token = world.token().await;
    let verified = verifier.verify_token(&token).await.unwrap();
    assert_eq!((verified.client_id(), verified.method()), (Some("client-a"), Method::Introspection));
    verifier.require(&verified, &Requirements::all(["list:users"])).unwrap();
    verifier.require(&verified, &Requirements::all(["edit"])).unwrap_err();
    revoke_any_token(&world.app.app, &by(), &token).await.unwrap();
    verifier.verify_token(&token).await.unwrap_err();
}

#[tokio::test]
async fn it_expires() {
    let world = World::start().await;
    let token = world.token().await;
    world.app.clock.advance_seconds(599);
    assert!(world.is_active(&token).await);
    world.app.clock.advance_seconds(1);
    assert!(!world.is_active(&token).await);
}

#[tokio::test]
async fn every_kind_of_mark_kills_it_and_it_alone() {
    for kind in ["client", "sub", "cred", "kid", "aud", "all"] {
        let world = World::start().await;
        let app = &world.app.app;
        let (token, of_b) = (world.token().await, token(&world.app, &world.b).await);
        assert!(world.is_active(&token).await && world.is_active(&of_b).await);
        let default = issuer_id("default");
        match kind {
            "client" => revoke_client(app, &by(), &world.a.id).await.unwrap(),
            "sub" => revoke_subject(app, &by(), "client-a").await.unwrap(),
            "cred" => clients::revoke_credential(app, &by(), &world.a.id, &world.a.credential_id).await.unwrap(),
            "kid" => revoke_token_key(app, &by(), &key_of(&token)).await.unwrap(),
            "aud" => revoke_audience(app, &by(), &default, &Audience::try_from(OPAQUE).unwrap()).await.unwrap(),
            _ => revoke_all(app, &by(), Some(&default)).await.unwrap(),
        }
        assert!(!world.is_active(&token).await, "{kind}");
        assert_eq!(world.is_active(&of_b).await, ["client", "sub", "cred"].contains(&kind), "{kind}");
        // The next one is born alive.
        let again = self::token(&world.app, &world.b).await;
        assert!(world.is_active(&again).await, "{kind}");
    }
}

#[tokio::test]
async fn a_request_waits_while_a_mark_on_the_token_key_lies_ahead() {
    let world = World::start().await;
    let key = key_of(&world.token().await);
    let before = world.app.clock.now();
    let (marked, at) = (Marked::TokenKey(key), before.plus_seconds(1));
    let written = world.app.app.write(move |tx| Box::pin(async move { countersign::revocation::mark(tx, &marked, at).await }));
    written.await.map_err(|error: countersign::store::StoreError| error).unwrap();
    let token = world.token().await;
    assert!(world.app.clock.now() > before && world.is_active(&token).await);
}

#[tokio::test]
async fn a_client_revokes_its_own_and_an_operator_any() {
    let world = World::start().await;
    let (first, second, third) = (world.token().await, world.token().await, world.token().await);
    for (client, token, survives) in [(&world.b, &first, true), (&world.a, &first, false)] {
        let answer =
            world.app.post("/oauth/revoke").basic(client.id.as_str(), &client.secret).form(format!("token={token}")).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(world.is_active(&first).await, survives);
    }
    revoke_any_token(&world.app.app, &by(), &second).await.unwrap();
    assert!(!world.is_active(&second).await && world.is_active(&third).await);
    let everything = world.app.database.everything().await;
    assert!(!everything.windows(40).any(|bytes| bytes == &second.as_bytes()[HEAD_LENGTH..HEAD_LENGTH + 40]));
}

#[tokio::test]
async fn a_thousand_opaque_tokens_write_nothing_and_reading_them_neither() {
    let world = World::start().await;
    let live = world.token().await;
    assert!(world.is_active(&live).await);
    let before = world.app.app.store.statements_run();
    let mut last = live;
    for _ in 0..1_000 {
        last = world.token().await;
    }
    assert!(world.is_active(&last).await);
    assert_eq!(world.app.app.store.statements_run(), before);
}

#[tokio::test]
async fn a_token_key_is_followed_and_destroyed_and_every_node_hears_of_it() {
    let world = World::start().await;
    let app = &world.app;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    app.clock.advance_seconds(DAY - 1);
    jobs::rotate_token_keys(&app.app).await.unwrap();
    assert_eq!(living_keys(app).await.len(), 1);
    app.clock.advance_seconds(1);
    // Both nodes at once: one step.
    let (here, there) = tokio::join!(jobs::rotate_token_keys(&app.app), jobs::rotate_token_keys(&second.app));
    here.and(there).unwrap();
    app.app.resync().await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(living_keys(app).await.len(), 2);
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE action = 'token_key.created'").await, 2);
    let old = world.token().await;
    app.clock.advance_seconds(59);
    assert_eq!(key_of(&world.token().await), key_of(&old));
    app.clock.advance_seconds(1);
    let new = world.token().await;
    assert_ne!(key_of(&new), key_of(&old));
    follower.catch_up().await.unwrap();
    for node in [app, &second] {
        assert!(node.is_active(&world.asks, &old).await && node.is_active(&world.asks, &new).await);
    }
    // Kept until nothing that it sealed can live.
    app.clock.advance_seconds(DAY + 299);
    jobs::rotate_token_keys(&app.app).await.unwrap();
    assert!(living_keys(app).await.contains(&key_of(&old).to_string()));
    app.clock.advance_seconds(1);
    jobs::rotate_token_keys(&second.app).await.unwrap();
    assert!(!living_keys(app).await.contains(&key_of(&old).to_string()));
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE action = 'token_key.destroyed'").await, 1);
    assert!(second.app.catalog().token_keys.find(&key_of(&old)).is_none());
    assert!(second.app.catalog().token_keys.find(&key_of(&new)).is_some());
}

#[tokio::test]
async fn a_token_of_a_destroyed_key_is_inactive() {
    let world = World::start().await;
    let token = world.token().await;
    let destroy = format!("UPDATE token_keys SET sealed_key = '' WHERE id = '{}'", key_of(&token));
    world.app.database.execute(&destroy).await;
    world.app.app.resync().await.unwrap();
    assert!(!world.is_active(&token).await);
    // No key, no token: a fault of ours.
    assert_eq!(world.app.ask(&world.a, &format!("audience={OPAQUE}")).await.status, 500);
}

#[tokio::test]
async fn it_survives_a_new_master_key_and_a_restart() {
    let world = World::start().await;
    let token = world.token().await;
    let done = rewrap(&world.app.app.store, &Actor::command_line(), &master_key(1), &master_key(2), world.app.clock.now()).await;
    assert!(matches!(done.unwrap(), Rewrapped::Values(_)));
    let (database, clock) = (Arc::clone(&world.app.database), Arc::clone(&world.app.clock));
    let node = TestApp::try_start(database, clock, Setup::default(), master_key(2)).await.unwrap();
    assert!(node.is_active(&world.asks, &token).await);
}

#[tokio::test]
async fn a_change_of_format_leaves_the_tokens_that_are_out_alive() {
    let world = World::start().await;
    let (opaque, id) = (world.token().await, world.app.api(OPAQUE).id.clone());
    let patch = ResourceServerPatch { token_format: Some(TokenFormat::Jwt), ..ResourceServerPatch::default() };
    resource_servers::update(&world.app.app, &by(), &id, patch, None).await.unwrap();
    let jwt = world.token().await;
    assert_eq!(jwt.split('.').count(), 3);
    assert!(world.is_active(&opaque).await && world.is_active(&jwt).await);
}

#[tokio::test]
async fn neither_token_nor_key_reaches_the_log_or_the_database() {
    let log = CapturedLog::start();
    let world = World::start().await;
    let token = world.token().await;
    assert!(world.is_active(&token).await);
    jobs::rotate_token_keys(&world.app.app).await.unwrap();
    let secret = &token[HEAD_LENGTH..HEAD_LENGTH + 40];
    assert!(!log.text().contains(secret));
    let everything = world.app.database.everything().await;
    assert!(!everything.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    let debug = format!("{:?}", world.app.app.catalog().token_keys);
    assert!(debug.contains("TokenKey") && !debug.contains("key:"), "{debug}");
    let stored = world.app.database.texts("SELECT sealed_key FROM token_keys").await;
    assert!(stored.iter().all(|sealed| sealed.starts_with("v1.")));
}
