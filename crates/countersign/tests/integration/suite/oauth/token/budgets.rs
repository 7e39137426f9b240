//! Budgets (CS-2050, CS-2051): who waits, and who never does because of somebody else.

use countersign::config::{BudgetsConfig, Network, TrustedProxies};
use countersign_protocol::ErrorCode;
use http::StatusCode;

use super::ENGINE;
use crate::support::{API1, Answer, CapturedLog, Fixture, Setup, TestApp, TestClient};

const ATTACKER: &str = "203.0.113.66";
const ELSEWHERE: &str = "198.51.100.7";

const BUDGETS: BudgetsConfig = BudgetsConfig {
    client_failures_per_minute: 10,
    source_failures_per_minute: 30,
    client_requests_per_second: 0,
    source_requests_per_second: 0,
};

async fn fixture(budgets: BudgetsConfig) -> Guarded {
    guarded(Setup { budgets, ..Setup::default() }).await
}

async fn guarded(setup: Setup) -> Guarded {
    let Fixture { app, a, b, .. } = Fixture::start_with(ENGINE, setup).await;
    Guarded { app, a, b }
}

/// A fixture with budgets.
struct Guarded {
    app: TestApp,
    a: TestClient,
    b: TestClient,
}

impl Guarded {
    async fn ask_a(&self) -> Answer {
        self.attempt(ELSEWHERE, self.a.id.as_str(), &self.a.secret).await
    }

    async fn attempt(&self, source: &str, id: &str, secret: &str) -> Answer {
        let form = format!("grant_type=client_credentials&audience={API1}");
        self.app.post("/oauth/token").from(source).basic(id, secret).form(form).send().await
    }

    async fn attempt_right(&self, source: &str, client: &TestClient) -> StatusCode {
        self.attempt(source, client.id.as_str(), &client.secret).await.status
    }

    /// Fails as often as it is let; says how often that was.
    async fn fail_until_refused(&self, source: &str, id: &str) -> (usize, Answer) {
        for failed in 0..1_000 {
            let answer = self.attempt(source, id, "wrong").await;
            if answer.status != StatusCode::UNAUTHORIZED {
                return (failed, answer);
            }
        }
        panic!("never refused");
    }
}

#[tokio::test]
async fn r07_a_clock_that_is_set_back_keeps_nobody_out_for_longer() {
    let fixture = fixture(BUDGETS).await;
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    fixture.app.clock.advance_seconds(-300);
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.a).await, StatusCode::OK);
}

#[tokio::test]
async fn a14_failures_from_one_address_do_not_lock_out_the_client_elsewhere() {
    let fixture = fixture(BUDGETS).await;
    let (failed, refused) = fixture.fail_until_refused(ATTACKER, "client-a").await;
    assert_eq!(failed, 10);
    refused.assert_over_budget(ErrorCode::TooManyFailures, "6");
    assert_eq!(fixture.attempt_right(ELSEWHERE, &fixture.a).await, StatusCode::OK);
    // Guessing stops, also for the right guess.
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.a).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a14_an_attacker_behind_the_same_address_does_not_lock_out_other_clients() {
    let fixture = fixture(BUDGETS).await;
    // In memory, as every client that asks now and then.
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.b).await, StatusCode::OK);
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    for made_up in 0..40 {
        fixture.attempt(ATTACKER, &format!("made-up-{made_up}"), "wrong").await;
    }
    // The address has failed too often with all of them together.
    fixture.attempt(ATTACKER, "made-up-99", "wrong").await.assert_over_budget(ErrorCode::TooManyFailures, "2");
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.b).await, StatusCode::OK);
}

