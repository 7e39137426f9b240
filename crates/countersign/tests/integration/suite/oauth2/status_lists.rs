//! Places of tokens in status lists, and the lists; catalogue F, status lists.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use countersign::authorization_servers::{self, AuthorizationServerPatch};
use countersign::change_feed::Follower;
use countersign::jobs;
use countersign::resource_servers::{NewResourceServer, TokenFormat};
use countersign_protocol::jose::{JwkSet, UnverifiedJws};
use countersign_protocol::status::{StatusListToken, StatusReference, TokenStatus};
use countersign_protocol::{Clock as _, ErrorCode};
use flate2::read::GzDecoder;
use serde_json::json;

use super::ENGINE;
use crate::support::{API1, AccessToken, Answer, Fixture, TestApp, TestClient, api, by, issuer_id};

const STATUS: &str = "/oauth2/default/v1/status";

async fn turn_on(app: &TestApp) {
    let patch = AuthorizationServerPatch { status_lists: Some(true), ..AuthorizationServerPatch::default() };
    authorization_servers::update(&app.app, &by(), &issuer_id("default"), patch, None).await.unwrap();
}

async fn start() -> Fixture {
    let fixture = Fixture::start(ENGINE).await;
    turn_on(&fixture.app).await;
    fixture
}

async fn token(app: &TestApp, client: &TestClient) -> AccessToken {
    app.ask(client, &format!("audience={API1}")).await.token()
}

fn reference(token: &AccessToken) -> StatusReference {
    StatusReference::of_claims(&token.claims).unwrap().unwrap()
}

fn path(reference: &StatusReference) -> &str {
    reference.uri.strip_prefix("https://as.test").unwrap()
}

/// The list in an answer, as a verifier takes it that knows the standard alone.
async fn verified(app: &TestApp, answer: &Answer, uri: &str) -> StatusListToken {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/statuslist+jwt")), "{answer:?}");
    let keys = JwkSet::parse(&app.get("/oauth2/default/v1/keys").send().await.body).unwrap();
    let jws = UnverifiedJws::parse(answer.text()).unwrap();
    assert!(jws.header().has_type("statuslist+jwt"));
    let payload = jws.verify(keys.find(jws.header().key_id.as_deref()).unwrap()).unwrap();
    StatusListToken::parse(&payload, uri, app.clock.now()).unwrap()
}

async fn list_of(app: &TestApp, reference: &StatusReference) -> StatusListToken {
    verified(app, &app.get(path(reference)).send().await, &reference.uri).await
}

#[tokio::test]
async fn a_token_has_a_place_and_its_revocation_is_in_the_list_at_once() {
    let Fixture { app, a, .. } = start().await;
    let (dead, alive) = (token(&app, &a).await, token(&app, &a).await);
    let place = reference(&dead);
    assert_eq!(dead.claim("jti"), format!("{}.{}", place.list_id(), place.index));
    assert!(place.uri.starts_with("https://as.test/oauth2/default/v1/status/"), "{}", place.uri);
    assert_ne!(place.index, reference(&alive).index);
    assert!(list_of(&app, &place).await.list.is_all_valid());
    app.revoke(&a, &dead.text).await.assert_revocation_answered();
    let list = list_of(&app, &place).await;
    assert_eq!(list.list.entries(), 1 << 20);
    assert_eq!(list.list.status(place.index), Some(TokenStatus::Invalid));
    assert_eq!(list.list.status(reference(&alive).index), Some(TokenStatus::Valid));
    assert_eq!((list.ttl_seconds, list.expires_at), (Some(60), Some(list.issued_at.plus_seconds(900))));
    assert!(!app.is_active(&a, &dead.text).await && app.is_active(&a, &alive.text).await);
}

#[tokio::test]
async fn without_lists_and_for_opaque_tokens_there_is_no_place() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let before = token(&app, &a).await;
    assert!(!before.claims.contains_key("status") && !before.claim("jti").contains('.'));
    let opaque = NewResourceServer { token_format: TokenFormat::Opaque, ..api("https://opaque.test", "s") };
    let opaque = app.resource_server(opaque).await;
    app.grant(&a, &opaque, "s").await;
    turn_on(&app).await;
    let answer = app.ask(&a, "audience=https://opaque.test").await;
    assert_eq!(answer.status, 200);
    assert_eq!(app.database.count("SELECT count(*) FROM status_lists").await, 0);
    assert!(token(&app, &a).await.claims.contains_key("status"));
    assert_eq!(app.database.count("SELECT count(*) FROM status_lists").await, 1);
}

