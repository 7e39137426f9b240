//! A key's life from the schedule to its destruction, a manual rotation and an
//! emergency, on a clock that server and verifiers share: no valid token is refused,
//! and none is accepted that was signed by a key after its end.

use std::collections::BTreeSet;

use countersign::ids::SigningKeyId;
use countersign::sealing::MasterKey;
use countersign::signing_keys::{MIN_PUBLICATION_SECONDS, RETIREMENT_SECONDS};
use countersign_protocol::Secret;
use countersign_protocol::jose::{Algorithm, SigningKey, UnverifiedJws, base64url, sign_jwt};
use serde_json::{Value, json};

use super::checker::Checker;
use super::clock_server::ClockServer;
use super::{jose, verify_lines};
use crate::faults::report;
use crate::faults::size::ROTATIONS;
use crate::support::{AUDIENCE, Client, Instance, alone};

const DAY: i64 = 86_400;

/// A server and verifiers that keep key sets for different times.
struct Scene {
    instance: Instance,
    client: Client,
    server: ClockServer,
    checkers: Vec<Checker>,
}

impl Scene {
    async fn start() -> Self {
        let instance = Instance::sqlite().init().await;
        let client = instance.client("a-client").await;
        let server = ClockServer::start(&instance).await;
        let (issuer, keys) = (format!("{}/", server.base), format!("{}/.well-known/jwks.json", server.base));
        let common = ["--issuer", &issuer, "--audience", AUDIENCE, "--jwks-uri", &keys];
        let folder = instance.folder();
        let checkers = vec![
            Checker::start("countersign-verify", verify_lines(folder), &[&common[..], &["--movable-clock"]].concat()),
            Checker::start("jose", jose(folder), &common),
            Checker::start("jose, keys for a minute", jose(folder), &[&common[..], &["--cache-max-age", "60000"]].concat()),
            Checker::start("jose, keys for a day", jose(folder), &[&common[..], &["--cache-max-age", "86400000"]].concat()),
        ];
        Self { instance, client, server, checkers }
    }

    async fn advance(&mut self, seconds: i64) {
        self.server.command(&format!("advance {seconds}")).await;
        for checker in &mut self.checkers {
            checker.advance(seconds).await;
        }
    }

    async fn token(&self) -> String {
        self.server.token(&self.client).await
    }

    /// Which verifiers accept a token.
    async fn accepted_by(&mut self, token: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        for checker in &mut self.checkers {
            if checker.check(token).await {
                names.push(checker.name);
            }
        }
        names
    }

    async fn all_accept(&mut self, token: &str, when: &str) {
        let names = self.accepted_by(token).await;
        assert_eq!(names.len(), self.checkers.len(), "{when}: {names:?} {:?}", self.refusals());
    }

    async fn all_refuse(&mut self, token: &str, when: &str) {
        assert_eq!(self.accepted_by(token).await, Vec::<&str>::new(), "{when}");
    }

    fn refusals(&self) -> Vec<(&str, &Value)> {
        self.checkers.iter().filter_map(|checker| Some((checker.name, checker.verdicts.refused.last()?))).collect()
    }

    /// A token like `model` that a thief of its key makes, good for ten days.
    fn forge(&self, model: &str) -> String {
        let kid = kid(model);
        let database = rusqlite::Connection::open(self.instance.database_file()).unwrap();
        let sql = "SELECT sealed_private_key FROM signing_keys WHERE id = ?1";
        let sealed: String = database.query_row(sql, [&kid], |row| row.get(0)).unwrap();
        let master_key = std::fs::read_to_string(self.instance.folder().join("master.key")).unwrap();
        let master_key = MasterKey::new(&Secret::new(base64url::decode(master_key.trim()).unwrap())).unwrap();
        let private_key = master_key.open(SigningKeyId::from_stored(&kid).as_str(), &sealed).unwrap();
        let key = SigningKey::from_pkcs8(Algorithm::RS256, &private_key).unwrap();
        let mut claims: Value =
            serde_json::from_slice(&UnverifiedJws::parse(model).unwrap().unverified_payload().unwrap()).unwrap();
        claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 10 * DAY);
        claims["jti"] = json!("forged");
        sign_jwt(&key, &kid, "at+jwt", &claims).unwrap()
    }

    /// Whether the database still has a key's private half.
    fn is_destroyed(&self, kid: &str) -> bool {
        let database = rusqlite::Connection::open(self.instance.database_file()).unwrap();
        let sql = "SELECT state = 'retired' AND sealed_private_key = '' FROM signing_keys WHERE id = ?1";
        database.query_row(sql, [kid], |row| row.get(0)).unwrap()
    }

    async fn end(self) {
        for checker in self.checkers {
            checker.end().await;
        }
        self.server.stop().await;
    }
}

