//! Limits and credits as a verification counts them, and what a client's keys share.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use countersign::api_keys::roles::{self, NewRole};
use countersign::api_keys::{
    self, ApiKeyPatch, CreatedApiKey, LimitAsk, NewApiKey, PermissionExpression, Verdict, VerdictCode, VerifyError, VerifyRequest,
};
use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::clients::{self, ClientPatch, KeyPolicyPatch};
use countersign::config::Network;
use countersign::counters::{CountedIn, CountersOptions, Credits, CreditsChange, LimitRule, OnUnreachable, SharedCounters};

use super::{BY, ENGINE, api1, code, create, new_key, permissions, presented, started, text_of, verdict};
use crate::support::{Engine, Fixture, Managed, Setup, TestApp, TestClient, ValkeyServer};

fn limit(name: &str, limit: u32) -> LimitRule {
    let on_unreachable = OnUnreachable::Deny;
    LimitRule { name: name.to_owned(), limit, duration_seconds: 3_600, auto_apply: true, on_unreachable }
}

const fn credits(remaining: i64) -> Option<Credits> {
    Some(Credits { remaining, refill: None })
}

async fn limited(app: &TestApp, client: &TestClient, limits: &[LimitRule], credits: Option<Credits>) -> CreatedApiKey {
    let new = NewApiKey { limits: limits.to_vec(), credits, ..new_key(app, client) };
    api_keys::create(&app.app, &BY, new).await.unwrap()
}

async fn set_policy(app: &TestApp, client: &TestClient, key_policy: KeyPolicyPatch) {
    let patch = ClientPatch { key_policy, ..ClientPatch::default() };
    clients::update(&app.app, &BY, &client.id, patch, None).await.unwrap();
}

async fn asked(app: &TestApp, text: &str, change: impl FnOnce(&mut VerifyRequest)) -> Verdict {
    let mut request = presented(text);
    change(&mut request);
    api_keys::verify(&app.app, request).await.unwrap()
}

fn remaining(verdict: &Verdict) -> Vec<(&str, u64)> {
    verdict.limits.iter().map(|limit| (limit.rule.name.as_str(), limit.answer.remaining)).collect()
}

