//! Reports that a credential was found in public, as GitHub's secret scanning sends them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::leak_reports::LeakPolicy;
use countersign_protocol::ErrorCode;
use serde_json::{Value, json};

use super::ENGINE;
use crate::support::{Answer, CapturedLog, KeyServer, Managed, Setup};

/// What the DER of a P-256 key begins with.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];
const KEY: &str = "acme_live_7Hk2pQ9xWm4T";
const SHA256: &str = "ab03a7453a8a80ea851534719f6e8e34b32c9fcd605007dbee7fb83c4fe8cc39";
const PLACE: &str = "https://example.com/some/repository/blob/1/file.txt";

/// A key of the reporter.
struct Reporter {
    id: &'static str,
    key: EcdsaKeyPair,
}

impl Reporter {
    fn new(id: &'static str) -> Self {
        Self { id, key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap() }
    }

    fn document(&self) -> String {
        let der = STANDARD.encode([&P256, self.key.public_key().as_ref()].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &der[..64], &der[64..]);
        json!({ "public_keys": [{ "key_identifier": self.id, "key": pem, "is_current": true }] }).to_string()
    }

    fn sign(&self, body: &str) -> String {
        STANDARD.encode(self.key.sign(&SystemRandom::new(), body.as_bytes()).unwrap())
    }

    async fn report(&self, managed: &Managed, findings: &Value) -> Answer {
        let body = findings.to_string();
        let signature = self.sign(&body);
        send(managed, self.id, &signature, body).await
    }
}

async fn send(managed: &Managed, key_id: &str, signature: &str, body: impl Into<axum::body::Body>) -> Answer {
    let request = managed.app.post("/leak-reports").header("content-type", "application/json");
    request.header("github-public-key-identifier", key_id).header("github-public-key-signature", signature).body(body).send().await
}

fn finding(token: &str) -> Value {
    json!({ "token": token, "type": "acme_key", "url": PLACE, "source": "commit" })
}

async fn start(policy: LeakPolicy, reporter: &Reporter) -> (Managed, KeyServer) {
    let server = KeyServer::start(reporter.document()).await;
    let setup = Setup { leak_reports: Some((policy, server.url.clone())), ..Setup::default() };
    (Managed::start_with(ENGINE, setup).await, server)
}

/// An imported key; its id.
async fn import(managed: &Managed) -> String {
    let catalog = managed.app.app.catalog();
    let resource_server =
        catalog.resource_servers().find(|api| api.audience.as_str() == crate::support::API1).unwrap().id.to_string();
    let entries = json!({ "entries": [{ "hash": SHA256, "client_id": "client-a", "resource_server_id": resource_server }] });
    let result = managed.operator.post(&managed.app, "/keys/import", entries).await.success(200);
    result["results"][0]["id"].as_str().unwrap().to_owned()
}

async fn events(managed: &Managed, action: &str) -> i64 {
    managed.app.database.count(&format!("SELECT count(*) FROM audit_events WHERE action = '{action}'")).await
}

