//! What is told about keys that changed, to services that remember verdicts.

use std::sync::Arc;
use std::time::Duration;

use countersign::api_keys::roles::{self, NewRole, RolePatch};
use countersign::api_keys::{self, ApiKeyPatch, KeyChanges, KeyChangesError, NewApiKey};
use countersign::change_feed::Follower;
use countersign::clients;
use countersign::config::Network;
use countersign::counters::{Credits, LimitRule, OnUnreachable};
use countersign::revocation;
use countersign_protocol::Clock as _;

use super::{BY, ENGINE, create, new_key, permissions, started, text_of, verdict};
use crate::support::{Fixture, TestApp};

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(600);

async fn follow(app: &TestApp) -> Follower {
    Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap()
}

async fn position(app: &TestApp) -> i64 {
    api_keys::changes(&app.app, None, NO_WAIT).await.unwrap().position
}

async fn since(app: &TestApp, after: i64) -> KeyChanges {
    api_keys::changes(&app.app, Some(after), NO_WAIT).await.unwrap()
}

fn everything(position: i64) -> KeyChanges {
    KeyChanges { position, everything: true, ..KeyChanges::default() }
}

#[tokio::test]
async fn every_change_that_ends_a_verdict_is_told_and_others_are_passed_over() {
    let (app, a, created) = started().await;
    let mut follower = follow(&app).await;
    let id = &created.key.id;
    let role = NewRole { name: "r".to_owned(), description: String::new(), permissions: permissions("x") };
    roles::create(&app.app, &BY, role).await.unwrap();
    follower.catch_up().await.unwrap();
    for change in ["disable", "enable", "rotate", "update", "revoke", "delete"] {
        let before = position(&app).await;
        match change {
            "disable" => api_keys::disable(&app.app, &BY, id).await.unwrap(),
            "enable" => api_keys::enable(&app.app, &BY, id).await.unwrap(),
            "rotate" => drop(api_keys::rotate(&app.app, &BY, id, 60).await.unwrap()),
            "update" => drop(api_keys::update(&app.app, &BY, id, ApiKeyPatch::default(), None).await.unwrap()),
            "revoke" => api_keys::revoke(&app.app, &BY, id).await.unwrap(),
            _ => api_keys::delete(&app.app, &BY, id, None).await.unwrap(),
        }
        // What this node has not followed yet it does not tell.
        assert!(since(&app, before).await.is_nothing(), "{change}");
        follower.catch_up().await.unwrap();
        let told = since(&app, before).await;
        assert!(told.keys.contains(id) && !told.everything && told.position > before, "{change}: {told:?}");
    }
    let before = position(&app).await;
    revocation::revoke_subject(&app.app, &BY, "someone").await.unwrap();
    follower.catch_up().await.unwrap();
    let told = since(&app, before).await;
    assert!(told.is_nothing() && told.position > before, "{told:?}");
    clients::disable(&app.app, &BY, &a.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(since(&app, told.position).await.clients, std::slice::from_ref(&a.id));
    let before = position(&app).await;
    let patch = RolePatch { permissions: Some(permissions("y")), ..RolePatch::default() };
    roles::update(&app.app, &BY, "r", patch, None).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(since(&app, before).await, everything(position(&app).await));
    let before = position(&app).await;
    create(&app, &a).await;
    clients::delete(&app.app, &BY, &a.id, None).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(since(&app, before).await, everything(position(&app).await));
}

#[tokio::test]
async fn who_waits_hears_of_a_change_when_the_node_has_applied_it() {
    let (app, _, created) = started().await;
    let mut follower = follow(&app).await;
    let before = position(&app).await;
    let waiting = tokio::spawn({
        let app = Arc::clone(&app.app);
        async move { api_keys::changes(&app, Some(before), LONG).await.unwrap() }
    });
    revocation::revoke_subject(&app.app, &BY, "someone").await.unwrap();
    follower.catch_up().await.unwrap();
    api_keys::revoke(&app.app, &BY, &created.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(waiting.await.unwrap().keys, std::slice::from_ref(&created.key.id));
}

#[tokio::test]
async fn a_change_that_this_node_has_not_applied_is_not_told_beside_one_that_it_has() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (first, second) = (create(&app, &a).await, create(&app, &a).await);
    let mut follower = follow(&app).await;
    let before = position(&app).await;
    api_keys::disable(&app.app, &BY, &first.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    api_keys::disable(&app.app, &BY, &second.key.id).await.unwrap();
    assert_eq!(since(&app, before).await.keys, std::slice::from_ref(&first.key.id));
    follower.catch_up().await.unwrap();
    assert_eq!(since(&app, before).await.keys, [first.key.id, second.key.id]);
}

#[tokio::test]
async fn what_cannot_be_told_is_told_as_everything() {
    let (app, _, created) = started().await;
    let mut follower = follow(&app).await;
    let before = position(&app).await;
    // Ahead of the feed: the database was restored.
    assert_eq!(since(&app, before + 7).await, everything(before));
    assert!(since(&app, before).await.is_nothing());
    api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    let now = position(&app).await;
    assert!(!since(&app, before).await.everything);
    // Too long ago: what changed is deleted.
    app.app.store.write(move |tx| Box::pin(async move { tx.delete_changes_until(before + 1).await })).await.unwrap();
    assert_eq!(since(&app, before).await, everything(now));
}

#[tokio::test]
async fn a_node_that_is_behind_tells_nothing() {
    let (app, ..) = started().await;
    let nobody_follows = api_keys::changes(&app.app, None, NO_WAIT).await;
    assert!(matches!(nobody_follows, Err(KeyChangesError::Behind)), "{nobody_follows:?}");
    let mut follower = follow(&app).await;
    let before = position(&app).await;
    app.clock.advance_seconds(11);
    let behind = api_keys::changes(&app.app, Some(before), NO_WAIT).await;
    assert!(matches!(behind, Err(KeyChangesError::Behind)), "{behind:?}");
    follower.catch_up().await.unwrap();
    assert!(since(&app, before).await.is_nothing());
}

#[tokio::test]
async fn a_verdict_says_from_where_on_it_may_be_overtaken_and_how_long_it_may_be_kept() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let now = app.clock.now();
    let key = create(&app, &a).await;
    assert_eq!(verdict(&app, &text_of(&key)).await.position, None);
    let mut follower = follow(&app).await;
    let before = position(&app).await;
    let found = verdict(&app, &text_of(&key)).await;
    assert_eq!((found.position, found.max_age_seconds(now), found.is_for_address), (Some(before), 60, false));
    api_keys::disable(&app.app, &BY, &key.key.id).await.unwrap();
    let disabled = verdict(&app, &text_of(&key)).await;
    // Right, and said to be older than the change: that costs a question, and no safety.
    assert_eq!((disabled.is_valid(), disabled.position, disabled.max_age_seconds(now)), (false, Some(before), 5));
    follower.catch_up().await.unwrap();
    assert!(verdict(&app, &text_of(&key)).await.position > Some(before));
    for (seconds, expected) in [(0, 0), (1, 1), (59, 59), (3_600, 60)] {
        let end = now.plus_seconds(seconds).plus_millis(100);
        let ending = NewApiKey { expires_at: Some(end), ..new_key(&app, &a) };
        let ending = api_keys::create(&app.app, &BY, ending).await.unwrap();
        assert_eq!(verdict(&app, &text_of(&ending)).await.max_age_seconds(now), expected);
    }
    let rotated = create(&app, &a).await;
    api_keys::rotate(&app.app, &BY, &rotated.key.id, 10).await.unwrap();
    assert_eq!(verdict(&app, &text_of(&rotated)).await.max_age_seconds(now), 10);
    let counted = NewApiKey { credits: Some(Credits { remaining: 1, refill: None }), ..new_key(&app, &a) };
    let counted = api_keys::create(&app.app, &BY, counted).await.unwrap();
    let (left, none) = (verdict(&app, &text_of(&counted)).await, verdict(&app, &text_of(&counted)).await);
    assert_eq!((left.is_valid(), left.max_age_seconds(now), left.retry_after_seconds(now)), (true, 0, 0));
    assert_eq!((none.is_valid(), none.max_age_seconds(now), none.retry_after_seconds(now)), (false, 0, 60));
    let rule = |auto_apply| LimitRule {
        name: "one".to_owned(),
        limit: 1,
        duration_seconds: 30,
        auto_apply,
        on_unreachable: OnUnreachable::Deny,
    };
    let limited = NewApiKey { limits: vec![rule(true)], ..new_key(&app, &a) };
    let limited = api_keys::create(&app.app, &BY, limited).await.unwrap();
    let (left, none) = (verdict(&app, &text_of(&limited)).await, verdict(&app, &text_of(&limited)).await);
    assert_eq!((left.is_valid(), left.max_age_seconds(now), left.retry_after_seconds(now)), (true, 0, 0));
    assert_eq!((none.is_valid(), none.max_age_seconds(now), none.retry_after_seconds(now)), (false, 0, 30));
    // A limit that is not asked for takes nothing.
    let unasked = NewApiKey { limits: vec![rule(false)], ..new_key(&app, &a) };
    let unasked = api_keys::create(&app.app, &BY, unasked).await.unwrap();
    assert_eq!(verdict(&app, &text_of(&unasked)).await.max_age_seconds(now), 60);
    let near = NewApiKey { allowed_networks: vec![Network::host("192.0.2.7".parse().unwrap())], ..new_key(&app, &a) };
    let near = api_keys::create(&app.app, &BY, near).await.unwrap();
    assert!(verdict(&app, &text_of(&near)).await.is_for_address);
}