/// The codes of 64 verifications at once, shared out over the nodes.
async fn codes_of_64(nodes: [&TestApp; 2], text: &str) -> (usize, usize) {
    let requests: Vec<_> = (0..64)
        .map(|number| {
            let (app, request) = (Arc::clone(&nodes[number % 2].app), presented(text));
            tokio::spawn(async move { api_keys::verify(&app, request).await.unwrap().code })
        })
        .collect();
    let mut codes = Vec::new();
    for request in requests {
        codes.push(request.await.unwrap());
    }
    let valid = codes.iter().filter(|code| **code == VerdictCode::Valid).count();
    let counted = codes.iter().filter(|code| matches!(code, VerdictCode::RateLimited | VerdictCode::UsageExceeded)).count();
    (valid, counted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j158_of_64_verifications_with_10_credits_left_exactly_10_are_valid() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let other = app.second_node().await;
    let created = limited(&app, &a, &[], credits(10)).await;
    assert_eq!(codes_of_64([&app, &other], &text_of(&created)).await, (10, 54));
    let refused = verdict(&app, &text_of(&created)).await;
    assert_eq!((refused.code, refused.credits), (VerdictCode::UsageExceeded, Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j158_of_64_verifications_within_a_limit_of_10_exactly_10_are_valid() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let created = limited(&app, &a, &[limit("reads", 10)], None).await;
    assert_eq!(codes_of_64([&app, &app], &text_of(&created)).await, (10, 54));
    app.clock.advance_seconds(3_600);
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Valid, "the next window");
}

#[tokio::test]
async fn j158_old_and_new_secret_share_limits_and_credits() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let created = limited(&app, &a, &[limit("reads", 5)], credits(3)).await;
    let old = text_of(&created);
    assert_eq!(verdict(&app, &old).await.credits, Some(2));
    let rotated = api_keys::rotate(&app.app, &BY, &created.key.id, 3_600).await.unwrap();
    let new = rotated.text.expose();
    let second = verdict(&app, new).await;
    assert_eq!((second.code, second.credits, remaining(&second)), (VerdictCode::Valid, Some(1), vec![("reads", 3)]));
    assert_eq!(verdict(&app, &old).await.credits, Some(0));
    for text in [&old, new] {
        assert_eq!(code(&app, text).await, VerdictCode::UsageExceeded);
    }
}

#[tokio::test]
async fn a_verdict_that_is_not_valid_costs_nothing() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let created = limited(&app, &a, &[limit("reads", 2), limit("writes", 9)], credits(1)).await;
    let text = text_of(&created);
    let admin = PermissionExpression::parse("admin").unwrap();
    for _ in 0..3 {
        let lacking = asked(&app, &text, |request| request.permissions = Some(admin.clone())).await;
        assert_eq!((lacking.code, lacking.credits, lacking.limits.len()), (VerdictCode::InsufficientPermissions, None, 0));
    }
    api_keys::disable(&app.app, &BY, &created.key.id).await.unwrap();
    assert_eq!(code(&app, &text).await, VerdictCode::Disabled);
    api_keys::enable(&app.app, &BY, &created.key.id).await.unwrap();

    let first = verdict(&app, &text).await;
    assert_eq!((first.code, first.credits, remaining(&first)), (VerdictCode::Valid, Some(0), vec![("reads", 1), ("writes", 8)]));
    // Limits were asked before credits: what they gave is given back.
    for _ in 0..3 {
        let refused = verdict(&app, &text).await;
        assert_eq!((refused.code, refused.credits), (VerdictCode::UsageExceeded, Some(0)));
        assert_eq!(remaining(&refused), [("reads", 1), ("writes", 8)], "and the verdict says so");
    }
    api_keys::change_credits(&app.app, &BY, &created.key.id, CreditsChange::Increment(5)).await.unwrap();
    assert_eq!(remaining(&verdict(&app, &text).await), [("reads", 0), ("writes", 7)]);
    // One limit without room: the other gives nothing, nor do the credits.
    for _ in 0..3 {
        let limited = verdict(&app, &text).await;
        let exceeded: Vec<bool> = limited.limits.iter().map(|limit| limit.answer.exceeded).collect();
        assert_eq!((limited.code, limited.credits, exceeded), (VerdictCode::RateLimited, None, vec![true, false]));
        assert_eq!(remaining(&limited), [("reads", 0), ("writes", 7)]);
    }
    let stored = api_keys::find(&app.app, &created.key.id).await.unwrap().credits.unwrap();
    assert_eq!(stored.at(app.app.clock.now()).remaining, 4);
}

