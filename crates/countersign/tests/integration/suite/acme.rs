//! Certificates from a certificate authority, for several nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::acme::{Step, Worker};
use countersign::config::AcmeConfig;
use countersign::http::{Listeners, ServeOptions, challenge_router, serve};
use countersign_protocol::Clock as _;
use serde_json::json;
use tokio::sync::watch;

use super::ENGINE;
use crate::support::acme_server::{AcmeServer, LIFE_DAYS};
use crate::support::{CapturedLog, TestApp};

const DAY: i64 = 24 * 60 * 60;

/// A node that answers challenges, and its worker.
struct Node {
    worker: Worker,
    port: u16,
    _stop: watch::Sender<bool>,
}

struct Acme {
    app: TestApp,
    server: AcmeServer,
}

impl Acme {
    async fn start() -> Self {
        let app = TestApp::start(ENGINE).await;
        let server = AcmeServer::start(Arc::clone(&app.clock)).await;
        Self { app, server }
    }

    fn config(&self) -> AcmeConfig {
        AcmeConfig {
            directory_url: self.server.directory_url.clone(),
            directory_ca_file: None,
            contact: vec!["operator@as.test".to_owned()],
            domains: vec!["as.test".to_owned(), "login.test".to_owned()],
            http_listen: Vec::new(),
        }
    }

    async fn node(&self, app: &TestApp) -> Node {
        let listeners = Listeners::loopback(0).await.unwrap();
        let port = listeners.port().unwrap();
        let (stop, stopped) = watch::channel(false);
        let options = ServeOptions {
            header_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(1),
            drain_idle: Duration::ZERO,
        };
        tokio::spawn(serve(listeners, challenge_router(&app.app), options, stopped));
        let worker = Worker::new(Arc::clone(&app.app), self.config(), std::slice::from_ref(&self.server.root)).unwrap();
        Node { worker, port, _stop: stop }
    }

    /// Where the domains lead.
    fn lead_to(&self, node: &Node) {
        self.server.state.port_80.store(node.port, Ordering::SeqCst);
    }
}

impl Node {
    /// How many whole days from now on its certificate is valid.
    fn days_left(&self, acme: &Acme) -> Option<i64> {
        let not_after = self.worker.current().not_after()?;
        Some((not_after.millis_since(acme.app.clock.now()) + DAY * 500) / (DAY * 1_000))
    }
}

#[tokio::test]
async fn one_node_obtains_any_node_answers_and_every_node_serves_it() {
    let acme = Acme::start().await;
    let second_app = acme.app.second_node().await;
    let (mut first, mut second) = (acme.node(&acme.app).await, acme.node(&second_app).await);
    acme.lead_to(&second);
    assert_eq!(first.days_left(&acme), None);
    assert_eq!(first.worker.step().await.unwrap(), Step::Obtained);
    assert_eq!(first.days_left(&acme), Some(LIFE_DAYS));
    assert!(first.worker.current().covers("as.test") && first.worker.current().covers("login.test"));
    assert_eq!(second.worker.step().await.unwrap(), Step::TakenUp);
    assert_eq!(second.worker.current().not_after(), first.worker.current().not_after());
    for node in [&mut first, &mut second] {
        assert_eq!(node.worker.step().await.unwrap(), Step::Nothing);
    }
    assert_eq!((acme.server.accounts(), acme.server.orders()), (1, 1));
    assert_eq!(acme.server.contact(), json!(["mailto:operator@as.test"]));
    let actions = acme.app.database.texts("SELECT action FROM audit_events ORDER BY seq").await;
    assert_eq!(actions, ["token_key.created", "acme_account.created", "certificate.issued"]);
}

#[tokio::test]
async fn a_thief_of_the_database_has_no_key_of_the_certificate_or_the_account() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
    let stolen = acme.app.database.everything().await;
    let holds = |text: &str| stolen.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("BEGIN CERTIFICATE"));
    for secret in ["PRIVATE KEY", "key_pkcs8"] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn it_is_renewed_after_two_thirds_of_its_life_with_the_same_account_and_taken_up_elsewhere() {
    let acme = Acme::start().await;
    let second_app = acme.app.second_node().await;
    let (mut first, mut second) = (acme.node(&acme.app).await, acme.node(&second_app).await);
    acme.lead_to(&first);
    assert_eq!(first.worker.step().await.unwrap(), Step::Obtained);
    assert_eq!(second.worker.step().await.unwrap(), Step::TakenUp);
    acme.app.clock.advance_seconds(56 * DAY);
    assert_eq!(first.worker.step().await.unwrap(), Step::Nothing);
    assert_eq!(first.days_left(&acme), Some(34));
    acme.app.clock.advance_seconds(4 * DAY);
    assert_eq!(second.worker.step().await.unwrap(), Step::Obtained);
    assert_eq!(second.days_left(&acme), Some(LIFE_DAYS));
    // The first goes on with the old one until it looks.
    assert_eq!(first.days_left(&acme), Some(30));
    assert_eq!(first.worker.step().await.unwrap(), Step::TakenUp);
    assert_eq!(first.days_left(&acme), Some(LIFE_DAYS));
    assert_eq!((acme.server.accounts(), acme.server.orders()), (1, 2));
}

