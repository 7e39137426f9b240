//! How API keys were used: counted on every node, summed up for whoever may see the keys.

use std::sync::Arc;

use countersign::api_keys::{self, VerifyRequest};
use countersign::config::UsageConfig;
use countersign::jobs;
use countersign_protocol::{ErrorCode, Secret};
use serde_json::{Value, json};

use super::ENGINE;
use super::keys::{Keys, path_of};
use crate::support::{API1, CapturedLog, Managed, Setup, every_right, every_right_but};

impl Keys {
    /// The sums that a query finds, piece by piece.
    async fn usage(&self, query: &str) -> Value {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let piece = self.get(&format!("/key-usage?limit=2{cursor}&{query}")).await.success(200);
            items.extend(piece["items"].as_array().unwrap().clone());
            match piece["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Value::Array(items),
            }
        }
    }

    async fn total(&self, query: &str) -> i64 {
        let found = self.usage(&format!("group_by=outcome&{query}")).await;
        found.as_array().unwrap().iter().map(|sum| sum["requests"].as_i64().unwrap()).sum()
    }
}

#[tokio::test]
async fn verdicts_are_counted_by_time_key_client_resource_server_outcome_and_tag() {
    let keys = Keys::start().await;
    let one = keys.create(json!({ "credits": { "remaining": 5 } })).await;
    let other = keys.create(json!({ "resource_server_id": keys.api2 })).await;
    let (id, other_id) = (one["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    for (cost, tags) in [(3, json!(["path=/orders", "v2", "v2"])), (2, json!(["v2"])), (1, json!([]))] {
        keys.verify(json!({ "key": one["key"], "cost": cost, "tags": tags })).await;
    }
    keys.app.clock.advance_seconds(60);
    keys.verify(json!({ "keys": [{ "key": other["key"], "tags": ["v2"] }, { "key": "nonsense" }] })).await;
    keys.verify(json!({ "key": other["key"], "audience": API1 })).await;

    let (first, second) = ("2027-01-15T08:00:00.000Z", "2027-01-15T08:01:00.000Z");
    let expected = json!([
        { "started_at": first, "outcome": "USAGE_EXCEEDED", "requests": 1, "credits": 0 },
        { "started_at": first, "outcome": "VALID", "requests": 2, "credits": 5 },
        { "started_at": second, "outcome": "FORBIDDEN", "requests": 1, "credits": 0 },
        { "started_at": second, "outcome": "NOT_FOUND", "requests": 1, "credits": 0 },
        { "started_at": second, "outcome": "VALID", "requests": 1, "credits": 0 },
    ]);
    assert_eq!(keys.usage("interval=minute").await, expected);
    let mut by_key = [
        json!({ "key_id": id, "client_id": "client-a", "resource_server_id": keys.api1, "requests": 3, "credits": 5 }),
        json!({ "key_id": other_id, "client_id": "client-a", "resource_server_id": keys.api2, "requests": 2, "credits": 0 }),
    ];
    by_key.sort_by_key(|sum| sum["key_id"].as_str().unwrap().to_owned());
    let unknown = json!({ "key_id": null, "client_id": null, "resource_server_id": null, "requests": 1, "credits": 0 });
    let expected = json!([unknown, by_key[0], by_key[1]]);
    for interval in ["minute", "hour", "day"] {
        assert_eq!(keys.usage(&format!("interval={interval}&group_by=key,client,resource_server")).await, expected);
    }
    let tags = json!([{ "tag": "path=/orders", "requests": 1, "credits": 3 }, { "tag": "v2", "requests": 3, "credits": 5 }]);
    assert_eq!(keys.usage("group_by=tag").await, tags);
    for (query, requests) in [
        (format!("key_id={id}"), 3),
        (format!("key_id={id}&client_id=nobody"), 0),
        ("client_id=client-a".to_owned(), 5),
        (format!("resource_server_id={}", keys.api2), 2),
        ("outcome=NOT_FOUND".to_owned(), 1),
        ("tag=v2".to_owned(), 3),
        (format!("tag=v2&key_id={id}"), 2),
        ("interval=minute&to=2027-01-15T08:01:00Z".to_owned(), 3),
        ("interval=minute&from=2027-01-15T08:01:30Z".to_owned(), 3),
        ("to=2027-01-15T00:00:00Z".to_owned(), 0),
    ] {
        assert_eq!(keys.total(&query).await, requests, "{query}");
    }
}

#[tokio::test]
async fn the_usage_of_keys_of_all_nodes_adds_up_to_exactly_what_happened() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let other = keys.app.second_node().await;
    for round in 0..6 {
        for node in [&keys.app, &other] {
            keys.operator.post(node, "/keys/verify", json!({ "key": made["key"], "tags": ["a"] })).await.success(200);
            if round % 2 == 0 {
                jobs::write_key_usage(&node.app).await.unwrap();
            }
        }
    }
    let (one, two) = tokio::join!(jobs::write_key_usage(&keys.app.app), jobs::write_key_usage(&other.app));
    one.and(two).unwrap();
    for interval in ["minute", "hour", "day"] {
        assert_eq!(keys.total(&format!("interval={interval}")).await, 12);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_of_the_same_moment_as_a_write_are_counted_once() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let text = made["key"].as_str().unwrap();
    let verifications: Vec<_> = (0..64)
        .map(|_| {
            let (app, asked) = (Arc::clone(&keys.app.app), VerifyRequest::of(Secret::new(text.to_owned())));
            tokio::spawn(async move { api_keys::verify(&app, asked).await.unwrap() })
        })
        .collect();
    for verification in verifications {
        jobs::write_key_usage(&keys.app.app).await.unwrap();
        assert!(verification.await.unwrap().is_valid());
    }
    assert_eq!(keys.total("interval=minute").await, 64);
}

#[tokio::test]
async fn usage_of_keys_that_cannot_be_written_is_written_later() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    keys.code(&made["key"]).await;
    keys.app.database.execute("ALTER TABLE key_usage RENAME TO key_usage_elsewhere").await;
    assert!(jobs::write_key_usage(&keys.app.app).await.is_err());
    keys.code(&made["key"]).await;
    keys.app.database.execute("ALTER TABLE key_usage_elsewhere RENAME TO key_usage").await;
    assert_eq!(keys.total("").await, 2);
}

