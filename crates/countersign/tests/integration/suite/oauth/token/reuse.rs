//! Resource servers that hand a live token out once more.

use countersign::clients::{self, ClientGrantPatch, ClientPatch};
use countersign::ids::SigningKeyId;
use countersign::resource_servers::{self, NewResourceServer, ResourceServer, ResourceServerPatch, TokenFormat};
use countersign::{revocation, signing_keys};
use serde_json::json;

use super::ENGINE;
use crate::support::{Caller, Managed, TestApp, TestClient, api, by};

const REUSING: &str = "https://reusing.test";

struct World {
    app: TestApp,
    a: TestClient,
    operator: Caller,
    api: ResourceServer,
}

impl World {
    async fn start() -> Self {
        Self::start_with(TokenFormat::Jwt).await
    }

    async fn start_with(token_format: TokenFormat) -> Self {
        let Managed { app, a, operator } = Managed::start(ENGINE).await;
        let new = NewResourceServer { reuse_live_tokens: true, token_format, ..api(REUSING, "read write") };
        let api = app.resource_server(new).await;
        app.grant(&a, &api, "read write").await;
        Self { app, a, operator, api }
    }

    /// A token, and for how long it says it is good.
    async fn ask_on(&self, node: &TestApp, parameters: &str) -> (String, i64) {
        let answer = node.ask(&self.a, &format!("audience={REUSING}&{parameters}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        (body["access_token"].as_str().unwrap().to_owned(), body["expires_in"].as_i64().unwrap())
    }

    async fn token(&self) -> String {
        self.ask_on(&self.app, "").await.0
    }
}

#[tokio::test]
async fn the_same_token_is_handed_out_while_half_of_its_life_is_left() {
    let world = World::start().await;
    let (first, life) = world.ask_on(&world.app, "").await;
    assert_eq!(life, 600);
    world.app.clock.advance_seconds(100);
    assert_eq!(world.ask_on(&world.app, "").await, (first.clone(), 500));
    world.app.clock.advance_seconds(200);
    assert_eq!(world.ask_on(&world.app, "").await, (first.clone(), 300));
    world.app.clock.advance_seconds(1);
    let (second, life) = world.ask_on(&world.app, "").await;
    assert_eq!((second == first, life), (false, 600));
    assert_eq!(world.ask_on(&world.app, "").await, (second, 600));
}

#[tokio::test]
async fn who_does_not_choose_it_gets_a_new_token_each_time() {
    let world = World::start().await;
    let patch = ResourceServerPatch { reuse_live_tokens: Some(false), ..ResourceServerPatch::default() };
    let changed = resource_servers::update(&world.app.app, &by(), &world.api.id, patch, None).await.unwrap();
    assert!(!changed.reuse_live_tokens);
    assert_ne!(world.token().await, world.token().await);
}

#[tokio::test]
async fn an_opaque_token_is_handed_out_again_too() {
    let world = World::start_with(TokenFormat::Opaque).await;
    let first = world.token().await;
    assert!(first.starts_with("cst_"), "{first}");
    assert_eq!(world.token().await, first);
    assert!(world.app.is_active(&world.a, &first).await);
}

#[tokio::test]
async fn other_terms_or_another_credential_are_another_token() {
    let world = World::start().await;
    let first = world.token().await;
    let narrower = world.ask_on(&world.app, "scope=read").await.0;
    let second = clients::create_secret(&world.app.app, &by(), &world.a.id, "second").await.unwrap();
    let by_second = TestClient { secret: second.text.expose().clone(), ..world.a.clone() };
    let with_second = world.app.ask(&by_second, &format!("audience={REUSING}")).await.token().text;
    let form = format!("grant_type=client_credentials&audience={REUSING}");
    let elsewhere = world.app.token_request("/oauth2/default/v1/token", &world.a, &form).send().await.token().text;
    let tokens = std::collections::BTreeSet::from([&first, &narrower, &with_second, &elsewhere]);
    assert_eq!(tokens.len(), 4);
}

#[tokio::test]
async fn whatever_is_revoked_rotated_or_changed_in_between_makes_a_new_token() {
    let world = World::start().await;
    let app = &world.app.app;
    let changes = [
        "the token",
        "a mark",
        "the key",
        "the client",
        "a credential",
        "the grant",
        "the resource server",
        "disabled and enabled",
    ];
    // A successor may sign once it has been published for a while.
    world.app.clock.advance_seconds(400);
    for change in changes {
        let before = world.token().await;
        assert_eq!(world.token().await, before, "{change}");
        match change {
            "the token" => {
                let revoked = world.app.token_request("/oauth/revoke", &world.a, &format!("token={before}")).send().await;
                assert_eq!(revoked.status, 200);
            }
            "a mark" => revocation::revoke_subject(app, &by(), "client-a").await.unwrap(),
            "the key" => {
                let active = world.app.database.texts("SELECT id FROM signing_keys WHERE state = 'active'").await;
                signing_keys::rotate(app, &by(), &SigningKeyId::from_stored(&active.concat())).await.unwrap();
            }
            "the client" => {
                let patch = ClientPatch { name: Some("Renamed".to_owned()), ..ClientPatch::default() };
                clients::update(app, &by(), &world.a.id, patch, None).await.unwrap();
            }
            "a credential" => drop(clients::create_secret(app, &by(), &world.a.id, "another").await.unwrap()),
            "the grant" => {
                let client = clients::find(app, &world.a.id).await.unwrap();
                let grant = client.grant_for(&world.api.id).unwrap().id.clone();
                let patch = ClientGrantPatch { token_lifetime_seconds: Some(Some(600)), ..ClientGrantPatch::default() };
                clients::update_grant(app, &by(), (&world.a.id, &grant), patch, None).await.unwrap();
            }
            "the resource server" => {
                let patch = ResourceServerPatch { name: Some("Renamed".to_owned()), ..ResourceServerPatch::default() };
                resource_servers::update(app, &by(), &world.api.id, patch, None).await.unwrap();
            }
            _ => {
                clients::disable(app, &by(), &world.a.id).await.unwrap();
                clients::enable(app, &by(), &world.a.id).await.unwrap();
            }
        }
        // A mark lies a second ahead.
        world.app.clock.advance_seconds(2);
        assert_ne!(world.token().await, before, "{change}");
    }
}

#[tokio::test]
async fn a_change_on_another_node_makes_a_new_token_here() {
    let world = World::start().await;
    let other = world.app.second_node().await;
    let here = world.token().await;
    // Each node has tokens of its own.
    let there = world.ask_on(&other, "").await.0;
    assert_ne!(there, here);
    revocation::revoke_subject(&other.app, &by(), "client-a").await.unwrap();
    world.app.app.resync().await.unwrap();
    world.app.clock.advance_seconds(2);
    assert_ne!(world.token().await, here);
}

#[tokio::test]
async fn it_counts_as_reused_and_not_as_issued() {
    let world = World::start().await;
    let issued =
        r#"countersign_tokens_issued_total{authorization_server="default",grant_type="client_credentials",algorithm="ES256"}"#;
    let before = world.app.scrape().await.value(issued);
    for _ in 0..4 {
        world.token().await;
    }
    world.app.clock.advance_seconds(300);
    world.token().await;
    let scrape = world.app.scrape().await;
    assert_eq!((scrape.value(issued) - before, scrape.value("countersign_tokens_reused_total")), (1.0, 4.0));
    let usage = world.operator.get(&world.app, "/clients/client-a/usage").await.success(200);
    let counts = ["issued", "reused", "needless"].map(|name| usage[name].clone());
    // The last had no more than half of its life left.
    assert_eq!(counts, [json!(1), json!(4), json!(3)]);
}
