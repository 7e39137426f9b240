//! Revocation marks: what they kill, on which node, and how nothing is born dead.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use countersign::app::App;
use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::resource_servers::NewResourceServer;
use countersign::revocation::{self, Marked};
use countersign::source_address::SourceAddress;
use countersign::store::StoreError;
use countersign::{clients, jobs, oauth};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Audience, Clock as _, ErrorCode, Parameters, Timestamp};

use super::ENGINE;
use crate::support::{
    API1, API2, Answer, Fixture, RemoteSigners, Request, Service, Setup, TestApp, TestClient, api, by, issuer_id,
};

async fn mark_at(app: &App, marked: Marked, now: Timestamp) -> Timestamp {
    let written = app.write(move |tx| Box::pin(async move { revocation::mark(tx, &marked, now).await }));
    written.await.map_err(|error: StoreError| error).unwrap()
}

async fn mark(app: &TestApp, marked: Marked) -> Timestamp {
    mark_at(&app.app, marked, app.clock.now()).await
}

fn asking(app: &TestApp, client: &TestClient, audience: &str) -> Request {
    app.token_request("/oauth/token", client, &format!("grant_type=client_credentials&audience={audience}"))
}

/// What a test has two of: one that a mark names and one that it does not.
struct World {
    app: TestApp,
    a: TestClient,
    b: TestClient,
    /// A with its other secret.
    other_secret: TestClient,
}

const RSA: &str = "https://rsa.test";
const ELSEWHERE: &str = "https://elsewhere.test";

impl World {
    async fn start(setup: Setup) -> Self {
        let Fixture { app, a, b, .. } = Fixture::start_with(ENGINE, setup).await;
        app.authorization_server("second", Algorithm::ES256, None).await;
        let rsa = app.resource_server(NewResourceServer { signing_alg: Some(Algorithm::RS256), ..api(RSA, "s") }).await;
        let second = NewResourceServer { authorization_server_id: issuer_id("second"), ..api(ELSEWHERE, "s") };
        let elsewhere = app.resource_server(second).await;
        for (client, api) in [(&a, &rsa), (&b, &rsa), (&a, &elsewhere)] {
            app.grant(client, api, "s").await;
        }
        let secret = clients::create_secret(&app.app, &by(), &a.id, "second").await.unwrap();
        let other_secret = TestClient { secret: secret.text.expose().clone(), credential_id: secret.credential.id, ..a.clone() };
        Self { app, a, b, other_secret }
    }

    /// For each kind: a mark, a request that it is about, and one that it is not about.
    fn kinds(&self) -> Vec<(Marked, Request, Request)> {
        let Self { app, a, b, other_secret } = self;
        let default = issuer_id("default");
        let key = app.app.catalog().authorization_server(&default).unwrap().keys.active(Algorithm::ES256).unwrap().key_id().clone();
        let of_a = || asking(app, a, API1);
        let elsewhere = || {
            let form = format!("grant_type=client_credentials&audience={ELSEWHERE}");
            app.token_request("/oauth2/second/v1/token", a, &form)
        };
        vec![
            (Marked::Client(a.id.clone()), of_a(), asking(app, b, API1)),
            (Marked::Subject(a.id.to_string()), of_a(), asking(app, b, API1)),
            (Marked::Credential(a.credential_id.clone()), of_a(), asking(app, other_secret, API1)),
            (Marked::Audience(default.clone(), Audience::try_from(API1).unwrap()), of_a(), asking(app, b, API2)),
            (Marked::Key(key), of_a(), asking(app, a, RSA)),
            (Marked::All(default), of_a(), elsewhere()),
        ]
    }
}

#[tokio::test]
async fn a_request_waits_exactly_while_a_mark_that_names_it_lies_ahead() {
    let world = World::start(Setup::default()).await;
    let app = &world.app;
    app.timer.hold();
    for (kind, (marked, named, not_named)) in world.kinds().into_iter().enumerate() {
        // 750 ms into a second, each time.
        let not_before = mark(app, marked).await;
        assert_eq!(not_before.millis_since(app.clock.now()), 250, "kind {kind}");
        let named = tokio::spawn(named.send());
        app.timer.waited_for_by(1).await;
        not_named.send().await.token();
        app.timer.advance_millis(249);
        tokio::task::yield_now().await;
        assert_eq!(app.timer.waiting(), 1, "kind {kind}");
        app.timer.advance_millis(1);
        let token = named.await.unwrap().token();
        // Born alive, and not ahead of the clock.
        assert_eq!((token.time("iat"), app.clock.now()), (not_before.as_seconds(), not_before), "kind {kind}");
        assert!(app.is_active(&world.a, &token.text).await, "kind {kind}");
        app.timer.advance_millis(750);
    }
}

