//! Keys that are not exchanged.

use countersign::api_keys::{self, NewApiKey};
use countersign::clients::{self, ClientPatch, KeyPolicyPatch};
use countersign::config::{BudgetsConfig, Network, TrustedProxies};
use countersign::counters::{Credits, LimitRule, OnUnreachable};
use countersign_protocol::jose::Algorithm;
use countersign_protocol::{Clock as _, ErrorCode};
use tokio::task::JoinSet;

use super::{API_KEY_TOKEN_TYPE, API1, GRANT, OPAQUE, World, by, form, network, request};
use crate::support::{API2, Setup, Stall};

#[tokio::test]
async fn a_key_of_another_resource_server_is_exchanged_for_that_alone() {
    let world = World::start().await;
    let key = world.key().await;
    for asked in [
        format!("audience={API2}"),
        format!("audience={OPAQUE}"),
        format!("resource={API1}/"),
        "audience=https://unknown.test".to_owned(),
    ] {
        let answer = world.exchange_text(key.text.expose(), &asked).await;
        answer.assert_refused(400, "invalid_target", ErrorCode::KeyForAnotherAudience);
    }
    world.app.authorization_server("other", Algorithm::ES256, None).await;
    let elsewhere = request(&world.app, "/oauth2/other/v1/token", key.text.expose(), "").send().await;
    elsewhere.assert_refused(400, "invalid_target", ErrorCode::KeyForAnotherAudience);
}

#[tokio::test]
async fn a_key_whose_client_has_no_grant_is_exchanged_for_nothing() {
    let world = World::start().await;
    let key = world.key_for(API2, |new| new).await;
    let answer = world.exchange(&key).await;
    answer.assert_refused(400, "invalid_target", ErrorCode::KeyForAnotherAudience);
    let of_b = world.key_for(API2, |new| NewApiKey { client_id: world.b.id.clone(), ..new }).await;
    assert_eq!(world.exchange(&of_b).await.exchanged().claim("client_id"), "client-b");
}

#[tokio::test]
async fn a_scope_that_key_or_grant_does_not_give_is_refused_and_never_narrowed() {
    let world = World::start().await;
    let key = world.key().await;
    for asked in ["write:y", "edit", "list:users%20edit", "list", "*", "list:*", "list:users2"] {
        let answer = world.exchange_text(key.text.expose(), &format!("scope={asked}")).await;
        answer.assert_refused(400, "invalid_scope", ErrorCode::ScopeNotOfKey);
    }
}