#[tokio::test]
async fn a_verification_takes_what_it_asks_for() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let named = LimitRule { auto_apply: false, ..limit("exports", 10) };
    let created = limited(&app, &a, &[named, limit("reads", 10)], credits(10)).await;
    let text = text_of(&created);
    assert_eq!(remaining(&verdict(&app, &text).await), [("reads", 9)], "what must be named is not taken");
    let ask = |name: &str, cost, otherwise| LimitAsk { name: name.to_owned(), cost, otherwise };
    let found = asked(&app, &text, |request| {
        request.limits = vec![ask("exports", 4, None), ask("reads", 2, None)];
        request.cost = 3;
    });
    let found = found.await;
    assert_eq!((found.credits, remaining(&found)), (Some(6), vec![("exports", 6), ("reads", 7)]));
    let looked = asked(&app, &text, |request| {
        request.limits = vec![ask("exports", 0, None), ask("reads", 0, None)];
        request.cost = 0;
    });
    let looked = looked.await;
    assert_eq!((looked.credits, remaining(&looked)), (Some(6), vec![("exports", 6), ("reads", 7)]));

    let mut request = presented(&text);
    request.limits = vec![ask("unknown", 1, None)];
    let refused = api_keys::verify(&app.app, request).await;
    assert!(matches!(&refused, Err(VerifyError::UnknownLimit(name)) if name == "unknown"), "{refused:?}");
    let defined = async |otherwise| {
        let found = asked(&app, &text, |request| request.limits = vec![ask("own", 1, Some(otherwise)), ask("reads", 0, None)]);
        found.await.code
    };
    assert_eq!(defined(limit("own", 2)).await, VerdictCode::Valid);
    assert_eq!(defined(limit("own", 2)).await, VerdictCode::Valid);
    assert_eq!(defined(limit("own", 2)).await, VerdictCode::RateLimited);
    let wider = asked(&app, &text, |request| request.limits = vec![ask("exports", 7, Some(limit("exports", 1_000)))]).await;
    assert_eq!(wider.code, VerdictCode::RateLimited, "the key's own limit counts");
}

#[tokio::test]
async fn all_keys_of_a_client_share_its_limits_and_a_keys_own_come_first() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let (first, second) = (create(&app, &a).await, create(&app, &a).await);
    let own = limited(&app, &a, &[limit("reads", 100)], None).await;
    let foreign = create(&app, &b).await;
    assert_eq!(code(&app, &text_of(&first)).await, VerdictCode::Valid);
    set_policy(&app, &a, KeyPolicyPatch { limits: Some(vec![limit("reads", 2)]), ..KeyPolicyPatch::default() }).await;
    let found = verdict(&app, &text_of(&first)).await;
    assert_eq!((found.code, remaining(&found), found.limits[0].is_of_client), (VerdictCode::Valid, vec![("reads", 1)], true));
    assert_eq!(code(&app, &text_of(&second)).await, VerdictCode::Valid);
    for created in [&first, &second] {
        assert_eq!(code(&app, &text_of(created)).await, VerdictCode::RateLimited);
    }
    let found = verdict(&app, &text_of(&own)).await;
    assert_eq!((found.code, remaining(&found), found.limits[0].is_of_client), (VerdictCode::Valid, vec![("reads", 99)], false));
    assert_eq!(verdict(&app, &text_of(&foreign)).await.limits, []);
    set_policy(&app, &a, KeyPolicyPatch { limits: Some(Vec::new()), ..KeyPolicyPatch::default() }).await;
    assert_eq!(code(&app, &text_of(&first)).await, VerdictCode::Valid);
}

#[tokio::test]
async fn a_client_gives_its_keys_permissions_and_roles_and_bounds_their_networks() {
    let (app, a, created) = started().await;
    let new = NewRole { name: "reader".to_owned(), description: String::new(), permissions: permissions("orders.*") };
    roles::create(&app.app, &BY, new).await.unwrap();
    let may = async |name: &str| {
        let expression = PermissionExpression::parse(name).unwrap();
        asked(&app, &text_of(&created), |request| {
            request.permissions = Some(expression);
            request.address = Some("203.0.113.9".parse().unwrap());
        })
        .await
        .code
    };
    assert_eq!(may("orders.read OR stock.read").await, VerdictCode::InsufficientPermissions);
    let policy = KeyPolicyPatch {
        permissions: Some(permissions("stock.read")),
        roles: Some(vec!["reader".to_owned()]),
        ..KeyPolicyPatch::default()
    };
    set_policy(&app, &a, policy).await;
    assert_eq!(may("orders.read AND stock.read AND list:users").await, VerdictCode::Valid);
    let deleted = roles::delete(&app.app, &BY, "reader", None).await;
    assert!(matches!(deleted, Err(ChangeError::State(_))), "{deleted:?}");

    let networks = |text: &str| Some(vec![Network::from_text(text).unwrap()]);
    set_policy(&app, &a, KeyPolicyPatch { allowed_networks: networks("203.0.113.0/24"), ..KeyPolicyPatch::default() }).await;
    assert_eq!(may("orders.read").await, VerdictCode::Valid, "what is not given stays");
    assert_eq!(code(&app, &text_of(&created)).await, VerdictCode::Forbidden, "no address is in no network");
    let patch = ApiKeyPatch { allowed_networks: networks("198.51.100.0/24"), ..ApiKeyPatch::default() };
    api_keys::update(&app.app, &BY, &created.key.id, patch, None).await.unwrap();
    assert_eq!(may("orders.read").await, VerdictCode::Forbidden, "both must allow it");
    set_policy(&app, &a, KeyPolicyPatch { allowed_networks: Some(Vec::new()), ..KeyPolicyPatch::default() }).await;
    assert_eq!(may("orders.read").await, VerdictCode::Forbidden, "the key's own stay");
}

