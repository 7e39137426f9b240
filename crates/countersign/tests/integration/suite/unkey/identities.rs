//! Identities at Unkey's API: clients with an external id.

use std::sync::Arc;

use serde_json::json;

use super::Unkey;

#[tokio::test]
async fn of_identities_that_are_created_at_once_one_is() {
    let unkey = Arc::new(Unkey::start().await);
    let tasks = (0..6).map(|_| {
        let unkey = Arc::clone(&unkey);
        tokio::spawn(async move {
            let answer = unkey.root.ask(&unkey.app, "identities.createIdentity", json!({ "externalId": "user-1" })).await;
            answer.status.as_u16()
        })
    });
    let mut statuses = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        statuses.push(task.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn keys_of_one_name_that_are_created_at_once_have_one_identity() {
    let unkey = Arc::new(Unkey::start().await);
    let tasks = (0..6).map(|_| {
        let unkey = Arc::clone(&unkey);
        tokio::spawn(async move {
            let (_, key) = unkey.key(json!({ "externalId": "user-1" })).await;
            unkey.verify(&key).await["identity"]["id"].as_str().unwrap().to_owned()
        })
    });
    let mut ids = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn a_deleted_identity_leaves_its_keys_to_nobody() {
    let unkey = Unkey::start().await;
    let (_, key) = unkey.key(json!({ "externalId": "user-1" })).await;
    let first = unkey.verify(&key).await["identity"]["id"].clone();
    for _ in 0..2 {
        unkey.done("identities.deleteIdentity", json!({ "identity": "user-1" })).await;
        let verdict = unkey.verify(&key).await;
        assert_eq!((&verdict["valid"], verdict.get("identity")), (&json!(true), None));
        unkey.root.ask(&unkey.app, "identities.getIdentity", json!({ "identity": first })).await.unkey_refusal(404);
        let again = unkey.done("identities.createIdentity", json!({ "externalId": "user-1", "meta": { "n": 2 } })).await;
        assert_ne!(again["identityId"], first);
        assert_eq!(unkey.verify(&key).await.get("identity"), None, "a namesake does not inherit");
    }
}

/// Here identities are clients: one that can do more is not deleted in passing.
#[tokio::test]
async fn a_client_with_credentials_or_grants_is_not_deleted_as_an_identity() {
    let unkey = Unkey::start().await;
    let by = countersign::audit::Actor::command_line();
    let new = countersign::clients::NewClient {
        external_id: Some("user-1".to_owned()),
        ..countersign::clients::NewClient::named("A client with a secret")
    };
    let made = countersign::clients::create(&unkey.app.app, &by, new).await.unwrap();
    let shown = unkey.done("identities.getIdentity", json!({ "identity": "user-1" })).await;
    assert_eq!(shown, json!({ "id": made.client.id.as_str(), "externalId": "user-1" }));
    unkey.root.ask(&unkey.app, "identities.deleteIdentity", json!({ "identity": "user-1" })).await.unkey_refusal(409);
    // One without an external id is no identity.
    unkey.root.ask(&unkey.app, "identities.getIdentity", json!({ "identity": "client-a" })).await.unkey_refusal(404);
}
