//! Token keys in the hands of an operator: rotation before the day, and emergencies.

use std::sync::Arc;
use std::time::Duration;

use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::ids::TokenKeyId;
use countersign::jobs;
use countersign::resource_servers::{NewResourceServer, TokenFormat};
use countersign::revocation::list_marks;
use countersign::token_keys::{RotatedTokenKey, TokenKeyState, list, replace_compromised, rotate};
use countersign_protocol::{Clock as _, ErrorCode};
use serde_json::json;

use super::ENGINE;
use crate::support::{Managed, TestApp, TestClient, api, by, issuer_id};

const OPAQUE: &str = "https://opaque.test";
const DAY: i64 = 86_400;

struct World {
    managed: Managed,
    asks: TestClient,
}

impl World {
    async fn start() -> Self {
        let managed = Managed::start(ENGINE).await;
        let Managed { app, a, .. } = &managed;
        let opaque = app.resource_server(NewResourceServer { token_format: TokenFormat::Opaque, ..api(OPAQUE, "s") }).await;
        app.grant(a, &opaque, "s").await;
        let asks = app.introspection_client(OPAQUE).await;
        Self { managed, asks }
    }

    fn app(&self) -> &TestApp {
        &self.managed.app
    }

    async fn token(&self) -> String {
        self.token_of(self.app()).await
    }

