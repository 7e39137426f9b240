//! Manual rotation, and how keys are stored; catalogue G, 104 and 105.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign::audit::Actor;
use countersign::authorization_servers;
use countersign::change::ChangeError;
use countersign::ids::SigningKeyId;
use countersign::signing_keys::{Rotated, rotate};
use countersign_protocol::jose::Algorithm;

use super::{ENGINE, KEYS, kid, kids};
use crate::support::{Fixture, TestApp, issuer_id, master_key};

async fn rotate_active(app: &TestApp) -> Result<Rotated, ChangeError> {
    rotate(&app.app, &Actor::command_line(), &kid(app, "active").await).await
}

#[tokio::test]
async fn g104_a_successor_is_promoted_only_after_every_cached_key_set_has_it() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let (active, published) = (kids(&app, "active").await, kids(&app, "published").await);
    for (advance, age, wait) in [(0, 0, 301), (299, 299, 2)] {
        app.clock.advance_seconds(advance);
        let Err(ChangeError::State(refusal)) = rotate_active(&app).await else { panic!() };
        assert_eq!(
            refusal,
            format!(
                "the successor {} was published {age} s ago; verifiers may cache the key set for 300 s: rotate again in {wait} s",
                published[0]
            )
        );
    }
    assert_eq!((kids(&app, "active").await, kids(&app, "published").await), (active.clone(), published.clone()));
    let old_token = app.ask(&a, "").await.token();
    let old_keys = app.key_set(KEYS).await;
    app.clock.advance_seconds(2);
    let rotated = rotate_active(&app).await.unwrap();
    assert_eq!([rotated.active.as_str()], *published);
    assert_eq!([rotated.retiring.as_str()], *active);
    assert_eq!(kids(&app, "published").await, [rotated.successor.as_str()]);

    let (new_token, keys) = (app.ask(&a, "").await.token(), app.key_set(KEYS).await);
    assert_eq!((old_token.kid(), new_token.kid()), (rotated.retiring.as_str(), rotated.active.as_str()));
    // Who has the old set can verify the new token, who has the new one the old token.
    for (token, keys) in [(&old_token, &old_keys), (&new_token, &old_keys), (&old_token, &keys), (&new_token, &keys)] {
        assert!(token.verifies_with(keys));
    }
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&keys).unwrap()["keys"].as_array().unwrap().len(), 3);
    // The new successor is young again.
    assert!(matches!(rotate_active(&app).await, Err(ChangeError::State(_))));
}

#[tokio::test]
async fn rotating_what_is_not_there_or_not_active_is_refused() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    app.clock.advance_seconds(301);
    let refusal = async |id: &SigningKeyId| rotate(&app.app, &Actor::command_line(), id).await.unwrap_err();
    assert_eq!(refusal(&SigningKeyId::from_stored("sk_none")).await.to_string(), "there is no signing key `sk_none`");
    let published = kid(&app, "published").await;
    assert_eq!(refusal(&published).await.to_string(), format!("the key {published} is published, not active"));
    let rotated = rotate_active(&app).await.unwrap();
    app.clock.advance_seconds(301);
    // Asked for again, now that another one would be possible: it happened.
    let again = refusal(&rotated.retiring).await;
    assert!(matches!(&again, ChangeError::State(text) if text.ends_with("is retiring, not active")), "{again}");
    assert_eq!(kid(&app, "active").await, rotated.active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g105_sixteen_rotations_at_once_promote_one_key() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    app.clock.advance_seconds(301);
    let (active, published) = (kid(&app, "active").await, kid(&app, "published").await);
    let rotations: Vec<_> = (0..16)
        .map(|number| {
            let (node, key) = (Arc::clone(if number % 2 == 0 { &app.app } else { &second.app }), active.clone());
            tokio::spawn(async move { rotate(&node, &Actor::command_line(), &key).await })
        })
        .collect();
    let mut promoted = Vec::new();
    for rotation in rotations {
        match rotation.await.unwrap() {
            Ok(rotated) => promoted.push(rotated),
            Err(ChangeError::State(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    let [rotated] = promoted.as_slice() else { panic!("{} rotations", promoted.len()) };
    assert_eq!((&rotated.active, &rotated.retiring), (&published, &active));
    assert_eq!(kid(&app, "active").await, rotated.active);
    assert_eq!(kid(&app, "published").await, rotated.successor);
    assert_eq!(kid(&app, "retiring").await, rotated.retiring);
    app.app.resync().await.unwrap();
    assert_eq!(app.ask(&a, "").await.token().kid(), rotated.active.as_str());
}

#[tokio::test]
async fn private_keys_are_stored_sealed_for_their_row() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let rows = app.database.texts("SELECT id || ' ' || sealed_private_key FROM signing_keys").await;
    let rows: Vec<(&str, &str)> = rows.iter().map(|row| row.split_once(' ').unwrap()).collect();
    let everything = app.database.everything().await;
    let holds = |needle: &[u8]| everything.windows(needle.len()).any(|bytes| bytes == needle);
    for (id, sealed) in &rows {
        let pkcs8 = app.app.master_key.open(id, sealed).unwrap();
        let pkcs8 = pkcs8.expose();
        assert!(holds(sealed.as_bytes()));
        assert!(!holds(pkcs8));
        // The private scalar, at each of the three places where it can lie in an encoding.
        for start in 36..39 {
            let part = &pkcs8[start..start + 24];
            assert!(!holds(part));
            for encoded in [STANDARD.encode(part), STANDARD_NO_PAD.encode(part), URL_SAFE_NO_PAD.encode(part)] {
                assert!(!holds(encoded.as_bytes()));
            }
        }
        for (other, _) in rows.iter().filter(|(other, _)| other != id) {
            assert!(app.app.master_key.open(other, sealed).is_err());
        }
        assert!(master_key(2).open(id, sealed).is_err());
    }
    assert_eq!(rows.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_authorization_server_is_deleted_while_its_keys_are_rotated() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    for round in 0..10 {
        let id = issuer_id(&format!("short-lived-{round}"));
        app.authorization_server(id.as_str(), Algorithm::EdDSA, None).await;
        let active = format!("SELECT id FROM signing_keys WHERE authorization_server_id = '{id}' AND state = 'active'");
        let active = SigningKeyId::from_stored(&app.database.texts(&active).await.concat());
        app.clock.advance_seconds(301);
        let node = Arc::clone(&app.app);
        let rotating = tokio::spawn(async move { rotate(&node, &Actor::command_line(), &active).await });
        authorization_servers::delete(&app.app, &Actor::command_line(), &id, None).await.unwrap();
        match rotating.await.unwrap() {
            Ok(_) | Err(ChangeError::NotFound { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}