#[tokio::test]
async fn with_backdating_a_request_waits_that_much_longer() {
    let world = World::start(Setup { backdate_seconds: 3, ..Setup::default() }).await;
    let app = &world.app;
    app.timer.hold();
    for (kind, (marked, named, not_named)) in world.kinds().into_iter().enumerate() {
        let not_before = mark(app, marked).await;
        let named = tokio::spawn(named.send());
        app.timer.waited_for_by(1).await;
        not_named.send().await.token();
        app.timer.advance_millis(3_249);
        tokio::task::yield_now().await;
        assert_eq!(app.timer.waiting(), 1, "kind {kind}");
        app.timer.advance_millis(1);
        let token = named.await.unwrap().token();
        assert_eq!(token.time("iat"), not_before.as_seconds());
        assert!(app.is_active(&world.a, &token.text).await, "kind {kind}");
        app.timer.advance_millis(750);
    }
}

#[tokio::test]
async fn f95_each_kind_kills_what_it_names_and_nothing_else_on_every_node() {
    let world = World::start(Setup::default()).await;
    let (app, a, b) = (&world.app, &world.a, &world.b);
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let is_active = async |node: &TestApp, client: &TestClient, token: &str, nested: bool| {
        let path = if nested { "/oauth2/second/v1/introspect" } else { "/oauth/introspect" };
        node.introspect_at(path, client, token).await.is_active()
    };
    for (kind, (marked, named, not_named)) in world.kinds().into_iter().enumerate() {
        let (dead, alive) = (named.send().await.token(), not_named.send().await.token());
        let owner = if alive.claim("client_id") == "client-b" { b } else { a };
        let nested = alive.claim("iss").ends_with("/second");
        mark(app, marked).await;
        assert!(!is_active(app, a, &dead.text, false).await, "kind {kind}");
        assert!(is_active(app, owner, &alive.text, nested).await, "kind {kind}");
        assert!(is_active(&second, a, &dead.text, false).await, "kind {kind}: the other node knew already");
        follower.catch_up().await.unwrap();
        assert!(!is_active(&second, a, &dead.text, false).await, "kind {kind}");
        assert!(is_active(&second, owner, &alive.text, nested).await, "kind {kind}");
        // A node that starts later reads it from the database.
        let third = app.second_node().await;
        assert!(!is_active(&third, a, &dead.text, false).await, "kind {kind}");
        assert!(is_active(&third, owner, &alive.text, nested).await, "kind {kind}");
        app.clock.advance_seconds(2);
    }
    assert_eq!(follower.resyncs(), 0);
}

#[tokio::test]
async fn f95_v29_a_global_mark_beats_any_narrower_one_in_either_order() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let all = || Marked::All(issuer_id("default"));
    let client = || Marked::Client(a.id.clone());
    for (first, then) in [(client(), all()), (all(), client())] {
        mark(&app, first).await;
        app.clock.advance_seconds(5);
        let token = app.ask(&a, "").await.token();
        assert!(app.is_active(&a, &token.text).await);
        mark(&app, then).await;
        assert!(!app.is_active(&a, &token.text).await);
        app.clock.advance_seconds(5);
    }
}

#[tokio::test]
async fn a_revoked_client_loses_its_tokens_and_gets_no_new_ones() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let (old, of_b) = (app.ask(&a, "").await.token().text, app.ask(&b, &format!("audience={API1}")).await.token().text);
    for node in [&app, &second] {
        assert!(node.is_active(&api1, &old).await);
    }
    revocation::revoke_client(&app.app, &by(), &a.id).await.unwrap();
    follower.catch_up().await.unwrap();
    for node in [&app, &second] {
        assert!(!node.is_active(&api1, &old).await);
        assert!(node.is_active(&api1, &of_b).await);
        node.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
    // Enabled again, at once: what is issued from now on is alive, what was is dead.
    clients::enable(&app.app, &by(), &a.id).await.unwrap();
    let new = app.ask(&a, "").await.token();
    assert!(app.is_active(&api1, &new.text).await && !app.is_active(&api1, &old).await);
    follower.catch_up().await.unwrap();
    assert!(second.is_active(&api1, &new.text).await && !second.is_active(&api1, &old).await);
    let actions = app.database.texts("SELECT action FROM audit_events ORDER BY seq").await;
    assert_eq!(actions[actions.len() - 2..], ["client.revoked", "client.enabled"]);
    let unknown = countersign_protocol::ClientId::try_from("unknown-client").unwrap();
    assert!(matches!(revocation::revoke_client(&app.app, &by(), &unknown).await, Err(ChangeError::NotFound { .. })));
}

