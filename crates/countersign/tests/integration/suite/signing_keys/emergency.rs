//! Emergency rotation: a key that others may have.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::ids::SigningKeyId;
use countersign::oauth;
use countersign::signing_keys::{Withdrawn, apply_due, replace_compromised};
use countersign::source_address::SourceAddress;
use countersign::store::StoreError;
use countersign_protocol::{Parameters, Secret};

use super::{ENGINE, kid, kids, published_kids};
use crate::support::{Fixture, RemoteSigners, Service, Setup, TestApp, master_key};

async fn replace(app: &TestApp, key: &SigningKeyId, also_successor: bool) -> Result<Withdrawn, ChangeError> {
    replace_compromised(&app.app, &Actor::command_line(), key, also_successor).await
}

async fn sealed(app: &TestApp, key: &SigningKeyId) -> String {
    app.database.texts(&format!("SELECT sealed_private_key FROM signing_keys WHERE id = '{key}'")).await.concat()
}

#[tokio::test]
async fn a_compromised_key_is_gone_at_once_and_its_young_successor_signs() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (stolen, next) = (kid(&app, "active").await, kid(&app, "published").await);
    let old_token = app.ask(&a, "").await.token();
    let outcome = replace(&app, &stolen, false).await.unwrap();
    assert_eq!((outcome.withdrawn.as_slice(), outcome.active.as_ref()), ([stolen.clone()].as_slice(), Some(&next)));
    assert_eq!(app.ask(&a, "").await.token().kid(), next.as_str());
    assert_eq!(published_kids(&app).await, [next.as_str().to_owned(), outcome.successor.unwrap().to_string()]);
    assert!(!old_token.verifies_with(&app.key_set("/.well-known/jwks.json").await));
    assert_eq!(sealed(&app, &stolen).await, "");
    // Introspection and verifiers that follow the marks refuse its tokens.
    let mark = format!("SELECT value FROM revocation_marks WHERE kind = 'kid' AND value = '{stolen}'");
    assert_eq!(app.database.texts(&mark).await, [stolen.as_str()]);
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events WHERE action = 'signing_key.withdrawn'").await, 1);
    // A second request for the same says that it has happened.
    assert!(matches!(replace(&app, &stolen, false).await, Err(ChangeError::State(text)) if text.contains("is retired")));
}

#[tokio::test]
async fn the_successor_that_lay_beside_it_goes_too_if_asked_for() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (stolen, beside) = (kid(&app, "active").await, kid(&app, "published").await);
    let outcome = replace(&app, &stolen, true).await.unwrap();
    let mut withdrawn = vec![stolen.to_string(), beside.to_string()];
    withdrawn.sort();
    assert_eq!(kids(&app, "retired").await, withdrawn);
    assert_eq!(app.database.texts("SELECT value FROM revocation_marks ORDER BY value").await, withdrawn);
    let token = app.ask(&a, "").await.token();
    assert_eq!(token.kid(), outcome.active.unwrap().as_str());
    assert!(!withdrawn.contains(&token.kid().to_owned()));
    assert!(token.verifies_with(&app.key_set("/.well-known/jwks.json").await));
}

#[tokio::test]
async fn a_missing_successor_is_generated() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.database.execute("DELETE FROM signing_keys WHERE state = 'published'").await;
    let stolen = kid(&app, "active").await;
    let outcome = replace(&app, &stolen, false).await.unwrap();
    assert_eq!(app.ask(&a, "").await.token().kid(), outcome.active.unwrap().as_str());
    assert_eq!(kid(&app, "published").await, outcome.successor.unwrap());
}

