//! Every check instead of the first that fails: the same list, the same verdict.

use countersign_verify::testing::{TestIssuer, every_bad_token};
use countersign_verify::{Aspect, Conclusion, ErrorCode, Finding, Requirements, TrustedIssuer, Verifier};
use serde_json::json;

use crate::support::{AUDIENCE, Documents, ISSUER};

fn need() -> Requirements {
    Requirements::all(["list:users"])
}

fn failed(verdict: &countersign_verify::Explanation) -> Vec<(Aspect, ErrorCode)> {
    let of = |aspect: &Aspect| match verdict.finding(*aspect) {
        Finding::Failed(code) => Some((*aspect, code)),
        Finding::Passed | Finding::NotJudged => None,
    };
    Aspect::ALL.iter().filter_map(of).collect()
}

/// One issuer, or two: whether a token is looked into first makes no difference.
fn verifiers(issuer: &TestIssuer) -> [Verifier; 2] {
    let other = TrustedIssuer::new("https://other.test").jwk_set(TestIssuer::new().jwk_set());
    [issuer.verifier(AUDIENCE), issuer.verifier_builder(AUDIENCE).issuer(other).build().unwrap()]
}

#[tokio::test]
async fn the_verdict_is_the_verifiers_for_every_attack() {
    let issuer = TestIssuer::new();
    let good = issuer.token(AUDIENCE).scope("list:users");
    for verifier in verifiers(&issuer) {
        for bad in every_bad_token(&good) {
            // Before the verifier sees the token: an explanation leaves nothing behind.
            let explained = verifier.explain(bad.token(), &need()).await;
            let verdict = verifier.verify_token_now(bad.token());
            let denied = verdict.and_then(|token| verifier.require(&token, &need())).unwrap_err();
            assert_eq!(explained.conclusion(), Conclusion::Refused(denied.code()), "{}", bad.name());
            assert!(failed(&explained).iter().any(|(_, code)| *code == denied.code()), "{}", bad.name());
        }
        let explained = verifier.explain(&good.sign(), &need()).await;
        assert_eq!((explained.conclusion(), failed(&explained)), (Conclusion::Accepted, Vec::new()));
        assert!(verifier.verify_token_now(&good.sign()).is_ok());
    }
}

#[tokio::test]
async fn each_fault_of_a_token_is_found_at_once() {
    let issuer = TestIssuer::new();
    let token = issuer.token("https://api1.test/").scope("read:users").expires_in(-60).claim("cnf", json!({ "jkt": "x" }));
    let token = token.claim("iss", "https://issuer.test/").header("typ", "JWT").sign();
    let explained = issuer.verifier(AUDIENCE).explain(&token, &need()).await;
    assert_eq!(
        failed(&explained),
        [
            (Aspect::Type, ErrorCode::TypeNotAllowed),
            (Aspect::Issuer, ErrorCode::IssuerMismatch),
            (Aspect::Audience, ErrorCode::AudienceMismatch),
            (Aspect::Time, ErrorCode::Expired),
            (Aspect::Binding, ErrorCode::PossessionNotProven),
            (Aspect::Scope, ErrorCode::InsufficientScope),
        ]
    );
    assert_eq!(explained.conclusion(), Conclusion::Refused(ErrorCode::TypeNotAllowed));
    assert_eq!((explained.finding(Aspect::Signature), explained.finding(Aspect::Key)), (Finding::Passed, Finding::Passed));
    assert_eq!((explained.algorithm(), explained.token_type()), (Some("ES256"), Some("JWT")));
    assert!(explained.claims().is_some() && explained.scopes().unwrap().contains("read:users"));
}

#[tokio::test]
async fn a_bad_signature_ends_it_and_no_claim_is_told() {
    let issuer = TestIssuer::new();
    let token = TestIssuer::new().token("https://elsewhere.test").expires_in(-60).sign();
    let explained = issuer.verifier(AUDIENCE).explain(&token, &need()).await;
    assert_eq!(failed(&explained), [(Aspect::Signature, ErrorCode::BadSignature)]);
    assert!(explained.claims().is_none() && explained.scopes().is_none());
    for aspect in [Aspect::Claims, Aspect::Issuer, Aspect::Audience, Aspect::Time, Aspect::Scope] {
        assert_eq!(explained.finding(aspect), Finding::NotJudged, "{aspect:?}");
    }
}

#[tokio::test]
async fn without_keys_what_needs_none_is_judged() {
    let verifier = Verifier::builder(ISSUER, AUDIENCE).fetch(Documents::default()).build().unwrap();
    let issuer = TestIssuer::named(ISSUER);
    let token = issuer.token(AUDIENCE);
    let explained = verifier.explain(&token.sign(), &need()).await;
    assert_eq!(explained.conclusion(), Conclusion::NotJudged(ErrorCode::KeysUnavailable));
    assert_eq!((explained.finding(Aspect::Type), explained.finding(Aspect::Key)), (Finding::Passed, Finding::NotJudged));
    // What is wrong without any key is refused without any key.
    let explained = verifier.explain(&token.header("typ", "JWT").sign(), &need()).await;
    assert_eq!(explained.conclusion(), Conclusion::Refused(ErrorCode::TypeNotAllowed));
}