#[tokio::test]
async fn a_flood_of_made_up_clients_does_not_reach_the_database() {
    let fixture = fixture(BUDGETS).await;
    for made_up in 0..30 {
        assert_eq!(fixture.attempt(ATTACKER, &format!("made-up-{made_up}"), "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    let before = fixture.app.app.store.statements_run();
    for made_up in 30..200 {
        let answer = fixture.attempt(ATTACKER, &format!("made-up-{made_up}"), "wrong").await;
        answer.assert_over_budget(ErrorCode::TooManyFailures, "2");
    }
    assert_eq!(fixture.app.app.store.statements_run(), before);
}

#[tokio::test]
async fn the_refusal_does_not_tell_whether_a_client_exists() {
    let fixture = fixture(BUDGETS).await;
    for (known, unknown) in [("client-a", "client-0"), ("client-z", "client-9")] {
        let (of_known, of_unknown) =
            (fixture.fail_until_refused("192.0.2.1", known).await, fixture.fail_until_refused("192.0.2.2", unknown).await);
        assert_eq!(of_known.0, of_unknown.0);
        assert_eq!(of_known.1.body, of_unknown.1.body);
        assert_eq!(of_known.1.comparable_headers(), of_unknown.1.comparable_headers());
    }
    // The same when the address is what failed too often: for a client in memory, one
    // that is not, and none.
    for made_up in 0..40 {
        fixture.attempt(ATTACKER, &format!("made-up-{made_up}"), "wrong").await;
    }
    let (in_memory, not_in_memory, unknown) = (
        fixture.attempt(ATTACKER, "client-a", "wrong").await,
        fixture.attempt(ATTACKER, "client-b", "wrong").await,
        fixture.attempt(ATTACKER, "client-0", "wrong").await,
    );
    unknown.assert_over_budget(ErrorCode::TooManyFailures, "2");
    for known in [in_memory, not_in_memory] {
        assert_eq!(known.body, unknown.body);
        assert_eq!(known.comparable_headers(), unknown.comparable_headers());
    }
}

#[tokio::test]
async fn a14_after_retry_after_there_is_one_more_attempt() {
    let fixture = fixture(BUDGETS).await;
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    fixture.app.clock.advance_seconds(5);
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.a).await, StatusCode::TOO_MANY_REQUESTS);
    fixture.app.clock.advance_seconds(1);
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.a).await, StatusCode::OK);
    assert_eq!(fixture.attempt(ATTACKER, "client-a", "wrong").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.attempt_right(ATTACKER, &fixture.a).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn case_and_the_way_of_sending_do_not_evade_the_budget() {
    let fixture = fixture(BUDGETS).await;
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    let form = format!("grant_type=client_credentials&client_id=client%2Da&client_secret={}", fixture.a.secret);
    let in_body = fixture.app.post("/oauth/token").from(ATTACKER).form(form).send().await;
    assert_eq!(in_body.status, StatusCode::TOO_MANY_REQUESTS);
    // Another id is another client, and none that exists.
    assert_eq!(fixture.attempt(ATTACKER, "CLIENT-A", &fixture.a.secret).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn addresses_of_one_ipv6_subscriber_share_a_budget() {
    let fixture = fixture(BUDGETS).await;
    for host in 0..10 {
        assert_eq!(fixture.attempt(&format!("2001:db8::{host}"), "client-a", "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(fixture.attempt("2001:db8::ffff", "client-a", "wrong").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fixture.attempt("2001:db8:0:1::1", "client-a", "wrong").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_spoofed_x_forwarded_for_neither_evades_nor_fills_a_budget() {
    let proxy = Network::host("10.0.0.1".parse().unwrap());
    let setup = Setup { budgets: BUDGETS, trusted_proxies: TrustedProxies::Networks(vec![proxy]), ..Setup::default() };
    let fixture = guarded(setup).await;
    let attempt = async |peer: &str, forwarded_for: &str| {
        let request = fixture.app.post("/oauth/token").from(peer).header("x-forwarded-for", forwarded_for);
        request.basic("client-a", "wrong").form("grant_type=client_credentials").send().await.status
    };
    for number in 0..10 {
        assert_eq!(attempt(ATTACKER, &format!("192.0.2.{number}")).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(attempt(ATTACKER, "192.0.2.99").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt("10.0.0.1", "192.0.2.1").await, StatusCode::UNAUTHORIZED);
    assert_eq!(attempt("10.0.0.1", &format!("192.0.2.1, {ATTACKER}")).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn only_an_authenticated_client_uses_up_its_requests() {
    let budgets = BudgetsConfig { client_requests_per_second: 2, ..BudgetsConfig::default() };
    let fixture = fixture(budgets).await;
    for _ in 0..100 {
        fixture.attempt(ATTACKER, "client-a", "wrong").await;
    }
    for _ in 0..20 {
        assert_eq!(fixture.attempt_right(ELSEWHERE, &fixture.a).await, StatusCode::OK);
    }
    fixture.ask_a().await.assert_over_budget(ErrorCode::TooManyRequests, "1");
    assert_eq!(fixture.attempt_right(ELSEWHERE, &fixture.b).await, StatusCode::OK);
    fixture.app.clock.advance_millis(500);
    assert_eq!(fixture.attempt_right(ELSEWHERE, &fixture.a).await, StatusCode::OK);
}

#[tokio::test]
async fn one_address_has_a_budget_of_requests() {
    let budgets = BudgetsConfig { source_requests_per_second: 1, ..BudgetsConfig::default() };
    let fixture = fixture(budgets).await;
    for _ in 0..10 {
        assert_eq!(fixture.attempt_right(ELSEWHERE, &fixture.a).await, StatusCode::OK);
    }
    fixture.ask_a().await.assert_over_budget(ErrorCode::TooManyRequests, "1");
    assert_eq!(fixture.attempt_right("192.0.2.1", &fixture.a).await, StatusCode::OK);
}

#[tokio::test]
async fn an_exhausted_budget_is_logged_once_and_counted() {
    let fixture = fixture(BUDGETS).await;
    let log = CapturedLog::start();
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    for _ in 0..9 {
        fixture.attempt(ATTACKER, "client-a", "wrong").await;
    }
    fixture.fail_until_refused("192.0.2.1", "csec_a_secret_in_the_wrong_field").await;
    let events: Vec<_> = log.records().into_iter().filter(|line| line["message"] == "a budget is exhausted").collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        (events[0]["budget"].as_str(), events[0]["source"].as_str(), events[0]["client.id"].as_str()),
        (Some("client_failures"), Some(ATTACKER), Some("client-a"))
    );
    assert!(!log.text().contains("csec_a_secret"), "{}", log.text());
    let scrape = fixture.app.scrape().await;
    assert_eq!(scrape.value(r#"countersign_budget_refusals_total{budget="client_failures"}"#), 11.0);
    assert_eq!(scrape.value(r#"countersign_budgets_exhausted_total{budget="client_failures"}"#), 2.0);
}

#[tokio::test]
async fn introspection_and_revocation_share_the_budget() {
    let fixture = fixture(BUDGETS).await;
    fixture.fail_until_refused(ATTACKER, "client-a").await;
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let ask = async |source: &str| {
            let request = fixture.app.post(path).from(source).basic("client-a", &fixture.a.secret);
            request.form("token=none").send().await
        };
        ask(ATTACKER).await.assert_over_budget(ErrorCode::TooManyFailures, "6");
        assert_eq!(ask(ELSEWHERE).await.status, StatusCode::OK);
    }
}