#[tokio::test]
async fn a_token_that_another_node_issued_to_a_revoked_client_before_it_heard_is_inactive() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let api1 = app.introspection_client(API1).await;
    let second = app.second_node().await;
    second.ask(&a, "").await.token();
    revocation::revoke_client(&app.app, &by(), &a.id).await.unwrap();
    // Later than the mark, by a node that has not heard of it.
    app.clock.advance_seconds(2);
    let late = second.ask(&a, "").await.token();
    assert!(!app.is_active(&api1, &late.text).await);
}

#[tokio::test]
async fn the_use_cases_kill_what_they_say() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let default = issuer_id("default");
    let audience = Audience::try_from(API1).unwrap();
    let token = async || app.ask(&a, "").await.token().text;
    let of_b = async || app.ask(&b, &format!("audience={API2}")).await.token().text;

    let (dead, alive) = (token().await, of_b().await);
    revocation::revoke_subject(&app.app, &by(), a.id.as_str()).await.unwrap();
    assert!(!app.is_active(&a, &dead).await && app.is_active(&b, &alive).await);

    let (dead, alive) = (token().await, of_b().await);
    revocation::revoke_audience(&app.app, &by(), &default, &audience).await.unwrap();
    assert!(!app.is_active(&a, &dead).await && app.is_active(&b, &alive).await);

    for server in [Some(&default), None] {
        let (dead, too) = (token().await, of_b().await);
        revocation::revoke_all(&app.app, &by(), server).await.unwrap();
        assert!(!app.is_active(&a, &dead).await && !app.is_active(&b, &too).await);
    }
    assert!(app.is_active(&a, &token().await).await);

    let unknown = Audience::try_from("https://unknown.test").unwrap();
    assert!(matches!(revocation::revoke_audience(&app.app, &by(), &default, &unknown).await, Err(ChangeError::NotFound { .. })));
    let nowhere = issuer_id("nowhere");
    assert!(matches!(revocation::revoke_all(&app.app, &by(), Some(&nowhere)).await, Err(ChangeError::NotFound { .. })));
    for subject in ["", &"x".repeat(513)] {
        assert!(matches!(revocation::revoke_subject(&app.app, &by(), subject).await, Err(ChangeError::Invalid(_))));
    }
    let rows =
        app.database.texts("SELECT kind || ' ' || authorization_server_id || ' ' || value FROM revocation_marks ORDER BY 1").await;
    assert_eq!(rows, ["all default ", &format!("aud default {API1}"), "sub  client-a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixty_four_marks_at_once_the_latest_stands() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let now = app.clock.now();
    let marks: Vec<_> = (0..64)
        .map(|number| {
            let node = Arc::clone(if number % 2 == 0 { &app.app } else { &second.app });
            let marked = Marked::Client(a.id.clone());
            // In no order.
            let at = now.plus_seconds(number * 37 % 64);
            tokio::spawn(async move { (at, mark_at(&node, marked, at).await) })
        })
        .collect();
    let latest = now.as_seconds() + 64;
    for mark in marks {
        let (at, stands) = mark.await.unwrap();
        assert!((at.as_seconds() + 1..=latest).contains(&stands.as_seconds()));
    }
    let stored = app.database.texts("SELECT CAST(not_before AS TEXT) FROM revocation_marks").await;
    assert_eq!(stored, [(latest * 1_000).to_string()]);
    // Each node has applied its own; the feed brings the others', older ones included.
    for node in [&app, &second] {
        let mut follower = Follower::start(Arc::clone(&node.app), Duration::from_secs(1)).await.unwrap();
        follower.catch_up().await.unwrap();
        node.ask(&a, "").await.assert_problem(503, ErrorCode::Unavailable);
    }
    app.clock.advance_seconds(64);
    for node in [&app, &second] {
        assert!(node.ask(&a, "").await.token().time("iat") >= latest);
    }
}

#[tokio::test]
async fn a_mark_that_is_rolled_back_is_no_mark() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let (marked, now) = (Marked::Client(a.id.clone()), app.clock.now());
    let failed = app.app.write(move |tx| {
        Box::pin(async move {
            revocation::mark(tx, &marked, now).await?;
            Err::<(), _>(ChangeError::State("on purpose".to_owned()))
        })
    });
    failed.await.unwrap_err();
    assert!(app.app.revocations.marks.is_empty());
    assert_eq!(app.database.count("SELECT count(*) FROM revocation_marks").await, 0);
    assert!(app.is_active(&a, &token.text).await);
}

