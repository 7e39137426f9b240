//! Keys in memory: what changed is never answered from before the change.

use std::sync::Arc;
use std::time::Duration;

use countersign::api_keys::{self, VerdictCode};
use countersign::change_feed::Follower;

use super::{BY, ENGINE, code, create, started, text_of};
use crate::support::{Dice, Fixture, Setup};

#[tokio::test]
async fn j154_a_key_that_ends_on_one_node_is_refused_on_the_other() {
    let (app, a, created) = started().await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let text = text_of(&created);
    assert_eq!(code(&second, &text).await, VerdictCode::Valid);
    let read = second.app.store.statements_run().0;
    assert_eq!(code(&second, &text).await, VerdictCode::Valid);
    assert_eq!(second.app.store.statements_run().0, read, "from memory");
    api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, &text).await, VerdictCode::Disabled);
    api_keys::enable(&app.app, &BY, &created.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, &text).await, VerdictCode::Valid);
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 0).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, &text).await, VerdictCode::Expired);
    api_keys::revoke(&app.app, &BY, &created.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, rotated.text.expose()).await, VerdictCode::Revoked);
    let last = create(&app, &a).await;
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, &text_of(&last)).await, VerdictCode::Valid);
    api_keys::delete(&app.app, &BY, &last.key.id, None).await.unwrap();
    follower.catch_up().await.unwrap();
    assert_eq!(code(&second, &text_of(&last)).await, VerdictCode::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j154_lookups_while_a_key_changes_never_leave_the_old_state_behind() {
    let (app, a, created) = started().await;
    let other = create(&app, &a).await;
    let texts = [text_of(&created), text_of(&other)];
    let dice = Dice::new(7);
    for round in 0..40 {
        let lookups: Vec<_> = (0..8)
            .map(|_| {
                let (node, text) = (Arc::clone(&app.app), texts[usize::from(dice.roll(4) == 0)].clone());
                tokio::spawn(async move { api_keys::verify(&node, super::presented(&text)).await.unwrap() })
            })
            .collect();
        let wanted = if round % 2 == 0 {
            api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
            VerdictCode::Disabled
        } else {
            api_keys::enable(&app.app, &BY, &created.key.id).await.unwrap();
            VerdictCode::Valid
        };
        assert_eq!(code(&app, &texts[0]).await, wanted, "round {round}");
        for lookup in lookups {
            lookup.await.unwrap();
        }
        assert_eq!(code(&app, &texts[0]).await, wanted, "round {round}, afterwards");
    }
}

#[tokio::test]
async fn more_keys_than_fit_are_all_found() {
    let setup = Setup { api_key_cache_capacity: 4, ..Setup::default() };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, setup).await;
    let mut texts = Vec::new();
    for _ in 0..20 {
        texts.push(text_of(&create(&app, &a).await));
    }
    for text in texts.iter().chain(&texts) {
        assert_eq!(code(&app, text).await, VerdictCode::Valid);
    }
}
