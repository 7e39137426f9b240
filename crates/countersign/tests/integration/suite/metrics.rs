//! `GET /metrics`, on a listener of its own.

use std::collections::BTreeMap;

use countersign::config::BudgetsConfig;
use countersign::jobs;
use countersign::metrics::reference_markdown;
use countersign_protocol::jose::Algorithm;
use http::{Method, StatusCode};

use super::ENGINE;
use crate::support::{API1, Fixture, Setup, TestApp, api};

#[tokio::test]
async fn every_documented_family_appears_after_one_request_of_each_kind() {
    let budgets = BudgetsConfig { client_failures_per_minute: 1, ..BudgetsConfig::default() };
    let Fixture { app, a, .. } = Fixture::start_with(ENGINE, Setup { budgets, ..Setup::default() }).await;
    assert_eq!(app.ask(&a, &format!("audience={API1}")).await.status, StatusCode::OK);
    assert_eq!(app.post("/oauth/token").basic("client-a", "wrong").form("grant_type=client_credentials").send().await.status, 401);
    jobs::warn_of_expiry(&app.app, &[]).await.unwrap();
    let scrape = app.scrape().await;

    let mut documented = BTreeMap::new();
    for section in reference_markdown().split("\n## `").skip(1) {
        let (name, text) = section.split_once("`\n\n").unwrap();
        let (first, help) = text.split_once(' ').unwrap().1.split_once(". ").unwrap();
        let (kind, labels) = first.split_once("; labels ").unwrap_or((first, ""));
        let labels: Vec<String> =
            labels.split(", ").filter(|label| !label.is_empty()).map(|label| label.replace('`', "")).collect();
        let name = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
        documented.insert(name.to_owned(), (kind.to_owned(), labels, help.trim_end().to_owned()));
    }
    assert_eq!(scrape.families.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
    for (name, family) in &scrape.families {
        let (kind, labels, help) = &documented[name];
        assert_eq!((&family.kind, &family.help), (kind, help), "{name}");
        let mut labels = labels.clone();
        labels.sort();
        assert_eq!(family.labels.iter().cloned().collect::<Vec<_>>(), labels, "{name}");
        assert!(scrape.count(name) > 0, "{name}");
    }
}

#[tokio::test]
async fn tokens_and_refusals_are_counted() {
    let Fixture { app, a, .. } = Fixture::start(ENGINE).await;
    for _ in 0..3 {
        app.ask(&a, &format!("audience={API1}")).await;
    }
    app.ask(&a, "audience=https://unknown.test").await;
    app.post("/oauth/token").basic("client-a", "wrong").form("grant_type=client_credentials").send().await;
    app.post("/oauth/token").send().await;
    let scrape = app.scrape().await;
    let issued =
        r#"countersign_tokens_issued_total{authorization_server="default",grant_type="client_credentials",algorithm="ES256"}"#;
    assert_eq!(scrape.value(issued), 3.0);
    for code in ["CS-2109", "CS-2001", "CS-2103"] {
        assert_eq!(scrape.value(&format!("countersign_refusals_total{{route=\"/oauth/token\",code=\"{code}\"}}")), 1.0, "{code}");
    }
    let requests =
        |status| format!("countersign_http_requests_total{{route=\"/oauth/token\",method=\"POST\",status=\"{status}\"}}");
    assert_eq!((scrape.value(&requests("2xx")), scrape.value(&requests("4xx"))), (3.0, 3.0));
    let count = r#"countersign_http_request_duration_seconds_count{route="/oauth/token",method="POST"}"#;
    assert_eq!(scrape.value(count), 6.0);
    assert_eq!(scrape.value(r#"countersign_client_cache_lookups_total{result="miss"}"#), 1.0);
    assert_eq!(scrape.value(r#"countersign_client_cache_lookups_total{result="hit"}"#), 4.0);
}

#[tokio::test]
async fn l178_a_caller_makes_no_series() {
    let app = TestApp::start(ENGINE).await;
    app.get("/health/live").send().await;
    let before = app.scrape().await.count("countersign_http_requests_total");
    for number in 0..50 {
        app.get(&format!("/made-up-{number}")).send().await;
        app.request(Method::from_bytes(format!("MADE{number}").as_bytes()).unwrap(), "/made-up").send().await;
        app.get(&format!("/oauth2/made-up-{number}/v1/keys")).send().await;
    }
    let scrape = app.scrape().await;
    // No route with GET and with another method, and the keys of a mount.
    assert_eq!(scrape.count("countersign_http_requests_total"), before + 3);
    assert!(!scrape.series_text().to_lowercase().contains("made"), "{}", scrape.series_text());
}

#[tokio::test]
async fn the_store_counts_its_work() {
    let app = TestApp::start(ENGINE).await;
    let before = app.scrape().await;
    app.client("client-a").await;
    app.get("/health/ready").send().await;
    let after = app.scrape().await;
    let grown = |series: &str| after.value(series) - before.value(series);
    assert_eq!(grown(r#"countersign_store_operation_duration_seconds_count{operation="write"}"#), 1.0);
    assert_eq!(grown(r#"countersign_store_operation_duration_seconds_count{operation="read"}"#), 1.0);
    assert_eq!(grown("countersign_store_commit_group_size_count"), 1.0);
    assert!(grown(r#"countersign_store_statements_total{operation="write"}"#) >= 2.0);
    assert_eq!(grown(r#"countersign_store_failures_total{kind="unavailable"}"#), 0.0);
}

#[tokio::test]
async fn a_failing_database_is_counted() {
    let Fixture { app, .. } = Fixture::start(ENGINE).await;
    app.database.execute("ALTER TABLE clients RENAME TO clients_gone").await;
    app.post("/oauth/token").basic("client-a", "wrong").form("grant_type=client_credentials").send().await;
    let scrape = app.scrape().await;
    let failed = |kind| scrape.value(&format!("countersign_store_failures_total{{kind=\"{kind}\"}}"));
    assert!(failed("unavailable") + failed("internal") >= 1.0);
    assert_eq!(scrape.value(r#"countersign_refusals_total{route="/oauth/token",code="CS-9001"}"#), 1.0);
}

#[tokio::test]
async fn the_lag_grows_while_the_feed_is_not_read() {
    let app = TestApp::start(ENGINE).await;
    assert_eq!(app.scrape().await.value("countersign_change_feed_lag_seconds"), 0.0);
    let mut follower = countersign::change_feed::Follower::start(app.app.clone(), std::time::Duration::from_secs(1)).await.unwrap();
    app.clock.advance_seconds(7);
    assert_eq!(app.scrape().await.value("countersign_change_feed_lag_seconds"), 7.0);
    app.client("client-a").await;
    follower.catch_up().await.unwrap();
    let scrape = app.scrape().await;
    assert_eq!(scrape.value("countersign_change_feed_lag_seconds"), 0.0);
    assert!(scrape.value("countersign_change_feed_position") >= 1.0);
}

#[tokio::test]
async fn l179_the_public_listener_serves_no_metrics() {
    let app = TestApp::start(ENGINE).await;
    for path in [
        "/metrics",
        "/metrics/",
        "/debug",
        "/health",
        "/health/metrics",
        "/health/live/..",
        "/health/../manage/v1/clients",
        "//metrics",
    ] {
        assert_eq!(app.get(path).send().await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn an_rsa_signature_has_a_wait() {
    let app = TestApp::start(ENGINE).await;
    app.authorization_server("default", Algorithm::RS256, None).await;
    let api = app.resource_server(api(API1, "list:users")).await;
    let client = app.client("client-a").await;
    app.grant(&client, &api, "list:users").await;
    app.ask(&client, &format!("audience={API1}")).await;
    let scrape = app.scrape().await;
    assert_eq!(scrape.value("countersign_signing_queue_wait_seconds_count"), 1.0);
}
