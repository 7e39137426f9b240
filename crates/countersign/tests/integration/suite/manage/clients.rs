//! `/manage/v1/clients`.

use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Caller, Managed, TestClient, every_right};

const PATH: &str = "/clients";

#[tokio::test]
async fn one_is_created_shown_listed_changed_and_deleted() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let new = json!({
        "client_id": "new-client", "name": "New", "token_endpoint_auth_method": "client_secret_post",
        "token_endpoint_auth_method_enforced": true, "external_id": "crm-7", "metadata": { "tier": [1, { "a": null }] },
    });
    let made = operator.post(&app, PATH, new.clone()).await;
    let mut object = made.success(201);
    let members = object.as_object_mut().unwrap();
    let secret = members.remove("client_secret").unwrap().as_str().unwrap().to_owned();
    assert!(secret.starts_with("csec_"));
    assert!(members.remove("credential_id").unwrap().as_str().unwrap().starts_with("cred_"));
    let mut expected = new;
    for (member, value) in [
        ("assertion_audience", json!("issuer")),
        ("organization_id", Value::Null),
        ("key_policy", json!({ "permissions": [], "roles": [], "allowed_networks": [], "limits": [] })),
        ("disabled_at", Value::Null),
        ("created_at", json!("2027-01-15T08:00:00.750Z")),
        ("updated_at", json!("2027-01-15T08:00:00.750Z")),
    ] {
        expected[member] = value;
    }
    assert_eq!(object, expected);
    let path = format!("{PATH}/new-client");
    assert_eq!(made.header("location"), Some("/manage/v1/clients/new-client"));
    let shown = operator.get(&app, &path).await;
    assert_eq!((shown.success(200), shown.etag()), (expected.clone(), made.etag()));
    assert!(operator.all(&app, PATH, 2).await.contains(&expected));

    app.clock.advance_seconds(1);
    let cleared = json!({ "external_id": null, "metadata": null, "token_endpoint_auth_method_enforced": false });
    let changed = operator.patch_if(&app, &path, made.etag(), cleared).await;
    for (member, value) in [
        ("external_id", Value::Null),
        ("metadata", json!({})),
        ("token_endpoint_auth_method_enforced", json!(false)),
        ("updated_at", json!("2027-01-15T08:00:01.750Z")),
    ] {
        expected[member] = value;
    }
    assert_eq!(changed.success(200), expected);
    operator.patch_if(&app, &path, made.etag(), json!({ "name": "x" })).await.refusal(412, ErrorCode::VersionMismatch);
    assert_eq!(operator.patch(&app, &path, json!({})).await.success(200), expected);

    operator.delete_if(&app, &path, made.etag()).await.refusal(412, ErrorCode::VersionMismatch);
    assert_eq!(operator.delete(&app, &path).await.status, 204);
    operator.get(&app, &path).await.refusal(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_client_gets_tokens_with_what_the_api_answered_until_it_is_disabled() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let made = operator.post(&app, PATH, json!({ "name": "New" })).await.success(201);
    let id = made["client_id"].as_str().unwrap();
    let api = app.resource_server(crate::support::api("https://third.test", "s")).await;
    let grant = json!({ "resource_server_id": api.id.as_str(), "scope": "s" });
    operator.post(&app, &format!("{PATH}/{id}/grants"), grant).await.success(201);
    let client = TestClient {
        id: id.try_into().unwrap(),
        secret: made["client_secret"].as_str().unwrap().to_owned(),
        credential_id: countersign::ids::CredentialId::from_stored(made["credential_id"].as_str().unwrap()),
    };
    assert_eq!(app.ask(&client, "").await.token().claim("cred"), client.credential_id.as_str());
    let disabled = operator.post(&app, &format!("{PATH}/{id}/disable"), Value::Null).await;
    assert_eq!(disabled.success(200)["disabled_at"], "2027-01-15T08:00:00.750Z");
    app.ask(&client, "").await.assert_client_refused(ErrorCode::ClientAuthenticationFailed, true);
    // Twice is once.
    app.clock.advance_seconds(5);
    let again = operator.post(&app, &format!("{PATH}/{id}/disable"), Value::Null).await;
    assert_eq!((again.success(200), again.etag()), (disabled.json(), disabled.etag()));
    operator.post(&app, &format!("{PATH}/{id}/enable"), Value::Null).await.success(200);
    app.ask(&client, "").await.token();
}

