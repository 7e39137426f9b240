//! Clients in memory: what changed is never answered from before the change.

use std::sync::Arc;
use std::time::Duration;

use countersign::audit::Actor;
use countersign::change_feed::Follower;
use countersign::clients;
use countersign_protocol::ErrorCode;

use super::ENGINE;
use crate::support::{API1, Dice, Fixture, Setup, Stall, TestApp, TestClient, api};

async fn is_disabled(app: &TestApp, client: &TestClient) -> bool {
    app.app.find_client(&client.id).await.unwrap().unwrap().disabled_at.is_some()
}

#[tokio::test]
async fn a_load_that_began_before_a_change_does_not_outlive_it() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let request = || app.token_request("/oauth/token", &a, "grant_type=client_credentials").send();
    let stall = Stall::start(&app).await;
    let before = tokio::spawn(request());
    stall.holds(1).await;
    // The first statement of the load has been answered: enabled.
    clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    let after = tokio::spawn(request());
    stall.holds(2).await;
    stall.release().await;
    for answer in [after, before] {
        answer.await.unwrap().assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
    assert!(is_disabled(&app, &a).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lookups_while_a_client_changes_never_leave_the_old_state_behind() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let dice = Dice::new(7);
    for round in 0..60 {
        let lookups: Vec<_> = (0..8)
            .map(|_| {
                let node = Arc::clone(&app.app);
                let id = if dice.roll(4) == 0 { b.id.clone() } else { a.id.clone() };
                tokio::spawn(async move { node.find_client(&id).await.unwrap().unwrap() })
            })
            .collect();
        let disable = round % 2 == 0;
        if disable {
            clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
        } else {
            clients::enable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
        }
        assert_eq!(is_disabled(&app, &a).await, disable, "round {round}");
        for lookup in lookups {
            lookup.await.unwrap();
        }
        assert_eq!(is_disabled(&app, &a).await, disable, "round {round}, afterwards");
    }
}

#[tokio::test]
async fn a_client_that_was_unknown_works_as_soon_as_it_is_created() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    for node in [&app, &second] {
        let unknown = node.post("/oauth/token").basic("late-client", "x").form("grant_type=client_credentials").send().await;
        unknown.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    }
    let resource_server = app.resource_server(api("https://late.test", "s")).await;
    let late = app.client("late-client").await;
    app.grant(&late, &resource_server, "s").await;
    app.ask(&late, "").await.token();
    // The other node still believes what it read.
    second.ask(&late, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    follower.catch_up().await.unwrap();
    second.ask(&late, "").await.token();
    assert_eq!(follower.resyncs(), 0);
}

#[tokio::test]
async fn a_client_disabled_on_one_node_is_refused_there_at_once_and_elsewhere_after_catching_up() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    for node in [&app, &second] {
        node.ask(&a, "").await.token();
        node.ask(&b, &format!("audience={API1}")).await.token();
    }
    clients::disable(&app.app, &Actor::command_line(), &a.id).await.unwrap();
    app.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    let read_before = second.app.store.statements_run().0;
    let applied = follower.catch_up().await.unwrap();
    assert_eq!(applied.iter().map(|change| change.object_id.as_str()).collect::<Vec<_>>(), ["client-a"]);
    second.ask(&a, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    second.ask(&b, &format!("audience={API1}")).await.token();
    // Exactly A was read again: its three statements, and the feed twice.
    assert_eq!(second.app.store.statements_run().0 - read_before, 6);
    clients::revoke_credential(&app.app, &Actor::command_line(), &b.id, &b.credential_id).await.unwrap();
    follower.catch_up().await.unwrap();
    second.ask(&b, &format!("audience={API1}")).await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
}

#[tokio::test]
async fn more_clients_than_fit_in_memory_all_work() {
    let setup = Setup { client_cache_capacity: 4, ..Setup::default() };
    let Fixture { app, a, z, .. } = Fixture::start_with(ENGINE, setup).await;
    let resource_server = app.resource_server(api("https://many.test", "s")).await;
    let mut many = Vec::new();
    for number in 0..20 {
        let client = app.client(&format!("many-{number:02}")).await;
        app.grant(&client, &resource_server, "s").await;
        many.push(client);
    }
    clients::disable(&app.app, &Actor::command_line(), &many[3].id).await.unwrap();
    for _ in 0..2 {
        for (number, client) in many.iter().enumerate() {
            assert_eq!(app.ask(client, "").await.status, if number == 3 { 401 } else { 200 });
        }
        app.ask(&a, "").await.token();
        assert_eq!(app.ask(&z, "").await.status, 401);
    }
}
