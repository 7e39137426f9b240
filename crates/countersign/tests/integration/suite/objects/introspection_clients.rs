//! Which clients may introspect for which resource servers.

use std::sync::Arc;
use std::time::Duration;

use countersign::change::ChangeError;
use countersign::change_feed::Follower;
use countersign::clients;
use countersign::ids::ResourceServerId;
use countersign::resource_servers::{self, allow_introspection, create_introspection_client, forbid_introspection};
use countersign_protocol::{ClientId, ErrorCode};

use super::ENGINE;
use crate::support::{API1, API2, Fixture, api, by};

#[tokio::test]
async fn an_introspection_client_may_introspect_and_nothing_else() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    let api1 = app.introspection_client(API1).await;
    assert!(app.is_active(&api1, &token.text).await);
    for audience in [API1, API2] {
        let refused = app.ask(&api1, &format!("audience={audience}")).await;
        refused.assert_refused(400, "invalid_target", ErrorCode::AudienceNotGranted);
    }
    let client = app.app.find_client(&api1.id).await.unwrap().unwrap();
    assert_eq!((client.name.as_str(), client.grants.len()), ("Introspection for https://api1.test", 0));
    let event = app.database.texts("SELECT details FROM audit_events ORDER BY seq DESC LIMIT 1").await.concat();
    assert!(event.contains(app.api(API1).id.as_str()) && !event.contains(&api1.secret), "{event}");
}

#[tokio::test]
async fn leave_for_a_resource_server_that_another_node_has_deleted_is_a_404() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    let gone = app.resource_server(api("https://gone.test", "s")).await;
    let second = app.second_node().await;
    resource_servers::delete(&app.app, &by(), &gone.id, None).await.unwrap();
    let refused = allow_introspection(&second.app, &by(), &a.id, &gone.id).await;
    assert!(matches!(refused, Err(ChangeError::NotFound { kind: "resource server", .. })), "{refused:?}");
    let refused = create_introspection_client(&second.app, &by(), &gone.id).await;
    assert!(matches!(refused, Err(ChangeError::NotFound { kind: "resource server", .. })), "{:?}", refused.err());
}

#[tokio::test]
async fn leave_is_given_and_taken_back_on_every_node() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let second = app.second_node().await;
    let mut follower = Follower::start(Arc::clone(&second.app), Duration::from_secs(1)).await.unwrap();
    let token = app.ask(&a, "").await.token();
    let api1 = app.api(API1).id.clone();
    assert!(!app.is_active(&b, &token.text).await);
    allow_introspection(&app.app, &by(), &b.id, &api1).await.unwrap();
    follower.catch_up().await.unwrap();
    for node in [&app, &second] {
        assert!(node.is_active(&b, &token.text).await);
    }
    assert!(matches!(allow_introspection(&app.app, &by(), &b.id, &api1).await, Err(ChangeError::AlreadyExists { .. })));
    forbid_introspection(&app.app, &by(), &b.id, &api1).await.unwrap();
    follower.catch_up().await.unwrap();
    for node in [&app, &second] {
        assert!(!node.is_active(&b, &token.text).await);
    }
    assert!(matches!(forbid_introspection(&app.app, &by(), &b.id, &api1).await, Err(ChangeError::NotFound { .. })));
}

#[tokio::test]
async fn a_client_that_takes_the_id_of_a_deleted_one_does_not_inherit_its_leave() {
    let Fixture { app, a, b, .. } = Fixture::start(ENGINE).await;
    let token = app.ask(&a, "").await.token();
    allow_introspection(&app.app, &by(), &b.id, &app.api(API1).id).await.unwrap();
    assert!(app.is_active(&b, &token.text).await);
    clients::delete(&app.app, &by(), &b.id, None).await.unwrap();
    let again = app.client("client-b").await;
    assert!(!app.is_active(&again, &token.text).await);
    assert_eq!(app.database.count("SELECT count(*) FROM introspection_clients").await, 0);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let Fixture { app, b, .. } = Fixture::start(ENGINE).await;
    let (unknown_api, unknown) = (ResourceServerId::from_stored("rs_unknown"), ClientId::try_from("unknown-client").unwrap());
    let before = app.database.count("SELECT count(*) FROM audit_events").await;
    assert!(matches!(create_introspection_client(&app.app, &by(), &unknown_api).await, Err(ChangeError::NotFound { .. })));
    assert!(matches!(allow_introspection(&app.app, &by(), &b.id, &unknown_api).await, Err(ChangeError::NotFound { .. })));
    let api1 = app.api(API1).id.clone();
    assert!(matches!(allow_introspection(&app.app, &by(), &unknown, &api1).await, Err(ChangeError::NotFound { .. })));
    assert_eq!(app.database.count("SELECT count(*) FROM audit_events").await, before);
}