#[tokio::test]
async fn a_mark_far_ahead_is_a_503_and_not_a_long_wait() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    app.timer.hold();
    // A node whose clock is three seconds ahead.
    mark_at(&app.app, Marked::Client(a.id.clone()), app.clock.now().plus_seconds(3)).await;
    app.ask(&a, "").await.assert_problem(503, ErrorCode::Unavailable);
    app.ask(&b, &format!("audience={API1}")).await.token();
    app.clock.advance_seconds(4);
    app.ask(&a, "").await.token();
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_here_either() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let read = |token: &str| oauth::read_issued(&app.app, &issuer_id("default"), token, app.clock.now()).map(drop);
    let (first, second) = (app.ask(&a, "").await.token().text, app.ask(&a, "").await.token().text);
    assert_eq!((read(&first), read(&second)), (Ok(()), Ok(())));
    app.revoke(&a, &first).await.assert_revocation_answered();
    assert_eq!((read(&first), read(&second)), (Err(ErrorCode::TokenRevoked), Ok(())));
    revocation::revoke_subject(&app.app, &by(), "client-a").await.unwrap();
    assert_eq!(read(&second), Err(ErrorCode::TokenRevoked));
}

#[tokio::test]
async fn a_token_that_is_revoked_while_it_is_signed_is_made_again() {
    let signers = RemoteSigners::new();
    let world = World::start(Setup { signers: Some(signers.clone()), ..Setup::default() }).await;
    let (app, a) = (&world.app, &world.a);
    // From now on in memory: authenticating does not wait.
    asking(app, a, RSA).send().await.token();
    let form = format!("grant_type=client_credentials&audience={RSA}&client_id={}&client_secret={}", a.id, a.secret);
    let parameters = Parameters::from_form(form.as_bytes()).unwrap();
    let mount = app.app.catalog().mount(&app.app.bases[0], "/").unwrap();
    let mut context = Context::from_waker(Waker::noop());
    signers.set(Service::Holds);
    let mut asking = std::pin::pin!(oauth::token(&app.app, &mount, SourceAddress::NONE, [], &parameters));
    assert!(asking.as_mut().poll(&mut context).is_pending());
    let not_before = mark(app, Marked::Subject(a.id.to_string())).await;
    // The key goes too, in the meantime.
    let rotate = [
        "DELETE FROM signing_keys WHERE state = 'active' AND alg = 'RS256'",
        "UPDATE signing_keys SET state = 'active' WHERE alg = 'RS256'",
    ];
    for change in rotate {
        app.database.execute(change).await;
    }
    app.app.resync().await.unwrap();
    signers.set(Service::Answers);
    let token = asking.await.1.unwrap().access_token;
    let answer: Answer = app.introspect(a, &token).await;
    assert!(answer.is_active());
    assert_eq!(answer.json()["iat"], not_before.as_seconds());
}

#[tokio::test]
async fn tokens_that_are_issued_while_a_mark_is_being_committed_die_too() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    app.ask(&a, "").await.token();
    let node = Arc::clone(&app.app);
    let revoke = Box::pin(async move { revocation::revoke_subject(&node, &by(), "client-a").await });
    let (token, revoked) = app.while_marks_wait(revoke, async || app.ask(&a, "").await.token()).await;
    revoked.unwrap();
    assert!(!app.is_active(&a, &token.text).await);
    assert!(app.is_active(&a, &app.ask(&a, "").await.token().text).await);
}

#[tokio::test]
async fn a_mark_is_forgotten_when_no_token_can_be_older() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let not_before = mark(&app, Marked::Client(a.id.clone())).await;
    // The longest lifetime, the most backdating, the largest leeway of a verifier, and a
    // day for a clock that is ahead.
    let end = not_before.plus_seconds(86_400 + 60 + 300 + 86_400);
    app.clock.advance_millis(end.millis_since(app.clock.now()));
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!((app.app.revocations.marks.len(), app.database.count("SELECT count(*) FROM revocation_marks").await), (1, 1));
    app.clock.advance_millis(1);
    jobs::forget_expired_revocations(&app.app).await.unwrap();
    assert_eq!((app.app.revocations.marks.len(), app.database.count("SELECT count(*) FROM revocation_marks").await), (0, 0));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_makes_a_node_read_everything() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let token = app.ask(&a, "").await.token();
    mark(&app, Marked::Client(a.id.clone())).await;
    assert!(second.is_active(&a, &token.text).await);
    second.app.apply(Some(countersign::store::ChangeKind::RevocationMark), "of a newer version").await.unwrap();
    assert!(!second.is_active(&a, &token.text).await);
}
