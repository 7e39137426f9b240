//! What clients did: counted on every node, shown to whoever may see the client.

use countersign::clients;
use countersign::jobs;
use countersign::revocation;
use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{API1, API2, Caller, CapturedLog, Managed, TestApp, by, every_right};

async fn usage(app: &TestApp, caller: &Caller, query: &str) -> Value {
    // The clock has moved: the caller needs a token of now.
    let caller = Caller { token: app.management_token(&caller.client).await, ..caller.clone() };
    caller.get(app, &format!("/clients/client-a/usage{query}")).await.success(200)
}

fn counts(of: &Value) -> [i64; 4] {
    ["issued", "reused", "needless", "refused"].map(|name| of[name].as_i64().unwrap())
}

#[tokio::test]
async fn tokens_and_refusals_are_counted_by_credential_resource_server_code_and_day() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let second = clients::create_secret(&app.app, &by(), &a.id, "second").await.unwrap();
    let other = crate::support::TestClient {
        secret: second.text.expose().clone(),
        credential_id: second.credential.id.clone(),
        ..a.clone()
    };
    app.ask(&a, &format!("audience={API1}&scope=list:users")).await.token();
    app.ask(&other, &format!("audience={API1}")).await.token();
    app.ask(&a, &format!("audience={API2}")).await;
    app.post("/oauth/token").basic("client-a", "wrong").form("grant_type=client_credentials").send().await;
    app.clock.advance_seconds(86_400);
    app.ask(&a, &format!("audience={API1}")).await.token();

    let found = usage(&app, &operator, "").await;
    let api1 = app.api(API1).id.to_string();
    let expected = json!({
        "client_id": "client-a",
        "since": "2026-12-18T00:00:00.000Z",
        "last_seen_at": "2027-01-16T08:00:00.750Z",
        "issued": 3, "reused": 0, "needless": 0, "refused": 2,
        "refusals": [
            { "code": "CS-2001", "requests": 1, "last_at": "2027-01-15T08:00:00.750Z" },
            { "code": "CS-2109", "requests": 1, "last_at": "2027-01-15T08:00:00.750Z" },
        ],
        "resource_servers": [{
            "resource_server_id": api1, "audience": API1, "issued": 3, "reused": 0, "needless": 0, "refused": 0,
            "needless_since": null, "needless_last_at": null,
        }],
        "days": [
            { "day": "2027-01-15", "issued": 2, "reused": 0, "needless": 0, "refused": 2 },
            { "day": "2027-01-16", "issued": 1, "reused": 0, "needless": 0, "refused": 0 },
        ],
        "credentials": found["credentials"],
    });
    assert_eq!(found, expected);
    let of = |id: Value| found["credentials"].as_array().unwrap().iter().find(|one| one["credential_id"] == id).unwrap();
    assert_eq!(counts(of(a.credential_id.as_str().into())), [2, 0, 0, 1]);
    assert_eq!(of(a.credential_id.as_str().into())["last_seen_at"], "2027-01-16T08:00:00.750Z");
    assert_eq!(counts(of(other.credential_id.as_str().into())), [1, 0, 0, 0]);
    assert_eq!((counts(of(Value::Null)), &of(Value::Null)["last_seen_at"]), ([0, 0, 0, 1], &Value::Null));

    let today = usage(&app, &operator, "?days=1").await;
    assert_eq!((counts(&today), today["days"].as_array().unwrap().len()), ([1, 0, 0, 0], 1));
    let operator = Caller { token: app.management_token(&operator.client).await, ..operator };
    for query in ["?days=0", "?days=3661", "?days=x", "?days=1&days=1", "?x=1"] {
        operator.get(&app, &format!("/clients/client-a/usage{query}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
}

#[tokio::test]
async fn the_counters_of_all_nodes_add_up_to_exactly_what_happened() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let other = app.second_node().await;
    for round in 0..5 {
        for node in [&app, &other] {
            node.ask(&a, &format!("audience={API1}")).await.token();
            node.ask(&a, "scope=admin:all").await;
            if round % 2 == 0 {
                jobs::write_usage(&node.app).await.unwrap();
            }
        }
    }
    let (one, two) = tokio::join!(jobs::write_usage(&app.app), jobs::write_usage(&other.app));
    one.and(two).unwrap();
    let found = usage(&other, &operator, "").await;
    assert_eq!((found["issued"].as_i64(), found["refused"].as_i64()), (Some(10), Some(10)));
}

#[tokio::test]
async fn what_cannot_be_written_is_written_later() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    app.ask(&a, &format!("audience={API1}")).await.token();
    app.database.execute("ALTER TABLE client_usage RENAME TO client_usage_elsewhere").await;
    assert!(jobs::write_usage(&app.app).await.is_err());
    app.ask(&a, "scope=admin:all").await;
    app.database.execute("ALTER TABLE client_usage_elsewhere RENAME TO client_usage").await;
    assert_eq!(counts(&usage(&app, &operator, "").await), [1, 0, 0, 1]);
}