#[tokio::test]
async fn d54_keys_that_are_wrong_unknown_ended_or_of_a_disabled_client_get_one_answer() {
    let world = World::start().await;
    let app = &world.app.app;
    let now = world.app.clock.now();
    let (revoked, disabled, deleted, expired) = (
        world.key().await,
        world.key().await,
        world.key().await,
        world.key_for(API1, |new| NewApiKey { expires_at: Some(now.plus_seconds(5)), ..new }).await,
    );
    let rotated = world.key().await;
    api_keys::revoke(app, &by(), &revoked.key.id).await.unwrap();
    api_keys::disable(app, &by(), &disabled.key.id).await.unwrap();
    api_keys::delete(app, &by(), &deleted.key.id, None).await.unwrap();
    api_keys::rotate(app, &by(), &rotated.key.id, 5).await.unwrap();
    world.app.clock.advance_millis(5_000);
    let of_disabled = world.key_for(API1, |new| NewApiKey { client_id: world.b.id.clone(), ..new }).await;
    clients::disable(app, &by(), &world.b.id).await.unwrap();
    let good = world.key().await;
    let good = good.text.expose();
    let last = good.len() - 1;
    let texts = [
        revoked.text.expose().clone(),
        disabled.text.expose().clone(),
        deleted.text.expose().clone(),
        expired.text.expose().clone(),
        rotated.text.expose().clone(),
        of_disabled.text.expose().clone(),
        format!("{good}x"),
        good[..last].to_owned(),
        good.to_uppercase(),
        "x".to_owned(),
        "%00".to_owned(),
    ];
    let mut answers = Vec::new();
    for text in &texts {
        let answer = world.exchange_text(text, "").await;
        answer.assert_key_refused();
        answers.push((answer.comparable_headers(), answer.body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    world.exchange_text(good, "").await.exchanged();
}

#[tokio::test]
async fn d56_what_is_no_api_key_is_not_exchanged_whatever_type_it_is_said_to_be() {
    let world = World::start().await;
    let token = world.app.ask(&world.a, &format!("audience={API1}")).await.token().text;
    let of_key = world.exchange(&world.key().await).await.exchanged().text;
    for text in [token.as_str(), of_key.as_str(), world.a.secret.as_str()] {
        world.exchange_text(text, "").await.assert_key_refused();
        for named in ["access_token", "jwt", "refresh_token", "id_token"] {
            let body =
                format!("grant_type={GRANT}&subject_token={text}&subject_token_type=urn:ietf:params:oauth:token-type:{named}");
            let answer = world.app.post("/oauth/token").form(body).send().await;
            answer.assert_refused(400, "invalid_request", ErrorCode::SubjectTokenTypeUnsupported);
        }
    }
}

#[tokio::test]
async fn a_request_that_is_malformed_is_refused_before_the_key_is_looked_at() {
    let world = World::start().await;
    let key = world.key().await;
    let text = key.text.expose();
    for (more, code) in [
        ("actor_token=x", ErrorCode::ActorTokenUnsupported),
        ("requested_token_type=urn:ietf:params:oauth:token-type:jwt", ErrorCode::RequestedTokenTypeUnsupported),
        ("scope=%22", ErrorCode::ScopeMalformed),
    ] {
        let error = if code == ErrorCode::ScopeMalformed { "invalid_scope" } else { "invalid_request" };
        world.exchange_text(text, more).await.assert_refused(400, error, code);
    }
    let twice = world.exchange_text(text, &format!("subject_token={text}")).await;
    twice.assert_refused(400, "invalid_request", ErrorCode::ParameterRepeated);
}

#[tokio::test]
async fn d55_an_exchange_without_a_key_is_refused_whoever_authenticates_beside_it() {
    let world = World::start().await;
    let of_type = format!("subject_token_type={API_KEY_TOKEN_TYPE}&scope=list:users&audience={API1}");
    for form in [format!("grant_type={GRANT}&{of_type}"), format!("grant_type={GRANT}&{of_type}&subject_token=")] {
        for client in [None, Some(&world.a)] {
            let request = world.app.post("/oauth/token").form(form.clone());
            let request = client.into_iter().fold(request, |request, own| request.basic(own.id.as_str(), &own.secret));
            request.send().await.assert_refused(400, "invalid_request", ErrorCode::SubjectTokenMissing);
        }
    }
}

#[tokio::test]
async fn a_key_in_the_query_of_the_url_counts_as_leaked() {
    let world = World::start().await;
    let key = world.key().await;
    let text = key.text.expose();
    for path in [format!("/oauth/token?subject_token={text}"), format!("/oauth2/default/v1/token?x=1&subject_token={text}")] {
        let answer = request(&world.app, &path, text, "").send().await;
        answer.assert_refused(400, "invalid_request", ErrorCode::SecretInUrl);
        assert!(!answer.text().contains(text.as_str()));
    }
}

#[tokio::test]
async fn a_key_is_accepted_from_its_networks_alone_whatever_a_header_says() {
    let proxies = TrustedProxies::Networks(vec![Network::host("10.0.0.1".parse().unwrap())]);
    let setup = Setup { trusted_proxies: proxies, ..Setup::default() };
    let world = World::start_with(setup).await;
    let key = world.key_for(API1, |new| NewApiKey { allowed_networks: vec![network("203.0.113.7")], ..new }).await;
    let key_of_client = world.key().await;
    let from = async |peer: &str, forwarded: &str| {
        request(&world.app, "/oauth/token", key.text.expose(), "").from(peer).header("x-forwarded-for", forwarded).send().await
    };
    from("203.0.113.7", "192.0.2.1").await.exchanged();
    from("10.0.0.1", "203.0.113.7").await.exchanged();
    from("198.51.100.1", "203.0.113.7").await.assert_key_refused();
    from("10.0.0.1", "203.0.113.7, 198.51.100.1").await.assert_key_refused();
    // The networks of the client hold for all of its keys.
    world.exchange(&key_of_client).await.exchanged();
    let key_policy = KeyPolicyPatch { allowed_networks: Some(vec![network("203.0.113.7")]), ..KeyPolicyPatch::default() };
    let patch = ClientPatch { key_policy, ..ClientPatch::default() };
    clients::update(&world.app.app, &by(), &world.a.id, patch, None).await.unwrap();
    world.exchange(&key_of_client).await.assert_key_refused();
}

#[tokio::test]
async fn two_exchanges_at_once_are_two_tokens() {
    let world = World::start().await;
    let key = world.key().await;
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        asking.spawn(request(&world.app, "/oauth/token", key.text.expose(), "").send());
    }
    let mut ids: Vec<String> = asking.join_all().await.iter().map(|answer| answer.exchanged().claim("jti").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 16);
}

#[tokio::test]
async fn no_exchange_that_overlaps_a_revocation_leaves_a_living_token() {
    let world = World::start().await;
    for _ in 0..8 {
        let key = world.key_for(OPAQUE, |new| new).await;
        let mut asking = JoinSet::new();
        for _ in 0..4 {
            asking.spawn(request(&world.app, "/oauth/token", key.text.expose(), "").send());
        }
        api_keys::revoke(&world.app.app, &by(), &key.key.id).await.unwrap();
        for answer in asking.join_all().await {
            if answer.status == 200 {
                assert!(!world.is_active(&answer).await);
            } else {
                answer.assert_key_refused();
            }
        }
    }
}

#[tokio::test]
async fn who_makes_keys_up_waits_and_the_owner_of_a_key_in_memory_does_not() {
    let budgets = BudgetsConfig {
        client_failures_per_minute: 5,
        source_failures_per_minute: 10,
        client_requests_per_second: 0,
        source_requests_per_second: 0,
    };
    let world = World::start_with(Setup { budgets, ..Setup::default() }).await;
    let (known, unknown) = (world.key().await, world.key().await);
    world.exchange(&known).await.exchanged();
    let made_up: Vec<_> =
        (0..10_u8).map(|number| countersign_protocol::CredentialText::generate("key", [number; 9], [9; 32])).collect();
    for text in &made_up {
        world.exchange_text(text.expose(), "").await.assert_key_refused();
    }
    let refused = world.exchange_text(made_up[0].expose(), "").await;
    assert_eq!((refused.status.as_u16(), refused.header("countersign-error")), (429, Some(ErrorCode::TooManyFailures.as_str())));
    // Of what is not in memory nothing is known: the database is not asked.
    assert_eq!(world.exchange(&unknown).await.status, 429);
    world.exchange(&known).await.exchanged();
    request(&world.app, "/oauth/token", unknown.text.expose(), "").from("192.0.2.200").send().await.exchanged();
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_503_and_no_verdict() {
    let world = World::start().await;
    let key = world.key().await;
    let stall = Stall::start(&world.app).await;
    let answer = world.app.impatient_post("/oauth/token").form(form(key.text.expose(), "")).send().await;
    answer.assert_problem(503, ErrorCode::Unavailable);
    stall.release().await;
    world.exchange(&key).await.exchanged();
}

#[tokio::test]
async fn an_exchange_takes_limits_and_credits_and_a_refused_one_takes_none() {
    let world = World::start().await;
    let on_unreachable = OnUnreachable::Deny;
    let two = LimitRule { name: "two".to_owned(), limit: 2, duration_seconds: 60, auto_apply: true, on_unreachable };
    let limited = world.key_for(API1, |new| NewApiKey { limits: vec![two.clone()], ..new }).await;
    let paid = world.key_for(API1, |new| NewApiKey { credits: Some(Credits { remaining: 2, refill: None }), ..new }).await;
    for (key, retry_after) in [(&limited, "60"), (&paid, "60")] {
        let text = key.text.expose();
        for _ in 0..2 {
            for refused in ["scope=write:y", "audience=https://api2.test", "client_id=client-b"] {
                assert_eq!(world.exchange_text(text, refused).await.status, 400, "{refused}");
            }
            world.exchange(key).await.exchanged();
        }
        world.exchange(key).await.assert_over_budget(ErrorCode::KeyExhausted, retry_after);
    }
    world.app.clock.advance_seconds(60);
    world.exchange(&limited).await.exchanged();
    // What all keys of a client share counts too.
    let key_policy = KeyPolicyPatch { limits: Some(vec![two]), ..KeyPolicyPatch::default() };
    let patch = ClientPatch { key_policy, ..ClientPatch::default() };
    clients::update(&world.app.app, &by(), &world.a.id, patch, None).await.unwrap();
    for _ in 0..2 {
        world.exchange(&world.key().await).await.exchanged();
    }
    world.exchange(&world.key().await).await.assert_over_budget(ErrorCode::KeyExhausted, "60");
}
