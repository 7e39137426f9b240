//! How long the tokens of a key live, and what ends them.

use std::sync::Arc;

use countersign::api_keys::{self, ApiKeyPatch, NewApiKey};
use countersign::change_feed::Follower;
use countersign::clients;
use countersign::resource_servers::{NewResourceServer, TokenFormat};
use countersign_protocol::Clock as _;
use std::time::Duration;

use super::{API1, OPAQUE, World, api, by};

#[tokio::test]
async fn no_token_outlives_its_key() {
    let world = World::start().await;
    let now = world.app.clock.now();
    for (seconds, life) in [(30, 30), (599, 599), (601, 600), (86_400, 600)] {
        let key = world.key_for(API1, |new| NewApiKey { expires_at: Some(now.plus_seconds(seconds)), ..new }).await;
        let token = world.exchange(&key).await.exchanged();
        assert_eq!(token.time("exp") - token.time("iat"), life);
        assert!(token.time("exp") <= now.plus_seconds(seconds).as_seconds());
    }
    // The end is in this very second: no token could live at all.
    let key = world.key_for(API1, |new| NewApiKey { expires_at: Some(now.plus_millis(200)), ..new }).await;
    world.exchange(&key).await.assert_key_refused();
}

#[tokio::test]
async fn no_token_outlives_the_deadline_of_a_rotated_secret() {
    let world = World::start().await;
    let key = world.key().await;
    let rotated = api_keys::rotate(&world.app.app, &by(), &key.key.id, 100).await.unwrap();
    let old = world.exchange(&key).await.exchanged();
    let new = world.exchange_text(rotated.text.expose(), "").await.exchanged();
    let life = |token: &crate::support::AccessToken| token.time("exp") - token.time("iat");
    assert_eq!((life(&old), life(&new)), (100, 600));
    assert_ne!(old.claim("secret_id"), new.claim("secret_id"));
    world.app.clock.advance_millis(100_000);
    world.exchange(&key).await.assert_key_refused();
    world.exchange_text(rotated.text.expose(), "").await.exchanged();
}

#[tokio::test]
async fn what_ends_a_key_ends_its_tokens_at_once_and_for_good() {
    let world = World::start().await;
    let app = &world.app.app;
    for change in ["disable", "revoke", "delete", "rotate", "client"] {
        let (key, other) = (world.key_for(OPAQUE, |new| new).await, world.key_for(OPAQUE, |new| new).await);
        let (token, of_other) = (world.exchange(&key).await, world.exchange(&other).await);
        assert!(world.is_active(&token).await && world.is_active(&of_other).await, "{change}");
        let id = &key.key.id;
        match change {
            "disable" => api_keys::disable(app, &by(), id).await.unwrap(),
            "revoke" => api_keys::revoke(app, &by(), id).await.unwrap(),
            "delete" => api_keys::delete(app, &by(), id, None).await.unwrap(),
            "rotate" => drop(api_keys::rotate(app, &by(), id, 0).await.unwrap()),
            _ => clients::disable(app, &by(), &world.a.id).await.unwrap(),
        }
        assert!(!world.is_active(&token).await, "{change}");
        assert_eq!(world.is_active(&of_other).await, change != "client", "{change}");
        if change == "disable" {
            api_keys::enable(app, &by(), id).await.unwrap();
            assert!(!world.is_active(&token).await, "a token came back to life");
            // It waits until the mark has passed.
            let after = world.exchange(&key).await;
            assert!(world.is_active(&after).await);
        }
    }
}

#[tokio::test]
async fn a_token_of_a_former_secret_ends_with_its_deadline_and_one_of_the_new_secret_lives_on() {
    let world = World::start().await;
    let key = world.key_for(OPAQUE, |new| new).await;
    let before = world.exchange(&key).await;
    let rotated = api_keys::rotate(&world.app.app, &by(), &key.key.id, 60).await.unwrap();
    let after = world.exchange_text(rotated.text.expose(), "").await;
    world.app.clock.advance_millis(59_999);
    assert!(world.is_active(&before).await && world.is_active(&after).await);
    world.app.clock.advance_millis(1);
    assert!(!world.is_active(&before).await && world.is_active(&after).await);
}

#[tokio::test]
async fn a_key_that_is_made_to_end_earlier_takes_its_tokens_along() {
    let world = World::start().await;
    let key = world.key_for(OPAQUE, |new| new).await;
    let token = world.exchange(&key).await;
    let end = world.app.clock.now().plus_seconds(10);
    let patch = ApiKeyPatch { expires_at: Some(Some(end)), ..ApiKeyPatch::default() };
    api_keys::update(&world.app.app, &by(), &key.key.id, patch, None).await.unwrap();
    assert!(world.is_active(&token).await);
    world.app.clock.advance_millis(10_000);
    assert!(!world.is_active(&token).await);
}

#[tokio::test]
async fn another_node_refuses_the_tokens_of_a_revoked_key_once_it_has_heard_of_it() {
    let world = World::start().await;
    let other = world.app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&other.app), Duration::from_millis(1)).await.unwrap();
    let key = world.key_for(OPAQUE, |new| new).await;
    let token = world.exchange(&key).await.json()["access_token"].as_str().unwrap().to_owned();
    follower.catch_up().await.unwrap();
    assert!(other.is_active(&world.asks, &token).await);
    api_keys::disable(&world.app.app, &by(), &key.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert!(!other.is_active(&world.asks, &token).await);
    super::request(&other, "/oauth/token", key.text.expose(), "").send().await.assert_key_refused();
}

#[tokio::test]
async fn an_api_that_hands_live_tokens_out_again_does_so_to_the_same_secret_alone() {
    let world = World::start().await;
    let new = NewResourceServer { reuse_live_tokens: true, token_format: TokenFormat::Jwt, ..api("https://reusing.test", "edit") };
    let reusing = world.app.resource_server(new).await;
    world.app.grant(&world.a, &reusing, "edit").await;
    let key = world.key_for("https://reusing.test", |new| new).await;
    let first = world.exchange(&key).await.exchanged();
    assert_eq!(world.exchange(&key).await.exchanged().text, first.text);
    let rotated = api_keys::rotate(&world.app.app, &by(), &key.key.id, 600).await.unwrap();
    let of_new = world.exchange_text(rotated.text.expose(), "").await.exchanged();
    assert_ne!(of_new.text, first.text);
    assert_eq!(of_new.claim("secret_id"), rotated.key.secrets[1].id);
    api_keys::disable(&world.app.app, &by(), &key.key.id).await.unwrap();
    api_keys::enable(&world.app.app, &by(), &key.key.id).await.unwrap();
    assert_ne!(world.exchange_text(rotated.text.expose(), "").await.exchanged().text, of_new.text);
}