#[tokio::test]
async fn a_token_costs_no_write_for_its_counters() {
    let Managed { app, a, .. } = Managed::start(ENGINE).await;
    jobs::write_usage(&app.app).await.unwrap();
    let written = "countersign_store_statements_total{operation=\"write\"}";
    let before = app.scrape().await.value(written);
    for _ in 0..20 {
        app.ask(&a, &format!("audience={API1}")).await.token();
    }
    assert_eq!(app.scrape().await.value(written), before);
    jobs::write_usage(&app.app).await.unwrap();
    // One row for the tokens, and one for those that were not needed.
    assert_eq!(app.scrape().await.value(written), before + 2.0);
}

#[tokio::test]
async fn a_client_that_is_deleted_leaves_no_counters_and_stops_no_others() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let gone = app.caller("gone-1", &every_right(), None).await;
    app.ask(&a, &format!("audience={API1}")).await.token();
    clients::delete(&app.app, &by(), &gone.client.id, None).await.unwrap();
    assert_eq!(usage(&app, &operator, "").await["issued"], 1);
    app.ask(&a, &format!("audience={API1}")).await.token();
    jobs::write_usage(&app.app).await.unwrap();
    clients::delete(&app.app, &by(), &a.id, None).await.unwrap();
    assert_eq!(app.database.count("SELECT count(*) FROM client_usage WHERE client_id IN ('client-a', 'gone-1')").await, 0);
}

#[tokio::test]
async fn counters_of_days_long_ago_are_deleted() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    app.ask(&a, &format!("audience={API1}")).await.token();
    jobs::write_usage(&app.app).await.unwrap();
    let count = "SELECT count(*) FROM client_usage WHERE client_id = 'client-a'";
    app.clock.advance_seconds(90 * 86_400);
    jobs::delete_old_usage(&app.app).await.unwrap();
    assert_eq!(app.database.count(count).await, 1);
    app.clock.advance_seconds(86_400);
    jobs::delete_old_usage(&app.app).await.unwrap();
    assert_eq!(app.database.count(count).await, 0);
    drop(operator);
}

#[tokio::test]
async fn a_client_that_asks_for_a_token_that_it_holds_is_reported() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let log = CapturedLog::start();
    let ask = async |parameters: &str| app.ask(&a, &format!("audience={API1}{parameters}")).await.token();
    ask("").await;
    app.clock.advance_seconds(400);
    // Most of the life of the first is over.
    ask("").await;
    // Something else.
    ask("&scope=list:users").await;
    assert_eq!(counts(&usage(&app, &operator, "").await), [3, 0, 0, 0]);
    for _ in 0..40 {
        app.clock.advance_seconds(1);
        ask("").await;
    }
    let scrape = app.scrape().await;
    assert_eq!(scrape.value("countersign_needless_token_requests_total"), 40.0);
    let found = usage(&app, &operator, "").await;
    assert_eq!(counts(&found), [43, 0, 40, 0]);
    let api = &found["resource_servers"][0];
    assert_eq!((&api["audience"], &api["needless"]), (&json!(API1), &json!(40)));
    assert_eq!(api["needless_since"], "2027-01-15T08:06:41.750Z");
    assert_eq!(api["needless_last_at"], "2027-01-15T08:07:20.750Z");
    let lines = log.text().lines().filter(|line| line.contains("asks again and again") && line.contains("client-a")).count();
    assert_eq!(lines, 1);
}

#[tokio::test]
async fn whoever_lost_its_token_is_not_reported() {
    let Managed { app, a, operator } = Managed::start(ENGINE).await;
    let ask = async || app.ask(&a, &format!("audience={API1}")).await.token();
    ask().await;
    revocation::revoke_subject(&app.app, &by(), "client-a").await.unwrap();
    app.clock.advance_seconds(2);
    let token = ask().await.text;
    app.token_request("/oauth/revoke", &a, &format!("token={token}")).send().await;
    ask().await;
    assert_eq!(counts(&usage(&app, &operator, "").await), [3, 0, 0, 0]);
}