    async fn token_of(&self, node: &TestApp) -> String {
        let answer = node.ask(&self.managed.a, &format!("audience={OPAQUE}")).await.json();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    async fn is_active(&self, token: &str) -> bool {
        self.app().is_active(&self.asks, token).await
    }

    /// The ids of every key, by state.
    async fn keys(&self, wanted: TokenKeyState) -> Vec<TokenKeyId> {
        let keys = list(&self.app().app).await.unwrap();
        keys.into_iter().filter(|(_, state)| *state == wanted).map(|(key, _)| key.id).collect()
    }

    async fn active(&self) -> TokenKeyId {
        self.keys(TokenKeyState::Active).await.remove(0)
    }

    async fn emergency(&self, key: &TokenKeyId) -> Result<RotatedTokenKey, ChangeError> {
        replace_compromised(&self.app().app, &by(), key).await
    }

    /// Makes the next key and lets it seal.
    async fn succeed(&self) {
        rotate(&self.app().app, &by(), &self.active().await).await.unwrap();
        self.app().clock.advance_seconds(60);
    }

    async fn events(&self, action: &str) -> i64 {
        self.app().database.count(&format!("SELECT count(*) FROM audit_events WHERE action = 'token_key.{action}'")).await
    }

    async fn living(&self) -> i64 {
        self.app().database.count("SELECT count(*) FROM token_keys WHERE sealed_key <> ''").await
    }
}

fn key_of(token: &str) -> TokenKeyId {
    TokenKeyId::from_stored(&format!("tk_{}", &token[4..30]))
}

#[tokio::test]
async fn every_token_of_a_compromised_key_stops_at_once_on_every_node() {
    let world = World::start().await;
    let app = world.app();
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let (first, token) = (world.active().await, world.token().await);
    let stolen = Arc::clone(app.app.catalog().token_keys.find(&first).unwrap());
    let done = world.emergency(&first).await.unwrap();
    assert_eq!((&done.withdrawn, &done.successor), (&vec![first.clone()], &None));
    assert!(!world.is_active(&token).await);
    // What the thief seals from now on is as dead.
    let claims = app.introspect(&world.asks, &world.token().await).await.json();
    let forged = stolen.seal(&issuer_id("default"), claims.to_string().as_bytes()).unwrap();
    assert!(!world.is_active(&forged).await);
    // A node that has not heard of it yet: its tokens die as the others hear of them, and as it hears itself.
    let late = world.token_of(&second).await;
    assert_eq!(key_of(&late), first);
    assert!(!world.is_active(&late).await);
    follower.catch_up().await.unwrap();
    for dead in [&token, &forged, &late] {
        assert!(!second.is_active(&world.asks, dead).await);
    }
    assert!(second.app.catalog().token_keys.find(&first).is_none());
    for node in [app, &second] {
        let new = world.token_of(node).await;
        assert_eq!(key_of(&new), done.active);
        assert!(second.is_active(&world.asks, &new).await && world.is_active(&new).await);
    }
    assert_eq!((world.events("withdrawn").await, world.living().await), (1, 1));
    let marks = list_marks(&app.app).await.unwrap();
    assert!(marks.iter().any(|mark| mark.name.parts() == ("kid", "", first.as_str())), "{marks:?}");
}

#[tokio::test]
async fn what_waits_behind_a_compromised_key_goes_with_it_and_no_request_fails() {
    let world = World::start().await;
    let active = world.active().await;
    let waiting = rotate(&world.app().app, &by(), &active).await.unwrap().successor.unwrap();
    let done = world.emergency(&active).await.unwrap();
    assert_eq!((done.withdrawn, done.successor), (vec![active, waiting], None));
    assert_eq!(key_of(&world.token().await), done.active);
    // The chain goes on from there.
    world.app().clock.advance_seconds(DAY);
    jobs::rotate_token_keys(&world.app().app).await.unwrap();
    assert_eq!(world.keys(TokenKeyState::Waiting).await.len(), 1);
    world.app().clock.advance_seconds(60);
    assert_ne!(key_of(&world.token().await), done.active);
}

#[tokio::test]
async fn a_compromised_key_that_seals_no_more_takes_only_its_own_tokens_with_it() {
    let world = World::start().await;
    let old = world.token().await;
    world.succeed().await;
    let (token, active) = (world.token().await, world.active().await);
    let done = world.emergency(&key_of(&old)).await.unwrap();
    assert_eq!(done, RotatedTokenKey { active, successor: None, withdrawn: vec![key_of(&old)] });
    assert!(!world.is_active(&old).await && world.is_active(&token).await);
    assert_eq!(world.living().await, 1);
}

#[tokio::test]
async fn a_compromised_key_that_waits_is_replaced_by_another_that_waits() {
    let world = World::start().await;
    let (token, active) = (world.token().await, world.active().await);
    let waiting = rotate(&world.app().app, &by(), &active).await.unwrap().successor.unwrap();
    let done = world.emergency(&waiting).await.unwrap();
    assert_eq!((&done.active, &done.withdrawn), (&active, &vec![waiting]));
    assert!(world.is_active(&token).await);
    world.app().clock.advance_seconds(60);
    assert_eq!(Some(key_of(&world.token().await)), done.successor);
}

#[tokio::test]
async fn a_key_before_one_that_was_withdrawn_is_destroyed_in_its_time() {
    let world = World::start().await;
    let first = world.active().await;
    world.succeed().await;
    world.emergency(&world.active().await).await.unwrap();
    assert_eq!(world.keys(TokenKeyState::Retiring).await, [first]);
    for seconds in [DAY, 60, 300] {
        world.app().clock.advance_seconds(seconds);
        jobs::rotate_token_keys(&world.app().app).await.unwrap();
    }
    assert_eq!(world.events("destroyed").await, 1);
    assert!(world.is_active(&world.token().await).await);
}

#[tokio::test]
async fn two_emergencies_at_once_are_one() {
    let world = World::start().await;
    let (second, active, by) = (world.app().second_node().await, world.active().await, by());
    let (here, there) = tokio::join!(world.emergency(&active), replace_compromised(&second.app, &by, &active));
    let (done, refused) = if here.is_ok() { (here, there) } else { (there, here) };
    assert!(matches!(refused, Err(ChangeError::State(_))), "{refused:?}");
    world.app().app.resync().await.unwrap();
    assert_eq!((key_of(&world.token().await), world.living().await), (done.unwrap().active, 1));
    assert_eq!(world.events("withdrawn").await, 1);
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_twice_happens_once() {
    let world = World::start().await;
    let (app, active, by) = (&world.app().app, world.active().await, by());
    let token = world.token().await;
    let (here, there) = tokio::join!(rotate(app, &by, &active), rotate(app, &by, &active));
    let (done, refused) = if here.is_ok() { (here, there) } else { (there, here) };
    assert!(matches!(refused, Err(ChangeError::State(_))), "{refused:?}");
    let done = done.unwrap();
    assert_eq!((&done.active, &done.withdrawn), (&active, &Vec::new()));
    assert!(matches!(rotate(app, &by, &active).await, Err(ChangeError::State(_))));
    world.app().clock.advance_seconds(59);
    assert_eq!(key_of(&world.token().await), active);
    world.app().clock.advance_seconds(1);
    assert_eq!(Some(key_of(&world.token().await)), done.successor);
    assert!(world.is_active(&token).await);
    assert!(matches!(rotate(app, &by, &active).await, Err(ChangeError::State(_))));
    let unknown = TokenKeyId::from_stored("tk_none");
    assert!(matches!(rotate(app, &by, &unknown).await, Err(ChangeError::NotFound { .. })));
    assert!(matches!(world.emergency(&unknown).await, Err(ChangeError::NotFound { .. })));
    world.emergency(&active).await.unwrap();
    assert!(matches!(world.emergency(&active).await, Err(ChangeError::State(_))));
}

#[tokio::test]
async fn the_first_key_has_its_event_and_another_node_makes_no_second() {
    let world = World::start().await;
    world.app().second_node().await;
    assert_eq!((world.events("created").await, world.living().await), (1, 1));
    let who = "SELECT actor_id FROM audit_events WHERE action = 'token_key.created'";
    assert_eq!(world.app().database.texts(who).await, ["start"]);
}

#[tokio::test]
async fn they_are_listed_and_rotated_through_the_management_api_and_never_shown() {
    let world = World::start().await;
    let (app, operator) = (world.app(), &world.managed.operator);
    let (first, token) = (world.active().await, world.token().await);
    let listed = operator.get(app, "/token-keys").await.success(200);
    let created_at = "2027-01-15T08:00:00.750Z";
    let expected = json!({ "id": first.as_str(), "state": "active", "created_at": created_at, "seals_from": created_at });
    assert_eq!(listed, json!({ "items": [expected], "next_cursor": null }));
    let rotated = operator.post(app, "/token-keys/rotate", json!({})).await.success(200);
    assert_eq!((&rotated["active"], &rotated["withdrawn"]), (&json!(first.as_str()), &json!([])));
    let states = operator.get(app, "/token-keys").await.success(200)["items"].clone();
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&json!("active"), &json!("waiting")));
    assert_eq!(states[1]["id"], rotated["successor"]);
    let again = json!({ "expected_active": first.as_str() });
    operator.post(app, "/token-keys/rotate", again).await.refusal(409, ErrorCode::StateConflict);
    let emergency = json!({ "expected_active": first.as_str(), "emergency": true });
    let done = operator.post(app, "/token-keys/rotate", emergency.clone()).await.success(200);
    assert_eq!(done["withdrawn"], json!([first.as_str(), rotated["successor"]]));
    assert!(!world.is_active(&token).await);
    operator.post(app, "/token-keys/rotate", emergency.clone()).await.refusal(409, ErrorCode::StateConflict);
    let unknown = json!({ "expected_active": "tk_none" });
    operator.post(app, "/token-keys/rotate", unknown).await.refusal(404, ErrorCode::NotFound);
    let sealed = app.database.texts("SELECT sealed_key FROM token_keys WHERE sealed_key <> ''").await.remove(0);
    let listed = operator.get(app, "/token-keys").await;
    assert!(!listed.text().contains(&sealed[..16]));
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 1);
    assert!(world.is_active(&world.token().await).await && app.clock.now().as_seconds() == 1_800_000_000);
}