#[tokio::test]
async fn a_verification_costs_no_write_for_its_usage() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let written = "countersign_store_statements_total{operation=\"write\"}";
    let before = keys.app.scrape().await.value(written);
    for _ in 0..20 {
        keys.verify(json!({ "key": made["key"], "tags": ["a"] })).await;
    }
    assert_eq!(keys.app.scrape().await.value(written), before);
    jobs::write_key_usage(&keys.app.app).await.unwrap();
    // Minute, hour and day, of all requests and of the tag.
    assert_eq!(keys.app.scrape().await.value(written), before + 6.0);
}

#[tokio::test]
async fn tags_without_number_are_told_of_when_they_are_not_counted() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    let log = CapturedLog::start();
    for round in 0..9 {
        let question = |number| {
            let tags: Vec<String> = (0..20).map(|tag| format!("{round}-{number}-{tag}")).collect();
            json!({ "key": made["key"], "tags": tags })
        };
        keys.verify(json!({ "keys": (0..100).map(question).collect::<Vec<_>>() })).await;
    }
    jobs::write_key_usage(&keys.app.app).await.unwrap();
    let lost = 9.0 * 2_000.0 + 1.0 - 2_048.0;
    assert_eq!(keys.app.scrape().await.value("countersign_key_usage_not_counted_total"), lost);
    assert_eq!(log.text().matches("the usage of API keys lacks some counts").count(), 1);
    // All requests are counted nevertheless.
    assert_eq!(keys.total("").await, 900);
}