#[tokio::test]
async fn no_two_tokens_share_a_place_on_two_nodes_and_after_a_crash() {
    let Fixture { app, a, .. } = start().await;
    let second = app.second_node().await;
    let mut places = HashSet::new();
    for round in 0..3 {
        // A node that is gone took the rest of its block with it.
        let third = app.second_node().await;
        for node in [&app, &second, &third] {
            let tokens = (0..8).map(|_| token(node, &a));
            for token in join_all(tokens).await {
                assert!(places.insert(reference(&token).uri + "#" + &reference(&token).index.to_string()), "round {round}");
            }
        }
    }
    assert_eq!(places.len(), 72);
    // Five nodes in all: the first two keep their blocks, each third leases one.
    assert_eq!(app.database.count("SELECT leased FROM status_lists").await, 5 * 4_096);
}

async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all = Vec::new();
    for future in futures {
        all.push(future.await);
    }
    all
}

#[tokio::test]
async fn tokens_that_expire_together_share_a_list_which_goes_when_they_have() {
    let Fixture { app, a, .. } = start().await;
    let first = reference(&token(&app, &a).await);
    app.clock.advance_seconds(300);
    let second = reference(&token(&app, &a).await);
    assert_ne!(first.list_id(), second.list_id());
    let all = app.get(STATUS).send().await;
    assert_eq!((all.status.as_u16(), all.json()), (200, json!({ "status_lists": [first.uri, second.uri] })));
    assert_eq!(all.header("access-control-allow-origin"), Some("*"));
    // 600 seconds of life, up to 300 to the end of the span, 300 of leeway.
    app.clock.advance_seconds(890);
    assert_eq!(app.get(STATUS).send().await.json(), json!({ "status_lists": [second.uri] }));
    app.get(path(&first)).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    assert_eq!(list_of(&app, &second).await.list.entries(), 1 << 20);
    // The row outlasts every clock that is behind.
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM status_lists").await, 2);
    app.clock.advance_seconds(86_400);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM status_lists").await, 1);
    // Its number is not given again.
    let third = reference(&token(&app, &a).await);
    assert!(number(&first) < number(&second) && number(&second) < number(&third));
}

fn number(reference: &StatusReference) -> i64 {
    i64::from_str_radix(reference.list_id(), 16).unwrap()
}

#[tokio::test]
async fn an_authorization_server_that_is_made_anew_gives_no_place_again() {
    let Fixture { app, a, .. } = start().await;
    let former = number(&reference(&token(&app, &a).await));
    // As one would be that was deleted, or restored from a backup.
    app.database.execute("UPDATE authorization_servers SET status_list_count = 0, created_at = created_at + 1").await;
    app.database.execute("DELETE FROM status_lists").await;
    turn_on(&app).await;
    app.clock.advance_seconds(1);
    let later = number(&reference(&token(&app, &a).await));
    assert!(later > former, "{later} {former}");
}

#[tokio::test]
async fn a_list_is_sent_again_only_when_it_changed_and_compressed_to_who_takes_it() {
    let Fixture { app, a, .. } = start().await;
    let revoked = token(&app, &a).await;
    let place = reference(&revoked);
    let first = app.get(path(&place)).send().await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(first.header("vary"), Some("Accept, Accept-Encoding"));
    let unchanged = app.get(path(&place)).header("if-none-match", &tag).send().await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    for (encoding, is_compressed) in [("gzip", true), ("br, gzip;q=0.5", true), ("gzip;q=0", false), ("identity", false)] {
        let answer = app.get(path(&place)).header("accept-encoding", encoding).send().await;
        assert_eq!(answer.header("content-encoding") == Some("gzip"), is_compressed, "{encoding}");
        let mut text = String::new();
        match is_compressed {
            true => GzDecoder::new(&answer.body[..]).read_to_string(&mut text).map(drop).unwrap(),
            false => text.push_str(answer.text()),
        }
        assert_eq!(text, first.text(), "{encoding}");
    }
    app.revoke(&a, &revoked.text).await.assert_revocation_answered();
    let changed = app.get(path(&place)).header("if-none-match", &tag).send().await;
    assert_eq!(verified(&app, &changed, &place.uri).await.list.status(place.index), Some(TokenStatus::Invalid));
    // It is signed anew before it is old, changed or not.
    let tag = changed.header("etag").unwrap().to_owned();
    app.clock.advance_seconds(30);
    assert_eq!(app.get(path(&place)).header("if-none-match", &tag).send().await.status, 200);
}

