//! Where a request comes from, as the log says.

use countersign::config::{Network, TrustedProxies};

use super::ENGINE;
use crate::support::{CapturedLog, Request, Setup, TestApp};

async fn logged_source(request: Request) -> String {
    let log = CapturedLog::start();
    request.send().await;
    log.records().iter().find(|line| line["message"] == "request").unwrap()["source"].as_str().unwrap().to_owned()
}

async fn behind(proxy: &str) -> TestApp {
    behind_proxies(TrustedProxies::Networks(vec![Network::host(proxy.parse().unwrap())])).await
}

async fn behind_proxies(trusted_proxies: TrustedProxies) -> TestApp {
    TestApp::start_with(ENGINE, Setup { trusted_proxies, ..Setup::default() }).await
}

#[tokio::test]
async fn a_trusted_proxy_names_the_source() {
    let app = behind("10.0.0.1").await;
    let request = app.get("/health/live").from("10.0.0.1").header("x-forwarded-for", "203.0.113.9, 192.0.2.7");
    assert_eq!(logged_source(request).await, "192.0.2.7");
}

#[tokio::test]
async fn a_spoofed_x_forwarded_for_of_an_untrusted_peer_is_ignored() {
    let app = behind("10.0.0.1").await;
    let request = app.get("/health/live").from("198.51.100.9").header("x-forwarded-for", "192.0.2.7, 10.0.0.1");
    assert_eq!(logged_source(request).await, "198.51.100.9");
}

#[tokio::test]
async fn behind_so_many_proxies_of_unknown_addresses_the_farthest_names_the_source() {
    let app = behind_proxies(TrustedProxies::Nearest(2)).await;
    let request = app.get("/health/live").from("10.9.9.9").header("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.8.8.8");
    assert_eq!(logged_source(request).await, "192.0.2.7");
}

#[tokio::test]
async fn a_proxy_that_nobody_named_is_warned_of_once() {
    let app = behind("10.0.0.1").await;
    let log = CapturedLog::start();
    app.get("/health/live").from("10.0.0.1").header("x-forwarded-for", "192.0.2.7").send().await;
    assert!(!log.text().contains("trusted_proxies"));
    for _ in 0..3 {
        app.get("/health/live").from("10.0.0.2").header("x-forwarded-for", "192.0.2.7").send().await;
    }
    assert_eq!(log.text().matches("trusted_proxies").count(), 1, "{}", log.text());
}