#[tokio::test]
async fn a_restart_takes_up_what_is_stored_and_asks_nobody() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
    let restarted = acme.app.second_node().await;
    let mut node = acme.node(&restarted).await;
    assert_eq!(node.worker.step().await.unwrap(), Step::TakenUp);
    assert_eq!((node.days_left(&acme), acme.server.orders()), (Some(LIFE_DAYS), 1));
}

#[tokio::test]
async fn of_two_nodes_that_look_at_once_one_asks() {
    let acme = Acme::start().await;
    let second_app = acme.app.second_node().await;
    let (mut first, mut second) = (acme.node(&acme.app).await, acme.node(&second_app).await);
    acme.lead_to(&first);
    let (one, other) = tokio::join!(first.worker.step(), second.worker.step());
    let mut steps = [format!("{:?}", one.unwrap()), format!("{:?}", other.unwrap())];
    steps.sort();
    assert_eq!(steps, ["Nothing", "Obtained"]);
    assert_eq!(acme.server.orders(), 1);
}

#[tokio::test]
async fn a_refusal_keeps_the_old_certificate_is_logged_and_tried_again_later() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
    acme.app.clock.advance_seconds(61 * DAY);
    acme.server.state.port_80.store(1, Ordering::SeqCst);
    let log = CapturedLog::start();
    for wait in [75, 150, 300] {
        assert_eq!(node.worker.step().await.unwrap(), Step::Failed);
        assert_eq!(node.worker.step().await.unwrap(), Step::Nothing);
        acme.app.clock.advance_seconds(wait);
    }
    let failures: Vec<_> = log.records().into_iter().filter(|record| record["level"] == "ERROR").collect();
    assert_eq!(failures.len(), 3);
    let error = failures[0]["error"].as_str().unwrap();
    assert!(error.contains("as.test") && error.contains("the answer is wrong"), "{error}");
    assert_eq!(node.days_left(&acme), Some(29));
    acme.lead_to(&node);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
    assert_eq!(node.days_left(&acme), Some(LIFE_DAYS));
}

#[tokio::test]
async fn a_certificate_for_other_names_is_not_served() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    acme.server.state.wrong_name.store(true, Ordering::SeqCst);
    assert_eq!(node.worker.step().await.unwrap(), Step::Failed);
    assert_eq!(node.days_left(&acme), None);
    assert_eq!(acme.app.database.count("SELECT count(*) FROM acme_certificates WHERE version > 0").await, 0);
}

#[tokio::test]
async fn the_try_of_a_node_that_died_is_taken_over_when_its_lease_is_over() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    acme.server.state.port_80.store(1, Ordering::SeqCst);
    assert_eq!(node.worker.step().await.unwrap(), Step::Failed);
    acme.lead_to(&node);
    let until = acme.app.clock.now().plus_seconds(600).as_millis();
    let dead = format!("UPDATE acme_certificates SET renew_at = 0, lease_id = 'dead', lease_until = {until}");
    acme.app.database.execute(&dead).await;
    acme.app.clock.advance_seconds(599);
    assert_eq!(node.worker.step().await.unwrap(), Step::Nothing);
    acme.app.clock.advance_seconds(1);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
}

#[tokio::test]
async fn an_authority_whose_certificate_is_not_trusted_is_told_nothing() {
    let acme = Acme::start().await;
    let mut worker = Worker::new(Arc::clone(&acme.app.app), acme.config(), &[]).unwrap();
    assert_eq!(worker.step().await.unwrap(), Step::Failed);
    assert_eq!((acme.server.accounts(), acme.server.orders()), (0, 0));
}

#[tokio::test]
async fn only_tokens_of_open_challenges_are_answered() {
    let acme = Acme::start().await;
    let mut node = acme.node(&acme.app).await;
    acme.lead_to(&node);
    assert_eq!(node.worker.step().await.unwrap(), Step::Obtained);
    let answer = async |token: &str| countersign::acme::answer(&acme.app.app, token).await.unwrap();
    assert!(answer("token-0_0").await.unwrap().starts_with("token-0_0."));
    for token in ["", "token-0_9", "token-0_0'", "token-0_0%", "../token-0_0", &"x".repeat(10_000)] {
        assert_eq!(answer(token).await, None, "{token}");
    }
    acme.app.clock.advance_seconds(3_600);
    assert_eq!(answer("token-0_0").await, None);
}
