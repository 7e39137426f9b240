//! What an observer hears of decisions.

use std::sync::{Arc, Mutex};

use countersign_verify::testing::TestIssuer;
use countersign_verify::{Aspect, Conclusion, Decision, Finding, Metrics, Observer, Outcome, Requirements, Verifier};
use http::HeaderMap;

const AUDIENCE: &str = "https://api.test";

/// Outcome, code, issuer, and whether an earlier verdict was used.
type Line = (Outcome, Option<&'static str>, Option<String>, bool);

#[derive(Default)]
struct Heard(Mutex<Vec<Line>>);

impl Observer for Heard {
    fn decided(&self, decision: &Decision<'_>) {
        let code = decision.code.map(countersign_verify::ErrorCode::as_str);
        let issuer = decision.issuer.map(str::to_owned);
        self.0.lock().unwrap().push((decision.outcome, code, issuer, decision.is_remembered));
    }
}

/// A good token twice, a bad one, none, and one that is not enough.
fn use_up(issuer: &TestIssuer, verifier: &Verifier) {
    let good = issuer.token(AUDIENCE).scope("list:users").sign();
    let verified = verifier.verify_token_now(&good).unwrap();
    verifier.verify_token_now(&good).unwrap();
    verifier.verify_token_now(&issuer.token(AUDIENCE).expires_in(-60).sign()).unwrap_err();
    verifier.verify_token_now("nonsense").unwrap_err();
    verifier.verify_now(&HeaderMap::new()).unwrap_err();
    verifier.require(&verified, &Requirements::all(["admin"])).unwrap_err();
}

#[test]
fn every_decision_is_heard_once() {
    let (issuer, heard) = (TestIssuer::new(), Arc::new(Heard::default()));
    use_up(&issuer, &issuer.verifier_builder(AUDIENCE).observer(Arc::clone(&heard)).build().unwrap());
    let name = || Some("https://issuer.test".to_owned());
    assert_eq!(
        *heard.0.lock().unwrap(),
        [
            (Outcome::Accepted, None, name(), false),
            (Outcome::Accepted, None, name(), true),
            (Outcome::Refused, Some("CS-1102"), name(), false),
            (Outcome::Refused, Some("CS-1005"), None, false),
            (Outcome::Refused, Some("CS-1001"), None, false),
            (Outcome::Insufficient, Some("CS-1203"), name(), false),
        ]
    );
}

#[tokio::test]
async fn an_explanation_is_not_heard_of_and_neither_uses_nor_fills_the_memory_of_tokens() {
    let (issuer, heard) = (TestIssuer::new(), Arc::new(Heard::default()));
    let verifier = issuer.verifier_builder(AUDIENCE).observer(Arc::clone(&heard)).build().unwrap();
    let good = issuer.token(AUDIENCE).sign();
    let is_accepted = async || verifier.explain(&good, &Requirements::none()).await.conclusion() == Conclusion::Accepted;
    assert!(is_accepted().await);
    verifier.verify_token_now(&good).unwrap();
    let heard = || heard.0.lock().unwrap().iter().map(|(_, _, _, is_remembered)| *is_remembered).collect::<Vec<_>>();
    assert_eq!(heard(), [false], "what was explained is remembered");
    // A remembered verdict would know no single check.
    let explained = verifier.explain(&good, &Requirements::none()).await;
    assert_eq!((explained.finding(Aspect::Signature), explained.finding(Aspect::Scope)), (Finding::Passed, Finding::NotJudged));
    assert_eq!(heard(), [false]);
}

#[tokio::test]
async fn a_token_that_waited_is_heard_of_once() {
    use crate::support::{Documents, ISSUER, KEYS_URL};
    let issuer = TestIssuer::named(ISSUER);
    let (heard, documents) = (Arc::new(Heard::default()), Documents::default());
    documents.put(KEYS_URL, issuer.jwk_set());
    let clock = Arc::new(countersign_verify::ManualClock::new(countersign_verify::Timestamp::from_seconds(1_800_000_000)));
    let builder = Verifier::builder(ISSUER, AUDIENCE).jwks_uri(KEYS_URL).clock(clock);
    let verifier = builder.fetch(documents).observer(Arc::clone(&heard)).build().unwrap();
    verifier.verify_token(&issuer.token(AUDIENCE).sign()).await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), [(Outcome::Accepted, None, Some(ISSUER.to_owned()), false)]);
    let rendered = Metrics::default().render(&verifier);
    assert!(rendered.contains(&format!("countersign_verify_jwks_age_seconds{{issuer=\"{ISSUER}\"}} 0\n")), "{rendered}");
}

#[test]
fn counts_are_rendered_for_prometheus() {
    let (issuer, metrics) = (TestIssuer::new(), Arc::new(Metrics::default()));
    let verifier = issuer.verifier_builder(AUDIENCE).observer(Arc::clone(&metrics)).build().unwrap();
    use_up(&issuer, &verifier);
    let text = metrics.render(&verifier);
    for line in [
        r#"countersign_verify_total{result="accepted",code="",issuer="https://issuer.test",method="jwt"} 2"#,
        r#"countersign_verify_total{result="refused",code="CS-1102",issuer="https://issuer.test",method=""} 1"#,
        r#"countersign_verify_total{result="refused",code="CS-1005",issuer="",method=""} 1"#,
        r#"countersign_verify_total{result="refused",code="CS-1001",issuer="",method=""} 1"#,
        r#"countersign_verify_total{result="insufficient",code="CS-1203",issuer="https://issuer.test",method="jwt"} 1"#,
        "countersign_verify_duration_seconds_count 4",
        r#"countersign_verify_duration_seconds_bucket{le="+Inf"} 4"#,
        "countersign_verify_cache_hits_total 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    // Keys that were given have no age.
    assert!(!text.contains("jwks_age_seconds{"), "{text}");
}

#[test]
fn counting_loses_nothing_between_threads() {
    let (issuer, metrics) = (TestIssuer::new(), Arc::new(Metrics::default()));
    let verifier = issuer.verifier_builder(AUDIENCE).observer(Arc::clone(&metrics)).build().unwrap();
    let token = issuer.token(AUDIENCE).sign();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| drop(verifier.verify_token_now(&token).unwrap())));
        }
    });
    let counted = r#"countersign_verify_total{result="accepted",code="",issuer="https://issuer.test",method="jwt"} 2000"#;
    assert!(metrics.render(&verifier).lines().any(|line| line == counted));
}