fn kid(token: &str) -> String {
    UnverifiedJws::parse(token).unwrap().header().key_id.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_key_is_succeeded_by_the_schedule_and_destroyed_when_its_last_token_has_expired() {
    let _alone = alone().await;
    let mut scene = Scene::start().await;
    let first = scene.token().await;
    scene.all_accept(&first, "at the beginning").await;
    // Everyone fetches the keys half a minute before the rotation, and not after it.
    scene.advance(90 * DAY - 30).await;
    let last = scene.token().await;
    scene.all_accept(&last, "before the rotation").await;
    assert_eq!(kid(&last), kid(&first));
    let forged = scene.forge(&last);
    scene.advance(31).await;
    scene.server.until_kids("the rotation", |kids| kids.len() == 3).await;
    let next = scene.token().await;
    assert_ne!(kid(&next), kid(&last));
    for token in [&last, &next, &forged] {
        scene.all_accept(token, "after the rotation").await;
    }
    // Until the last second of the last token, whatever is cached.
    for _ in 0..5 {
        scene.advance(100).await;
        let token = scene.token().await;
        for token in [&last, &next, &token] {
            scene.all_accept(token, "while the old key retires").await;
        }
    }
    scene.advance(RETIREMENT_SECONDS).await;
    let retired = kid(&last);
    scene.server.until_kids("the retirement", |kids| !kids.contains(&retired)).await;
    assert!(scene.is_destroyed(&retired));
    // It has days to go, and its signature is good.
    scene.all_refuse(&forged, "after the retirement").await;
    scene.all_refuse(&last, "after its end").await;
    let token = scene.token().await;
    scene.all_accept(&token, "in the end").await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_rotations_in_a_row_refuse_no_token_whatever_verifiers_cache() {
    let _alone = alone().await;
    let mut scene = Scene::start().await;
    let mut last = scene.token().await;
    let mut kids = BTreeSet::from([kid(&last)]);
    for _ in 0..ROTATIONS.cycles() {
        scene.advance(MIN_PUBLICATION_SECONDS).await;
        last = scene.token().await;
        scene.all_accept(&last, "before a rotation").await;
        let rotated = scene.server.command(&format!("rotate {}", kid(&last))).await;
        let next = scene.token().await;
        assert_eq!(rotated["active"], kid(&next));
        for token in [&last, &next] {
            scene.all_accept(token, "after a rotation").await;
        }
        assert!(kids.insert(kid(&next)), "a key came back");
    }
    scene.advance(RETIREMENT_SECONDS).await;
    scene.all_refuse(&last, "after its end").await;
    report("r16", &format!("{} rotations, 4 verifiers, no token refused, the last one after its end", ROTATIONS.cycles()));
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_manual_rotation_refuses_no_token_and_an_emergency_ends_forged_ones() {
    let _alone = alone().await;
    let mut scene = Scene::start().await;
    scene.advance(MIN_PUBLICATION_SECONDS).await;
    let old = scene.token().await;
    scene.all_accept(&old, "before the manual rotation").await;
    let rotated = scene.server.command(&format!("rotate {}", kid(&old))).await;
    let new = scene.token().await;
    assert_eq!(rotated["active"], kid(&new));
    for token in [&old, &new] {
        scene.all_accept(token, "after the manual rotation").await;
    }

    // The key that signs now was stolen; its successor is seconds old.
    let forged = scene.forge(&new);
    scene.all_accept(&forged, "before the emergency").await;
    let outcome = scene.server.command(&format!("withdraw {}", kid(&new))).await;
    let stolen = kid(&new);
    assert!(!scene.server.kids().await.contains(&stolen) && scene.is_destroyed(&stolen));
    let replacement = scene.token().await;
    assert_eq!(outcome["active"], kid(&replacement));
    // Verifiers that asked for keys a moment ago refuse good tokens, but not for long.
    scene.advance(61).await;
    for token in [&replacement, &old] {
        scene.all_accept(token, "a minute after the emergency").await;
    }
    // They asked for the new key, and so have forgotten the stolen one.
    scene.all_refuse(&forged, "a minute after the emergency").await;
    scene.all_refuse(&new, "a minute after the emergency").await;

    // Who got the one may have got the other: both places are taken by new keys.
    let before = scene.server.kids().await;
    let outcome = scene.server.command(&format!("withdraw-both {}", kid(&replacement))).await;
    assert_eq!(outcome["withdrawn"], 2);
    let token = scene.token().await;
    assert!(!before.contains(&kid(&token)));
    scene.advance(61).await;
    scene.all_accept(&token, "a minute after the second emergency").await;
    scene.all_refuse(&replacement, "a minute after the second emergency").await;
    scene.end().await;
}