#[tokio::test]
async fn the_same_list_is_there_as_a_cwt() {
    let Fixture { app, a, .. } = start().await;
    let (dead, alive) = (token(&app, &a).await, token(&app, &a).await);
    app.revoke(&a, &dead.text).await.assert_revocation_answered();
    let place = reference(&dead);
    let answer = app.get(path(&place)).header("accept", "application/statuslist+cwt").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/statuslist+cwt")));
    let keys = JwkSet::parse(&app.get("/oauth2/default/v1/keys").send().await.body).unwrap();
    let list = StatusListToken::open_cwt(&answer.body, &keys, &place.uri, app.clock.now()).unwrap();
    assert_eq!(list.list.status(place.index), Some(TokenStatus::Invalid));
    assert_eq!(list.list.status(reference(&alive).index), Some(TokenStatus::Valid));
    // The JWT of the same list is another document.
    let jwt = app.get(path(&place)).send().await;
    assert_ne!(jwt.header("etag"), answer.header("etag"));
    assert_eq!(verified(&app, &jwt, &place.uri).await.list, list.list);
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_its_reason() {
    let Fixture { app, a, .. } = start().await;
    let place = reference(&token(&app, &a).await);
    let list = path(&place);
    for unknown in ["2", "01", "x", "keys2", "ffffffffffffffffff"] {
        app.get(&format!("{STATUS}/{unknown}")).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    }
    app.get(&list.replace("default", "nobody")).send().await.assert_problem(404, ErrorCode::NoSuchPath);
    let past = app.get(&format!("{list}?time=1686925000")).send().await;
    assert_eq!((past.status.as_u16(), past.header("countersign-error")), (501, Some(ErrorCode::StatusAtTimeUnsupported.as_str())));
    let accepts = |accept: &str| app.get(list).header("accept", accept).send();
    for accept in ["application/statuslist+jwt", "*/*", "text/html, application/*;q=0.1"] {
        assert_eq!(accepts(accept).await.status, 200, "{accept}");
    }
    accepts("text/html").await.assert_problem(406, ErrorCode::ContentTypeUnsupported);
}

#[tokio::test]
async fn a_node_that_may_not_know_what_was_revoked_signs_no_list() {
    let Fixture { app, a, .. } = start().await;
    let mut follower = Follower::start(Arc::clone(&app.app), Duration::from_secs(1)).await.unwrap();
    let place = reference(&token(&app, &a).await);
    assert_eq!(app.get(path(&place)).send().await.status, 200);
    app.clock.advance_seconds(31);
    app.get(path(&place)).send().await.assert_problem(503, ErrorCode::Unavailable);
    follower.catch_up().await.unwrap();
    assert_eq!(app.get(path(&place)).send().await.status, 200);
}

#[tokio::test]
async fn metadata_names_the_lists_once_there_are_some() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let metadata = async || app.get("/.well-known/oauth-authorization-server").send().await.json();
    let before = metadata().await;
    assert_eq!(before.get("status_list_aggregation_endpoint"), None);
    assert_eq!(before["countersign_status_stream_endpoint"], "https://as.test/oauth2/default/v1/status/stream");
    turn_on(&app).await;
    assert_eq!(metadata().await["status_list_aggregation_endpoint"], format!("https://as.test{STATUS}"));
}

#[tokio::test]
async fn a_store_that_fails_is_no_reason_to_issue_a_token_without_a_place() {
    let Fixture { app, a, .. } = start().await;
    token(&app, &a).await;
    app.database.execute("DELETE FROM status_lists").await;
    app.database.execute("DROP TABLE status_lists").await;
    // Within the block nothing is asked of the store.
    token(&app, &a).await;
    app.clock.advance_seconds(600);
    let failed = app.ask(&a, &format!("audience={API1}")).await;
    assert!(failed.status.is_server_error(), "{failed:?}");
}
