//! `/manage/v1/audit`, and what it says of the API's own changes.

use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{CapturedLog, Managed, every_right};

async fn last(managed: &Managed) -> Value {
    managed.operator.all(&managed.app, "/audit/events", 200).await.pop().unwrap()
}

#[tokio::test]
async fn an_event_says_who_did_what_from_where_and_in_which_request() {
    let managed = Managed::start(ENGINE).await;
    let answer = managed.operator.patch(&managed.app, "/clients/client-a", json!({ "name": "Renamed" })).await;
    let event = last(&managed).await;
    for (member, value) in [
        ("actor_kind", json!("client")),
        ("actor_id", json!("operator-1")),
        ("request_id", json!(answer.header("x-request-id"))),
        ("source_address", json!("198.51.100.1")),
        ("action", json!("client.updated")),
        ("object_kind", json!("client")),
        ("object_id", json!("client-a")),
        ("organization_id", Value::Null),
        ("details", json!({ "changed": "name" })),
        ("occurred_at", json!("2027-01-15T08:00:00.750Z")),
    ] {
        assert_eq!(event[member], value, "{event}");
    }
}

#[tokio::test]
async fn a_refused_change_leaves_no_event() {
    let managed = Managed::start(ENGINE).await;
    let before = last(&managed).await;
    let (app, operator) = (&managed.app, &managed.operator);
    operator.patch(app, "/clients/client-a", json!({ "name": "" })).await.refused_member("/name");
    operator.patch_if(app, "/clients/client-a", "\"99\"", json!({ "name": "x" })).await;
    operator.delete(app, "/authorization-servers/default").await;
    operator.post(app, "/clients", json!({ "name": "x", "client_id": "client-a" })).await;
    assert_eq!(last(&managed).await, before);
}

#[tokio::test]
async fn l178_no_secret_reaches_the_log_the_audit_log_or_the_kept_replies() {
    let managed = Managed::start(ENGINE).await;
    let (app, operator) = (&managed.app, &managed.operator);
    let log = CapturedLog::start();
    let request = operator.request(app, http::Method::POST, "/clients").header("idempotency-key", "key-1");
    let made = request.json(&json!({ "name": "Noted" })).send().await.success(201);
    let secret = made["client_secret"].as_str().unwrap();
    let events = operator.all(app, "/audit/events", 200).await;
    let database = app.database.everything().await;
    let within = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(within(&database, "Noted") && log.text().contains("/manage/v1/clients"));
    // Not even its random part.
    for text in [secret, &secret[17..60], operator.token.as_str()] {
        assert!(!within(&database, text));
        assert!(!log.text().contains(text));
        assert!(!json!(events).to_string().contains(text));
    }
}

#[tokio::test]
async fn a_partner_reads_the_events_of_its_own_clients_with_their_grants() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let own = app.organization("Own").await;
    let partner = app.caller("partner-1", &every_right(), Some(&own)).await;
    let made = partner.post(&app, "/clients", json!({ "name": "x" })).await.success(201);
    let id = made["client_id"].as_str().unwrap();
    let grant = json!({ "resource_server_id": "rs_management", "scope": "clients:read" });
    let grant = partner.post(&app, &format!("/clients/{id}/grants"), grant).await.success(201);
    operator.post(&app, &format!("/clients/{id}/disable"), Value::Null).await.success(200);
    operator.patch(&app, "/clients/client-a", json!({ "name": "x" })).await.success(200);
    let events = partner.all(&app, "/audit/events", 2).await;
    let seen: Vec<(&str, &str)> =
        events.iter().map(|event| (event["action"].as_str().unwrap(), event["object_id"].as_str().unwrap())).collect();
    let own_grant = events[2]["object_id"].as_str().unwrap();
    assert_eq!(
        seen,
        [
            ("organization.created", own.as_str()),
            ("client.created", "partner-1"),
            ("grant.created", own_grant),
            ("client.created", id),
            ("grant.created", grant["id"].as_str().unwrap()),
            ("client.disabled", id),
        ]
    );
}

#[tokio::test]
async fn the_chain_is_verified_and_tampering_is_told() {
    let Managed { app, operator, .. } = Managed::start(ENGINE).await;
    let whole = operator.get(&app, "/audit/verification").await.success(200);
    assert_eq!((&whole["whole"], &whole["fault"]), (&json!(true), &Value::Null));
    app.database.execute("UPDATE audit_events SET actor_id = 'someone' WHERE seq = 2").await;
    let broken = operator.get(&app, "/audit/verification").await.success(200);
    assert_eq!(broken["whole"], false);
    assert!(broken["fault"].as_str().unwrap().contains("event 2 was changed"), "{broken}");
}