fn labels(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().unwrap().iter().map(|one| one["label"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_leaked_key_is_disabled_and_the_report_is_answered_in_the_partners_shape() {
    let reporter = Reporter::new("k1");
    let (managed, _) = start(LeakPolicy::Disable, &reporter).await;
    let id = import(&managed).await;
    let answer = reporter.report(&managed, &json!([finding(KEY), finding("nothing_of_ours")])).await;
    assert_eq!(
        answer.json(),
        json!([
            { "token_hash": SHA256, "token_type": "acme_key", "label": "true_positive" },
            {
                "token_hash": "33e8a4c0d5ebe5d8feacc2b410d0ac13d9b6ade8c2bd5ea2564bcce1d6898982",
                "token_type": "acme_key", "label": "false_positive"
            }
        ]),
        "{answer:?}"
    );
    let disabled = format!("SELECT count(*) FROM api_keys WHERE id = '{id}' AND disabled_at IS NOT NULL");
    assert_eq!(managed.app.database.count(&disabled).await, 1);
    assert_eq!((events(&managed, "api_key.leaked").await, events(&managed, "api_key.disabled").await), (1, 1));
}

#[tokio::test]
async fn a_leaked_client_secret_is_revoked_with_what_was_obtained_by_it() {
    let reporter = Reporter::new("k1");
    let (managed, _) = start(LeakPolicy::Disable, &reporter).await;
    managed.app.ask(&managed.a, "").await.token();
    // A checksum alone proves nothing.
    let unknown = countersign_protocol::CredentialText::generate("csec", [1; 9], [2; 32]);
    let answer = reporter.report(&managed, &json!([finding(&managed.a.secret), finding(unknown.expose())])).await;
    assert_eq!(labels(&answer), ["true_positive", "false_positive"]);
    assert_eq!(managed.app.ask(&managed.a, "").await.status, 401);
    assert_eq!((events(&managed, "credential.leaked").await, events(&managed, "credential.revoked").await), (1, 1));
}

#[tokio::test]
async fn where_that_is_the_policy_a_leak_is_told_and_nothing_else_is_done() {
    let reporter = Reporter::new("k1");
    let (managed, _) = start(LeakPolicy::Notify, &reporter).await;
    import(&managed).await;
    let log = CapturedLog::start();
    let answer = reporter.report(&managed, &json!([finding(KEY), finding(&managed.a.secret), finding("other")])).await;
    assert_eq!(labels(&answer), ["true_positive", "true_positive", "false_positive"]);
    assert_eq!(managed.app.database.count("SELECT count(*) FROM api_keys WHERE disabled_at IS NOT NULL").await, 0);
    managed.app.ask(&managed.a, "").await.token();
    let lines = log.text();
    assert_eq!(lines.matches("found in public").count(), 2, "{lines}");
    assert!(lines.contains(PLACE) && !lines.contains(KEY) && !lines.contains(&managed.a.secret), "{lines}");
    let scrape = managed.app.scrape().await;
    for kind in ["api_key", "client_secret", "none"] {
        assert_eq!(scrape.value(&format!("countersign_leak_reports_total{{credential=\"{kind}\"}}")), 1.0, "{kind}");
    }
    let details = managed.app.database.texts("SELECT details FROM audit_events WHERE action LIKE '%.leaked'").await.concat();
    assert!(details.contains(PLACE) && !details.contains(KEY) && !details.contains(&managed.a.secret), "{details}");
}

#[tokio::test]
async fn a_replayed_report_gets_the_same_answer_and_has_no_further_effect() {
    let reporter = Reporter::new("k1");
    let (managed, _) = start(LeakPolicy::Disable, &reporter).await;
    import(&managed).await;
    let body = json!([finding(KEY), finding(&managed.a.secret)]).to_string();
    let signature = reporter.sign(&body);
    let first = send(&managed, "k1", &signature, body.clone()).await;
    let events_of_all = "SELECT count(*) FROM audit_events";
    let before = managed.app.database.count(events_of_all).await;
    for _ in 0..3 {
        let again = send(&managed, "k1", &signature, body.clone()).await;
        assert_eq!((again.status, again.text()), (first.status, first.text()));
    }
    assert_eq!(managed.app.database.count(events_of_all).await, before);
    // Another place is another finding, of a key that is disabled.
    let elsewhere = json!([{ "token": KEY, "type": "acme_key", "url": "https://example.com/else", "source": "commit" }]);
    assert_eq!(labels(&reporter.report(&managed, &elsewhere).await), ["true_positive"]);
    assert_eq!((events(&managed, "api_key.leaked").await, events(&managed, "api_key.disabled").await), (2, 1));
}

#[tokio::test]
async fn a_report_that_the_reporter_did_not_sign_is_not_even_read() {
    let (reporter, thief) = (Reporter::new("k1"), Reporter::new("k1"));
    let (managed, _) = start(LeakPolicy::Disable, &reporter).await;
    import(&managed).await;
    let body = json!([finding(KEY)]).to_string();
    let signature = reporter.sign(&body);
    let refused = async |key_id: &str, signature: &str, body: String| {
        send(&managed, key_id, signature, body).await.refusal(403, ErrorCode::LeakReportUnsigned);
    };
    refused("k1", &thief.sign(&body), body.clone()).await;
    refused("k1", &signature, format!("{body} ")).await;
    refused("k1", &signature, "no JSON".to_owned()).await;
    refused("k1", "", body.clone()).await;
    refused("k1", "AAAA", body.clone()).await;
    refused("k1", signature.trim_end_matches('='), format!("{body}\n")).await;
    let bare = managed.app.post("/leak-reports").body(body.clone()).send().await;
    bare.refusal(403, ErrorCode::LeakReportUnsigned);
    let twice = managed.app.post("/leak-reports").header("github-public-key-identifier", "k1");
    let twice = twice.header("github-public-key-identifier", "k1").header("github-public-key-signature", &signature);
    twice.body(body.clone()).send().await.refusal(403, ErrorCode::LeakReportUnsigned);
    assert_eq!(managed.app.database.count("SELECT count(*) FROM api_keys WHERE disabled_at IS NOT NULL").await, 0);
    // What is signed is read.
    for broken in ["", "{}", "[1]", "[{\"type\":\"x\"}]", "[{\"token\":1,\"type\":\"x\"}]"] {
        send(&managed, "k1", &reporter.sign(broken), broken).await.refusal(400, ErrorCode::BodyMalformed);
    }
    assert_eq!(labels(&send(&managed, "k1", &signature, body).await), ["true_positive"]);
}

#[tokio::test]
async fn an_unknown_key_id_costs_one_fetch_in_30_seconds_and_a_new_key_is_found() {
    let (old, new) = (Reporter::new("k1"), Reporter::new("k2"));
    let (managed, server) = start(LeakPolicy::Notify, &old).await;
    let findings = json!([finding("other")]);
    for _ in 0..3 {
        assert_eq!(labels(&old.report(&managed, &findings).await), ["false_positive"]);
    }
    assert_eq!(server.fetches(), 1);
    server.answer(200, new.document());
    assert_eq!(labels(&new.report(&managed, &findings).await), ["false_positive"]);
    assert_eq!(server.fetches(), 2);
    for _ in 0..10 {
        old.report(&managed, &findings).await.refusal(403, ErrorCode::LeakReportUnsigned);
    }
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn without_the_reporters_keys_a_report_is_not_judged() {
    let reporter = Reporter::new("k1");
    let (managed, server) = start(LeakPolicy::Disable, &reporter).await;
    server.answer(500, "");
    let answer = reporter.report(&managed, &json!([finding("other")])).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("countersign-error"), Some(ErrorCode::ReporterKeysUnavailable.as_str()));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn unless_it_is_configured_there_is_no_such_endpoint() {
    let managed = Managed::start(ENGINE).await;
    let reporter = Reporter::new("k1");
    reporter.report(&managed, &json!([finding("other")])).await.refusal(404, ErrorCode::NoSuchPath);
}

#[tokio::test]
async fn a_report_has_bounds() {
    let reporter = Reporter::new("k1");
    let (managed, _) = start(LeakPolicy::Notify, &reporter).await;
    let findings: Value = (0..1_001).map(|number| json!({ "token": number.to_string(), "type": "x" })).collect();
    reporter.report(&managed, &findings).await.refusal(413, ErrorCode::BodyTooLarge);
    let large = "x".repeat(1024 * 1024 + 1);
    send(&managed, "k1", &reporter.sign(&large), large).await.refusal(413, ErrorCode::BodyTooLarge);
}