#[tokio::test]
async fn a_compromised_successor_or_retiring_key_is_withdrawn_without_touching_the_active_one() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let (active, published) = (kid(&app, "active").await, kid(&app, "published").await);
    let outcome = replace(&app, &published, false).await.unwrap();
    assert_eq!((outcome.active.as_ref(), outcome.withdrawn), (Some(&active), vec![published]));
    assert_eq!(kid(&app, "published").await, outcome.successor.unwrap());
    app.clock.advance_seconds(90 * 86_400);
    apply_due(&app.app, &Actor::system("test")).await.unwrap();
    let (active, successor, retiring) = (kid(&app, "active").await, kid(&app, "published").await, kid(&app, "retiring").await);
    let outcome = replace(&app, &retiring, false).await.unwrap();
    assert_eq!(outcome, Withdrawn { withdrawn: vec![retiring], active: Some(active), successor: Some(successor) });
    assert_eq!(published_kids(&app).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn emergency_rotations_at_once_have_one_effect() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let stolen = kid(&app, "active").await;
    let requests: Vec<_> = (0..8)
        .map(|number| {
            let (node, stolen) = (Arc::clone(if number % 2 == 0 { &app.app } else { &second.app }), stolen.clone());
            tokio::spawn(async move { replace_compromised(&node, &Actor::command_line(), &stolen, number % 3 == 0).await })
        })
        .collect();
    let mut done = 0;
    for request in requests {
        match request.await.unwrap() {
            Ok(_) => done += 1,
            Err(ChangeError::State(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(done, 1);
    app.app.resync().await.unwrap();
    assert_eq!(app.ask(&a, "").await.token().kid(), kid(&app, "active").await.as_str());
    kid(&app, "published").await;
}

#[tokio::test]
async fn tokens_that_are_signed_while_the_withdrawal_is_being_committed_die_too() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let stolen = kid(&app, "active").await;
    app.ask(&a, "").await.token();
    let (node, key) = (Arc::clone(&app.app), stolen.clone());
    let withdraw = Box::pin(async move { replace_compromised(&node, &Actor::command_line(), &key, false).await });
    let (token, withdrawn) = app.while_marks_wait(withdraw, async || app.ask(&a, "").await.token()).await;
    withdrawn.unwrap();
    assert_eq!(token.kid(), stolen.as_str());
    let mark = app.database.count("SELECT not_before FROM revocation_marks WHERE kind = 'kid'").await;
    assert!(mark > token.time("iat") * 1_000, "the mark {mark} does not cover a token of {}", token.time("iat"));
    assert_ne!(app.ask(&a, "").await.token().kid(), stolen.as_str());
}

#[tokio::test]
async fn a_withdrawal_that_the_node_cannot_take_up_is_not_acknowledged() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let mut follower = Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
    let (stolen, next) = (kid(&app, "active").await, kid(&app, "published").await);
    let foreign = master_key(9).seal("hk_foreign", &Secret::new(vec![1; 32])).unwrap();
    let add = format!("INSERT INTO hash_keys (id, sealed_key, created_at) VALUES ('hk_foreign', '{foreign}', 0)");
    app.database.execute(&add).await;
    let refused = replace(&app, &stolen, false).await;
    assert!(matches!(refused, Err(ChangeError::Store(StoreError::NotApplied(_)))), "{refused:?}");
    // It is committed, and followed as soon as it can be read.
    assert_eq!(kid(&app, "active").await, next);
    app.database.execute("DELETE FROM hash_keys WHERE id = 'hk_foreign'").await;
    follower.catch_up().await.unwrap();
    assert_eq!(app.ask(&a, "").await.token().kid(), next.as_str());
}

#[tokio::test]
async fn a_token_that_was_being_signed_by_the_withdrawn_key_is_signed_by_its_successor() {
    let signers = RemoteSigners::new();
    let setup = Setup { signers: Some(signers.clone()), ..Setup::default() };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, setup).await;
    let (stolen, next) = (kid(&app, "active").await, kid(&app, "published").await);
    app.ask(&a, "").await.token();
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", a.id, a.secret);
    let parameters = Parameters::from_form(form.as_bytes()).unwrap();
    let mount = app.app.catalog().mount(&app.app.bases[0], "/").unwrap();
    signers.set(Service::Holds);
    let mut asking = std::pin::pin!(oauth::token(&app.app, &mount, SourceAddress::NONE, [], &parameters));
    assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    replace(&app, &stolen, false).await.unwrap();
    signers.set(Service::Answers);
    let token = asking.await.1.unwrap().access_token;
    let header = countersign_protocol::jose::UnverifiedJws::parse(&token).unwrap().header().key_id.clone();
    assert_eq!(header.as_deref(), Some(next.as_str()));
}