#[tokio::test]
async fn usage_outlives_its_key_and_each_interval_is_kept_for_its_time() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    keys.code(&made["key"]).await;
    assert_eq!(keys.operator.delete(&keys.app, &path_of(&made)).await.status, 204);
    assert_eq!(keys.total(&format!("key_id={}", made["id"].as_str().unwrap())).await, 1);
    let kept = async || keys.app.database.count("SELECT count(*) FROM key_usage").await;
    for (seconds, rows) in [(24 * 3_600, 3), (60, 2), (29 * 86_400, 2), (3_600, 1), (370 * 86_400 - 3_660, 1), (86_400, 0)] {
        keys.app.clock.advance_seconds(seconds);
        jobs::delete_old_key_usage(&keys.app.app).await.unwrap();
        assert_eq!(kept().await, rows, "{seconds}");
    }
}

#[tokio::test]
async fn an_interval_that_is_not_kept_is_not_counted_and_that_is_said() {
    let usage = UsageConfig { key_minutes_keep_hours: 0, ..UsageConfig::default() };
    let keys = Keys::of(Managed::start_with(ENGINE, Setup { usage, ..Setup::default() }).await).await;
    let made = keys.create(json!({})).await;
    keys.code(&made["key"]).await;
    assert_eq!((keys.total("interval=hour").await, keys.total("interval=day").await), (1, 1));
    assert_eq!(keys.app.database.count("SELECT count(*) FROM key_usage").await, 2);
    let refused = keys.get("/key-usage?interval=minute").await;
    refused.refusal(400, ErrorCode::QueryInvalid);
    assert!(refused.text().contains("not counted"), "{refused:?}");
}

#[tokio::test]
async fn an_organization_sees_the_usage_of_its_own_keys_alone() {
    let keys = Keys::start().await;
    let made = keys.create(json!({})).await;
    keys.code(&made["key"]).await;
    keys.code(&json!("nonsense")).await;
    let organization = keys.app.organization("Partner").await;
    let partner = keys.app.caller("partner-1", &every_right(), Some(&organization)).await;
    let seen = async |query: &str| partner.get(&keys.app, &format!("/key-usage?{query}")).await.success(200)["items"].clone();
    assert_eq!(seen("").await, json!([]));
    assert_eq!(seen(&format!("key_id={}", made["id"].as_str().unwrap())).await, json!([]));
    assert_eq!(seen("client_id=client-a").await, json!([]));
    // What it asks about another's key is nobody's usage.
    partner.post(&keys.app, "/keys/verify", json!({ "key": made["key"] })).await.success(200);
    assert_eq!((keys.total("outcome=VALID").await, keys.total("outcome=NOT_FOUND").await), (1, 2));
    keys.operator.patch(&keys.app, "/clients/client-a", json!({ "organization_id": organization.as_str() })).await.success(200);
    assert_eq!(seen("group_by=outcome").await, json!([{ "outcome": "VALID", "requests": 1, "credits": 0 }]));
}

#[tokio::test]
async fn what_cannot_be_asked_of_usage_is_refused() {
    let keys = Keys::start().await;
    for query in [
        "interval=week",
        "from=yesterday",
        "to=1",
        "from=2027-01-15T00:00:00Z&to=2027-01-15T00:00:00Z",
        "outcome=valid",
        "group_by=",
        "group_by=time,day",
        "group_by=tag%20",
        "limit=0",
        "cursor=x",
        "days=3",
        "key_id=a&key_id=b",
    ] {
        keys.get(&format!("/key-usage?{query}")).await.refusal(400, ErrorCode::QueryInvalid);
    }
    let blind = keys.app.caller("blind-1", &every_right_but(&["keys:read"]), None).await;
    blind.get(&keys.app, "/key-usage").await.refusal(403, ErrorCode::InsufficientScope);
    let made = keys.create(json!({})).await;
    for tags in [json!([""]), json!(["a\u{0}"]), json!([&"a".repeat(129)]), json!(vec!["a"; 21])] {
        keys.post("/keys/verify", json!({ "key": made["key"], "tags": tags })).await.refused_member("/tags");
    }
    keys.post("/keys/verify", json!({ "keys": [{ "key": made["key"] }], "tags": ["a"] })).await.refused_member("/tags");
}
