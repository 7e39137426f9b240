//! Rotation and storage of signing keys; catalogue G, 104 and 105.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use countersign::audit::Actor;
use countersign::change::ChangeError;
use countersign::signing_keys;
use countersign_protocol::jose::Algorithm;

use super::ENGINE;
use crate::support::{Fixture, TestApp, issuer_id, master_key};

const KEYS: &str = "/.well-known/jwks.json";

async fn kids(app: &TestApp, state: &str) -> Vec<String> {
    app.database.texts(&format!("SELECT id FROM signing_keys WHERE state = '{state}'")).await
}

#[tokio::test]
async fn g104_a_successor_is_promoted_only_after_every_cached_key_set_has_it() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let server = issuer_id("default");
    let (active, published) = (kids(&app, "active").await, kids(&app, "published").await);
    for (advance, age, wait) in [(0, 0, 301), (299, 299, 2)] {
        app.clock.advance_seconds(advance);
        let Err(ChangeError::State(refusal)) =
            signing_keys::rotate(&app.app, &Actor::command_line(), &server, Algorithm::ES256).await
        else {
            panic!()
        };
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
    let rotated = signing_keys::rotate(&app.app, &Actor::command_line(), &server, Algorithm::ES256).await.unwrap();
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
    assert!(matches!(
        signing_keys::rotate(&app.app, &Actor::command_line(), &server, Algorithm::ES256).await,
        Err(ChangeError::State(_))
    ));
}

#[tokio::test]
async fn g104_a_retired_key_is_published_until_its_last_token_has_expired_everywhere() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    app.clock.advance_seconds(301);
    let rotated = signing_keys::rotate(&app.app, &Actor::command_line(), &issuer_id("default"), Algorithm::ES256).await.unwrap();
    let is_published = async || {
        app.app.resync().await.unwrap();
        String::from_utf8(app.key_set(KEYS).await).unwrap().contains(rotated.retiring.as_str())
    };
    // The longest lifetime, and the longest time that a key set may be cached.
    app.clock.advance_seconds(86_400 + 300 - 1);
    assert!(is_published().await);
    app.clock.advance_seconds(1);
    assert!(!is_published().await);
}

#[tokio::test]
async fn rotating_what_is_not_there_is_not_found() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let rotate = async |server: &str, algorithm| {
        signing_keys::rotate(&app.app, &Actor::command_line(), &issuer_id(server), algorithm).await.unwrap_err().to_string()
    };
    assert_eq!(rotate("default", Algorithm::RS256).await, "there is no signing key `RS256 of default`");
    assert_eq!(rotate("unknown", Algorithm::ES256).await, "there is no signing key `ES256 of unknown`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g105_sixteen_rotations_at_once_promote_one_key() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    app.clock.advance_seconds(301);
    let (active, published) = (kids(&app, "active").await, kids(&app, "published").await);
    let rotations: Vec<_> = (0..16)
        .map(|number| {
            let node = Arc::clone(if number % 2 == 0 { &app.app } else { &second.app });
            tokio::spawn(async move {
                signing_keys::rotate(&node, &Actor::command_line(), &issuer_id("default"), Algorithm::ES256).await
            })
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
    assert_eq!(([rotated.active.as_str()], [rotated.retiring.as_str()]), ([published[0].as_str()], [active[0].as_str()]));
    assert_eq!(kids(&app, "active").await, [rotated.active.as_str()]);
    assert_eq!(kids(&app, "published").await, [rotated.successor.as_str()]);
    assert_eq!(kids(&app, "retiring").await, [rotated.retiring.as_str()]);
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