/// A client's permissions are for the APIs, not for the management API.
#[tokio::test]
async fn j160_a_management_key_has_no_rights_but_its_own() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    let new = NewApiKey {
        permissions: permissions("keys:verify"),
        ..NewApiKey::named("k", a.id.clone(), countersign::management::resource_server_id())
    };
    let created = api_keys::create(&app.app, &BY, new).await.unwrap();
    let policy = KeyPolicyPatch { permissions: Some(permissions("clients:*")), ..KeyPolicyPatch::default() };
    set_policy(&app, &a, policy).await;
    let found = verdict(&app, &text_of(&created)).await;
    assert_eq!(found.permissions, permissions("keys:verify"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j158_two_nodes_count_together_and_both_refuse_a_revoked_key() {
    let Some(mut server) = ValkeyServer::start() else { return };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { counters: server.options(), ..Setup::default() }).await;
    let other = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&other.app), Duration::from_secs(1)).await.unwrap();
    let created = limited(&app, &a, &[limit("reads", 10)], None).await;
    follower.catch_up().await.unwrap();
    assert_eq!(codes_of_64([&app, &other], &text_of(&created)).await, (10, 54));

    let of = |on_unreachable| LimitRule { on_unreachable, ..limit("x", 2) };
    let deny = limited(&app, &a, &[of(OnUnreachable::Deny)], None).await;
    let allow = limited(&app, &a, &[of(OnUnreachable::Allow)], None).await;
    let local = limited(&app, &a, &[of(OnUnreachable::Local)], None).await;
    for created in [&deny, &allow, &local] {
        assert_eq!(code(&app, &text_of(created)).await, VerdictCode::Valid);
    }
    server.kill();
    let refused = api_keys::verify(&app.app, presented(&text_of(&deny))).await;
    assert!(matches!(refused, Err(VerifyError::Uncounted)), "{refused:?}");
    for _ in 0..5 {
        let found = verdict(&app, &text_of(&allow)).await;
        assert_eq!((found.code, found.limits[0].answer.counted), (VerdictCode::Valid, CountedIn::Nowhere));
    }
    for expected in [VerdictCode::Valid, VerdictCode::Valid, VerdictCode::RateLimited] {
        let found = verdict(&app, &text_of(&local)).await;
        assert_eq!((found.code, found.limits[0].answer.counted), (expected, CountedIn::ThisProcess));
    }
    // Neither counters nor their absence keep a key alive.
    for created in [&deny, &allow, &local] {
        api_keys::revoke(&app.app, &BY, &created.key.id).await.unwrap();
        follower.catch_up().await.unwrap();
        assert_eq!(code(&app, &text_of(created)).await, VerdictCode::Revoked);
        assert_eq!(code(&other, &text_of(created)).await, VerdictCode::Revoked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j158_two_nodes_on_one_database_count_together_and_both_refuse_a_revoked_key() {
    if ENGINE == Engine::Sqlite {
        return;
    }
    let patient = Duration::from_secs(20);
    let counters = CountersOptions { shared: Some(SharedCounters::Database), timeout: patient, ..CountersOptions::default() };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { counters, ..Setup::default() }).await;
    let other = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&other.app), Duration::from_secs(1)).await.unwrap();
    set_policy(&app, &a, KeyPolicyPatch { limits: Some(vec![limit("together", 15)]), ..KeyPolicyPatch::default() }).await;
    let (first, second) = (limited(&app, &a, &[limit("own", 10)], credits(100)).await, create(&app, &a).await);
    follower.catch_up().await.unwrap();
    assert_eq!(codes_of_64([&app, &other], &text_of(&first)).await, (10, 54), "by its own limit");
    assert_eq!(codes_of_64([&app, &other], &text_of(&second)).await, (5, 59), "by what the first left of the client's");
    let stored = api_keys::find(&app.app, &first.key.id).await.unwrap().credits.unwrap();
    assert_eq!(stored.at(app.app.clock.now()).remaining, 90, "what a limit refused spent nothing");
    api_keys::revoke(&app.app, &BY, &second.key.id).await.unwrap();
    follower.catch_up().await.unwrap();
    for node in [&app, &other] {
        assert_eq!(code(node, &text_of(&second)).await, VerdictCode::Revoked);
    }
}