#[tokio::test]
async fn an_entity_tag_is_the_same_on_every_node_at_once() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let other = app.second_node().await;
    let path = format!("{PATH}/client-a");
    operator.get(&other, &path).await.success(200);
    let changed = operator.patch(&app, &path, json!({ "name": "Changed" })).await;
    let shown = operator.get(&other, &path).await;
    assert_eq!((shown.success(200), shown.etag()), (changed.success(200), changed.etag()));
    operator.patch_if(&other, &path, shown.etag(), json!({ "name": "Again" })).await.success(200);
}

#[tokio::test]
async fn of_two_changes_of_one_version_one_is_made() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let other = app.second_node().await;
    let path = format!("{PATH}/client-a");
    for _ in 0..10 {
        let tag = operator.get(&app, &path).await.etag().to_owned();
        let (one, two) = tokio::join!(
            operator.patch_if(&app, &path, &tag, json!({ "name": "one" })),
            operator.patch_if(&other, &path, &tag, json!({ "name": "two" })),
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
    }
}

#[tokio::test]
async fn values_are_checked_with_a_pointer_to_them() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    for (member, value, pointer) in [
        ("client_id", json!("a b"), "/client_id"),
        ("name", json!(""), "/name"),
        ("token_endpoint_auth_method", json!("client_secret_jwt"), "/token_endpoint_auth_method"),
        ("external_id", json!(""), "/external_id"),
        ("metadata", json!({ "x": "y".repeat(5_000) }), "/metadata"),
    ] {
        let mut body = json!({ "name": "x" });
        body[member] = value.clone();
        operator.post(&app, PATH, body).await.refused_member(pointer);
        operator.patch(&app, &format!("{PATH}/client-a"), json!({ member: value })).await.refused_member(pointer);
    }
    let nowhere = json!({ "name": "x", "organization_id": "org_unknown" });
    operator.post(&app, PATH, nowhere).await.refusal(404, ErrorCode::NotFound);
    operator.post(&app, PATH, json!({ "name": "x", "client_id": "client-a" })).await.refusal(409, ErrorCode::AlreadyExists);
}

#[tokio::test]
async fn clients_are_found_by_what_their_owners_call_them() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let organization = app.organization("Partner").await;
    let partner = app.caller("partner-1", &every_right(), Some(&organization)).await;
    let mut ids = Vec::new();
    for caller in [&operator, &operator, &partner] {
        let made = caller.post(&app, "/clients", json!({ "name": "x", "external_id": "crm-7" })).await.success(201);
        ids.push(made["client_id"].as_str().unwrap().to_owned());
        app.clock.advance_seconds(1);
    }
    let found = async |caller: &Caller, query: &str| {
        let list = caller.get(&app, &format!("/clients?external_id=crm-7{query}")).await.success(200);
        let ids: Vec<String> =
            list["items"].as_array().unwrap().iter().map(|item| item["client_id"].as_str().unwrap().to_owned()).collect();
        (ids, list["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(found(&operator, "").await.0, ids);
    assert_eq!(found(&partner, "").await.0, ids[2..]);
    let (first, cursor) = found(&operator, "&limit=2").await;
    let cursor = cursor.unwrap();
    let rest = found(&operator, &format!("&cursor={cursor}")).await.0;
    assert_eq!((first.as_slice(), rest.as_slice()), ids.split_at(2));
    // It is one of this list alone.
    operator.get(&app, &format!("/clients?cursor={cursor}")).await.refusal(400, ErrorCode::QueryInvalid);
    operator.get(&app, "/clients?name=x").await.refusal(400, ErrorCode::QueryInvalid);
    assert!(operator.get(&app, "/clients?external_id=crm-8").await.success(200)["items"].as_array().unwrap().is_empty());
}