#[tokio::test]
async fn credits_that_begin_or_end_on_one_node_are_counted_or_free_on_the_other() {
    let (app, _, created) = started().await;
    let other = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&other.app), Duration::from_secs(1)).await.unwrap();
    let text = text_of(&created);
    assert_eq!(verdict(&other, &text).await.credits, None);
    let written = other.app.store.statements_run().1;
    assert_eq!(verdict(&other, &text).await.credits, None);
    assert_eq!(other.app.store.statements_run().1, written, "a key without credits costs no write");
    for (change, left) in [(CreditsChange::Set(3), Some(2)), (CreditsChange::Unlimited, None), (CreditsChange::Set(1), Some(0))] {
        api_keys::change_credits(&app.app, &BY, &created.key.id, change).await.unwrap();
        follower.catch_up().await.unwrap();
        assert_eq!(verdict(&other, &text).await.credits, left);
    }
    assert_eq!(code(&app, &text).await, VerdictCode::UsageExceeded);
}

/// It accepts connections, and says nothing.
#[tokio::test]
async fn r12_counters_that_do_not_answer_are_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut counters = ValkeyServer::options_at(silent.local_addr().unwrap().port());
    counters.timeout = Duration::from_millis(50);
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { counters, ..Setup::default() }).await;
    let created = limited(&app, &a, &[limit("reads", 10)], None).await;
    let (request, free) = (presented(&text_of(&created)), create(&app, &a).await);
    let asked = tokio::time::timeout(Duration::from_secs(20), api_keys::verify(&app.app, request));
    assert!(matches!(asked.await, Ok(Err(VerifyError::Uncounted))));
    assert_eq!(code(&app, &text_of(&free)).await, VerdictCode::Valid, "a key without limits asks no counter");
}

#[tokio::test]
async fn limits_and_credits_that_cannot_be_are_refused() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let refused = async |limits: Vec<LimitRule>, credits| {
        let new = NewApiKey { limits, credits, ..NewApiKey::named("k", a.id.clone(), api1(&app)) };
        match api_keys::create(&app.app, &BY, new).await {
            Err(ChangeError::Invalid(field)) => field.field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(vec![limit("a", 1), limit("a", 2)], None).await, "limits");
    assert_eq!(refused(vec![limit("", 1)], None).await, "limits");
    assert_eq!(refused((0..51).map(|number| limit(&format!("a{number}"), 1)).collect(), None).await, "limits");
    assert_eq!(refused(Vec::new(), credits(-1)).await, "credits");
    assert_eq!(app.database.count("SELECT count(*) FROM api_keys").await, 0);
}
